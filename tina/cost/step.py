"""What each optimizer step of a run computed and cost, from the rows that it logged, in order."""

from collections.abc import Mapping
from typing import Any

from tina.cost.flops import flops_of_row
from tina.cost.shapes import shape_of
from tina.history import is_sampled
from tina.schema import Hardware, TrainConfig


def billed(hardware: Hardware) -> int:
    """How many of what `usd_per_hour` is the price of: GPUs, or one machine without any."""
    return hardware.processes if hardware.device == "cuda" else 1


class StepMeter:
    """Remembers what a row alone does not tell: the tokens before it, and the lengths of completions used again."""

    def __init__(self, config: TrainConfig) -> None:
        self.config, self.shape = config, shape_of(config.model)
        self.tokens = self.flops = 0.0

    def see(self, row: Mapping[str, Any]) -> dict[str, float]:
        """`cost_usd` of the next step (its time on all GPUs), and `flops` if the model's shape is known."""
        hardware = self.config.hardware
        took = {"cost_usd": row["step_time"] / 3600 * billed(hardware) * hardware.usd_per_hour}
        if self.shape is None:
            return took
        if is_sampled(row):
            self.flops = flops_of_row(self.config, self.shape, row, self.tokens).total
            self.tokens = row["num_tokens"]
        return took | {"flops": self.flops}
