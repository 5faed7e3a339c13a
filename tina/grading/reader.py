r"""Expressions in canonical notation as functions of their variables, by recursive descent into nested closures.

Only what has one reading is read; everything else raises Unreadable. A letter before a parenthesis is a factor, on
both sides of a comparison alike; digits in a row are one number (x^10 is the tenth power, though TeX sets x^{1}0).
"""

import cmath
import math
import re

from tina.grading.closures import (
    FUNCTIONS,
    INVERSES,
    Point,
    Unreadable,
    Value,
    added,
    applied,
    binomial,
    divided,
    factorial,
    multiplied,
    raised,
    real,
)
from tina.grading.notation import squeezed

_TOKEN = re.compile(r"\d+(?:\.\d+)?|\.\d+|\\[A-Za-z]+|[A-Za-z]|[-+/^_(){}\[\]|!']|\s+")
_NAMES = re.compile(
    r"\\(?:alpha|beta|gamma|delta|(?:var)?epsilon|zeta|eta|(?:var)?theta|iota|kappa|lambda|mu|nu|xi|rho|sigma|tau|upsilon"
    r"|(?:var)?phi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Sigma|Phi|Psi|Omega|hbar|ell|odot)"
)
_WORD_IN_NAME = re.compile(r"\\(?:text|(max|min))")
_ACCENTS = {r"\dot", r"\ddot", r"\bar", r"\overline", r"\tilde", r"\text"}
_CLOSERS = {"(": ")", "[": "]", "{": "}", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil"}


def read(text: str) -> Value:
    """The function that a text is. Raises Unreadable, or RecursionError for absurd nesting."""
    return _Reader(text).whole()


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
            total = added(total, 1 if self.take() == "+" else -1, self.product())
        return total

    def product(self, bare_argument: bool = False) -> Value:
        """Factors with or without a sign between them; a function's bare argument ends at a sign or a function."""
        product = self.signed()
        while token := self.peek():
            if token in (r"\cdot", "/") and bare_argument:
                raise Unreadable("where a function's argument ends")
            if token == r"\cdot":
                self.take()
                product = multiplied(product, self.signed())
            elif token == "/":
                self.take()
                product = divided(product, self.signed())
            elif self.starts_factor(token) and not (bare_argument and token in FUNCTIONS):
                product = multiplied(product, self.power())
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
            base = applied(factorial, base) if self.take() == "!" else raised(base, self.exponent())
        return base

    def exponent(self) -> Value:
        if self.peek() == "{":
            return self.group()
        sign = -1 if self.peek() == "-" and self.take() else 1
        value = self.atom()
        if self.peek() == "^":
            value = raised(value, self.exponent()) if self.take() else value
        return value if sign == 1 else lambda point: -value(point)

    def group(self) -> Value:
        """Something between two brackets that belong together."""
        opening = self.take()
        if opening not in _CLOSERS:
            raise Unreadable(opening)
        outer, self.in_absolute = self.in_absolute, 0
        value = self.sum()
        self.in_absolute = outer
        self.take(_CLOSERS[opening])
        if opening == r"\lfloor":
            return applied(lambda number: math.floor(real(number)), value)
        return applied(lambda number: math.ceil(real(number)), value) if opening == r"\lceil" else value

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
            return applied(abs, inside)
        if token == r"\frac":
            return divided(self.group(), self.group())
        if token == r"\binom":
            above, below = self.group(), self.group()
            return lambda point: binomial(above(point), below(point))
        if token == r"\sqrt":
            return self.root()
        if token in FUNCTIONS:
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
            return applied(cmath.sqrt, self.group())
        index, inside = self.group(), self.group()
        return raised(inside, applied(lambda number: 1 / number, index))

    def function(self, name: str) -> Value:
        apply, exponent = FUNCTIONS[name], None
        if name == r"\log" and self.peek() == "_":
            self.take()
            base = self.group() if self.peek() == "{" else self.one_character()
            argument = self.argument()
            return divided(applied(cmath.log, argument), applied(cmath.log, base))
        if self.peek() == "^":
            self.take()
            exponent = self.exponent()
            if exponent(Point(0)) == -1:
                apply, exponent = INVERSES.get(name), None
                if apply is None:
                    raise Unreadable(name + "^{-1}")
        value = applied(apply, self.argument())
        return raised(value, exponent) if exponent else value

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
        name = squeezed(_WORD_IN_NAME.sub(r"\1", name))
        return lambda point: point[name]
