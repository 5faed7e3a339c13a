"""Is A better than B? Both are held against each other on the SAME problems, so that a hard one counts against both.

Rows of `a` and `b` [problems, samples] must be the same problems in the same order; the numbers of samples may differ.
Many such questions at once (every row of a table against the baseline) go through `holm`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tina.statistics.intervals import (
    LEVEL,
    ROUNDING,
    clustered_standard_error,
    resample_counts,
    t_quantile,
    wilson_interval,
)
from tina.statistics.matrix import correct_matrix, same_problems


@dataclass(frozen=True)
class Difference:
    """Mean of a minus mean of b, its interval, and the two-sided p-value of no difference."""

    mean: float
    low: float
    high: float
    p_value: float
    n_problems: int
    method: str
    standard_error: float


@dataclass(frozen=True)
class McNemar:
    """How many problems only a, and only b, has correct, and the exact two-sided p-value."""

    only_a: int
    only_b: int
    p_value: float


@dataclass(frozen=True)
class Homogeneity:
    """Pearson's chi-squared over k rows of correct and wrong counts."""

    statistic: float
    degrees_of_freedom: int
    p_value: float


def paired_difference(a: ArrayLike, b: ArrayLike, level: float = LEVEL) -> Difference:
    """Mean per-problem difference with a t-interval clustered by problem (Miller 2024, section on paired differences).

    SE = sd(mean_i(a) - mean_i(b)) / sqrt(N). Where the difference is the same on every problem the spread of 0 would
    make it certain: see `_no_spread_half_width`. Raises ValueError for ragged input, unequal numbers of problems, or a
    single problem.
    """
    differences = _differences(a, b)
    n_problems, mean = len(differences), float(differences.mean())
    standard_error = clustered_standard_error(differences)
    half = t_quantile(n_problems - 1, level) * standard_error or _no_spread_half_width(differences, level)
    p_value = _t_p_value(mean, standard_error, n_problems)
    low, high = max(-1.0, mean - half), min(1.0, mean + half)
    return Difference(mean, low, high, p_value, n_problems, "paired t clustered by problem", standard_error)


def paired_bootstrap(
    a: ArrayLike, b: ArrayLike, seed: int = 0, resamples: int = 10_000, level: float = LEVEL
) -> Difference:
    """Mean per-problem difference with a percentile bootstrap over problems (Efron & Tibshirani 1993).

    Both sides are resampled together. p = 2 (1 + min(#{mean* <= 0}, #{mean* >= 0})) / (1 + resamples), at most 1.
    """
    differences = _differences(a, b)
    n_problems, mean = len(differences), float(differences.mean())
    means = resample_counts(n_problems, resamples, seed) @ differences / n_problems
    means[np.abs(means) < ROUNDING] = 0.0  # sums that cancel leave 1e-17, which would count as a side
    p_value = min(1.0, 2 * (1 + min((means <= 0).sum(), (means >= 0).sum())) / (1 + resamples))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    if np.ptp(differences) < ROUNDING:
        half = _no_spread_half_width(differences, level)
        low, high = max(-1.0, mean - half), min(1.0, mean + half)
    method = "paired bootstrap over problems"
    return Difference(mean, float(low), float(high), float(p_value), n_problems, method, float(means.std(ddof=1)))


def mcnemar(a: ArrayLike, b: ArrayLike) -> McNemar:
    """Exact McNemar test for one sample a problem: are the problems that only one side solves split evenly?

    Two-sided binomial on the discordant problems (McNemar 1947); p = 1 where there is none.
    """
    a, b = correct_matrix(a, "a"), correct_matrix(b, "b")
    same_problems(a, b)
    if a.shape[1] != 1 or b.shape[1] != 1:
        raise ValueError(
            f"McNemar's test takes one sample a problem, not {a.shape[1]} and {b.shape[1]}: see paired_difference."
        )
    only_a, only_b = int((a > b).sum()), int((b > a).sum())
    from scipy.special import bdtr  # scipy.stats has the test itself, and takes a second to import

    p_value = min(1.0, 2 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5)))
    return McNemar(only_a, only_b, p_value)


def holm(p_values: ArrayLike) -> np.ndarray:
    """Adjusted p-values [m] in the order given (Holm 1979): the chance of ANY false alarm among m tests stays at alpha.

    Sorted ascending, p~_(i) = max over j <= i of min(1, (m - j + 1) p_(j)). Raises ValueError for values outside 0..1.
    """
    p_values = np.asarray(p_values, dtype=float)
    if p_values.ndim != 1 or not ((p_values >= 0) & (p_values <= 1)).all():
        raise ValueError("p-values must be one row of numbers in 0..1; leave out tests that could not be made.")
    order = np.argsort(p_values, kind="stable")
    stepped = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(stepped))
    return adjusted


def homogeneity(n_correct: ArrayLike, n_total: ArrayLike) -> Homogeneity:
    """Do k checkpoints, `n_correct` [k] of `n_total` [k] each, differ at all? Pearson's chi-squared, df = k - 1.

    Takes answers for independent. On the same problems they are positively correlated across checkpoints, which makes
    the test cautious (p too large). All correct or all wrong: statistic 0, p 1. Raises ValueError for fewer than two.
    """
    n_correct, n_total = np.asarray(n_correct, dtype=float), np.asarray(n_total, dtype=float)
    if n_correct.ndim != 1 or n_correct.shape != n_total.shape or len(n_correct) < 2:
        raise ValueError(
            "A test of homogeneity needs at least two checkpoints, each with a number correct and a total."
        )
    if (n_total < 1).any() or (n_correct < 0).any() or (n_correct > n_total).any():
        raise ValueError("Every checkpoint needs 0 <= correct <= total and a total of at least 1.")
    from scipy.special import chdtrc

    share = n_correct.sum() / n_total.sum()
    variance = n_total * share * (1 - share)
    statistic = float(((n_correct - n_total * share) ** 2 / variance).sum()) if 0 < share < 1 else 0.0
    return Homogeneity(statistic, len(n_correct) - 1, float(chdtrc(len(n_correct) - 1, statistic)))


def _differences(a: ArrayLike, b: ArrayLike) -> np.ndarray:
    a, b = correct_matrix(a, "a"), correct_matrix(b, "b")
    same_problems(a, b)
    return a.mean(axis=1) - b.mean(axis=1)


def _no_spread_half_width(differences: np.ndarray, level: float) -> float:
    """Up to a share w of problems can be unlike all seen (Wilson's limit for 0 of N), each by at most 1 + |mean|."""
    return wilson_interval(0, len(differences), level)[1] * (1 + abs(float(differences[0])))


def _t_p_value(mean: float, standard_error: float, n_problems: int) -> float:
    from scipy.special import stdtr

    if standard_error > 0:
        return float(2 * stdtr(n_problems - 1, -abs(mean) / standard_error))
    # The same difference on every problem: a sign test, the chance that N coins fall alike.
    return 1.0 if mean == 0 else 2.0 ** (1 - n_problems)
