"""What is not even tried: answers that a computer algebra system would choke on are refused on sight.

These guards only save time; what slips through meets the time and memory limits of the pool.
"""

import math
import re

MAX_DEPTH = 24
MAX_STACKED_POWERS = 3
MAX_EXPONENT = 100_000
MAX_FACTORIAL = 5_000

_COMMANDS_IN_A_ROW = re.compile(rf"(?:\\[A-Za-z]+\s?){{{MAX_DEPTH}}}")
_EXPONENT = re.compile(r"\^[\s{(-]*(\d+)")
_POWER_IN_EXPONENT = re.compile(r"\^[\s{(]*(\d+)\s?\^[\s{(]*(\d+)")
_FACTORIAL = re.compile(r"(\d+)[\s})\]]*!")
_FACTORIAL_SIGN = re.compile(r"\s*!")
_DIGITS = 12  # longer numerals are compared by their length alone


def refusal(text: str, max_chars: int) -> str | None:
    """Why an answer in canonical notation is not evaluated, in a few words; None if nothing speaks against it."""
    if len(text) > max_chars:
        return f"it has {len(text)} characters, more than max_chars={max_chars}"
    depth, stacked = _depths(text)
    if depth > MAX_DEPTH or _COMMANDS_IN_A_ROW.search(text):
        return f"it is nested more than {MAX_DEPTH} deep"
    if stacked > MAX_STACKED_POWERS or any(_huge_power(*found) for found in _POWER_IN_EXPONENT.findall(text)):
        return "it is a tower of powers"
    if any(_exceeds(numeral, MAX_EXPONENT) for numeral in _EXPONENT.findall(text)):
        return f"it has an exponent above {MAX_EXPONENT}"
    if any(_exceeds(numeral, MAX_FACTORIAL) for numeral in _FACTORIAL.findall(text)):
        return f"it has a factorial above {MAX_FACTORIAL}!"
    if any("!" in group or ("^" in group and not re.search("[A-Za-z]", group)) for group in _factorial_groups(text)):
        return "it has a factorial of a factorial or of a power"
    return None


def _depths(text: str) -> tuple[int, int]:
    """The deepest nesting of brackets, and the most exponents stacked upon each other."""
    groups: list[bool] = []  # for each open bracket: is it an exponent?
    deepest = stacked = chained = 0
    after_caret = False
    for character in text:
        if character in "([{":
            groups.append(after_caret)
            deepest = max(deepest, len(groups))
        elif character in ")]}" and groups:
            groups.pop()
        elif character == "^":
            chained += 1
            stacked = max(stacked, sum(groups) + chained)
        elif not character.isalnum() and not (after_caret and character == " "):
            chained = 0
        after_caret = character == "^" or (after_caret and character == " ")
    return deepest, stacked


def _factorial_groups(text: str) -> list[str]:
    """The contents of every bracket that a factorial sign stands behind, and "!" for a doubled sign."""
    found = ["!"] if re.search(r"!\s?!", text) else []
    openings: list[int] = []
    for index, character in enumerate(text):
        if character in "([{":
            openings.append(index)
        elif character in ")]}" and openings:
            opening = openings.pop()
            if _FACTORIAL_SIGN.match(text, index + 1):
                found.append(text[opening + 1 : index])
    return found


def _huge_power(base: str, exponent: str) -> bool:
    if _exceeds(exponent, MAX_EXPONENT) or len(base) > _DIGITS:
        return True
    return int(base) > 1 and int(exponent) * math.log10(int(base)) > math.log10(MAX_EXPONENT)


def _exceeds(numeral: str, limit: int) -> bool:
    numeral = numeral.lstrip("0")
    return len(numeral) > _DIGITS or (numeral != "" and int(numeral) > limit)
