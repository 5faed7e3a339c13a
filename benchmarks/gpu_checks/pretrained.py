"""h. A real pretrained model learns to keep a format that three worked examples in its prompt show."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from transformers import AutoConfig

from benchmarks.gpu_checks.embedded import FEW
from benchmarks.gpu_checks.report import Report, Scale, Skip, need_bfloat16, need_vllm

ROOT = Path(__file__).resolve().parent.parent.parent
SETTINGS = [
    "sampler=vllm",
    "prompt=fewshot",
    "length.max_prompt_tokens=320",
    "length.max_completion_tokens=96",
    "rollout.temperature=0.7",
    "benchmarks.temperature=0.7",
    "batch.completions_per_forward=16",
    "schedule.max_steps=100",
    "schedule.save_every=50",
    "schedule.learning_rate=2e-4",
    "benchmarks.problems=128",
]


def run(report: Report, scale: Scale) -> None:
    need_vllm()
    need_bfloat16(scale)
    outputs = scale.scratch / "pretrained"
    summary = _trained(scale, outputs)
    logged, scores = summary["logged"], summary["scores"]
    last = str(logged["run/steps"])
    for name in ("format", "mean"):
        before, after = (scores[step][f"arithmetic_test/{name}"] for step in ("0", last))
        told = "accuracy" if name == "mean" else name
        report.figure(f"{told}, base", round(before, 3))
        report.figure(f"{told}, step {last}", round(after, 3))
    report.figure("seconds a step", round(logged["run/seconds_per_step"], 3), "s")
    report.figure("transition", logged.get("dynamics/transition_step", logged["dynamics/transition"]))
    _draw(report, scale, outputs)
    if scale.smoke:
        report.left_out("a pretrained model: the embedded one stands in for it, and 4 steps teach it nothing")
        return
    before, after = (scores[step]["arithmetic_test/format"] for step in ("0", last))
    report.check("it learns to keep the format", after > before + 0.2, f"{before:.3f} to {after:.3f}")


def _trained(scale: Scale, outputs: Path) -> dict:
    """The summary of its run. Raises Skip if there is no such model, RuntimeError if the run fails."""
    command = [sys.executable, "train.py", f"paths.outputs={outputs}"]
    if scale.smoke:
        command += ["sampler=vllm", *FEW]
    else:
        _need_weights(scale.pretrained)
        command += [
            *SETTINGS,
            "model.name=pretrained",
            f"model.path={scale.pretrained}",
            "model.dtype=bfloat16",
            "model.max_context_tokens=2048",
            f"hardware={scale.hardware}",
            "hardware.gradient_checkpointing=false",
        ]
    done = subprocess.run(command, cwd=ROOT, stdout=sys.stderr)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} ended with exit code {done.returncode}")
    (summary,) = outputs.glob("runs/*/summary.json")
    return json.loads(summary.read_text(encoding="utf-8"))


def _need_weights(source: str | None) -> None:
    """Raises Skip unless the model can be had from here."""
    if source is None:
        raise Skip(
            "no pretrained model: give one with --pretrained, a folder or a hub id such as "
            "HuggingFaceTB/SmolLM2-135M-Instruct"
        )
    try:
        AutoConfig.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise Skip(f"--pretrained={source} cannot be loaded here ({str(error).splitlines()[0]})") from error


def _draw(report: Report, scale: Scale, outputs: Path) -> None:
    """Its curves, as analysis/figures.py draws them for any run."""
    pictures = scale.scratch / "pictures"
    settings = [f"source.root={outputs}", f"figures={pictures}", "cache=null"]
    done = subprocess.run([sys.executable, "analysis/figures.py", *settings], cwd=ROOT, stdout=sys.stderr)
    found = sorted(pictures.glob("dynamics_*.png"))
    report.check("its curves are drawn", done.returncode == 0 and len(found) == 1)
    if found:
        shutil.copyfile(found[0], scale.out / "pretrained.png")
