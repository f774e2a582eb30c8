"""Queries and panels, and the grid that they stand in."""

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
NEUTRAL = [{"color": "text", "value": None}]
GREEN = [{"color": "green", "value": None}]
RED_AT_ZERO = [{"color": "red", "value": None}, {"color": "green", "value": 1e-9}]


def query(expr, legend="", instant=False, table=False):
    """A query, whose letter the panel gives. `table` asks for rows with a column for each label."""
    return {
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": expr,
        "format": "table" if table else "time_series",
        "instant": instant,
        "legendFormat": legend,
        "range": not instant,
    }


def rows(expr):
    """A query for the rows of a table."""
    return query(expr, instant=True, table=True)


def panel(kind, title, description, queries, unit, defaults=None, custom=None, options=None, transformations=None):
    """A panel without its place. The steps are those of `defaults`, or all values are good."""
    field = {
        "color": {"mode": "palette-classic"},
        "custom": custom or {},
        "mappings": [],
        "thresholds": {"mode": "absolute", "steps": GREEN},
        "unit": unit,
        **(defaults or {}),
    }
    made = {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "targets": [{"refId": chr(ord("A") + index), **one} for index, one in enumerate(queries)],
        "fieldConfig": {"defaults": field, "overrides": []},
        "options": options or {},
    }
    if transformations:
        made["transformations"] = transformations
    return made


def time_series(title, description, unit, queries, line=None, stacked=False, most=None, calcs=("mean", "max")):
    """A panel of values over time. `line` is a threshold, drawn as a line that is always in view."""
    custom = {
        "axisSoftMin": 0,
        "drawStyle": "line",
        "fillOpacity": 30 if stacked else 8,
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "pointSize": 4,
        "showPoints": "auto",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
        "thresholdsStyle": {"mode": "off" if line is None else "line"},
    }
    defaults = {"min": 0}
    if line is not None:
        custom["axisSoftMax"] = round(line * 1.2, 6)
        defaults["thresholds"] = steps(line)
    if most is not None:
        custom["axisSoftMax"] = most
    options = {
        "legend": {"calcs": list(calcs), "displayMode": "table", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel("timeseries", title, description, queries, unit, defaults, custom, options)


def stat(title, description, unit, queries, colors, none="none", **defaults):
    """A panel of single values, whose tile has the colour of the value: `colors` are steps. `none` is shown if there are
    no values."""
    options = {
        "colorMode": "background_solid",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "value_and_name" if "mappings" in defaults else "auto",
        "wideLayout": True,
    }
    thresholds = {"mode": "absolute", "steps": colors}
    defaults = {"color": {"mode": "thresholds"}, "noValue": none, "thresholds": thresholds, **defaults}
    return panel("stat", title, description, queries, unit, defaults, options=options)


def table(title, description, unit, queries, transformations, links=(), overrides=()):
    """A panel of rows. Numbers have one unit unless `overrides` say otherwise; a column of times shows times."""
    defaults = {
        "color": {"mode": "thresholds"},
        "links": list(links),
        "mappings": verdict_words(),
        "noValue": "",
        "thresholds": {"mode": "absolute", "steps": NEUTRAL},
    }
    custom = {"align": "auto", "cellOptions": {"type": "color-text"}, "filterable": True, "inspect": False}
    options = {"cellHeight": "sm", "showHeader": True}
    made = panel("table", title, description, queries, unit, defaults, custom, options, transformations)
    made["fieldConfig"]["overrides"] = list(overrides)
    return made


def column(name, unit, colors=NEUTRAL):
    """An override: the column has a unit of its own, and the colours of these steps."""
    properties = {"unit": unit, "thresholds": {"mode": "absolute", "steps": colors}}
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": id, "value": value} for id, value in properties.items()],
    }


def heatmap(title, description, unit, expr):
    """A panel of how many requests took how long, as darker and lighter cells; `expr` gives a native histogram."""
    options = {
        "calculate": False,
        "cellGap": 0,
        "color": {
            "exponent": 0.5, "fill": "dark-orange", "mode": "scheme", "reverse": False, "scale": "exponential",
            "scheme": "Oranges", "steps": 64,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "tooltip": {"mode": "single", "showColorScale": True, "yHistogram": True},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit},
    }
    custom = {"hideFrom": {"legend": False, "tooltip": False, "viz": False}, "scaleDistribution": {"type": "linear"}}
    cells = {**query(expr), "format": "heatmap"}
    return panel("heatmap", title, description, [cells], unit, custom=custom, options=options)


def bars(title, description, unit, expr, line=None, **defaults):
    """A panel with a bar for each `testid` that `expr` gives, the oldest run first."""
    custom = {
        "axisSoftMin": 0,
        "fillOpacity": 80,
        "lineWidth": 0,
        "thresholdsStyle": {"mode": "off" if line is None else "line"},
    }
    if line is not None:
        custom["axisSoftMax"] = round(line * 1.2, 6)
        defaults["thresholds"] = steps(line)
    options = {
        "barWidth": 0.9,
        "fullHighlight": True,
        "groupWidth": 0.7,
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
        "orientation": "vertical",
        "showValue": "auto",
        "stacking": "none",
        "tooltip": {"mode": "single", "sort": "none"},
        "xField": "Run",
        # The date in the run's name.
        "xTickLabelMaxLength": 10,
        "xTickLabelRotation": 0,
        "xTickLabelSpacing": 100,
    }
    transformations = [*columns({"testid": "Run", "Value": title}), sorted_by("Run")]
    defaults = {"min": 0, **defaults}
    return panel("barchart", title, description, [rows(expr)], unit, defaults, custom, options, transformations)


def steps(bound):
    """Green below the bound, red from it on."""
    return {"mode": "absolute", "steps": colors("green", ("red", bound))}


def colors(first, *others):
    """Steps of colours: the first, and the others, each from a value on."""
    return [{"color": first, "value": None}, *({"color": color, "value": value} for color, value in others)]


def verdict_numbers():
    """Words and colours for 0 and 1."""
    return [_mapping({"0": ("failed", "red"), "1": ("passed", "green")})]


def verdict_words():
    """Colours for the words that `verdict` makes."""
    return [_mapping({"failed": ("failed", "red"), "passed": ("passed", "green")})]


def _mapping(values):
    options = {
        value: {"color": color, "index": index, "text": text}
        for index, (value, (text, color)) in enumerate(values.items())
    }
    return {"type": "value", "options": options}


def verdict(expr):
    """`expr`, whose values are 0 and 1, with a label `verdict` that says it in words."""
    return (
        f'label_replace({expr} == 1, "verdict", "passed", "", "")'
        f' or label_replace({expr} == 0, "verdict", "failed", "", "")'
    )


def merged():
    """Joins the rows of all queries whose labels agree."""
    return {"id": "merge", "options": {}}


def columns(names):
    """Keeps only the columns in `names`, in that order, under their new names."""
    return [
        {"id": "filterFieldsByName", "options": {"include": {"names": list(names)}}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {},
                "indexByName": {name: index for index, name in enumerate(names)},
                "renameByName": dict(names),
            },
        },
    ]


def as_times(*names):
    """Makes times of columns of milliseconds."""
    conversions = [{"targetField": name, "destinationType": "time"} for name in names]
    return {"id": "convertFieldType", "options": {"conversions": conversions, "fields": {}}}


def sorted_by(name, newest_first=False):
    """Sorts rows by a column."""
    return {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": name, "desc": newest_first}]}}


def link(title, url, tooltip="", keep_time=False):
    """A link of a dashboard or of a value."""
    return {
        "title": title,
        "type": "link",
        "icon": "dashboard",
        "tooltip": tooltip,
        "url": url,
        "tags": [],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": keep_time,
        "targetBlank": False,
    }


class Grid:
    """Places panels in rows, from left to right, and numbers them."""

    def __init__(self):
        self.panels = []
        self._x = self._y = self._height = 0

    def row(self, title):
        """Begins a row with a title."""
        self._break()
        place = {"h": 1, "w": WIDTH, "x": 0, "y": self._y}
        self._append({"type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []})
        self._y += 1

    def add(self, made, width, height=8):
        """Places a panel beside the last one, or below if there is no room."""
        if self._x + width > WIDTH:
            self._break()
        place = {"h": height, "w": width, "x": self._x, "y": self._y}
        self._append({**made, "gridPos": place})
        self._x += width
        self._height = max(self._height, height)

    def _append(self, made):
        self.panels.append({"id": len(self.panels) + 1, **made})

    def _break(self):
        self._y += self._height
        self._x = self._height = 0
