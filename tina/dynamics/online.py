"""The transition while a run is going on: one row of metrics after the other, and what is known by then.

Everything follows from the rows alone. A run that was interrupted shows its old rows again and is where it was, so that
neither the checkpoint at the turn nor the step where a run stops depends on where it happened to be interrupted.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from tina.dynamics.run import WITNESSES, series_of
from tina.dynamics.transition import OnlineDecision, decide_online

LOOKS = 60
"""How often a run is asked, over its planned steps; asking takes some 10 to 30 ms."""


class TurnWatch:
    """Watches a run of `planned_steps`; `began` and `told` are steps, None until then.

    began: where the turn that was there at the last look began to show; None again if it was not confirmed
    told: where it was sure; from then on nothing is asked any more
    witness: the series that speaks: format, or length in a run that logs no format. Afterwards `describe_run` also asks
        the length of a run whose format does not turn; here that would stop runs whose format has yet to turn.
    """

    def __init__(self, planned_steps: int) -> None:
        self.planned_steps = planned_steps
        self.rows: list[Mapping[str, Any]] = []
        self.witness: str | None = None
        self.began: int | None = None
        self.told: int | None = None
        self.decision: OnlineDecision | None = None

    def see(self, row: Mapping[str, Any]) -> OnlineDecision | None:
        """Takes the metrics of the next "step"; the decision, if this was a step to look at."""
        self.rows.append(row)
        step = int(row["step"])
        if self.told is not None or step % max(1, self.planned_steps // LOOKS):
            return None
        series = series_of(self.rows)
        self.witness = next((name for name in WITNESSES if name in series), None)
        if self.witness is None:
            return None
        self.decision = decide_online(*series[self.witness], self.planned_steps)
        shows = self.decision.state in ("turning", "turned")
        if not shows:
            self.began = None
        elif self.began is None:
            self.began = step
        if self.decision.state == "turned":
            self.told = step
        return self.decision

    @property
    def kept_step(self) -> int | None:
        """The step whose checkpoint is kept for the turn: where it began to show, once it is sure."""
        return self.began if self.told is not None else None

    def end(self, stop_after_steps: int | None) -> int:
        """The step where the run ends: as planned, or so many steps after the turn was told (None: never earlier)."""
        if self.told is None or stop_after_steps is None:
            return self.planned_steps
        return min(self.told + stop_after_steps, self.planned_steps)


def watched(rows: Iterable[Mapping[str, Any]], planned_steps: int) -> TurnWatch:
    """The watch of a run that has logged `rows`, in order."""
    watch = TurnWatch(planned_steps)
    for row in rows:
        watch.see(row)
    return watch
