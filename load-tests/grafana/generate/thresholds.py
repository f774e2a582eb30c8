"""The thresholds of k6.config.js and of the scripts, read from their text."""

import re
from dataclasses import dataclass


class NotUnderstood(Exception):
    """A script says something that the dashboards cannot show."""


@dataclass(frozen=True)
class Threshold:
    """One threshold, in the units of the dashboards: seconds, and shares of 1."""

    test: str
    """The test that it belongs to; empty if to every test."""
    metric: str
    """The metric without its selector, such as `http_req_duration`."""
    tags: tuple
    """The selector's tags as pairs, such as `("expected_response", "true")`."""
    quantile: float
    """The quantile of a duration; None for a rate."""
    bound: float
    """What the value stays below, in seconds or as a share."""
    in_milliseconds: bool
    """Whether Prometheus has it in milliseconds: k6 writes seconds only for trends that a script marks as time."""

    @property
    def is_rate(self):
        """Whether a share is bounded."""
        return self.quantile is None


def read_all(folder):
    """The thresholds of all tests in `folder`: those of every test first, then the scripts' own, by the scripts' names.

    Raises NotUnderstood if a script says something else than expected, OSError if one cannot be read.
    """
    thresholds = read_file(folder / "k6.config.js", "")
    for script in sorted((folder / "tests").glob("*.js")):
        thresholds += read_file(script, script.stem.removeprefix("api-"))
    return thresholds


def read_file(path, test):
    """The thresholds in one file."""
    try:
        return read_text(path.read_text(encoding="utf-8"), test)
    except NotUnderstood as error:
        raise NotUnderstood(f"{path}: {error}") from None


def read_text(text, test):
    """The thresholds in a script's text."""
    text = re.sub(r"^\s*//.*$|\s//.*$", "", text, flags=re.MULTILINE)
    blocks = re.findall(r"\bthresholds: \{\n(.*?)\n  \}", text, flags=re.DOTALL)
    if len(blocks) != 1 or len(re.findall(r"\bthresholds\b", text)) != 1:
        raise NotUnderstood("one `thresholds: {` is expected, closed by a line of its own")
    # Whether a trend of the script's own is one of time, by name; a rate is None.
    custom = {
        name: kind == "Trend" and bool(marked)
        for kind, name, marked in re.findall(r"new (Trend|Rate)\('(\w+)'(, true)?\)", text)
    }
    entry = re.compile(r"\s*(?:'([^']+)'|(\w+)): \[([^\]]*)\],?\s*")
    thresholds, at = [], 0
    while at < len(blocks[0]):
        found = entry.match(blocks[0], at)
        if not found:
            raise NotUnderstood(f"no threshold: {blocks[0][at:].strip()}")
        expressions = re.fullmatch(r"\s*'[^']*'(?:,\s*'[^']*')*,?\s*", found[3])
        if not expressions:
            raise NotUnderstood(f"a list of texts is expected: [{found[3]}]")
        for expression in re.findall(r"'([^']*)'", found[3]):
            thresholds.append(_threshold(test, found[1] or found[2], expression, custom))
        at = found.end()
    return thresholds


def _threshold(test, key, expression, custom):
    """The threshold `expression` on the metric `key`, which may have a selector."""
    parts = re.fullmatch(r"(\w+)(?:\{(\w+:\w+(?:,\s*\w+:\w+)*)\})?", key)
    bound = re.fullmatch(r"(?:rate|p\((\d+(?:\.\d+)?)\))\s*<\s*(\d+(?:\.\d+)?)", expression)
    if not parts or not bound:
        raise NotUnderstood(f"no panel can be made for the threshold {key}: {expression}")
    metric = parts[1]
    if metric not in custom and not metric.startswith("http_req_"):
        raise NotUnderstood(f"{metric} is neither a metric of requests nor made here")
    is_rate = bound[1] is None
    tags = tuple(tuple(re.split(r":", tag.strip())) for tag in (parts[2] or "").split(",") if tag)
    return Threshold(
        test=test,
        metric=metric,
        tags=tags,
        quantile=None if is_rate else round(float(bound[1]) / 100, 6),
        # k6's thresholds on durations are in milliseconds.
        bound=float(bound[2]) if is_rate else round(float(bound[2]) / 1000, 6),
        in_milliseconds=not is_rate and custom.get(metric) is False,
    )
