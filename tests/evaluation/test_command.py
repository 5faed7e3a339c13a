"""evaluate.py, tina.export and tina.chat as a user starts them, on the embedded model."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file, save_file

from analysis import runs
from tests.conftest import ROOT, SHORT, environment, interrupt_after, run, start
from tina import files
from tina.checkpoint import mark_whole
from tina.evaluation import records

FEW = ["benchmarks.problems=12", "benchmarks.max_new_tokens=24", "benchmarks.sequences=6"]

SAMPLES = ROOT.parent / "shared" / "data" / "benchmarks"


def module(name: str, *arguments: str, given: str = "") -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", name, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(), input=given, capture_output=True, text=True)


def recorded(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("records.jsonl")}


def test_checkpoints_by_accuracy_are_printed_with_intervals_and_done_at_once_again(own_run: Path) -> None:
    command = ["evaluate.py", f"run={own_run}", "benchmarks.samples=2", "selection=best_mean", *FEW]
    first = run(*command)
    assert first.returncode == 0, first.stderr
    for words in ("base (tiny)", "step 2", "step 4 *", "step 6", "12 x 2", "[", "tokens/s", "left"):
        assert words in first.stdout, words
    assert "by best_mean (picked on the test set), of 3 candidates" in first.stdout
    assert "points too good by chance" in first.stdout
    before = recorded(own_run)
    assert len(before) == 4 * 2
    again = run(*command)
    assert again.returncode == 0, again.stderr
    assert "tokens/s" not in again.stdout
    assert again.stdout.split("┏")[1] == first.stdout.split("┏")[1]
    assert recorded(own_run) == before
    logs = runs.load({"name": "offline", "root": str(own_run)})
    assert sorted(config["step"] for config in logs.runs.config) == [0, 2, 4, 6]
    assert set(logs.runs.group) == {json.loads((own_run / "summary.json").read_text())["digest"]}


def test_what_train_py_evaluated_is_found_again(sweep: Path, tmp_path: Path) -> None:
    arm = next((sweep / "runs").iterdir())
    shutil.copytree(arm, tmp_path / "run")
    settings = [argument for argument in SHORT if argument.startswith("benchmarks.")]
    done = run("evaluate.py", f"run={tmp_path / 'run'}", *settings)
    assert done.returncode == 0, done.stderr
    assert "tokens/s" not in done.stdout
    assert recorded(tmp_path / "run") == recorded(arm)


def test_a_kill_and_a_restart_end_with_the_records_of_an_undisturbed_evaluation(own_run: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    shutil.copytree(own_run, twin)
    settings = ["checkpoints=[2]", "benchmarks.samples=2", *FEW]
    assert run("evaluate.py", f"run={twin}", *settings).returncode == 0
    process = start("evaluate.py", f"run={own_run}", *settings)
    interrupt_after(process, lambda: sum(map(len, recorded(own_run).values())) > 5000, number=9)
    assert process.wait() == -9
    assert recorded(own_run) != recorded(twin)
    done = run("evaluate.py", f"run={own_run}", *settings)
    assert done.returncode == 0, done.stderr
    assert recorded(own_run) == recorded(twin)


def test_an_adapter_that_does_not_fit_and_a_half_written_checkpoint_are_told(own_run: Path) -> None:
    checkpoints = own_run / "checkpoints"
    (checkpoints / "checkpoint-2" / "trainer_state.json").unlink()
    config = own_run / "config.yaml"
    config.write_text(config.read_text().replace("\n  rank: 4\n", "\n  rank: 8\n"))
    done = run("evaluate.py", f"run={own_run}", "base=false", *FEW)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "checkpoint-2 is half-written" in done.stdout
    assert "checkpoint-4 does not fit tiny (embedded:d)" in done.stderr
    assert "Traceback" not in done.stderr


def test_five_real_benchmarks_on_the_tiny_model(tmp_path: Path) -> None:
    files = {"aime24": "qwen", "aime25": "still", "amc23": "qwen", "math500": "still", "minerva": "qwen"}
    if not SAMPLES.exists():
        pytest.skip(f"{SAMPLES} is not there")
    paths = [f"benchmarks.paths.{name}={SAMPLES / f'{name}.{source}.jsonl'}" for name, source in files.items()]
    settings = ["benchmarks=paper", "benchmarks.skip=[gpqa_diamond]", "benchmarks.max_new_tokens=4"]
    done = run("evaluate.py", "model=tiny", f"paths.outputs={tmp_path}", *settings, *paths, "benchmarks.problems=8")
    assert done.returncode == 0, done.stderr
    for title in ("AIME24", "AIME25", "AMC23", "MATH500", "Minerva"):
        assert title in done.stdout
    folder = tmp_path / "baselines" / "tiny" / "step-0"
    found = [record for path in folder.glob("*/records.jsonl") for record in records.read(path)]
    assert len(found) == 5 * 8
    (told,) = folder.glob("paper-x1-*/evaluation.json")
    assert json.loads(told.read_text())["train_id"] == "tiny"


def test_several_runs_at_once(own_run: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    shutil.copytree(own_run, twin)
    settings = ["checkpoints=last", "base=false", "benchmarks.sets=[arithmetic_test]", *FEW]
    done = run("evaluate.py", "-m", f"run={own_run},{twin}", *settings)
    assert done.returncode == 0, done.stderr
    assert "run on embedded" in done.stdout and "twin on embedded" in done.stdout
    assert recorded(own_run) == recorded(twin) != {}


def test_of_several_runs_one_that_cannot_be_evaluated_leaves_the_others(own_run: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    shutil.copytree(own_run, twin)
    config = own_run / "config.yaml"
    config.write_text(config.read_text().replace("\n  rank: 4\n", "\n  rank: 8\n"))
    settings = ["checkpoints=last", "base=false", "benchmarks.sets=[arithmetic_test]", *FEW]
    done = run("evaluate.py", "-m", f"run={own_run},{twin}", *settings)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "checkpoint-6 does not fit tiny (embedded:d)" in done.stderr
    assert "Traceback" not in done.stderr
    assert "twin on embedded" in done.stdout and recorded(twin)


def test_export_writes_an_adapter_with_a_card_that_says_only_what_is_known(own_run: Path, tmp_path: Path) -> None:
    done = run("evaluate.py", f"run={own_run}", "checkpoints=chosen", *FEW)
    assert done.returncode == 0, done.stderr
    done = module("tina.export", f"run={own_run}", f"out={tmp_path / 'adapter'}")
    assert done.returncode == 0, done.stderr
    adapter = tmp_path / "adapter"
    weights = (own_run / "checkpoints" / "checkpoint-4" / "adapter_model.safetensors").read_bytes()
    assert (adapter / "adapter_model.safetensors").read_bytes() == weights
    assert json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"] == "embedded:d"
    assert str(ROOT) not in "".join(path.read_text() for path in adapter.glob("*.json"))
    card = (adapter / "README.md").read_text()
    for words in ("step 4 of 60", "rank 4, alpha 16", "arithmetic_test", "12 x 1", "by the rule held_out", "$0.25"):
        assert words in card, words
    assert "tiny model on generated arithmetic" in card
    again = module("tina.export", f"run={own_run}", f"out={adapter}")
    assert again.returncode == 2
    assert "is there and not empty" in again.stderr
    by_hand = module("tina.export", f"run={own_run}", "checkpoint=2", f"out={tmp_path / 'two'}")
    assert by_hand.returncode == 0, by_hand.stderr
    card = (tmp_path / "two" / "README.md").read_text()
    assert "## Scores" not in card
    assert "named by hand" in card


def test_export_merges_and_tells_how_far_the_merged_model_is_from_the_adapter(own_run: Path, tmp_path: Path) -> None:
    out = {}
    for dtype in ("float32", "bfloat16"):
        done = module("tina.export", f"run={own_run}", f"merge={dtype}", f"out={tmp_path / dtype}")
        assert done.returncode == 0, done.stderr
        out[dtype] = float(done.stdout.split("mean |difference| ")[1].split(",")[0])
        assert json.loads((tmp_path / dtype / "config.json").read_text())["dtype"] == dtype
        written = (tmp_path / dtype / "generation_config.json").read_text()
        assert written == (files.local_path("embedded:d") / "generation_config.json").read_text()
    assert out["float32"] < 1e-5 < out["bfloat16"] < 0.1


def test_chat_answers_with_the_adapter_on_and_off(own_run: Path) -> None:
    weights = own_run / "checkpoints" / "checkpoint-4" / "adapter_model.safetensors"
    louder = {k: v * (40 if "lora_B" in k else 1) for k, v in load_file(weights).items()}  # four steps change no word
    save_file(louder, weights)
    mark_whole(weights.parent)
    settings = [f"run={own_run}", "temperature=0", "max_new_tokens=16"]
    done = module("tina.chat", *settings, "--base", "Compute 3+5-2+7")
    assert done.returncode == 0, done.stderr
    base, step = done.stdout.split("step 4 (")
    assert base.startswith("base (")
    assert base.split("\n", 1)[1] != step.split("\n", 1)[1]
    lines = module("tina.chat", *settings, "checkpoint=2", given="Compute 3+5\n\nCompute 1+2-1\n")
    assert lines.returncode == 0, lines.stderr
    assert lines.stdout.count("step 2 (") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tina.export", "checkpoint=3"], "no whole checkpoint at step 3"),
        (["tina.export", "checkpoint=best"], "it takes chosen, last, or a step"),
        (["tina.export", "merge=int8"], "it takes float32, bfloat16, float16"),
        (["tina.export", "merg=float32"], "'merg=float32' is not known here: it takes run="),
        (["tina.chat", "max_new_tokens=5000", "x"], "must leave room for a question"),
        (["tina.chat", "temperature=hot", "x"], "are numbers"),
        (["tina.chat", "--bas", "x"], "the only flag is --base"),
    ],
)
def test_mistakes_of_export_and_chat_are_a_sentence(made_run: Path, arguments: list[str], words: str) -> None:
    done = module(arguments[0], f"run={made_run}", *arguments[1:])
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_two_runs_share_the_random_numbers_of_their_base_and_no_others(sweep: Path) -> None:
    """Common sampling noise would be missing from the spread between runs."""
    drawn = {}
    for arm in (sweep / "runs").iterdir():
        for path in arm.rglob("records.jsonl"):
            step = path.parent.parent.name
            drawn.setdefault(step, []).append(
                {(r.benchmark, r.problem_id): (r.seed, r.text) for r in records.read(path)}
            )
    assert set(drawn) == {"step-0", "step-2", "step-4"}
    for step, (*found,) in drawn.items():
        seeds = [{seed for seed, _ in records.values()} for records in found]
        assert len(found) == 4  # two arms, two benchmarks
        shared = [a & b for i, a in enumerate(seeds) for b in seeds[i + 1 :]]
        assert any(shared) == (step == "step-0"), step
    bases = sorted(drawn["step-0"], key=lambda records: sorted(records)[0])
    assert bases[0] == bases[1] and bases[2] == bases[3]


def test_a_checkpoint_that_diverged_is_left_out_with_a_sentence(own_run: Path) -> None:
    path = own_run / "checkpoints" / "checkpoint-4" / "adapter_model.safetensors"
    state = load_file(path)
    name = next(iter(state))
    state[name][0, 0] = float("nan")
    save_file(state, path, metadata={"format": "pt"})
    mark_whole(path.parent)
    done = run("evaluate.py", f"run={own_run}", *FEW)
    assert done.returncode == 0, done.stderr
    assert "checkpoint-4 holds weights that are no numbers, and is left out" in done.stdout.replace("\n", " ")
    assert "step 2" in done.stdout and "step 6" in done.stdout
    alone = run("evaluate.py", f"run={own_run}", "checkpoints=[4]", "base=false", *FEW)
    assert alone.returncode == 2 and "choose earlier checkpoints" in alone.stderr
    asked = module("tina.chat", f"run={own_run}", "checkpoint=4", "Compute 3+5")
    assert asked.returncode == 2 and "the run had diverged" in asked.stderr
    assert "Traceback" not in done.stderr + alone.stderr + asked.stderr


def test_training_tells_which_checkpoints_it_leaves_out(sweep: Path, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    shutil.copytree(sweep, outputs)
    (folder,) = (outputs / "runs").glob("*-r4-*")
    path = folder / "checkpoints" / "checkpoint-2" / "adapter_model.safetensors"
    state = load_file(path)
    state[next(iter(state))][0, 0] = float("nan")
    save_file(state, path, metadata={"format": "pt"})
    mark_whole(path.parent)
    (folder / "summary.json").unlink()
    done = run("train.py", "lora.rank=4", f"paths.outputs={outputs}", *SHORT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the checkpoints of the steps 2 hold weights that are no numbers") == 1
    assert list(json.loads((folder / "summary.json").read_text())["scores"]) == ["0", "4"]


def test_fewer_prompts_than_a_step_asks_are_a_sentence(tmp_path: Path) -> None:
    done = run("train.py", f"paths.outputs={tmp_path}", "dataset.size=7", *SHORT)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "A step asks 8 prompts" in done.stderr and "has 7" in done.stderr


HOSTILE_MODEL = """
import pathlib
from transformers import Qwen2Config, Qwen2ForCausalLM, PreTrainedTokenizerFast
pathlib.Path(__file__).parent.joinpath("RAN").touch()
pathlib.Path("{mark}").touch()
class Own(Qwen2Config):
    model_type = "own"
class OwnModel(Qwen2ForCausalLM):
    config_class = Own
"""


@pytest.mark.parametrize(
    "command", [["evaluate.py", *FEW], ["tina.chat", "Compute 3+5"], ["tina.export", "merge=float32"]], ids=" ".join
)
def test_the_code_of_a_foreign_run_s_model_runs_only_if_this_command_line_says_so(
    own_run: Path, tmp_path: Path, command: list[str]
) -> None:
    mark, model = tmp_path / "it-ran", tmp_path / "model"
    shutil.copytree(files.local_path("embedded:d"), model)
    (model / "own.py").write_text(HOSTILE_MODEL.replace("{mark}", str(mark)))
    told = json.loads((model / "config.json").read_text())
    told |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.OwnModel"}}
    (model / "config.json").write_text(json.dumps(told))
    config = yaml.safe_load((own_run / "config.yaml").read_text())
    config["model"] |= {"path": str(model), "trust_remote_code": True}
    (own_run / "config.yaml").write_text(yaml.safe_dump(config))
    start = run if command[0].endswith(".py") else module
    done = start(command[0], f"run={own_run}", *command[1:])
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert "brings Python code of its own" in done.stderr.replace("\n", " ") and not mark.exists()
    if command[0] == "tina.chat":
        trusted = start(command[0], f"run={own_run}", "trust_remote_code=true", *command[1:])
        assert trusted.returncode == 0 and mark.exists(), trusted.stderr


def test_a_run_that_diverges_says_so(tmp_path: Path) -> None:
    wild = [
        "schedule=constant",
        "schedule.learning_rate=1e30",
        "schedule.max_grad_norm=1e30",
        "schedule.warmup_ratio=0",
    ]
    done = run("train.py", f"paths.outputs={tmp_path}", *SHORT, *wild)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "The policy diverged at step 2" in done.stderr and "Traceback" not in done.stderr
