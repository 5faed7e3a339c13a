"""The decision about one series: turn, none, or undecided; and the same while the run is going on."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from tina.dynamics.fit import best, binned, cleaned, effect, located, without_outliers

# Differences of BIC, in the words of Kass & Raftery (1995, "Bayes Factors"). A run that is going on is asked again and
# again whether it has turned, so there the evidence must be stronger.
BARE_MENTION = 2.0
STRONG = 6.0
VERY_STRONG = 10.0
MIN_POINTS = 12
MIN_EFFECT = 3.0  # standard deviations of the noise by which a turn bends the curve
EDGE = 0.03  # share of the run before and after a turn that must have been seen


@dataclass(frozen=True)
class Transition:
    """The answer about one series; `step`, its 95 % interval `low`..`high` and `width` (steps) only for a turn.

    delta_bic: BIC of the best smooth shape minus that of the best sharp one; model: the shape that the answer rests on.
    """

    kind: Literal["turn", "none", "undecided"]
    reason: str
    step: float | None = None
    low: float | None = None
    high: float | None = None
    width: float | None = None
    delta_bic: float | None = None
    model: str | None = None


@dataclass(frozen=True)
class OnlineDecision:
    """What is known while a run is going on: "turning" is a turn that begins to show, `step` is there from then on."""

    state: Literal["too_early", "not_yet", "turning", "turned"]
    reason: str
    step: float | None = None
    delta_bic: float | None = None


def find_transition(steps: ArrayLike, values: ArrayLike, planned_steps: int | None = None) -> Transition:
    """Whether `values` [n] over `steps` [n] of a finished run turn sharply.

    Values that are not finite are left out; of a step that comes twice (a resumed run) the later value counts.
    What is sharp is measured by the run's length: that of the series, or `planned_steps` of a run that was stopped.
    Raises ValueError if the lengths differ.
    """
    steps, values = cleaned(steps, values)
    if len(steps) < MIN_POINTS:
        return Transition("undecided", f"{len(steps)} finite points are too few: it takes {MIN_POINTS}.")
    return _judged(steps, values, max((planned_steps or 1) - 1, steps[-1] - steps[0]), STRONG)


def decide_online(steps: ArrayLike, values: ArrayLike, total_steps: float) -> OnlineDecision:
    """Whether a run that will take `total_steps` has turned by now; asked after any step, it remembers nothing.

    "turned" when the series as it is, and the series without its last hundredth of the run, both show it.
    Raises ValueError if the lengths differ.
    """
    steps, values = cleaned(steps, values)
    if len(steps) < MIN_POINTS:
        return OnlineDecision("too_early", f"{len(steps)} finite points are too few: it takes {MIN_POINTS}.")
    run_steps = max(total_steps - 1, steps[-1] - steps[0])
    now = _judged(steps, values, run_steps, VERY_STRONG)
    if now.kind == "none" or (now.delta_bic or 0.0) < STRONG:
        return OnlineDecision("not_yet", now.reason, delta_bic=now.delta_bic)
    earlier = steps < steps[-1] - 0.01 * run_steps
    agreed = earlier.sum() >= MIN_POINTS and now.kind == "turn"
    agreed = agreed and _judged(steps[earlier], values[earlier], run_steps, VERY_STRONG).kind == "turn"
    return OnlineDecision("turned" if agreed else "turning", now.reason, now.step, now.delta_bic)


def _judged(steps: np.ndarray, values: np.ndarray, run_steps: float, clear: float) -> Transition:
    """The answer for a clean series that is the whole, or the beginning, of a run of `run_steps` steps.

    clear: the difference of BIC that makes a turn.
    """
    observed, y = binned(values), binned(without_outliers(values))
    if np.ptp(y) <= 1e-9 * np.abs(y).max():
        return Transition("none", "The series is constant.")
    start = binned(steps)[0]
    t = (binned(steps) - start) / run_steps
    (sharp, cost), (smooth, smooth_cost) = best(t, y)
    delta = float(smooth_cost.min() - cost.min())
    if delta < BARE_MENTION or effect(sharp, int(cost.argmin()), t, y, observed) < MIN_EFFECT:
        return Transition("none", f"Nothing sharp: a {smooth.model} explains it.", delta_bic=delta, model=smooth.model)
    position, low, high, width = located(sharp, cost, t)
    step, low, high = (float(start + share * run_steps) for share in (position, low, high))
    if delta < clear:
        reason = f"A {sharp.model} at step {step:.0f} is not clearly better than a smooth {smooth.model}."
        return Transition("undecided", reason, delta_bic=delta, model=sharp.model)
    if not EDGE <= position <= t[-1] - EDGE:
        reason = f"A {sharp.model} at step {step:.0f} is too near the end of the series to tell."
        return Transition("undecided", reason, delta_bic=delta, model=sharp.model)
    reason = f"A {sharp.model} at step {step:.0f} is clearly better than a smooth {smooth.model}."
    return Transition("turn", reason, step, low, high, float(width * run_steps), delta, sharp.model)
