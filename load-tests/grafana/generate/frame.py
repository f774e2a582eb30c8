"""What a dashboard is besides its panels: variables, annotations, links."""

from generate.panels import DATASOURCE, link

UIDS = {
    "Load tests": "tachikoma-runs",
    "k6 run": "tachikoma-k6-run",
    "tachikoma-server": "tachikoma-server",
    "Runs compared": "tachikoma-runs-compared",
}
NEWEST_FIRST = 2
ALPHABETICAL = 1


def dashboard(title, description, grid, variables, annotations, since, refresh="", timeless=False):
    """A whole dashboard that shows the time from `since` to now, or one on which there is no time to choose."""
    return {
        "uid": UIDS[title],
        "title": title,
        "description": description,
        "tags": ["tachikoma", "load-test"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        # 1 is a crosshair that all panels share.
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": since, "to": "now"},
        "timepicker": {"hidden": True} if timeless else {},
        "refresh": refresh,
        "links": [_link(other, uid) for other, uid in UIDS.items() if other != title and not timeless],
        "annotations": {"list": annotations},
        "templating": {"list": [_datasource(), *variables, _filters()]},
        "panels": grid.panels,
    }


def _link(title, uid):
    """A link at the top that takes the data source, the run and the time along."""
    if uid == UIDS["Load tests"]:
        return link(title, f"/d/{uid}?var-datasource=${{datasource}}", "All runs")
    url = f"/d/{uid}?var-datasource=${{datasource}}&var-testid=${{testid}}"
    return link(title, url, f"The same run in {title}", keep_time=True)


def _datasource():
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "refresh": 2,
        "regex": "",
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
    }


def _filters():
    """Filters by any label, which Grafana puts into every selector."""
    return {
        "type": "adhoc",
        "name": "filters",
        "label": "Filters",
        "description": "By any label, such as method or status: they hold for every panel.",
        "datasource": DATASOURCE,
        "hide": 0,
    }


def variable(name, label, query, description, regex="", sort=ALPHABETICAL, every=False, hidden=False):
    """A variable whose values a query gives. `every` allows several, and chooses all at first."""
    all_of_them = {"current": {"text": ["All"], "value": ["$__all"]}}
    return {
        "type": "query",
        "name": name,
        "label": label,
        "description": description,
        "datasource": DATASOURCE,
        "query": query,
        "definition": query,
        "regex": regex,
        "refresh": 2,
        "sort": sort,
        "hide": 2 if hidden else 0,
        "includeAll": every,
        "multi": every,
        "options": [],
        **(all_of_them if every else {}),
    }


def choice(name, label, values, chosen, description):
    """A variable with fixed values."""
    options = [{"text": value, "value": value, "selected": value == chosen} for value in values]
    return {
        "type": "custom",
        "name": name,
        "label": label,
        "description": description,
        "query": ",".join(values),
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": options,
        "current": {"text": chosen, "value": chosen},
    }


def run_variables():
    """The run, and the tests of it."""
    return [
        variable("testid", "Run", "label_values(k6_vus, testid)", "The run, the newest first.", sort=NEWEST_FIRST),
        variable("test", "Test", 'label_values(k6_vus{testid="$testid"}, test)', "The tests of the run.", every=True),
    ]


def run_annotations(tests):
    """Marks where tests begin and end. `tests` are the matchers of the tests."""
    return [
        _mark("Start of a test", "blue", "{{test}} begins", f"tachikoma_load_test_start_time_seconds{{{tests}}}"),
        _mark("End of a test", "purple", "{{test}} ends", f"tachikoma_load_test_end_time_seconds{{{tests}}}"),
    ]


def _mark(name, color, title, series):
    # The value is the time: seconds for Prometheus, milliseconds for Grafana.
    expr = f"last_over_time({series}[$__range]) * 1000"
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "expr": expr,
        "step": "5s",
        "useValueForTime": True,
        "titleFormat": title,
        "textFormat": "{{testid}}, profile {{profile}}, revision {{revision}}",
        "tagKeys": "test,profile",
        # Versions of Grafana differ in which of the two they read.
        "target": {"refId": "Anno", "expr": expr, "interval": "5s", "range": True, "instant": False},
    }
