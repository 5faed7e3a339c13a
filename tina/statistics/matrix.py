"""The one gate through which scores come in: a full matrix of 0 and 1, or a sentence that says what is missing."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def correct_matrix(correct: ArrayLike | Sequence[Sequence[float]], name: str = "correct") -> np.ndarray:
    """`correct` as float array [problems, samples]; one dimension [problems] is read as one sample a problem.

    Raises ValueError when problems differ in their number of samples, when there is none, or for values but 0 and 1.
    """
    rows = list(correct)
    if any(np.ndim(row) > 1 for row in rows):
        raise ValueError(f"{name} must be [problems, samples], but has more dimensions.")
    if not rows:
        raise ValueError(f"{name} holds no problem: there is nothing to average.")
    lengths = [np.size(row) for row in rows]
    if len(set(lengths)) > 1:
        short, long = int(np.argmin(lengths)), int(np.argmax(lengths))
        raise ValueError(
            f"{name} is ragged: problem {short} has {lengths[short]} samples and problem {long} has {lengths[long]}; "
            "finish the evaluation, or keep the samples that all problems have."
        )
    if lengths[0] == 0:
        raise ValueError(f"{name} holds {len(rows)} problems without a sample: there is nothing to average.")
    matrix = np.asarray(rows, dtype=float).reshape(len(rows), -1)
    if not np.isin(matrix, (0.0, 1.0)).all():
        bad = matrix[~np.isin(matrix, (0.0, 1.0))][0]
        raise ValueError(f"{name} must hold 0 or 1 (wrong or correct), but has {bad}.")
    return matrix


def problem_scores(scores: ArrayLike, name: str = "scores") -> np.ndarray:
    """`scores` as float array [problems], finite, at least one; raises ValueError otherwise."""
    array = np.asarray(scores, dtype=float)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must hold one number a problem, but has shape {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds a number that is not finite, at problem {int(np.argmin(np.isfinite(array)))}.")
    return array


def same_problems(a: np.ndarray, b: np.ndarray) -> None:
    """Raises ValueError unless both matrices have the same number of problems (their order is the caller's)."""
    if len(a) != len(b):
        raise ValueError(
            f"A paired comparison needs the same problems on both sides, but they have {len(a)} and {len(b)}."
        )
