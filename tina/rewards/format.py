"""Does the completion close its think block properly?"""

from tina.rewards.registry import RewardBatch, reward
from tina.rewards.tags import closing_lines


@reward("format")
def format_reward(batch: RewardBatch, *, require_opening: bool = False) -> list[float | None]:
    """1 if the closing think tag stands exactly once on a line of its own, else 0.

    As released, the opening tag is not looked at, so the definition holds whether the prompt opens the block or the
    completion does. `require_opening` also asks that the block be opened exactly once: by the prompt, or by the
    completion before it closes it.
    """
    rewards: list[float | None] = []
    for completion in batch.completions:
        good = closing_lines(completion, batch.prompt_opens_think) == 1
        if good and require_opening:
            before, _, after = completion.partition("</think>")
            good = before.count("<think>") == (not batch.prompt_opens_think) and "<think>" not in after
        rewards.append(float(good))
    return rewards
