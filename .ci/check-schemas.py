"""Holds the dashboards and compose.yaml against published schemas.

    check-schemas.py DASHBOARD_SCHEMA COMPOSE_SCHEMA

The first is that of grafana-foundation-sdk: each panel is checked by itself, since the whole says of a wrong one only
that it is none. The second is the compose specification's.
"""

import json
import pathlib
import sys

import jsonschema_rs
from ruamel.yaml import YAML

grafana = pathlib.Path("load-tests/grafana")
dashboard_schema = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
compose_schema = json.loads(pathlib.Path(sys.argv[2]).read_text(encoding="utf-8"))


def part(name):
    """A validator of one of the schema's definitions."""
    return jsonschema_rs.validator_for(dashboard_schema | {"$ref": f"#/definitions/{name}"})


def plain(panel):
    """The panel without what overrides set, which may be anything: the schema takes that for an object."""
    config = panel.get("fieldConfig", {"overrides": []})
    overrides = [
        {"matcher": one["matcher"] | {"options": {}}, "properties": [each | {"value": {}} for each in one["properties"]]}
        for one in config["overrides"]
    ]
    return panel | ({"fieldConfig": config | {"overrides": overrides}} if overrides else {})


def problems(validator, what, thing):
    return [f"{what}: {error.instance_path}: {error.message}" for error in validator.iter_errors(thing)]


panel_of, row_of, dashboard_of = part("Panel"), part("RowPanel"), part("Dashboard")
found = []
panels = 0
for file in sorted(grafana.glob("dashboards/*.json")):
    dashboard = json.loads(file.read_text(encoding="utf-8"))
    for panel in dashboard["panels"] + [inner for row in dashboard["panels"] for inner in row.get("panels", [])]:
        panels += 1
        of_kind = row_of if panel["type"] == "row" else panel_of
        found += problems(of_kind, f"{file}: panel {panel['title']!r}", plain(panel))
    found += problems(dashboard_of, str(file), dashboard | {"panels": []})
if panels < 30:
    found.append(f"only {panels} panels were found: is {grafana} the right place?")
compose = YAML(typ="safe", pure=True).load(grafana / "compose.yaml")
# The packaged schema is older than the project's name at the top.
assert isinstance(compose.pop("name"), str)
found += problems(jsonschema_rs.validator_for(compose_schema), "compose.yaml", compose)

# A check that lets everything pass is none.
if not problems(panel_of, "wrong", {"type": "stat", "gridPos": "everywhere"}):
    found.append("the dashboard schema lets a wrong panel pass")
if not problems(jsonschema_rs.validator_for(compose_schema), "wrong", {"services": {"a": {"prots": []}}}):
    found.append("the compose schema lets a wrong service pass")

if found:
    sys.exit("\n".join(found))
print(f"{panels} panels and compose.yaml are valid")
