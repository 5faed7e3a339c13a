"""Where the seconds of a training step go: clocks around the methods of a trainer and its generation backend."""

import functools
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from accelerate.optimizer import AcceleratedOptimizer

from benchmarks.gpu_checks.report import synchronize

PARTS = ("sampling", "sync", "reference", "forward", "backward", "optimizer", "rewards", "fidelity", "saving", "other")
"""`other` is what the parts leave of a step: templates, padding."""


class Clock:
    """Seconds by part since the last `take`. A part that runs inside another counts for itself alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.running: list[list[Any]] = []
        self.began = time.perf_counter()

    def watch(self, owner: type, method: str, part: str | Callable[["Clock"], str]) -> None:
        """Counts the time in `owner.method` as `part`, which may depend on what is running."""
        original = getattr(owner, method)

        @functools.wraps(original)
        def timed(*args: Any, **kwargs: Any) -> Any:
            synchronize()
            name = part if isinstance(part, str) else part(self)
            frame = [name, time.perf_counter(), 0.0]
            self.running.append(frame)
            try:
                return original(*args, **kwargs)
            finally:
                synchronize()
                self.running.pop()
                took = time.perf_counter() - frame[1]
                self.seconds[name] += took - frame[2]
                if self.running:
                    self.running[-1][2] += took

        setattr(owner, method, timed)

    def inside(self, part: str) -> bool:
        return any(frame[0] == part for frame in self.running)

    def take(self) -> dict[str, float]:
        """Seconds of each part since the last call, `other` included; they add up to the time that has passed."""
        synchronize()
        now = time.perf_counter()
        found = {part: self.seconds.pop(part, 0.0) for part in PARTS}
        found["other"] += now - self.began - sum(found.values())
        self.began = now
        return found


def log_probs_part(clock: Clock) -> str:
    """TRL computes log-probs by one method: of the loss with gradients, of the reference and for our check without."""
    if torch.is_grad_enabled():
        return "forward"
    return "fidelity" if clock.inside("fidelity") else "reference"


def watch_trainer(clock: Clock, trainer: type, generation: type) -> None:
    """Clocks on what a GRPOTrainer of TRL, or of this suite, does in a step."""
    clock.watch(generation, "sync_weights", "sync")
    clock.watch(trainer, "_generate_single_turn", "sampling")
    clock.watch(trainer, "_get_per_token_logps_and_entropies", log_probs_part)
    clock.watch(trainer, "_calculate_rewards", "rewards")
    clock.watch(trainer, "_generate_and_score_completions", "other")
    clock.watch(trainer, "training_step", "backward")  # what is left of it
    clock.watch(trainer, "_save_checkpoint", "saving")
    clock.watch(AcceleratedOptimizer, "step", "optimizer")
