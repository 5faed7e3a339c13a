"""Sampling with an engine that is sent one policy after another: a run's checkpoints, or its base."""

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


def sample(
    engine: PolicyEngine, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], sampling: Sampling, seed: int
) -> list[Completion]:
    """One completion for each rendered prompt, each with a seed of its own that follows from `seed` and its place."""
    ids = tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
    completions = engine.generate(ids, sampling, [spaced_seed(seed, place) for place in range(len(ids))])
    texts = tokenizer.batch_decode([c.token_ids for c in completions], skip_special_tokens=True)
    return [dataclasses.replace(c, text=text) for c, text in zip(completions, texts, strict=True)]


@contextlib.contextmanager
def serving(
    engine: PolicyEngine, whole: Callable[[], PeftModel | PreTrainedModel], checkpoint: Path | None, base: Model
) -> Iterator[None]:
    """The engine with a checkpoint (None: the base): its adapter, or the weights of `whole()` with it merged in."""
    if engine.settings.lora_rank is not None:
        engine.serve_adapter(checkpoint)
    else:
        with policy.at_checkpoint(whole(), checkpoint, base) as measured:
            engine.serve_weights(merged_weights(measured))
    yield
