#!/usr/bin/env python3
"""Writes the dashboards and their description in README.md.

    python3 load-tests/grafana/dashboards.py           writes them
    python3 load-tests/grafana/dashboards.py --check   exits with 1 if a file differs from what would be written

The bounds in the panels come from k6.config.js and tests/*.js. Python 3.9 or newer, standard library only.
"""

import argparse
import json
import sys
from pathlib import Path

# The folder of the generator is in git: nothing compiled belongs there.
sys.dont_write_bytecode = True

from generate import alerts, compared, describe, k6_run, runs, server  # noqa: E402
from generate.thresholds import NotUnderstood, read_all  # noqa: E402

HERE = Path(__file__).resolve().parent
COMMAND = "python3 load-tests/grafana/dashboards.py"


def files():
    """What is to be written: text by path."""
    thresholds = read_all(HERE.parent)
    dashboards = {
        "load-tests.json": runs.dashboard(),
        "k6-run.json": k6_run.dashboard(thresholds),
        "tachikoma-server.json": server.dashboard(thresholds),
        "runs-compared.json": compared.dashboard(thresholds),
    }
    wanted = {
        HERE / "dashboards" / name: json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n"
        for name, dashboard in dashboards.items()
    }
    wanted[HERE / "provisioning/alerting/tachikoma.yaml"] = alerts.text()
    readme = HERE / "README.md"
    wanted[readme] = describe.replaced(readme.read_text(encoding="utf-8"), dashboards)
    return wanted


def differing(wanted):
    """The paths whose text is not the wanted one, those of dashboards that nobody makes any more included."""
    paths = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    return paths + [path for path in sorted((HERE / "dashboards").glob("*")) if path not in wanted]


def main():
    """Parses the command line and does it; returns the exit code."""
    parser = argparse.ArgumentParser(description="Writes the Grafana dashboards.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit with 1 if a file differs")
    arguments = parser.parse_args()
    try:
        wanted = files()
    except (NotUnderstood, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    different = differing(wanted)
    if not arguments.check:
        (HERE / "dashboards").mkdir(exist_ok=True)
    for path in different:
        name = path.relative_to(HERE.parent.parent)
        if arguments.check:
            print(f"error: {name} differs from what is generated: run `{COMMAND}`", file=sys.stderr)
        elif path in wanted:
            path.write_text(wanted[path], encoding="utf-8")
            print(f"wrote {name}")
        else:
            path.unlink()
            print(f"removed {name}")
    return 1 if arguments.check and different else 0


if __name__ == "__main__":
    sys.exit(main())
