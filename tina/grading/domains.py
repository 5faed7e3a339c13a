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
_INTRODUCED = (
    r"\(?(?:\\forall|(?:for|where|with|when|if)(?![A-Za-z]))\s*(?:(?:all|any|some|every|each|an?|the)(?![A-Za-z])\s*)?"
)
_NAME = r"(?!real|any|all|values?\b)\\?[A-Za-z]+(?:_\{?\w+\}?)?"
_NAMES = rf"(?P<name>{_NAME}(?:\s?(?:,|\band\b)\s?{_NAME})*)"
_SORT = (
    r"(?:(?:arbitrary|fixed|positive|negative|non-?negative|non-?zero|odd|even|real|complex|rational|natural)\s)*"
    r"(?:integer|number|constant|value|parameter|odd|even|real|prime|positive|negative|arbitrary)s?"
    r"(?:\sof integration)?"
)
_MARKS = r"(?:\s?[\^_]\s?(?:\{[^{}]*\}|\\[A-Za-z]+|[^\s)\\]))*(?:\s?\\setminus\s?\\\{\s?0\s?\\\})?"
_IN_A_SET = re.compile(
    rf"(?:{_INTRODUCED})?{_NAMES}\s?\\in\s?(?P<sort>\\mathbb\{{[NZQRC]\}}{_MARKS}|[NZQRC]|\\\{{.*\\\}})\s?\)?"
)
_IS_A = re.compile(rf"(?:{_INTRODUCED})?{_NAMES}\s+(?:(?:is|are)\s+)?(?:(?:an?|any|the)\s+)?(?P<sort>{_SORT})\s?\)?")
_A_NAMED = re.compile(rf"{_INTRODUCED}(?P<sort>{_SORT})\s+(?:of\s+)?{_NAMES}\s?\)?")
_IN_A_RANGE = re.compile(rf"{_INTRODUCED}(?P<name>[A-Za-z])\s?(?P<sort>(?:=|<|>|\\(?:le|ge|ne)(?![A-Za-z])).*)")
_ANY_NAMED = re.compile(rf"(?:\\forall\s?|\(?for\s(?:all|any|every|each)\s)(?:(?P<sort>values?) of )?{_NAMES}\s?\)?")
_TRAILING_WORDS = re.compile(
    r"(.*?\S)\s*((?:\\text\s?\{\s*)\(?(?:for|where|with)\b.*|\(?\b(?:for|where)\s+.*|\\forall.*)"
)
_ANY = re.compile(r"(?:(?:arbitrary|fixed|real)\s)*(?:(?:constant|value|parameter)s?(?: of integration)?|arbitrary)")
_BOUND = re.compile(r"[=<>]|\\(?:le|ge|ne)")
_SET = re.compile(r"(?:\\mathbb\{)?([NZQRC])\}?(.*)")
_OF_A_SET = {
    "": "", "+": "positive", ">0": "positive", r"\ge0": "nonnegative", "-": "negative", "<0": "negative",
    r"\cdot": "nonzero", r"\times": "nonzero", r"\ne0": "nonzero", r"\setminus0": "nonzero",
}  # fmt: skip
_OF_INTEGERS = {**_OF_A_SET, r"\ge1": "positive", r"\le-1": "negative"}
_OF_N = {
    "": "natural",
    r"\cdot": "positive",
    "+": "positive",
    ">0": "positive",
    r"\ge1": "positive",
    "0": "nonnegative",
}
_NOUNS = {"natural": "Z", "integer": "Z", "odd": "Z", "even": "Z", "prime": "Z", "rational": "Q", "complex": "C"}
_QUALIFIERS = {"positive", "negative", "nonnegative", "nonzero", "odd", "even", "prime", "natural"}
_NATURAL = {"Z natural", "Z positive", "Z nonnegative"}


class Domain(NamedTuple):
    """The names that have a range, and the range; "" is any."""

    names: tuple[str, ...]
    range: str


def split_domain(text: str) -> tuple[str, Domain] | None:
    """(expression, range) if a canonical text ends with the range of a variable that occurs in it, else None."""
    if not any(word in text for word in (r"\in", "integer", "number", "constant", "real", "for", "where")):
        return None
    found = _TRAILING_WORDS.fullmatch(text)
    if found and (domain := _read(found[2], found[1])):
        return found[1].rstrip(", "), domain
    parts = [part for part, _ in split(text, _COMMA)]
    for count in range(1, len(parts)):  # "x, y \in \mathbb{R}" has a comma of its own
        before, said = ", ".join(parts[:count]), ", ".join(parts[count:])
        if domain := _read(said, before):
            return before, domain
    return None


def clash(gold: Domain | None, answer: Domain | None) -> bool:
    """Whether two ranges of the same variable are different ones."""
    if gold is None or answer is None or set(gold.names).isdisjoint(answer.names):
        return False
    ranges = {gold.range, answer.range}
    if len(ranges) == 1 or len([said for said in ranges if _BOUND.match(said)]) == 1:  # n \ge 1 may be an integer
        return False
    return not (("" in ranges and ranges <= {"", "R", "C"}) or ("Z natural" in ranges and ranges <= _NATURAL))


def _read(said: str, expression: str) -> Domain | None:
    words = " ".join(_TEXT.sub(r" \1 ", said).split())
    for pattern in (_IN_A_SET, _A_NAMED, _IS_A, _ANY_NAMED, _IN_A_RANGE):
        if found := pattern.fullmatch(words):
            break
    else:
        return None
    names = sorted(name.strip() for name in re.split(r",|\band\b", found["name"]))
    letters = re.sub(r"\\(?!alpha|beta|theta|lambda)[A-Za-z]+", " ", expression)
    if not all(name in letters for name in names):
        return None
    return Domain(tuple(names), _range(found["sort"] or ""))


def _range(sort: str) -> str:
    r"""One spelling of a range: "Z positive" for \mathbb{Z}^+, \mathbb{Z}_{>0} and positive integers; "" for any."""
    if not sort or _ANY.fullmatch(sort):
        return ""
    if found := _SET.fullmatch(sort):
        base, mark = found[1], re.sub(r"[\s{}^_]|\\(?![A-Za-z])", "", found[2])
        qualifier = (_OF_N if base == "N" else _OF_INTEGERS if base == "Z" else _OF_A_SET).get(mark)
        return squeezed(sort) if qualifier is None else f"{'Z' if base == 'N' else base} {qualifier}".strip()
    if not sort[0].isalpha():
        return squeezed(sort)
    words = [word.replace("-", "").removesuffix("s") for word in sort.split()]
    noun = next((_NOUNS[word] for word in words if word in _NOUNS), "R")
    return " ".join([noun, *sorted(_QUALIFIERS.intersection(words))])
