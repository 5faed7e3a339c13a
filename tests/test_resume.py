"""A run that goes on from any of its checkpoints logs what it would have logged: to the last digit, on a CPU."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import wandb

from analysis import runs
from tests.test_end_to_end import only_run, training_metrics
from tina import checkpoint, configs, experiment, gate
from tina.configs import to_typed
from tina.errors import UserError

configs.register()
SMALL = [
    "schedule.max_steps=5",
    "schedule.save_every=1",
    "benchmarks=none",
    "selection=last",
    "batch.completions_per_step=16",
    "batch.completions_per_forward=8",
    "batch.num_generations=4",
    "length.max_completion_tokens=16",
    "grading.workers=1",
]


def train(outputs: Path, *overrides: str) -> None:
    grid = gate.check([*SMALL, f"paths.outputs={outputs}", *overrides], False)
    assert not grid.problems, grid.problems
    try:
        experiment.run_experiment(to_typed(grid.arms[0].config))
    finally:
        wandb.teardown()  # as at a process's end: until then W&B may not have written everything


def set_back(outputs: Path, step: int) -> Path:
    """The run as it would be if it had been killed after `step`: its later checkpoints and its end are gone."""
    folder = only_run(outputs)
    (folder / "summary.json").unlink()
    for found, path in checkpoint.checkpoints(folder / "checkpoints").items():
        if found > step:
            shutil.rmtree(path)
    return folder


@pytest.mark.parametrize(
    "more", [["lora.dropout=0.1"], ["algorithm.num_iterations=2"]], ids=["on-policy", "two updates a batch"]
)
def test_from_any_checkpoint_on_the_rest_is_the_same(tmp_path: Path, more: list[str]) -> None:
    train(tmp_path, *more)
    whole = training_metrics(tmp_path)
    assert {step for _, step in whole} == {1, 2, 3, 4, 5}
    for step in (2, 3):  # with two updates a batch, step 3 is in the middle of one
        set_back(tmp_path, step)
        for log in only_run(tmp_path).glob("wandb"):
            shutil.rmtree(log)
        train(tmp_path, *more)
        assert training_metrics(tmp_path) == whole, f"from step {step}"


def test_what_wandb_lost_is_logged_again(tmp_path: Path) -> None:
    train(tmp_path)
    whole = training_metrics(tmp_path)
    folder = set_back(tmp_path, 3)
    (log,) = folder.rglob("*.wandb")
    log.write_bytes(log.read_bytes()[: log.stat().st_size // 3])  # a kill: what was in memory is not on the disk
    train(tmp_path)
    assert training_metrics(tmp_path) == whole
    assert runs.load({"name": "offline", "root": str(tmp_path)}).runs.segments.tolist() == [2]


def test_a_checkpoint_that_was_cut_short_is_not_gone_on_from(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    train(tmp_path)
    whole = training_metrics(tmp_path)
    folder = set_back(tmp_path, 4)
    state = folder / "checkpoints/checkpoint-4/optimizer.pt"
    state.write_bytes(state.read_bytes()[:1000])
    (folder / "checkpoints/checkpoint-3/whole.json").unlink()
    assert list(checkpoint.checkpoints(folder / "checkpoints")) == [1, 2]
    train(tmp_path)
    assert "Going on from checkpoint-2." in capsys.readouterr().out
    assert training_metrics(tmp_path) == whole
    assert list(checkpoint.checkpoints(folder / "checkpoints")) == [1, 2, 3, 4, 5]
    assert checkpoint.broken_checkpoints(folder / "checkpoints") == []


def test_a_full_disk_is_told_and_the_run_goes_on_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full at the second checkpoint; what a real one raises is torch's RuntimeError without a reason."""
    save = torch.save

    def full(what: object, where: object, *rest: object, **more: object) -> None:
        if "checkpoint-2" in str(where):
            raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")
        save(what, where, *rest, **more)

    monkeypatch.setattr(torch, "save", full)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 100, 0))
    with pytest.raises(UserError, match="the disk is full"):
        train(tmp_path)
    monkeypatch.undo()
    assert list(checkpoint.checkpoints(only_run(tmp_path) / "checkpoints")) == [1]
    train(tmp_path)
    assert json.loads((only_run(tmp_path) / "summary.json").read_text())["logged"]["run/steps"] == 5
