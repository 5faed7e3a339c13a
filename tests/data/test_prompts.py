"""Messages, chat templates and the token limit, with real tokenizers."""

from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from tina.configs import CONF
from tina.data.loading import fit_prompts
from tina.data.problem import Problem
from tina.data.prompts import build_messages, prompt_opens_think, render
from tina.errors import UserError
from tina.schema import Prompt

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
        render(tokenizer(None), build_messages("1+1", prompt("plain")))


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
