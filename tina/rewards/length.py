"""Shorter than the group's other answers is better, and a wrong answer never gains by it."""

from tina.rewards.lengths import completion_lengths, counts_as_correct
from tina.rewards.registry import RewardBatch, reward


@reward("length")
def length_reward(batch: RewardBatch, *, as_released: bool = False) -> list[float | None]:
    """lambda = 0.5 - (length - shortest) / (longest - shortest) within the group; correct: lambda; wrong:
    min(0, lambda); 0 throughout where all are equally long; None for a row that cannot be judged.

    The group is the prompt's. The released code takes shortest and longest over a device's batch, which in its
    configurations is one group.

    From the Kimi k1.5 report (Kimi Team, 2025), section on the length penalty. Lengths are tokens, up to the completion
    cap; `as_released` they are characters, and a row that cannot be judged counts as correct. Since a wrong answer is
    never rewarded, this reward carries correctness even where no accuracy reward is given.
    """
    lengths = completion_lengths(batch, as_released)
    rewards: list[float | None] = []
    for rows in batch.groups():
        shortest, longest = min(lengths[rows]), max(lengths[rows])
        for grade, length in zip(batch.grades[rows], lengths[rows], strict=True):
            share = 0.5 - (length - shortest) / (longest - shortest) if longest > shortest else 0.0
            correct = counts_as_correct(grade.verdict, as_released)
            rewards.append(None if correct is None else share if correct else min(0.0, share))
    return rewards
