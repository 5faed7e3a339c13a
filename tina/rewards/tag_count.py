"""Partial credit for each of the think tags."""

from tina.rewards.registry import RewardBatch, reward
from tina.rewards.released import count_tags
from tina.rewards.tags import closing_lines


@reward("tag_count")
def tag_count_reward(batch: RewardBatch, *, as_released: bool = False) -> list[float | None]:
    """0.5 for exactly one opening think tag that ends its line, and 0.5 for exactly one closing tag on its own line.

    A block that the prompt opened counts as opened once, so that another tag in the completion is one too many.
    `as_released` counts the completion alone: a model whose prompt opens the block then earns the first half only by
    opening it again. (The released training prompt does not open it.)
    """
    rewards: list[float | None] = []
    for completion in batch.completions:
        opened, closed = count_tags(completion)
        if not as_released:
            opened, closed = opened + batch.prompt_opens_think, closing_lines(completion, batch.prompt_opens_think)
        rewards.append(0.5 * (opened == 1) + 0.5 * (closed == 1))
    return rewards
