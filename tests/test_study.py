"""Sweep files, plans and studies."""

import json
from pathlib import Path

import pytest

from tests.conftest import ROOT, SHORT, run
from tina import configs, gate, study
from tina.launch import local
from tina.study import manifest, sweep_names

configs.register()
SWEEPS = sorted(p.relative_to(ROOT / "sweeps").with_suffix("").as_posix() for p in (ROOT / "sweeps").rglob("*.yaml"))
ARMS = {
    "dataset": 7,
    "learning_rate": 3,
    "lora_rank": 5,
    "algorithm": 3,
    "length_cap": 2,
    "reward": 3,
    "alpha_ratio": 8,
    "learning_rate_rank": 6,
    "base_model": 5,
}


def grid_of(sweep: str) -> gate.Grid:
    group, _, choice = f"sweeps/{sweep}".rpartition("/")
    return gate.check([f"+{group}={choice}"], multirun=True)


@pytest.mark.parametrize("sweep", SWEEPS)
def test_every_sweep_file_is_a_grid_that_may_start(sweep: str) -> None:
    grid = grid_of(sweep)
    assert grid.problems == []
    assert len(grid.arms) == ARMS.get(sweep, len(grid.arms)) >= 2
    told = manifest(grid)
    assert told["source"] == f"sweeps/{sweep}.yaml"
    assert told["study"] == sweep.replace("/", "_")
    assert len({arm["label"] for arm in told["arms"]}) == len(grid.arms)


@pytest.mark.parametrize("sweep", [s for s in SWEEPS if "/" not in s])
def test_labels_and_published_arms_name_arms_that_exist(sweep: str) -> None:
    grid = grid_of(sweep)
    layout = grid.arms[0].config["study"]
    swept = {arm.label for arm in grid.arms}
    assert set(layout["labels"]) <= swept
    assert set(layout["published_arms"]) <= swept
    assert bool(layout["published"]) == bool(layout["published_arms"])


def test_limr_at_rank_32_is_one_run_in_three_ablations() -> None:
    digests = [{arm.digest for arm in grid_of(sweep).arms} for sweep in ("dataset", "learning_rate", "lora_rank")]
    assert len(set.intersection(*digests)) == 1


def test_a_plan_shows_the_papers_arms_and_creates_nothing(tmp_path: Path) -> None:
    done = run("train.py", "-m", "+sweeps=lora_rank", "hydra/launcher=plan", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for rank in (4, 8, 16, 32, 64):
        assert f"lora.rank={rank} " in done.stdout
    assert "Nothing was started" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_study_by_an_unknown_name_names_the_nearest(tmp_path: Path) -> None:
    done = run("tina/study.py", "lora_rnk", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean lora_rank" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_named_sets() -> None:
    assert sweep_names("paper") == ["algorithm", "dataset", "learning_rate", "length_cap", "lora_rank", "reward"]
    assert all(name.startswith("quickstart/") for name in sweep_names("quickstart"))


def test_arms_side_by_side_and_one_that_fails_takes_no_other_with_it(tmp_path: Path) -> None:
    arguments = ["-m", "lora.target_modules=[q_proj],[no_such_layer]", "hydra/launcher=local", *SHORT]
    done = run("train.py", *arguments, "hydra.launcher.workers=2", f"paths.outputs={tmp_path}")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "NOT DONE (exit code 2)" in done.stdout
    assert "1 of 2 arms are not done" in done.stdout
    finished = list(tmp_path.glob("runs/*/summary.json"))
    assert len(finished) == 1
    logs = "".join(path.read_text() for path in tmp_path.glob("runs/*/train.log"))
    assert "The adapter does not fit the model" in logs
    assert "Traceback" not in logs
    (recorded,) = (tmp_path / "studies").glob("*.json")
    assert len(json.loads(recorded.read_text())["arms"]) == 2


def test_a_sweep_that_needs_vllm_is_left_out_of_a_collection_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is trained: the jobs are only counted."""
    started: list[str] = []
    monkeypatch.setattr(study, "vllm_problem", lambda: "no vLLM here")
    monkeypatch.setattr(study, "record_sweep", lambda grid: started.append(grid.source))
    monkeypatch.setattr(local, "run_jobs", lambda jobs, workers: [0] * len(jobs))
    sweeps = ["quickstart/algorithm", "quickstart/sync"]
    assert study.run_study(sweeps, [], asked_for=["quickstart"]) == 0
    assert started == ["sweeps/quickstart/algorithm.yaml"]
    assert "quickstart/sync is left out: no vLLM here" in capsys.readouterr().out
    started.clear()
    study.run_study(sweeps, [], asked_for=["quickstart/sync"])
    assert len(started) == 2
