#!/usr/bin/env bash
# What k6 takes to make the load of each test, and so what many users take: the table of load-tests/cluster.md.
#
#   xtask/benches/generator.sh             all tests, for 20 s each three times: six minutes
#   xtask/benches/generator.sh health 60   one of them, longer
#
# On a machine that does nothing else: k6 takes more for a request where it has little to do, or where others do much.
# USERS (1000) are the most virtual users; NODE_CORES and NODE_GIB (4 and 16) are those of a node that runners get. Each
# figure is the difference of two runs, so that neither k6's start nor its first megabytes are in it, and k6's alone though
# the server is on the same machine.
set -euo pipefail
# Numbers have a decimal point, whatever the locale.
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tests=(health specs missions websocket)
[ $# -eq 0 ] || tests=("$1")
seconds=${2:-20}
few=10
many=${USERS:-1000}

# shellcheck source=xtask/benches/start_server.sh
source xtask/benches/start_server.sh

# run TEST USERS SECONDS: requests or sessions, CPU seconds, MiB at most, seconds.
run() {
  rm -f "$work/summary.json"
  python3 - "$work/summary.json" "$k6" run --quiet --no-usage-report --address= --vus "$2" --duration "$3s" \
    load-tests/main.js <<'PYTHON'
import json, os, resource, subprocess, sys

path, *command = sys.argv[1:]
ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
if not os.path.exists(path):
    sys.exit(f"k6 left no summary ({ended.returncode}): {ended.stderr.decode()[-2000:]}")
summary = json.load(open(path))
count = lambda name: summary["metrics"].get(name, {"values": {"count": 0}})["values"]["count"]
mib = used.ru_maxrss / (1024 if sys.platform == "linux" else 1024 * 1024)
print(count("http_reqs") or count("ws_sessions"), used.ru_utime + used.ru_stime, mib,
      summary["state"]["testRunDurationMs"] / 1e3)
PYTHON
}

for test in "${tests[@]}"; do
  export PROFILE=smoke TEST=$test BASE_URL=$url WS_URL="ws${url#http}/ws" API_KEY=test-api-key SUMMARY_PATH=$work/summary.json
  length=$seconds
  # A session lasts half a minute.
  [ "$test" != websocket ] || length=$((seconds > 40 ? seconds : 40))
  echo "measuring $test" >&2
  echo "$test $(run "$test" "$few" "$length") $(run "$test" "$many" "$length") $(run "$test" "$many" $((3 * length)))"
done >"$work/measured"

# A stress is 19 minutes at 56 % of its most users on average, a soak 70 at 93 %; a night has both. k6 is at its limit at
# 80 % of its processors; a runner has ports for 28,232 connections to one address, and leaves a fourth of its memory free.
awk -v few="$few" -v many="$many" -v cores="${NODE_CORES:-4}" -v gib="${NODE_GIB:-16}" '
  function up(number) { return number == int(number) ? number : int(number) + 1 }
  function most(one, other) { return one > other ? one : other }
  {
    cpu[$1] = ($7 - $3) / ($6 - $2); rate[$1] = $6 / $9 / many; order[++tests] = $1
    bytes[$1] = most(0, ($12 - $8) * 1048576 / ($10 - $6))
    mib[$1] = most(0, ($8 - $4 - ($6 - $2) * bytes[$1] / 1048576) / (many - few))
  }
  END {
    print "| Test | Requests a second for each user | Requests for each second of a core | MiB for each user | Bytes for each request |"
    print "|---|---|---|---|---|"
    for (nth = 1; nth <= tests; nth++) {
      test = order[nth]
      printf "| `%s` | %.2f | %.0f | %.2f | %.0f |\n", test, rate[test], 1 / cpu[test], mib[test], bytes[test]
    }
    printf "\n| Test | Users | Cores | GiB of a stress | GiB of a soak | Runners of %s cores and %s GiB, a node each, for stress / soak | CPU hours a night |\n", cores, gib
    print "|---|---|---|---|---|---|---|"
    for (nth = 1; nth <= tests; nth++) for (users = 1000; users <= 100000; users *= 10) {
      test = order[nth]
      busy = users * rate[test] * cpu[test]
      each = users * rate[test] * 60 * bytes[test] / 1073741824
      stress = users * mib[test] / 1024 + each * 19 * 0.56
      soak = users * mib[test] / 1024 + each * 70 * 0.93
      least = most(up(busy / (0.8 * cores)), up(users / 28232))
      printf "| `%s` | %d | %.1f | %.1f | %.1f | %d / %d | %.1f |\n", test, users, busy, stress, soak, \
        most(least, up(stress / (0.75 * gib))), most(least, up(soak / (0.75 * gib))), busy * (19 * 0.56 + 70 * 0.93) / 60
    }
  }' "$work/measured"
