"""Watches the phase transition during training: logs it, saves a checkpoint where it begins to show, and may stop.

A run whose curve does not turn is left alone: it ends where it was planned to end.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transformers import TrainerCallback

from tina.dynamics import OnlineDecision, TurnWatch, watched
from tina.history import Row, is_sampled, is_step
from tina.launch import ranks
from tina.progress import console
from tina.schema import TrainConfig, stop_after_steps

STATES = {"too_early": 0, "not_yet": 0, "turning": 1, "turned": 2}
"""`dynamics/state` as a number, since W&B draws numbers."""


def watch_of(config: TrainConfig, history: Sequence[Mapping[str, Any]]) -> TurnWatch:
    """What was known of the transition when a run had logged `history`."""
    return watched(history, config.schedule.max_steps)


class TransitionWatch(TrainerCallback):
    """Hands what it finds on to `log(step, metrics)`."""

    def __init__(self, config: TrainConfig, log: Callable[[int, dict[str, float]], None]) -> None:
        self.config, self.log = config, log
        self.watch = watch_of(config, [])

    def see(self, row: Row) -> None:
        """Takes the row of a step; of a run that goes on, first those that it logged before."""
        if is_sampled(row) and (found := self.watch.see(row)) is not None:
            self.log(int(row["step"]), logged(found))

    def on_log(self, args, state, control, logs=None, **kwargs):
        # On the log and not on the step's end, since that comes before: the row must be there, and so must it be in the
        # state that is saved with the checkpoint.
        if not is_step(logs or {}):
            return
        watch, began = self.watch, self.watch.began
        self.see(state.log_history[-1])
        if watch.told == state.global_step:
            console.print(told(watch))
        save = watch.began is not None and began is None
        stop = state.global_step >= watch.end(stop_after_steps(self.config.selection))
        # Each rank sees its own sums: one that saved or stopped alone would keep the others waiting.
        save, stop = ranks.by_rank_0(save, stop)
        control.should_save |= save or stop
        control.should_training_stop |= stop


def logged(found: OnlineDecision) -> dict[str, float]:
    """What W&B keeps of a look: the state as a number, the estimated step, and how much better a turn explains it."""
    facts = {
        "dynamics/state": STATES[found.state],
        "dynamics/estimate": found.step,
        "dynamics/delta_bic": found.delta_bic,
    }
    return {name: value for name, value in facts.items() if value is not None}


def told(watch: TurnWatch) -> str:
    """`Step 33: format turns at step 26.`"""
    return f"Step {watch.told}: {watch.witness} turns at step {watch.decision.step:.0f}."
