#!/usr/bin/env bash
# Is a healthy server ever red on a busy machine? Ordinary runs while every core is kept busy; none may fail.
#
#   xtask/benches/busy_runs.sh [SMOKE] [LOAD] [AT_ONCE]
#
# SMOKE runs of `smoke all websocket` (20), then LOAD runs of `load all websocket --time-scale 0.12` (5), AT_ONCE side by
# side (4), each with a server of its own. About 25 minutes. Exit code 1 if any run was not green.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
smoke=${1:-20} load=${2:-5} at_once=${3:-4}

cargo build --quiet --package xtask
cargo build --quiet --release --package tachikoma-server
work=$(mktemp -d)
cp target/debug/xtask target/release/tachikoma-server "$work/"
k6=$(cargo xtask k6 install)

burners=()
clean_up() {
  [ "${#burners[@]}" -eq 0 ] || kill "${burners[@]}" 2>/dev/null || true
  rm -rf "$work/tachikoma-server" "$work/xtask"
}
trap clean_up EXIT
for _ in $(seq "$(nproc)"); do
  timeout 7200 sh -c 'while :; do :; done' &
  burners+=("$!")
done

one() {
  local name=$1
  shift
  local code=0
  "$work/xtask" load-test "$@" --base-url http://127.0.0.1:0 --k6 "$k6" --server-bin "$work/tachikoma-server" \
    --results "$work/$name" --message-format json >"$work/$name.json" 2>"$work/$name.log" || code=$?
  printf '%s: exit code %s\n' "$name" "$code"
}
export -f one
export work k6

{
  seq "$smoke" | xargs -P "$at_once" -I{} bash -c 'one smoke-{} smoke all websocket'
  seq "$load" | xargs -P "$at_once" -I{} bash -c 'one load-{} load all websocket --time-scale 0.12'
} | tee "$work/codes"

red=$(grep -cv 'exit code 0$' "$work/codes" || true)
printf '%s runs, %s not green; load average %s; their logs are in %s\n' \
  "$((smoke + load))" "$red" "$(cut -d' ' -f1 /proc/loadavg)" "$work"
[ "$red" -eq 0 ]
