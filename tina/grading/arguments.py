r"""Braces around the arguments of commands: \frac43 is \frac{4}{3}, \sqrt(x+1) is \sqrt{x+1}, \mathbb R is \mathbb{R}.

As TeX reads them, but for roots: \sqrt13 is meant to be the root of 13, and \sqrt(2) of what is in the parentheses.
"""

import re

from tina.grading.brackets import matching

_ARGUMENTS = {"frac": 2, "binom": 2, "sqrt": 1, "mathbb": 1}
_DIGITS = re.compile(r"\d+")
_COMMAND = re.compile(r"\\([A-Za-z]+)")


def brace_arguments(text: str) -> str:
    """The text with braces around each argument."""
    out, index = [], 0
    while match := _COMMAND.search(text, index):
        out.append(text[index : match.end()])
        index = match.end()
        for _ in range(_ARGUMENTS.get(match[1], 0)):
            index = _skip_spaces(text, index)
            if match[1] == "sqrt" and text[index : index + 1] == "[" and "]" in text[index:]:
                root_end = text.index("]", index) + 1
                out.append(text[index:root_end])
                index = _skip_spaces(text, root_end)
            argument, index = _radicand(text, index) if match[1] == "sqrt" else _argument(text, index)
            out.append("{" + brace_arguments(argument) + "}")
    return "".join(out) + text[index:]


def _radicand(text: str, index: int) -> tuple[str, int]:
    if digits := _DIGITS.match(text, index):
        return digits.group(), digits.end()
    closing = matching(text, index) if text[index : index + 1] == "(" else None
    return (text[index + 1 : closing], closing + 1) if closing is not None else _argument(text, index)


def _argument(text: str, index: int) -> tuple[str, int]:
    """One TeX argument from `index` on, without its braces, and the index behind it."""
    if text[index : index + 1] == "{":
        end = matching(text, index)
        return (text[index + 1 : end], end + 1) if end is not None else (text[index + 1 :], len(text))
    command = _COMMAND.match(text, index)
    if command is None:
        return text[index : index + 1], index + 1
    end = command.end()
    for _ in range(_ARGUMENTS.get(command[1], 0)):
        _, end = _argument(text, _skip_spaces(text, end))
    return text[index:end], end


def _skip_spaces(text: str, index: int) -> int:
    while text[index : index + 1] == " ":
        index += 1
    return index
