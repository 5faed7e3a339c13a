"""What a sampler takes and gives, whatever engine is behind it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sampling:
    """How to sample; temperature 0 is greedy decoding, top_k 0 and min_p 0 leave every token in."""

    temperature: float
    top_p: float
    max_new_tokens: int
    top_k: int = 0
    min_p: float = 0.0


@dataclass(frozen=True)
class Completion:
    """One sampled answer; `tokens` counts generated tokens, `truncated` says that it met the cap without ending."""

    text: str
    tokens: int
    truncated: bool
    token_ids: tuple[int, ...] = ()
    """With the token that ended it, if one did."""
    logprobs: tuple[float, ...] | None = None
    """Of each token under the distribution that it was drawn from (nats); None where a sampler does not give them."""
