"""From a question to chat messages to the text a model is prompted with."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from jinja2 import TemplateError

from tina.errors import UserError
from tina.limits import TookTooLong, limited
from tina.schema import Model, Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Messages = list[dict[str, str]]

TEMPLATE_SECONDS, TEMPLATE_BYTES = 5.0, 256 * 2**20
"""What a chat template, which is a program of the model's author, may take for one prompt."""

RECIPE_KEYS = {"system_prompt": "system", "chat_template": "chat_template"}
"""What a recipe file of TRL's or open-r1's kind calls the system text and the chat template, and what a prompt does."""


def build_messages(question: str, prompt: Prompt) -> Messages:
    """The conversation that asks one question: the system text, if there is one, and the filled-in template.

    Raises UserError if the template has no place for the question.
    """
    if "{question}" not in prompt.template:
        raise UserError(f"The template of the prompt {prompt.name!r} must hold {{question}}, where the question goes.")
    # str.format would stumble over the braces of \boxed{}
    messages = [{"role": "user", "content": prompt.template.replace("{question}", question)}]
    return [{"role": "system", "content": prompt.system}, *messages] if prompt.system else messages


def render(tokenizer: "PreTrainedTokenizerBase", question: str, prompt: Prompt) -> str:
    """The prompt as text, up to where the model begins to answer; by the prompt's own chat template if it has one.

    Raises UserError if neither the prompt nor the tokenizer has a chat template, and if it does not take the messages.
    """
    template = template_of(tokenizer, prompt)
    if not template:
        raise UserError(
            f"The tokenizer of {tokenizer.name_or_path} has no chat template: choose a model that was tuned for chat, "
            "or set prompt.chat_template."
        )
    messages = build_messages(question, prompt)
    try:
        with limited(TEMPLATE_SECONDS, TEMPLATE_BYTES):
            return tokenizer.apply_chat_template(
                messages, chat_template=template, tokenize=False, add_generation_prompt=True
            )
    except (TookTooLong, MemoryError, RecursionError) as error:
        raise UserError(
            f"The chat template of {tokenizer.name_or_path} takes more than {TEMPLATE_SECONDS:.0f} s or "
            f"{TEMPLATE_BYTES // 2**20} MiB for one prompt: set another with prompt.chat_template."
        ) from error
    except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError) as error:
        roles = " and ".join(message["role"] for message in messages)
        hint = "prompt.system=null, or another template" if prompt.system else "another template"
        raise UserError(
            f"The chat template of {tokenizer.name_or_path} does not take the messages of the prompt {prompt.name!r} "
            f"({roles}, each a text): {error}. Set {hint} with prompt.chat_template."
        ) from error


def template_of(tokenizer: "PreTrainedTokenizerBase", prompt: Prompt) -> str | None:
    """The chat template that a prompt is built with."""
    return prompt.chat_template or tokenizer.chat_template


def told_of_template(tokenizer: "PreTrainedTokenizerBase", prompt: Prompt) -> str | None:
    """A sentence about a template that writes the date, so that the same run has other prompts tomorrow."""
    if "strftime_now" not in (template_of(tokenizer, prompt) or ""):
        return None
    return (
        f"The chat template of {tokenizer.name_or_path} writes today's date into every prompt: another day's run is "
        "another run, under the same digest. Set prompt.chat_template to one without strftime_now."
    )


def prompt_opens_think(tokenizer: "PreTrainedTokenizerBase", prompt: Prompt) -> bool:
    """Does the prompt end inside an opened think block, so that a completion can only close it?"""
    return render(tokenizer, "1+1", prompt).rstrip().endswith("<think>")


def resolved(prompt: Prompt, model: Model | None) -> Prompt:
    """The prompt with its texts filled in: from its recipe file, and from the model's `training_template`.

    What is set in the prompt itself wins. Raises UserError if the recipe cannot be read or has neither text.
    """
    if prompt.file is not None:
        told = _recipe(prompt.file)
        prompt = dataclasses.replace(prompt, **{k: v for k, v in told.items() if getattr(prompt, k) is None})
    if prompt.released_template and prompt.chat_template is None and model is not None:
        prompt = dataclasses.replace(prompt, chat_template=model.training_template)
    return prompt


def _recipe(file: str) -> dict[str, str]:
    """`system` and `chat_template` of a recipe file, those that it has."""
    if not file:
        raise UserError("prompt=recipe takes its texts from a training recipe: add prompt.file=<recipe.yaml>.")
    path = Path(file).expanduser()
    try:
        read: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"prompt.file={file} cannot be read ({error.strerror}).") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"prompt.file={file} is not YAML ({str(error).splitlines()[0]}).") from error
    found = {
        ours: read[theirs] for theirs, ours in RECIPE_KEYS.items() if isinstance(read, Mapping) and read.get(theirs)
    }
    if not found or not all(isinstance(text, str) for text in found.values()):
        raise UserError(f"prompt.file={file} has no text under {' or '.join(RECIPE_KEYS)}: it is no training recipe.")
    return found
