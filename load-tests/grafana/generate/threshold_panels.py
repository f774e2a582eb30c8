"""The panel of a threshold: what it bounds, and the bound as a line."""

from generate.panels import query, time_series

# Metrics that the scripts add to only when something goes wrong: no samples mean that nothing did.
SILENT_IF_SOUND = {"ws_errors"}


def threshold_panel(threshold):
    """The panel of one threshold: the value now, and the one that k6 judges, since the test began."""
    test = f'test="{threshold.test}"' if threshold.test else 'test=~"$test"'
    selector = ",".join(['testid="$testid"', test, *(f'{tag}="{value}"' for tag, value in threshold.tags)])
    tags = ", ".join(f"{tag} {value}" for tag, value in threshold.tags)
    name = f"{threshold.metric} ({tags})" if tags else threshold.metric
    measure = "rate" if threshold.is_rate else f"p{threshold.quantile * 100:g}"
    title = f"{threshold.test + ': ' if threshold.test else ''}{name} {measure} < {readable(threshold)}"
    if not threshold.is_rate:
        queries, description = _quantile(threshold, selector)
    elif threshold.metric == "http_req_failed":
        queries, description = _failed_share(selector)
    else:
        queries, description = _rate(threshold, selector)
    unit = "percentunit" if threshold.is_rate else "s"
    return time_series(title, description, unit, queries, line=threshold.bound, calcs=("lastNotNull", "max"))


def readable(threshold):
    """The bound with its unit."""
    if threshold.is_rate:
        return f"{threshold.bound * 100:g} %"
    return f"{threshold.bound:g} s" if threshold.bound >= 1 else f"{threshold.bound * 1000:g} ms"


def _quantile(threshold, selector):
    series = f"k6_{threshold.metric}{'' if threshold.in_milliseconds else '_seconds'}{{{selector}}}"
    to_seconds = " / 1000" if threshold.in_milliseconds else ""

    def quantile(histogram):
        return f"histogram_quantile({threshold.quantile:g}, sum by (test) ({histogram})){to_seconds}"

    queries = [
        query(quantile(f"rate({series}[$__rate_interval])"), "{{test}} now"),
        query(quantile(series), "{{test}} so far"),
    ]
    return queries, (
        "Now, and over the test so far, which k6 judges; buckets make it about 10 % inexact, few requests more so."
    )


def _failed_share(selector):
    every, failed = f"k6_http_reqs_total{{{selector}}}", f'k6_http_reqs_total{{{selector},expected_response="false"}}'

    def share(function, window):
        of, all_of = (f"sum by (test) ({function}({series}[{window}]))" for series in (failed, every))
        return f"({of} or 0 * {all_of}) / {all_of}"

    queries = [
        query(share("rate", "$__rate_interval"), "{{test}} now"),
        query(share("last_over_time", "$__range"), "{{test}} so far"),
    ]
    return queries, "The share of requests that failed: now, and over the test so far, which is what k6 judges."


def _rate(threshold, selector):
    expr = f"max by (test) (k6_{threshold.metric}_rate{{{selector}}})"
    description = "The share over the test so far, which is what k6 judges."
    if threshold.metric in SILENT_IF_SOUND:
        expr += f" or 0 * max by (test) (last_over_time(k6_vus{{{selector}}}[$__rate_interval]))"
        description += " The script counts failures only: without any there are no samples, which is shown as 0."
    return [query(expr, "{{test}} so far")], description
