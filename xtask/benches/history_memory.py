#!/usr/bin/env python3
"""What a long history takes to read: memory and time of `cargo xtask history` beside 100,000 lines.

    cargo build --package xtask && xtask/benches/history_memory.py [LINES]

The lines are those of four tests on two machines, night after night, each with numbers of its own. Needs no server.
"""

import datetime
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

GOAL_MIB = 50
root = pathlib.Path(__file__).resolve().parents[2]
count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
line = json.loads((root / "xtask/src/history/testing/line.json").read_text(encoding="utf-8"))
began = datetime.datetime(2000, 1, 1, 2)

with tempfile.TemporaryDirectory() as results:
    with open(pathlib.Path(results) / "history.jsonl", "w", encoding="utf-8") as history:
        for nth in range(count):
            at = began + datetime.timedelta(hours=2 * (nth // 8))
            line["at"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
            line["run"] = at.strftime("%Y-%m-%dT%H-%M-%SZ-load")
            line["commit"] = f"{nth // 8:040x}"
            line["key"]["test"] = ["health", "missions", "specs", "websocket"][nth % 4]
            line["key"]["machine"] = ["0a1b2c3d4e5f", "f5e4d3c2b1a0"][nth // 4 % 2]
            line["metrics"]["http_req_duration"]["med"] = 4 + nth % 7 * 0.01
            history.write(json.dumps(line, separators=(",", ":")) + "\n")
    size = (pathlib.Path(results) / "history.jsonl").stat().st_size / 2**20
    # One series is shown, as a run looks at one: what is drawn of it is the same however long the history is.
    command = [root / "target/debug/xtask", "history", "load", "missions", "--results", results]
    from_ = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    seconds = time.monotonic() - from_
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(f"{count} lines, {size:.0f} MiB: {peak:.0f} MiB of memory (goal: at most {GOAL_MIB}), {seconds:.1f} s in a debug build")
sys.exit(peak > GOAL_MIB)
