"""c. The embedded model with an eager engine: tests/gpu, then the quickstart in bfloat16."""

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.gpu_checks.report import Report, Scale, need_bfloat16, need_vllm

ROOT = Path(__file__).resolve().parent.parent.parent
FEW = [
    "schedule.max_steps=4",
    "schedule.save_every=2",
    "batch.completions_per_step=16",
    "length.max_completion_tokens=32",
    "benchmarks.problems=8",
    "benchmarks.max_new_tokens=32",
    "sampler.cpu_kv_cache_gib=0.1",
]
"""What makes a run of seconds on a CPU."""


def adapters(report: Report, scale: Scale) -> None:
    """The tests of tests/gpu: adapter in place, base and two adapters at once, sleep and wake."""
    need_vllm()
    need_bfloat16(scale)
    environment = os.environ | ({"TINA_GPU_TESTS_ON_CPU": "1"} if scale.smoke else {})
    junit = scale.scratch / "tests_gpu.xml"
    command = [sys.executable, "-m", "pytest", "tests/gpu", "-v", "-p", "no:cacheprovider", f"--junitxml={junit}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=sys.stderr)
    for name, outcome, detail in _outcomes(junit):
        if outcome == "skipped":
            report.left_out(f"{name}: {detail}")
        else:
            report.check(name, outcome == "passed", detail)
    report.check("pytest tests/gpu", done.returncode == 0, f"exit code {done.returncode}")


def _outcomes(junit: Path) -> list[tuple[str, str, str]]:
    """Name, outcome and its reason of each test."""
    from xml.etree import ElementTree

    if not junit.exists():
        return []
    found = []
    for case in ElementTree.parse(junit).iter("testcase"):
        told = next((child for child in case if child.tag in ("skipped", "failure", "error")), None)
        name = case.get("name", "").removeprefix("test_").replace("_", " ")
        detail = "" if told is None else (told.get("message") or "").splitlines()[:1]
        outcome = {None: "passed", "skipped": "skipped"}.get(told if told is None else told.tag, "failed")
        found.append((name, outcome, " ".join(detail)))
    return found


def quickstart(report: Report, scale: Scale) -> None:
    """The README's first command with sampler=vllm in bfloat16: it learns, its format turns, it is evaluated."""
    need_vllm()
    need_bfloat16(scale)
    summary = train(scale, "quickstart", *(FEW if scale.smoke else []))
    logged, scores = summary["logged"], summary["scores"]
    before, after = scores["0"]["arithmetic_test/mean"], scores[str(logged["run/steps"])]["arithmetic_test/mean"]
    report.figure("seconds a step", round(logged["run/seconds_per_step"], 3), "s")
    report.figure("accuracy, base", round(before, 3))
    report.figure("accuracy, last step", round(after, 3))
    report.check("the run is evaluated", len(scores) > 2, f"{len(scores)} policies evaluated, the base included")
    if scale.smoke:
        report.left_out("that it learns and its format turns: that takes 60 steps")
        return
    report.check("it learns", after > before + 0.3, f"{before:.3f} to {after:.3f}")
    report.check("its format turns", logged["dynamics/transition"] == "turn", logged["dynamics/reason"])


def train(scale: Scale, name: str, *more: str) -> dict:
    """The summary of a run of train.py with vLLM in bfloat16. Raises RuntimeError if it fails."""
    outputs = scale.scratch / name
    command = [sys.executable, "train.py", "sampler=vllm", "model.dtype=bfloat16", "sampler.eager=true", *more]
    command.append(f"paths.outputs={outputs}")
    if not scale.smoke:
        command += [f"hardware={scale.hardware}", "hardware.gradient_checkpointing=false"]
    done = subprocess.run(command, cwd=ROOT, stdout=sys.stderr)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} ended with exit code {done.returncode}")
    (summary,) = outputs.glob("runs/*/summary.json")
    return json.loads(summary.read_text(encoding="utf-8"))
