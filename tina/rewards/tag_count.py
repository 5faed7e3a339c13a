"""Partial credit for each of the think tags."""

from tina.rewards.registry import RewardBatch, reward
from tina.rewards.tags import closing_lines


@reward("tag_count")
def tag_count_reward(batch: RewardBatch, *, count_prompt: bool = True) -> list[float | None]:
    """0.5 for exactly one opening think tag that ends its line, and 0.5 for exactly one closing tag on its own line.

    With `count_prompt` a block that the prompt opened counts as opened once, so that another tag in the completion is
    one too many. The released code counts the completion alone (False): a model whose prompt opens the block then
    earns the first half only by opening it again.
    """
    opened_by_prompt = int(count_prompt and batch.prompt_opens_think)
    rewards: list[float | None] = []
    for completion in batch.completions:
        opened_once = opened_by_prompt + completion.count("<think>\n") == 1
        closed_once = closing_lines(completion, batch.prompt_opens_think) == 1
        rewards.append(0.5 * opened_once + 0.5 * closed_once)
    return rewards
