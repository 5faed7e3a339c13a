"""How benchmarks/gpu.py ends where something is missing or breaks; CI runs all of its sections with --smoke."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import gpu
from tests.conftest import ROOT, environment

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")


def rows(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def script(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "benchmarks/gpu.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300)


@without_gpu
def test_without_a_gpu_each_section_says_so_and_the_exit_code_is_3(tmp_path: Path) -> None:
    done = script("--only", "environment,float16", f"--out={tmp_path}")
    assert done.returncode == 3, done.stdout + done.stderr
    ends = [row for row in rows(tmp_path) if "end" in row]
    assert [(row["section"], row["end"]) for row in ends] == [("environment", "skipped"), ("float16", "skipped")]
    assert all("torch sees no GPU here" in row["reason"] for row in ends)
    assert "| float16 | section | skipped" in (tmp_path / "report.md").read_text()


def test_what_does_not_fit_the_minutes_is_skipped_with_the_words_that_run_it(tmp_path: Path) -> None:
    done = script("--smoke", "--minutes", "0.01", "--only", "training", f"--out={tmp_path}")
    assert done.returncode == 3
    (end,) = rows(tmp_path)
    assert "run it alone with --only training" in end["reason"]


def test_a_section_of_another_name_is_refused() -> None:
    done = script("--only", "training,trainig")
    assert done.returncode == 2
    assert "no section is called trainig" in done.stderr


def test_a_section_that_does_not_end_is_ended_and_the_next_one_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(gpu.SECTIONS, "training", gpu.Section("training", "run", 1, 1))
    code = gpu.main(["--smoke", "--only", "training,environment", f"--out={tmp_path}"])
    ends = {row["section"]: row for row in rows(tmp_path) if "end" in row}
    assert code == 1
    assert (ends["training"]["end"], ends["environment"]["end"]) == ("failed", "held")
    assert "it ran longer than 1 s" in ends["training"]["reason"]


def test_what_a_section_measured_before_it_broke_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(name: str, given: argparse.Namespace, *_: object) -> None:
        report = gpu.Report(name, given.out / "results.jsonl")
        report.figure("memory", 48.0, "GiB")
        report.check("matmul bfloat16", False, "no kernel image")
        status, reason = gpu._judged(0, 60, rows(given.out), "")
        report.end(status, 3.0, reason)

    monkeypatch.setattr(gpu, "_start", start)
    assert gpu.main(["--smoke", "--only", "environment", f"--out={tmp_path}"]) == 1
    told = (tmp_path / "report.md").read_text()
    assert "| environment | memory | 48.0 GiB |" in told
    assert "failed, 3 s | matmul bfloat16 (no kernel image)" in told


def test_a_section_that_raises_is_told_by_its_last_lines() -> None:
    said = "Traceback ...\n  line\nRuntimeError: CUDA error: an illegal memory access was encountered\n"
    status, reason = gpu._judged(1, 60, [], said)
    assert status == "failed"
    assert "illegal memory access" in reason


def test_versions_that_pyproject_does_not_take_head_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.gpu_checks import environment as checks

    versions = {"torch": "2.11.0+cu130", "vllm": "0.25.1"}
    monkeypatch.setattr(checks, "installed", lambda name: versions.get(name))
    assert [one.split(" (")[0] for one in checks.unsupported()] == ["torch 2.11.0+cu130"]
    monkeypatch.setattr(gpu, "unsupported", checks.unsupported)
    told = gpu.markdown([], gpu._arguments(["--smoke"]))
    assert "**Not the supported versions:** torch 2.11.0+cu130 (supported: " in told
