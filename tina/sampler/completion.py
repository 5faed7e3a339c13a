"""What a sampler takes and gives, whatever engine is behind it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from tina.sampler.settings import EngineSettings


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


class PolicyEngine(Protocol):
    """An engine that is sent one policy after another: vLLM in this process (`seam.Engine`), or on a server."""

    settings: "EngineSettings"

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        seeds: Sequence[int],
        checkpoints: Sequence[Path | None] | None = None,
        **more: Any,
    ) -> list[Completion]:
        """One completion without its text for each prompt of token ids, each drawn with the seed beside it.

        With `checkpoints`, one a prompt, each by the adapter in that folder (None: the base); else by what is served.
        """

    def serve_adapter(self, folder: Path | None) -> None:
        """From now on samples with the adapter in `folder` (None: the base)."""

    def serve_weights(self, weights: "Iterable[tuple[str, Tensor]]") -> None:
        """From now on samples with these weights, by their names in the base's checkpoint."""
