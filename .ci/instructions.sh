#!/usr/bin/env bash
# Counts instructions with the real valgrind: a head that touches 64 KiB more for each health request is found by them, and
# the function that does it is named first. The tests of `cargo test` use a stand-in, since valgrind is not everywhere.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
# The comparison stays for whoever checks records.
results=target/ci-results/instructions
rm -rf "$results"
trap 'rm -rf "$work"' EXIT
server=$PWD/target/e2e/tachikoma-server-faults
for side in base head; do
  faults=
  [ "$side" = base ] || faults='TACHIKOMA_ALLOW_FAULTS=1 TACHIKOMA_FAULTS="GET /api/health: leak=64KiB"'
  printf '#!/bin/sh\n%s exec "%s" "$@"\n' "$faults" "$server" >"$work/$side"
  chmod +x "$work/$side"
done

code=0
target/debug/xtask compare health --instructions on --profile off --pairs 12 --block 250ms \
  --base-bin "$work/base" --head-bin "$work/head" --results "$results" >"$work/said" 2>&1 || code=$?
if [ "$code" -ne 1 ] || ! jq --exit-status '
    .tests[0].metrics | map(select(.metric | test("instructions")))
    | length == 1 and .[0].change == "regression" and (.[0].note | test("^[^,]*memset"))
  ' "$results"/*/compare.json >/dev/null; then
  cat "$work/said" >&2
  echo "instructions were not counted as they should be (exit code $code)" >&2
  exit 1
fi
echo "valgrind: the function that grew is named"
