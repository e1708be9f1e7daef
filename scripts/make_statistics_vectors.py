#!/usr/bin/env python3
"""Writes promptops-core/tests/vectors/statistics.json: figures of SciPy, statsmodels and scikit-learn.

    pip install numpy scipy statsmodels scikit-learn
    scripts/make_statistics_vectors.py

What draws at random is computed with a second implementation of the generator, so that figures agree draw by draw.
"""

import json
import pathlib

import numpy
import scipy
import sklearn
import sklearn.metrics
import statsmodels
import statsmodels.api
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

MASK = (1 << 64) - 1


class Random:
    """xoshiro256++ seeded by SplitMix64, and Lemire's numbers below a bound."""

    def __init__(self, seed):
        self.s = []
        for _ in range(4):
            seed = (seed + 0x9E3779B97F4A7C15) & MASK
            z = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
            self.s.append(z ^ (z >> 31))

    def bits(self):
        s = self.s
        rotated = lambda x, k: ((x << k) | (x >> (64 - k))) & MASK
        result = (rotated((s[0] + s[3]) & MASK, 23) + s[0]) & MASK
        t = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotated(s[3], 45)
        return result

    def below(self, bound):
        product = self.bits() * bound
        while (product & MASK) < (1 << 64) % bound:
            product = self.bits() * bound
        return product >> 64


def listed(array):
    return [float(value) for value in array]


def quantiles():
    tails = [1e-10, 1e-6, 0.0005, 0.005, 0.025, 0.05, 0.2, 0.4, 0.5, 0.8, 0.999]
    degrees = [1, 2, 3, 4, 5, 9, 10, 29, 100, 333, 1000, 1999, 2000, 10_000, 1_000_000, 100_000_000]
    return {
        "normal": [[tail, float(stats.norm.isf(tail))] for tail in tails],
        "student": [[tail, df, float(stats.t.isf(tail, df))] for tail in tails for df in degrees],
    }


def wilson():
    cases = [(0, 1), (1, 1), (0, 10), (10, 10), (3, 10), (50, 100), (999, 1000), (1, 100_000), (123_456, 1_000_000)]
    return [
        [k, n, level, *map(float, proportion_confint(k, n, 1 - level, method="wilson"))]
        for k, n in cases
        for level in (0.8, 0.95, 0.999)
    ]


def means(rng):
    out = []
    for n, level in [(2, 0.95), (5, 0.9), (30, 0.95), (200, 0.99)]:
        values = listed(rng.beta(2, 1, n).round(4))
        error = stats.sem(values)
        low, high = stats.t.interval(level, n - 1, numpy.mean(values), error)
        case = {"values": values, "level": level, "mean": numpy.mean(values), "error": error, "low": low, "high": high}
        # The formula, by another library's quantiles.
        case["detectable"] = error * (stats.t.ppf(0.975, n - 1) + stats.t.ppf(0.8, n - 1))
        out.append(case)
    return out


def clustered_means(rng):
    out = []
    for groups, most, level in [(2, 3, 0.95), (12, 6, 0.95), (40, 1, 0.9)]:
        sizes = rng.integers(1, most + 1, groups)
        keys = [int(key) for key in rng.permutation(numpy.repeat(numpy.arange(groups), sizes))]
        effect = rng.normal(0, 0.2, groups)
        values = listed((0.6 + effect[keys] + rng.normal(0, 0.1, len(keys))).round(4))
        fit = statsmodels.api.OLS(values, numpy.ones(len(values))).fit(
            cov_type="cluster", cov_kwds={"groups": numpy.array(keys)}, use_t=True
        )
        low, high = fit.conf_int(1 - level)[0]
        out.append({"values": values, "groups": keys, "level": level, "mean": fit.params[0], "error": fit.bse[0],
                    "low": low, "high": high})
    return out


def mcnemars():
    cases = [(0, 0), (0, 1), (1, 0), (5, 5), (2, 9), (9, 2), (0, 30), (40, 70), (480, 520), (5_000, 5_200),
             (4_900_000, 4_905_000), (499, 500), (199, 200), (1_000, 3_000)]
    return [[b, c, float(mcnemar([[0, b], [c, 0]], exact=True).pvalue) if b + c else 1.0] for b, c in cases]


def sign_flips(rng):
    """Exact ones by SciPy; drawn ones by the second implementation."""
    out = {"exact": [], "drawn": []}
    cases = [[0.5, -0.5], [0.0, 0.0, 0.3], [1.0] * 8, listed(rng.normal(0.3, 1, 12).round(2)),
             listed(rng.choice([-1.0, 0.0, 0.0, 1.0, 1.0], 20)), [0.1, 0.2, -0.3, 0.1, 0.1, 0.7]]
    for differences in cases:
        result = stats.permutation_test((differences,), lambda x, axis: numpy.mean(x, axis=axis),
                                        permutation_type="samples", n_resamples=numpy.inf, vectorized=True)
        out["exact"].append([differences, float(result.pvalue)])
    for n, shift in [(21, 0.5), (67, 0.2), (300, 0.01)]:
        differences = listed(rng.normal(shift, 1, n).round(2))
        differences = [d for d in differences if d != 0.0]
        draws, seed = 500, n
        random, count = Random(seed), 0
        cents = [round(d * 100) for d in differences]
        for _ in range(draws):
            total = 0
            for start in range(0, len(cents), 64):
                bits = random.bits()
                for value in cents[start:start + 64]:
                    total += -value if bits & 1 else value
                    bits >>= 1
            count += abs(total) >= abs(sum(cents))
        out["drawn"].append([differences, draws, seed, (count + 1) / (draws + 1)])
    return out


def bootstraps(rng):
    out = []
    for n, level in [(2, 0.9), (9, 0.95), (40, 0.95)]:
        values = listed(rng.beta(2, 1, n).round(4))
        draws, seed = 300, n
        random = Random(seed)
        means = [numpy.mean([values[random.below(n)] for _ in range(n)]) for _ in range(draws)]
        low, high = numpy.quantile(means, [(1 - level) / 2, (1 + level) / 2])
        out.append({"values": values, "draws": draws, "seed": seed, "level": level, "low": low, "high": high})
    return out


def spearmans(rng):
    out = []
    for n, digits in [(5, 2), (30, 1), (100, 1), (400, 4)]:
        first = rng.random(n)
        second = (first + rng.normal(0, 0.3, n)).round(digits)
        first = first.round(digits)
        rho = stats.spearmanr(first, second).statistic
        half = stats.norm.ppf(0.975) * numpy.sqrt((1 + rho**2 / 2) / (n - 3))
        low, high = numpy.tanh([numpy.arctanh(rho) - half, numpy.arctanh(rho) + half])
        out.append({"first": listed(first), "second": listed(second), "rho": rho, "low": low, "high": high})
    return out


def kappas(rng):
    out = []
    for n, steps in [(6, 2), (40, 5), (200, 11)]:
        first = rng.integers(0, steps, n)
        second = numpy.clip(first + rng.integers(-1, 2, n), 0, steps - 1)
        case = {"ratings": [[int(a), int(b)] for a, b in zip(first, second)]}
        for weights in ("linear", "quadratic"):
            case[weights] = sklearn.metrics.cohen_kappa_score(first, second, weights=weights)
        out.append(case)
    return out


def errors(rng):
    actual = listed(rng.beta(2, 1, 51).round(3))
    predicted = listed(rng.beta(2, 1, 51).round(3))
    constant = float(numpy.median(actual))
    return {"predicted": predicted, "actual": actual, "error": sklearn.metrics.mean_absolute_error(actual, predicted),
            "constant": constant, "constant_error": sklearn.metrics.mean_absolute_error(actual, [constant] * 51)}


def repeats():
    """Of `total` repeats with `passed`: k drawn without putting back are all, or at least one, passed."""
    out = []
    for total in (1, 2, 5, 10, 200):
        for passed in sorted({0, 1, total // 2, total - 1, total}):
            for k in sorted({1, 2, total // 2, total}):
                if 0 < k <= total:
                    drawn = stats.hypergeom(total, passed, k)
                    out.append([passed, total, k, float(drawn.pmf(k)), float(1 - drawn.pmf(0))])
    return out


def sample_quantiles(rng):
    values = listed(rng.lognormal(0, 1, 37).round(5))
    return {"values": values, "at": [[q, float(numpy.quantile(values, q))] for q in (0, 0.01, 0.5, 0.9, 0.95, 0.99, 1)]}


def rate_differences():
    cases = [(56, 70, 48, 80), (9, 10, 3, 10), (0, 10, 0, 10), (10, 10, 0, 20), (5, 56, 0, 29), (900, 1000, 930, 1000)]
    return [
        [a, n, b, m, level, *map(float, confint_proportions_2indep(b, m, a, n, method="newcomb", alpha=1 - level))]
        for a, n, b, m in cases
        for level in (0.8, 0.95, 0.999)
    ]


def mean_differences(rng):
    """Welch's, with the degrees of freedom rounded down."""
    out = []
    for n, m, level in [(2, 3, 0.95), (8, 30, 0.9), (200, 50, 0.99)]:
        first, second = listed(rng.beta(2, 1, n).round(4)), listed(rng.beta(1, 1, m).round(4))
        df = stats.ttest_ind(second, first, equal_var=False).df
        error = numpy.hypot(stats.sem(first), stats.sem(second))
        low, high = stats.t.interval(level, int(df), numpy.mean(second) - numpy.mean(first), error)
        out.append({"first": first, "second": second, "level": level, "low": low, "high": high})
    return out


def label_scores(rng):
    """ln E of scores by hundredths, written down as it is defined; tau = 0.4, 8 steps for each sign."""
    out = []
    for share, prior, n in [(0.5, None, 60), (0.5, 0.7, 400), (0.1, 0.8, 300), (0.75, None, 200)]:
        m = round(n * share / (1 - share))
        scores = [[round(float(x) * 100) for x in rng.beta(a, 1, size)] for a, size in ((2, n), (3, m))]
        pooled = [(y / 100, label) for label in (0, 1) for y in scores[label]]
        logit, sigma = lambda p: numpy.log(p / (1 - p)), lambda x: 1 / (1 + numpy.exp(-x))
        bases = [logit(prior) + d for d in (-0.7, 0, 0.7)] if prior else map(logit, (0.02, 0.07, 0.2, 0.5, 0.8, 0.93, 0.98))
        logs = []
        for eta in bases:
            for sign in (-1, 1):
                for j in range(8):
                    phi = sign * 0.4 * stats.norm.ppf(0.5 + 0.5 * (j + 0.5) / 8)
                    a, b = sigma(eta - phi / 2), sigma(eta + phi / 2)
                    center = -numpy.log((1 - b) / (1 - a)) / phi
                    t = [sigma(logit(share) + phi * (y - center)) for y, _ in pooled]
                    logs.append(sum(numpy.log(p if label else 1 - p) for p, (_, label) in zip(t, pooled)))
        null = n * numpy.log(n / (n + m)) + m * numpy.log(m / (n + m))
        ln_e = scipy.special.logsumexp(logs) - numpy.log(len(logs)) - null
        out.append({"share": share, "prior": prior, "control": scores[0], "variant": scores[1], "ln_e": ln_e})
    return out


def sample_ratios():
    """Probabilities of SciPy's: Dirichlet-multinomial over multinomial."""
    cases = [([500, 500], [1, 1]), ([9463, 7681], [5000, 5000]), ([250, 240, 260, 250], [25, 25, 25, 25]),
             ([3, 0], [1, 1]), ([0, 7], [9_999, 1]), ([60, 30, 5, 2], [7_000, 2_000, 900, 100])]
    out = []
    for counts, weights in cases:
        shares = numpy.array(weights) / sum(weights)
        mixed = stats.dirichlet_multinomial(1000 * shares, sum(counts)).logpmf(counts)
        out.append([counts, weights, float(mixed - stats.multinomial(sum(counts), shares).logpmf(counts))])
    return out


def main():
    rng = numpy.random.default_rng(20_260_101)
    vectors = {
        "made_by": "scripts/make_statistics_vectors.py",
        "versions": {m.__name__: m.__version__ for m in (numpy, scipy, statsmodels, sklearn)},
        "distribution": quantiles(),
        "wilson": wilson(),
        "mean": means(rng),
        "clustered_mean": clustered_means(rng),
        "mcnemar": mcnemars(),
        "sign_flip": sign_flips(rng),
        "bootstrap": bootstraps(rng),
        "spearman": spearmans(rng),
        "kappa": kappas(rng),
        "error": errors(rng),
        "repeats": repeats(),
        "quantile": sample_quantiles(rng),
        "rate_difference": rate_differences(),
        "mean_difference": mean_differences(rng),
        "label_scores": label_scores(rng),
        "sample_ratio": sample_ratios(),
    }
    path = pathlib.Path(__file__).parent.parent / "promptops-core/tests/vectors/statistics.json"
    rows = ",\n".join(f'"{name}": {json.dumps(value, default=float)}' for name, value in vectors.items())
    path.write_text("{\n" + rows + "\n}\n")


main()
