#!/usr/bin/env bash
# How often a comparison names the function first that was slowed by a tenth of a request's CPU time. Both sides burn
# 100 µs of it in POST /api/missions, so that the function is there in both; the head burns a tenth of a request more.
#
#   xtask/benches/name_function.sh [ROUNDS] [COMPARE_ARGS...]
#
# 20 rounds by default, of about a minute each. With OWN=1 perf is not allowed to sample, and the servers sample themselves.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

rounds=${1:-20}
shift || true
readonly function='under faults::inject::burn$'
work=$PWD/target/name-function
rm -rf "$work"
mkdir -p "$work"

cargo build --quiet --package xtask
cargo build --quiet --release --package tachikoma-server --features faults,profiler
cp target/release/tachikoma-server "$work/server"

if [ "${OWN:-}" = 1 ]; then
  printf '#!/bin/sh\nexit 1\n' >"$work/perf"
  chmod +x "$work/perf"
  PATH=$work:$PATH
fi

# A program that is the server and burns $2 µs for each mission that is created.
side() {
  printf "#!/bin/sh\nexport TACHIKOMA_ALLOW_FAULTS=1 TACHIKOMA_FAULTS='POST /api/missions: cpu=%sus'\nexec '%s' \"\$@\"\n" \
    "$2" "$work/server" >"$work/$1"
  chmod +x "$work/$1"
}

compare() {
  code=0
  target/debug/xtask compare missions --pairs 16 --instructions off --base-bin "$work/base" --head-bin "$work/head" \
    --results "$work/results" --message-format json "$@" >"$work/last.json" 2>"$work/last.log" || code=$?
  [ "$code" -le 1 ] || { cat "$work/last.log" >&2; exit "$code"; }
}

# Every second request creates a mission, so that it is twice a tenth.
side base 100
side head 300
compare --profile off --seed 0 "$@"
more=$(jq -r '.tests[0].metrics[] | select(.metric == "server CPU per request") | .base * 200 | round' "$work/last.json")
side head $((100 + more))
echo "each creation burns $more µs more"

first=0
for round in $(seq "$rounds"); do
  compare --profile on --seed "$round" "$@"
  if jq --exit-status --arg name "$function" '.sampled[0].functions[0].name // "" | test($name)' "$work/last.json" >/dev/null; then
    first=$((first + 1))
  fi
  said=$(jq -r '.sampled[0].functions // [] | map("\(.name) \((.head - .base) * 1e4 | round / 10) µs") | join(", ")' "$work/last.json")
  cpu=$(jq -r '.tests[0].metrics[] | select(.metric == "server CPU per request")
    | "\((.evidence.estimate // 0) * 1000 | round / 10) % (\(.change))"' "$work/last.json")
  printf '%2d: CPU %s, %s samples; %s\n' "$round" "$cpu" "$(jq -c '.sampled[0].samples' "$work/last.json")" "${said:-no function}"
done
echo "named first in $first of $rounds"
