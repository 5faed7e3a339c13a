"""Sampling with an engine that has one policy after another, or several at once: a run's checkpoints, and its base."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tina import policy
from tina.sampler.completion import Completion, PolicyEngine, Sampling
from tina.sampler.settings import spaced_seed
from tina.sampler.weights import merged_weights
from tina.schema import Model


@dataclasses.dataclass(frozen=True)
class Served:
    """Samples from one policy of an engine."""

    engine: PolicyEngine
    tokenizer: PreTrainedTokenizerBase
    checkpoint: Path | None = None
    """Whose adapter; None is the base, or the weights that the engine was sent."""

    def __call__(self, prompts: Sequence[str], sampling: Sampling, seed: int) -> list[Completion]:
        """One completion for each rendered prompt, each with its own seed, which follows from `seed` and its place."""
        return answer([Question(self, prompts, sampling, seed)])[0]


@dataclasses.dataclass(frozen=True)
class Question:
    """Prompts for one policy; those of one engine and one way of sampling can be answered together."""

    served: Served
    prompts: Sequence[str]
    sampling: Sampling
    seed: int


def answer(questions: Sequence[Question]) -> list[list[Completion]]:
    """The completions of each question, all from one call of the engine that they share."""
    first = questions[0]
    engine, tokenizer = first.served.engine, first.served.tokenizer
    ids, seeds, checkpoints = [], [], []
    for question in questions:
        ids += tokenizer(list(question.prompts), add_special_tokens=False)["input_ids"]
        seeds += [spaced_seed(question.seed, place) for place in range(len(question.prompts))]
        checkpoints += [question.served.checkpoint] * len(question.prompts)
    adapters = checkpoints if engine.settings.lora_rank is not None else None
    completions = engine.generate(ids, first.sampling, seeds, adapters)
    texts = tokenizer.batch_decode([c.token_ids for c in completions], skip_special_tokens=True)
    found = iter([dataclasses.replace(c, text=text) for c, text in zip(completions, texts, strict=True)])
    return [[next(found) for _ in question.prompts] for question in questions]


@contextlib.contextmanager
def serving(
    engine: PolicyEngine,
    tokenizer: PreTrainedTokenizerBase,
    whole: Callable[[], PeftModel | PreTrainedModel],
    checkpoint: Path | None,
    base: Model,
) -> Iterator[Served]:
    """The engine with a checkpoint (None: the base): its adapter, or the weights of `whole()` with it merged in."""
    if engine.settings.lora_rank is None:
        with policy.at_checkpoint(whole(), checkpoint, base) as measured:
            engine.serve_weights(merged_weights(measured))
        checkpoint = None
    yield Served(engine, tokenizer, checkpoint)
