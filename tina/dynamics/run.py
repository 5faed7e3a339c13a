"""The decision about a run, from several of its series: format speaks first, length is the second witness."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from tina.dynamics.transition import Transition, find_transition

Series = tuple[ArrayLike, ArrayLike]  # steps [n], values [n]
# The names under which TRL logs what `describe_run` speaks of.
METRICS = {
    "format": "rewards/format/mean",
    "length": "completions/mean_length",
    "clip_ratio": "completions/clipped_ratio",
    "entropy": "entropy",
    "accuracy": "rewards/accuracy/mean",
}
WITNESSES = ("format", "length")


@dataclass(frozen=True)
class RunDynamics:
    """The answer about one run: its transition is that of `witness`; `accuracy_turns` is None where it is not known."""

    transition: Transition
    witness: str | None
    accuracy_turns: bool | None
    series: dict[str, Transition]
    reason: str


def describe_run(series: Mapping[str, Series], planned_steps: int | None = None) -> RunDynamics:
    """Which of several `series` (name: (steps, values)) of one run turn, and when the run does.

    The run's transition is that of "format", or of "length" where format does not turn. Other series (clip_ratio,
    entropy) are judged, but witness nothing; "accuracy" is held against the run. `planned_steps`: of a run that was
    stopped, how many it was to take.
    """
    found = {name: find_transition(*one, planned_steps) for name, one in series.items()}
    asked = [name for name in WITNESSES if name in found]
    witness = next((name for name in asked if found[name].kind == "turn"), None)
    if witness is None:
        witness = next((name for name in asked if found[name].kind == "undecided"), next(iter(asked), None))
    if witness is None:
        transition = Transition("undecided", f"The run logs none of {', '.join(WITNESSES)}.")
    else:
        transition = found[witness]
    accuracy = found.get("accuracy")
    accuracy_turns = None if accuracy is None or accuracy.kind == "undecided" else accuracy.kind == "turn"
    turned = [f"{name} at step {one.step:.0f}" for name, one in found.items() if one.step is not None]
    reason = f"Turned: {', '.join(turned)}." if turned else transition.reason
    return RunDynamics(transition, witness, accuracy_turns, found, reason)


def series_of(history: Iterable[Mapping[str, Any]], metrics: Mapping[str, str] = METRICS) -> dict[str, Series]:
    """The series of `metrics` (name: logged name) in a trainer's log, rows with a "step"; those that are there."""
    rows = list(history)
    logged = {name: [(row["step"], row[key]) for row in rows if key in row] for name, key in metrics.items()}
    return {name: tuple(zip(*points, strict=True)) for name, points in logged.items() if points}
