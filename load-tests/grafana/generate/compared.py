"""The dashboard of several runs: over each other, and in a row.

Grafana has one time axis, and Prometheus moves a series in time only by a constant (`offset`). So run A stays where it
is, and a hidden variable for each other run holds the seconds between the two starts: its queries look back by that
much, and all runs begin at the same point of the axis. What is shown run by run looks back from the end of the time
range, whatever its length, since the runs of weeks do not fit on the axis of one.
"""

from generate.frame import choice, dashboard as frame, run_annotations, variable, NEWEST_FIRST
from generate.k6_run import bound_of
from generate.panels import (
    Grid, as_times, bars, columns, link, merged, query, rows, sorted_by, table, time_series, verdict, verdict_numbers,
)

START = "tachikoma_load_test_start_time_seconds"
SERIES = 'profile="$profile",test="$test"'
# Variables of the runs, and of the seconds by which they are moved.
RUNS = [("testid", ""), ("testid_b", " offset $shift_b"), ("testid_c", " offset $shift_c")]
NONE = "(none)"
UNEXPECTED = ',expected_response="false"'


def dashboard(thresholds):
    """The whole dashboard."""
    grid = Grid()
    overlay_rows(grid)
    history_row(grid, thresholds)
    return frame(
        "Runs compared",
        "Runs of one profile and test: over each other by time since their start, and run by run over weeks.",
        grid,
        variables(),
        run_annotations('testid="$testid",test="$test"'),
        since="now-30m",
    )


def looked_back(metric, matchers):
    """The last value of a series, however long ago it was written."""
    return f"last_over_time({metric}{{{matchers}}}[$lookback])"


def matchers(run):
    """The matchers for the run in the variable `run`."""
    return f'testid="${run}",test="$test"'


def values(name, label, among, description, every=False):
    """A variable of the values of a label among the runs that are looked back at."""
    asked = f"query_result(count by ({name}) ({looked_back(START, among)}))"
    return variable(name, label, asked, description, regex=f'/{name}="([^"]+)"/', every=every)


def look_back():
    """How far back."""
    return choice("lookback", "Look back", ["7d", "30d", "90d", "1y"], "90d", "How far back runs are looked for.")


def variables():
    """What to compare."""
    def run(name, label, others, description):
        series = looked_back(START, ",".join([SERIES, *(f'testid!="${other}"' for other in others)]))
        none = f' or label_replace(vector(0), "testid", "{NONE}", "", "")' if others else ""
        asked = f"query_result(max by (testid) ({series}){none})"
        return variable(name, label, asked, description, regex='/testid="([^"]+)"/', sort=NEWEST_FIRST)

    def shift(name, other):
        a, b = (f"max({looked_back(START, matchers(run))})" for run in ("testid", other))
        # As a label, so that it can have a unit, which `offset` needs. An offset of 0 is an error before Prometheus 3.
        seconds = f'count_values("shift", round({a} - {b}) != 0 or vector(1))'
        asked = f'query_result(label_replace({seconds}, "shift", "${{1}}s", "shift", "(.*)"))'
        return variable(name, name, asked, f"Seconds from the start of {other} to that of testid.",
                        regex='/shift="([^"]+)"/', hidden=True)

    return [
        look_back(),
        values("profile", "Profile", 'testid!=""', "Only runs of one profile are comparable."),
        values("test", "Test", 'profile="$profile"', "The test that is compared."),
        run("testid", "Run A", [], "The run whose time is on the axis, the newest first."),
        run("testid_b", "Run B", ["testid"], "A run that is laid over run A."),
        run("testid_c", "Run C", ["testid", "testid_b"], "One more."),
        shift("shift_b", "testid_b"),
        shift("shift_c", "testid_c"),
    ]


def overlaid(expr):
    """A query for each run. `expr` makes it from a selector's matchers and its offset."""
    return [query(expr(matchers(run), moved), f"${run}") for run, moved in RUNS]


def overlay_rows(grid):
    """The runs over each other."""
    def rate(metric, chosen, moved):
        return f"rate({metric}{{{chosen}}}[$__rate_interval]{moved})"

    def lately(metric, chosen, moved):
        return f"last_over_time({metric}{{{chosen}}}[$__rate_interval]{moved})"

    def quantile(q):
        return overlaid(lambda chosen, moved: (
            f"histogram_quantile({q}, sum({rate('k6_http_req_duration_seconds', chosen, moved)}))"
        ))

    def failed_share(chosen, moved):
        every = f"sum({rate('k6_http_reqs_total', chosen, moved)})"
        failed = f"sum({rate('k6_http_reqs_total', chosen + UNEXPECTED, moved)})"
        return f"({failed} or 0 * {every}) / {every}"

    cpu, memory = "tachikoma_load_test_server_cpu_seconds_total", "tachikoma_load_test_server_memory_bytes"
    grid.row("Over each other: B and C are moved so that all begin where A does")
    for q, name in [(0.5, "Median"), (0.95, "95th percentile"), (0.99, "99th percentile")]:
        grid.add(time_series(name, "Latency of all requests of the test, windowed.", "s", quantile(q)), 8)
    grid.add(time_series(
        "Requests per second", "At the same load, fewer requests mean slower ones.", "reqps",
        overlaid(lambda chosen, moved: f"sum({rate('k6_http_reqs_total', chosen, moved)})"),
    ), 8)
    grid.add(time_series(
        "Failed share", "The share of requests that failed, windowed.", "percentunit",
        overlaid(failed_share), most=0.01,
    ), 8)
    grid.add(time_series(
        "Virtual users", "The load: only runs with the same are comparable.", "short",
        overlaid(lambda chosen, moved: f"sum({lately('k6_vus', chosen, moved)})"),
    ), 8)
    grid.add(time_series(
        "Server CPU", "Cores that the server uses, sampled while the test runs.", "short",
        overlaid(lambda chosen, moved: f"sum({rate(cpu, chosen, moved)})"),
    ), 12)
    grid.add(time_series(
        "Server memory", "The server's resident memory, sampled while the test runs.", "bytes",
        overlaid(lambda chosen, moved: f"max({lately(memory, chosen, moved)})"),
    ), 12)


def history_row(grid, thresholds):
    """All runs of the profile and test, one after the other."""
    latency = 'metric=~"http_req_duration|ws_connecting"'
    bound = bound_of(thresholds, "http_req_duration", 0.95)

    def each(metric, *more):
        return f"max by (testid) ({looked_back(metric, ','.join([SERIES, *more]))})"

    grid.row("Run by run: all runs of the profile and test, whatever the time range's length")
    grid.add(bars(
        "p95",
        "95th percentile over the whole test: of requests, with k6.config.js's bound, or of connecting for WebSockets.",
        "s",
        each("tachikoma_load_test_latency_seconds", latency, 'quantile="0.95"'),
        line=bound,
    ), 12)
    grid.add(bars(
        "Server CPU per request",
        "What a request costs the server; it varies less than latency, so it shows smaller changes.",
        "s",
        each("tachikoma_load_test_cpu_seconds_per_request"),
    ), 12)
    grid.add(bars(
        "Passed", "Whether the test passed in each run.", "none", each("tachikoma_load_test_passed"),
        color={"mode": "thresholds"}, mappings=verdict_numbers(), max=1,
        thresholds={"mode": "absolute", "steps": [{"color": "red", "value": None}, {"color": "green", "value": 1}]},
    ), 24, 6)
    by_run = "max by (testid, revision)"

    def row(metric, *more):
        return f"{by_run} ({looked_back(metric, ','.join([SERIES, *more]))})"

    def whole(q):
        return rows(row("tachikoma_load_test_latency_seconds", latency, f'quantile="{q}"'))

    start, end = row(START), row("tachikoma_load_test_end_time_seconds")
    place = "from=${__data.fields.Start.numeric}&to=${__data.fields.End.numeric}"
    same = "var-profile=${profile}&var-test=${test}&var-lookback=${lookback}"
    source = "var-datasource=${datasource}&var-testid=${__data.fields.Run}"
    grid.add(table(
        "Runs", "All runs, the newest first. Click a value to open the run, or to lay others over it.", "s",
        [
            rows(verdict(row("tachikoma_load_test_passed"))),
            rows(f"{start} * 1000"),
            rows(f"{end} * 1000"),
            rows(f"{end} - {start}"),
            whole("0.5"),
            whole("0.95"),
            whole("0.99"),
            rows(row("tachikoma_load_test_cpu_seconds_per_request")),
        ],
        [
            merged(),
            *columns({
                "testid": "Run", "verdict": "Verdict", "revision": "Revision", "Value #B": "Start", "Value #C": "End",
                "Value #D": "Duration", "Value #E": "p50", "Value #F": "p95", "Value #G": "p99",
                "Value #H": "Server CPU per request",
            }),
            as_times("Start", "End"),
            sorted_by("Start", newest_first=True),
        ],
        links=[
            link("Open this run", f"/d/tachikoma-k6-run?{source}&{place}"),
            link("Lay others over this run", f"/d/tachikoma-runs-compared?{source}&{same}&{place}"),
        ],
    ), 24, 10)
