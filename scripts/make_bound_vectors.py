#!/usr/bin/env python3
"""Writes promptops-core/tests/vectors/bounds.json: one-sided bounds and evidence on bounded means.

    pip install numpy scipy mpmath
    scripts/make_bound_vectors.py

Bounds of proportions are SciPy's quantiles of the beta distribution, refined by mpmath to 50 digits; the rest is computed
by mpmath from the definitions, not by the recursions of the library.
"""

import json
import pathlib
import random

import mpmath
import scipy
from mpmath import mpf
from scipy import stats

mpmath.mp.dps = 50
PARTS = [mpf(float(part)) for part in ("0.02", "0.04", "0.08", "0.15", "0.3", "0.55", "0.9")]


def proportions():
    cases = [(1, 1), (0, 10), (10, 10), (1, 10), (5, 10), (9, 10), (59, 59), (14, 20), (70, 100), (693, 1000),
             (1, 5000), (4999, 5000), (3500, 5000), (2, 1_000_000), (700_123, 1_000_000), (999_990, 1_000_000)]
    rows = []
    for passed, total in cases:
        for alpha in (0.5, 0.05, 0.01, 0.002, 1e-6):
            if passed == 0:
                low = 0.0
            else:
                guess = stats.beta.ppf(alpha, passed, total - passed + 1)
                # Above 5,000 its series takes too long.
                tail = lambda p: mpmath.betainc(passed, total - passed + 1, 0, p, regularized=True) - mpf(alpha)
                low = float(mpmath.findroot(tail, (mpf(guess), mpf(guess) * (1 - mpf(10) ** -8)),
                                             verify=False)) if total <= 5000 else float(guess)
                assert abs(low / guess - 1) < 1e-9
            rows.append([passed, total, alpha, low])
    return rows


def entropy(a, b):
    part = lambda a, b: mpf(0) if a == 0 else a * mpmath.log(a / b)
    return part(a, b) + part(1 - a, 1 - b)


def root(holds, low, high):
    """Where a condition that holds at low and not at high ends."""
    low, high = mpf(low), mpf(high)
    for _ in range(150):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return float(low)


def means():
    rows = []
    for count, mean in [(1, 0.5), (20, 0.7), (100, 0.0), (100, 1.0), (100, 0.93), (1000, 0.7), (1000, 0.999),
                        (333.3, 0.7), (1_000_000, 0.7)]:
        for alpha in (0.05, 0.01, 1e-4):
            most = -mpmath.log(mpf(alpha)) / mpf(count)
            low = 0.0 if mean == 0 else root(lambda p: entropy(mpf(mean), p) > most, mpf(10) ** -40, mean)
            rows.append([count, mean, alpha, low])
    return rows


def average(values):
    return sum(values) / len(values)


def wins(null, x):
    return [1 + part * (null - x) / (1 - null) for part in PARTS]


def evidence():
    draw = random.Random(20261121)
    rows = []
    for null, rate, count, horizon, graded in [("0.62", 0.6, 200, 5000, False), ("0.9", 0.3, 400, 5000, False),
                                               ("0.05", 0.0, 50, 30, False), ("0.7", 0.9, 300, 100, True),
                                               ("0.75", 0.7, 120, 60, True)]:
        xs = [round(min(1, max(0, draw.gauss(rate, 0.2))), 3) if graded else float(draw.random() < rate)
              for _ in range(count)]
        m = mpf(float(null))
        products = [[mpf(1)] for _ in PARTS]
        for x in xs:
            for product, win in zip(products, wins(m, mpf(x))):
                product.append(product[-1] * win)
        start = average([product[-1] for product in products])
        # One bet for each beginning s: what the whole has become, over what it was before s.
        late = average([sum(product[-1] / product[s] for s in range(min(horizon, count)))
                        + (1 if count < horizon else 0) for product in products]) / horizon
        rows.append({"null": float(null), "scores": xs, "horizon": horizon,
                     "from_the_start": float(mpmath.log(start)), "since_some_time": float(mpmath.log(late))})
    return rows


def above(count, mean, null):
    ratios = [(null + part * (1 - null)) for part in PARTS]
    count, mean = mpf(count), mpf(mean)
    return mpmath.log(average([(q / null) ** (count * mean) * ((1 - q) / (1 - null)) ** (count * (1 - mean))
                               for q in ratios]))


def aboves():
    rows = []
    for count, mean, null, alpha in [(5000, 0.7, 0.62, 0.05), (100, 1.0, 0.9, 0.05), (50, 0.2, 0.5, 0.01),
                                     (12.5, 0.99, 0.6, 0.05), (1_000_000, 0.9, 0.899, 0.05)]:
        needed = -mpmath.log(mpf(alpha))
        low = root(lambda m: above(count, mean, m) >= needed, mpf(10) ** -30, min(mean, 1 - mpf(10) ** -12))
        rows.append([count, mean, null, alpha, float(above(count, mean, mpf(null))), low])
    return rows


path = pathlib.Path(__file__).resolve().parent.parent / "promptops-core/tests/vectors/bounds.json"
vectors = {
    "made_by": "scripts/make_bound_vectors.py",
    "versions": {"scipy": scipy.__version__, "mpmath": mpmath.__version__},
    "proportion": proportions(),
    "mean": means(),
    "evidence": evidence(),
    "above": aboves(),
}
path.write_text(json.dumps(vectors, indent=1) + "\n")
