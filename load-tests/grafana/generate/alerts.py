"""The alert rules, in the form that Grafana reads at its start: JSON, which is YAML as well."""

import json

from generate.runs import PASSED, last_verdicts

DASHBOARD = "http://localhost:3001/d/tachikoma-runs"


def text():
    """The whole file."""
    rules = [
        _rule(
            "no-run", "no run for 26 h", f'absent_over_time({PASSED}{{profile="load"}}[26h])',
            "No test of the profile load has come to a verdict for 26 hours: the nightly run is missing, or could not be run.",
            f"Look whether it was begun at all. {DASHBOARD}",
        ),
        _rule(
            # A week's run is seen until the next one.
            "last-run-failed", "last run failed", f"1 - ({last_verdicts('8d', '')})",
            "The last load test of the profile {{ $labels.profile }} has failed: {{ $labels.testid }}.",
            "http://localhost:3001/d/tachikoma-k6-run?var-testid={{ $labels.testid }}&from=now-8d&to=now",
        ),
    ]
    group = {"orgId": 1, "name": "load-tests", "folder": "Tachikoma", "interval": "5m", "rules": rules}
    written = json.dumps({"apiVersion": 1, "groups": [group]}, indent=2)
    return f"# Written by dashboards.py. A rule fires for each series whose value is above 0.\n{written}\n"


def _rule(uid, title, expr, summary, description):
    """A rule that fires for each series that `expr` gives a value above 0; no series at all is no alert."""
    asked = {
        "refId": "A",
        "relativeTimeRange": {"from": 600, "to": 0},
        "datasourceUid": "prometheus",
        "model": {"refId": "A", "expr": expr, "instant": True, "range": False},
    }
    judged = {
        "refId": "B",
        "relativeTimeRange": {"from": 0, "to": 0},
        "datasourceUid": "__expr__",
        "model": {
            "refId": "B",
            "type": "threshold",
            "expression": "A",
            "conditions": [{"type": "query", "evaluator": {"type": "gt", "params": [0]}}],
        },
    }
    return {
        "uid": f"tachikoma-{uid}",
        "title": title,
        "condition": "B",
        "data": [asked, judged],
        "for": "0s",
        "noDataState": "OK",
        "execErrState": "Error",
        "annotations": {"summary": summary, "description": description},
        "labels": {"project": "tachikoma"},
    }
