"""The API route, the real client of wandb 0.31 against a stub on loopback.

This proves the client's side only: that all rows are asked for and none is lost on the way, that tables are downloaded,
that a project that is not there is told. What W&B's own servers answer is not tested.
"""

from pathlib import Path

import pytest

from analysis.overview import overview
from analysis.render import Table
from analysis.runs import load
from analysis.tables import make_tables
from tests.analysis.logs import config_of, rank_sweep
from tests.analysis.wandb_stub import PROJECT, Stub, StubRun, uploaded
from tina.errors import UserError

SOURCE = {"name": "wandb", "project": PROJECT, "timeout_s": 20}


def shown(table: Table) -> list[list[str]]:
    return [[column.text(row) for column in table.columns] for row in table.rows]


def test_the_api_gives_the_tables_of_the_same_offline_files(server: Stub, tmp_path: Path) -> None:
    rank_sweep(tmp_path, (4, 8))
    offline = load({"name": "offline", "root": str(tmp_path)})
    server.runs = uploaded(offline)
    logs = load(SOURCE)
    assert len(logs.problems) == len(offline.problems) and len(logs.metrics) == len(offline.metrics)
    wanted = {table.name: shown(table) for table in make_tables(overview(offline))}
    assert {table.name: shown(table) for table in make_tables(overview(logs))} == wanted


def test_all_rows_are_read_and_the_cache_asks_only_for_runs_that_went_on(server: Stub, tmp_path: Path) -> None:
    rows = [{"train/global_step": step, "train/reward": step / 7} for step in range(2345)]
    rows += [{"profiling/x": 1.0}, {"train/global_step": 3000, "train/kl": "NaN"}]
    server.runs = [StubRun(name, {"cfg": config_of()}, {}, list(rows), job_type="train") for name in ("one", "two")]
    first = load(SOURCE, None, tmp_path)
    series = first.metrics[(first.metrics.run == "one") & (first.metrics.metric == "train/reward")]
    assert series.step.tolist() == list(range(2345)) and series.value.tolist() == [step / 7 for step in range(2345)]
    assert first.metrics[first.metrics.metric == "train/kl"].value.isna().all()

    server.operations.clear()
    assert len(load(SOURCE, None, tmp_path).metrics) == len(first.metrics)
    assert "HistoryPage" not in server.operations
    server.runs[1].rows.append({"train/global_step": 3001, "train/kl": 0.5})
    again = load(SOURCE, None, tmp_path)
    assert again.metrics[again.metrics.run == "two"].step.max() == 3001
    assert server.operations.count("RunParquetHistory") == 1  # one run was scanned


def test_a_resumed_history_keeps_the_later_rows(server: Stub) -> None:
    steps = [1, 2, 3, 4, 3, 4, 5]
    rows = [{"train/global_step": step, "train/reward": float(place)} for place, step in enumerate(steps)]
    server.runs = [StubRun("one", {"cfg": config_of()}, {}, rows, job_type="train", state="crashed")]
    logs = load(SOURCE)
    assert dict(zip(logs.metrics.step, logs.metrics.value, strict=True)) == {1: 0, 2: 1, 3: 4, 4: 5, 5: 6}
    assert logs.runs.state.tolist() == ["stopped"]


def test_logs_of_trl_0_15_are_read_by_todays_names(server: Stub) -> None:
    theirs = {"train/rewards/format_reward": 0.1, "train/completion_length": 9.0}
    rows = [theirs | {"train/global_step": step} for step in (1, 2)]
    config = {"learning_rate": 1e-6, "num_generations": 6, "peft_config": {"default": {"r": 32}}, "run_name": "theirs"}
    server.runs = [StubRun("one", config, {"train/global_step": 2, "train/epoch": 0.5}, rows)]
    logs = load(SOURCE, ["train/rewards/format/mean", "train/completions/mean_length"])
    assert set(logs.metrics.metric) == {"train/rewards/format/mean", "train/completions/mean_length"}
    (row,) = overview(logs).rows
    assert row["label"] == "theirs" and row["steps"] == 2
    assert row["settings"] == {"schedule.learning_rate": 1e-6, "batch.num_generations": 6, "lora.rank": 32}


def test_a_table_that_cannot_be_downloaded_is_said(server: Stub, tmp_path: Path) -> None:
    rank_sweep(tmp_path, (4,))
    server.runs = uploaded(load({"name": "offline", "root": str(tmp_path)}))
    lost = next(run for run in server.runs if run.files)
    lost.files = {}
    runs = load(SOURCE).runs.set_index("id")
    assert "cannot be downloaded" in runs.damage[lost.name]
    assert not runs.damage.drop(lost.name).any()


@pytest.mark.parametrize(
    ("project", "sentence"),
    [
        ("them/nothing", "the runs of them/nothing: Could not find project"),
        ("tina", "<entity>/<project>"),
    ],
)
def test_a_project_that_is_not_there_is_one_sentence(server: Stub, project: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        load(SOURCE | {"project": project})
    with pytest.raises(UserError, match=r"has no runs"):
        load(SOURCE)
