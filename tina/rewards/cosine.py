"""Short right answers before long ones, long wrong ones before short."""

import math

from tina.errors import UserError
from tina.rewards.lengths import LengthUnit, completion_lengths
from tina.rewards.registry import RewardBatch, reward

_RELEASED_MAX_CHARACTERS = 1000


@reward("cosine")
def cosine_reward(
    batch: RewardBatch,
    *,
    unit: LengthUnit = "tokens",
    max_length: int | None = None,
    correct_short: float = 1.0,
    correct_long: float = 0.5,
    wrong_short: float = -0.5,
    wrong_long: float = 0.0,
) -> list[float | None]:
    """From `short` at length 0 along half a cosine to `long` at max_length; None for a row that cannot be judged.

    v = long + (short - long) / 2 x (1 + cos(pi x length / max_length)), after Yeo et al. (2025), "Demystifying Long
    Chain-of-Thought Reasoning in LLMs".

    unit "tokens" is the sound form: max_length is the completion cap unless set, and longer completions count as
    max_length. unit "characters" is the released form: max_length (1000 unless set) is held against characters and
    nothing is clamped, so the reward is periodic: at twice max_length it is back at `short`.
    """
    default = batch.max_completion_tokens if unit == "tokens" else _RELEASED_MAX_CHARACTERS
    longest = default if max_length is None else max_length
    if not longest > 0:
        raise UserError(f"The cosine reward's max_length is above 0, not {longest}; leave it out for the default.")
    rewards: list[float | None] = []
    for grade, length in zip(batch.grades, completion_lengths(batch, unit), strict=True):
        if grade.verdict == "unjudged":
            rewards.append(None)
            continue
        short, long = (correct_short, correct_long) if grade.verdict == "correct" else (wrong_short, wrong_long)
        progress = min(length, longest) / longest if unit == "tokens" else length / longest
        rewards.append(long + (short - long) / 2 * (1 + math.cos(math.pi * progress)))
    return rewards
