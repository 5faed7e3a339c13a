"""Sampling with transformers' own generate: the evaluated model is the trained model, adapter and all."""

from collections.abc import Sequence

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from tina.sampler.completion import Completion, Sampling


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    sampling: Sampling,
    seed: int,
) -> list[Completion]:
    """One completion for each rendered prompt, sampled as one batch.

    The global random state is put back afterwards, so that an evaluation inside a run does not change the run.
    """
    encoded = tokenizer(list(prompts), return_tensors="pt", padding=True, add_special_tokens=False).to(model.device)
    config = GenerationConfig(
        do_sample=sampling.temperature > 0,
        temperature=sampling.temperature if sampling.temperature > 0 else None,
        top_p=sampling.top_p if sampling.temperature > 0 else None,
        top_k=0 if sampling.temperature > 0 else None,
        max_new_tokens=sampling.max_new_tokens,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=eos_token_ids(model, tokenizer),
    )
    was_training = model.training
    model.eval()
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        torch.manual_seed(seed)
        output = model.generate(**encoded, generation_config=config)
    model.train(was_training)
    ends = set(config.eos_token_id)
    return [_completion(row, ends, tokenizer) for row in output[:, encoded.input_ids.shape[1] :].tolist()]


def eos_token_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Every token that ends a completion: a model's generation config may name more than its tokenizer."""
    configured = model.generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return sorted({i for i in [*ids, tokenizer.eos_token_id] if i is not None})


def _completion(row: list[int], ends: set[int], tokenizer: PreTrainedTokenizerBase) -> Completion:
    end = next((i for i, token in enumerate(row) if token in ends), None)
    kept = row if end is None else row[: end + 1]
    return Completion(tokenizer.decode(kept, skip_special_tokens=True), len(kept), end is None)
