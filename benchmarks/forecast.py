"""How far forecasts are from the published costs, and on this CPU from real steps: python benchmarks/forecast.py [cpu]

The paper's runs whose stop step is known, at $1 per L40S GPU-hour on two GPUs, with one engine sampling (the released
files let vLLM run on the first GPU while the second one waits). Dollars are published as whole numbers: the published
seconds a step have that as their interval. One efficiency factor is fitted to all (geometric mean); then each run is
left out, the factor fitted to the others, and the run forecast. Then the same with other mean lengths of a completion,
which the sources at hand do not give, and what evaluations are expected to cost. Last, the worst ratio.

`cpu [key=value ...]`: `tina.calibrate` on short steps, then steps of the real trainer at the configured length, each
held against its forecast; in seconds of the process's own CPU time, since a shared machine stretches all others.
"""

import csv
import sys
import time
from pathlib import Path

import numpy as np

from tina import configs, gate
from tina.cost.evaluation import checkpoints, forecast_evaluation
from tina.cost.flops import Lengths
from tina.cost.forecast import EFFICIENCY, GPUS, expected_lengths, step_seconds
from tina.cost.shapes import shape_of
from tina.schema import TrainConfig

COSTS = Path(__file__).resolve().parent.parent / "analysis" / "published" / "cost.csv"
RUNS = {
    "still3": "Tina-STILL-3-1.5B-preview",
    "deepscaler": "Tina-DeepScaleR-1.5B-Preview",
    "open_rs1": "Tina-Open-RS1",
    "open_rs2": "Tina-Open-RS2",
    "open_rs3": "Tina-Open-RS3",
    "limr": "LIMR dataset",
}
"""Presets to tasks of the published table. The step where openr1 and openthoughts were stopped is not known."""
PUBLISHED_GPUS = 2


def preset(name: str) -> TrainConfig:
    return gate.check([f"experiment={name}"], False).arms[0].typed


def published_dollars() -> dict[str, float]:
    with COSTS.open(encoding="utf-8") as file:
        by_task = {row["task"]: row["training_usd"] for row in csv.DictReader(file)}
    return {name: float(by_task[task]) for name, task in RUNS.items()}


def ideal_seconds(config: TrainConfig, completion: float | None = None) -> float:
    """A step at the data sheet's speed, with a mean completion of so many tokens."""
    lengths = expected_lengths(config)
    lengths = Lengths(lengths.prompt, completion or lengths.completion, lengths.longest)
    return step_seconds(config, shape_of(config.model), GPUS["l40s"], lengths, engines=1)


def fitted(ideal: np.ndarray, measured: np.ndarray) -> float:
    """The efficiency that makes the forecasts right on (geometric) average."""
    return float(np.exp(np.mean(np.log(ideal / measured))))


def left_out(ideal: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Forecast over published of each run, by the efficiency of the others."""
    others = ~np.eye(len(ideal), dtype=bool)
    return np.array([ideal[i] / fitted(ideal[others[i]], measured[others[i]]) / measured[i] for i in range(len(ideal))])


def main() -> None:
    configs.register()
    runs, dollars = {name: preset(name) for name in RUNS}, published_dollars()
    steps = np.array([config.schedule.max_steps for config in runs.values()])
    usd = np.array([dollars[name] for name in runs])
    per_dollar = 3600 / PUBLISHED_GPUS / steps
    measured, ideal = usd * per_dollar, np.array([ideal_seconds(config) for config in runs.values()])
    efficiency = fitted(ideal, measured)
    ratios, alone = ideal / efficiency / measured, left_out(ideal, measured)
    print(f"{'run':12}{'steps':>7}{'$':>5}{'s a step, published':>21}{'forecast s':>12}{'$':>7}{'ratio':>8}", end="")
    print(f"{'left out':>10}")
    for i, name in enumerate(runs):
        low, high = (usd[i] - 0.5) * per_dollar[i], (usd[i] + 0.5) * per_dollar[i]
        shown = f"{measured[i]:.1f} [{low:.1f}, {high:.1f}]"
        seconds = ideal[i] / efficiency
        print(f"{name:12}{steps[i]:7,}{usd[i]:5.0f}{shown:>21}{seconds:12.1f}{seconds / per_dollar[i]:7.1f}", end="")
        print(f"{ratios[i]:8.2f}{alone[i]:10.2f}")
    print("openr1, openthoughts: unknown, since the step where they were stopped is not published")
    print(f"one efficiency for all: {efficiency:.3f} of the data sheet (the suite uses {EFFICIENCY})\n")
    print(f"{'mean completion, tokens':>24}{'efficiency':>12}{'worst ratio left out':>22}")
    for completion in (1000, 1500, 2000, 2500, 3000, 3584):
        other = np.array([ideal_seconds(config, completion) for config in runs.values()])
        print(f"{completion:24,}{fitted(other, measured):12.3f}{_worst(left_out(other, measured)):22.2f}")
    print("The length that is assumed goes into the factor; how far apart the runs are depends little on it.\n")
    print_evaluation(dollars_of_evaluation())
    print(f"worst ratio of forecast and published, left out: {_worst(alone):.2f}")


def dollars_of_evaluation() -> tuple[float, float]:
    """Published: all checkpoints of open_rs2, and one."""
    with COSTS.open(encoding="utf-8") as file:
        by_task = {row["task"]: row["evaluation_usd"] for row in csv.DictReader(file)}
    return float(by_task[RUNS["open_rs2"]]), float(by_task["Best checkpoint in best-performance task"])


def print_evaluation(published: tuple[float, float]) -> None:
    """One efficiency for training and evaluation; the length of an answer is assumed, so two prices fix it."""
    config = gate.check(["experiment=open_rs2", "benchmarks=paper"], False).arms[0].typed
    models = 1 + checkpoints(config.schedule)
    print(f"evaluation of open_rs2, {models - 1} checkpoints and the base, on the paper's six; published: ", end="")
    print(f"${published[0]:.0f} for all, ${published[1]:.0f} for one")
    print(f"{'mean answer, tokens':>24}{'$ for all':>12}{'$ for one':>12}")
    for tokens in (6000, 8000, 10000, 12000, 32768):
        config.benchmarks.expected_tokens = tokens
        usd = forecast_evaluation(config).usd
        print(f"{tokens:24,}{usd:12.1f}{usd / models:12.2f}")
    print("Of the other tasks it is not known how many checkpoints were evaluated.\n")


def _worst(ratios: np.ndarray) -> float:
    return float(np.max(np.maximum(ratios, 1 / ratios)))


def on_this_cpu(overrides: list[str], steps: int = 7) -> None:
    """Prints each step's longest completion, its CPU seconds, the forecast of them, and the ratio."""
    from tina.calibrate import calibrate, measured_steps

    configs.register()
    config = gate.check(overrides, False).arms[0].typed
    found = calibrate(config, time.process_time)
    print(f"calibrated: {found.fixed:.2f} s and {1000 * found.per_token:.1f} ms a token of the longest completion")
    print(f"{'longest':>8}{'CPU s':>8}{'forecast':>10}{'ratio':>7}")
    taken = measured_steps(config, config.length.max_completion_tokens, steps, time.process_time)
    for longest, seconds in taken:
        told = found.step_seconds(longest)
        print(f"{longest:8.0f}{seconds:8.2f}{told:10.2f}{told / seconds:7.2f}")
    told, seconds = sum(found.step_seconds(longest) for longest, _ in taken), sum(seconds for _, seconds in taken)
    print(f"all {len(taken)} steps: forecast over measured {told / seconds:.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["cpu"]:
        on_this_cpu(sys.argv[2:])
    else:
        main()
