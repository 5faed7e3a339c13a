"""The W&B side of a run: its files lie where the run lies."""

import subprocess
import sys
from pathlib import Path

import pytest

from analysis import runs
from tests.conftest import ROOT, environment

CHILD = """
from pathlib import Path
from tina import schema, tracking
run = tracking.start(schema.Tracking(name="offline", mode="offline", project="tina"), Path("outputs/run"),
                     run_id="abc", job_type="train", name="a", config={})
run.log({"train/reward": 1.0})
run.finish()
"""
PARENT = """
import subprocess, sys
import wandb
with wandb.init(mode="offline", dir=sys.argv[1]):  # a notebook, say, that has W&B open and trains in another folder
    subprocess.run([sys.executable, "-c", sys.argv[3]], cwd=sys.argv[2], check=True)
"""


def test_files_lie_below_the_run_although_the_parent_process_has_wandb_open_elsewhere(tmp_path: Path) -> None:
    parent, child = tmp_path / "parent", tmp_path / "child"
    parent.mkdir()
    child.mkdir()
    command = [sys.executable, "-c", PARENT, str(parent), str(child), CHILD]
    done = subprocess.run(
        command, cwd=parent, env=environment() | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(list((child / "outputs/run").rglob("run-abc.wandb"))) == 1
    assert not list(parent.rglob("run-abc.wandb"))


LOSS = """
import os, signal, sys, time
from pathlib import Path
from tina import schema, tracking
run = tracking.start(schema.Tracking(name="offline", mode="offline", project="tina"), Path("run"),
                     run_id="abc", job_type="train", name="a", config={"cfg": {"seed": 1}})
run.log({"train/global_step": 1, "train/reward": 1.0}, tracking.Rows("problems", ["benchmark", "correct"], [["a", 1]]))
for _ in range(20):  # wandb-core is started a moment after the run
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    if children: break
    time.sleep(0.1)
for child in children: os.kill(int(child), getattr(signal, sys.argv[1]))
time.sleep(0.5)
if sys.argv[2] == "log": run.log({"train/global_step": 2, "train/reward": 2.0})
if sys.argv[2] != "open": run.finish()
again = tracking.start(schema.Tracking(name="offline", mode="offline", project="tina"), Path("run"),
                       run_id="def", job_type="eval", name="b", config={})
again.finish()
if sys.argv[2] == "open": run.finish()
"""


@pytest.mark.parametrize("number", ["SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("then", ["log", "finish", "open"])
def test_nothing_is_lost_with_the_process_that_writes(number: str, then: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOSS, number, then],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = runs.load({"name": "offline", "root": str(tmp_path)})
    assert dict(zip(found.runs.id, found.runs.state, strict=True)) == {"abc": "finished", "def": "finished"}
    rewards = found.metrics[found.metrics.metric == "train/reward"]
    assert rewards.value.tolist() == ([1.0, 2.0] if then == "log" else [1.0])
    assert len(list(tmp_path.rglob("problems_*.table.json"))) >= 1
