"""The think tags of a completion, as the format rewards count them."""

import re

_CLOSING_LINE = re.compile(r"^</think>(?=\n)", re.MULTILINE)


def closing_lines(completion: str, prompt_opens_think: bool) -> int:
    """How often the closing tag stands on a line of its own with text to follow.

    The completion's first line counts only after a prompt that opened the block: such prompts end with a line break,
    and a model may close the block at once.
    """
    at_the_start = not prompt_opens_think and completion.startswith("</think>\n")
    return len(_CLOSING_LINE.findall(completion)) - at_the_start
