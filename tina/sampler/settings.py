"""What a vLLM engine is started with. Loads no engine."""

import hashlib
from dataclasses import dataclass

from tina.schema import Lora, Model, Sampler


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

    @property
    def dtype(self) -> str:
        return self.sampler.dtype or self.model.dtype


def engine_settings(
    model: Model, sampler: Sampler, lora: Lora | None, context_tokens: int, sequences: int, seed: int, device: str
) -> EngineSettings:
    """Settings of an engine for policies with this adapter (None: for a model alone)."""
    rank = lora.rank if lora is not None and sampler.sync == "adapter" else None
    return EngineSettings(model, sampler, rank, context_tokens, sequences, seed, device == "cuda")


def spaced_seed(seed: int, *place: int) -> int:
    """A seed for one place of a run; those of neighbouring seeds and places have nothing in common."""
    return int(hashlib.sha256(":".join(map(str, (seed, *place))).encode()).hexdigest()[:8], 16)
