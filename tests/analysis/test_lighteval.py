"""Real result files of lighteval: Open-RS, two experiments over many checkpoints."""

import json
import shutil
from pathlib import Path

import pytest

from analysis.overview import overview
from analysis.runs import Logs, load
from analysis.tables import make_tables
from tina.errors import UserError

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "open_rs_evals"
needs_data = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"{FOLDER} is not there")


def read(root: Path) -> Logs:
    return load({"name": "lighteval", "root": str(root)})


@needs_data
def test_best_checkpoints_and_whether_they_can_be_told_apart() -> None:
    tables = {table.name: table for table in make_tables(overview(read(FOLDER)))}
    rows = {row["label"]: row for row in tables["checkpoints"].rows}
    assert {name: row["best_step"] for name, row in rows.items()} == {"evals/Exp1": 100, "evals/Exp2": 150}
    assert [rows[name]["evaluated"] for name in ("evals/Exp1", "evals/Exp2")] == [5, 8]
    assert all(row["aime24/p"] > 0.5 for row in rows.values())
    assert rows["evals/Exp1"]["math500/p"] == pytest.approx(0.02, abs=0.005)
    assert rows["evals/Exp2"]["math500/p"] == pytest.approx(0.14, abs=0.005)
    assert any(
        n == "No paired test is possible without per-problem results: evals/Exp1; evals/Exp2."
        for n in tables["checkpoints"].notes
    )


@needs_data
def test_duplicates_are_dropped_and_other_files_kept_apart() -> None:
    logs = read(FOLDER)
    assert len(list(FOLDER.glob("*.json"))) == 53
    assert sorted(logs.runs.group.unique()) == ["evals/Exp1", "evals/Exp2", "overall/Exp1", "overall/Exp2"]
    assert len(logs.runs) == 5 + 8 + 2 and not logs.runs.damage.any()
    models = {row["model"]: row for row in make_tables(overview(logs))[0].rows}
    assert set(models) == {"evals/Exp1", "evals/Exp2", "overall/Exp1", "overall/Exp2"}
    assert models["evals/Exp1"]["aime24/accuracy"] == 0.3 and models["evals/Exp1"]["math500/n_problems"] == 500
    assert models["overall/Exp1"]["benchmarks"] == "aime24 amc23 math500 minerva olympiadbench"


def result_file(root: Path, name: str, **scores: float) -> None:
    path = root / "evals" / "Mine_10" / "them" / "model" / f"results_{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    task = {"effective_num_docs": 10, "num_samples": None}
    content = {"config_general": {"model_name": "them/model"}, "results": {"custom|aime24|0": scores}}
    path.write_text(json.dumps(content | {"config_tasks": {"custom|aime24": task}}))


def test_two_results_that_differ_are_told_and_the_later_counts(tmp_path: Path) -> None:
    result_file(tmp_path, "2025-01-01T00-00-00.1", extractive_match=0.3)
    result_file(tmp_path, "2025-01-02T00-00-00.1", extractive_match=0.4)
    (run,) = read(tmp_path).runs.to_dict("records")
    assert run["summary"]["eval/aime24/mean"] == 0.4 and run["config"]["step"] == 10
    assert "aime24 was evaluated more than once with different results" in run["damage"]


def test_a_file_that_cannot_be_read_is_said_and_hides_no_other(tmp_path: Path) -> None:
    result_file(tmp_path, "2025-01-01T00-00-00.1", extractive_match=0.3)
    result_file(tmp_path, "2025-01-02T00-00-00.1", this=0.3, that=0.4)
    shutil.copy(__file__, tmp_path / "results_2025-01-03T00-00-00.1.json")
    runs = read(tmp_path).runs
    assert sorted(runs.job_type) == ["eval", "unread", "unread"]
    assert any("has several scores, this, that" in text for text in runs.damage)
    with pytest.raises(UserError, match=r"no result files of lighteval"):
        read(tmp_path / "evals" / "nowhere")


@pytest.mark.parametrize(
    ("case", "means", "samples"),
    [
        ("v0_10", {"aime24": 0.4, "math500": 0.8, "gpqa_diamond": 0.3}, 1),
        ("v0_11", {"aime24": 0.4, "math500": 0.8, "gpqa_diamond": 0.3}, 1),
        ("v0_12", {"aime24": 0.4, "aime25": 0.2, "math500": 0.8, "gpqa_diamond": 0.3}, 1),
        ("v0_12avg", {"aime24": 0.4}, 64),
        ("v0_13gsm", {"gsm8k": 0.7}, 1),
        ("few5", {"aime24": 0.3, "aime24 (5-shot)": 0.4}, 1),
        ("nogeneral", {"aime24": 0.4}, 1),
    ],
)
def test_files_of_every_version(case: str, means: dict[str, float], samples: int, shared: Path) -> None:
    (run,) = read(shared / "cases" / "6-lighteval" / case).runs.to_dict("records")
    summary = run["summary"]
    assert {name: summary[f"eval/{name}/mean"] for name in means} == means
    assert len([key for key in summary if key.endswith("/mean")]) == len(means) and run["damage"] == ""
    assert {summary[f"eval/{name}/n_samples"] for name in means} == {samples}


def test_a_file_whose_name_tells_no_time_is_told(shared: Path) -> None:
    (run,) = read(shared / "cases" / "6-lighteval" / "stamp2").runs.to_dict("records")
    assert run["job_type"] == "unread" and "results_final.json is no result file" in run["damage"]


def test_a_task_that_cannot_be_told_costs_no_other(tmp_path: Path) -> None:
    result_file(tmp_path, "2025-01-01T00-00-00.1", extractive_match=0.3)
    path = next(tmp_path.rglob("*.json"))
    content = json.loads(path.read_text())
    content["results"]["custom|mine|0"] = {"this": 0.3, "that": 0.4}
    path.write_text(json.dumps(content))
    runs = read(tmp_path).runs
    assert runs.summary[0]["eval/aime24/mean"] == 0.3
    assert "custom|mine|0 is left out: it has several scores, this, that" in runs.damage[1]
