#!/usr/bin/env python3
"""Pools the pairs of several comparisons of one program with itself, so that calibrations draw from all of them.

    pool_blocks.py RESULTS > blocks.json

RESULTS holds folders with a blocks.json each.
"""

import json
import pathlib
import sys

files = sorted(pathlib.Path(sys.argv[1]).glob("*/blocks.json"))
if not files:
    sys.exit(f"{sys.argv[1]} has no */blocks.json")
pooled = json.loads(files[0].read_text(encoding="utf-8"))
pairs = []
for file in files:
    one = json.loads(file.read_text(encoding="utf-8"))
    for field in ("format", "schema_version", "k6", "block_s", "planned"):
        if one[field] != pooled[field]:
            sys.exit(f"{file} has another {field} than {files[0]}: {one[field]} and {pooled[field]}")
    pairs += one["pairs"]
# What a path is called does not matter to anyone else.
pooled["base"]["name"] = pooled["head"]["name"] = "tachikoma-server"
pooled["checks"] = []
# The pairs go to the end.
del pooled["pairs"]
pooled["pairs"] = []
# One pair a line, so that differences can be read.
head = json.dumps(pooled, separators=(",", ":")).removesuffix("]}")
print(head + "\n" + ",\n".join(json.dumps(pair, separators=(",", ":")) for pair in pairs) + "\n]}")
