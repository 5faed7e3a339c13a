"""Is the answer right?"""

from tina.rewards.registry import RewardBatch, reward

_VALUES = {"correct": 1.0, "wrong": 0.0, "unjudged": None}


@reward("accuracy")
def accuracy_reward(batch: RewardBatch) -> list[float | None]:
    """1 for a correct answer, 0 for a wrong one, None for a row that cannot be judged (its gold does not parse)."""
    return [_VALUES[grade.verdict] for grade in batch.grades]
