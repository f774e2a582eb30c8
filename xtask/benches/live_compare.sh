#!/usr/bin/env bash
# Live comparisons of known truth: a server with itself, and with one that burns a twentieth or a tenth of the median of
# POST /api/missions more for each of these requests. Every other round has a neighbour that keeps one core busy.
#
#   xtask/benches/live_compare.sh [ROUNDS] [COMPARE_ARGS...]
#
# 20 rounds by default. The blocks.json of the servers that are the same lie in target/live-compare/{quiet,busy}/plus-0;
# pool them with xtask/benches/pool_blocks.py, and ask `cargo xtask compare --replay FILE --calibrate` what is found.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

rounds=${1:-20}
shift || true
work=$PWD/target/live-compare
# No comparison takes longer, so that a neighbour whose bench was killed ends too.
longest=600
mkdir -p "$work"

cargo build --quiet --package xtask
cargo build --quiet --release --package tachikoma-server --features faults
cp target/release/tachikoma-server "$work/server"

neighbour=
trap '[ -z "$neighbour" ] || kill "$neighbour" 2>/dev/null || true' EXIT

# A program that is the server and burns "$1" more for each mission that is created.
head_of() {
  cat >"$work/head" <<SCRIPT
#!/bin/sh
export TACHIKOMA_ALLOW_FAULTS=1 TACHIKOMA_FAULTS='POST /api/missions: cpu=$1'
exec '$work/server' "\$@"
SCRIPT
  chmod +x "$work/head"
}

for round in $(seq "$rounds"); do
  mood=quiet
  if [ $((round % 2)) = 0 ]; then mood=busy; fi
  for percent in 0 5 10; do
    results=$work/$mood/plus-$percent
    if [ "$percent" = 0 ]; then
      head_of 0us
    else
      head_of "$(jq -r --argjson percent "$percent" \
        '.tests[0].metrics[] | select(.metric == "mission_create_duration med") | "\(.base * 10 * $percent | round)us"' \
        "$work/same-$mood.json")"
    fi
    if [ "$mood" = busy ]; then
      timeout "$longest" sh -c 'while :; do :; done' &
      neighbour=$!
    fi
    code=0
    target/debug/xtask compare missions --seed "$round" --base-bin "$work/server" --head-bin "$work/head" \
      --results "$results" --message-format json "$@" >"$work/last.json" 2>"$work/last.log" || code=$?
    if [ -n "$neighbour" ]; then
      kill "$neighbour" 2>/dev/null || true
      wait "$neighbour" 2>/dev/null || true
      neighbour=
    fi
    [ "$percent" != 0 ] || cp "$work/last.json" "$work/same-$mood.json"
    case $code in
      0) said="nothing is worse" ;;
      1) said=$(jq -r '[.tests[].metrics[] | select(.change == "regression")
           | "\(.metric) +\(.evidence.estimate * 1000 | round / 10) %"] | join(", ")' "$work/last.json") ;;
      *) cat "$work/last.log" >&2; exit "$code" ;;
    esac
    printf '%s +%d %% %2d: %s (%s pairs, %s s)\n' "$mood" "$percent" "$round" "$said" \
      "$(jq '.tests[0].pairs' "$work/last.json")" "$(jq '.duration_s | round' "$work/last.json")"
  done
done
