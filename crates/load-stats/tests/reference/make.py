"""Writes values.json: what SciPy and pyMannKendall say of the cases in tests/reference_values.rs; of the signed-rank
test, whose ranks end at a bound and which neither has, what all patterns of signs come to.

    python3 -m venv /tmp/venv
    /tmp/venv/bin/pip install scipy==1.17.1 numpy==2.4.6 pymannkendall==1.4.3
    /tmp/venv/bin/python crates/load-stats/tests/reference/make.py
"""

import json
import pathlib

import numpy as np
import pymannkendall
import scipy
from scipy import stats

random = np.random.default_rng(20240601)


def floats(values):
    return [float(value) for value in values]


def signed_rank(name, differences):
    values = np.asarray(differences, dtype=float)
    scores = np.minimum(stats.rankdata(np.abs(values)), (len(values) + 1) // 2)[values != 0]
    plus, total = scores[values[values != 0] > 0].sum(), scores.sum()
    row = {"name": name, "differences": floats(values)}
    for key, reached in [("p_greater", plus), ("p_less", total - plus)]:
        if len(scores) <= 120:
            # The distribution of the doubled sum: each score is added with probability 1/2.
            share = np.ones(1)
            for score in scores:
                share = np.convolve(share, [0.5] + [0.0] * (int(2 * score) - 1) + [0.5])
            row[key] = float(share[int(2 * reached):].sum())
        else:
            deviation = np.sqrt((scores**2).sum()) / 2
            row[key] = float(stats.norm.sf((reached - total / 2 - 0.5) / deviation))
    row["p_two_sided"] = min(1.0, 2 * min(row["p_greater"], row["p_less"]))
    return row


def signed_rank_cases():
    rows = []
    for n in (5, 8, 12):
        rows.append(signed_rank(f"normal {n}", random.normal(0.3, 1.0, n)))
        ties = random.integers(1, 5, n) * random.choice([-1, 1], n, p=[0.3, 0.7])
        rows.append(signed_rank(f"ties {n}", ties))
        zeros = np.concatenate([[0, 0], random.integers(1, 6, n - 2) * random.choice([-1, 1], n - 2)])
        rows.append(signed_rank(f"zeros dropped {n}", zeros[zeros != 0]))
        rows.append(signed_rank(f"zeros ranked {n}", zeros))
    for n in (25, 50):
        rows.append(signed_rank(f"normal {n}", random.normal(0.2, 1.0, n)))
    rows.append(signed_rank("normal 90", random.normal(0.15, 1.0, 90)))
    ties = random.integers(1, 9, 90) * random.choice([-1, 1], 90, p=[0.4, 0.6])
    # Beyond what the crate counts out exactly.
    ties = np.concatenate([ties, ties[:60]])
    rows.append(signed_rank("ties 150", ties))
    rows.append(signed_rank("zeros ranked 160", np.concatenate([np.zeros(10), ties])))
    return rows


def slow_noise(n, correlation):
    values = [random.normal()]
    for _ in range(n - 1):
        values.append(correlation * values[-1] + random.normal())
    return np.array(values)


def mann_kendall_cases():
    rows = []
    for name, values in [
        ("ties 15", random.integers(0, 6, 15)),
        ("ties rising 30", np.arange(30) // 4 + random.integers(0, 4, 30)),
        ("normal 80", random.normal(0, 1, 80)),
        ("rising 80", 0.02 * np.arange(80) + random.normal(0, 1, 80)),
    ]:
        test = pymannkendall.original_test(values)
        rows.append({"name": name, "dependence": "independent", "values": floats(values),
                     "s": float(test.s), "variance": float(test.var_s), "z": float(test.z),
                     "p_two_sided": float(test.p)})
    for name, values in [
        ("slow 60", slow_noise(60, 0.8)),
        ("slow 120", slow_noise(120, 0.9)),
        ("slow rising 100", 0.03 * np.arange(100) + slow_noise(100, 0.7)),
    ]:
        test = pymannkendall.hamed_rao_modification_test(values)
        plain = pymannkendall.original_test(values)
        assert test.var_s > plain.var_s, name
        rows.append({"name": name, "dependence": "hamed-rao", "values": floats(values),
                     "s": float(test.s), "variance": float(test.var_s), "z": float(test.z),
                     "p_two_sided": float(test.p)})
    return rows


def exact_trend_cases():
    rows = []
    for n in (4, 9, 20, 45):
        values = 0.05 * np.arange(n) + random.normal(0, 1, n)
        order = np.arange(n)
        rows.append({"name": f"exact {n}", "values": floats(values),
                     "tau": float(stats.kendalltau(order, values).statistic),
                     "p_two_sided": float(stats.kendalltau(order, values, method="exact").pvalue),
                     "p_rising": float(stats.kendalltau(order, values, method="exact", alternative="greater").pvalue)})
    return rows


def theil_sen_cases():
    rows = []
    for name, x, y in [
        ("even 12", np.arange(12), 0.7 * np.arange(12) + random.normal(0, 1, 12)),
        ("uneven 40", np.sort(random.uniform(0, 100, 40)), random.normal(0, 3, 40)),
        ("ties 30", np.arange(30) // 2, random.integers(0, 5, 30)),
        ("outliers 25", np.arange(25), np.where(np.arange(25) % 6 == 0, 500.0, 2.0 * np.arange(25))),
    ]:
        for confidence in (0.9, 0.99):
            line = stats.theilslopes(y, x, alpha=confidence, method="joint")
            rows.append({"name": f"{name} at {confidence}", "x": floats(x), "y": floats(y),
                         "confidence": confidence, "slope": float(line.slope),
                         "intercept": float(line.intercept), "low": float(line.low_slope),
                         "high": float(line.high_slope)})
    return rows


def split_statistic(left, right):
    """Matteson and James (2014), equation 6, by its definition."""
    m, n = len(left), len(right)
    between = np.abs(left[:, None] - right[None, :]).sum() * 2 / (m * n)
    within_left = np.abs(left[:, None] - left[None, :]).sum() / (m * (m - 1))
    within_right = np.abs(right[:, None] - right[None, :]).sum() / (n * (n - 1))
    return m * n / (m + n) * (between - within_left - within_right)


def split_cases():
    rows = []
    for name, values in [
        ("step 40", np.concatenate([random.normal(0, 1, 25), random.normal(2, 1, 15)])),
        ("there and back 45", np.concatenate([random.normal(0, 1, 15), random.normal(3, 1, 12), random.normal(0, 1, 18)])),
        ("flat 20", random.normal(0, 1, 20)),
    ]:
        smallest = 5
        best = max(
            (split_statistic(values[:cut], values[cut:end]), cut)
            for end in range(2 * smallest, len(values) + 1)
            for cut in range(smallest, end - smallest + 1)
        )
        rows.append({"name": name, "values": floats(values), "min_segment": smallest,
                     "statistic": float(best[0]), "index": best[1]})
    return rows


table = {
    "made_with": {"scipy": scipy.__version__, "numpy": np.__version__, "pymannkendall": "1.4.3"},
    "signed_rank": signed_rank_cases(),
    "mann_kendall": mann_kendall_cases(),
    "exact_trend": exact_trend_cases(),
    "theil_sen": theil_sen_cases(),
    "split": split_cases(),
}
path = pathlib.Path(__file__).with_name("values.json")
path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
print(f"wrote {path}")
