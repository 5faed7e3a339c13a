"""What a run computes, takes and costs: before it starts from shapes and data sheets, afterwards from what it logged.

    shapes    how large a model is, without loading it
    flops     FLOPs of a step, by shapes
    memory    bytes of a training pass, by shapes
    step      FLOPs and dollars of each step, by what was logged
    forecast  hours and dollars before the start, by a roofline, and what that rests on
    evaluation  the same of what is evaluated

A leaf: no torch.
"""

from tina.cost.evaluation import forecast_evaluation
from tina.cost.flops import Lengths, StepFlops, flops_of_row, generation_flops, step_flops
from tina.cost.forecast import WORST_RATIO, Forecast, Unknown, forecast
from tina.cost.memory import training_bytes
from tina.cost.shapes import shape_of
from tina.cost.step import StepMeter, billed

__all__ = [
    "WORST_RATIO",
    "Forecast",
    "Lengths",
    "StepFlops",
    "StepMeter",
    "Unknown",
    "billed",
    "flops_of_row",
    "forecast",
    "forecast_evaluation",
    "generation_flops",
    "shape_of",
    "step_flops",
    "training_bytes",
]
