"""What the gate lets through and what it says, without torch."""

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ENVIRONMENT, ROOT, environment, finished, start
from tina import configs, gate

configs.register()


def problems(*overrides: str, multirun: bool = False) -> list[str]:
    return gate.check(overrides, multirun).problems


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["lora.rnak=8"], "no key lora.rnak: did you mean lora.rank"),
        (["+lora.rnak=8"], "no key lora.rnak: did you mean lora.rank"),
        (["++lora.rnak=8"], "no key lora.rnak: did you mean lora.rank"),
        (["+nonsense=1"], "no key nonsense"),
        (["lora.rank=abc"], "'abc' of type 'str' could not be converted to Integer"),
        (["model.name=../../x"], "model.name='../../x' names a folder"),
        (["dataset.name=" + "x" * 300], "names a folder: take at most 60"),
        (["study.name=.."], "study.name='..' names a folder"),
        (["paths.outputs='/tmp/a\nscancel -u me'"], "holds a line break or control character"),
        (["lora.rank=0"], "lora.rank=0 must be greater than 0"),
        (["hardware.step_timeout_s=0"], "hardware.step_timeout_s=0.0 must be greater than 0"),
        (["hardware.step_timeout_s=inf"], "hardware.step_timeout_s=inf must be finite"),
        (["lora.rank=-4"], "lora.rank=-4 must be greater than 0"),
        (["lora.dropout=1.5"], "lora.dropout=1.5 is a share"),
        (["algorithm=gropo"], "no algorithm=gropo: did you mean grpo"),
        (["algorithm.loss_type=gropo"], "algorithm.loss_type=gropo is not known"),
        (["model.path=/not/there"], "model.path=/not/there is not there"),
        (["model.path=./conf"], "model.path=./conf is no model folder"),
        (["dataset=file", "dataset.path=./not-there.jsonl"], "not-there.jsonl"),
        (["dataset.path=pyproject.toml"], "makes its problems itself and reads no dataset.path"),
        (["trainer.top_entropy_quantil=0.5"], "did you mean top_entropy_quantile"),
        (["trainer.learning_rate=1"], "set by this suite from schedule.learning_rate"),
        (["dataset.generator_options.term=[3,4]"], "no option 'term'"),
        (["+sweeps=lora_rnk"], "no sweeps=lora_rnk: did you mean lora_rank"),
        (["+sweeps=lora_rank"], "add -m"),
        (["paths.outputs=./pyproject.toml/x"], "pyproject.toml is a file"),
        (["batch.num_generations=7"], "groups of batch.num_generations=7: use 63 or 70"),
        (["batch.num_generations=1", "batch.completions_per_step=64"], "a group needs at least 2"),
        (["algorithm.num_iterations=2", "lora.dropout=0.1"], "would measure dropout masks; set lora.dropout=0"),
        (["batch.completions_per_forward=48"], "not a multiple of batch.completions_per_forward=48"),
        (["hardware.processes=3"], "cannot be split over hardware.processes=3: use 63 completions"),
        (["length.max_completion_tokens=4000"], "do not fit the sampler's context of 1024"),
        (["length.context_tokens=128"], "do not fit the sampler's context of 128"),
        (["benchmarks.max_new_tokens=1024"], "leaves no room for a prompt"),
        (["schedule.stretch=0.5"], "before schedule.max_steps=60"),
        (["reward.rewards.accuracy.weight=0", "reward.rewards.format.weight=0"], "Every reward has weight 0"),
        (["selection.benchmark=arithmetic_other"], "chooses on arithmetic_other"),
        (["lora.rank=4,8"], "add -m"),
        (["lora.rank=4", "lora.rank=8"], "lora.rank is given twice"),
        (["lora.rank"], "'lora.rank' is not an override"),
        (["=3"], "'=3' is not an override"),
        (["experiment=null"], "to leave experiment out, write ~experiment"),
        (["seed=interval(0,2)"], "names no values to run: list them, as seed=1,2,3 or seed=range(1,4)"),
        (["hydra/launcher=submitit_slurm"], "no hydra/launcher=submitit_slurm: did you mean slurm_l40s"),
        (["hydra/launcher=basic"], "no hydra/launcher=basic: The choices are local, plan"),
        (["hydra/launcher=joblib"], "no hydra/launcher=joblib: The choices are local, plan"),
        (["hydra.searchpath=[file:///not/there]"], "There is no folder /not/there to search for groups"),
        (["hydra.searchpath=[file:///tmp]"], "takes the place of the suite's own folders: use --config-dir"),
    ],
)
def test_a_mistake_is_one_sentence(overrides: list[str], words: str) -> None:
    found = problems(*overrides)
    assert len(found) == 1, found
    assert words in found[0]


def test_the_default_and_the_documented_overrides_pass() -> None:
    assert problems() == []
    assert problems("algorithm=dr_grpo", "seed=1") == []
    assert problems("model=tiny_c", "selection=before_transition", "benchmarks=none") == []


def test_a_grid_is_checked_whole() -> None:
    found = problems("lora.rank=4,8,0", "seed=1,2", "algorithm=grpo,gropo", "lora.rnak=2", multirun=True)
    assert len(found) == 3
    assert any("lora.rank=0" in p for p in found)
    assert any("gropo" in p for p in found)
    assert any("lora.rnak" in p for p in found)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["+sweeps=lora_rank,reward"], "sweep files cannot be swept over"),
        (["+sweeps=lora_rank", "lora.rank=3"], "lora.rank is an axis of the sweep file and given again"),
        (["+sweeps=lora_rank", "lora.rank=3,5"], "lora.rank is an axis of the sweep file and given again"),
    ],
)
def test_a_sweep_that_hydra_would_silently_change_is_refused(overrides: list[str], words: str) -> None:
    assert any(words in problem for problem in problems(*overrides, multirun=True))


def test_arms_of_a_grid_differ_and_know_what_was_swept() -> None:
    grid = gate.check(["lora.rank=4,8", "seed=1,2"], multirun=True)
    assert [arm.swept for arm in grid.arms] == [{"lora.rank": r, "seed": s} for r in ("4", "8") for s in ("1", "2")]
    assert len({arm.digest for arm in grid.arms}) == 4
    assert all(arm.config["lora"]["rank"] == int(arm.swept["lora.rank"]) for arm in grid.arms)


def test_a_key_that_was_added_with_a_plus_hides_no_other_mistake() -> None:
    found = problems("lora.rank=4,0", "algorithm=gropo", "+lora.rnak=8", multirun=True)
    assert len(found) == 3, found
    assert any("lora.rank=0 must be" in problem for problem in found)


def test_two_arms_that_are_one_run_are_refused() -> None:
    found = problems("lora.rank=8,8", multirun=True)
    assert found == ["lora.rank=8 and lora.rank=8 are the same run: remove one of them from the sweep."]


@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"], ["+nonsense=1"]])
def test_torch_is_not_imported_before_a_run_starts(arguments: list[str]) -> None:
    code = (
        "import runpy, sys; sys.argv = ['train.py', *sys.argv[1:]]\n"
        "try: runpy.run_path('train.py', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print('LOADED', [m for m in ('torch', 'transformers', 'trl', 'wandb', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert "LOADED []" in done.stdout, done.stdout + done.stderr


def test_help_names_the_groups_every_ablation_and_examples() -> None:
    done = subprocess.run([sys.executable, "train.py", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    for words in ("algorithm: cispo, dapo, dr_grpo", "experiment=open_rs2", "hydra/launcher=plan", "eval "):
        assert words in done.stdout
    listed, quickstart = done.stdout.split("Ablations")[1].split("+sweeps/quickstart=")
    assert {path.stem for path in (ROOT / "sweeps").glob("*.yaml")} <= set(re.findall(r"\w+", listed))
    assert {path.stem for path in (ROOT / "sweeps/quickstart").glob("*.yaml")} <= set(re.findall(r"\w+", quickstart))
    assert "_tina" not in done.stdout, "a preset that only others build on is no choice"


def test_a_folder_that_no_permission_bit_speaks_of_is_refused_in_words() -> None:
    done = subprocess.run(
        [sys.executable, "train.py", "paths.outputs=/proc/x"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("paths.outputs=/proc/x cannot be made") and "Traceback" not in done.stderr


def test_tab_completion_knows_choices_and_keys() -> None:
    def completed(line: str) -> list[str]:
        command = [sys.executable, "train.py", "-sc", "query=bash"]
        typed = os.environ | {"COMP_LINE": f"python train.py {line}", "COMP_POINT": str(len(line) + 16)}
        return subprocess.run(command, cwd=ROOT, env=typed, capture_output=True, text=True).stdout.split()

    assert {"algorithm=grpo", "algorithm=dr_grpo"} <= set(completed("algorithm="))
    assert {"lora.rank=", "lora.rslora="} <= set(completed("lora.r"))


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/x/a=b.jsonl", "\"dataset.path='/x/a=b.jsonl'\""),
        ("/x/aüb.jsonl", "\"dataset.path='/x/aüb.jsonl'\""),
        ("/x/a(b).jsonl", "\"dataset.path='/x/a(b).jsonl'\""),
        ("/x/a,{b.jsonl", "\"dataset.path='/x/a,{b.jsonl'\""),
        ("/x/a'b.jsonl", None),
        ("/x/a'\"b.jsonl", None),
        ("$HOME/a(b).jsonl", None),
    ],
)
def test_a_value_that_hydra_cannot_read_is_told_to_be_put_in_quotes(path: str, word: str | None) -> None:
    """What is proposed is a word of the shell and means the path; the rest is checked as if it stood there."""
    unreadable, missing = problems("dataset=file", f"dataset.path={path}")
    proposed = unreadable.partition("put it in quotes, ")[2].rstrip(".")
    assert word in (None, proposed)
    assert missing.startswith(f"There is no data file {path};")
    (argument,) = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {proposed}"], capture_output=True, text=True, check=True
    ).stdout.split("\0")[:-1]
    assert problems("dataset=file", argument) == [missing]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["seed=range(2,2)"], "seed=range(2,2) stands for no value at all"),
        (["algorithm=glob(z*)"], "algorithm=glob(z*) stands for no value at all"),
        (["experiment=glob(*)"], "experiment=_tina is only a part of others: write experiment=glob(*,exclude=_*)"),
    ],
)
def test_a_sweep_that_names_nothing_to_run_is_told(overrides: list[str], words: str) -> None:
    assert words in problems(*overrides, multirun=True)[0]


def test_a_value_may_begin_with_an_underscore() -> None:
    assert not gate.check(["prompt.system=_a,_b"], multirun=True).problems


def test_a_sweep_may_be_a_pattern() -> None:
    grid = gate.check(["algorithm=glob(*)"], multirun=True)
    names = sorted(path.stem for path in (configs.CONF / "algorithm").glob("*.yaml"))
    assert not grid.problems and [arm.swept["algorithm"] for arm in grid.arms] == names


@pytest.mark.parametrize("multirun", [False, True])
def test_a_folder_of_ones_own_adds_choices(tmp_path, multirun: bool) -> None:
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "mine.yaml").write_text("name: mine\nrslora: true\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "two_ranks.yaml").write_text("# @package _global_\nschedule:\n  max_steps: 7\n")
    grid = gate.check(
        ["lora=mine,tina" if multirun else "lora=mine", "+mine=two_ranks"], multirun, "train", str(tmp_path)
    )
    assert not grid.problems and grid.arms[0].typed.lora.name == "mine" and grid.arms[0].typed.schedule.max_steps == 7
    (problem,) = gate.check(["lora=min"], False, "train", str(tmp_path)).problems
    assert problem.startswith("There is no lora=min: did you mean mine or tina?")
    (missing, _) = gate.check(["lora=mine"], False, "train", str(tmp_path / "nowhere")).problems
    assert missing == f"There is no folder {tmp_path / 'nowhere'} to search for groups."
    assert gate.check(["lora=mine"], False).problems, "a folder of one command line is not the next one's"


def test_a_run_with_a_folder_of_ones_own(tmp_path) -> None:
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "mine.yaml").write_text("name: mine\nrank: 2\n")
    done = finished(
        start(
            "train.py", "-m", "--config-dir", str(tmp_path), "lora=mine", "seed=1,2", "benchmarks=none",
            "selection=last", "schedule.max_steps=1", "schedule.save_every=1", f"paths.outputs={tmp_path / 'out'}",
        )
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out" / "runs").glob("*/summary.json"))) == 2


@pytest.mark.parametrize("flag", ["--config-name=mine", "--config-path=/x"])
def test_flags_that_would_run_something_else_are_refused(flag: str) -> None:
    done = finished(start("train.py", flag))
    assert done.returncode == 2 and "is not taken here" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["train.py", "-m", "lora.rank=4,8", "hydra/launcher=plan"],
        ["train.py", "dataset=file", "dataset.path='/x/日本.jsonl'"],
        ["analysis/tables.py", "cache=null"],
        ["analysis/report.py", "cache=null"],
    ],
    ids=" ".join,
)
def test_a_terminal_without_unicode_shows_what_it_can(command: list[str], tmp_path, monkeypatch, shared) -> None:
    monkeypatch.setitem(ENVIRONMENT, "PYTHONIOENCODING", "ascii")
    if command[0].startswith("analysis"):
        logs = shared / "cases" / "5-wandb" / "trl017"
        command = [*command, f"source.root={logs}", f"out={tmp_path}", f"report={tmp_path / 'page.html'}"]
    done = finished(start(*command))
    assert done.returncode == (2 if "dataset=file" in command else 0) and "Traceback" not in done.stderr, done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
@pytest.mark.parametrize("command", ["train.py --help", "-m tina.status outputs=/nowhere"])
def test_a_closed_stream_ends_no_command(command: str, closed: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} {command} {closed}"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == (0 if "--help" in command else 2) and "Traceback" not in done.stderr, done.stderr
