"""What is going on, without a scheduler: from the folders of the runs."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.conftest import run
from tina import status
from tina.errors import UserError
from tina.guards import exclusive
from tina.launch import record
from tina.study import studies_of


@pytest.fixture
def study(sweep: Path, tmp_path: Path) -> Path:
    """The outputs of a finished sweep, and a third arm that has not begun."""
    outputs = tmp_path / "outputs"
    shutil.copytree(sweep, outputs)
    (manifest,) = (outputs / "studies").glob("*.json")
    told = json.loads(manifest.read_text())
    for arm in told["arms"]:
        arm["folder"] = str(outputs / "runs" / Path(arm["folder"]).name)
    told["arms"].append({"label": "lora.rank=2", "folder": str(outputs / "runs/none"), "digest": "", "overrides": {}})
    manifest.write_text(json.dumps(told))
    return outputs


def states(outputs: Path) -> dict[str, status.Arm]:
    (manifest,) = status.studies(outputs)
    return {arm.label: arm for arm in status.arms_of(manifest, {})}


def test_done_running_stopped_and_not_started(study: Path) -> None:
    four = states(study)["lora.rank=4"].folder
    assert [arm.state for arm in states(study).values()] == ["done", "done", "not started"]
    (four / "summary.json").unlink()
    record.write_progress(four, done=3, total=4, seconds=2.0)
    with exclusive(four):
        arm = states(study)["lora.rank=4"]
        assert (arm.state, arm.done, arm.total, arm.seconds_left) == ("running", 3, 4, 2.0)
    arm = states(study)["lora.rank=4"]
    assert (arm.state, arm.seconds_left) == ("stopped", None)


def test_a_run_that_is_asked_for_more_than_it_has_is_not_done(study: Path) -> None:
    four = states(study)["lora.rank=4"].folder
    config = yaml.safe_load((four / "config.yaml").read_text())
    config["benchmarks"]["samples"] = 7
    (four / "config.yaml").write_text(yaml.safe_dump(config))
    assert states(study)["lora.rank=4"].state == "stopped"


def test_a_configuration_that_is_damaged_hides_no_other_arm(study: Path, capsys: pytest.CaptureFixture) -> None:
    four = states(study)["lora.rank=4"].folder
    (four / "config.yaml").write_text("model: {name: tiny,")
    assert [arm.state for arm in states(study).values()][1:] == ["done", "not started"]
    assert "config.yaml is no YAML" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", ["", '{"study": "x", "ti', "[]", '{"study": 1}', '{"study": "x", "title": "x", "arms": [3]}']
)
def test_a_study_that_is_damaged_is_left_out_and_told(study: Path, content: str) -> None:
    (study / "studies" / "another.json").write_text(content)
    done = run("tina/status.py", f"outputs={study}")
    assert done.returncode == 0, done.stderr
    assert "another.json" in done.stderr and "left out" in done.stderr and "2 done" in done.stdout
    summary = json.loads((states(study)["lora.rank=4"].folder / "summary.json").read_text())
    assert studies_of(study, summary["digest"]) == ["lora.rank"]


def test_it_is_printed(study: Path) -> None:
    done = run("tina/status.py", f"outputs={study}")
    assert done.returncode == 0, done.stderr
    assert "Sweep over lora.rank (2 done, 1 not started)" in done.stdout
    assert "4 of 4" in done.stdout
    assert run("tina/status.py", f"outputs={study}", "--failed").stdout.strip() == "Nothing has failed."


def test_jobs_of_a_scheduler_that_does_not_answer_are_unknown(study: Path) -> None:
    folder = states(study)["lora.rank=2"].folder
    record.add(folder, event="submitted", job="7_0", phase="all", log="none")
    (manifest,) = status.studies(study)
    assert status.arms_of(manifest, None)[2].state == "unknown"


@pytest.mark.parametrize(
    ("name", "words"), [("lora.rnk", "did you mean lora.rank"), ("something", "there are lora.rank")]
)
def test_a_study_that_is_not_there(study: Path, name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        status.studies(study, name)


def test_no_study_at_all(tmp_path: Path) -> None:
    done = run("tina/status.py", f"outputs={tmp_path}")
    assert done.returncode == 2
    assert "There is no study in" in done.stderr
