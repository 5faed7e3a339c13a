"""What the released reward functions look at: the text of the completion alone, in characters.

They differ from the sound forms in small ways that are told where each is defined; `as_released: true` among a reward's
options chooses them. `tests/rewards/test_released.py` holds them to what the released functions return.
"""

OPENING, CLOSING = "<think>\n", "\n</think>\n"


def count_tags(completion: str) -> tuple[int, int]:
    """Opening tags that end their line, and closing tags between two line breaks; of two that share one, the first."""
    return completion.count(OPENING), completion.count(CLOSING)
