#!/usr/bin/env python3
"""Pools the blocks of several comparisons of one program with itself, so that calibrations draw from all of them.

    pool_blocks.py RESULTS [PAIRS] > blocks.json

RESULTS holds folders with a blocks.json each. PAIRS is how many pairs a drawn comparison has (default: 30).
"""

import json
import pathlib
import sys

files = sorted(pathlib.Path(sys.argv[1]).glob("*/blocks.json"))
if not files:
    sys.exit(f"{sys.argv[1]} has no */blocks.json")
pooled = json.loads(files[0].read_text(encoding="utf-8"))
pooled["blocks"] = []
offset = 0
for file in files:
    one = json.loads(file.read_text(encoding="utf-8"))
    for field in ("format", "schema_version", "k6", "vus", "block_s", "base", "head"):
        if one[field] != pooled[field] and field != "head":
            sys.exit(f"{file} has another {field} than {files[0]}: {one[field]} and {pooled[field]}")
    if one["base"] != one["head"]:
        sys.exit(f"{file} compares two programs: {one['base']['name']} and {one['head']['name']}")
    for block in one["blocks"]:
        pooled["blocks"].append(block | {"pair": block["pair"] + offset})
    offset = 1 + max(block["pair"] for block in pooled["blocks"])
pooled["pairs"] = int(sys.argv[2]) if len(sys.argv) > 2 else 30
# What a path is called does not matter to anyone else.
pooled["base"]["name"] = pooled["head"]["name"] = "tachikoma-server"
# One block a line, so that differences can be read.
blocks = pooled.pop("blocks")
head = json.dumps(pooled, indent=1).rstrip("}\n")
print(head + ',\n "blocks": [\n  ' + ",\n  ".join(json.dumps(block) for block in blocks) + "\n ]\n}")
