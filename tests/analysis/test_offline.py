"""Offline files to tidy frames: discovery, segments of a resumed run, per-problem tables, states."""

import random
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.metrics import FORMAT_REWARD, LENGTH, canonical
from analysis.overview import damaged
from analysis.runs import METRIC_COLUMNS, PROBLEM_COLUMNS, RUN_COLUMNS, Logs, load
from analysis.series import merged
from analysis.turns import series_of, turns
from tests.analysis.logs import config_of, end_of_run, eval_run, finish, matrix, start, train_run
from tina.errors import UserError

RUN = "a" * 16


def read(root: Path) -> Logs:
    return load({"name": "offline", "root": str(root)})


def series(logs: Logs, run: str, metric: str) -> dict[int, float]:
    rows = logs.metrics[(logs.metrics.run == run) & (logs.metrics.metric == metric)]
    return dict(zip(rows.step.tolist(), rows.value.tolist(), strict=True))


def test_frames_hold_what_was_logged(tmp_path: Path) -> None:
    config = config_of(lora__rank=8)
    train_run(tmp_path, RUN, config, end=end_of_run())
    eval_run(tmp_path, RUN, 4, {"arithmetic_test": [[1, 0], [1, 1], [0, 0]]})
    logs = read(tmp_path)

    assert list(logs.runs.columns) == RUN_COLUMNS
    assert list(logs.metrics.columns) == METRIC_COLUMNS
    assert list(logs.problems.columns) == PROBLEM_COLUMNS
    train, evaluation = logs.runs.to_dict("records")
    assert (train["id"], train["job_type"], train["group"], train["state"]) == (RUN, "train", RUN, "finished")
    assert train["config"]["cfg"] == config and train["segments"] == 1 and train["damage"] == ""
    assert train["summary"]["selection/rule"] == "held_out" and train["summary"]["run/cost_usd"] == 0.0123
    assert evaluation["config"]["step"] == 4 and evaluation["group"] == RUN
    assert series(logs, RUN, "train/reward") == {1: 1.5, 2: 2.5, 3: 3.5, 4: 4.5}
    table = logs.problems
    assert set(table.run) == {f"eval-{RUN}-4"}
    assert table.problem.tolist() == ["p0", "p0", "p1", "p1", "p2", "p2"]
    assert table.verdict.tolist() == ["correct", "wrong", "correct", "correct", "wrong", "wrong"]
    assert table["sample"].tolist() == [0, 1] * 3


def test_a_run_that_lies_in_two_folders_is_no_resumed_one(tmp_path: Path) -> None:
    train_run(tmp_path / "first", RUN, config_of(), steps=range(1, 8))
    shutil.copytree(tmp_path / "first", tmp_path / "copy")
    (copied,) = read(tmp_path).runs.to_dict("records")
    assert copied["segments"] == 1 and "the same run also lies in" in copied["damage"]

    time.sleep(1.1)  # W&B names a run's folder by the second and its id
    train_run(tmp_path / "again", RUN, config_of(), steps=range(1, 5))
    logs = read(tmp_path)
    (run,) = logs.runs.to_dict("records")
    assert run["segments"] == 1 and "again" in run["path"] and run["damage"].count("is left out") == 2
    assert list(series(logs, RUN, "train/reward")) == [1, 2, 3, 4]  # not steps 5 to 7 of the first


def test_a_later_segment_replaces_each_metric_from_its_own_first_step_on(tmp_path: Path) -> None:
    train_run(tmp_path, RUN, config_of(), steps=range(1, 8), exit_code=143)
    time.sleep(1.1)  # W&B names a run's folder by the second and its id
    run = start(tmp_path / "runs" / RUN, id=RUN, group=RUN, job_type="train", config={"cfg": config_of()})
    run.log({"train/reward": 100.0, "train/global_step": 4})
    run.log({"train/reward": 101.0, "train/global_step": 5})
    run.log({"train/kl": 9.0, "train/global_step": 6})
    run.log({"run/steps": 6})
    finish(run)
    logs = read(tmp_path)

    assert series(logs, RUN, "train/reward") == {1: 1.5, 2: 2.5, 3: 3.5, 4: 100.0, 5: 101.0}
    assert series(logs, RUN, "train/kl") == pytest.approx({1: 0.01, 2: 0.02, 3: 0.03, 4: 0.04, 5: 0.05, 6: 9.0})
    (row,) = logs.runs.to_dict("records")
    assert row["segments"] == 2 and row["state"] == "finished" and row["config"]["digest"] == RUN


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=12), min_size=1, max_size=4))
def test_merging_keeps_of_each_step_the_value_that_counts(segments: list[list[int]]) -> None:
    """Held against the rule in words: a dictionary that each segment first cuts, then fills."""
    expected: dict[int, float] = {}
    parts = []
    for number, steps in enumerate(segments):
        values = [number + index / 100 for index in range(len(steps))]
        expected = {step: value for step, value in expected.items() if step < min(steps)}
        expected |= dict(zip(steps, values, strict=True))
        parts.append((np.array(steps), np.array(values)))
    steps, values = merged(parts)
    assert dict(zip(steps.tolist(), values.tolist(), strict=True)) == expected
    assert steps.tolist() == sorted(expected)


@pytest.mark.parametrize(("exit_code", "state"), [(0, "finished"), (1, "failed"), (143, "stopped")])
def test_state_follows_the_exit_record(tmp_path: Path, exit_code: int, state: str) -> None:
    train_run(tmp_path, RUN, config_of(), exit_code=exit_code)
    assert read(tmp_path).runs.state.tolist() == [state]


def test_a_run_without_an_exit_record_reads_running(tmp_path: Path) -> None:
    path = train_run(tmp_path, RUN, config_of(), steps=range(1, 30))
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"train/kl")])
    (row,) = read(tmp_path).runs.to_dict("records")
    assert row["state"] == "running" and "middle of a record" in row["damage"]


def test_reading_needs_neither_the_environment_nor_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_run(tmp_path, RUN, config_of())
    (tmp_path / "again").symlink_to(tmp_path / "runs", target_is_directory=True)
    for mode in ("disabled", "online", "nonsense"):
        monkeypatch.setenv("WANDB_MODE", mode)
        assert read(tmp_path).runs.segments.tolist() == [1]


def test_a_table_that_is_not_the_logged_one_is_not_used(tmp_path: Path) -> None:
    path = eval_run(tmp_path, RUN, 4, {"arithmetic_test": matrix(3)})
    (table,) = path.parent.rglob("*.table.json")
    table.write_text(table.read_text().replace("wrong", "correct"))
    logs = read(tmp_path)
    assert logs.problems.empty and "SHA-256 differs" in logs.runs.damage[0]
    table.unlink()
    logs = read(tmp_path)
    assert logs.problems.empty and "cannot be opened" in logs.runs.damage[0]


def test_a_table_with_other_columns_is_refused_by_name(tmp_path: Path) -> None:
    import wandb

    run = start(tmp_path, id="other", job_type="eval")
    run.log({"problems": wandb.Table(columns=["benchmark", "verdict"], data=[["x", "correct"]])})
    finish(run)
    logs = read(tmp_path)
    assert "lacks the columns problem_id, sample, seed, answer, tokens, truncated" in logs.runs.damage[0]


def test_a_wrecked_file_is_a_run_that_says_so_and_hides_no_other(tmp_path: Path) -> None:
    train_run(tmp_path, RUN, config_of())
    wrecked = train_run(tmp_path, "b" * 16, config_of())
    wrecked.write_bytes(random.Random(0).randbytes(5000))
    runs = read(tmp_path).runs.set_index("id")
    assert runs.state[RUN] == "finished" and runs.damage[RUN] == ""
    assert "what kind of run it is cannot be read" in runs.damage["b" * 16]


def test_no_runs_is_one_sentence_that_says_where_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There are no W&B runs: .*Train first"):
        read(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"There is no source tapes: choose from .*offline"):
        load({"name": "tapes"})


@pytest.mark.parametrize(
    ("case", "runs"),
    [("flatroot", ["flat0num0", "flat0num1", "flat1num0", "flat1num1"]), ("trl017", ["trl017"]), ("eps", ["eps"])],
)
def test_runs_of_other_programs_and_versions_are_training_runs_with_a_turn(
    case: str, runs: list[str], shared: Path
) -> None:
    """Records without numbers, flat keys, open-r1's rewards as TRL 0.17 logs them, a job type of their own."""
    logs = read(shared / "cases" / "5-wandb" / case)
    assert logs.runs.id.tolist() == runs and set(logs.runs.job_type) == {"train"} and not any(logs.runs.damage)
    turn = turns(series_of(logs))
    found = [turn(run, FORMAT_REWARD) for run in runs]
    assert [(one.kind, round(one.step)) for one in found] == [("turn", 20)] * len(runs)


@pytest.mark.parametrize(
    ("logged", "name"),
    [
        ("train/completion_length", LENGTH),
        ("train/rewards/format_reward", FORMAT_REWARD),
        ("train/rewards/format_reward/mean", FORMAT_REWARD),
        ("train/rewards/format_reward/std", "train/rewards/format/std"),
        ("train/rewards/cosine_scaled_reward/mean", "train/rewards/cosine/mean"),
        ("train/rewards/len_reward", "train/rewards/length/mean"),
        ("train/rewards/tag_count_reward/mean", "train/rewards/tag_count/mean"),
        ("train/rewards/accuracy/mean", "train/rewards/accuracy/mean"),
        ("train/reward", "train/reward"),
    ],
)
def test_rewards_have_one_name_however_they_were_logged(logged: str, name: str) -> None:
    assert canonical(logged) == name


def test_a_run_of_no_known_kind_is_told(tmp_path: Path) -> None:
    train_run(tmp_path, RUN, config_of())
    other = start(tmp_path, id="profile", job_type="profile")
    other.log({"gpu/seconds": 1.0})
    finish(other)
    (told,) = damaged(read(tmp_path))
    assert "run-profile.wandb: no train/global_step, so no training run." in told
