"""The length of a completion as the length-dependent rewards measure it."""

from tina.rewards.registry import RewardBatch


def completion_lengths(batch: RewardBatch, as_released: bool) -> list[int]:
    """Tokens, at most `max_completion_tokens`; or characters, as the released code counts them. Shape [n]."""
    if as_released:
        return [len(completion) for completion in batch.completions]
    return [min(tokens, batch.max_completion_tokens) for tokens in batch.completion_tokens]


def counts_as_correct(verdict: str, as_released: bool) -> bool | None:
    """None for a row that cannot be judged, since its gold does not parse.

    The released length reward takes such a row for correct; the released cosine reward has a value of its own for it.
    """
    if verdict == "unjudged":
        return True if as_released else None
    return verdict == "correct"
