"""The real thing: train.py on the embedded model, W&B files, tables; as a user starts them."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from analysis import runs
from tests.conftest import ENVIRONMENT, ROOT, SHORT, environment, interrupt_after, run, said, start

TIMES = ("step_time", "seconds", "runtime", "per_second")


def logs(outputs: Path) -> runs.Logs:
    return runs.load({"name": "offline", "root": str(outputs)})


def training_metrics(outputs: Path) -> dict[tuple[str, int], float]:
    """Every logged training metric that is not a time, by metric and step."""
    rows = logs(outputs).metrics.itertuples()
    return {
        (str(row.metric), row.step): row.value
        for row in rows
        if row.metric.startswith("train/") and not any(time in row.metric for time in TIMES)
    }


def only_run(outputs: Path) -> Path:
    (folder,) = (outputs / "runs").iterdir()
    return folder


def test_each_arm_lies_in_a_readable_folder_with_all_that_is_needed(sweep: Path) -> None:
    folders = sorted(path.name for path in (sweep / "runs").iterdir())
    assert [name.split("-r")[1].split("-")[0] for name in folders] == ["4", "8"]
    for folder in (sweep / "runs").iterdir():
        assert (folder / "config.yaml").is_file()
        assert json.loads((folder / "summary.json").read_text())["logged"]["run/steps"] == 4
        saved = {path.name for path in (folder / "checkpoints" / "checkpoint-4").iterdir()}
        assert {"adapter_model.safetensors", "adapter_config.json", "optimizer.pt", "scheduler.pt"} <= saved
        assert {"rng_state.pth", "trainer_state.json"} <= saved
        assert "model.safetensors" not in saved  # the base is never copied


def test_what_wandb_holds(sweep: Path) -> None:
    found = logs(sweep).runs.set_index("job_type")
    trains, evaluations = found.loc[["train"]], found.loc[["eval"]]
    assert len(trains) == 2
    assert len(evaluations) == 2 * 3  # base, step 2, step 4
    assert set(trains.state) == {"finished"}
    for _, row in trains.iterrows():
        assert row.config["digest"] == row.id
        assert row.config["cfg"]["lora"]["alpha_ratio"] == 4.0
        assert list(row.tags) == ["lora.rank"]
        for key in ("run/trainable_share", "run/seconds_per_step", "run/tokens", "run/cost_usd", "selection/step"):
            assert key in row.summary, key
    for _, row in evaluations.iterrows():
        assert row.summary["eval/seconds"] > 0
        assert row.summary["eval/flops"] > 1e9
        assert row.summary["eval/cost_usd"] == 0.0  # nobody bills a laptop
    assert set(evaluations.group) == set(trains.id)
    assert len(found.loc[["study"]]) == 1
    metrics = set(logs(sweep).metrics.metric)
    assert {"train/rewards/accuracy/mean", "train/rewards/format/mean", "train/kl"} <= metrics
    assert {"train/completions/mean_length", "train/learning_rate"} <= metrics
    assert {"train/flops", "train/cost_usd"} <= metrics


def test_no_secret_and_no_command_line_is_logged(sweep: Path) -> None:
    for path in sweep.rglob("wandb-metadata.json"):
        assert "host" not in path.read_text(), path


def test_the_same_command_again_finds_the_runs_done(sweep: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in sweep.rglob("*.safetensors")}
    again = run("train.py", "lora.rank=8", f"paths.outputs={sweep}", *SHORT)
    assert again.returncode == 0, again.stderr
    assert "Done before" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in sweep.rglob("*.safetensors")} == before


def test_tables_come_from_wandb_files_alone(sweep: Path, tmp_path: Path) -> None:
    def table(outputs: Path) -> pd.DataFrame:
        done = run("analysis/tables.py", f"source.root={outputs}", f"out={outputs}/tables", "cache=null")
        assert done.returncode == 0, done.stderr
        assert "LoRA rank" in done.stdout or "lora.rank" in done.stdout
        return pd.read_csv(outputs / "tables" / "runs.csv")

    copy = tmp_path / "outputs"
    shutil.copytree(sweep, copy)
    for path in copy.rglob("*"):
        if path.is_file() and path.suffix != ".wandb" and "files" not in path.parts:
            path.unlink()
    whole, alone = table(sweep), table(copy)
    assert sorted(whole["lora.rank"]) == [4, 8]
    pd.testing.assert_frame_equal(whole, alone)


def test_the_same_seed_gives_the_same_digits_and_another_seed_others(sweep: Path, tmp_path: Path) -> None:
    again, other = tmp_path / "again", tmp_path / "other"
    for outputs, seed in ((again, 42), (other, 43)):
        done = run("train.py", "lora.rank=8", f"seed={seed}", f"paths.outputs={outputs}", *SHORT)
        assert done.returncode == 0, done.stderr
    arm = next(path for path in (sweep / "runs").iterdir() if path.name == only_run(again).name)
    original = training_metrics(arm)
    assert len(original) > 40
    assert training_metrics(again) == original
    assert training_metrics(other) != original
    pd.testing.assert_frame_equal(evaluated(arm), evaluated(again))


def evaluated(outputs: Path) -> pd.DataFrame:
    problems = logs(outputs).problems
    return problems.sort_values(["run", "benchmark", "problem", "sample"], ignore_index=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_stopped_ends_orderly_and_goes_on_exactly(sweep: Path, tmp_path: Path, number: int) -> None:
    arguments = ["lora.rank=8", f"paths.outputs={tmp_path}", *SHORT]
    process = start("train.py", *arguments)
    interrupt_after(process, lambda: bool(list(tmp_path.rglob("whole.json"))), number)
    out, err = said(process)
    assert process.returncode == 128 + number, out + err
    assert "Traceback" not in err
    assert "the same command goes on from there" in out
    assert logs(tmp_path).runs.set_index("job_type").loc["train"].state == "stopped"

    done = run("train.py", *arguments)
    assert done.returncode == 0, done.stderr
    assert "Going on from checkpoint-" in done.stdout
    arm = sweep / "runs" / only_run(tmp_path).name
    assert training_metrics(tmp_path) == training_metrics(arm)
    pd.testing.assert_frame_equal(evaluated(tmp_path), evaluated(arm))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["+nonsense=1"], "There is no key nonsense"),
        (["-m", "lora.rank=4,0", "seed=x", "algorithm=gropo"], "lora.rank=0 must be greater than 0"),
        (["experiment=limr", "dataset.path=./no.jsonl"], "no.jsonl"),
    ],
)
def test_a_mistake_ends_with_2_and_leaves_nothing(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = run("train.py", *arguments, f"paths.outputs={tmp_path / 'outputs'}", cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_dr_grpo_trains(tmp_path: Path) -> None:
    done = run("train.py", "algorithm=dr_grpo", "seed=1", f"paths.outputs={tmp_path}", *SHORT)
    assert done.returncode == 0, done.stderr
    assert "-dr_grpo-" in only_run(tmp_path).name
    assert "train/kl" not in {metric for metric, _ in training_metrics(tmp_path)}  # beta is 0


def test_an_arm_whose_configuration_was_changed_after_submission_refuses_to_run(sweep: Path, tmp_path: Path) -> None:
    arm = next((sweep / "runs").iterdir())
    digest = json.loads((arm / "summary.json").read_text())["digest"]
    changed = tmp_path / "config.yaml"
    changed.write_text((arm / "config.yaml").read_text().replace("max_steps: 4", "max_steps: 5"))
    command = [sys.executable, "-m", "tina.experiment", str(changed), digest]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"was submitted as {digest}" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml"]


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_files_are_utf_8_whatever_the_locale(tmp_path: Path, locale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python itself would take ASCII where neither its UTF-8 mode nor its coercion of the locale is on."""
    for name, value in {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}.items():
        monkeypatch.setitem(ENVIRONMENT, name, value)
    data = tmp_path / "aufgaben.jsonl"
    rows = [{"problem": f"Wie groß ist {i} + 1?", "answer": str(i + 1)} for i in range(16)]
    data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    words = ["dataset=file", f"dataset.path={data}", "prompt.system='Löse.'", f"paths.outputs={tmp_path / 'out'}"]
    done = run("train.py", *words, *SHORT)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = only_run(tmp_path / "out")
    assert "Löse." in (folder / "config.yaml").read_text(encoding="utf-8")
    exported = [sys.executable, "-m", "tina.export", f"run={folder}", f"out={tmp_path / 'adapter'}"]
    done = subprocess.run(exported, cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    done = run("analysis/tables.py", f"source.root={tmp_path}", f"out={tmp_path}", "cache=null")
    assert done.returncode == 0, done.stderr
