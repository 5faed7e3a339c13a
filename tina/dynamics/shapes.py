"""The shapes a curve can have: sharp ones, which are turns, and smooth ones, which are not."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# Widths (10 to 90 %) as shares of the run. Between sharp and wide is a gap: a curve that lies there is "undecided".
SHARP_RISES = np.array([0.005, 0.02, 0.05, 0.1, 0.15, 0.22, 0.3, 0.38])
WIDE_RISES = np.array([0.55, 0.65, 0.75, 0.85, 1.0, 1.3, 2.0])
SHARP_BENDS = np.array([0.0, 0.05, 0.1])
# Time constants of exponentials. Falling off from the start, however fast, is no turn: nothing sets in.
DECAYS = np.array([0.05, 0.08, 0.12, 0.18, 0.25, 0.35, 0.5, 0.8, 1.5])
GROWTHS = np.array([0.25, 0.35, 0.5, 0.8, 1.5])
LOGISTIC_WIDTH = 2 * np.log(9)  # 10 to 90 % of 1 / (1 + exp(-z))


@dataclass(frozen=True)
class Family:
    """Shapes of one kind: a polynomial with a degree out of `degrees`, plus one of `curves` [candidates, points].

    `position` and `width` [candidates] say where and how sharp each is; `n_parameters` counts those and its height.
    """

    model: str
    degrees: tuple[int, ...]
    n_parameters: int
    curves: np.ndarray
    position: np.ndarray
    width: np.ndarray


def _rise(t: np.ndarray, position: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Sigmoids [candidates, points] from 0 to 1."""
    z = (t - position[:, None]) * LOGISTIC_WIDTH / width[:, None]
    return 1 / (1 + np.exp(-np.clip(z, -50, 50)))


def _bend(t: np.ndarray, position: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Integrals of sigmoids [candidates, points]: slope 0 before, 1 after; a corner where the width is 0."""
    scale = np.maximum(width, 1e-6)[:, None] / LOGISTIC_WIDTH
    return scale * np.logaddexp(0, (t - position[:, None]) / scale)


def _grid(positions: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(positions, len(widths)), np.tile(widths, len(positions))


def positions(t: np.ndarray) -> np.ndarray:
    """Where turns are sought: all over the series but for three points at either end."""
    return np.linspace(t[2], t[-3], min(len(t), 100))


def sharp_families(t: np.ndarray) -> Iterator[Family]:
    """Turns at times `t` [points], in shares of the run."""
    where, width = _grid(positions(t), SHARP_RISES)
    yield Family("sigmoid", (0, 1), 3, _rise(t, where, width), where, width)
    where, width = _grid(positions(t), SHARP_BENDS)
    yield Family("hinge", (0, 1), 2, _bend(t, where, width), where, width)
    # A plateau shorter than a tenth on either side would be a single hinge with a ragged end.
    corners = np.linspace(max(t[2], 0.1 * t[-1]), min(t[-3], 0.9 * t[-1]), 40)
    hinges = _bend(t, corners, 0 * corners)
    i, j = np.triu_indices(len(corners), k=1)
    first, second, curves = corners[i], corners[j], hinges[i] - hinges[j]
    width = 0.8 * (second - first)
    near = width <= SHARP_RISES.max()
    where, width = np.where(near, (first + second) / 2, first), np.where(near, width, 0.0)
    yield Family("two hinges", (0, 1), 3, curves, where, width)


def smooth_families(t: np.ndarray) -> Iterator[Family]:
    """Curves without a turn at times `t` [points], in shares of the run.

    They are smooth on the scale of the run, not of what has been seen of it: the beginning of a turn looks like a
    cubic, or like fast growth.
    """
    yield _smooth("constant", (0,), 0, 0 * t[None, :])
    yield _smooth("line", (0,), 1, t[None, :])
    yield _smooth("decay", (0, 1), 2, np.exp(-t / DECAYS[:, None]))
    yield _smooth("growth", (0, 1), 2, np.exp((t - t[-1]) / GROWTHS[:, None]))
    # As close together as this: in a long run without much noise a sharp shape wins by the gaps of a coarser grid.
    around = np.linspace(-0.5, 1.5, 41)
    yield _smooth("wide sigmoid", (0, 1), 3, _rise(t, *_grid(around, WIDE_RISES)))


def _smooth(model: str, degrees: tuple[int, ...], n_parameters: int, curves: np.ndarray) -> Family:
    nowhere = np.zeros(len(curves))
    return Family(model, degrees, n_parameters, curves, nowhere, nowhere)
