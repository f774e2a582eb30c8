# shellcheck shell=bash
# For other benches to source: a server of their own, on a free port that it tells, with k6. Sets `work` (a folder that goes
# at the end, with the server), `k6`, `server` (its process) and `url`.

work=$(mktemp -d)
server=
clean_up() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT

cargo build --quiet --package xtask
cargo build --quiet --release --package tachikoma-server
# shellcheck disable=SC2034  # for whoever sources this
k6=$(cargo xtask k6 install)
mkdir "$work/data"
TACHIKOMA_API_KEY=test-api-key target/release/tachikoma-server --addr 127.0.0.1:0 \
  --data-dir "$work/data" --specs-dir load-tests/fixtures/specs >"$work/said" 2>"$work/server.log" &
server=$!
for _ in $(seq 200); do
  url=$(sed -n 's/^listening on //p' "$work/said")
  [ -n "$url" ] && break
  kill -0 "$server" || { cat "$work/server.log" >&2; exit 1; }
  sleep 0.05
done
[ -n "$url" ] || { echo "the server did not say where it listens" >&2; exit 1; }
