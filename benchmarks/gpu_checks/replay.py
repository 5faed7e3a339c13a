"""i. The same run twice: the same numbers, or from which step on and by how much not."""

from pathlib import Path

from benchmarks.gpu_checks.embedded import FEW, train
from benchmarks.gpu_checks.report import Report, Scale, need_bfloat16, need_vllm
from tina.checkpoint import checkpoints
from tina.history import Row, history

IGNORED = ("step_time", "epoch")
COMPARED = ("reward", "kl", "grad_norm", "completions/mean_length", "entropy", "loss")


def run(report: Report, scale: Scale) -> None:
    need_vllm()
    need_bfloat16(scale)
    steps = 4 if scale.smoke else 20
    settings = [f"schedule.max_steps={steps}", f"schedule.save_every={steps}", "benchmarks=none", "selection=last"]
    settings += [one for one in FEW if one.startswith(("batch", "length", "sampler"))] if scale.smoke else []
    first, second = (_rows(scale, name, settings) for name in ("replay_a", "replay_b"))
    report.check("both runs have every step", len(first) == len(second) == steps)
    differing = [row["step"] for row, other in zip(first, second, strict=True) if _differ(row, other)]
    report.figure("first step that differs", differing[0] if differing else "none")
    for name in COMPARED if differing else ():
        gaps = [abs(row[name] - other[name]) for row, other in zip(first, second, strict=True) if name in row]
        report.figure(f"largest difference in {name}", float(f"{max(gaps):.3g}"))
    if scale.smoke:
        report.check("a CPU repeats a run to the digit", not differing, f"differs at {differing}")


def _rows(scale: Scale, name: str, settings: list[str]) -> list[Row]:
    summary = train(scale, name, *settings)
    return history(list(checkpoints(Path(summary["folder"]) / "checkpoints").values())[-1])


def _differ(row: Row, other: Row) -> bool:
    """By any number that is not a time."""
    names = {name for name in {*row, *other} if name not in IGNORED and "time" not in name}
    return any(row.get(name) != other.get(name) for name in names)
