"""From a question to chat messages to the text a model is prompted with."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tina.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from tina.schema import Prompt

Messages = list[dict[str, str]]


def build_messages(question: str, prompt: "Prompt") -> Messages:
    """The conversation that asks one question: the system text, if there is one, and the filled-in template.

    Raises UserError if the template has no place for the question.
    """
    if "{question}" not in prompt.template:
        raise UserError(f"The template of the prompt {prompt.name!r} must hold {{question}}, where the question goes.")
    # str.format would stumble over the braces of \boxed{}
    messages = [{"role": "user", "content": prompt.template.replace("{question}", question)}]
    return [{"role": "system", "content": prompt.system}, *messages] if prompt.system else messages


def render(tokenizer: "PreTrainedTokenizerBase", messages: Sequence[dict[str, str]]) -> str:
    """The prompt as text, up to where the model begins to answer. Raises UserError if there is no chat template."""
    if not tokenizer.chat_template:
        raise UserError(
            f"The tokenizer of {tokenizer.name_or_path} has no chat template: choose a model that was tuned for chat, "
            "or a tokenizer that brings one."
        )
    return tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)


def prompt_opens_think(tokenizer: "PreTrainedTokenizerBase", prompt: "Prompt") -> bool:
    """Does the prompt end inside an opened think block, so that a completion can only close it?"""
    return render(tokenizer, build_messages("1+1", prompt)).rstrip().endswith("<think>")
