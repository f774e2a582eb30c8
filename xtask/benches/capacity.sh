#!/usr/bin/env bash
# Searches for capacities that are known: `cargo xtask capacity` against crates/capacity-stub in each of its modes, and
# how often the answer has the true edge and names the true cause. Then tachikoma-server's own, beside what wrk reaches.
#
#   xtask/benches/capacity.sh [ROUNDS]         20 rounds by default; 0 leaves the servers of known capacity out
#
#   JOBS=3        searches at once, on ports of their own
#   BURNING=20    rounds against those that burn a core, which run alone; as many as the others by default
#   SERVER=3      rounds against tachikoma-server; 0 leaves it out
#   SERVER_TESTS="health missions specs" SERVER_STEP=6s SERVER_BUDGET=300s    of those
#   RESOLUTION=5% STEP=3s CONFIRM=3s BUDGET=90s    of the searches whose answer is known
#
# It takes little of the machine, but what else runs there delays it: on one that is not idle, start it with `nice -n -10`.
# A search that ended since other programs took the machine says so, and is counted apart.
# An edge is a stretch: at its lower end the queue is just full, at its upper end a step of STEP seconds is just long
# enough for p95 to pass the limit T of 100 ms: a rate C (1 + T / (0.95 STEP)), by the queue that grows meanwhile.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

rounds=${1:-20}
jobs=${JOBS:-3}
burning_rounds=${BURNING:-$rounds}
server_rounds=${SERVER:-3}
read -ra server_tests <<<"${SERVER_TESTS:-health missions specs}"
resolution=${RESOLUTION:-5%} step=${STEP:-3s} confirm=${CONFIRM:-3s} budget=${BUDGET:-90s}
work=$PWD/target/capacity-bench
rm -rf "$work"
mkdir -p "$work/stub/tests" "$work/runs"
cp xtask/tests/capacity/{load-test.toml,k6.config.js} load-tests/main.js "$work/stub/"
cp xtask/tests/capacity/tests/ask.js "$work/stub/tests/"

cargo build --quiet --package xtask
cargo build --quiet --release --package capacity-stub
[ "$server_rounds" = 0 ] || cargo build --quiet --release --package tachikoma-server
# Copies, for whoever builds meanwhile.
cp target/debug/xtask target/release/capacity-stub "$work/"
[ "$server_rounds" = 0 ] || cp target/release/tachikoma-server "$work/"
xtask=$work/xtask
K6_BIN=$("$xtask" k6 install)
export K6_BIN
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

# name | STUB_MODE | PAUSE in s | further arguments | the edge, from and to | the cause. With S the seconds of a step.
S=${step%s}
up_to() { awk -v c="$1" -v s="$S" 'BEGIN { print c * (1 + 0.1 / (0.95 * s)) }'; }
# 24 MiB hold 384 requests of 64 KiB; from 1 % of failures on a step fails.
leak() { awk -v s="$S" -v of="$1" 'BEGIN { print 384 / of / s }'; }
quiet=(
  "tokens, rate|tokens:100|0|--rate --start 30|100 $(up_to 100)|a queue of the server"
  "workers, rate|workers:4:40ms|0|--rate --start 30|100 $(up_to 100)|a queue of the server"
  "tokens, users|tokens:100|0.1|--start 5|19 20|a queue of the server"
  "jump, users|jump:30:2ms:400ms|0.1|--start 8|30 31|connections"
  "leak, rate|leak:64:24|0|--rate --start 30|$(leak 1) $(leak 0.99)|memory"
)
burning=(
  "thread, rate|thread:10ms|0|--rate --start 30|100 $(up_to 100)|one thread of the server"
  "lock, rate|lock:10ms|0|--rate --start 30|100 $(up_to 100)|a lock of the server"
)

# One search; its answer as a line of "name|inside|within the resolution|cause|seconds|interval".
search() {
  IFS='|' read -r name mode pause args edge cause <<<"$1"
  local results=$work/runs/${name//[^a-z]/}-$2 began=$SECONDS
  read -ra words <<<"$args"
  STUB_MODE=$mode PAUSE=$pause LOAD_TEST_CONFIG=$work/stub/load-test.toml TACHIKOMA_RESULTS=$results \
    XDG_RUNTIME_DIR=$work/runs "$xtask" capacity ask --base-url http://127.0.0.1:0 \
    --server-bin "$work/capacity-stub" --resolution "$resolution" --step "$step" --confirm "$confirm" \
    --budget "$budget" "${words[@]}" >"$results.txt" 2>&1 || true
  jq -r --arg name "$name" --arg cause "$cause" --arg edge "$edge" --arg seconds $((SECONDS - began)) \
    --argjson resolution "${resolution%\%}" '
    .tests[0].capacity as $it | ($edge | split(" ") | map(tonumber)) as [$from, $to]
    | $it.interval.at_least as $least | ($it.interval.below // 1e9) as $below
    | ($least <= $to and $below >= $from) as $inside
    | ($least >= $from * (1 - $resolution / 100) - 1 and $below <= $to * (1 + $resolution / 100) + 1) as $within
    | (if ($it.ended | type) == "object" then "\($name), not measured" else $name end) as $name
    | [$name, $inside, $within, ($it.cause.what == $cause), $seconds, "\($least)-\($below) \($it.cause.what) \($it.ended)"]
    | join("|")' "$results"/latest/run.json || echo "$name|false|false|false|$((SECONDS - began))|no answer: $results.txt"
}

# So many rounds of "$@", $at searches at once.
all() {
  local rounds=$1 at=$2 round case
  shift 2
  for round in $(seq "$rounds"); do
    for case in "$@"; do
      while [ "$(jobs -rp | wc -l)" -ge "$at" ]; do wait -n || true; done
      search "$case" "$round" >>"$work/answers" &
    done
  done
  wait
}

if [ "$rounds" -gt 0 ]; then
  all "$rounds" "$jobs" "${quiet[@]}"
  all "$burning_rounds" 1 "${burning[@]}"
  echo "server: edge in the interval, within the resolution, cause named; seconds of a search (median)"
  sort -t'|' -k1,1 -k5,5n "$work/answers" | awk -F'|' '
    function say() { if (n) printf "%-28s %d, %d and %d of %d; %s s\n", name, inside, within, cause, n, took[int((n + 1) / 2)] }
    $1 != name { say(); name = $1; n = inside = within = cause = 0 }
    { n++; inside += $2 == "true"; within += $3 == "true"; cause += $4 == "true"; took[n] = $5 }
    END { say() }'
  echo "others than these are in $work/answers"
fi

# What wrk reaches on a route, in requests a second: "$1" is the path, "$2" a script.
reaches() {
  wrk --threads 1 --connections 32 --duration 5s --header "Authorization: Bearer test-api-key" ${2:+--script "$2"} "$url$1" |
    awk '/Requests\/sec/ { print $2 }'
}

if [ "$server_rounds" -gt 0 ]; then
  cat >"$work/create.lua" <<'LUA'
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"name":"bench","prompt":"This is a load test prompt","backend":"mock"}'
LUA
  for round in $(seq "$server_rounds"); do
    results=$work/runs/server-$round
    # Each of the tests has its part of the budget.
    TACHIKOMA_RESULTS=$results "$xtask" capacity "${server_tests[@]}" --rate --start 200 --step "${SERVER_STEP:-6s}" \
      --confirm 10s --budget "${SERVER_BUDGET:-300s}" --base-url http://127.0.0.1:0 --server-bin "$work/tachikoma-server" >"$results.txt" 2>&1 || true
    jq -r '.tests[] | .name as $name | .capacity | "\($name) \(.interval.at_least) iterations/s\(if .interval.below then " to \(.interval.below)" else " at least" end). \(.cause.sentence)"' \
      "$results"/latest/run.json || tail -n 3 "$results.txt"
  done
  if command -v wrk >/dev/null; then
    mkdir "$work/data"
    TACHIKOMA_API_KEY=test-api-key TACHIKOMA_ADDR=127.0.0.1:0 TACHIKOMA_DATA_DIR=$work/data \
      TACHIKOMA_SPECS_DIR=load-tests/fixtures/specs "$work/tachikoma-server" >"$work/said" 2>/dev/null &
    until url=$(sed -n 's/^listening on //p' "$work/said") && [ -n "$url" ]; do sleep 0.1; done
    for round in $(seq "$server_rounds"); do
      echo "wrk, requests/s: health $(reaches /api/health), create a mission $(reaches /api/missions "$work/create.lua")," \
        "list $(reaches /api/missions), read a spec $(reaches /api/specs/001), search $(reaches '/api/specs/search?q=load')"
    done
  else
    echo "wrk is not installed: apt-get install wrk" >&2
  fi
fi
