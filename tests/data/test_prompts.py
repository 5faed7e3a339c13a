"""Messages, chat templates and the token limit, with real tokenizers."""

import resource
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from tina import configs, gate, policy
from tina.configs import CONF, ROOT
from tina.data.loading import fit_prompts
from tina.data.problem import Problem
from tina.data.prompts import build_messages, prompt_opens_think, render, told_of_template
from tina.errors import UserError
from tina.evaluation.task import make_tasks
from tina.schema import Model, Prompt

configs.register()
GROUP = CONF / "prompt"
TURNS = "{% for m in messages %}{{ m['role'] }} {{ m['content'] }}\n{% endfor %}"


def tokenizer(template: str | None) -> PreTrainedTokenizerFast:
    """One token a word, so that a limit can be counted by eye."""
    words = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", chat_template=template)


def prompt(name: str) -> Prompt:
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Prompt), OmegaConf.load(GROUP / f"{name}.yaml")))


@pytest.mark.parametrize("name", sorted(file.stem for file in GROUP.glob("*.yaml")))
def test_every_prompt_asks_the_question_once_and_as_it_is(name):
    question = "What is $\\boxed{x}$ in {y}, or {question}?"
    *before, asked = build_messages(question, prompt(name))
    assert prompt(name).name == name
    assert asked["role"] == "user" and asked["content"].count(question) == 1
    assert [message["role"] for message in before] == (["system"] if prompt(name).system else [])


def test_the_papers_prompt_asks_for_what_the_rewards_look_at():
    (system, _) = build_messages("1+1", prompt("tina"))
    assert all(word in system["content"] for word in ("<think>", "</think>", "\\boxed{}"))
    assert "\\boxed" not in build_messages("1+1", prompt("think_answer"))[0]["content"]
    assert build_messages("1+1", prompt("plain")) == [{"role": "user", "content": "1+1"}]
    assert build_messages("1+1", prompt("boxed"))[0]["content"].startswith("1+1\n\nPlease")


def test_a_template_without_a_place_for_the_question_is_refused():
    with pytest.raises(UserError, match=r"\{question\}"):
        build_messages("1+1", SimpleNamespace(name="mine", system=None, template="Solve it."))


@pytest.mark.parametrize(
    ("ending", "opened"),
    [("assistant <think>\n", True), ("assistant <think>\n\n</think>\n\n", False), ("assistant\n", False)],
)
def test_an_opened_think_block_is_seen_at_the_end_of_the_prompt_only(ending, opened):
    template = TURNS + "{% if add_generation_prompt %}" + ending.replace("\n", "{{ '\\n' }}") + "{% endif %}"
    assert prompt_opens_think(tokenizer(template), prompt("tina")) is opened
    assert prompt_opens_think(tokenizer(template), prompt("plain")) is opened


def test_a_model_without_a_chat_template_is_refused():
    with pytest.raises(UserError, match="no chat template"):
        render(tokenizer(None), "1+1", prompt("plain"))


def test_prompts_over_the_limit_are_left_out_whole_and_counted():
    problems = [Problem("word " * n, "1") for n in (1, 3, 4, 9)]
    counted = tokenizer(TURNS + "{% if add_generation_prompt %}assistant{% endif %}")
    # each prompt is the question's words, "user" and "assistant"
    kept, too_long = fit_prompts(problems, prompt("plain"), counted, 5)
    assert kept == problems[:2] and too_long == 2
    assert fit_prompts(problems, prompt("plain"), counted, 6)[1] == 1
    with pytest.raises(UserError, match=r"max_prompt_tokens=2.*shortest has 3"):
        fit_prompts(problems, prompt("plain"), counted, 2)


def test_the_system_text_counts_towards_the_limit():
    counted = tokenizer(TURNS)
    kept, _ = fit_prompts([Problem("a b", "1")], prompt("plain"), counted, 10)
    assert kept
    with pytest.raises(UserError):
        fit_prompts([Problem("a b", "1")], prompt("tina"), counted, 10)


DEEPSEEK = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '<｜User｜>' + m['content'] }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}"
)
"""The shape of the hub's template: it ends with an opened think block."""


def composed(*overrides: str):
    grid = gate.check(overrides, False)
    assert not grid.problems, grid.problems
    return grid.arms[0]


def hub_tokenizer() -> PreTrainedTokenizerFast:
    found = tokenizer(DEEPSEEK)
    found.bos_token, found.eos_token = "<bos>", "<eos>"
    return found


@pytest.mark.parametrize("name", ["open_rs1", "open_rs2", "open_rs3", "limr", "still3", "deepscaler", "openr1"])
def test_the_papers_runs_train_with_the_released_template_which_opens_no_think_block(name: str) -> None:
    asked = composed(f"experiment={name}").typed.prompt
    text = render(hub_tokenizer(), "What is 1+1?", asked)
    assert text == f"<bos>{asked.system}<｜User｜>What is 1+1?<｜Assistant｜>"
    assert not prompt_opens_think(hub_tokenizer(), asked)


def test_the_hubs_template_is_one_override_away_and_another_run() -> None:
    released, hub = composed("experiment=limr"), composed("experiment=limr", "prompt.released_template=false")
    assert prompt_opens_think(hub_tokenizer(), hub.typed.prompt)
    assert released.digest != hub.digest


def test_the_papers_benchmarks_are_asked_by_the_hubs_template() -> None:
    config = composed("experiment=limr", "benchmarks=embedded", "benchmarks.prompt=benchmark", "selection=last").typed
    task = make_tasks(config.benchmarks, config.prompt, hub_tokenizer())[0]
    assert task.opens_think
    assert task.items[0].prompt.endswith("<｜Assistant｜><think>\n")


def test_another_base_model_keeps_its_own_template_in_a_run_of_the_paper() -> None:
    asked = composed("experiment=limr", "model=qwen3_0_6b").typed.prompt
    assert asked.released_template and asked.chat_template is None
    assert render(tokenizer(TURNS), "1+1", asked).endswith("user 1+1\n")


def recipe(tmp_path, text: str) -> list[str]:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return ["prompt=recipe", f"prompt.file={path}"]


def test_a_prompt_is_read_from_a_recipe_file_and_counts_by_its_texts(tmp_path) -> None:
    text = 'model_name_or_path: x\nsystem_prompt: Be brief.\nchat_template: "' + TURNS.replace("\n", "\\n") + '"\n'
    arm = composed(*recipe(tmp_path, text))
    assert render(hub_tokenizer(), "1+1", arm.typed.prompt) == "system Be brief.\nuser 1+1\n"
    (tmp_path / "copy").mkdir()
    assert composed(*recipe(tmp_path / "copy", "# the same texts\n" + text)).digest == arm.digest
    assert composed(*recipe(tmp_path, text.replace("brief", "long"))).digest != arm.digest
    assert composed(*recipe(tmp_path, text), "prompt.system=Mine.").typed.prompt.system == "Mine."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("learning_rate: 1\n", "has no text under system_prompt or chat_template"),
        ("system_prompt: [1]\n", "has no text under system_prompt or chat_template"),
        ("- a\n", "has no text under system_prompt or chat_template"),
        ("a: [\n", "is not YAML"),
    ],
)
def test_a_recipe_that_is_none_is_refused_at_the_gate(tmp_path, text: str, words: str) -> None:
    (problem,) = gate.check(recipe(tmp_path, text), False).problems
    assert words in problem


def test_a_recipe_that_is_not_given_or_not_there_is_refused_at_the_gate(tmp_path) -> None:
    assert "add prompt.file=<recipe.yaml>" in gate.check(["prompt=recipe"], False).problems[0]
    assert "cannot be read" in gate.check(["prompt=recipe", f"prompt.file={tmp_path / 'no'}"], False).problems[0]


@pytest.fixture(scope="module")
def models(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model with templates and tokenizers of which each stumbles over something."""
    folder = tmp_path_factory.mktemp("models")
    subprocess.run([sys.executable, shared / "cases/3-templates/mkmodels.py", folder], cwd=ROOT, check=True)
    return folder


def loaded(models: Path, name: str) -> PreTrainedTokenizerFast:
    return policy.load_tokenizer(Model(name=name, path=str(models / name), max_context_tokens=256))


@pytest.mark.parametrize(
    ("name", "system", "words"),
    [
        ("nosystem", "Be brief.", ["system and user", "System role not supported", "prompt.system=null"]),
        ("vlm", None, ["(user, each a text)", "prompt.chat_template"]),
    ],
)
def test_a_template_that_does_not_take_the_messages_is_told_in_a_sentence(models, name, system, words) -> None:
    with pytest.raises(UserError) as error:
        render(loaded(models, name), "1+1", Prompt(name="mine", system=system))
    assert all(word in str(error.value) for word in [str(models / name), "'mine'", *words])


def test_a_template_without_a_system_role_is_good_for_a_prompt_without_one(models) -> None:
    assert "1+1" in render(loaded(models, "nosystem"), "1+1", Prompt(name="mine"))


def test_a_template_that_writes_the_date_is_told(models) -> None:
    assert "today's date" in told_of_template(loaded(models, "date"), Prompt(name="mine"))
    assert told_of_template(loaded(models, "date"), Prompt(name="mine", chat_template=TURNS)) is None
    assert told_of_template(loaded(models, "plain"), Prompt(name="mine")) is None


def test_a_token_without_an_embedding_is_told_before_the_model_is_loaded(models) -> None:
    with pytest.raises(UserError, match=r"its token <\|new\|> has the number 306.*0 to 305"):
        loaded(models, "added")
    assert loaded(models, "nopad").pad_token


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'x' * 10**10 }}",
        "{% set ns = namespace(x='xxxxx') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
        "{{ " + "(" * 9999 + "1" + ")" * 9999 + " }}",
    ],
    ids=["loops", "one string", "doubled", "nested"],
)
def test_a_template_that_takes_all_time_or_memory_is_a_sentence(template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tina.data.prompts.TEMPLATE_SECONDS", 1.0)
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(UserError, match="takes more than 1 s or 256 MiB for one prompt: set another"):
        render(tokenizer(template), "1+1", Prompt(name="mine"))
    assert resource.getrlimit(resource.RLIMIT_AS) == before and signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert render(tokenizer(TURNS), "1+1", Prompt(name="mine")) == "user 1+1\n"
