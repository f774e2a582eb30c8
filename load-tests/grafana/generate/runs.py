"""The page to begin with: all runs, whatever the time, and whether the last of each profile passed."""

from generate.compared import START, looked_back, look_back, values
from generate.frame import dashboard as frame
from generate.panels import (
    NEUTRAL, Grid, as_times, colors, columns, link, merged, query, rows, sorted_by, stat, table, verdict, verdict_numbers,
)

PASSED, END = "tachikoma_load_test_passed", "tachikoma_load_test_end_time_seconds"
CHOSEN = 'profile=~"$profile",test=~"$test"'
BY_RUN = "by (testid, profile, revision)"


def last_verdicts(window, matchers):
    """1 for each profile whose newest run with a verdict has passed, 0 if it has not.

    Of a run under way it is what is known so far. A second measurement and an interrupted run have no verdict.
    """
    passed = f"min by (testid, profile) (last_over_time({PASSED}{{{matchers}}}[{window}]))"
    starts = f"(min by (testid, profile) (last_over_time({START}{{{matchers}}}[{window}])) and on (testid, profile) {passed})"
    newest = f"{starts} == on (profile) group_left () max by (profile) ({starts})"
    return f"{passed} and on (testid, profile) ({newest})"


def dashboard():
    """The whole dashboard."""
    grid = Grid()
    grid.row("Now")
    grid.add(stat(
        "Last run of each profile", "Whether all tests of the newest run with a verdict passed.", "none",
        [query(last_verdicts("$lookback", CHOSEN), "{{profile}}", instant=True)], NEUTRAL,
        none="no run", mappings=verdict_numbers(),
    ), 12, 5)
    grid.add(stat(
        "Since the last run", "How long ago the newest run of the chosen profiles ended; red after the 26 hours that a nightly run may take to return.", "s",
        [query(f"time() - max({looked_back(END, CHOSEN)})", instant=True)],
        colors("green", ("red", 26 * 3600)), none="no run",
    ), 6, 5)
    grid.add(stat(
        "Runs that failed", "The share of runs in which a test failed.", "percentunit",
        [query(
            f"1 - avg(min by (testid) ({looked_back(PASSED, CHOSEN)}))", instant=True,
        )],
        colors("green", ("yellow", 1e-9), ("red", 0.1)), none="no run",
    ), 6, 5)

    def row(expr, metric, *more):
        return f"{expr} {BY_RUN} ({looked_back(metric, ','.join([CHOSEN, *more]))})"

    start, end = row("min", START), row("max", END)
    place = "from=${__data.fields.Start.numeric}&to=${__data.fields.End.numeric}"
    run = "var-datasource=${datasource}&var-testid=${__data.fields.Run}"
    latency = 'metric=~"http_req_duration|ws_connecting"'
    grid.row("All runs, the newest first")
    grid.add(table(
        "Runs", "Click a value to open the run, or the server during it. The p95 is that of the slowest test.", "s",
        [
            rows(verdict(row("min", PASSED))),
            rows(f"{start} * 1000"),
            rows(f"{end} * 1000"),
            rows(f"{end} - {start}"),
            rows(row("max", "tachikoma_load_test_latency_seconds", latency, 'quantile="0.95"')),
        ],
        [
            merged(),
            *columns({
                "testid": "Run", "verdict": "Verdict", "profile": "Profile", "revision": "Revision", "Value #B": "Start",
                "Value #C": "End", "Value #D": "Duration", "Value #E": "p95",
            }),
            as_times("Start", "End"),
            sorted_by("Start", newest_first=True),
        ],
        links=[
            link("Open this run", f"/d/tachikoma-k6-run?{run}&{place}"),
            link("The server during this run", f"/d/tachikoma-server?{run}&{place}"),
            link("Compare it with others", f"/d/tachikoma-runs-compared?{run}&var-profile=${{__data.fields.Profile}}&{place}"),
        ],
    ), 24, 20)
    return frame(
        "Load tests",
        "The page to begin with: did the last runs pass, when were they, and all runs as far back as you like.",
        grid,
        [
            look_back(),
            values("profile", "Profile", 'testid!=""', "Only runs of these profiles.", every=True),
            values("test", "Test", 'profile=~"$profile"', "Only these tests.", every=True),
        ],
        [],
        since="now-24h",
        refresh="1m",
        timeless=True,
    )
