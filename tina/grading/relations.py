r"""Equations, inequalities and chains of them: x = 5 and 5 are the same, x = 5 and y = 5 are not.

What a chain says is one value, and only if it holds together: "2+3 = 5" says 5, "2+3 = 6" says nothing;
"\sqrt{2} \approx 1.41" says both, because 1.41 is \sqrt{2} rounded, and "200 \approx 204" says 200.
"""

from collections.abc import Callable, Sequence

from tina.grading import evaluation
from tina.grading.names import is_constant, is_name, is_quantity
from tina.grading.structure import Node, key

Comparison = Callable[[Node, Node], bool]

_DIRECTED = {"<", r"\le"}
_ASSIGNING = {"=", r"\approx"}


def same_relation(gold: Node, answer: Node, same: Comparison, algebra: Comparison) -> bool:
    """Whether two answers are the same if one at least is a relation. `same` compares their parts."""
    gold_values, answer_values = _values(gold, same, is_gold=True), _values(answer, same, is_gold=False)
    if gold.kind == answer.kind:
        if gold_values and answer_values and name(gold) == name(answer):
            return _any_pair(gold_values, answer_values, same)
        if gold.mark == answer.mark == ("=",) and {"words"} == {side.kind for side in gold.items}:
            return sorted(key(side.text) for side in gold.items) == sorted(key(side.text) for side in answer.items)
        if len(gold.items) > 2 and gold.mark == answer.mark and _in_order(gold.items, answer.items, same):
            return True
        told = _proportional(gold, answer)
        return algebra(gold, answer) if told is None else told
    if gold_values and answer_values:
        return _any_pair(gold_values, answer_values, same)
    relation, other = (gold, answer) if gold.kind == "relation" else (answer, gold)
    is_inequality = _ASSIGNING.isdisjoint(relation.mark)
    return is_inequality and other.kind in ("tuple", "union", "set", "algebra") and algebra(gold, answer)


def name(relation: Node) -> str:
    """What a relation's left side is, as written."""
    return key(relation.items[0].text)


def _values(node: Node, same: Comparison, is_gold: bool) -> Sequence[Node]:
    """What a relation says its name is; a node that is no relation is its own value; () if there is no telling.

    An answer may also name a quantity of several names ("m+n = 204"), or nothing ("2+3 = 5").
    """
    if node.kind != "relation":
        return (node,)
    if not _ASSIGNING.issuperset(node.mark):
        return ()
    left = node.items[0]
    if is_name(left.text) or (not is_gold and is_quantity(left.text)):
        sides, marks = node.items[1:], node.mark[1:]
    elif not is_gold and is_constant(left.text) and left.kind in ("number", "algebra"):
        sides, marks = node.items, node.mark
    else:
        return ()
    exact = next((index for index, mark in enumerate(marks) if mark == r"\approx"), len(marks))
    if len(marks) - exact > 1 or not _hold_together(sides[: exact + 1], same):
        return ()
    rounded = [side for side in sides[exact + 1 :] if _is_rounding(sides[exact], side)]
    if exact < len(marks) and not rounded and not is_name(left.text):  # 5 \\sim 7
        return ()
    return [sides[exact], *rounded]


def _hold_together(sides: Sequence[Node], same: Comparison) -> bool:
    """Whether all constants of a chain are equal; what has variables is not looked at ("V = lwh = 60")."""
    constants = [side for side in sides if side.kind == "number" or (side.kind == "algebra" and is_constant(side.text))]
    return all(same(constants[-1], side) for side in constants[:-1])


def _is_rounding(exact: Node, rounded: Node) -> bool:
    is_constant = exact.kind in ("number", "algebra") and rounded.number is not None
    return is_constant and evaluation.is_rounded_to(exact.text, rounded.number)


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


def _any_pair(gold: Sequence[Node], answer: Sequence[Node], same: Comparison) -> bool:
    return any(same(left, right) for left in gold for right in answer)


def _in_order(gold: Sequence[Node], answer: Sequence[Node], same: Comparison) -> bool:
    return len(gold) == len(answer) and all(same(left, right) for left, right in zip(gold, answer, strict=True))
