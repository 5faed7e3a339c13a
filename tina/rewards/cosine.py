"""Short right answers before long ones, long wrong ones before short."""

import math

from tina.errors import UserError
from tina.rewards.lengths import completion_lengths, counts_as_correct
from tina.rewards.registry import RewardBatch, reward

WRONG = {False: (-0.5, 0.0), True: (0.0, -0.5)}
"""Values of a wrong answer at length 0 and at max_length, by `as_released`: the released code swaps the two."""
RELEASED_MAX_CHARACTERS = 1000


@reward("cosine")
def cosine_reward(
    batch: RewardBatch,
    *,
    as_released: bool = False,
    max_length: int | None = None,
    correct_short: float = 1.0,
    correct_long: float = 0.5,
    wrong_short: float | None = None,
    wrong_long: float | None = None,
) -> list[float | None]:
    """From `short` at length 0 along half a cosine to `long` at max_length; None for a row that cannot be judged.

    v = long + (short - long) / 2 x (1 + cos(pi x length / max_length)), after Yeo et al. (2025), "Demystifying Long
    Chain-of-Thought Reasoning in LLMs": a wrong answer costs less if it is long (-0.5 to 0).

    max_length is in tokens, the completion cap unless set, and longer completions count as max_length. `as_released`,
    max_length (1000 unless set) is held against characters and nothing is clamped, so the reward is periodic: at twice
    max_length it is back at `short`; a wrong answer costs MORE if it is long (0 to -0.5); a row that cannot be judged
    gets 1.
    """
    default = RELEASED_MAX_CHARACTERS if as_released else batch.max_completion_tokens
    longest = default if max_length is None else max_length
    if not longest > 0:
        raise UserError(f"The cosine reward's max_length is above 0, not {longest}; leave it out for the default.")
    short_if_wrong, long_if_wrong = WRONG[as_released]
    wrong = (
        short_if_wrong if wrong_short is None else wrong_short,
        long_if_wrong if wrong_long is None else wrong_long,
    )
    rewards: list[float | None] = []
    for grade, length in zip(batch.grades, completion_lengths(batch, as_released), strict=True):
        correct = counts_as_correct(grade.verdict, as_released)
        if correct is None or grade.verdict == "unjudged":
            rewards.append(None if correct is None else 1.0)
            continue
        short, long = (correct_short, correct_long) if correct else wrong
        progress = length / longest if as_released else min(length, longest) / longest
        rewards.append(long + (short - long) / 2 * (1 + math.cos(math.pi * progress)))
    return rewards
