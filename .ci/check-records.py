"""Validates every run.json and compare.json below the given folders by its schema in load-tests/schemas.

    check-records.py FOLDER...
"""

import json
import pathlib
import sys

import jsonschema_rs

found = []
for kind in ("run", "compare"):
    schema = json.loads(pathlib.Path(f"load-tests/schemas/{kind}.schema.json").read_text(encoding="utf-8"))
    validator = jsonschema_rs.validator_for(schema)
    files = [file for folder in sys.argv[1:] for file in pathlib.Path(folder).rglob(f"{kind}.json")]
    records = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    for file, record in zip(files, records):
        found += [f"{file}: {error.instance_path}: {error.message}" for error in validator.iter_errors(record)]
        # A schema that lets everything pass is none.
        if validator.is_valid(record | {"outcome": "fine"}) or validator.is_valid(record | {"tests": [{}]}):
            found.append(f"the schema of {kind}.json lets a wrong record pass")
    if not records:
        found.append(f"there is no {kind}.json below {' '.join(sys.argv[1:])}")
    print(f"{len(records)} × {kind}.json")

if found:
    sys.exit("\n".join(found))
