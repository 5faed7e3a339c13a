"""How well a family of shapes explains a series, and how a series is made fit to be explained."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tina.dynamics.shapes import Family, positions

FLOOR = 0.015  # share of the range by which a shape may miss before it counts: no shape is exact
MAX_BINS = 120
MAX_DEGREE = 1  # of the polynomials that stand beside a curve
CORRELATIONS = (0.0, 0.3, 0.6, 0.8, 0.95)  # of the noise of neighbouring points
# What -2 log likelihood may lose within the interval of the step: twice the 95 % quantile of chi-squared with one
# degree of freedom, since shares are noisier in the turn than on the plateaus that the noise is measured on.
LIKELY = 2 * 3.84


@dataclass(frozen=True)
class Noise:
    """A series [points] with AR(1) noise of one correlation divided out, and what is left of it beside polynomials.

    Neighbours d apart correlate by phi^d (`rho` [points - 1]); dividing that out leaves white noise, for which -2 log
    likelihood is n log(RSS / n), plus the log determinant of the division. `polynomials` and `rests` go by degree.
    """

    n_parameters: int
    rho: np.ndarray
    log_determinant: float
    floor: float
    polynomials: list[np.ndarray]
    rests: list[np.ndarray]


def noises(t: np.ndarray, y: np.ndarray) -> list[Noise]:
    """The series `y` [points] at times `t` under each of CORRELATIONS."""
    gaps = np.diff(t) / np.median(np.diff(t))
    found = []
    for phi in CORRELATIONS:
        rho = phi**gaps
        target = _whitened(y, rho)
        powers = _whitened(t ** np.arange(MAX_DEGREE + 1)[:, None], rho)
        polynomials = [np.linalg.qr(powers[: degree + 1].T)[0] for degree in range(MAX_DEGREE + 1)]
        rests = [target - polynomial @ (polynomial.T @ target) for polynomial in polynomials]
        # What a misfit of FLOOR at every point, independent between points, would look like with the noise divided out.
        floor = (FLOOR * np.ptp(y)) ** 2 * (1 + phi**2) / (1 - phi**2)
        found.append(Noise(int(phi > 0), rho, float(np.log(1 - rho**2).sum()), floor, polynomials, rests))
    return found


def best(families: Iterable[Family], under: list[Noise]) -> tuple[Family, np.ndarray]:
    """The family with the best candidate, and the cost of all its candidates."""
    return min(((family, _cost(family, under)) for family in families), key=lambda fit: fit[1].min())


def _cost(family: Family, under: list[Noise]) -> np.ndarray:
    """BIC of each candidate [candidates], at its best degree and correlation of the noise."""
    n = family.curves.shape[1]
    cost = np.full(len(family.curves), np.inf)
    for noise in under:
        curves = _whitened(family.curves, noise.rho)
        squares = np.einsum("cn,cn->c", curves, curves)
        for degree in family.degrees:
            rest = noise.rests[degree]
            size = squares - ((curves @ noise.polynomials[degree]) ** 2).sum(axis=1)
            distinct = size > 1e-9 * squares  # a curve that is a polynomial already explains no more
            explained = np.where(distinct, (curves @ rest) ** 2 / np.where(distinct, size, 1.0), 0.0)
            residual = np.maximum(rest @ rest - explained, 0.0) / n + noise.floor
            k = degree + 1 + family.n_parameters + noise.n_parameters
            penalty = k * np.log(n) * n / (n - k - 1)  # as in AICc (Hurvich & Tsai 1989): few points, easily fitted
            cost = np.minimum(cost, n * np.log(residual) + noise.log_determinant + penalty)
    return cost


def _whitened(rows: np.ndarray, rho: np.ndarray) -> np.ndarray:
    """Noise with correlations `rho` between neighbours along the last axis, made white."""
    white = rows.copy()
    white[..., 1:] -= rho * rows[..., :-1]
    white[..., 1:] /= np.sqrt(1 - rho**2)
    return white


def effect(family: Family, candidate: int, t: np.ndarray, y: np.ndarray, observed: np.ndarray) -> float:
    """How far the fitted shape bends off a line, in standard deviations of what it leaves of the `observed` values."""
    line = np.stack([np.ones_like(t), t], axis=1)
    design = np.column_stack([line, family.curves[candidate]])
    fitted = design @ np.linalg.lstsq(design, y)[0]
    bent = fitted - line @ np.linalg.lstsq(line, fitted)[0]
    noise = np.sqrt(np.pi / 2) * np.mean(np.abs(observed - fitted))  # less moved by outliers than the root mean square
    return float(np.ptp(bent) / max(noise, 1e-12))


def located(family: Family, cost: np.ndarray, t: np.ndarray) -> tuple[float, float, float, float]:
    """Position, its 95 % likelihood interval and width of the best candidate, no finer than the grid of positions."""
    winner = int(cost.argmin())
    likely = family.position[cost <= cost[winner] + LIKELY]
    cell = np.diff(positions(t))[0]
    return family.position[winner], likely.min() - cell, likely.max() + cell, family.width[winner]


def cleaned(steps: ArrayLike, values: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Finite points in the order of their steps, the last one of equals."""
    steps, values = np.asarray(steps, dtype=float), np.asarray(values, dtype=float)
    if steps.ndim != 1 or steps.shape != values.shape:
        raise ValueError(f"A series needs one value for each step, but has shapes {steps.shape} and {values.shape}.")
    finite = np.isfinite(steps) & np.isfinite(values)
    order = np.argsort(steps[finite], kind="stable")
    steps, values = steps[finite][order], values[finite][order]
    last = np.append(steps[1:] != steps[:-1], True)[: len(steps)]
    return steps[last], values[last]


def without_outliers(values: np.ndarray) -> np.ndarray:
    """Points more than four scales off the median of seven neighbours are replaced by it (Hampel's filter).

    The scale is the larger of two robust ones: one alone is 0 where more than half of the values are equal.
    """
    neighbours = np.lib.stride_tricks.sliding_window_view(np.pad(values, 3, mode="reflect"), 7)
    median = np.median(neighbours, axis=1)
    off = np.abs(values - median)
    calm = np.sort(off)[: max(1, int(0.9 * len(off)))]
    outlying = off > 4 * max(1.4826 * np.median(off), float(np.sqrt(np.mean(calm**2))))
    return np.where(outlying, median, values) if outlying.mean() <= 0.1 else values


def binned(values: np.ndarray) -> np.ndarray:
    """Means of neighbours, of equally many each, so that at most MAX_BINS remain."""
    size = -(-len(values) // MAX_BINS)
    starts = np.arange(0, len(values), size)
    return np.add.reduceat(values, starts) / np.diff(np.append(starts, len(values)))
