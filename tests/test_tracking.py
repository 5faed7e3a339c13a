"""The W&B side of a run: its files lie where the run lies."""

import subprocess
import sys
from pathlib import Path

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
