"""How well a family of shapes explains a series, and how a series is made fit to be explained."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from tina.dynamics.shapes import Family, positions, sharp_families, smooth_families

FLOOR = 0.015  # share of the range by which a shape may miss before it counts: no shape is exact
MAX_BINS = 120
MAX_DEGREE = 1  # of the polynomials that stand beside a curve
CORRELATIONS = (0.0, 0.3, 0.6, 0.8, 0.95)  # of the noise of neighbouring points
# What -2 log likelihood may lose within the interval of the step: twice the 95 % quantile of chi-squared with one
# degree of freedom, since shares are noisier in the turn than on the plateaus that the noise is measured on.
LIKELY = 2 * 3.84


@dataclass(frozen=True)
class Design:
    """What the fit of one family needs of its curves, for noise of one correlation, whatever the series.

    `white` [candidates, n]: the curves with the correlation divided out. `size` by degree: the squared length of what
    is left of each beside the polynomials; infinite for a curve that is a polynomial already and explains no more.
    """

    family: Family
    white: np.ndarray
    size: dict[int, np.ndarray]


@dataclass(frozen=True)
class Noise:
    """AR(1) noise of one correlation at given times [n], and every family seen through it.

    Neighbours d apart correlate by phi^d (`rho` [n - 1]); dividing that out leaves white noise, for which -2 log
    likelihood is n log(RSS / n), plus the log determinant of the division. `polynomials` go by degree; `floor` is the
    variance that a misfit of FLOOR of the range at every point, independent between points, turns into.
    """

    n_parameters: int
    rho: np.ndarray
    log_determinant: float
    floor: float
    polynomials: list[np.ndarray]
    sharp: list[Design]
    smooth: list[Design]


@lru_cache(maxsize=4)
def prepared(times: bytes) -> list[Noise]:
    """Everything about fits at `times` (float64 [n], as bytes) that no series changes, by CORRELATIONS.

    Kept, since most series of a run, and most runs of a study, are logged at the same steps.
    """
    t = np.frombuffer(times)
    sharp, smooth = list(sharp_families(t)), list(smooth_families(t))
    gaps = np.diff(t) / np.median(np.diff(t))
    found = []
    for phi in CORRELATIONS:
        rho = phi**gaps
        powers = _whitened(t ** np.arange(MAX_DEGREE + 1)[:, None], rho)
        polynomials = [np.linalg.qr(powers[: degree + 1].T)[0] for degree in range(MAX_DEGREE + 1)]
        floor = FLOOR**2 * (1 + phi**2) / (1 - phi**2)
        determinant = float(np.log(1 - rho**2).sum())
        designs = [[_design(family, rho, polynomials) for family in kind] for kind in (sharp, smooth)]
        found.append(Noise(int(phi > 0), rho, determinant, floor, polynomials, *designs))
    return found


def _design(family: Family, rho: np.ndarray, polynomials: list[np.ndarray]) -> Design:
    white = _whitened(family.curves, rho)
    squares = np.einsum("cn,cn->c", white, white)
    size = {}
    for degree in family.degrees:
        left = squares - ((white @ polynomials[degree]) ** 2).sum(axis=1)
        size[degree] = np.where(left > 1e-9 * squares, left, np.inf)
    return Design(family, white, size)


def best(t: np.ndarray, y: np.ndarray) -> tuple[tuple[Family, np.ndarray], tuple[Family, np.ndarray]]:
    """The best sharp and the best smooth family for `y` [n] at `t` [n], each with the cost of its candidates."""
    under = prepared(np.ascontiguousarray(t, dtype=float).tobytes())
    costs: dict[str, list[np.ndarray]] = {"sharp": [], "smooth": []}
    for noise in under:
        target = _whitened(y, noise.rho)
        rests = [target - polynomial @ (polynomial.T @ target) for polynomial in noise.polynomials]
        for kind, designs in (("sharp", noise.sharp), ("smooth", noise.smooth)):
            costs[kind].append([_cost(design, noise, rests, noise.floor * np.ptp(y) ** 2) for design in designs])
    found = []
    for kind, designs in (("sharp", under[0].sharp), ("smooth", under[0].smooth)):
        by_family = [np.minimum.reduce(over_noise) for over_noise in zip(*costs[kind], strict=True)]
        pairs = [(design.family, cost) for design, cost in zip(designs, by_family, strict=True)]
        found.append(min(pairs, key=lambda pair: pair[1].min()))
    return tuple(found)


def _cost(design: Design, noise: Noise, rests: list[np.ndarray], floor: float) -> np.ndarray:
    """BIC of each candidate [candidates] under one noise, at its best degree."""
    n = design.white.shape[1]
    cost = np.full(len(design.white), np.inf)
    for degree, size in design.size.items():
        rest = rests[degree]
        residual = np.maximum(rest @ rest - (design.white @ rest) ** 2 / size, 0.0) / n + floor
        k = degree + 1 + design.family.n_parameters + noise.n_parameters
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
