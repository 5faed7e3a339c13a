r"""What an answer is made of: numbers, words, lists, sets, tuples and intervals, matrices, relations.

What is none of these is left to algebra. `parse` takes the canonical notation apart without evaluating anything, so it
is cheap and cannot hang.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from tina.grading import literals
from tina.grading.notation import canonical, matching, squeezed
from tina.grading.units import split_attached_letter, split_unit

Kind = Literal["number", "words", "list", "set", "tuple", "union", "matrix", "relation", "based", "clock", "algebra"]

_SEPARATOR = re.compile(r"[,;]|(?<![A-Za-z\\{])(?:and|or)(?![A-Za-z}])")
_TUPLE_SEPARATOR = re.compile(r"[,;]")
_UNION = re.compile(r"\\cup(?![A-Za-z])")
_ROW = re.compile(r"\\\\")
_CELL = re.compile(r"&")
_RELATION = re.compile(r"=|\\approx(?![A-Za-z])|\\(?:le|ge|ne|in|equiv)(?![A-Za-z])|<|>")
_THOUSANDS_AMONG_OTHERS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_MATRIX = re.compile(r"\\begin\{pmatrix\}(.*)\\end\{pmatrix\}")
_TEXT = re.compile(r"\\text\s?\{([^{}]*)\}")
_WORDS = re.compile(r"[^\W\d_]+(?:(?:\.? |['.-])[^\W\d_]+)*\.?")
_LONG_WORD = re.compile(r"[^\W\d_]{3}")
_BASED = re.compile(r"(\d[0-9A-Fa-f]*)\s?_\s?(?:\{\s?(?:\\text\{)?\s?(\w+)\s?\}*|(\d{1,2}))")
_BASE_WORDS = {"two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
               "ten": "10", "eleven": "11", "twelve": "12", "sixteen": "16"}  # fmt: skip
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?\s?(?:\\text\{)?\s?(?:([ap])\.?\s?m\.?)?\s?\}?", re.IGNORECASE)
_RATIO = re.compile(r"(\d+(?:\.\d+)?)\s?:\s?(\d+(?:\.\d+)?)")
_ALL_REALS = re.compile(r"(?:all )?real numbers|all reals", re.IGNORECASE)
_SET_BUILDER = re.compile(r"\\?[A-Za-z]\s?(?:\\in\s?\\mathbb\{R\}\s?)?[|:](.*)")
_LEADING_WORDS = re.compile(r"\\text\{(?![^{}]*\b(?:not|least|most|if))[^{}]*[A-Za-z]{2}[^{}]*\}[\s:]*(?=[^\s=<>^_\\])")
_EMPTY_SET = re.compile(r"\\emptyset|\\\{ ?\\\}|no (?:real )?solutions?|(?:the )?empty set", re.IGNORECASE)
ATTACHED = "attached unit"
_FLIPPED = {">": "<", r"\ge": r"\le"}
_SHORT_WORDS = {"yes", "no", "odd", "dne"}
_SIGNS = re.compile(r"\\pm(?![A-Za-z])|\\mp(?![A-Za-z])")


@dataclass(frozen=True)
class Node:
    r"""One part of an answer.

    `text` is its canonical notation. `items` are the parts of a compound; `mark` is a tuple's brackets, a relation's
    operators, a numeral's digits and base, or a clock's half of the day; `unit` is what stood behind it.
    """

    kind: Kind
    text: str
    items: tuple["Node", ...] = ()
    mark: tuple[str, ...] = ()
    number: literals.Literal | None = None
    unit: str = ""


@lru_cache(maxsize=4096)
def readings(answer: str) -> tuple[Node, ...]:
    """What an answer as written can mean, likeliest first.

    "1,22" is a list, and 1.22 with a decimal comma; "1,234" is 1234, and a list; "5m" is five times m, and 5 meters if
    the other side says meters.
    """
    text = canonical(answer)
    nodes = [parse(text)]
    if (number := literals.read_decimal_comma(text)) is not None:
        nodes.append(Node("number", text, number=number))
    if nodes[0].kind == "number" and "," in text:
        nodes.append(Node("list", text, tuple(parse(part) for part in text.split(","))))
    if (leading := _LEADING_WORDS.match(text)) and nodes[0].kind == "algebra":
        nodes.append(parse(text[leading.end() :]))
    if (attached := split_attached_letter(text)) and (number := literals.read(attached[0])):
        nodes.append(Node("number", attached[0], number=number, unit=attached[1], mark=(ATTACHED,)))
    return tuple(nodes)


def parse(text: str) -> Node:
    """The structure of a canonical text."""
    text = _ungrouped(text.strip())
    for rule in (_number, _named_set, _list, _union, _relation, _matrix, _bracketed, _quantity, _words, _signs):
        if (node := rule(text)) is not None:
            return node
    return Node("algebra", text)


def bare_words(text: str) -> str:
    r"""The text without its \text{...} wrappers."""
    return _TEXT.sub(r"\1", text)


def _split(text: str, separator: re.Pattern[str]) -> list[tuple[str, str]]:
    """(part, separator before it) at depth 0 of the brackets; one pair if the separator does not occur there."""
    parts, depth, start, before, index = [], 0, 0, "", 0
    while index < len(text):
        if text.startswith(r"\begin", index) or text.startswith(r"\end", index):
            depth += 1 if text[index + 1] == "b" else -1
            index += 4
        elif depth == 0 and (found := separator.match(text, index)):
            parts.append((text[start:index].strip(), before))
            before, start = found.group(), found.end()
            index = found.end()
            continue
        depth += (text[index] in "([{") - (text[index] in ")]}")
        index += 1
    return [*parts, (text[start:].strip(), before)]


def _ungrouped(text: str) -> str:
    """Without braces or parentheses that enclose the whole text."""
    while text[:1] in ("{", "(") and matching(text, 0) == len(text) - 1 and text[-1] in "})":
        if text[0] == "(" and len(_split(text[1:-1], _TUPLE_SEPARATOR)) > 1:
            break
        text = text[1:-1].strip()
    return text


def _number(text: str) -> Node | None:
    number = literals.read(text)
    if number is not None:
        return Node("number", text, number=number)
    if found := _CLOCK.fullmatch(text):
        parts = tuple(Node("number", part, number=literals.read(part)) for part in found.groups()[:3] if part)
        return Node("clock", text, parts, ((found[4] or "").lower(),))
    if found := _RATIO.fullmatch(text):
        return _number(f"{found[1]}/{found[2]}")
    if found := _BASED.fullmatch(text):
        base = found[2] or found[3]
        base = _BASE_WORDS.get(base, base)
        return Node("based", f"{found[1].upper()}_{base}", mark=(found[1].upper(), base))
    return None


def _named_set(text: str) -> Node | None:
    words = bare_words(text).strip()
    if _ALL_REALS.fullmatch(words):
        return Node("algebra", r"\mathbb{R}")
    return Node("set", text) if _EMPTY_SET.fullmatch(words) else None


def _list(text: str) -> Node | None:
    joined = _THOUSANDS_AMONG_OTHERS.sub("", text) if ", " in text else text
    parts = [part for part, _ in _split(joined, _SEPARATOR) if part]
    if len(parts) < 2:
        return parse(parts[0]) if parts and parts[0] != text else None
    return Node("list", text, _flat(parse(part) for part in parts))


def _flat(nodes) -> tuple[Node, ...]:
    return tuple(item for node in nodes for item in (node.items if node.kind == "list" else (node,)))


def _union(text: str) -> Node | None:
    parts = _split(text, _UNION)
    return Node("union", text, tuple(parse(part) for part, _ in parts)) if len(parts) > 1 else None


def _relation(text: str) -> Node | None:
    sides = _split(text, _RELATION)
    if len(sides) == 1 or not all(part for part, _ in sides):
        return None
    items, marks = tuple(parse(part) for part, _ in sides), tuple(sign for _, sign in sides[1:])
    if _FLIPPED.keys() >= set(marks):  # 3 > x > 1 is 1 < x < 3
        items, marks = items[::-1], tuple(_FLIPPED[mark] for mark in marks[::-1])
    return Node("relation", text, items, marks)


def _matrix(text: str) -> Node | None:
    found = _MATRIX.fullmatch(text)
    if not found or r"\begin" in found[1]:
        return None
    rows = [row for row, _ in _split(found[1], _ROW) if row]
    items = tuple(Node("tuple", row, tuple(parse(cell) for cell, _ in _split(row, _CELL))) for row in rows)
    return Node("matrix", text, items)


def _bracketed(text: str) -> Node | None:
    is_set = text.startswith(r"\{") and text.endswith(r"\}")
    opening = 1 if is_set else 0
    if text[opening : opening + 1] not in tuple("([{") or matching(text, opening) != len(text) - 1:
        return None
    inner = text[2:-2] if is_set else text[1:-1]
    joined = _THOUSANDS_AMONG_OTHERS.sub("", inner) if ", " in inner else inner
    parts = tuple(parse(part) for part, _ in _split(joined, _TUPLE_SEPARATOR) if part)
    if is_set:
        if builder := _SET_BUILDER.fullmatch(inner.strip()):
            return parse(builder[1])
        return None if "|" in inner or ":" in inner else Node("set", text, _flat(parts))
    if len(parts) == 1:
        return parts[0]
    return Node("tuple", text, parts, (text[0], text[-1]))


def _quantity(text: str) -> Node | None:
    quantity, unit = split_unit(text)
    return replace(parse(quantity), unit=unit) if unit else None


def _words(text: str) -> Node | None:
    words = bare_words(text).strip()
    if words != text and not _WORDS.fullmatch(words):
        return parse(canonical(words)) if text.startswith(r"\text") and canonical(words) != text else None
    long = _LONG_WORD.search(words) and (" " in words or len(words) > 3)
    spelled_out = words != text or long or words.casefold() in _SHORT_WORDS
    return Node("words", words) if spelled_out and _WORDS.fullmatch(words) else None


def _signs(text: str) -> Node | None:
    """Both values of a plus-minus, as a list."""
    if not _SIGNS.search(text):
        return None
    upper = _SIGNS.sub(lambda sign: "+" if sign.group() == r"\pm" else "-", text)
    lower = _SIGNS.sub(lambda sign: "-" if sign.group() == r"\pm" else "+", text)
    return Node("list", text, (parse(upper), parse(lower)))


def key(text: str) -> str:
    """Answers with equal keys are equal as written."""
    return squeezed(bare_words(text))
