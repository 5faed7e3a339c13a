"""What a vLLM engine is started with. Loads no engine."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tina.schema import Lora, Model, Sampler

BATCHED_TOKENS = 4096
"""Tokens of one forward pass of the engine; TRL's choice, since vLLM's default leaves training too little memory."""


@dataclass(frozen=True)
class EngineSettings:
    """Everything an engine is started with."""

    model: Model
    sampler: Sampler
    lora_rank: int | None
    """Of the adapters that it is to serve; None where it serves whole weights."""
    context_tokens: int
    sequences: int
    """Sequences that are generated at once, at most."""
    seed: int
    on_gpu: bool
    adapter_folder: Path | None = None
    """Where the policy's adapter is written for a server to read; an engine in this process has a place of its own."""
    adapters: int = 1
    """That completions can be under way for at the same time."""

    @property
    def dtype(self) -> str:
        return self.sampler.dtype or self.model.dtype


def engine_settings(
    model: Model,
    sampler: Sampler,
    lora: Lora | None,
    context_tokens: int,
    sequences: int,
    seed: int,
    device: str,
    adapter_folder: Path | None = None,
    adapters: int = 1,
) -> EngineSettings:
    """Settings of an engine for policies with this adapter (None: for a model alone)."""
    rank = lora.rank if lora is not None and sampler.sync == "adapter" else None
    on_gpu = device == "cuda"
    return EngineSettings(model, sampler, rank, context_tokens, sequences, seed, on_gpu, adapter_folder, adapters)


def adapters_at_once(sampler: Sampler, device: str) -> int:
    """How many checkpoints an evaluation samples from at the same time."""
    if not has_engine(sampler) or sampler.sync == "merged":
        return 1
    alone = sampler.backend == "vllm" and device == "cpu"  # there one adapter alone has a quicker way
    return sampler.adapters or (1 if alone else 4)


def has_engine(sampler: Sampler) -> bool:
    """Does vLLM sample, in this process or on a server, and not the trained model itself?"""
    return sampler.backend in ("vllm", "vllm_server")


def spaced_seed(seed: int, *place: int) -> int:
    """A seed for one place of a run; those of neighbouring seeds and places have nothing in common."""
    return int(hashlib.sha256(":".join(map(str, (seed, *place))).encode()).hexdigest()[:8], 16)
