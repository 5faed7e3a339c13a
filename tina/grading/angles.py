r"""Degrees in the argument of a trigonometric function: \sin 30° is \sin (30\cdot\frac{\pi}{180}).

Everywhere else the sign is a unit, and stays.
"""

import re

_FUNCTION = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![A-Za-z])")
_SIGN = re.compile(r"[-+=,<>]|\\cdot(?![A-Za-z])")
_OPERAND = re.compile(r"(?:\d+(?:\.\d+)?|\\?[A-Za-z]+)$")
_MAX_SIGNS = 20
_COMMAND = re.compile(r"\\[A-Za-z]+$")


def degrees_in_arguments(text: str) -> str:
    """The text with the degrees of functions' arguments as factors."""
    if not _FUNCTION.search(text) or text.count("°") > _MAX_SIGNS:
        return text
    index = text.find("°")
    while index >= 0:
        operand = _operand(text[:index].rstrip())
        if operand and _is_argument(text[: index - len(operand)]):
            spelled = rf"({operand}\cdot\frac{{\pi}}{{180}})"
            before = text[:index].rstrip().removesuffix(operand)
            text = before + spelled + text[index + 1 :]
            index = len(before + spelled) - 1
        index = text.find("°", index + 1)
    return text


def _operand(text: str) -> str:
    r"""The number, letter, group or \frac{a}{b} that ends a text; "" if there is none."""
    if text[-1:] not in (")", "]", "}"):
        found = _OPERAND.search(text)
        return found.group() if found else ""
    start = len(text)
    while text[start - 1 : start] in (")", "]", "}"):  # the second argument of a command may stand before the first
        opening = _opening(text, start - 1)
        if opening is None:
            return ""
        start = opening
        if text[start] != "{":
            break
    command = _COMMAND.search(text[:start]) if text[start] == "{" else None
    if command and not _FUNCTION.fullmatch(command.group()):
        start = command.start()
    return text[start:]


def _opening(text: str, closing: int) -> int | None:
    depth = 0
    for index in range(closing, -1, -1):
        depth += (text[index] in ")]}") - (text[index] in "([{")
        if depth == 0:
            return index
    return None


def _is_argument(before: str) -> bool:
    """Whether a function stands to the left with no sign between, in the same bracket or in front of one around it."""
    depth, past_a_sign = 0, False
    for index in range(len(before) - 1, -1, -1):
        character = before[index]
        if character in ")]}":
            depth += 1
        elif character in "([{":
            past_a_sign = past_a_sign and depth > 0
            depth = max(0, depth - 1)
        elif depth == 0 and not past_a_sign:
            if _FUNCTION.match(before, index):
                return True
            past_a_sign = bool(_SIGN.match(before, index))
    return False
