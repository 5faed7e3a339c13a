"""Does the completion close its think block properly?"""

from tina.rewards.registry import RewardBatch, reward
from tina.rewards.released import count_tags
from tina.rewards.tags import closing_lines


@reward("format")
def format_reward(
    batch: RewardBatch, *, require_opening: bool = False, as_released: bool = False
) -> list[float | None]:
    """1 if the closing think tag stands exactly once on a line of its own, with text to follow, else 0.

    The opening tag is not looked at, so the definition holds whether the prompt opens the block or the completion does;
    `require_opening` also asks that the block be opened exactly once, by the prompt or by the completion before it
    closes it. `as_released` counts two closing tags on neighbouring lines as one, and never one on the first line.
    """
    if as_released:
        return [float(count_tags(completion)[1] == 1) for completion in batch.completions]
    rewards: list[float | None] = []
    for completion in batch.completions:
        good = closing_lines(completion, batch.prompt_opens_think) == 1
        if good and require_opening:
            before, _, after = completion.partition("</think>")
            good = before.count("<think>") == (not batch.prompt_opens_think) and "<think>" not in after
        rewards.append(float(good))
    return rewards
