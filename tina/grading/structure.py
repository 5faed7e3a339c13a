r"""What an answer is made of: numbers, words, lists, sets, tuples and intervals, matrices, relations, quantities.

What is none of these is left to algebra. `parse` takes the canonical notation apart without evaluating anything, so it
is cheap and cannot hang.
"""

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from tina.grading import literals, numerals
from tina.grading.brackets import matching, split
from tina.grading.domains import Domain, split_domain
from tina.grading.names import is_constant, is_name
from tina.grading.notation import canonical, squeezed
from tina.grading.quantities import split_quantity
from tina.grading.units import Scale

Kind = Literal[
    "number", "words", "list", "set", "tuple", "union", "matrix", "relation", "based", "clock", "ratio", "algebra"
]

_SEPARATOR = re.compile(r"[,;]|(?<![A-Za-z\\{])(?:and|or)(?![A-Za-z}])")
_TUPLE_SEPARATOR = re.compile(r"[,;]")
_UNION = re.compile(r"\\cup(?![A-Za-z])")
_ROW = re.compile(r"\\\\")
_CELL = re.compile(r"&")
_RELATION = re.compile(r"=|\\approx(?![A-Za-z])|\\(?:le|ge|ne|in|equiv)(?![A-Za-z])|<|>")
_FLIPPED = {">": "<", r"\ge": r"\le"}
_THOUSANDS_AMONG_OTHERS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_ONE_GROUPED_NUMBER = re.compile(
    r"[^,;\d]*[^,;\d\s(\[][^,;\d]*\d{1,3}(?:,\d{3})+(?!\d)[^,;]*"
    r"|\d{1,3}(?:,\d{3})+[^\d,;][^,;]*"
)
_MATRIX = re.compile(r"\\begin\{pmatrix\}(.*)\\end\{pmatrix\}")
_ABSOLUTE = re.compile(r"\|([^|]+)\|")
_TRANSPOSED = re.compile(r"(.+)\s?\^\s?(?:T|\\top|\{\s?(?:T|\\top|\\text\s?\{T\})\s?\})")
_NAMED_POINT = re.compile(r"[A-Z](?:_\{?\w+\}?|'{1,2})?\s?(?=\()")
_TEXT = re.compile(r"\\text\s?\{((?:[^{}]|\{[^{}]*\})*)\}")
_WORDS = re.compile(r"[^\W\d_]+(?:(?:\.? |['.-])[^\W\d_]+)*\.?")
_LONG_WORD = re.compile(r"[^\W\d_]{3}")
_SHORT_WORDS = {"yes", "no", "odd", "dne"}
_FIGURE = re.compile(r"\\(?:angle|triangle)\s?([A-Z](?:[A-Z]{1,2})?)")
_ALL_REALS = re.compile(r"(?:all |any |the )?(?:set of )?(?:all )?(?:real numbers?|reals)", re.IGNORECASE)
_ALL_REALS_BUT = re.compile(
    rf"(?:\\text\s?\{{)?\s*{_ALL_REALS.pattern}(?: x)? (?:except|other than|excluding|but)(?: for)?\s*\}}?\s*(\S.*)",
    re.IGNORECASE,
)
_SET_BUILDER = re.compile(r"\\?[A-Za-z]\s?(?:\\in\s?\\mathbb\{R\}\s?)?[|:](.*)")
_EMPTY_SET = re.compile(r"\\emptyset|\\\{ ?\\\}|no (?:real )?solutions?|(?:the )?empty set", re.IGNORECASE)
_SIGNS = re.compile(r"\\pm(?![A-Za-z])|\\mp(?![A-Za-z])")
_MARKS = re.compile(r"°|\\\$|[€£¥₹]")


@dataclass(frozen=True)
class Node:
    r"""One part of an answer.

    `text` is its canonical notation. `items` are the parts of a compound; `mark` is a tuple's brackets, a relation's
    operators, a numeral's digits and base, or the seconds of a time of day; `unit` is what stood behind it, and
    `domain` the range of its variable ("3k, k \in \mathbb{Z}").
    """

    kind: Kind
    text: str
    items: tuple["Node", ...] = ()
    mark: tuple[str, ...] = ()
    number: literals.Literal | None = None
    unit: str = ""
    domain: Domain | None = None


@lru_cache(maxsize=8192)  # rules look at the same part more than once, and its parts again: twice as often a level
def parse(text: str, is_quantity: bool = False) -> Node:
    """The structure of a canonical text; what a unit has already been taken from has no other one."""
    text = _ungrouped(text.strip())
    for rule in _RULES:
        if not (is_quantity and rule is _quantity) and (node := rule(text)) is not None:
            return node
    return Node("algebra", text)


def bare_words(text: str) -> str:
    r"""The text without its \text{...} wrappers."""
    return _TEXT.sub(r"\1", text)


def key(text: str) -> str:
    """Answers with equal keys are equal as written."""
    return squeezed(bare_words(text))


def scaled(node: Node, scale: Scale) -> Node | None:
    """The node's value times a factor; None for what has no single value."""
    if scale == Scale():
        return node
    if node.kind == "number" and not scale.pi:
        number = node.number.times(scale.factor)
        return replace(node, number=number, text=rf"\frac{{{number.value.numerator}}}{{{number.value.denominator}}}")
    if node.kind not in ("number", "algebra"):
        return None
    factor = rf"\frac{{{scale.factor.numerator}}}{{{scale.factor.denominator}}}"
    pi = "" if not scale.pi else rf"\cdot\pi^{{{scale.pi}}}"
    return replace(node, kind="algebra", number=None, text=rf"({node.text})\cdot{factor}{pi}")


def _ungrouped(text: str) -> str:
    """Without braces or parentheses that enclose the whole text."""
    while text[:1] in ("{", "(") and matching(text, 0) == len(text) - 1 and text[-1] in "})":
        if text[0] == "(" and len(split(text[1:-1], _TUPLE_SEPARATOR)) > 1:
            break
        text = text[1:-1].strip()
    return text


def _number(text: str) -> Node | None:
    if (number := literals.read(text)) is not None:
        return Node("number", text, number=number)
    if not any(character.isdigit() for character in text):
        return None
    if (seconds := numerals.read_clock(text)) is not None:
        return Node("clock", text, mark=tuple(map(str, seconds)))
    if terms := numerals.read_ratio(text):
        return ratio(text, terms)
    if based := numerals.read_based(text):
        return Node("based", f"{based[0]}_{based[1]}", mark=(based[0], str(based[1])))
    if (degrees := numerals.read_sexagesimal(text)) is not None:
        return Node("number", text, number=degrees, unit="°")
    return None


def ratio(text: str, terms: tuple[literals.Literal, ...]) -> Node | None:
    """Two terms are their quotient; more are a ratio."""
    if len(terms) > 2:
        return Node("ratio", text, tuple(Node("number", text, number=term) for term in terms))
    above, below = (term.value for term in terms)
    return Node("number", text, number=literals.Literal(above / below)) if below else None


def _domain(text: str) -> Node | None:
    found = split_domain(text)
    return replace(parse(found[0]), domain=found[1]) if found else None


def _named_set(text: str) -> Node | None:
    words = bare_words(text).strip()
    if _ALL_REALS.fullmatch(words):
        return Node("algebra", r"\mathbb{R}")
    if found := _ALL_REALS_BUT.fullmatch(text):
        return Node("algebra", rf"\mathbb{{R}}\setminus\{{{bare_words(found[1]).replace(' and ', ',')}\}}")
    return Node("set", text) if _EMPTY_SET.fullmatch(words) else None


def _list(text: str) -> Node | None:
    grouped = ", " in text or _ONE_GROUPED_NUMBER.fullmatch(text)
    joined = _THOUSANDS_AMONG_OTHERS.sub("", text) if grouped else text
    pieces = [(part, separator) for part, separator in split(joined, _SEPARATOR) if part]
    if len(pieces) < 2:
        return parse(pieces[0][0]) if pieces and pieces[0][0] != text else None
    nodes = [parse(part) for part, _ in pieces]
    if len(nodes) == 2 and pieces[1][1] == "and" and (both := _conjunction(text, *nodes)):
        return both
    return Node("list", text, _flat(nodes))


def _conjunction(text: str, first: Node, second: Node) -> Node | None:
    """x > 0 and x < 1 is 0 < x < 1."""
    if not all(node.kind == "relation" and node.mark in (("<",), (r"\le",)) for node in (first, second)):
        return None
    for lower, upper in ((first, second), (second, first)):
        if key(lower.items[1].text) == key(upper.items[0].text) and is_name(upper.items[0].text):
            items, marks = (*lower.items, upper.items[1]), lower.mark + upper.mark
            spelled = f"{items[0].text} {marks[0]} {items[1].text} {marks[1]} {items[2].text}"
            return Node("relation", spelled, items, marks)
    return None


def _flat(nodes) -> tuple[Node, ...]:
    return tuple(item for node in nodes for item in (node.items if node.kind == "list" else (node,)))


def _union(text: str) -> Node | None:
    parts = split(text, _UNION)
    return Node("union", text, tuple(parse(part) for part, _ in parts)) if len(parts) > 1 else None


def _relation(text: str) -> Node | None:
    sides = split(text, _RELATION)
    if len(sides) == 1 or not all(part for part, _ in sides):
        return None
    items, marks = tuple(parse(part) for part, _ in sides), tuple(sign for _, sign in sides[1:])
    if _FLIPPED.keys() >= set(marks):  # 3 > x > 1 is 1 < x < 3
        items, marks = items[::-1], tuple(_FLIPPED[mark] for mark in marks[::-1])
    if marks == ("=",) and is_constant(items[0].text) and is_name(items[1].text):  # 5 = x is x = 5
        items = items[::-1]
    if marks in (("<",), (r"\le",)) and (absolute := _ABSOLUTE.fullmatch(items[0].text)) and items[1].kind == "number":
        inner, limit = absolute[1], items[1].text  # |x| < 1 is -1 < x < 1
        return _relation(f"-({limit}) {marks[0]} {inner} {marks[0]} {limit}")
    return Node("relation", text, items, marks)


def _matrix(text: str) -> Node | None:
    found = _MATRIX.fullmatch(text)
    if not found or r"\begin" in found[1]:
        return None
    rows = [row for row, _ in split(found[1], _ROW) if row]
    items = tuple(Node("tuple", row, tuple(parse(cell) for cell, _ in split(row, _CELL))) for row in rows)
    if not items:
        return None
    return items[0].items[0] if len(items) == len(items[0].items) == 1 else Node("matrix", text, items)


def _transposed(text: str) -> Node | None:
    found = _TRANSPOSED.fullmatch(text)
    node = parse(found[1]) if found else None
    if node is None or node.kind not in ("tuple", "matrix"):
        return None
    rows = [row.items for row in node.items] if node.kind == "matrix" else [node.items]
    if len({len(row) for row in rows}) != 1:
        return None
    return Node("matrix", text, tuple(Node("tuple", text, column) for column in zip(*rows, strict=True)))


def _bracketed(text: str) -> Node | None:
    if named := _NAMED_POINT.match(text):  # A(1,2) is the point (1,2)
        node = _bracketed(text[named.end() :])
        return node if node is not None and node.kind == "tuple" and len(node.items) > 1 else None
    is_set = text.startswith(r"\{") and text.endswith(r"\}")
    opening = 1 if is_set else 0
    if text[opening : opening + 1] not in tuple("([{") or matching(text, opening) != len(text) - 1:
        return None
    inner = text[2:-2] if is_set else text[1:-1]
    if is_set and (builder := _SET_BUILDER.fullmatch(inner.strip())):
        return parse(builder[1])
    joined = _THOUSANDS_AMONG_OTHERS.sub("", inner) if ", " in inner else inner
    parts = tuple(parse(part) for part, _ in split(joined, _TUPLE_SEPARATOR) if part)
    if is_set:
        return None if "|" in inner or ":" in inner else Node("set", text, _flat(parts))
    if len(parts) == 1:
        return parts[0]
    return Node("tuple", text, parts, (text[0], text[-1]))


def _quantity(text: str) -> Node | None:
    found = split_quantity(text)
    if not found:
        return None
    node = scaled(parse(found.text, is_quantity=True), Scale(Fraction(found.multiplier)))
    return node and replace(node, unit=found.unit or node.unit)


def _figure(text: str) -> Node | None:
    r"""\angle ABC and \triangle ABC are names, and no products of A, B and C."""
    return Node("words", text) if _FIGURE.fullmatch(text) else None


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


def _marked(text: str) -> Node | None:
    r"""\frac{180°}{7} is so many degrees, and \$2x + \$3 so many dollars."""
    marks = set(_MARKS.findall(text))
    return replace(parse(_MARKS.sub("", text)), unit=" ".join(marks)) if len(marks) == 1 else None


_RULES = (
    _number, _domain, _named_set, _list, _union, _relation, _matrix, _transposed, _bracketed, _quantity, _figure,
    _words, _signs, _marked,
)  # fmt: skip
