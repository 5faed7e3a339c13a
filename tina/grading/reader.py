r"""Expressions in canonical notation as functions of their variables, by recursive descent into nested closures.

Only what has one reading is read; everything else raises Unreadable. A letter before a parenthesis is a factor, on
both sides of a comparison alike; digits in a row are one number (x^10 is the tenth power, though TeX sets x^{1}0).
"""

import cmath
import math
import re
import zlib
from collections.abc import Callable

from tina.grading.notation import squeezed

POSITIVE_POINTS = 3

_TOKEN = re.compile(r"\d+(?:\.\d+)?|\.\d+|\\[A-Za-z]+|[A-Za-z]|[-+/^_(){}\[\]|!']|\s+")
_FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    r"\sin": cmath.sin, r"\cos": cmath.cos, r"\tan": cmath.tan, r"\exp": cmath.exp,
    r"\cot": lambda z: 1 / cmath.tan(z), r"\sec": lambda z: 1 / cmath.cos(z), r"\csc": lambda z: 1 / cmath.sin(z),
    r"\arcsin": cmath.asin, r"\arccos": cmath.acos, r"\arctan": cmath.atan, r"\sinh": cmath.sinh,
    r"\cosh": cmath.cosh, r"\tanh": cmath.tanh, r"\ln": cmath.log, r"\log": cmath.log10, r"\lg": cmath.log10,
}  # fmt: skip
_INVERSES = {r"\sin": cmath.asin, r"\cos": cmath.acos, r"\tan": cmath.atan}
_NAMES = re.compile(
    r"\\(?:alpha|beta|gamma|delta|(?:var)?epsilon|zeta|eta|(?:var)?theta|iota|kappa|lambda|mu|nu|xi|rho|sigma|tau|upsilon"
    r"|(?:var)?phi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Sigma|Phi|Psi|Omega|hbar|ell|odot)"
)
_ACCENTS = {r"\dot", r"\ddot", r"\bar", r"\overline", r"\tilde", r"\text"}
_CLOSERS = {"(": ")", "[": "]", "{": "}", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil"}


class Unreadable(Exception):
    """The text is not in the part of LaTeX that this module reads."""


class Point(dict):
    """Values of variables; those not set are pseudo-random, fixed by their names and the point's number."""

    def __init__(self, number: int):
        super().__init__()
        self.number = number

    def __missing__(self, name: str) -> complex:
        draw = zlib.crc32(f"{self.number} {name}".encode("utf-8", "surrogatepass")) / 2**32
        sign = -1 if self.number >= POSITIVE_POINTS and (draw * 1e4) % 1 < 0.6 else 1
        self[name] = sign * (0.6 + 1.8 * draw)
        return self[name]


Value = Callable[[Point], complex]


def read(text: str) -> Value:
    """The function that a text is. Raises Unreadable, or RecursionError for absurd nesting."""
    return _Reader(text).whole()


def _power(base: complex, exponent: complex) -> complex:
    """The principal power; of a negative real number with an odd root, the real one."""
    if base.imag == 0 and base.real < 0 and exponent.imag == 0 and exponent.real % 1:
        for root in (3, 5, 7):
            times = exponent.real * root
            if abs(times - round(times)) < 1e-12:
                return (-1) ** (round(times) % 2) * abs(base) ** exponent.real
    return base**exponent


def _factorial(value: complex) -> complex:
    if value.imag or value.real < 0 or value.real > 170:
        raise Unreadable("a factorial of this number")
    return math.gamma(value.real + 1)


def _binomial(above: complex, below: complex) -> complex:
    if above.imag or below.imag or above.real % 1 or below.real % 1 or not 0 <= below.real <= above.real <= 1000:
        raise Unreadable("a binomial coefficient of these numbers")
    return float(math.comb(int(above.real), int(below.real)))


class _Reader:
    """Recursive descent over the tokens of one text; every method returns the closure of what it has read."""

    def __init__(self, text: str):
        self.tokens: list[str] = []
        index = 0
        while index < len(text):
            found = _TOKEN.match(text, index)
            if not found:
                raise Unreadable(text[index])
            self.tokens.append(found.group().strip())
            index = found.end()
        self.index = 0
        self.in_absolute = 0

    def peek(self) -> str:
        """The next token; spaces are passed over, and the end is ""."""
        while self.index < len(self.tokens) and not self.tokens[self.index]:
            self.index += 1
        return self.tokens[self.index] if self.index < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if not token or (expected and token != expected):
            raise Unreadable(f"{token!r} where {expected!r} should stand")
        self.index += 1
        return token

    def whole(self) -> Value:
        value = self.sum()
        if self.peek():
            raise Unreadable(self.peek())
        return value

    def sum(self) -> Value:
        total = self.product()
        while self.peek() in ("+", "-"):
            total = _added(total, 1 if self.take() == "+" else -1, self.product())
        return total

    def product(self, bare_argument: bool = False) -> Value:
        """Factors with or without a sign between them; a function's bare argument ends at a sign or a function."""
        product = self.signed()
        while token := self.peek():
            if token in (r"\cdot", "/") and bare_argument:
                raise Unreadable("where a function's argument ends")
            if token == r"\cdot":
                self.take()
                product = _multiplied(product, self.signed())
            elif token == "/":
                self.take()
                product = _divided(product, self.signed())
            elif self.starts_factor(token) and not (bare_argument and token in _FUNCTIONS):
                product = _multiplied(product, self.power())
            else:
                break
        return product

    def starts_factor(self, token: str) -> bool:
        return token not in ("+", "-", "^", "_", "!", "'", ")", "]", "}", r"\rfloor", r"\rceil") and not (
            token == "|" and self.in_absolute
        )

    def signed(self) -> Value:
        sign = 1
        while self.peek() in ("+", "-"):
            sign *= -1 if self.take() == "-" else 1
        value = self.power()
        return value if sign == 1 else lambda point: -value(point)

    def power(self) -> Value:
        base = self.atom()
        while self.peek() in ("!", "^"):
            base = _applied(_factorial, base) if self.take() == "!" else _raised(base, self.exponent())
        return base

    def exponent(self) -> Value:
        if self.peek() == "{":
            return self.group()
        sign = -1 if self.peek() == "-" and self.take() else 1
        value = self.atom()
        if self.peek() == "^":
            value = _raised(value, self.exponent()) if self.take() else value
        return value if sign == 1 else lambda point: -value(point)

    def group(self) -> Value:
        """Something between two brackets that belong together."""
        opening = self.take()
        outer, self.in_absolute = self.in_absolute, 0
        value = self.sum()
        self.in_absolute = outer
        self.take(_CLOSERS[opening])
        if opening == r"\lfloor":
            return _applied(lambda number: math.floor(_real(number)), value)
        return _applied(lambda number: math.ceil(_real(number)), value) if opening == r"\lceil" else value

    def atom(self) -> Value:
        token = self.peek()
        if token in _CLOSERS:
            return self.group()
        self.take()
        if token[:1].isdigit() or token[:1] == ".":
            return self.number(token)
        if token == "|":
            self.in_absolute += 1
            inside = self.sum()
            self.in_absolute -= 1
            self.take("|")
            return _applied(abs, inside)
        if token == r"\frac":
            return _divided(self.group(), self.group())
        if token == r"\binom":
            above, below = self.group(), self.group()
            return lambda point: _binomial(above(point), below(point))
        if token == r"\sqrt":
            return self.root()
        if token in _FUNCTIONS:
            return self.function(token)
        if token in ("e", "i", r"\pi"):
            constant = {"e": math.e, "i": 1j, r"\pi": math.pi}[token]
            return lambda point: constant
        return self.variable(token)

    def number(self, digits: str) -> Value:
        """A numeral, or a mixed number; "1 2" and "12_8" are neither."""
        following = self.peek()
        if following == "_" or following[:1].isdigit():
            raise Unreadable(digits + following)
        value = float(digits)
        if following == r"\frac" and "." not in digits:
            before = self.index
            self.take()
            parts = [self.braced(), self.braced()]
            if all(part.isdecimal() for part in parts) and 0 < int(parts[0]) < int(parts[1]):
                value += int(parts[0]) / int(parts[1])
            else:
                self.index = before
        return lambda point: value

    def braced(self) -> str:
        """The text of a group, unread."""
        self.take("{")
        depth, out = 1, []
        while depth:
            token = self.take()
            depth += (token == "{") - (token == "}")
            out.append(token)
        return "".join(out[:-1])

    def root(self) -> Value:
        if self.peek() != "[":
            return _applied(cmath.sqrt, self.group())
        index, inside = self.group(), self.group()
        return lambda point: _power(inside(point), 1 / index(point))

    def function(self, name: str) -> Value:
        apply, exponent = _FUNCTIONS[name], None
        if name == r"\log" and self.peek() == "_":
            self.take()
            base = self.group() if self.peek() == "{" else self.one_character()
            argument = self.argument()
            return lambda point: cmath.log(argument(point)) / cmath.log(base(point))
        if self.peek() == "^":
            self.take()
            exponent = self.exponent()
            if exponent(Point(0)) == -1:
                apply, exponent = _INVERSES.get(name), None
                if apply is None:
                    raise Unreadable(name + "^{-1}")
        value = _applied(apply, self.argument())
        return _raised(value, exponent) if exponent else value

    def one_character(self) -> Value:
        """A subscript without braces."""
        token = self.take()
        if len(token) > 1 and token[0] != "\\":
            raise Unreadable(token)
        return _Reader(token).whole()

    def argument(self) -> Value:
        return self.group() if self.peek() in _CLOSERS else self.product(bare_argument=True)

    def variable(self, token: str) -> Value:
        """A letter, a Greek letter, or an accented or spelled-out name, with its subscript and primes."""
        name = token
        if token in _ACCENTS:
            name += "{" + self.braced() + "}"
        elif not token.isalpha() and not _NAMES.fullmatch(token):
            raise Unreadable(token)
        while self.peek() in ("_", "'"):
            name += self.take()
            if name[-1] == "_":
                name += self.braced() if self.peek() == "{" else self.take()
        name = squeezed(name)
        return lambda point: point[name]


def _real(number: complex) -> float:
    if number.imag:
        raise Unreadable("rounding of a complex number")
    return number.real


def _added(left: Value, sign: int, right: Value) -> Value:
    return lambda point: left(point) + sign * right(point)


def _multiplied(left: Value, right: Value) -> Value:
    return lambda point: left(point) * right(point)


def _divided(left: Value, right: Value) -> Value:
    return lambda point: left(point) / right(point)


def _raised(base: Value, exponent: Value) -> Value:
    return lambda point: _power(complex(base(point)), complex(exponent(point)))


def _applied(function: Callable[[complex], complex], value: Value) -> Value:
    return lambda point: function(complex(value(point)))
