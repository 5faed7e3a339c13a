"""Several runs of one arm put together, and what "the best of m checkpoints" is worth.

Picking the best of m equal checkpoints on noisy scores gives a score above the truth by selection alone. Two estimates
of how much: from the standard errors, taking candidates for independent and equally good; and from the scores
themselves, by a bootstrap that keeps the correlation between candidates that answered the same problems.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tina.statistics.intervals import LEVEL, ROUNDING, mean_interval, resample_counts, t_quantile
from tina.statistics.matrix import correct_matrix


@dataclass(frozen=True)
class SeedsEstimate:
    """Mean over seeds with its interval; `between_sd` is the seeds' spread, `within_standard_error` the problems'."""

    mean: float
    low: float
    high: float
    n_seeds: int
    seed_means: tuple[float, ...]
    between_sd: float | None
    within_standard_error: float
    method: str


@dataclass(frozen=True)
class SelectionBias:
    """How much too good the picked one looks, on 0..1, and how often each candidate [m] was picked."""

    bias: float
    picked_share: np.ndarray


def combine_seeds(correct_by_seed: Sequence[ArrayLike], level: float = LEVEL) -> SeedsEstimate:
    """Training runs that differ in their seed, each [problems, samples] over the same problems, put together.

    Interval: t over the seed means, what another seed would give on THESE problems. `within_standard_error` is
    clustered by problem over all samples of all seeds: what other problems would give. One seed, or seeds with equal
    means, have no spread to go by: then the interval is that of the problems, and `method` says so. Raises ValueError
    for no seed, or seeds with different numbers of problems or samples.
    """
    matrices = [correct_matrix(correct, f"seed {i}") for i, correct in enumerate(correct_by_seed)]
    if not matrices:
        raise ValueError("There is no seed to combine.")
    shapes = sorted({matrix.shape for matrix in matrices})
    if len(shapes) > 1:
        raise ValueError(f"Seeds must share problems and number of samples, but have shapes {shapes}.")
    means = np.array([matrix.mean() for matrix in matrices])
    pooled = mean_interval(np.concatenate(matrices, axis=1), level)
    between_sd = float(means.std(ddof=1)) if len(means) > 1 else None
    if not between_sd or np.ptp(means) < ROUNDING:
        low, high = pooled.low, pooled.high
        method = f"{'one seed' if len(means) == 1 else 'equal seeds'}: {pooled.method}"
    else:
        half = t_quantile(len(means) - 1, level) * between_sd / np.sqrt(len(means))
        low, high = max(0.0, means.mean() - half), min(1.0, means.mean() + half)
        method = "t over seed means"
    seed_means = tuple(float(mean) for mean in means)
    return SeedsEstimate(
        float(means.mean()), float(low), float(high), len(means), seed_means, between_sd, pooled.standard_error, method
    )


def expected_selection_bias(standard_errors: ArrayLike) -> float:
    """Expected excess of the best of m equally good, independent candidates with these `standard_errors` [m].

    E[max] = integral of 1 - F over x > 0 minus integral of F over x < 0, with F(x) = prod Phi(x / se_i). For m equal
    errors it is se times the expected largest of m standard normals: 0.564 (2), 0.846 (3), 1.424 (8), 1.794 (17)
    (Harter 1961). Raises ValueError for none, or for errors that are negative or not finite.
    """
    errors = np.asarray(standard_errors, dtype=float)
    if errors.ndim != 1 or errors.size == 0 or not np.isfinite(errors).all() or (errors < 0).any():
        raise ValueError("Standard errors must be one row of numbers, none negative.")
    largest = errors.max()
    if len(errors) == 1 or largest == 0:
        return 0.0
    from scipy.special import ndtr

    # An even number of cells puts no midpoint on 0, where a candidate without error jumps.
    edges = np.linspace(-10 * largest, 10 * largest, 20_001)
    x = (edges[1:] + edges[:-1]) / 2
    positive = errors[errors > 0]
    below = ndtr(x[:, None] / positive).prod(axis=1) * np.where((len(positive) < len(errors)) & (x < 0), 0.0, 1.0)
    return float(((x > 0) - below).sum() * (edges[1] - edges[0]))


def bootstrap_selection_bias(candidates: Sequence[ArrayLike], seed: int = 0, resamples: int = 10_000) -> SelectionBias:
    """Selection bias of the best of m `candidates`, each [problems, samples] over the same problems in the same order.

    Problems are drawn anew, the best candidate on that draw is picked, and its score there is held against its score on
    all problems; ties are shared. Candidates that answer alike cannot be picked apart and add little. The candidates'
    own full-sample differences count as real here, so where they are all noise this is a lower bound.
    """
    if len(candidates) == 0:
        raise ValueError("There is no candidate to pick from.")
    scores = [correct_matrix(matrix, f"candidate {i}").mean(axis=1) for i, matrix in enumerate(candidates)]
    if len({len(row) for row in scores}) > 1:
        raise ValueError(f"Candidates must share their problems, but have {[len(row) for row in scores]} of them.")
    by_problem = np.stack(scores, axis=1)
    resampled = resample_counts(len(by_problem), resamples, seed) @ by_problem / len(by_problem)
    best = resampled >= resampled.max(axis=1, keepdims=True) - ROUNDING
    picked = best / best.sum(axis=1, keepdims=True)
    bias = (picked * (resampled - by_problem.mean(axis=0))).sum(axis=1).mean()
    return SelectionBias(float(bias), picked.mean(axis=0))
