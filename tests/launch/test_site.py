"""A site file sets once what holds for a cluster; it lies in conf/local, which git does not see."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, SHORT, environment

SITE = """\
# @package _global_
defaults:
  - override /hydra/launcher: {launcher}
paths:
  outputs: {outputs}
tracking:
  project: ours
hydra:
  launcher:
    account: ours
    partition: gpu
"""


def suite(folder: Path, launcher: str) -> Path:
    for name in ("conf", "sweeps", "tina", "hydra_plugins"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("train.py", "evaluate.py"):
        shutil.copy(ROOT / name, folder)
    (folder / "conf/local").mkdir(exist_ok=True)
    (folder / "conf/local/site.yaml").write_text(SITE.format(launcher=launcher, outputs=folder / "there"))
    return folder


def call(here: Path, *arguments: str) -> subprocess.CompletedProcess:
    paths = {"PYTHONPATH": str(here) + os.pathsep + os.environ.get("PYTHONPATH", "")}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=here, env=environment() | paths, capture_output=True, text=True)


@pytest.fixture(scope="module")
def cluster_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return suite(tmp_path_factory.mktemp("site"), "slurm_l40s")


def test_a_sweep_goes_to_the_cluster_and_a_single_run_does_not_start_here(cluster_site: Path) -> None:
    single = call(cluster_site, "train.py")
    assert single.returncode == 2
    assert "hydra/launcher=slurm_l40s queues jobs" in single.stderr
    told = call(cluster_site, "train.py", "--cfg", "hydra")
    assert "account: ours" in told.stdout
    assert "gres: gpu:l40s:2" in told.stdout


def test_the_launcher_on_the_command_line_wins(cluster_site: Path) -> None:
    plan = call(cluster_site, "train.py", "-m", "lora.rank=4,8", "hydra/launcher=plan")
    assert plan.returncode == 0, plan.stderr
    assert "Nothing was started" in plan.stdout
    short = [*SHORT, "schedule.max_steps=1", "benchmarks=none", "selection=last"]
    short.remove("schedule.max_steps=4")
    here = call(cluster_site, "train.py", "-m", "lora.rank=4", "hydra/launcher=sequential", *short)
    assert here.returncode == 0, here.stdout + here.stderr
    assert len(list((cluster_site / "there/runs").glob("*/summary.json"))) == 1


def test_evaluations_know_the_folders_too(cluster_site: Path) -> None:
    told = call(cluster_site, "evaluate.py", "model=tiny", "--cfg", "job")
    assert told.returncode == 0, told.stderr
    assert f"outputs: {cluster_site / 'there'}" in told.stdout
    assert "project: ours" in told.stdout
