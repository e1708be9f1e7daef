#!/usr/bin/env python3
"""Writes promptops-core/tests/vectors/gate.json: what the ship gate tests and bounds with.

    pip install numpy scipy
    scripts/make_gate_vectors.py

Tango's bounds are found by maximising the trinomial likelihood under each difference, not by his closed form; the tests are
SciPy's own (binomial, and permutation of paired samples).
"""

import json
import pathlib

import numpy
import scipy
from scipy import optimize, stats


def likeliest_lost(b, c, n, difference):
    """The rate of those lost that is likeliest, given the difference of won less lost."""
    rest = n - b - c

    def minus_log(q):
        parts = [(b, q + difference), (c, q), (rest, 1 - 2 * q - difference)]
        return -sum(count * numpy.log(max(rate, 1e-300)) for count, rate in parts if count)

    low, high = max(0.0, -difference), (1 - difference) / 2
    found = optimize.minimize_scalar(minus_log, bounds=(low, high), method="bounded", options={"xatol": 1e-13})
    return min([low, high, found.x], key=minus_log)


def score(b, c, n, difference):
    lost = likeliest_lost(b, c, n, difference)
    variance = n * (2 * lost + difference - difference**2)
    return (b - c - n * difference) / numpy.sqrt(variance)


def tango(b, c, n, alpha):
    z = stats.norm.isf(alpha)
    return optimize.brentq(lambda d: score(b, c, n, d) - z, -1 + 1e-9, (b - c) / n - 1e-12, xtol=1e-12)


def tangos():
    cases = [(0, 0, 20), (0, 0, 200), (5, 5, 200), (10, 10, 200), (25, 26, 200), (2, 9, 200), (15, 0, 30), (30, 0, 30),
             (1, 4, 50), (43, 12, 100), (0, 3, 59), (120, 130, 1000)]
    return [[b, c, n, alpha, tango(b, c, n, alpha)] for b, c, n in cases for alpha in (0.2, 0.05, 0.025, 0.005)]


def mcnemars():
    cases = [(0, 0), (0, 1), (1, 0), (5, 0), (4, 1), (10, 3), (3, 10), (15, 0), (60, 40), (40, 60), (501, 499), (5, 5)]
    return [[b, c, stats.binomtest(b, b + c, 0.5, alternative="greater").pvalue if b + c else 1.0] for b, c in cases]


def sign_flips():
    rng = numpy.random.default_rng(7)
    rows = []
    for size in (2, 5, 9, 14):
        for shift in (-0.1, 0.0, 0.1):
            values = numpy.round(rng.normal(shift, 0.2, size), 3)
            if not values.any():
                continue
            found = stats.permutation_test((values, numpy.zeros(size)), lambda x, y: numpy.mean(x - y),
                                           permutation_type="samples", n_resamples=numpy.inf, alternative="greater")
            rows.append([values.tolist(), float(found.pvalue)])
    return rows


def needed():
    rows = []
    for null, variance, gap, alpha, power in [(0.1, 0.1, 0.05, 0.05, 0.8), (0.25, 0.25, 0.05, 0.05, 0.8),
                                              (0.1, 0.1, 0.05, 0.01, 0.9), (0.4, 0.24, 0.4, 0.03, 0.8),
                                              (0.02, 0.02, 0.02, 0.05, 0.8), (0.4, 0.31, 0.3, 0.025, 0.95)]:
        distance = stats.norm.isf(alpha) * null**0.5 + stats.norm.isf(1 - power) * variance**0.5
        rows.append([null, variance, gap, alpha, power, int(numpy.ceil((distance / gap) ** 2))])
    return rows


if __name__ == "__main__":
    vectors = {
        "made_by": f"scripts/make_gate_vectors.py, SciPy {scipy.__version__}, NumPy {numpy.__version__}",
        "matched_at_least": tangos(),
        "mcnemar_better": mcnemars(),
        "sign_flip_better": sign_flips(),
        "pairs_needed": needed(),
    }
    path = pathlib.Path(__file__).parent.parent / "promptops-core/tests/vectors/gate.json"
    path.write_text(json.dumps(vectors, indent=1) + "\n")
