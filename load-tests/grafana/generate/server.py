"""The dashboard of the server under test, beside what k6 sees of it at the same time."""

from generate.frame import dashboard as frame, run_annotations, run_variables, variable
from generate.k6_run import RUN, bound_of, lately, rate
from generate.panels import Grid, colors, column, columns, merged, query, rows, sorted_by, table, time_series

SERVER = 'instance=~"$instance"'
# What load tests ask for: scraping asks too, and a WebSocket's upgrade is no request to wait for.
REQUESTS = f'{SERVER},route!~"/metrics|/ws"'
DURATION = "tachikoma_http_request_duration_seconds"


def dashboard(thresholds):
    """The whole dashboard."""
    grid = Grid()
    blame_row(grid)
    request_row(grid, thresholds)
    database_row(grid)
    websocket_row(grid)
    process_row(grid)
    instance = variable(
        "instance", "Server", "label_values(tachikoma_http_requests_in_flight, instance)",
        "The servers that Prometheus scrapes.", every=True,
    )
    return frame(
        "tachikoma-server",
        "The server under test and k6's view of it on one time axis: which of the two was slow?",
        grid,
        [*run_variables(), instance],
        run_annotations(RUN),
        since="now-30m",
        refresh="10s",
    )


def mean(histogram, matchers):
    """The windowed mean of a classic histogram."""
    return f"sum({rate(histogram + '_sum', matchers)}) / sum({rate(histogram + '_count', matchers)})"


def native_mean(histogram):
    """The windowed mean of one of k6's native histograms."""
    return f"histogram_sum(sum({rate(histogram)})) / histogram_count(sum({rate(histogram)}))"


def quantile(q, histogram, matchers, by=""):
    """The windowed quantile of a classic histogram."""
    return f"histogram_quantile({q}, sum by (le{by}) ({rate(histogram + '_bucket', matchers)}))"


def blame_row(grid):
    """k6's view and the server's, and how k6 itself is doing."""
    k6 = "k6_http_req_duration_seconds"
    grid.row("Slow server or slow generator?")
    grid.add(time_series(
        "95th percentile: k6 and server",
        "Both high: the server is slow. Only k6's high: the time is lost outside it, in k6 or the network.", "s",
        [
            query(f"histogram_quantile(0.95, sum({rate(k6)}))", "k6 sees"),
            query(quantile(0.95, DURATION, REQUESTS), "server measures"),
        ],
    ), 8)
    grid.add(time_series(
        "Mean: k6 and server",
        "As before, but exact: the server's buckets are coarse. What lies between the two is outside the server.", "s",
        [
            query(native_mean(k6), "k6 sees"),
            query(mean(DURATION, REQUESTS), "server measures"),
            query(f"{native_mean(k6)} - {mean(DURATION, REQUESTS)}", "outside the server"),
        ],
    ), 8)
    grid.add(time_series(
        "Requests per second: k6 and server",
        "The server counts requests of others too. Few requests and an idle server: the generator is slow.",
        "reqps",
        [
            query(f"sum({rate('k6_http_reqs_total')})", "k6 sends"),
            query(f"sum({rate(DURATION + '_count', REQUESTS)})", "server answers"),
        ],
    ), 8)
    grid.add(time_series(
        "Virtual users",
        "How many k6 has, and requests that the server works on: it keeps those waiting. Being scraped is one of them.",
        "short",
        [
            query(f"sum({lately('k6_vus')})", "virtual users"),
            query(f"sum(tachikoma_http_requests_in_flight{{{SERVER}}})", "in flight"),
        ],
    ), 6)
    iterations = rate("k6_iteration_duration_seconds")
    grid.add(time_series(
        "Iteration time outside requests",
        "Mean by test: the script's pause and k6's own work. Above the pause, the generator is short of CPU.", "s",
        [query(
            f"(histogram_sum(sum by (test) ({iterations})) - histogram_sum(sum by (test) ({rate(k6)})))"
            f" / histogram_count(sum by (test) ({iterations}))",
            "{{test}}",
        )],
    ), 6)
    grid.add(time_series(
        "k6 blocked",
        "Mean wait for a connection before a request begins, and mean time to connect. High: k6 is short of CPU.", "s",
        [
            query(native_mean("k6_http_req_blocked_seconds"), "blocked"),
            query(native_mean("k6_http_req_connecting_seconds"), "connecting"),
        ],
    ), 6)
    grid.add(time_series(
        "Dropped iterations",
        "Iterations per second that k6 could not begin. Any at all: the generator was too slow.", "ops",
        [query(f"sum({rate('k6_dropped_iterations_total')}) or vector(0)", "dropped")], most=1,
    ), 6)


def route_table(thresholds):
    """A row for each method and route over the whole time that is shown."""
    by = "sum by (method, route)"

    def whole(kind, matchers=REQUESTS):
        return f"increase({DURATION}_{kind}{{{matchers}}}[$__range])"

    def quantile_of(q):
        return rows(f"histogram_quantile({q}, sum by (le, method, route) ({whole('bucket')}))")

    def share(status):
        some = f'{REQUESTS},status=~"{status}"'
        every = f"{by} ({whole('count')})"
        return rows(f"({by} ({whole('count', some)}) or 0 * {every}) / ({every} > 0)")

    failed = bound_of(thresholds, "http_req_failed", None)
    return table(
        "Routes", "Every method and route template over the time that is shown, those with the largest share of answers 5xx first.", "s",
        [
            rows(f"{by} ({whole('count')}) > 0"), quantile_of(0.5), quantile_of(0.95), quantile_of(0.99),
            share("4.."), share("5.."),
        ],
        [
            merged(),
            *columns({
                "method": "Method", "route": "Route", "Value #F": "5xx", "Value #E": "4xx", "Value #A": "Requests",
                "Value #B": "p50", "Value #C": "p95", "Value #D": "p99",
            }),
            sorted_by("5xx", newest_first=True),
        ],
        overrides=[
            column("Requests", "short"),
            column("4xx", "percentunit"),
            column("5xx", "percentunit", colors("green", ("red", failed))),
            column("p95", "s", colors("green", ("red", bound_of(thresholds, "http_req_duration", 0.95)))),
        ],
    )


def request_row(grid, thresholds):
    """The server's requests."""
    grid.row("Requests")
    grid.add(route_table(thresholds), 24, 9)
    grid.add(time_series(
        "Requests per second by route", "Answers per second, for each method and route.", "reqps",
        [query(f"sum by (method, route) ({rate(DURATION + '_count', SERVER)})", "{{method}} {{route}}")],
    ), 12)
    grid.add(time_series(
        "Answers by status",
        "Answers per second by HTTP status. 503 means that a limit of the server was reached.", "reqps",
        [query(f"sum by (status) ({rate(DURATION + '_count', SERVER)})", "{{status}}")],
    ), 12)
    for q, name in [(0.5, "Median"), (0.95, "95th percentile")]:
        grid.add(time_series(
            f"{name} by route", "From a request's head to its answer, windowed, for each method and route.", "s",
            [query(quantile(q, DURATION, SERVER, ", method, route"), "{{method}} {{route}}")],
        ), 9)
    grid.add(time_series(
        "Connections",
        "Open connections, WebSockets included; requests in flight; connections refused per second.", "short",
        [
            query(f"sum(tachikoma_connections{{{SERVER}}})", "open"),
            query(f"sum(tachikoma_http_requests_in_flight{{{SERVER}}})", "in flight"),
            query(f"sum({rate('tachikoma_connections_refused_total', SERVER)})", "refused per second"),
        ],
    ), 6)


def database_row(grid):
    """The database's writer and readers."""
    commit, batch = "tachikoma_db_commit_duration_seconds", "tachikoma_db_commit_batch_size"
    grid.row("Database")
    grid.add(time_series(
        "Commits per second", "Transactions, and the writes in them.", "ops",
        [
            query(f"sum({rate(commit + '_count', SERVER)})", "transactions"),
            query(f"sum({rate(batch + '_sum', SERVER)})", "writes"),
        ],
    ), 6)
    grid.add(time_series(
        "Writes in a commit",
        "Mean and 95th percentile: batches grow when writes come faster than the disk flushes.", "short",
        [query(mean(batch, SERVER), "mean"), query(quantile(0.95, batch, SERVER), "p95")],
    ), 6)
    grid.add(time_series(
        "Commit duration", "How long a transaction takes, flush to disk included.", "s",
        [query(quantile(0.5, commit, SERVER), "p50"), query(quantile(0.95, commit, SERVER), "p95")],
    ), 6)
    grid.add(time_series(
        "Waiting for the database",
        "Writes and reads in the queues: above 0 for long, the database is the limit.", "short",
        [
            query(f"sum(tachikoma_db_write_queue_length{{{SERVER}}})", "writes"),
            query(f"sum(tachikoma_db_read_queue_length{{{SERVER}}})", "reads"),
        ],
    ), 6)


def websocket_row(grid):
    """The events that the server hands out."""
    grid.row("WebSocket")
    grid.add(time_series(
        "Sessions", "Open WebSocket sessions.", "short",
        [query(f"sum(tachikoma_websocket_sessions{{{SERVER}}})", "open")],
    ), 8)
    grid.add(time_series(
        "Fan-out", "Frames per second to all clients: each mission that changes goes to each subscriber.", "ops",
        [query(f"sum({rate('tachikoma_websocket_sent_total', SERVER)})", "frames sent")],
    ), 8)
    grid.add(time_series(
        "Slow clients", "Events per second that slow clients missed, and sessions per second closed on them.", "ops",
        [
            query(f"sum({rate('tachikoma_websocket_lagged_total', SERVER)})", "events missed"),
            query(f"sum({rate('tachikoma_websocket_dropped_total', SERVER)})", "sessions closed"),
        ],
    ), 8)


def process_row(grid):
    """The server's process, as it says itself and as the command samples it."""
    grid.row("Process")
    grid.add(time_series(
        "CPU", "Cores in use: as the server says, and as sampled while a test runs.", "short",
        [
            query(f"sum({rate('process_cpu_seconds_total', SERVER)})", "server says"),
            query(f"sum({rate('tachikoma_load_test_server_cpu_seconds_total')})", "sampled"),
        ],
    ), 12)
    grid.add(time_series(
        "Memory", "Resident memory: as the server says, and as sampled while a test runs.", "bytes",
        [
            query(f"sum(process_resident_memory_bytes{{{SERVER}}})", "server says"),
            query(f"max({lately('tachikoma_load_test_server_memory_bytes')})", "sampled"),
        ],
    ), 12)
