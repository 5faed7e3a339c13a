"""Measures what a training step takes on this CPU, for forecasts: python -m tina.calibrate [key=value ...]

A few steps of the real trainer at two short lengths, some twenty seconds on the embedded default; nothing is kept of
them but the time. With the same settings `hydra/launcher=plan` and the summary of a run then have a forecast.
"""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from tina import configs, gate, policy, terminal
from tina.cost.calibration import Calibration, fitted, keep
from tina.data.loading import load_problems
from tina.data.prompts import build_messages
from tina.errors import UserError
from tina.history import is_sampled
from tina.progress import console
from tina.schema import TrainConfig
from tina.trainer import build_trainer, prompt_dataset

LENGTHS = (16, 64)
STEPS = 4
"""Of each length; the first is slower than the others and left out."""


def measured_steps(
    config: TrainConfig, cap: int, steps: int = STEPS, clock: Callable[[], float] | None = None
) -> list[tuple[float, float]]:
    """Longest completion and seconds of each step of a short training but the first; `clock` instead of TRL's."""
    from transformers import TrainerCallback

    short = replace(
        config,
        length=replace(config.length, max_completion_tokens=cap),
        schedule=replace(config.schedule, max_steps=steps, horizon_steps=None, save_every=10 * steps),
    )
    if short.hardware.threads:
        torch.set_num_threads(short.hardware.threads)
    times: list[float] = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *_: object, **__: object) -> None:
            times.append(clock() if clock else 0.0)

        def on_step_end(self, *_: object, **__: object) -> None:
            times[-1] = clock() - times[-1] if clock else 0.0

    def reward(completion_ids: list[list[int]], **_: object) -> list[float]:
        return [float(len(ids)) for ids in completion_ids]

    rewards = [reward] * len(short.reward.rewards)
    tokenizer = policy.load_tokenizer(short.model)
    model = policy.load_policy(short.model, short.lora, short.hardware.device, short.seed)
    dataset = prompt_dataset(
        load_problems(short.dataset).problems, lambda question: build_messages(question, short.prompt)
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(short, model, tokenizer, dataset, rewards, Path(folder), [Clock()])
        trainer.train()
    rows = [row for row in trainer.state.log_history if is_sampled(row) and "loss" in row]
    seconds = times if clock else [row["step_time"] for row in rows]
    return [(row["completions/max_length"], took) for row, took in zip(rows, seconds, strict=True)][1:]


def calibrate(config: TrainConfig, clock: Callable[[], float] | None = None) -> Calibration:
    """Raises UserError for what is not trained on this CPU in one process, or has no two lengths."""
    if config.hardware.device != "cpu" or config.hardware.processes != 1 or config.sampler.backend != "transformers":
        raise UserError("Only training on a CPU in one process, with sampler=transformers, is calibrated.")
    caps = [min(cap, config.length.max_completion_tokens) for cap in LENGTHS]
    try:
        return fitted(*zip(*[step for cap in caps for step in measured_steps(config, cap, clock=clock)], strict=True))
    except ValueError as error:
        raise UserError(f"{error} Set a larger length.max_completion_tokens.") from error


def main() -> None:
    configs.register()
    grid = gate.check(sys.argv[1:], multirun=False)
    if grid.problems:
        raise UserError("\n".join(map(str, grid.problems)))
    config = grid.arms[0].typed
    found = calibrate(config)
    path = keep(config, found)
    console.print(f"A step takes {found.fixed:.2f} s and {1000 * found.per_token:.1f} ms a token of its longest")
    console.print(f"completion; kept in {path} for plans and summaries of runs with these settings.")


if __name__ == "__main__":
    terminal.prepare()
    try:
        main()
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
