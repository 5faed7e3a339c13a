"""What a run was computed with, start by start; and that a later start reads the commits of the first."""

import dataclasses
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from analysis.overview import load_overview
from analysis.settings import settings
from tests.conftest import SHORT, run
from tests.test_end_to_end import only_run
from tests.test_resume import set_back, train
from tests.test_trainer import composed
from tina import jsonl, segments
from tina.data.rows import commit_of


def row_of(outputs: Path) -> dict:
    (row,) = load_overview(settings([f"source.root={outputs}", "cache=null"])).rows
    return row


def test_a_run_that_goes_on_under_another_version_says_so_in_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path)
    assert row_of(tmp_path)["changed"] == ""
    set_back(tmp_path, 3)
    here = segments.versions()
    monkeypatch.setattr(segments, "versions", lambda: here | {"torch": "9.9"})
    train(tmp_path)
    row = row_of(tmp_path)
    assert row["changed"] == f"torch {here['torch']}, then 9.9"
    assert "torch 9.9" in row["versions"]
    found = jsonl.read(only_run(tmp_path) / segments.FILE)
    assert [one["threads"] for one in found] == [1, 1]
    assert found[0]["precision"]["model"] == "float32"


def test_a_later_start_reads_the_commit_of_the_first(tmp_path: Path) -> None:
    first, second = "a" * 40, "b" * 40
    new = segments.segment(composed(), {"model": first, "dataset": None})
    assert new["commits"] == {"model": first}
    assert len(segments.begin(tmp_path, new)) == 1
    assert len(segments.begin(tmp_path, segments.segment(composed(), {"model": second, "dataset": second}))) == 2
    config = segments.pinned(composed(), tmp_path)
    assert (config.model.revision, config.dataset.revision) == (first, second)
    assert dataclasses.replace(config.model, revision=None) == composed().model


def test_the_commit_of_a_data_set_is_the_name_of_its_folder_in_the_cache() -> None:
    """As `datasets` lays it out; without the hub no set can be loaded that has one."""
    commit = "0123456789abcdef" * 2 + "01234567"
    folder = f"/cache/GAIR___limr/default/0.0.0/{commit}"
    assert commit_of(SimpleNamespace(cache_files=[{"filename": f"{folder}/limr-train.arrow"}])) == commit
    assert commit_of(SimpleNamespace(cache_files=[{"filename": "/cache/json/default-1/0.0.0/x.arrow"}])) is None
    assert commit_of(SimpleNamespace(cache_files=[])) is None


@pytest.fixture
def finished(sweep: Path, tmp_path: Path) -> tuple[Path, list[str]]:
    """The outputs of a finished run of rank 4, and the words that it was started with but for its evaluation."""
    outputs = tmp_path / "outputs"
    shutil.copytree(sweep, outputs)
    shutil.rmtree(next(path for path in (outputs / "runs").iterdir() if "-r8-" in path.name))
    training = [argument for argument in SHORT if not argument.startswith("benchmarks.")]
    return outputs, ["train.py", "lora.rank=4", f"paths.outputs={outputs}", *training]


def told(outputs: Path) -> dict:
    return json.loads((only_run(outputs) / "summary.json").read_text())


def test_more_samples_of_a_finished_run_are_measured(finished: tuple[Path, list[str]]) -> None:
    outputs, words = finished
    before = {path: path.read_bytes() for path in (only_run(outputs) / "checkpoints").rglob("*.safetensors")}
    done = run(*words, "benchmarks.problems=16", "benchmarks.samples=2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Done before" not in done.stdout and "train 4/4" not in done.stdout
    assert told(outputs)["scores"]["0"]["arithmetic_test/n_samples"] == 2
    assert {path: path.read_bytes() for path in before} == before
    again = run(*words, "benchmarks.problems=16", "benchmarks.samples=2")
    assert "Done before" in again.stdout


def test_another_choice_among_the_checkpoints_of_a_finished_run_is_made(finished: tuple[Path, list[str]]) -> None:
    outputs, words = finished
    done = run(*words, "benchmarks.problems=16", "selection=last")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (told(outputs)["logged"]["selection/rule"], told(outputs)["logged"]["selection/step"]) == ("last", 4)
    assert "tokens/s" not in done.stdout  # everything had been answered
    assert "step 4 of 4 (rule: last" in done.stdout
