"""Does the completion proceed in visible steps?"""

import re

from tina.errors import UserError
from tina.rewards.registry import RewardBatch, reward

_STEP = re.compile(r"Step \d+:|^\d+\.|^[-*]|\b(?:First|Second|Next|Finally),", re.MULTILINE)


@reward("reasoning_steps")
def reasoning_steps_reward(batch: RewardBatch, *, full_at: int = 3) -> list[float | None]:
    """min(1, count / full_at), where count is the number of step markers in the completion.

    Markers: "Step 1:" anywhere; "1." at a line's start; a line that starts with a dash or an asterisk; the words
    First, Second, Next and Finally with a comma after them.
    """
    if not full_at > 0:
        raise UserError(f"The reasoning_steps reward's full_at is above 0, not {full_at}.")
    return [min(1.0, len(_STEP.findall(completion)) / full_at) for completion in batch.completions]
