"""What evaluate.py refuses before anything is loaded, each in a sentence, and what it takes from a run."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.evaluation.conftest import run_folder
from tina import card, configs, gate, jsonl, segments
from tina.evaluation.request import Request, resolve
from tina.evaluation.run_folder import open_run, select_steps

configs.register()


def problems(*overrides: str, multirun: bool = False) -> list[str]:
    return gate.check(overrides, multirun, "evaluate").problems


def request_of(*overrides: str) -> Request:
    (arm,) = gate.check(overrides, False, "evaluate").arms
    return resolve(arm.typed)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return run_folder(tmp_path / "runs" / "run")


def test_the_documented_commands_pass(run: Path) -> None:
    assert problems(f"run={run}") == []
    assert problems(f"run={run}", "benchmarks=embedded", "benchmarks.samples=4", "checkpoints=[2,6]") == []
    assert problems(f"run={run}", "checkpoints=around_transition", "selection=best_mean") == []
    assert problems("model=baseline_open_rs1", "benchmarks=paper") == []
    assert problems("model=baseline_open_rs1,baseline_still3", "benchmarks=paper_mean10", multirun=True) == []


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([], "Say what to evaluate: run="),
        (["run=./nowhere"], "run=./nowhere is not there"),
        (["run=./conf"], "is no training run's folder"),
        (["model=tiny", "checkpoints=last"], "are about a run's checkpoints: give run="),
        (["model=tiny", "trust_remote_code=true"], "with model=, write model.trust_remote_code=true"),
        (["model=tiny", "benchmarks=papr"], "no benchmarks=papr: did you mean paper"),
        (["model=tiny", "benchmarks.sets=[aime26]"], "no benchmark aime26: did you mean aime2"),
        (["model=tiny", "benchmarks.skip=[gpqa]"], "no benchmark gpqa: did you mean gpqa_diamond"),
        (["model=tiny", "benchmarks.sets=[aime24]", "benchmarks.paths.aime24=./nowhere.jsonl"], "no data file nowhere"),
        (["model=tiny", "benchmarks=paper"], "benchmarks.max_new_tokens=32768 leaves no room for a prompt"),
        (["model=qwen2_5_math_1_5b", "benchmarks=paper"], "max_new_tokens=32768 leaves no room"),
        (["model=tiny", "benchmarks.top_p=1.2"], "benchmarks.top_p=1.2 must be at most 1"),
        (["model=tiny", "benchmarks.samples=0"], "benchmarks.samples=0 must be greater than 0"),
        (["model=tiny", "benchmarks.prompt=mine"], "benchmarks.prompt=mine is not known"),
        (["model=tiny", "benchmarks.smaples=2"], "no key benchmarks.smaples: did you mean benchmarks.samples"),
        (["model=tiny", "+model.pth=x"], "no key model.pth: did you mean model.path"),
        (["model=tiny", "lora.rank=4"], "no key lora.rank"),
        (["prompt.system=x", "model=tiny"], "prompt=<choice> must be given before it"),
        (["model=tiny", "model.path=./nowhere"], "model.path=./nowhere is not there"),
        (["model=tiny,tiny_c"], "add -m"),
    ],
)
def test_a_mistake_is_one_sentence(overrides: list[str], words: str) -> None:
    found = problems(*overrides)
    assert len(found) == 1, found
    assert words in found[0]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["checkpoints=[2,5]"], "no whole checkpoint at step 5: it has 2, 4, 6"),
        (["checkpoints=[]"], "checkpoints=[] is not known"),
        (["checkpoints=frist"], "it takes all, last, chosen, around_transition, or a list of steps"),
        (["selection=held_out", "benchmarks.sets=[arithmetic_test]"], "held_out chooses on arithmetic_validation"),
        (["selection=racing"], "set benchmarks.samples to 2 or more"),
        (["selection=racing", "benchmarks.samples=4", "benchmarks.skip=[arithmetic_validation]"], "does not evaluate"),
    ],
)
def test_a_mistake_about_a_run_is_one_sentence(run: Path, overrides: list[str], words: str) -> None:
    found = problems(f"run={run}", *overrides)
    assert len(found) == 1, found
    assert words in found[0]


def test_a_run_without_checkpoints_and_one_with_half_of_one_are_told_apart(run: Path) -> None:
    for state in run.rglob("trainer_state.json"):
        state.unlink()
    assert "has no checkpoint, only half-written ones (checkpoint-2, checkpoint-4" in problems(f"run={run}")[0]
    shutil.rmtree(run / "checkpoints")
    assert "has no checkpoint: the same train command goes on" in problems(f"run={run}")[0]


def test_a_half_written_checkpoint_is_left_out_and_asking_for_it_is_refused(run: Path) -> None:
    (run / "checkpoints" / "checkpoint-4" / "trainer_state.json").unlink()
    opened = open_run(run)
    assert list(opened.checkpoints) == [2, 6]
    assert [path.name for path in opened.broken] == ["checkpoint-4"]
    assert "at step 4 (half-written): it has 2, 6" in problems(f"run={run}", "checkpoints=[4]")[0]


def test_a_configuration_that_is_none_is_a_sentence(run: Path) -> None:
    (run / "config.yaml").write_text("model: {name: tiny, wings: 2}\n")
    assert "no configuration of this version" in problems(f"run={run}")[0]


def test_which_steps_are_meant(run: Path) -> None:
    opened = open_run(run)
    steps = {wanted: select_steps(opened, wanted) for wanted in ("all", "last", "chosen", "around_transition", 2)}
    assert steps == {"all": [2, 4, 6], "last": [6], "chosen": [4], "around_transition": [4, 6], 2: [2]}
    assert request_of(f"run={run}", "checkpoints=[6,2,6]").steps == [0, 2, 6]
    assert request_of(f"run={run}", "base=false", "checkpoints=last").steps == [6]


def test_an_unfinished_run_knows_neither_its_choice_nor_its_transition(run: Path) -> None:
    (run / "summary.json").unlink()
    assert problems(f"run={run}") == []
    assert "has not finished, so no checkpoint was chosen" in problems(f"run={run}", "checkpoints=chosen")[0]
    assert "No phase transition" in problems(f"run={run}", "checkpoints=around_transition")[0]


def test_an_unfinished_run_has_the_digest_that_it_will_have_when_it_is_finished(run: Path) -> None:
    finished = json.loads((run / "summary.json").read_text())["digest"]
    (run / "summary.json").unlink()
    assert open_run(run).digest == finished


def test_model_and_prompt_come_from_the_run_unless_they_are_given(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", "model=tiny_c", "prompt=boxed", "grading=as_released")
    taken = request_of(f"run={run}").config
    assert (taken.model.name, taken.prompt.name, taken.grading.mode) == ("tiny_c", "boxed", "sound")
    given = request_of(f"run={run}", "model=tiny", "prompt=plain", "grading=as_released").config
    assert (given.model.name, given.prompt.name, given.grading.mode) == ("tiny", "plain", "as_released")


def test_the_texts_of_a_prompt_are_in_the_run_and_its_recipe_need_not_be_there(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("system_prompt: Think first.\n")
    run = run_folder(tmp_path / "run", "prompt=recipe", f"prompt.file={recipe}")
    recipe.unlink()
    assert problems(f"run={run}") == []
    assert request_of(f"run={run}").config.prompt.system == "Think first."


def test_a_run_reads_the_commit_that_it_was_trained_on(run: Path) -> None:
    jsonl.append(run / segments.FILE, {"commits": {"model": "a" * 40}})
    assert open_run(run).config.model.revision == "a" * 40


@pytest.mark.parametrize("content", ["[]", "{}", '{"digest": 3, "logged": {}}', "{", "[" * 100_000])
def test_a_summary_that_is_none_is_a_sentence(run: Path, content: str) -> None:
    (run / "summary.json").write_text(content)
    (problem,) = problems(f"run={run}")
    assert "summary.json" in problem


@pytest.mark.parametrize(
    "content", ["[]", "3", "model: 3", "model: {name: [", "\x00", "a: &a [*a]", "seed: x", "? [a]\n: b"]
)
def test_a_configuration_of_any_form_is_a_sentence(run: Path, content: str) -> None:
    (run / "config.yaml").write_text(content)
    (problem,) = problems(f"run={run}")
    assert "config.yaml" in problem


def test_nothing_in_a_run_s_configuration_is_filled_in(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    config = yaml.safe_load((run / "config.yaml").read_text())
    for name in ("model", "dataset"):
        config[name]["name"] = r"\${oc.env:HF_TOKEN} ${oc.env:HF_TOKEN}"
    config["dataset"]["generator_options"] = {"x": ["${oc.env:HF_TOKEN}"]}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    opened = open_run(run)
    assert opened.config.model.name == config["model"]["name"]
    assert opened.config.dataset.generator_options == {"x": ["${oc.env:HF_TOKEN}"]}
    assert "hf_secret" not in card.model_card(opened, 4, None, {})


def test_no_run_says_that_a_models_own_code_may_run(run: Path) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["model"]["trust_remote_code"] = True
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert not open_run(run).config.model.trust_remote_code
    assert not request_of(f"run={run}").config.model.trust_remote_code
    assert request_of(f"run={run}", "trust_remote_code=true").config.model.trust_remote_code


def test_where_evaluations_lie_and_what_they_belong_to(run: Path, tmp_path: Path) -> None:
    of_run = request_of(f"run={run}")
    assert (of_run.folder, of_run.source) == (run / "evaluations", open_run(run).digest)
    alone = request_of("model=tiny", f"paths.outputs={tmp_path}")
    assert (alone.folder, alone.source, alone.steps) == (tmp_path / "baselines" / "tiny", "tiny", [0])
    assert alone.fingerprint != request_of("model=tiny_c").fingerprint
    assert yaml.safe_load((run / "config.yaml").read_text())["model"]["name"] == of_run.config.model.name


def test_the_gate_of_an_evaluation_loads_nothing_heavy(run: Path) -> None:
    code = (
        "import sys\nfrom tina import cli, configs\nconfigs.register()\n"
        "cli.pass_gate(sys.argv[1:], 'evaluate')\n"
        "print({'torch', 'transformers', 'trl', 'peft', 'wandb', 'datasets', 'pandas'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, f"run={run}", "checkpoints=last"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stdout + done.stderr
