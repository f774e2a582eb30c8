#!/usr/bin/env bash
# Lets an outside tester (schemathesis, from the Python package index, pinned by hash) loose on a
# real server, guided by the server's own OpenAPI document, with the key and with all checks.
#
#   SCHEMATHESIS_EXAMPLES  most cases for each operation and phase (default 30; 250 makes > 2,000)
#   SCHEMATHESIS_MIN       least cases in all; fewer are a failure (default 300)
#   SCHEMATHESIS_SEED      repeats a run (default: drawn and printed)
#   SERVER_BIN             a server that is built already
#
# Exit status: 0 nothing found, 1 something found, 3 could not run.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
requirements=$here/schemathesis-requirements.txt
examples=${SCHEMATHESIS_EXAMPLES:-30}
minimum=${SCHEMATHESIS_MIN:-300}
seed=${SCHEMATHESIS_SEED:-$RANDOM}
target=${CARGO_TARGET_DIR:-$root/target}

die() {
  echo "schemathesis.sh: $*" >&2
  exit 3
}

python=$(command -v python3) || die "python3 is missing; install Python 3.11 or later"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  die "Python 3.11 or later is needed, $python is older"

# A folder for each state of the pins, moved into place whole: a broken install is never used.
pins=$(sha256sum "$requirements" | cut -c1-16)
venv=$target/schemathesis/$pins
if [[ ! -x $venv/bin/st ]]; then
  rm -rf "$venv"
  "$python" -m venv "$venv" || die "failed to make a virtual environment in $venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$requirements" || {
    rm -rf "$venv"
    die "failed to install schemathesis by $requirements"
  }
fi

server=${SERVER_BIN:-}
if [[ -z $server ]]; then
  cargo build --quiet --locked --manifest-path "$root/Cargo.toml" -p tachikoma-server ||
    die "failed to build the server"
  server=$target/debug/tachikoma-server
fi

work=$(mktemp -d)
pid=
# shellcheck disable=SC2317 # the trap calls it
cleanup() {
  if [[ -n $pid ]]; then
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap cleanup EXIT

export TACHIKOMA_API_KEY=schemathesis-key
"$server" --addr 127.0.0.1:0 --data-dir "$work/data" \
  --specs-dir "$root/load-tests/fixtures/specs" >"$work/out" 2>"$work/log" &
pid=$!
url=
for _ in $(seq 200); do
  url=$(sed -n 's/^listening on //p' "$work/out")
  [[ -n $url ]] && break
  kill -0 "$pid" 2>/dev/null || { cat "$work/log" >&2; die "the server did not start"; }
  sleep 0.05
done
[[ -n $url ]] || die "the server did not say where it listens within 10 s"

status=0
(
  cd "$work"
  "$venv/bin/st" --config-file "$here/schemathesis.toml" run "$url/api/openapi.json" --header "Authorization: Bearer $TACHIKOMA_API_KEY" \
    --checks all --max-examples "$examples" --seed "$seed" --workers 2 --no-color
) | tee "$work/report" || status=1

if grep -n 'panicked' "$work/log" >&2; then
  echo "schemathesis.sh: the server panicked" >&2
  status=1
fi
if ! kill -0 "$pid" 2>/dev/null; then
  tail -n 20 "$work/log" >&2
  echo "schemathesis.sh: the server died" >&2
  status=1
fi
cases=$(sed -n 's/^ *\([0-9]*\) generated.*/\1/p' "$work/report")
if [[ -z $cases || $cases -lt $minimum ]]; then
  echo "schemathesis.sh: ${cases:-no} cases ran, at least $minimum are wanted" >&2
  status=1
fi
exit "$status"
