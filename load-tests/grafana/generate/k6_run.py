"""The dashboard of one run: its verdict, each threshold, and what k6 measured."""

from generate.frame import dashboard as frame, run_annotations, run_variables
from generate.panels import (
    NEUTRAL, RED_AT_ZERO, Grid, as_times, colors, columns, heatmap, merged, query, rows, sorted_by, stat, table, time_series,
    verdict, verdict_numbers,
)
from generate.threshold_panels import threshold_panel

RUN = 'testid="$testid",test=~"$test"'
BY_ROW = "max by (test, profile, revision)"


def dashboard(thresholds):
    """The whole dashboard."""
    grid = Grid()
    verdict_row(grid, thresholds)
    grid.row("Thresholds: as k6.config.js and the scripts have them")
    for threshold in thresholds:
        grid.add(threshold_panel(threshold), 8)
    load_row(grid)
    latency_row(grid)
    error_row(grid)
    websocket_row(grid)
    return frame(
        "k6 run",
        "One run of the load tests: its verdict, every threshold, and what k6 measured.",
        grid,
        run_variables(),
        run_annotations(RUN),
        since="now-30m",
        refresh="10s",
    )


def rate(metric, matchers=RUN):
    """The rate of a counter or histogram."""
    return f"rate({metric}{{{matchers}}}[$__rate_interval])"


def lately(metric, matchers=RUN):
    """A value that is gone soon after its test: k6 does not tell Prometheus that a series ends."""
    return f"last_over_time({metric}{{{matchers}}}[$__rate_interval])"


def at_end(metric, matchers=RUN):
    """The last value of a series that is written once, or seldom."""
    return f"last_over_time({metric}{{{matchers}}}[$__range])"


def endpoint(expr):
    """`expr` with a label `endpoint`: the URL's path, made from the label `name`."""
    return f'label_replace({expr}, "endpoint", "$1", "name", "(?:[a-z]+://[^/]+)?(.*)")'


def verdict_row(grid, thresholds):
    """What became of the run."""
    grid.row("Verdict")
    grid.add(stat(
        "Verdict",
        "Whether each test passed, as the command judges it: thresholds, checks, k6's exit and the server's health.",
        "none",
        [query(at_end("tachikoma_load_test_passed"), "{{test}}", instant=True)],
        NEUTRAL,
        none="not over yet",
        mappings=verdict_numbers(),
    ), 6, 10)
    grid.add(table(
        "Thresholds kept",
        "Every threshold of every test, judged by k6 over the whole test. One that is missing was not evaluated.",
        "none",
        [rows(verdict(at_end("tachikoma_load_test_threshold_passed")))],
        [
            *columns({"test": "Test", "metric": "Metric", "threshold": "Threshold", "verdict": "Verdict"}),
            sorted_by("Verdict"),
        ],
    ), 18, 10)

    def whole(quantile):
        matchers = f'{RUN},metric=~"http_req_duration|ws_connecting",quantile="{quantile}"'
        return rows(f"{BY_ROW} ({at_end('tachikoma_load_test_latency_seconds', matchers)})")

    start, end = at_end("tachikoma_load_test_start_time_seconds"), at_end("tachikoma_load_test_end_time_seconds")
    grid.add(table(
        "Tests of this run",
        "When each test ran, on which revision, and latency over the whole test: of requests, or of connecting.",
        "s",
        [
            rows(f"{BY_ROW} ({start}) * 1000"),
            rows(f"{BY_ROW} ({end}) - {BY_ROW} ({start})"),
            whole("0.5"),
            whole("0.95"),
            whole("0.99"),
            rows(f"{BY_ROW} ({at_end('tachikoma_load_test_cpu_seconds_per_request')})"),
        ],
        [
            merged(),
            *columns({
                "test": "Test", "profile": "Profile", "revision": "Revision", "Value #A": "Start",
                "Value #B": "Duration", "Value #C": "p50", "Value #D": "p95", "Value #E": "p99",
                "Value #F": "Server CPU per request",
            }),
            as_times("Start"),
            sorted_by("Start"),
        ],
    ), 24, 6)
    requests, failed = at_end("k6_http_reqs_total"), at_end("k6_http_reqs_total", f'{RUN},expected_response="false"')
    grid.add(stat(
        "Requests", "All HTTP requests of the run.", "short", [query(f"sum({requests})", instant=True)], RED_AT_ZERO,
    ), 5, 4)
    grid.add(stat(
        "Failed requests", "The share of all requests that failed; red from k6.config.js's bound on.", "percentunit",
        [query(f"(sum({failed}) or vector(0)) / sum({requests})", instant=True)],
        colors("green", ("red", bound_of(thresholds, "http_req_failed", None))),
    ), 5, 4)
    slowest = f'{RUN},metric="http_req_duration",quantile="0.95"'
    grid.add(stat(
        "Slowest test's p95", "95th percentile of requests of the slowest test; red from k6.config.js's bound on.", "s",
        [query(f"max({at_end('tachikoma_load_test_latency_seconds', slowest)})", instant=True)],
        colors("green", ("red", bound_of(thresholds, "http_req_duration", 0.95))),
    ), 5, 4)
    grid.add(stat(
        "Iterations", "How often virtual users went through a script.", "short",
        [query(f"sum({at_end('k6_iterations_total')})", instant=True)], RED_AT_ZERO,
    ), 4, 4)
    grid.add(stat(
        "Worst check", "The share of successes of the check that fails most; red below 95 %, yellow below 100 %.",
        "percentunit",
        [query(f"min({at_end('k6_checks_rate')})", instant=True)],
        colors("red", ("yellow", 0.95), ("green", 1)),
    ), 5, 4)


def bound_of(thresholds, metric, quantile):
    """The bound that k6.config.js has for a metric of every test."""
    wanted = ("", metric, (), quantile)
    return next(one.bound for one in thresholds if (one.test, one.metric, one.tags, one.quantile) == wanted)


def load_row(grid):
    """How much load there was."""
    grid.row("Load")
    grid.add(time_series(
        "Virtual users", "Virtual users at work, and how many the profile may have.", "short",
        [
            query(f"sum by (test) ({lately('k6_vus')})", "{{test}}"),
            query(f"max({lately('k6_vus_max')})", "at most"),
        ],
    ), 8)
    grid.add(time_series(
        "Requests per second", "HTTP requests that ended, by test.", "reqps",
        [query(f"sum by (test) ({rate('k6_http_reqs_total')})", "{{test}}")],
    ), 8)
    grid.add(time_series(
        "Iterations per second",
        "Iterations that ended, by test, and those that k6 dropped since it had no virtual user free.", "ops",
        [
            query(f"sum by (test) ({rate('k6_iterations_total')})", "{{test}}"),
            query(f"sum({rate('k6_dropped_iterations_total')}) or vector(0)", "dropped"),
        ],
    ), 8)
    grid.add(time_series(
        "Iteration duration", "Windowed median and 95th percentile of iterations, pauses included, by test.", "s",
        [
            query(
                f"histogram_quantile({q}, sum by (test) ({rate('k6_iteration_duration_seconds')}))",
                f"{{{{test}}}} {name}",
            )
            for q, name in [(0.5, "p50"), (0.95, "p95")]
        ],
    ), 8)
    grid.add(time_series(
        "Data", "Bytes per second that k6 sends and receives.", "Bps",
        [
            query(f"sum({rate('k6_data_sent_total')})", "sent"),
            query(f"sum({rate('k6_data_received_total')})", "received"),
        ],
    ), 8)
    grid.add(time_series(
        "Missions created per second", "What the test `missions` leaves behind in the server's database.", "ops",
        [query(f"sum({rate('k6_missions_created_total')})", "missions")],
    ), 8)


def latency_row(grid):
    """How long requests took."""
    duration = rate("k6_http_req_duration_seconds")
    grid.row("Latency")
    grid.add(time_series(
        "Latency of all requests", "Windowed percentiles over all requests of the chosen tests.", "s",
        [
            query(f"histogram_quantile({q}, sum({duration}))", name)
            for q, name in [(0.5, "p50"), (0.95, "p95"), (0.99, "p99")]
        ],
    ), 12)
    grid.add(heatmap(
        "How long requests take", "The darker, the more requests took that long: two modes or a rare pause show here.", "s",
        f"sum({duration})",
    ), 12)
    phases = ["blocked", "connecting", "tls_handshaking", "sending", "waiting", "receiving"]
    grid.add(time_series(
        "Where a request's time goes",
        "Mean of each phase. `blocked` (no connection is free) and `sending` are k6's own, `waiting` is the server's.",
        "s",
        [
            query(
                f"histogram_sum(sum({rate(f'k6_http_req_{phase}_seconds')}))"
                f" / histogram_count(sum({rate(f'k6_http_req_{phase}_seconds')}))",
                phase.replace("_", " "),
            )
            for phase in phases
        ],
        stacked=True,
    ), 24)
    grid.add(time_series(
        "95th percentile by endpoint", "Windowed, for each method and path.", "s",
        [query(endpoint(f"histogram_quantile(0.95, sum by (name, method) ({duration}))"), "{{method}} {{endpoint}}")],
    ), 12, 10)
    grid.add(time_series(
        "Requests per second by endpoint", "Requests that ended, for each method and path.", "reqps",
        [query(endpoint(f"sum by (name, method) ({rate('k6_http_reqs_total')})"), "{{method}} {{endpoint}}")],
    ), 12, 10)


def error_row(grid):
    """What went wrong."""
    all_requests = f"sum by (name, method) ({rate('k6_http_reqs_total')})"
    failed = rate("k6_http_reqs_total", f'{RUN},expected_response="false"')
    grid.row("Errors and checks")
    grid.add(time_series(
        "Failed share by endpoint",
        "The share of requests that failed, windowed, for each method and path.", "percentunit",
        [query(
            endpoint(f"(sum by (name, method) ({failed}) or 0 * {all_requests}) / {all_requests}"),
            "{{method}} {{endpoint}}",
        )],
        most=0.01,
    ), 8)
    grid.add(time_series(
        "Answers by status", "Answers per second by HTTP status; 0 is no answer at all.", "reqps",
        [query(f"sum by (status) ({rate('k6_http_reqs_total')})", "{{status}}")],
    ), 8)
    grid.add(time_series(
        "Checks passed", "The share of successes of each check since the test began.", "percentunit",
        [query(f"min by (test, check) (k6_checks_rate{{{RUN}}})", "{{test}}: {{check}}")],
        most=1, calcs=("lastNotNull", "min"),
    ), 8)


def websocket_row(grid):
    """What the test `websocket` did. Its events are too rare for rates: a socket stays open for 30 s."""
    def so_far(metric):
        return f"sum({at_end(metric)})"

    grid.row("WebSocket")
    grid.add(time_series(
        "Sockets opened", "WebSocket connections opened since the test began.", "short",
        [query(so_far("k6_ws_sessions_total"), "opened")], calcs=("lastNotNull",),
    ), 6)
    grid.add(time_series(
        "WebSocket messages", "Messages sent and received since the test began.", "short",
        [
            query(so_far("k6_ws_msgs_sent_total"), "sent"),
            query(so_far("k6_ws_msgs_received_total"), "received"),
        ],
        calcs=("lastNotNull",),
    ), 6)
    grid.add(time_series(
        "Time to connect", "Percentiles of connecting a WebSocket since the test began.", "s",
        [
            query(f"histogram_quantile({q}, sum(k6_ws_connecting_seconds{{{RUN}}}))", name)
            for q, name in [(0.5, "p50"), (0.95, "p95"), (0.99, "p99")]
        ],
    ), 6)
    grid.add(time_series(
        "Session duration",
        "Percentiles of how long a WebSocket stayed open, since the test began. The script holds each for 30 s.", "s",
        [
            query(f"histogram_quantile({q}, sum(k6_ws_session_duration_seconds{{{RUN}}}))", name)
            for q, name in [(0.05, "p5"), (0.5, "p50")]
        ],
    ), 6)
