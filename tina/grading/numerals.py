r"""Numerals that are no plain numbers: times of day, ratios, numbers in another base, degrees with minutes.

11:30 pm   6 o'clock   3:4   1:2:3   3 to 2   2516_8   1A_{16}   30°15'
"""

import re
from fractions import Fraction

from tina.grading import literals
from tina.grading.literals import Literal

_HALF = r"(?:\\text\s?\{)?\s?(?:([ap])\.?\s?m\b\.?)?\s?\}?"
_CLOCK = re.compile(rf"(\d{{1,2}}):(\d{{2}})(?::(\d{{2}}))?\s?{_HALF}", re.IGNORECASE)
_FULL_HOUR = re.compile(r"(\d{1,2})()()\s?(?:\\text\s?\{)?\s?(?:o'?clock|([ap])\.?\s?m\b\.?)\s?\}?", re.IGNORECASE)
_RATIO = re.compile(r"\d+(?:\.\d+)?(?:\s?:\s?\d+(?:\.\d+)?)+")
_RATIO_IN_WORDS = re.compile(r"(\d+)(?:\s|\s?\\text\s?\{\s?)to(?:\s|\s?\}\s?)(\d+)")
_BASED = re.compile(
    r"(\d[0-9A-Za-z]*|[0-9A-Z]{2,})\s?_\s?(?:\{\s?(?:\\text\s?\{)?\s?(?:base\s?)?\}?\s?(\w+)\s?\}*|(\d{1,2}))"
)
_IN_BASE = re.compile(r"\s?(?:\\text\s?\{)?\s?\(?\s?(?:in )?base[ -]?(\w+)\s?\)?\s?\}?$")
_BASE_WORDS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
               "eleven": 11, "twelve": 12, "sixteen": 16}  # fmt: skip
_SEXAGESIMAL = re.compile(r"(-?)(\d+)\s?°\s?(\d{1,2}(?:\.\d+)?)\s?'(?:\s?(\d{1,2}(?:\.\d+)?)\s?'')?")


def read_clock(text: str) -> tuple[int, ...] | None:
    """The seconds since midnight that a time of day can mean: two without a.m. or p.m.; None if it is no time."""
    found = _CLOCK.fullmatch(text) or _FULL_HOUR.fullmatch(text)
    if not found:
        return None
    hour, minute, second = (int(part or 0) for part in found.groups()[:3])
    half = (found[4] or "").lower()
    if minute > 59 or second > 59 or hour > 24 or (half and not 1 <= hour <= 12):
        return None
    hours = {"a": [hour % 12], "p": [hour % 12 + 12], "": [hour % 24, (hour + 12) % 24] if hour <= 12 else [hour % 24]}
    return tuple(h * 3600 + minute * 60 + second for h in hours[half])


def read_ratio(text: str) -> tuple[Literal, ...] | None:
    """The terms of a ratio, or None."""
    if words := _RATIO_IN_WORDS.fullmatch(text):
        return tuple(literals.read(term) for term in words.groups())
    return tuple(literals.read(term.strip()) for term in text.split(":")) if _RATIO.fullmatch(text) else None


def read_based(text: str) -> tuple[str, int] | None:
    """(digits, base) of a numeral with a base, or None; a letter is a digit only where the base has room for it."""
    found = _BASED.fullmatch(_IN_BASE.sub(r"_{\1}", text))
    if not found:
        return None
    named = (found[2] or found[3]).lower()
    base = int(named) if named.isdecimal() else _BASE_WORDS.get(named, 0)
    digits = found[1].upper()
    valid = 2 <= base <= 36 and all(int(digit, 36) < base for digit in digits)
    return (digits, base) if valid or (digits.isdecimal() and 2 <= base <= 36) else None


def read_sexagesimal(text: str) -> Literal | None:
    """The degrees of 30°15'20'', or None."""
    found = _SEXAGESIMAL.fullmatch(text)
    if not found:
        return None
    minutes, seconds = (Fraction(part or 0) for part in found.groups()[2:])
    value = int(found[2]) + minutes / 60 + seconds / 3600
    return Literal(-value if found[1] else value)
