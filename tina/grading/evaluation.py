r"""Expressions as numbers: two of them are equal if they agree at random points, and different if they do not.

An expression in canonical notation is read by recursive descent into nested closures and evaluated in complex floating
point, its variables at fixed pseudo-random values (Schwartz-Zippel in spirit). That takes microseconds, cannot blow up
(a tower of powers overflows at once), and says "don't know" rather than guess: for syntax it does not read, overflow,
cancellation, or a difference on negative values alone (\sqrt{x^2} and x). Then computer algebra decides.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from tina.grading.closures import POSITIVE_POINTS, Point, Unreadable, Value
from tina.grading.literals import Literal
from tina.grading.reader import read

AGREE = 1e-11
DIFFER = 1e-6
LARGE_CONSTANT = 1e10  # from here on floating point cannot tell neighbouring integers apart with that tolerance
POINTS = 2 * POSITIVE_POINTS
_LARGEST = 1e150  # beyond, products of two values would overflow
_SECANT_STEPS = 40
_CANNOT_TELL = (Unreadable, ArithmeticError, ValueError, RecursionError)


def agree(gold: str, answer: str) -> bool | None:
    """Whether two canonical texts have the same value; None if floating point cannot tell.

    Over the reals where both have real values: where a root or a logarithm of a negative number comes in, roots and
    logarithms of quotients may differ from quotients of roots, and nobody means that.
    """
    left, right = _sampled(gold), _sampled(answer)
    if left is None or right is None or _is_doubtful_zero(gold, left) or _is_doubtful_zero(answer, right):
        return None
    told = [None if a.unreal or b.unreal else _close(a.value, b.value) for a, b in zip(left, right, strict=True)]
    real = [not (a.unreal or b.unreal) for a, b in zip(left, right, strict=True)]
    if not any(real[:POSITIVE_POINTS]):
        told = [_close(a.value, b.value) for a, b in zip(left, right, strict=True)]
        real = [True] * POINTS
    compared = [close for close, usable in zip(told, real, strict=True) if usable]
    if False in (close for close, usable in zip(told[:POSITIVE_POINTS], real, strict=False) if usable):
        return False
    too_large = abs(left[0].value) > LARGE_CONSTANT and not (_has_variables(left) or _has_variables(right))
    return True if all(compared) and not too_large else None


def rounds_to(text: str, literal: Literal) -> bool | None:
    """Whether the text's value is the literal, or rounds to it if the literal is a rounded one; None: cannot tell."""
    found = _sampled(text)
    if found is None or abs(literal.value) > _LARGEST:
        return None
    if _is_doubtful_zero(text, found):
        return False if literal.value else None
    target, constant = float(literal.value), not _has_variables(found)
    told = _close(found[0].value, complex(target))
    if told is False and literal.rounded and constant and abs(found[0].value.imag) < AGREE:
        return abs(found[0].value.real - target) <= float(literal.ulp) / 2 * (1 + DIFFER)
    return told if told is False or (constant and abs(target) < LARGE_CONSTANT) else None


def is_rounded_to(text: str, literal: Literal) -> bool:
    """Whether the literal is the constant `text`, rounded to its last digit: to however few, if it is said to be."""
    found = values(text)
    if found is None or found[0] != found[-1] or abs(literal.value) > _LARGEST:
        return False
    unit = literal.ulp if literal.ulp is not None else int(literal.value.denominator == 1)
    return abs(found[0] - float(literal.value)) <= float(unit) / 2 * (1 + DIFFER) + AGREE * abs(found[0])


def values(text: str) -> tuple[complex, ...] | None:
    """The text's values at all points, or None if it has none here. Shape [POINTS]."""
    found = _sampled(text)
    return None if found is None or _is_doubtful_zero(text, found) else tuple(sample.value for sample in found)


class _Sample(NamedTuple):
    """A value, and whether a real number's root or logarithm that is none came into it."""

    value: complex
    unreal: bool


@lru_cache(maxsize=4096)
def _sampled(text: str) -> tuple[_Sample, ...] | None:
    try:
        value = read(text)
        found = tuple(_sample(value, Point(number)) for number in range(POINTS))
        return found if all(abs(sample.value) < _LARGEST for sample in found) else None
    except _CANNOT_TELL:
        return None


def _sample(value: Value, point: Point) -> _Sample:
    number = complex(value(point))
    return _Sample(number, point.unreal)


def _is_doubtful_zero(text: str, found: tuple[_Sample, ...]) -> bool:
    """I(0) need not be a product with 0; whatever it is, it is no other number."""
    return any(sample.value == 0 for sample in found) and bool(re.search(r"[A-Za-z]", text))


def same_roots(gold: tuple[str, str], answer: tuple[str, str]) -> bool | None:
    """False if a root of one equation (left side, right side) is none of the other; None if that settles nothing.

    All variables but one are given values, the last one is found by the secant method; each takes its turn.
    """
    try:
        equations = [_Equation(*sides) for sides in (gold, answer)]
        for one, other in (equations, reversed(equations)):
            for name in sorted(one.variables):
                point = Point(0)
                if one.solve(name, point) and abs(other.residual(point)) > DIFFER:
                    return False
        return None
    except _CANNOT_TELL:
        return None


@lru_cache(maxsize=4096)
def is_nonsense(text: str) -> bool:
    """Whether a text without any LaTeX command is no expression at all ("3+", "= 7"): it then equals nothing."""
    if "\\" in text:
        return False
    try:
        read(text)
        return False
    except RecursionError:
        return False
    except Unreadable:
        return True


def _has_variables(found: tuple[_Sample, ...]) -> bool:
    return any(sample.value != found[0].value for sample in found)


def _close(a: complex, b: complex) -> bool | None:
    if a == b:
        return True
    size = max(abs(a), abs(b))
    difference = abs(a - b) / size
    if difference <= AGREE:
        return True
    noisy_zero = 0 in (a, b) and size < 1e-9  # the other one may be a zero that rounding errors hide
    return None if difference < DIFFER or noisy_zero else False


class _Equation:
    """left = right, as functions of a point."""

    def __init__(self, left: str, right: str):
        self.left, self.right = read(left), read(right)
        start = Point(0)
        self.size = abs(self.left(start)) + abs(self.right(start)) or 1.0
        self.variables = set(start)

    def residual(self, point: Point) -> complex:
        """left - right, relative to the size of both where the search starts."""
        return (complex(self.left(point)) - complex(self.right(point))) / self.size

    def solve(self, name: str, point: Point) -> bool:
        """Sets the variable so that the sides are equal; whether that worked."""
        before, now = point[name], point[name] * 1.1 + 0.05j
        values = []
        for value in (before, now):
            point[name] = value
            values.append(self.residual(point))
        for _ in range(_SECANT_STEPS):
            if values[1] == values[0]:
                break
            before, now = now, now - values[1] * (now - before) / (values[1] - values[0])
            point[name] = now
            values = [values[1], self.residual(point)]
        return abs(values[1]) < AGREE
