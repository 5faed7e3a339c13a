"""pass@k and maj@k, without simulation: what k samples drawn from the n that exist would give on average.

Both return one number per problem; `clustered_interval(pass_at_k(correct, 4), n_samples=n)` is the benchmark's mean
with its interval.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from math import comb

import numpy as np
from numpy.typing import ArrayLike

from tina.statistics.matrix import correct_matrix


def pass_at_k(correct: ArrayLike, k: int) -> np.ndarray:
    """Chance, per problem [problems], that at least one of k samples is correct: 1 - C(n - c, k) / C(n, k).

    The unbiased estimator of Chen et al. (2021, "Evaluating Large Language Models Trained on Code") for `correct`
    [problems, samples]. Raises ValueError unless 1 <= k <= n.
    """
    matrix = correct_matrix(correct)
    n = _check_k(matrix, k)
    by_count = np.array([1 - comb(n - c, k) / comb(n, k) for c in range(n + 1)])
    return by_count[matrix.sum(axis=1).astype(int)]


def maj_at_k(answers: Sequence[Sequence[Hashable | None]], correct: ArrayLike, k: int) -> np.ndarray:
    """Expected score, per problem [problems], of the most frequent answer among k of the n samples.

    `answers` [problems][samples] are labels of equivalence classes: equal labels are equal answers. Correct samples are
    one class whatever their label, being all equal to the gold answer. None gives no vote; if nobody votes the problem
    is wrong. Tied classes share the point. Averaged exactly over all C(n, k) draws without replacement.
    Raises ValueError unless 1 <= k <= n and both arguments have the same shape.
    """
    matrix = correct_matrix(correct)
    n = _check_k(matrix, k)
    if len(answers) != len(matrix) or any(len(row) != n for row in answers):
        raise ValueError(f"answers must have the shape of correct, {matrix.shape[0]} problems with {n} samples each.")
    scores = []
    for row, verdicts in zip(answers, matrix, strict=True):
        wrong = Counter(
            label for label, verdict in zip(row, verdicts, strict=True) if not verdict and label is not None
        )
        scores.append(_expected_majority(int(verdicts.sum()), sorted(wrong.values()), n, k))
    return np.array(scores)


def _expected_majority(n_correct: int, n_wrong: list[int], n: int, k: int) -> float:
    """Sum over t, the votes for the correct class, of P(t) E[1 / (1 + classes tied at t); no class above t]."""
    n_silent = n - n_correct - sum(n_wrong)
    score = 0.0
    for t in range(1, min(n_correct, k) + 1):
        # ways[used, tied]: in how many ways wrong classes cast `used` votes, none more than t, `tied` of them exactly t
        ways = {(0, 0): 1}
        for size in n_wrong:
            grown: Counter[tuple[int, int]] = Counter()
            for (used, tied), count in ways.items():
                for votes in range(min(size, t, k - t - used) + 1):
                    grown[used + votes, tied + (votes == t)] += count * comb(size, votes)
            ways = grown
        weighted = sum(count * comb(n_silent, k - t - used) / (1 + tied) for (used, tied), count in ways.items())
        score += comb(n_correct, t) * weighted / comb(n, k)
    return score


def _check_k(matrix: np.ndarray, k: int) -> int:
    n = matrix.shape[1]
    if not 1 <= k <= n:
        raise ValueError(f"k = {k} samples cannot be drawn from {n}: k must lie in 1..{n}.")
    return n
