"""Does the completion proceed in visible steps?"""

import re

from tina.errors import UserError
from tina.rewards.registry import RewardBatch, reward

_STEP = re.compile(r"Step \d+:|^\d+\.|^[-*]|\b(?:First|Second|Next|Finally),", re.MULTILINE)
_RELEASED_STEP = re.compile(r"Step \d+:|\A\d+\.|\n[-*]|(?:First|Second|Next|Finally),")


@reward("reasoning_steps")
def reasoning_steps_reward(batch: RewardBatch, *, full_at: int = 3, as_released: bool = False) -> list[float | None]:
    """min(1, count / full_at), where count is the number of step markers in the completion.

    Markers: "Step 1:" anywhere; "1." at a line's start; a line that starts with a dash or an asterisk; the words
    First, Second, Next and Finally with a comma after them. `as_released`, "1." counts at the start of the text alone
    (the released pattern has no MULTILINE flag), a dash or an asterisk only after a line break, and the four words also
    inside a longer one.
    """
    if not full_at > 0:
        raise UserError(f"The reasoning_steps reward's full_at is above 0, not {full_at}.")
    step = _RELEASED_STEP if as_released else _STEP
    return [min(1.0, len(step.findall(completion)) / full_at) for completion in batch.completions]
