r"""Whether two parsed answers are the same: the second table of `tina.grading`'s docstring, as code.

Everything here is bookkeeping on strings, fractions and floating point; what needs computer algebra is handed to the
function given for it. A process that must not load a computer algebra system passes `no_algebra`, and gets NeedsAlgebra
where the verdict hangs on it: a verdict reached without is therefore the same as one reached with.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

from tina.grading import evaluation, literals, relations
from tina.grading.domains import clash
from tina.grading.names import is_name
from tina.grading.readings import ATTACHED, RATIO
from tina.grading.structure import Node, key, scaled
from tina.grading.units import is_known, scales

Algebra = Callable[[Node, Node], bool]

MAX_ITEMS = 64

_NO_INTERVAL = {("(", ")"), ()}
_CONTAINERS = {"list", "set", "tuple", "union", "matrix"}


class NeedsAlgebra(Exception):
    """The verdict hangs on a comparison that only computer algebra can make."""


def no_algebra(gold: Node, answer: Node) -> bool:
    """Stands in for algebra where there is none. Always raises NeedsAlgebra."""
    raise NeedsAlgebra


def same(gold: Node, answer: Node, algebra: Algebra) -> bool:
    """Whether the answer is the gold's; raises what `algebra` raises."""
    if algebra is not no_algebra:
        return _same(gold, answer, algebra)
    told = _on_sight(gold, answer)
    if told is None:
        raise NeedsAlgebra
    return told


@lru_cache(maxsize=8192)  # what holds others compares them more than once, and these theirs: twice as often a level
def _on_sight(gold: Node, answer: Node) -> bool | None:
    """Whether they are the same; None if only algebra can tell."""
    try:
        return _same(gold, answer, no_algebra)
    except NeedsAlgebra:
        return None


def _same(gold: Node, answer: Node, algebra: Algebra) -> bool:
    attached = [ATTACHED in node.mark for node in (gold, answer)]
    if all(attached) or (any(attached) and not (is_known(gold.unit) and is_known(answer.unit))):
        return False
    if RATIO in gold.mark and RATIO in answer.mark:  # then both are times of day
        return False
    if clash(gold.domain, answer.domain):
        return False
    if key(gold.text) == key(answer.text) and gold.unit == answer.unit:
        return True
    gold, answer = _single(gold), _single(answer)
    if gold.kind == "relation" or answer.kind == "relation":
        return relations.same_relation(gold, answer, lambda left, right: same(left, right, algebra), algebra)
    if not (gold.unit or answer.unit):
        return _same_value(gold, answer, algebra)
    return any(
        _same_value(replace(gold, unit=""), replace(other, unit=""), algebra)
        for scale in scales(gold.unit, answer.unit)
        if (other := scaled(answer, scale)) is not None
    )


def _same_value(gold: Node, answer: Node, algebra: Algebra) -> bool:
    """Whether two answers without units are the same."""
    if key(gold.text) == key(answer.text):
        return True
    kinds = (gold.kind, answer.kind)
    if kinds == ("number", "number"):
        return literals.same_number(gold.number, answer.number)
    if "words" in kinds:
        return _letters(gold.text) == _letters(answer.text) != ""
    if "based" in kinds:
        return _same_numeral(gold, answer)
    if "clock" in kinds:
        return gold.kind == answer.kind and not set(gold.mark).isdisjoint(answer.mark)
    if "ratio" in kinds:
        return gold.kind == answer.kind and _same_ratio(gold, answer)
    if _CONTAINERS.issuperset(kinds):
        return _same_container(gold, answer, algebra)
    if _CONTAINERS.isdisjoint(kinds):
        told = _same_number(gold, answer)
        return algebra(gold, answer) if told is None else told
    # A number is no list, set or tuple of several; an expression without a value may be a set or a product of matrices.
    expression = gold if gold.kind == "algebra" else answer
    if expression.kind != "algebra" or "list" in kinds or _is_no_container(expression.text):
        return False
    return algebra(gold, answer)


def _is_no_container(text: str) -> bool:
    return evaluation.values(text) is not None or evaluation.is_nonsense(text)


def _same_number(gold: Node, answer: Node) -> bool | None:
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
        if node.kind in ("list", "set", "tuple") and len(node.items) == 1 and node.items[0].text != r"\emptyset":
            node = node.items[0]
        elif node.kind == "relation" and node.mark == (r"\in",) and is_name(node.items[0].text):
            node = node.items[1]
        else:
            return node


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _same_numeral(gold: Node, answer: Node) -> bool:
    """Digits must agree; the base too, where both sides name one."""
    marks = [node.mark if node.kind == "based" else (node.text.upper(),) for node in (gold, answer)]
    return all(left == right for left, right in zip(*marks, strict=False))


def _same_ratio(gold: Node, answer: Node) -> bool:
    """2:4:6 is 1:2:3."""
    if len(gold.items) != len(answer.items):
        return False
    left, right = ([item.number.value for item in node.items] for node in (gold, answer))
    return all(a * right[0] == b * left[0] for a, b in zip(left, right, strict=True))


def _same_container(gold: Node, answer: Node, algebra: Algebra) -> bool:
    kinds = {gold.kind, answer.kind}
    if "union" in kinds:
        may_be_unions = _may_be_union(gold) and _may_be_union(answer)
        if may_be_unions and _in_any_order(gold.items, answer.items, algebra):
            return True
        return kinds.isdisjoint({"list", "matrix"}) and algebra(gold, answer)
    if "matrix" in kinds:
        return _same_matrix(gold, answer, algebra)
    if kinds <= {"list", "set"} and not _values_of_names(gold, answer):
        return _in_any_order(gold.items, answer.items, algebra)
    if "set" in kinds:  # of a set and a tuple
        return False
    if kinds == {"tuple"} and len(gold.items) == 2 and gold.mark != answer.mark:
        return False
    if "list" in kinds and any(len(node.items) == 2 and node.mark not in _NO_INTERVAL for node in (gold, answer)):
        return False
    return _in_order(gold.items, answer.items, algebra)


def _may_be_union(node: Node) -> bool:
    """Whether the items of a list are inequalities or intervals, and no points."""
    if node.kind != "list":
        return node.kind == "union"
    kinds = {item.kind for item in node.items}
    intervals = [item.mark != ("(", ")") or r"\infty" in item.text for item in node.items if len(item.items) == 2]
    return kinds == {"relation"} or (kinds == {"tuple"} and len(intervals) == len(node.items) and any(intervals))


def _values_of_names(gold: Node, answer: Node) -> bool:
    """Whether one list gives several names their values and the other gives values alone: then the order counts."""
    names = [[relations.name(item) for item in node.items if item.kind == "relation"] for node in (gold, answer)]
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
        told = _on_sight(left, right)
        if told is None:
            hard.append((left, right))
        elif not told:
            return False
    return all(same(left, right, algebra) for left, right in hard)


def _in_any_order(gold: Sequence[Node], answer: Sequence[Node], algebra: Algebra) -> bool:
    """Whether each item of one side has a partner of its own on the other."""
    if len(gold) != len(answer) or len(gold) > MAX_ITEMS:
        return False
    left, right = list(gold), list(answer)
    for equal in (_on_sight, lambda a, b: same(a, b, algebra)):
        for item in list(left):
            partner = next((index for index, other in enumerate(right) if equal(item, other)), None)
            if partner is not None:
                left.remove(item)
                del right[partner]
    return not left
