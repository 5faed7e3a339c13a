r"""Whether two parsed answers are the same: the second table of `tina.grading`'s docstring, as code.

Everything here is bookkeeping on strings, fractions and floating point; what needs computer algebra is handed to the
function given for it. A process that must not load a computer algebra system passes `no_algebra`, and gets NeedsAlgebra
where the verdict hangs on it: a verdict reached without is therefore the same as one reached with.
"""

import re
from collections.abc import Callable, Sequence

from tina.grading import evaluation, literals
from tina.grading.structure import ATTACHED, Node, bare_words, key
from tina.grading.units import units_clash

Algebra = Callable[[Node, Node], bool]

MAX_ITEMS = 64
_NEAR = 0.05

_DIRECTED = {"<", r"\le"}
_ASSIGNING = {"=", r"\approx"}
_SUBSCRIPT = re.compile(r"_\s?(?:\{[^{}]*\}|\\?\w+)|\\text\s?\{[^{}]*\}")
_CALL = re.compile(r"(?<=[A-Za-z}'])\s?\([^()]*\)")
_NAME = re.compile(r"(?:\\[A-Za-z]+|[A-Za-z'|,\s(){}/])+")
_OPERATORS = re.compile(
    r"\\(?:sqrt|sin|cos|tan|cot|sec|csc|log|ln|exp|pi|infty|cdot|emptyset|cup|cap|pm|binom|sum|int|begin|mathbb)\b"
)
_LETTER = re.compile(r"[A-Za-z]")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_OPTION = re.compile(r"\(?\s?([A-Ja-j])\s?(?:[).:](?!.*\b[A-J]\b)|$)")
_CONTAINERS = {"list", "set", "tuple", "union", "matrix"}


class NeedsAlgebra(Exception):
    """The verdict hangs on a comparison that only computer algebra can make."""


def no_algebra(gold: Node, answer: Node) -> bool:
    """Stands in for algebra where there is none. Always raises NeedsAlgebra."""
    raise NeedsAlgebra


def same(gold: Node, answer: Node, algebra: Algebra) -> bool:
    """Whether the answer is the gold's; raises what `algebra` raises."""
    attached = [node.unit if ATTACHED in node.mark else None for node in (gold, answer)]
    if any(attached) and (all(attached) or _letters(gold.unit) != _letters(answer.unit)):
        return False
    if key(gold.text) == key(answer.text):
        return not units_clash(gold.unit, answer.unit)
    gold, answer = _single(gold), _single(answer)
    if gold.kind == "relation" or answer.kind == "relation":
        return _same_relation(gold, answer, algebra)
    if units_clash(gold.unit, answer.unit):
        return False
    kinds = (gold.kind, answer.kind)
    if kinds == ("number", "number"):
        return literals.same_number(gold.number, answer.number)
    if "words" in kinds:
        return _letters(gold.text) == _letters(answer.text) != ""
    if "based" in kinds:
        return _same_numeral(gold, answer)
    if "clock" in kinds:
        return gold.kind == answer.kind and _same_clock(gold, answer)
    if _CONTAINERS.issuperset(kinds):
        return _same_container(gold, answer, algebra)
    if _CONTAINERS.isdisjoint(kinds):
        told = _same_value(gold, answer)
        return algebra(gold, answer) if told is None else told
    # A number is no list, set or tuple of several; an expression without a value may be a set or a product of matrices.
    expression = gold if gold.kind == "algebra" else answer
    if expression.kind != "algebra" or "list" in kinds or _is_no_container(expression.text):
        return False
    return algebra(gold, answer)


def _is_no_container(text: str) -> bool:
    return evaluation.values(text) is not None or evaluation.is_nonsense(text)


def _same_value(gold: Node, answer: Node) -> bool | None:
    """Whether two expressions, or an expression and a number, have one value; None if only algebra can tell."""
    if evaluation.is_nonsense(answer.text):
        return False
    for expression, number in ((gold, answer.number), (answer, gold.number)):
        if number is not None:
            return evaluation.rounds_to(expression.text, number)
    return evaluation.agree(gold.text, answer.text)


def _single(node: Node) -> Node:
    r"""A list or set of one item is that item, and x \in S is S."""
    while True:
        if node.kind in ("list", "set", "tuple") and len(node.items) == 1:
            node = node.items[0]
        elif node.kind == "relation" and node.mark == (r"\in",) and is_name(node.items[0]):
            node = node.items[1]
        else:
            return node


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _same_numeral(gold: Node, answer: Node) -> bool:
    """Digits must agree; the base too, where both sides name one."""
    marks = [node.mark if node.kind == "based" else (node.text.upper(),) for node in (gold, answer)]
    return all(left == right for left, right in zip(*marks, strict=False))


def _same_clock(gold: Node, answer: Node) -> bool:
    """Numbers must agree; the half of the day too, where both sides name one."""
    if "" not in gold.mark + answer.mark and gold.mark != answer.mark:
        return False
    values = [[item.number.value for item in node.items] for node in (gold, answer)]
    return values[0] == values[1]


def _same_container(gold: Node, answer: Node, algebra: Algebra) -> bool:
    kinds = {gold.kind, answer.kind}
    if "union" in kinds:
        if kinds <= {"union", "list"} and _in_any_order(gold.items, answer.items, algebra):
            return True
        return "list" not in kinds and "matrix" not in kinds and algebra(gold, answer)
    if "matrix" in kinds:
        return _same_matrix(gold, answer, algebra)
    if kinds <= {"list", "set"} and not _values_of_names(gold, answer):
        return _in_any_order(gold.items, answer.items, algebra)
    if "set" in kinds:  # of a set and a tuple
        return False
    if kinds == {"tuple"} and len(gold.items) == 2 and gold.mark != answer.mark:
        return False
    return _in_order(gold.items, answer.items, algebra)


def _values_of_names(gold: Node, answer: Node) -> bool:
    """Whether one list gives several names their values and the other gives values alone: then the order counts."""
    names = [[_name(item) for item in node.items if item.kind == "relation"] for node in (gold, answer)]
    named, unnamed = sorted(names, key=len, reverse=True)
    return not unnamed and len(named) == len(set(named)) == len(gold.items) > 1


def _same_matrix(gold: Node, answer: Node, algebra: Algebra) -> bool:
    """Cell by cell; a row or column vector is also the tuple of its entries, and a matrix the tuple of its rows."""
    if {"tuple"} == {row.kind for row in gold.items + answer.items}:
        return len(gold.items) == len(answer.items) and all(
            _in_order(left.items, right.items, algebra) for left, right in zip(gold.items, answer.items, strict=True)
        )
    vectors = [_entries(node) if node.kind == "matrix" else node.items for node in (gold, answer)]
    if {gold.kind, answer.kind} != {"matrix", "tuple"} or None in vectors:
        return False
    return _in_order(*vectors, algebra)


def _entries(matrix: Node) -> tuple[Node, ...] | None:
    if len(matrix.items) == 1:
        return matrix.items[0].items
    return tuple(row.items[0] for row in matrix.items) if all(len(row.items) == 1 for row in matrix.items) else None


def _in_order(gold: Sequence[Node], answer: Sequence[Node], algebra: Algebra) -> bool:
    if len(gold) != len(answer):
        return False
    return _without_algebra_first(zip(gold, answer, strict=True), algebra)


def _without_algebra_first(pairs, algebra: Algebra) -> bool:
    """Whether all pairs agree; pairs that differ on sight settle it before any algebra is done."""
    hard = []
    for left, right in pairs:
        try:
            if not same(left, right, no_algebra):
                return False
        except NeedsAlgebra:
            hard.append((left, right))
    return all(same(left, right, algebra) for left, right in hard)


def _in_any_order(gold: Sequence[Node], answer: Sequence[Node], algebra: Algebra) -> bool:
    """Whether each item of one side has a partner of its own on the other."""
    if len(gold) != len(answer) or len(gold) > MAX_ITEMS:
        return False
    left, right = list(gold), list(answer)
    for equal in (_equal_on_sight, lambda a, b: same(a, b, algebra)):
        for item in list(left):
            partner = next((index for index, other in enumerate(right) if equal(item, other)), None)
            if partner is not None:
                left.remove(item)
                del right[partner]
    return not left


def _equal_on_sight(gold: Node, answer: Node) -> bool:
    try:
        return same(gold, answer, no_algebra)
    except NeedsAlgebra:
        return False


def _same_relation(gold: Node, answer: Node, algebra: Algebra) -> bool:
    """x = 5 and 5 are the same, x = 5 and y = 5 are not; an equation is not one of its sides."""
    gold_values, answer_values = _values(gold, strict=True), _values(answer, strict=False)
    if gold.kind == answer.kind:
        if gold_values and answer_values and _name(gold) == _name(answer):
            return _any_pair(gold_values, answer_values, algebra)
        if set(gold.mark) == set(answer.mark) == {"="} and {"words"} == {side.kind for side in gold.items}:
            return sorted(key(side.text) for side in gold.items) == sorted(key(side.text) for side in answer.items)
        if len(gold.items) > 2 and gold.mark == answer.mark and _in_order(gold.items, answer.items, algebra):
            return True
        told = _proportional(gold, answer)
        return algebra(gold, answer) if told is None else told
    relation, other = (gold, answer) if gold.kind == "relation" else (answer, gold)
    if gold_values and answer_values:
        return _any_pair(gold_values, answer_values, algebra)
    is_inequality = _ASSIGNING.isdisjoint(relation.mark)
    return is_inequality and other.kind in ("tuple", "union", "set", "algebra") and algebra(gold, answer)


def _proportional(gold: Node, answer: Node) -> bool | None:
    """True if two relations are the same up to a factor, False if two equations have other roots, None otherwise."""
    if len(gold.mark) != 1 or len(answer.mark) != 1:
        return None
    differences = [evaluation.values(f"({node.items[0].text})-({node.items[1].text})") for node in (gold, answer)]
    if None in differences or 0 in (*differences[0], *differences[1]):
        return None
    ratios = [a / b for a, b in zip(*differences, strict=True)]
    if any(abs(ratio - ratios[0]) > evaluation.AGREE * abs(ratios[0]) for ratio in ratios):
        sides = [(node.items[0].text, node.items[1].text) for node in (gold, answer)]
        return evaluation.same_roots(*sides) if gold.mark == answer.mark == ("=",) else None
    same_direction = ratios[0].real > 0 or gold.mark[0] not in _DIRECTED
    return gold.mark == answer.mark and same_direction if ratios[0].imag == 0 else None


def _any_pair(gold: Sequence[Node], answer: Sequence[Node], algebra: Algebra) -> bool:
    return any(same(left, right, algebra) for left in gold for right in answer)


def _name(relation: Node) -> str:
    return key(relation.items[0].text)


def _values(node: Node, strict: bool) -> tuple[Node, ...]:
    r"""What a relation says its name is; a node that is no relation is its own value; () if there is no telling.

    "x = 2 + 3 = 5" says 5; "x \approx 1.4" says 1.4; "\sqrt{2} \approx 1.4" says both, since they are close. Unless
    `strict`, a chain of numbers without a name ("2 + 3 = 5") says its last side.
    """
    if node.kind != "relation":
        return (node,)
    if not _ASSIGNING.issuperset(node.mark):
        return ()
    named = is_name(node.items[0])
    sides = node.items[1:] if named else node.items
    if r"\approx" in node.mark:
        return sides if _near_each_other(sides) else sides[:1]
    if named or (not strict and not _LETTER.search(_COMMAND.sub("", sides[0].text))):
        return sides[-1:]
    return ()


def _near_each_other(sides: Sequence[Node]) -> bool:
    """Whether all sides are constants within some per cent: "1 \\approx 2 \\approx 3" must not count as any number."""
    found = [evaluation.values(side.text) for side in sides]
    return None not in found and all(abs(value[0] - found[0][0]) <= _NEAR * abs(found[0][0]) for value in found)


def is_name(side: Node) -> bool:
    r"""Whether a relation's left side only names something: x, a_n, f(x), P(A \cap B), \angle ABC, \frac{AB}{CD}."""
    text = _CALL.sub("", _SUBSCRIPT.sub("x", side.text))
    return bool(_LETTER.search(text) and _NAME.fullmatch(text) and not _OPERATORS.search(text))


def named_option(answer: Node) -> str | None:
    """The letter of the one option that an answer names: C, (c), "C. 5 m"; None if it names several, or none."""
    found = _OPTION.match(bare_words(answer.text))
    return found[1].upper() if found else None
