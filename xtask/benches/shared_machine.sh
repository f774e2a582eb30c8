#!/usr/bin/env bash
# What a comparison makes of a burden that both servers share, since they share the machine: for each burden a server with
# itself, and with one that burns a tenth of the median of POST /api/missions more for each of these requests. Only the head
# brings the burden along, as a change would that begins to work in the background, but for what is said to be of both; its
# processor time is not the server's.
#
#   xtask/benches/shared_machine.sh [COMPARE_ARGS...]     # about 40 minutes; less with BURDENS='memory,nothing'
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work=$PWD/target/shared-machine
rm -rf "$work"
mkdir -p "$work"
cargo build --quiet --package xtask
cargo build --quiet --release --package tachikoma-server --features faults
cp target/release/tachikoma-server "$work/server"

# Each ends with the server, whose process group it is in, and by itself should that fail.
declare -A burdens=(
  [nothing]=':'
  [a busy thread]='while :; do :; done'
  [memory]='exec python3 -c "
hog = bytearray(512 << 20)
while True:
    hog[::4096] = bytes(len(hog) // 4096)"'
  [flushes of the disk]="while :; do dd if=/dev/zero of='$work/flushed' bs=64k count=16 conv=fsync 2>'$work/dd.log'; done"
  [flushes of both]="while :; do dd if=/dev/zero of='$work/flushed'\$\$ bs=64k count=16 conv=fsync 2>'$work/dd.log'; done"
  [a lock on the data]='exec python3 -c "
import os, sqlite3, time
path = os.environ[\"TACHIKOMA_DATA_DIR\"] + \"/tachikoma.db\"
while not os.path.exists(path):
    time.sleep(0.05)
held = sqlite3.connect(path, timeout=60, isolation_level=None)
while True:
    held.execute(\"BEGIN IMMEDIATE\")
    time.sleep(0.005)
    held.execute(\"ROLLBACK\")
    time.sleep(0.005)"'
)

# A program "$1" that is the server with burden "$2", and burns "$3" more for each mission that is created.
program_of() {
  cat >"$work/$1" <<SCRIPT
#!/bin/sh
# $1: two programs that are the same are not compared.
export TACHIKOMA_ALLOW_FAULTS=1 TACHIKOMA_FAULTS='POST /api/missions: cpu=$3'
timeout --foreground 60 sh -c '${2//\'/\'\\\'\'}' </dev/null >'$work/burden.log' 2>&1 &
exec '$work/server' "\$@"
SCRIPT
  chmod +x "$work/$1"
}

IFS=, read -ra names <<<"${BURDENS:-nothing,a busy thread,memory,flushes of the disk,flushes of both,a lock on the data}"
for burden in "${names[@]}"; do
  base=$work/server
  if [ "$burden" = "flushes of both" ]; then
    program_of base "${burdens[$burden]}" 0us
    base=$work/base
  fi
  more=0us
  for percent in 0 10; do
    program_of head "${burdens[$burden]}" "$more"
    code=0
    target/debug/xtask compare missions --seed 1 --profile off --instructions off \
      --base-bin "$base" --head-bin "$work/head" --results "$work/results" --message-format json "$@" \
      >"$work/last.json" 2>"$work/last.log" || code=$?
    case $code in
      0) said="nothing is worse" ;;
      1) said=$(jq -r '[.tests[].metrics[] | select(.change == "regression")
           | "\(.metric) +\(.evidence.estimate * 1000 | round / 10) %"] | join(", ")' "$work/last.json") ;;
      *) cat "$work/last.log" >&2; exit "$code" ;;
    esac
    medians=$(jq -r '[.tests[0].metrics[] | select(.metric | endswith(" med"))
      | "\(.metric) \(.base * 1000 | round) µs"] | join(", ")' "$work/last.json")
    printf '%s, +%d %%: %s (%s pairs, %s s; base: %s)\n' "$burden" "$percent" "$said" \
      "$(jq '.tests[0].pairs' "$work/last.json")" "$(jq '.duration_s | round' "$work/last.json")" "$medians"
    more=$(jq -r '.tests[0].metrics[] | select(.metric == "mission_create_duration med") | "\(.base * 100 | round)us"' \
      "$work/last.json")
  done
done
