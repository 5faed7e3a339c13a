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

SYNC_AIM = 0.02
DECODE_AIM = 0.8
SLACK = 1.05
"""Of a ratio of two measurements."""
COMPARED = ("sampling", "sync", "reference", "forward", "backward", "optimizer")
"""Parts that TRL has, too; one that takes less than a hundredth of a step is not held against its other."""


class StepClock(TrainerCallback):
    """Takes the clock at the end of each step; the first step warms up and is told apart."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.steps = clock, []

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.clock.take()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.steps.append(self.clock.take())


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

    In a smoke test TRL samples another way, on shapes where nothing is the arithmetic: there no ratio has an aim.
    """
    ours, peer, merged = (figures(path, section) for section in ("compiled", "peer", "merged"))
    report = Report("peer", path)
    if "step" in ours and "step" in peer:
        for part in ("step", *COMPARED):
            if min(ours[part], peer[part]) > 0 and max(ours[part], peer[part]) > peer["step"] / 100:
                ratio = ours[part] / peer[part]
                aim = ("", None) if smoke else (f"<= {SLACK}", ratio <= SLACK)
                report.figure(f"{part}, this suite / TRL", round(ratio, 3), "", *aim)
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

    config = paper_step(scale, *sampler, f"paths.outputs={scale.scratch / report.section}")
    clock = Clock()
    watch_trainer(clock, StretchedTrainer, PolicyGeneration)
    clock.watch(StretchedTrainer, "_fidelity", "fidelity")
    steps = StepClock(clock)
    build = training.build_trainer

    def built(*args: Any, **kwargs: Any) -> StretchedTrainer:
        trainer = build(*args, **kwargs)
        report.figure("start", round(time.perf_counter() - began, 1), "s")
        trainer.add_callback(steps)
        return trainer

    training.build_trainer = built
    began = time.perf_counter()
    told = experiment.run_experiment(config)
    report.check("the run ends with a summary", bool(told.get("logged")))
    report.check("every step was trained", len(steps.steps) == config.schedule.max_steps)
    tell_parts(report, steps.steps, config.batch.completions_per_step * scale.cap)
    _tell_shares(report, scale, config, steps.steps[-1])
    _tell_fidelity(report, told["folder"])


def tell_parts(report: Report, steps: list[dict[str, float]], most_tokens: int) -> None:
    """The last step by part; the first, which warms up, in all. `most_tokens`: completion tokens of a step."""
    last = steps[-1]
    report.figure("first step", round(sum(steps[0].values()), 2), "s")
    report.figure("step", round(sum(last.values()), 3), "s")
    for part in PARTS:
        report.figure(part, round(last[part], 4), "s")
    report.figure("sampled tokens a second", round(most_tokens / last["sampling"]) if last["sampling"] else 0)
    if torch.cuda.is_available():
        report.figure("peak memory of torch", peak_gib(), "GiB")
        free, total = torch.cuda.mem_get_info()
        report.figure("memory in use at the end", gib(total - free), "GiB")


def _tell_shares(report: Report, scale: Scale, config: TrainConfig, step: dict[str, float]) -> None:
    share = step["sync"] / sum(step.values())
    if config.sampler.sync == "adapter":
        report.figure("sync's share of a step", round(share, 4), "", f"< {SYNC_AIM}", share < SYNC_AIM)
    if not scale.known_card:
        return
    shape, gpu = cost.shape_of(config.model), GPUS[scale.hardware]
    lengths = Lengths(PROMPT_TOKENS, scale.cap, scale.cap)
    decode = sampling_seconds(config, shape, gpu, lengths, 1) / step["sampling"]
    report.figure("share of the decode roofline", round(decode, 3), "", f">= {DECODE_AIM}", decode >= DECODE_AIM)
    found = forecast(config)
    if isinstance(found, cost.Forecast):
        report.figure("forecast", round(found.seconds_per_step, 2), "s")
        report.figure("fact / forecast", round(sum(step.values()) / found.seconds_per_step, 3))


def _tell_fidelity(report: Report, folder: str) -> None:
    from tina.checkpoint import checkpoints
    from tina.history import history

    rows = history(list(checkpoints(Path(folder) / "checkpoints").values())[-1])
    for name in ("logprob_diff_mean", "logprob_diff_max", "kl", "update_cosine", "base_drift"):
        found = [row[f"fidelity/{name}"] for row in rows if f"fidelity/{name}" in row]
        if found:
            report.figure(f"fidelity/{name}", float(f"{found[-1]:.3g}"))
