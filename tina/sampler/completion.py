"""What a sampler takes and gives, whatever engine is behind it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sampling:
    """How to sample; temperature 0 is greedy decoding."""

    temperature: float
    top_p: float
    max_new_tokens: int


@dataclass(frozen=True)
class Completion:
    """One sampled answer; `tokens` counts generated tokens, `truncated` says that it met the cap without ending."""

    text: str
    tokens: int
    truncated: bool
