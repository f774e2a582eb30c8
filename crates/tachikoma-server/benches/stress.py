#!/usr/bin/env python3
"""Does the server slow down in a long stress run? Compares equal load early and late.

    cargo xtask load-test stress missions --base-url http://127.0.0.1:0 -- --out csv=samples.csv.gz
    crates/tachikoma-server/benches/stress.py samples.csv.gz

Prints the p95 of creating and listing missions for the first and the last minute at the greatest
number of virtual users, and for each range of ten virtual users on the way up and on the way down.
"""

import csv
import gzip
import sys
from collections import defaultdict

METRICS = ("mission_create_duration", "mission_list_duration")


def read(path):
    """The virtual users by second, and the samples of each metric as (second, milliseconds)."""
    users, samples = {}, {metric: [] for metric in METRICS}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            second, value = int(row["timestamp"]), float(row["metric_value"])
            if row["metric_name"] == "vus":
                users[second] = int(value)
            elif row["metric_name"] in samples:
                samples[row["metric_name"]].append((second, value))
    return users, samples


def p95(values):
    return sorted(values)[(len(values) - 1) * 95 // 100]


def report(name, early, late):
    if early and late:
        first, last = p95(early), p95(late)
        print(f"{name}: {first:.2f} ms, later {last:.2f} ms, ratio {last / first:.2f}"
              f" ({len(early)} and {len(late)} requests)")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    users, samples = read(sys.argv[1])
    if not users or not all(samples.values()):
        sys.exit(f"error: {sys.argv[1]} has no samples of {', '.join(METRICS)} with virtual users")
    most = max(users.values())
    held = [second for second, number in users.items() if number == most]
    begin, end = min(held), max(held)
    for metric, values in samples.items():
        report(f"{metric}, first and last minute at {most} virtual users",
               [value for second, value in values if begin <= second < begin + 60],
               [value for second, value in values if end - 60 < second <= end])
        up, down = defaultdict(list), defaultdict(list)
        for second, value in values:
            number = users.get(second)
            if number is not None and not begin <= second <= end:
                (up if second < begin else down)[number // 10 * 10].append(value)
        for low in sorted(up):
            report(f"  {low} to {low + 9} virtual users, up and down", up[low], down[low])


main()
