r"""The range of a variable behind an expression: 2n+1, n \in \mathbb{N}; cx for any constant c; n^2 where n is odd.

It belongs to the expression and is no item of a list; an answer without it says the same expression. Two ranges differ
if both say what they are and say different things: "for all real x" is x \in \mathbb{R}, and a constant may be any.
"""

import re
from typing import NamedTuple

from tina.grading.brackets import split
from tina.grading.notation import squeezed

_COMMA = re.compile(",")
_TEXT = re.compile(r"\\text\s?\{((?:[^{}]|\{[^{}]*\})*)\}")
_INTRODUCED = r"\(?(?:for|where|with|when|if)\s+(?:(?:all|any|some|every|each|an? )\s*)?"
_NAME = r"(?!real|any|all)\\?[A-Za-z]+(?:_\{?\w+\}?)?"
_NAMES = rf"(?P<name>{_NAME}(?:\s?(?:,|\band\b)\s?{_NAME})*)"
_SORT = (
    r"(?:(?:arbitrary|fixed|positive|negative|non-?negative|nonzero|non-zero|odd|even|real|complex|rational|natural)\s)*"
    r"(?:integer|number|constant|value|parameter|odd|even|real|prime|positive|negative|arbitrary)s?"
)
_IN_A_SET = re.compile(
    rf"(?:{_INTRODUCED})?{_NAMES}\s?\\in\s?(?P<sort>\\mathbb\{{[NZQRC]\}}(?:\s?[\^_]\s?(?:\{{[^{{}}]*\}}|[^\s)]))*"
    r"|[NZQRC]|\\\{.*\\\})\s?\)?"
)
_IS_A = re.compile(rf"(?:{_INTRODUCED})?{_NAMES}\s+(?:(?:is|are)\s+)?(?:an?\s+|any\s+)?(?P<sort>{_SORT})\s?\)?")
_A_NAMED = re.compile(rf"{_INTRODUCED}(?P<sort>{_SORT})\s+{_NAMES}\s?\)?")
_IN_A_RANGE = re.compile(rf"{_INTRODUCED}(?P<name>[A-Za-z])\s?(?P<sort>(?:=|<|>|\\(?:le|ge|ne)(?![A-Za-z])).*)")
_TRAILING_WORDS = re.compile(r"(.*?\S)\s*((?:\\text\s?\{\s*)\(?(?:for|where|with)\b.*|\(?\b(?:for|where)\s+.*)")
_SETS = {
    "integer": r"\mathbb{Z}", "real": r"\mathbb{R}", "real number": r"\mathbb{R}", "number": r"\mathbb{R}",
    "natural number": r"\mathbb{N}", "complex number": r"\mathbb{C}", "rational number": r"\mathbb{Q}",
    "N": r"\mathbb{N}", "Z": r"\mathbb{Z}", "Q": r"\mathbb{Q}", "R": r"\mathbb{R}", "C": r"\mathbb{C}",
}  # fmt: skip
_ANY = re.compile(r"(?:(?:arbitrary|fixed|real)\s)*(?:constant|value|parameter|arbitrary)")
_REALS = r"\mathbb{R}"


class Domain(NamedTuple):
    """The names that have a range, and the range; "" is any."""

    names: str
    range: str


def split_domain(text: str) -> tuple[str, Domain] | None:
    """(expression, range) if a canonical text ends with the range of a variable that occurs in it, else None."""
    if not any(word in text for word in (r"\in", "integer", "number", "for", "where")):
        return None
    parts = [part for part, _ in split(text, _COMMA)]
    for count in range(1, len(parts)):  # "x, y \in \mathbb{R}" has a comma of its own
        before, said = ", ".join(parts[:count]), ", ".join(parts[count:])
        if domain := _read(said, before):
            return before, domain
    found = _TRAILING_WORDS.fullmatch(text)
    if not found or not (domain := _read(found[2], found[1])):
        return None
    return found[1].rstrip(", "), domain


def clash(gold: Domain | None, answer: Domain | None) -> bool:
    """Whether two ranges are different ones."""
    if gold is None or answer is None or gold == answer:
        return False
    ranges = {gold.range, answer.range}
    return gold.names != answer.names or not ("" in ranges and ranges <= {"", _REALS, r"\mathbb{C}"})


def _read(said: str, expression: str) -> Domain | None:
    words = " ".join(_TEXT.sub(r" \1 ", said).split())
    for pattern in (_IN_A_SET, _A_NAMED, _IS_A, _IN_A_RANGE):
        if found := pattern.fullmatch(words):
            break
    else:
        return None
    names = sorted(name.strip() for name in re.split(r",|\band\b", found["name"]))
    letters = re.sub(r"\\(?!alpha|beta|theta|lambda)[A-Za-z]+", " ", expression)
    if not all(name in letters for name in names):
        return None
    sort = found["sort"].removesuffix("s")
    return Domain(", ".join(names), "" if _ANY.fullmatch(sort) else squeezed(_SETS.get(sort, sort)))
