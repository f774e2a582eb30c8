"""Holds a manifest against the whole schema of the operator's TestRun, and against what kubectl reads of it.

    check-manifests.py CRD FIXTURE MANIFEST.yaml MANIFEST.json

The fixture is the part of the schema that the tests use: it must be one.
"""

import copy
import json
import pathlib
import sys

import jsonschema_rs
from ruamel.yaml import YAML

crd_path, fixture_path, yaml_path, json_path = map(pathlib.Path, sys.argv[1:])
yaml = YAML(typ="safe", pure=True)
versions = yaml.load(crd_path)["spec"]["versions"]
(schema,) = [version["schema"]["openAPIV3Schema"] for version in versions if version["name"] == "v1alpha1"]
found = []


def closed(schema):
    """The schema with every object that has fields closed to others: a cluster drops those without a word."""
    if isinstance(schema, list):
        return [closed(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: closed(inner) for key, inner in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)
    return schema


def compare(part, whole, place):
    """Whether a part of a schema says nothing but what the whole says."""
    for key, inner in part.items():
        if key == "properties":
            for name, field in inner.items():
                compare(field, whole[key].get(name, {}), f"{place}.{name}")
        elif isinstance(inner, dict):
            compare(inner, whole.get(key, {}), f"{place}/{key}")
        elif whole.get(key) != inner:
            found.append(f"{fixture_path}: {place}: {key} is {inner!r}, not {whole.get(key)!r}")
    if set(whole.get("required", [])) != set(part.get("required", [])):
        found.append(f"{fixture_path}: {place}: other fields are required")


fixture = yaml.load(fixture_path)
# Every object has these, and the schema leaves them to Kubernetes.
assert fixture["properties"].pop("metadata")["type"] == "object"
compare(fixture, schema, "TestRun")

validator = jsonschema_rs.validator_for(closed(schema))
objects = list(yaml.load_all(yaml_path))
runs = [thing for thing in objects if thing["kind"] == "TestRun"]
if len(runs) != 4 or len(objects) != 8:
    found.append(f"{len(runs)} TestRuns among {len(objects)} objects")
for run in runs:
    found += [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(run)]

# A check that lets everything pass is none.
wrong = copy.deepcopy(runs[0])
wrong["spec"]["runner"]["enviroment"] = []
if validator.is_valid(wrong):
    found.append("the schema lets an unknown field pass")

decoder, text, read = json.JSONDecoder(), json_path.read_text(encoding="utf-8").strip(), []
while text:
    thing, end = decoder.raw_decode(text)
    assert thing["metadata"]["labels"].pop("read") == "yes"
    read.append(thing)
    text = text[end:].lstrip()
if read != objects:
    found.append("kubectl reads something else than what is written")

if found:
    sys.exit("\n".join(found))
print(f"{len(runs)} TestRuns are valid, and kubectl reads them")
