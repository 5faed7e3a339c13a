"""`python analysis/tables.py` on real W&B offline files: rows, reasons for what is missing, files, exit codes."""

import csv
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.checked import checked
from analysis.overview import damaged, overview
from analysis.results import swept_settings
from analysis.runs import load
from analysis.tables import main, make_tables
from tests.analysis.logs import config_of, end_of_run, eval_run, finish, matrix, rank_sweep, start, study_run, train_run
from tests.analysis.test_wandb_files import corrupted
from tina import configs, gate
from tina.statistics import mean_interval

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep over three ranks; tests that change it work on a copy."""
    folder = tmp_path_factory.mktemp("sweep")
    rank_sweep(folder / "outputs")
    return folder


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What the tables of a folder print, piped; COLUMNS as given."""

    def run(folder: Path, columns: int | None = None) -> str:
        monkeypatch.chdir(folder)
        monkeypatch.delenv("COLUMNS", raising=False)
        if columns:
            monkeypatch.setenv("COLUMNS", str(columns))
        assert main([]) == 0
        return capsys.readouterr().out

    return run


def tables_py(folder: Path, script: Path | str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def tables_of(outputs: Path) -> dict:
    logs = load({"name": "offline", "root": str(outputs)})
    return {table.name: table for table in make_tables(overview(logs))}


def cells(table, header: str) -> list[str]:
    column = next(column for column in table.columns if column.header.replace("\n", " ") == header)
    return [column.text(row) for row in table.rows]


def test_a_sweep_gives_a_row_a_run_with_its_numbers(sweep: Path) -> None:
    done = tables_py(sweep, ROOT / "analysis" / "tables.py")
    assert done.returncode == 0 and done.stderr == "" and "60.00" in done.stdout
    rows = read_csv(sweep / "outputs/tables/runs.csv")
    assert [row["lora.rank"] for row in rows] == ["4", "8", "16"]
    assert "lora.alpha" not in rows[0]  # follows from the rank
    for index, row in enumerate(rows):
        estimate = mean_interval(matrix(12 + index))
        assert float(row["accuracy"]) == estimate.mean
        assert (float(row["low"]), float(row["high"])) == (estimate.low, estimate.high)
        assert (row["n_problems"], row["n_samples"], row["benchmarks"]) == ("20", "1", "arithmetic_test")
        assert (float(row["base_accuracy"]), float(row["format"]), float(row["base_format"])) == (0.3, 1.0, 0.1)
        assert (row["best_step"], row["steps"], row["transition"], row["cost_usd"]) == ("4", "4", "3", "0.0123")
    names = {"runs", "study_lora.rank", "transition_lora.rank", "cost", "cost_published", "cost_ratios", "claims"}
    files = {f"{name}.{suffix}" for name in names for suffix in ("md", "csv", "tex", "html")}
    assert {path.name for path in (sweep / "outputs/tables").iterdir()} == files
    assert sorted(path.name for path in sweep.iterdir()) == ["outputs"]


def test_terminal_and_markdown_show_the_same_cells(sweep: Path, printed: Callable[..., str]) -> None:
    lines = printed(sweep, 400).splitlines()
    markdown = (sweep / "outputs/tables/runs.md").read_text()
    for row in markdown.split("\n")[4:7]:
        shown = " ".join(cell.strip("* ") for cell in row.strip("| ").split(" | ")).split()
        assert any(line.split() == shown for line in lines), shown
    assert "60.00" in markdown and "38.7–78.1" in markdown and "20×1" in markdown


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_nothing_is_cut_and_what_does_not_fit_is_named(sweep: Path, width: int, printed: Callable[..., str]) -> None:
    lines = printed(sweep, width).split("\nWritten to")[0].splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert "…" not in text and "60.00 38.7–78.1" in text
    shown = (lines[2] + lines[3]).split()
    for header in ("tokens", "seconds", "run"):
        assert header in shown or header in text.split("No room here for:")[1]


def test_only_wandb_files_and_their_folders_are_needed(
    sweep: Path, tmp_path: Path, printed: Callable[..., str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sweep / "outputs", copy / "outputs", symlinks=True, ignore=shutil.ignore_patterns("tables"))
    for path in sorted(copy.rglob("*"), reverse=True):
        kept = path.suffix == ".wandb" or "files" in path.parts
        if path.is_symlink() or (path.is_file() and not kept):
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    assert printed(copy) == printed(sweep)


def test_the_script_uses_the_repository_it_lies_in(sweep: Path, tmp_path: Path) -> None:
    for part in ("analysis", "conf", "tina"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__", "weights"))
    settings = tmp_path / "conf" / "analysis.yaml"
    settings.write_text(settings.read_text().replace("outputs/tables", "of_the_copy"))
    done = tables_py(tmp_path, "analysis/tables.py", f"source.root={sweep}/outputs")
    assert done.returncode == 0 and (tmp_path / "of_the_copy" / "runs.csv").exists()


def test_what_is_not_a_test_set_is_not_reported_beside_one(tmp_path: Path) -> None:
    train_run(tmp_path, "a" * 16, config_of(selection__benchmark=None, selection__rule="last"), end=end_of_run())
    eval_run(tmp_path, "a" * 16, 4, {"arithmetic_validation": matrix(20), "arithmetic_test": matrix(10)})
    table = tables_of(tmp_path)["runs"]
    assert cells(table, "accuracy %") == ["50.00"]


@pytest.mark.parametrize("first", [1, 2])
def test_of_two_measurements_the_one_with_more_samples_counts(first: int, tmp_path: Path) -> None:
    train_run(tmp_path, "a" * 16, config_of(), end=end_of_run())
    samples = {1: [[1]] * 20, 2: [[1, 0]] * 20}
    for number in (first, 3 - first):
        path = eval_run(tmp_path, "a" * 16, 4, {"arithmetic_test": samples[number]}, id=f"eval-{number}")
        assert path.exists()
    assert cells(tables_of(tmp_path)["runs"], "accuracy %") == ["50.00"]


def test_nothing_to_show_says_what_is_damaged(tmp_path: Path) -> None:
    path = train_run(tmp_path, "a" * 16, config_of(), end=end_of_run())
    path.write_bytes(b"")
    done = tables_py(tmp_path, ROOT / "analysis/tables.py", f"source.root={tmp_path}")
    assert done.returncode == 2
    assert "nothing to show" in done.stderr and "cannot be read" in done.stderr


def test_what_was_remembered_of_curves_may_be_damaged_or_not_writable(sweep: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    arguments = [f"source.root={sweep / 'outputs'}", f"out={tmp_path / 'tables'}", f"cache={cache}"]
    first = tables_py(tmp_path, ROOT / "analysis/tables.py", *arguments)
    (cache / "turns.jsonl").write_bytes(b'{"key": "a", "kind": 7, "old": 1}\n[1]\n\xff{"\n')
    again = tables_py(tmp_path, ROOT / "analysis/tables.py", *arguments)
    shutil.rmtree(cache)
    cache.write_text("a file")
    without = tables_py(tmp_path, ROOT / "analysis/tables.py", *arguments)
    assert first.returncode == again.returncode == without.returncode == 0, without.stderr
    assert first.stdout == again.stdout == without.stdout
    assert "everything is read anew" in without.stderr


def test_a_cell_without_data_says_why(tmp_path: Path) -> None:
    train_run(tmp_path, "a" * 16, config_of(seed=1), end=end_of_run(step=4, transition=None))
    train_run(tmp_path, "b" * 16, config_of(seed=2), exit_code=1)
    killed = train_run(tmp_path, "c" * 16, config_of(seed=3), steps=range(1, 40))
    data = killed.read_bytes()
    killed.write_bytes(data[: data.rindex(b"train/kl") + 3])
    train_run(tmp_path, "d" * 16, config_of(seed=4), exit_code=143, steps=[1, 2])
    train_run(tmp_path, "e" * 16, config_of(seed=5))
    eval_run(tmp_path, "a" * 16, 0, {"arithmetic_test": matrix(6)}, table=False)
    eval_run(tmp_path, "a" * 16, 4, {"arithmetic_validation": matrix(6)})
    table = tables_of(tmp_path)["runs"]

    assert cells(table, "accuracy %") == ["not on a test set", "failed", "unfinished", "stopped", "not logged"]
    assert cells(table, "turn at step") == ["none", "failed", "unfinished", "stopped", "not logged"]
    assert cells(table, "base %") == ["30.00", "no eval", "no eval", "no eval", "no eval"]
    assert table.rows[0]["base_low"] == mean_interval(matrix(6)).low  # a count: one sample a problem needs no table
    states = cells(table, "state")
    assert [states[0], states[1], states[3]] == ["finished", "failed at step 4", "stopped at step 2"]
    assert states[2].startswith("running at step 3")
    assert cells(table, "seed") == ["1", "2", "3", "4", "5"]
    assert all(column.text(row) for column in table.columns for row in table.rows)


def test_an_incomplete_problem_table_gives_the_logged_mean_without_an_interval(tmp_path: Path) -> None:
    train_run(tmp_path, "a" * 16, config_of(), end=end_of_run())
    eval_run(tmp_path, "a" * 16, 4, {"arithmetic_test": [[1, 0], [1]]})
    (row,) = tables_of(tmp_path)["runs"].rows
    assert row["accuracy"] == pytest.approx(2 / 3) and row["low"] == row["interval"] == "incomplete"


def test_several_benchmarks_are_shown_each_and_averaged(tmp_path: Path) -> None:
    train_run(tmp_path, "a" * 16, config_of(selection__benchmark="amc23"), end=end_of_run())
    eval_run(tmp_path, "a" * 16, 4, {"aime24": matrix(5), "math500": matrix(15), "amc23": matrix(20)})
    table = tables_of(tmp_path)["runs"]
    shown = (cells(table, "AIME24"), cells(table, "MATH500"), cells(table, "average %"))
    assert shown == (["25.00"], ["75.00"], ["50.00"])
    low, other = (mean_interval(matrix(count)).low for count in (5, 15))
    assert table.rows[0]["aime24/low"] == low
    assert table.rows[0]["low"] == pytest.approx(0.5 - ((0.25 - low) ** 2 + (0.75 - other) ** 2) ** 0.5 / 2)
    assert not any("AMC23" in column.header for column in table.columns)  # the checkpoint was chosen on it


def test_study_rows_follow_the_manifest_and_say_what_is_missing(tmp_path: Path) -> None:
    digests = {name: name * 16 for name in "abc"}
    arms = [
        {"digest": digests[name], "label": f"algorithm={value}", "overrides": {"algorithm": value}, "seed": 42}
        for name, value in zip("cab", ("dr_grpo", "grpo", "bnpo"), strict=True)
    ]
    layout = {"labels": {"algorithm=dr_grpo": "Dr.GRPO"}}
    old = {"study": "losses", "title": "old", "axes": {}, "layout": {}, "arms": arms[:1]}
    study_run(tmp_path, old)
    study_run(tmp_path, {"study": "losses", "title": "Losses", "axes": {}, "layout": layout, "arms": arms})
    train_run(tmp_path, digests["a"], config_of(), end=end_of_run())
    train_run(tmp_path, digests["b"], config_of(algorithm__name="bnpo"), exit_code=1)
    eval_run(tmp_path, digests["a"], 4, {"arithmetic_test": matrix(10)})
    table = tables_of(tmp_path)["study_losses"]

    assert table.title == "Study losses: Losses"
    assert cells(table, "arm") == ["Dr.GRPO", "algorithm=grpo", "algorithm=bnpo"]
    assert cells(table, "accuracy %") == ["not run", "50.00", "failed"]
    assert cells(table, "state") == ["not run", "finished", "failed at step 4"]
    assert [row["algorithm"] for row in table.rows] == ["dr_grpo", "grpo", "bnpo"]
    assert "No run was found of: Dr.GRPO." in table.notes


def test_a_study_of_which_nothing_ran_is_a_table(tmp_path: Path, printed: Callable[..., str]) -> None:
    arm = {"digest": "a" * 16, "label": "lora.rank=4", "overrides": {"lora.rank": "4"}, "seed": 42}
    study_run(tmp_path / "outputs", {"study": "lora.rank", "axes": {}, "layout": {}, "arms": [arm]})
    text = printed(tmp_path)
    assert "lora.rank=4" in text and "not run" in text and "study_lora.rank." in text


def test_the_columns_of_settings_are_those_that_say_something() -> None:
    def row(**settings: object) -> dict:
        return {"settings": {key.replace("__", "."): value for key, value in settings.items()}}

    rows = [
        row(
            lora__rank=rank,
            lora__alpha=4.0 * rank,
            algorithm__name=name,
            algorithm__beta=beta,
            seed=seed,
            paths__outputs=rank,
        )
        for rank in (4, 8)
        for name, beta in (("grpo", 0.04), ("dr_grpo", 0.0))
        for seed in (1, 2)
    ]
    assert swept_settings(rows) == ["lora.rank", "algorithm.name", "seed"]
    assert swept_settings(rows, axes=["seed", "algorithm", "lora.alpha"]) == ["seed", "algorithm.name", "lora.alpha"]
    assert swept_settings(rows[:1]) == []


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("source.root=nowhere", "There is no such folder"),
        ("source=tapes", "There is no source=tapes: choose from lighteval, offline, snapshot, wandb"),
        ("nonsense=1", "There is no setting nonsense: the settings are source"),
        ("+nonsense=1", "is not understood: write key=value"),
        ("--multirun", "is not understood: write key=value"),
        ("out=[", "The settings cannot be used"),
        ("out=/proc/nowhere", "Tables cannot be written to /proc/nowhere"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    sweep: Path, argument: str, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(sweep)
    assert main([argument]) == 2
    told = capsys.readouterr()
    assert sentence in told.err and told.err.count("\n") == 1 and told.out == ""


ODD = {
    "eval/x_test/mean": (50.0, float("nan"), "n/a", None),
    "eval/x_test/n_problems": (0, "30", 1.5),
    "selection/step": ("last", float("nan"), -1),
    "run/seconds": (float("inf"), "long", True),
    "dynamics/transition": (3,),
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in ODD.items() for value in values])
def test_a_value_of_another_kind_is_left_out_and_told(key: str, value: object) -> None:
    told = checked({"summary": {key: value, "else": value}, "config": {}, "job_type": "train", "damage": ""})
    assert key not in told["summary"] and "else" in told["summary"]
    assert key in told["damage"] or value is None


@pytest.mark.parametrize(
    "manifest",
    [{"study": "x", "arms": "none"}, {"study": None, "arms": []}, {"study": "x", "arms": [{"digest": "a"}]}, ["x"]],
)
def test_a_manifest_of_another_form_costs_only_itself(sweep: Path, tmp_path: Path, manifest: object) -> None:
    shutil.copytree(sweep / "outputs", tmp_path / "o", symlinks=True)
    finish(start(tmp_path / "o" / "odd", id="odd", job_type="study", config={"study": manifest}))
    logs = load({"name": "offline", "root": str(tmp_path / "o")})
    assert any("the setting study is not understood" in sentence for sentence in damaged(logs))
    assert "study_lora.rank" in {table.name for table in make_tables(overview(logs))}


def test_runs_behind_a_link_are_found_once(sweep: Path, tmp_path: Path) -> None:
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "runs").symlink_to(sweep / "outputs" / "runs")
    (tmp_path / "o" / "again").symlink_to(tmp_path / "o")
    logs = load({"name": "offline", "root": str(tmp_path / "o")})
    assert len(logs.runs) == len(logs.runs.id.unique()) == 3 * 3 and set(logs.runs.segments) == {1}


def test_the_papers_rule_can_be_asked_for(sweep: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    settings = [f"source.root={sweep}/outputs", f"out={tmp_path}", "cache=null"]
    assert main(["checkpoint=best_average", *settings]) == 0
    assert "best average" in (tmp_path / "study_lora.rank.csv").read_text()
    assert main(["checkpoint=null", *settings]) == 2 and main(["checkpoint=nonsense", *settings]) == 2
    told = capsys.readouterr().err
    assert "checkpoint=None is no name" in told and "choose from logged, best_average" in told


def test_the_turn_of_a_run_that_logged_none_is_found_in_its_curve(tmp_path: Path) -> None:
    """As in logs of TRL 0.15, which know the format reward by another name."""
    run = start(tmp_path / "theirs", id="theirs", config={"learning_rate": 1e-6})
    for step in range(80):
        run.log({"train/global_step": step, "train/rewards/format_reward": 0.1 if step < 40 else 0.9})
    finish(run)
    (row,) = overview(load({"name": "offline", "root": str(tmp_path)})).rows
    assert row["transition"] == pytest.approx(40, abs=2) and row["transition_source"] == "found here"


def test_a_preset_of_the_paper_that_was_run_by_itself_stands_in_the_main_table(tmp_path: Path) -> None:
    """Known by its digest: changed in anything but its seed, it is another run."""
    configs.register()
    for settings in (["seed=7"], ["seed=7", "lora.rank=16"]):
        (arm,) = gate.check(["experiment=open_rs1", *settings], multirun=False).arms
        train_run(tmp_path, arm.digest, arm.config, end=end_of_run())
        eval_run(tmp_path, arm.digest, 4, {"x_test": matrix(12 if len(settings) == 1 else 20)})
    tables = tables_of(tmp_path)
    (row,) = [row for row in tables["main_results"].rows if row["state"] != "not run"]
    assert (row["model"], row["seeds"], row["accuracy"]) == ("Tina-Open-RS1", "7", 0.6)


def test_damaged_logs_make_tables_of_what_is_left(sweep: Path, tmp_path: Path) -> None:
    """Any file of a sweep flipped, cut, overwritten or emptied: every table that can be made is made."""
    shutil.copytree(sweep / "outputs", tmp_path / "outputs", symlinks=True)
    dice = random.Random(0)
    for path in sorted((tmp_path / "outputs").rglob("*.wandb")):
        whole = path.read_bytes()
        for damage in (corrupted(whole, dice), corrupted(whole, dice), b"", whole[:400]):
            path.write_bytes(damage)
            made = overview(load({"name": "offline", "root": str(tmp_path / "outputs")}))
            tables = {table.name: table for table in make_tables(made)}
            assert {"runs", "cost", "claims"} <= tables.keys() and len(tables["runs"].rows) >= 2
            assert [
                (table.name, column.title, row["run"])
                for table in tables.values()
                for row in table.rows
                for column in table.columns
                if not column.text(row)
            ] == []
            assert damaged(made.logs) or "running" in set(made.logs.runs.state) or damage == whole
        path.write_bytes(whole)


def test_sums_of_runs_that_did_not_all_log_are_bounds(tmp_path: Path) -> None:
    train_run(tmp_path, "a" * 16, config_of(seed=1), end=end_of_run())
    train_run(tmp_path, "b" * 16, config_of(seed=2), exit_code=143)
    table = tables_of(tmp_path)["cost"]
    assert (cells(table, "hours"), cells(table, "training $")) == (["≥0.02"], ["≥0.0123"])
    assert "≥: some of these runs did not log it." in table.notes


def test_a_note_is_printed_once_and_written_every_time(sweep: Path, printed: Callable[..., str]) -> None:
    text = printed(sweep)
    assert text.count("The embedded model is a tiny one") == 2  # one of them is about the paper's claims
    for name in ("runs", "study_lora.rank"):
        assert "The embedded model is a tiny one" in (sweep / f"outputs/tables/{name}.md").read_text()


def test_runs_that_are_no_training_runs_make_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(start(tmp_path / "outputs", id="other", job_type="sweep-agent"))
    monkeypatch.chdir(tmp_path)
    assert main([]) == 2
    assert "1 W&B runs were read, but none is a training run" in capsys.readouterr().err


def test_help_shows_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "root: outputs" in capsys.readouterr().out


def test_the_analysis_imports_neither_torch_nor_wandb() -> None:
    code = "import sys, analysis.tables; sys.exit(any(name in sys.modules for name in ('torch', 'trl', 'wandb')))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
