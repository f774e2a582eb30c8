#!/usr/bin/env bash
# An outside tester against the real server: schemathesis makes requests from the server's own
# OpenAPI document, good and bad ones, and runs all its checks on the answers: no 5xx, no status,
# header or body that the document does not describe, no bad input accepted, no key ignored.
#
# CASES  most cases of the fuzzing for each operation (default 25), or 'full' for 250, which makes
#        more than 2,000 in all.
# SEED   repeats a run's choices.
# PYTHON the interpreter, 3.11 or later (default python3).
#
# Exit status: 0 nothing found, 1 something found, 2 could not run.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)

fail() {
  printf 'schemathesis.sh: %s\n' "$*" >&2
  exit 2
}

cases=${CASES:-25}
least=300
if [ "$cases" = full ]; then
  cases=250
  least=2000
fi
case $cases in
  '' | *[!0-9]* | 0) fail "CASES is '$cases'; it must be a whole number or 'full'" ;;
esac
[ "$cases" -ge 25 ] || least=1
seed=${SEED:-$RANDOM}

requirements=$here/schemathesis-requirements.txt
# A virtual environment for each set of requirements: an old one is never mixed with a new one.
venv=$root/target/schemathesis-$(sha256sum "$requirements" | cut -c1-12)
if ! [ -f "$venv/complete" ]; then
  rm -rf "$venv"
  "${PYTHON:-python3}" -m venv "$venv" || fail "no virtual environment: install Python 3.11 and its venv module"
  "$venv/bin/python" -m pip --quiet --disable-pip-version-check install --require-hashes \
    --requirement "$requirements" || fail "the requirements could not be installed"
  touch "$venv/complete"
fi

cargo build --quiet --locked --package tachikoma-server --manifest-path "$root/Cargo.toml" ||
  fail "the server does not build"
program=${CARGO_TARGET_DIR:-$root/target}/debug/tachikoma-server

work=$(mktemp -d)
server=
finish() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap finish EXIT

key=schemathesis-$RANDOM$RANDOM
TACHIKOMA_API_KEY=$key "$program" --addr 127.0.0.1:0 --data-dir "$work/data" \
  --specs-dir "$root/load-tests/fixtures/specs" >"$work/stdout" 2>"$work/log" &
server=$!
url=
for _ in $(seq 300); do
  url=$(sed -n 's/^listening on //p' "$work/stdout")
  [ -z "$url" ] || break
  kill -0 "$server" 2>/dev/null || fail "the server did not start: $(cat "$work/log")"
  sleep 0.1
done
[ -n "$url" ] || fail "the server did not say where it listens within 30 s"

cd "$work"
status=0
"$venv/bin/schemathesis" --config-file "$here/schemathesis.toml" run "$url/api/openapi.json" --header "Authorization: Bearer $key" \
  --checks all --mode all --max-examples "$cases" --seed "$seed" --continue-on-failure \
  --no-color --generation-database none | tee "$work/report" || status=$?

if grep -q panicked "$work/log"; then
  cat "$work/log" >&2
  printf 'schemathesis.sh: the server panicked\n' >&2
  exit 1
fi
if [ "$status" -ne 0 ]; then
  printf 'schemathesis.sh: findings above; SEED=%s CASES=%s repeats them; the end of the log:\n' \
    "$seed" "$cases" >&2
  tail -n 50 "$work/log" >&2
  exit 1
fi
# Fewer cases than expected would pass without having looked.
generated=$(sed -n 's/^ *\([0-9][0-9]*\) generated.*/\1/p' "$work/report")
[ "${generated:-0}" -ge "$least" ] ||
  fail "only ${generated:-0} cases were generated, at least $least were expected"
kill -0 "$server" 2>/dev/null || fail "the server ended: $(cat "$work/log")"
