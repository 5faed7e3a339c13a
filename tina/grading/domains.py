r"""The range of a variable behind an expression: 2n+1, n \in \mathbb{N}; 3k where k is an integer; ax \text{ for } x>0.

It belongs to the expression and is no item of a list; an answer without it says the same expression.
"""

import re

from tina.grading.brackets import split

_COMMA = re.compile(",")
_WORDS = r"(?:\\text\s?\{\s*)?(?:for(?:\s(?:all|any|some|every))?|where|with|when|if)\s*\}?\s*"
_NAME = r"\\?[A-Za-z]+(?:_\{?\w+\}?)?(?:\s?,\s?\\?[A-Za-z]+(?:_\{?\w+\}?)?)*"
_IN_A_SET = re.compile(
    rf"(?:{_WORDS})?(?P<name>{_NAME})\s?\\in\s?(?:\\mathbb\{{[NZQRC]\}}(?:\s?[\^_]\s?(?:\{{[^{{}}]*\}}|\S))*|[NZQRC]"
    r"|\\\{.*\\\})"
)
_IN_WORDS = re.compile(
    rf"(?:{_WORDS})?(?:\\text\s?\{{\s*)?(?P<name>[A-Za-z])\s*\}}?\s?(?:\\text\s?\{{\s*)?(?:is\s)?(?:an?\s|any\s)?"
    r"(?:integer|natural number|real number|positive integer|nonnegative integer|non-negative integer)s?\s*\}?"
)
_IN_A_RANGE = re.compile(
    rf"{_WORDS}(?:\\text\s?\{{\s*)?(?P<name>[A-Za-z])\s*\}}?\s?(?:=|<|>|\\(?:le|ge|ne)(?![A-Za-z])).*"
)
_TRAILING_WORDS = re.compile(r"(.*?\S)\s*(\\text\s?\{\s*(?:for|where|with)\b.*|\b(?:for|where)\s+.*)")


def split_domain(text: str) -> tuple[str, str] | None:
    """(expression, range) if a canonical text ends with the range of a variable that occurs in it, else None."""
    if not any(word in text for word in (r"\in", "integer", "number", "for", "where")):
        return None
    parts = [part for part, _ in split(text, _COMMA)]
    for count in range(1, len(parts)):  # "x, y \in \mathbb{R}" has a comma of its own
        before, domain = ", ".join(parts[:count]), ", ".join(parts[count:])
        if _is_range(domain, before):
            return before, domain
    found = _TRAILING_WORDS.fullmatch(text)
    return (found[1].rstrip(", "), found[2]) if found and _is_range(found[2], found[1]) else None


def _is_range(domain: str, expression: str) -> bool:
    found = _IN_A_SET.fullmatch(domain) or _IN_WORDS.fullmatch(domain) or _IN_A_RANGE.fullmatch(domain)
    if not found:
        return False
    names = [name.strip() for name in found["name"].split(",")]
    letters = re.sub(r"\\(?!alpha|beta|theta|lambda)[A-Za-z]+", " ", expression)
    return all(name in letters for name in names)
