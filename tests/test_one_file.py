"""Adding a model, a data set, a reward or an ablation is adding one file and touching none."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from analysis import runs
from tests.conftest import ROOT, SHORT, environment


def test_one_file_of_each_kind_is_enough(tmp_path: Path) -> None:
    here = tmp_path / "suite"
    for name in ("conf", "sweeps", "tina", "hydra_plugins"):
        shutil.copytree(ROOT / name, here / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "train.py", here)
    problems = [{"q": f"Compute {a}+{b}+1+1", "a": str(a + b + 2)} for a in range(1, 9) for b in range(1, 9)]
    (here / "mine.jsonl").write_text("".join(json.dumps(problem) + "\n" for problem in problems))

    (here / "conf/model/mine.yaml").write_text(
        "name: mine\npath: embedded:c\ndtype: float32\nmax_context_tokens: 1024\n"
    )
    (here / "conf/dataset/mine.yaml").write_text(
        f"name: mine\npath: {here / 'mine.jsonl'}\ncolumns: {{question: q, answer: a}}\n"
    )
    (here / "tina/rewards/brevity.py").write_text(
        "from tina.rewards.registry import RewardBatch, reward\n\n\n@reward('brevity')\n"
        "def brevity(batch: RewardBatch, *, per_token: float = 0.01) -> list[float | None]:\n"
        "    return [-per_token * tokens for tokens in batch.completion_tokens]\n"
    )
    (here / "conf/reward/mine.yaml").write_text(
        "name: mine\nrewards:\n  accuracy: {weight: 1.0}\n  brevity: {weight: 1.0, options: {per_token: 0.02}}\n"
    )
    (here / "sweeps/mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /model: mine\n  - override /dataset: mine\n"
        "  - override /reward: mine\nstudy: {name: mine, title: Mine}\n"
        "hydra: {sweeper: {params: {lora.rank: '2,4'}}}\n"
    )
    command = [sys.executable, "train.py", "-m", "+sweeps=mine", *SHORT, "schedule.max_steps=1", "benchmarks=none"]
    command = [argument for argument in command if argument != "schedule.max_steps=4"]
    done = subprocess.run(
        [*command, "selection=last"],
        cwd=here,
        env=environment() | {"PYTHONPATH": str(here) + os.pathsep + os.environ.get("PYTHONPATH", "")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "64 prompts of 64 rows" in done.stdout
    logs = runs.load({"name": "offline", "root": str(here / "outputs")})
    assert len(logs.runs[logs.runs.job_type == "train"]) == 2
    brevity = logs.metrics[logs.metrics.metric == "train/rewards/brevity/mean"]
    lengths = logs.metrics[logs.metrics.metric == "train/completions/mean_length"]
    for (_, reward), (_, length) in zip(brevity.iterrows(), lengths.iterrows(), strict=True):
        assert abs(reward.value + 0.02 * length.value) < 1e-4
