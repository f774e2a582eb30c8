"""The dashboards as text: their layout as a picture, and a line for each panel."""

import textwrap

from generate.panels import WIDTH

BEGIN, END = "<!-- written by dashboards.py: begin -->", "<!-- written by dashboards.py: end -->"
# Characters for a column of the grid; a line of text stands for two of its rows.
COLUMN = 4


def replaced(readme, dashboards):
    """README's text with the part between the marks written anew."""
    before, after = readme.split(BEGIN)[0], readme.split(END)[-1]
    parts = [text(name, dashboard) for name, dashboard in dashboards.items()]
    return f"{before}{BEGIN}\n\n" + "\n".join(parts) + f"\n{END}{after}"


def text(name, dashboard):
    """One dashboard."""
    lines = [f"### {dashboard['title']}", "", dashboard["description"], ""]
    chosen = [variable for variable in dashboard["templating"]["list"] if not variable["hide"]]
    labels = ", ".join(variable["label"] for variable in chosen)
    lines += [f"File: `dashboards/{name}`. Choose: {labels}.", "", "```text"]
    for title, panels in rows(dashboard["panels"]):
        lines += [f"v {title}", *picture(panels)]
    lines += ["```", "", "| Panel | What it shows |", "|---|---|"]
    shown = [one for one in dashboard["panels"] if one["type"] != "row"]
    lines += [f"| {cell(one['title'])} | {cell(one['description'])} |" for one in shown]
    return "\n".join([*lines, ""])


def cell(words):
    """Text in a cell of a table."""
    return words.replace("|", "\\|")


def rows(panels):
    """Rows: title and panels."""
    found = []
    for one in panels:
        if one["type"] == "row":
            found.append((one["title"], []))
        else:
            found[-1][1].append(one)
    return found


def picture(panels):
    """The panels of a row as boxes."""
    top = min(one["gridPos"]["y"] for one in panels)
    bottom = max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in panels)
    canvas = [[" "] * (WIDTH * COLUMN + 1) for _ in range((bottom - top) // 2 + 1)]
    for one in panels:
        place = one["gridPos"]
        left, right = place["x"] * COLUMN, (place["x"] + place["w"]) * COLUMN
        above, below = (place["y"] - top) // 2, (place["y"] - top + place["h"]) // 2
        for y in range(above, below + 1):
            edge = y in (above, below)
            for x in range(left, right + 1):
                side = x in (left, right)
                if edge and (side or canvas[y][x] == "+"):
                    canvas[y][x] = "+"
                elif edge or side:
                    canvas[y][x] = "-" if edge else "|"
        lines = textwrap.wrap(one["title"], right - left - 3)[: below - above - 1]
        for y, line in enumerate(lines, above + 1):
            canvas[y][left + 2 : left + 2 + len(line)] = line
    return ["".join(line).rstrip() for line in canvas]
