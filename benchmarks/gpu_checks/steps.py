"""e, f and a part of g. Whole optimizer steps of the paper's shape by this suite, with the seconds of each part."""

import time
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from benchmarks.gpu_checks.clock import PARTS, Clock, watch_trainer
from benchmarks.gpu_checks.models import paper_step
from benchmarks.gpu_checks.report import (
    Report,
    Scale,
    figures,
    gib,
    need_bfloat16,
    need_memory,
    need_vllm,
    peak_gib,
)
from tina import cost
from tina.cost.flops import Lengths
from tina.cost.forecast import GPUS, PROMPT_TOKENS, forecast, sampling_seconds
from tina.schema import TrainConfig

STEPS = 3
SYNC_AIM = 0.02
DECODE_AIM = 0.8
SLACK = 1.05
"""Of a ratio of two measurements."""
COMPARED = ("sampling", "sync", "reference", "forward", "backward", "optimizer")
"""Parts that TRL has, too; one that takes less than a hundredth of a step is not held against its other."""


class StepClock(TrainerCallback):
    """Takes the clock at the end of each step; saving comes after that, and is not the step's."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.steps = clock, []

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.clock.take()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.steps.append(self.clock.take())

    def on_save(self, *_: Any, **__: Any) -> None:
        self.steps[-1]["saving"] += self.clock.take()["saving"]


def work(step: dict[str, float]) -> float:
    """Seconds of a step without the saving after it."""
    return sum(step.values()) - step["saving"]


def fastest(steps: list[dict[str, float]]) -> dict[str, float]:
    """The one to quote: not the first, which warms up, and what else a machine does only adds to a step."""
    return min(steps[1:] or steps, key=work)


def eager(report: Report, scale: Scale) -> None:
    _steps(report, scale, "sampler=vllm", "sampler.eager=true")


def compiled(report: Report, scale: Scale) -> None:
    """The engine's start compiles and captures graphs: minutes, and the riskiest of all."""
    if scale.smoke:
        report.left_out("compiled graphs: vLLM on a CPU runs eager here")
    _steps(report, scale, "sampler=vllm", f"sampler.eager={str(scale.smoke).lower()}")


def merged(report: Report, scale: Scale) -> None:
    """Every weight sent with the adapter merged in, as TRL and the paper's runs do it."""
    _steps(report, scale, "sampler=vllm_merged", f"sampler.eager={str(scale.smoke).lower()}")


def ratios(path: Path, smoke: bool) -> None:
    """Adds what sections that have ended say of each other: this suite against stock TRL, merged against adapter sync.

    Whole steps have no aim: this suite checks its sampler and grades in them. In a smoke test TRL samples another way,
    on shapes where nothing is the arithmetic: there no ratio has an aim.
    """
    ours, peer, merged = (figures(path, section) for section in ("compiled", "peer", "merged"))
    report = Report("peer", path)
    if "step" in ours and "step" in peer:
        found = {part: (ours[part], peer[part]) for part in ("step", *COMPARED)}
        found["what both do"] = tuple(sum(one[part] for part in COMPARED) for one in (ours, peer))
        for part, (here, there) in found.items():
            if min(here, there) > 0 and max(here, there) > peer["step"] / 100:
                aim = ("", None) if smoke or part == "step" else (f"<= {SLACK}", here / there <= SLACK)
                report.figure(f"{part}, this suite / TRL", round(here / there, 3), "", *aim)
    elif peer:
        report.left_out("the ratio: no step of this suite with a compiled engine was measured in this call")
    if ours.get("sync") and merged.get("sync"):
        Report("merged", path).figure("merged sync / adapter sync", round(merged["sync"] / ours["sync"], 1))


def _steps(report: Report, scale: Scale, *sampler: str) -> None:
    """Runs `tina.experiment` with clocks around the parts of a step."""
    need_vllm()
    need_bfloat16(scale)
    need_memory(scale, 40)
    from tina import experiment, training
    from tina.sampler.seam import PolicyGeneration
    from tina.trainer import StretchedTrainer

    config = paper_step(scale, *sampler, f"paths.outputs={scale.scratch / report.section}", steps=STEPS)
    clock = Clock()
    watch_trainer(clock, StretchedTrainer, PolicyGeneration)
    clock.watch(StretchedTrainer, "_fidelity", "fidelity")
    steps = StepClock(clock)
    build, made = training.build_trainer, []

    def built(*args: Any, **kwargs: Any) -> StretchedTrainer:
        made.append(build(*args, **kwargs))
        report.figure("start", round(time.perf_counter() - began, 1), "s")
        made[0].add_callback(steps)
        return made[0]

    training.build_trainer = built
    began = time.perf_counter()
    told = experiment.run_experiment(config)
    report.check("the run ends with a summary", bool(told.get("logged")))
    report.check("every step was trained", len(steps.steps) == config.schedule.max_steps)
    (trainer,) = made
    rows = trainer.state.log_history
    tell_parts(report, steps.steps, sampled_tokens(rows, config.batch.completions_per_step))
    _tell_shares(report, scale, config, fastest(steps.steps))
    _tell_fidelity(report, rows, trainer.vllm_generation)


def sampled_tokens(rows: list[dict[str, Any]], completions: int) -> float:
    """Completion tokens of a step, on average."""
    lengths = [row["completions/mean_length"] for row in rows if "completions/mean_length" in row]
    return completions * sum(lengths) / len(lengths)


def tell_parts(report: Report, steps: list[dict[str, float]], tokens: float) -> None:
    """The fastest step by part, and the first, which warms up; `tokens`: completion tokens of a step."""
    told = fastest(steps)
    report.figure("first step", round(work(steps[0]), 2), "s")
    report.figure("step", round(work(told), 3), "s")
    for part in PARTS:
        report.figure(part, round(steps[-1][part] if part == "saving" else told[part], 4), "s")
    report.figure("sampled tokens a second", round(tokens / told["sampling"]) if told["sampling"] else 0)
    if torch.cuda.is_available():
        report.figure("peak memory of torch", peak_gib(), "GiB")
        free, total = torch.cuda.mem_get_info()
        report.figure("memory in use at the end", gib(total - free), "GiB")


def _tell_shares(report: Report, scale: Scale, config: TrainConfig, step: dict[str, float]) -> None:
    share = step["sync"] / work(step)
    if config.sampler.sync == "adapter":
        aim = ("", None) if scale.smoke else (f"< {SYNC_AIM}", share < SYNC_AIM)
        report.figure("sync's share of a step", round(share, 4), "", *aim)
    if not scale.known_card:
        return
    shape, gpu = cost.shape_of(config.model), GPUS[scale.hardware]
    lengths = Lengths(PROMPT_TOKENS, scale.cap, scale.cap)
    decode = sampling_seconds(config, shape, gpu, lengths, 1) / step["sampling"]
    report.figure("share of the decode roofline", round(decode, 3), "", f">= {DECODE_AIM}", decode >= DECODE_AIM)
    found = forecast(config)
    if isinstance(found, cost.Forecast):
        report.figure("forecast", round(found.seconds_per_step, 2), "s")
        report.figure("fact / forecast", round(work(step) / found.seconds_per_step, 3))


def _tell_fidelity(report: Report, rows: list[dict[str, Any]], generation: Any) -> None:
    """What the last step logged, and what one more sync says of the update that it sends."""
    generation.compare = True
    generation.sync_weights()
    found = [row for row in rows if "fidelity/kl" in row][-1] | generation.told
    for name in ("logprob_diff_mean", "logprob_diff_max", "kl", "update_cosine", "base_drift"):
        report.figure(f"fidelity/{name}", float(f"{found[f'fidelity/{name}']:.3g}"))
