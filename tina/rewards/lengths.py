"""The length of a completion, in the unit a length-dependent reward is asked to use."""

from typing import Literal

from tina.errors import UserError
from tina.rewards.registry import RewardBatch

LengthUnit = Literal["characters", "tokens"]


def completion_lengths(batch: RewardBatch, unit: LengthUnit) -> list[int]:
    """Characters as the released code counts them, or tokens, at most `max_completion_tokens`. Shape [n]."""
    if unit == "characters":
        return [len(completion) for completion in batch.completions]
    if unit == "tokens":
        return [min(tokens, batch.max_completion_tokens) for tokens in batch.completion_tokens]
    raise UserError(f"A reward's length unit is 'characters' or 'tokens', not '{unit}'.")
