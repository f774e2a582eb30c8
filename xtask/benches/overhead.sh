#!/usr/bin/env bash
# What the orchestrator costs beside k6 itself.
#
#   xtask/benches/overhead.sh          a warm run against a bare `k6 run`, and the cost of watching: two minutes
#   xtask/benches/overhead.sh --cold   a fresh clone up to the first request too
#
# Each figure is a ratio or a difference within one run of this script, since machines are noisy.
set -euo pipefail
# Numbers have a decimal point, whatever the locale.
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# shellcheck source=xtask/benches/start_server.sh
source xtask/benches/start_server.sh

now() { date +%s%N; }
seconds() { awk -v from="$1" -v to="$2" 'BEGIN { printf "%.2f", (to - from) / 1e9 }'; }

from=$(now)
BASE_URL=$url "$k6" run --quiet --no-usage-report --address= -e PROFILE=smoke -e TEST=health load-tests/main.js >"$work/bare.log" 2>&1
bare=$(seconds "$from" "$(now)")

from=$(now)
target/debug/xtask load-test smoke health --base-url http://127.0.0.1:0 --results "$work/results" \
  --server-bin target/release/tachikoma-server >"$work/ours.log" 2>&1 || { cat "$work/ours.log" >&2; exit 1; }
ours=$(seconds "$from" "$(now)")
# It looks at the content of the answers twice, which a bare run does not: that is told apart.
from=$(now)
for _ in 1 2; do
  BASE_URL=$url TEST=health "$k6" run --quiet --no-usage-report --address= load-tests/probe.js >"$work/probe.log" 2>&1
done
looks=$(seconds "$from" "$(now)")
from=$(now)
cargo xtask k6 path >"$work/path.log" 2>&1
through_cargo=$(now)
target/debug/xtask k6 path >"$work/path.log" 2>&1
cargo=$(awk -v a="$(seconds "$from" "$through_cargo")" -v b="$(seconds "$through_cargo" "$(now)")" 'BEGIN { print a - b }')

printf 'bare k6 run, server running     %6s s\n' "$bare"
printf 'warm load-test, without cargo   %6s s  = %s s more, of which two looks at the answers %s s, the rest %s s (goal: at most 0.25)\n' \
  "$ours" "$(awk -v a="$ours" -v b="$bare" 'BEGIN { printf "%.2f", a - b }')" "$looks" \
  "$(awk -v a="$ours" -v b="$bare" -v c="$looks" 'BEGIN { printf "%.2f", a - b - c }')"
printf 'cargo, when nothing is to build %6.2f s\n' "$cargo"

# What sampling and watching cost: the CPU time of the orchestrator's own threads between the 5th and the 55th second.
cpu_ns() { awk '{ sum += $1 } END { printf "%.0f", sum }' "/proc/$1/task/"*/schedstat; }
target/debug/xtask load-test smoke health --time-scale 2 --base-url http://127.0.0.1:0 \
  --k6 "$k6" --server-bin target/release/tachikoma-server --results "$work/watched" >"$work/watched.log" 2>&1 &
watched=$!
sleep 5
before=$(cpu_ns "$watched")
sleep 50
after=$(cpu_ns "$watched")
memory=$(awk '/^VmHWM:/ { print $2 / 1024 }' "/proc/$watched/status")
wait "$watched" || { cat "$work/watched.log" >&2; exit 1; }
teardown=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["teardown_s"] * 1000)' "$work/watched/latest/run.json")
printf 'sampling and watching           %6s %% of one core  (goal: less than 1)\n' \
  "$(awk -v a="$before" -v b="$after" 'BEGIN { printf "%.2f", (b - a) / 50e9 * 100 }')"
printf 'memory of the orchestrator      %6.1f MiB  (goal: at most 40)\n' "$memory"
printf 'teardown of a healthy server    %6.0f ms  (goal: under 300)\n' "$teardown"

[ "${1:-}" = --cold ] || exit 0

# A newcomer: a fresh clone, nothing in HOME but the toolchain, no k6 on the PATH.
rustup_home=${RUSTUP_HOME:-$HOME/.rustup}
cargo=$(rustup which cargo)
git clone --quiet . "$work/clone"
mkdir "$work/home"
from=$(now)
(cd "$work/clone" && env -u K6_BIN HOME="$work/home" CARGO_HOME="$work/home/.cargo" RUSTUP_HOME="$rustup_home" \
  PATH="$(dirname "$cargo"):$PATH" "$cargo" xtask load-test smoke health --time-scale 0.1 \
  --base-url http://127.0.0.1:0 --results "$work/first") >"$work/first.log" 2>&1 || { cat "$work/first.log" >&2; exit 1; }
first=$(stat --format=%W "$work/first/latest/health")
[ "$first" -gt 0 ] || first=$(stat --format=%Y "$work/first/latest/server.log")
printf 'fresh clone to first request    %6s s  (downloads, both builds and k6 among them; goal: at most 100)\n' \
  "$(awk -v from="$from" -v to="$first" 'BEGIN { printf "%.0f", to - from / 1e9 }')"
