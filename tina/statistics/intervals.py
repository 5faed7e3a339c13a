"""mean@n and its interval.

One sample a problem: a share of independent trials, so Wilson's interval. Several samples: their spread within a
problem says nothing about other problems, so the standard error comes from the spread BETWEEN problems (clustered by
problem; Miller 2024, "Adding Error Bars to Evals"). Pooling all samples in one Wilson interval covers
60 % instead of 95 %.

The t-interval fails near 0 and 1: thirty problems never solved have a spread of 0, which is not certainty. How large a
share of problems unlike all those seen can hide? Wilson's upper limit for "0 of N" answers it: w = z^2 / (N + z^2).
If each of them scored 0, or 1, the mean m would be m (1 - w), or m + w (1 - m). No interval here is narrower than that;
it makes a difference only near 0 and 1, where the t-interval alone covers 55 to 90 %, and `method` says when it did.
"""

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from tina.statistics.matrix import correct_matrix, problem_scores

LEVEL = 0.95
ROUNDING = 1e-12  # scores that differ by less are equal: sums of shares leave 1e-17 where they should leave 0


@dataclass(frozen=True)
class Estimate:
    """A mean of 0..1 with its interval: `method` names how the interval was made, `standard_error` that of the mean."""

    mean: float
    low: float
    high: float
    n_problems: int
    n_samples: int
    method: str
    standard_error: float


def mean_interval(correct: ArrayLike, level: float = LEVEL) -> Estimate:
    """mean@n = mean(c_i / n) of `correct` [problems, samples] with its interval; see the top of this file.

    Raises ValueError for a ragged or empty matrix, or for values other than 0 and 1.
    """
    matrix = correct_matrix(correct)
    n_problems, n_samples = matrix.shape
    if n_samples > 1 and n_problems > 1:
        return clustered_interval(matrix.mean(axis=1), n_samples, level)
    # One problem has no spread between problems: all that is known is that one problem was drawn.
    share = float(matrix.mean())
    low, high = (
        wilson_interval(int(matrix.sum()), n_problems, level) if n_samples == 1 else unseen_range(share, 1, level)
    )
    method = "Wilson" if n_samples == 1 else "unseen problems"
    standard_error = float(np.sqrt(share * (1 - share) / n_problems))
    return Estimate(share, low, high, n_problems, n_samples, method, standard_error)


def clustered_interval(scores: ArrayLike, n_samples: int, level: float = LEVEL) -> Estimate:
    """Mean of `scores` [problems], each in 0..1 (c_i / n, pass@k, maj@k, ...), with a t-interval over problems.

    mean +- t(N - 1) sd(scores) / sqrt(N), kept inside 0..1 and not narrower than `unseen_range`.
    Raises ValueError for fewer than two problems or scores outside 0..1.
    """
    scores = problem_scores(scores)
    if scores.min() < 0 or scores.max() > 1:
        raise ValueError(f"Scores must lie in 0..1, but reach from {scores.min()} to {scores.max()}.")
    mean, standard_error = float(scores.mean()), clustered_standard_error(scores)
    half = t_quantile(len(scores) - 1, level) * standard_error
    t_low, t_high = max(0.0, mean - half), min(1.0, mean + half)
    unseen_low, unseen_high = unseen_range(mean, len(scores), level)
    widened = unseen_low < t_low or unseen_high > t_high
    method = "t clustered by problem" + (", widened for unseen problems" if widened else "")
    low, high = min(t_low, unseen_low), max(t_high, unseen_high)
    return Estimate(mean, low, high, len(scores), n_samples, method, standard_error)


def clustered_standard_error(scores: ArrayLike) -> float:
    """sd(scores) / sqrt(N) of the N `scores` [problems] (Miller 2024); raises ValueError for fewer than two."""
    scores = problem_scores(scores)
    if len(scores) < 2:
        raise ValueError("A standard error clustered by problem needs at least two problems, but there is one.")
    return 0.0 if np.ptp(scores) < ROUNDING else float(scores.std(ddof=1) / np.sqrt(len(scores)))


@cache
def wilson_interval(n_correct: int, n_total: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's (1927) score interval (low, high) of a share `n_correct` of `n_total` independent trials.

    With z the normal quantile: (k + z^2/2 -+ z sqrt(k (n - k) / n + z^2/4)) / (n + z^2).
    """
    if not 0 <= n_correct <= n_total or n_total < 1:
        raise ValueError(f"{n_correct} correct of {n_total} is no share.")
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = n_correct + z**2 / 2
    half = z * math.sqrt(n_correct * (n_total - n_correct) / n_total + z**2 / 4)
    low, high = ((centre + end) / (n_total + z**2) for end in (-half, half))
    return 0.0 if n_correct == 0 else low, 1.0 if n_correct == n_total else high


def unseen_range(mean: float, n_problems: int, level: float = LEVEL) -> tuple[float, float]:
    """Where the mean would lie if the problems not drawn, up to Wilson's limit for 0 of N, scored all 0 or all 1."""
    _, unseen = wilson_interval(0, n_problems, level)
    return mean * (1 - unseen), mean + unseen * (1 - mean)


def bootstrap_interval(correct: ArrayLike, seed: int = 0, resamples: int = 10_000, level: float = LEVEL) -> Estimate:
    """mean@n of `correct` [problems, samples] with a percentile bootstrap over problems (Efron 1979).

    As with `mean_interval`, not narrower than `unseen_range`: a bootstrap cannot draw what it has not seen.
    """
    matrix = correct_matrix(correct)
    scores = matrix.mean(axis=1)
    means = resample_counts(len(scores), resamples, seed) @ scores / len(scores)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    unseen_low, unseen_high = unseen_range(float(scores.mean()), len(scores), level)
    widened = unseen_low < low or unseen_high > high
    method = "bootstrap over problems" + (", widened for unseen problems" if widened else "")
    low, high = min(float(low), unseen_low), max(float(high), unseen_high)
    return Estimate(float(scores.mean()), low, high, *matrix.shape, method, float(means.std(ddof=1)))


def resample_counts(n_problems: int, resamples: int, seed: int) -> np.ndarray:
    """How often each problem is drawn in each bootstrap resample: float array [resamples, problems], rows sum to N."""
    if resamples < 100:
        raise ValueError(f"{resamples} resamples are too few for an interval: take at least 100.")
    generator = np.random.default_rng(seed)
    return generator.multinomial(n_problems, np.full(n_problems, 1 / n_problems), size=resamples).astype(float)


@cache
def t_quantile(degrees_of_freedom: int, level: float) -> float:
    """Two-sided quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees_of_freedom, (1 + level) / 2))
