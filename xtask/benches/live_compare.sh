#!/usr/bin/env bash
# Live comparisons of known truth: a server with itself, and with one whose POST /api/missions burns more CPU time.
#
#   xtask/benches/live_compare.sh [ROUNDS] [PAIRS] [EXTRA]
#
# Defaults: 10 rounds of 30 pairs; EXTRA is a fifth of what the first comparison measures as the median of that route,
# as in 150us. The two kinds take turns. Their blocks stay in target/live-compare/{same,slower}; pool the first with
#   xtask/benches/pool_blocks.py target/live-compare/same > blocks.json
# and ask `cargo xtask compare --replay blocks.json --calibrate` what would be found.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

rounds=${1:-10}
pairs=${2:-30}
extra=${3:-}
work=target/live-compare
mkdir -p "$work"
rm -f "$work/slower-server"

cargo build --quiet --package xtask
cargo build --quiet --release --package tachikoma-server --features faults --target-dir "$work/build"
server=$PWD/$work/build/release/tachikoma-server
make_slower() {
  cat >"$work/slower-server" <<SCRIPT
#!/bin/sh
export TACHIKOMA_ALLOW_FAULTS=1 TACHIKOMA_FAULTS='POST /api/missions: cpu=$extra'
exec '$server' "\$@"
SCRIPT
  chmod +x "$work/slower-server"
  echo "the slower server burns $extra more for each POST /api/missions"
}

for round in $(seq "$rounds"); do
  for kind in same slower; do
    head=$server
    if [ "$kind" = slower ]; then
      head=$PWD/$work/slower-server
      [ -n "$extra" ] || extra=$(jq -r '.tests[0].metrics[] | select(.metric == "mission_create_duration median")
        | "\(.base * 200 | round)us"' "$work/last.json")
      [ -x "$head" ] || make_slower
    fi
    code=0
    target/debug/xtask compare missions --pairs "$pairs" --seed "$round" --base-bin "$server" --head-bin "$head" \
      --results "$work/$kind" --message-format json >"$work/last.json" 2>"$work/last.log" || code=$?
    case $code in
      0) said="nothing is worse" ;;
      1) said=$(jq -r '[.tests[].metrics[] | select(.change == "regression")
           | "\(.metric) \((.evidence.ratio - 1) * 1000 | round / 10) %"] | join(", ")' "$work/last.json") ;;
      *) cat "$work/last.log" >&2; exit "$code" ;;
    esac
    printf '%s %2d: %s (%s s)\n' "$kind" "$round" "$said" "$(jq '.duration_s | round' "$work/last.json")"
  done
done
