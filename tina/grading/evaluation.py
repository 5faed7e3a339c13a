r"""Expressions as numbers: two of them are equal if they agree at random points, and different if they do not.

An expression in canonical notation is read by recursive descent into nested closures and evaluated in complex floating
point, its variables at fixed pseudo-random values (Schwartz-Zippel in spirit). That takes microseconds, cannot blow up
(a tower of powers overflows at once), and says "don't know" rather than guess: for syntax it does not read, overflow,
cancellation, or a difference on negative values alone (\sqrt{x^2} and x). Then computer algebra decides.
"""

import re
from functools import lru_cache

from tina.grading.literals import Literal
from tina.grading.reader import POSITIVE_POINTS, Point, Unreadable, read

AGREE = 1e-11
DIFFER = 1e-6
LARGE_CONSTANT = 1e10  # from here on floating point cannot tell neighbouring integers apart with that tolerance
POINTS = 2 * POSITIVE_POINTS
_LARGEST = 1e150  # beyond, products of two values would overflow
_SECANT_STEPS = 40
_CANNOT_TELL = (Unreadable, ArithmeticError, ValueError, RecursionError)


def agree(gold: str, answer: str) -> bool | None:
    """Whether two canonical texts have the same value; None if floating point cannot tell."""
    left, right = values(gold), values(answer)
    if left is None or right is None:
        return None
    told = [_close(a, b) for a, b in zip(left, right, strict=True)]
    if False in told[:POSITIVE_POINTS]:
        return False
    too_large = abs(left[0]) > LARGE_CONSTANT and not (_has_variables(left) or _has_variables(right))
    return True if all(told) and not too_large else None


def rounds_to(text: str, literal: Literal) -> bool | None:
    """Whether the text's value is the literal, or rounds to it if the literal is a rounded one; None: cannot tell."""
    found = _evaluated(text)
    if found is None or abs(literal.value) > _LARGEST:
        return None
    if _is_doubtful_zero(text, found):
        return False if literal.value else None
    told = [_is_literal(found, literal, scale) for scale in ((1, 100) if literal.percent else (1,))]
    return True if True in told else (None if None in told else False)


def _is_literal(found: tuple[complex, ...], literal: Literal, scale: int) -> bool | None:
    target, constant = float(literal.value) / scale, not _has_variables(found)
    told = _close(found[0], complex(target))
    if told is False and literal.rounded and constant and abs(found[0].imag) < AGREE:
        return abs(found[0].real - target) <= float(literal.ulp) / scale / 2 * (1 + DIFFER)
    return told if told is False or (constant and abs(target) < LARGE_CONSTANT) else None


def values(text: str) -> tuple[complex, ...] | None:
    """The text's values at all points, or None if it has none here. Shape [POINTS]."""
    found = _evaluated(text)
    return None if found is None or _is_doubtful_zero(text, found) else found


@lru_cache(maxsize=4096)
def _evaluated(text: str) -> tuple[complex, ...] | None:
    try:
        value = read(text)
        found = tuple(complex(value(Point(number))) for number in range(POINTS))
        return found if all(abs(number) < _LARGEST for number in found) else None
    except _CANNOT_TELL:
        return None


def _is_doubtful_zero(text: str, found: tuple[complex, ...]) -> bool:
    """I(0) need not be a product with 0; whatever it is, it is no other number."""
    return 0 in found and bool(re.search(r"[A-Za-z]", text))


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


def _has_variables(found: tuple[complex, ...]) -> bool:
    return any(number != found[0] for number in found)


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
