"""Functions of a point, as closures: what `tina.grading.reader` makes of an expression."""

import cmath
import math
import zlib
from collections.abc import Callable

POSITIVE_POINTS = 3


class Unreadable(Exception):
    """The text is not in the part of LaTeX that is read, or has no value here."""


class Point(dict):
    """Values of variables; those not set are pseudo-random, fixed by their names and the point's number."""

    def __init__(self, number: int):
        super().__init__()
        self.number = number
        self.unreal = False  # set when a function of a real number turns out to be no real number

    def __missing__(self, name: str) -> complex:
        draw = zlib.crc32(f"{self.number} {name}".encode("utf-8", "surrogatepass")) / 2**32
        sign = -1 if self.number >= POSITIVE_POINTS and (draw * 1e4) % 1 < 0.6 else 1
        self[name] = sign * (0.6 + 1.8 * draw)
        return self[name]


Value = Callable[[Point], complex]

FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    r"\sin": cmath.sin, r"\cos": cmath.cos, r"\tan": cmath.tan, r"\exp": cmath.exp,
    r"\cot": lambda z: 1 / cmath.tan(z), r"\sec": lambda z: 1 / cmath.cos(z), r"\csc": lambda z: 1 / cmath.sin(z),
    r"\arcsin": cmath.asin, r"\arccos": cmath.acos, r"\arctan": cmath.atan, r"\sinh": cmath.sinh,
    r"\cosh": cmath.cosh, r"\tanh": cmath.tanh, r"\ln": cmath.log, r"\log": cmath.log10, r"\lg": cmath.log10,
}  # fmt: skip
INVERSES = {r"\sin": cmath.asin, r"\cos": cmath.acos, r"\tan": cmath.atan}


def real(number: complex) -> float:
    if number.imag:
        raise Unreadable("rounding of a complex number")
    return number.real


def added(left: Value, sign: int, right: Value) -> Value:
    return lambda point: left(point) + sign * right(point)


def multiplied(left: Value, right: Value) -> Value:
    return lambda point: left(point) * right(point)


def divided(left: Value, right: Value) -> Value:
    return lambda point: left(point) / right(point)


def raised(base: Value, exponent: Value) -> Value:
    def value(point: Point) -> complex:
        below, above = complex(base(point)), complex(exponent(point))
        found = power(below, above)
        point.unreal = point.unreal or bool(found.imag and not below.imag and not above.imag)
        return found

    return value


def applied(function: Callable[[complex], complex], argument_of: Value) -> Value:
    def value(point: Point) -> complex:
        argument = complex(argument_of(point))
        found = complex(function(argument))
        point.unreal = point.unreal or bool(found.imag and not argument.imag)
        return found

    return value


def power(base: complex, exponent: complex) -> complex:
    """The principal power; of a negative real number with an odd root, the real one."""
    if base.imag == 0 and base.real < 0 and exponent.imag == 0 and exponent.real % 1:
        for root in (3, 5, 7):
            times = exponent.real * root
            if abs(times - round(times)) < 1e-12:
                return (-1) ** (round(times) % 2) * abs(base) ** exponent.real
    return base**exponent


def factorial(value: complex) -> complex:
    if value.imag or value.real < 0 or value.real > 170:
        raise Unreadable("a factorial of this number")
    return math.gamma(value.real + 1)


def binomial(above: complex, below: complex) -> complex:
    if above.imag or below.imag or above.real % 1 or below.real % 1 or not 0 <= below.real <= above.real <= 1000:
        raise Unreadable("a binomial coefficient of these numbers")
    return float(math.comb(int(above.real), int(below.real)))
