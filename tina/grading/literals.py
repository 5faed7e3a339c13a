r"""Numbers that can be read off the canonical notation exactly, and when two of them are the same number.

    2.50   -7,425,000   1e-5   4.5\cdot 10^{33}   \frac{3}{4}   3/4   1 \frac{4}{5}   146 1/2   0.\overline{36}

A decimal of four significant digits or more may be a rounded value: it then equals whatever rounds to it, a fraction,
a closed form or a longer decimal. Shorter decimals are taken at their word (0.5 is one half, 0.33 is not one third),
and so is a whole number with a decimal point (2.000 is 2, and not 2.0004).
Decimals of fourteen digits or more are printed floating-point numbers, and compared as such.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

MIN_ROUNDED_DIGITS = 4
MIN_FLOAT_DIGITS = 14  # a printed floating-point number, whose last digits are noise: 0.30000000000000004
_FLOAT_NOISE = Fraction(1, 10**13)
_MAX_EXPONENT = 400

_SIGN = r"(?P<sign>[-+]?)\s?"
_DECIMAL = r"\d+(?:\.\d*)?|\.\d+"
_THOUSANDS = r"\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d{1,3}(?: \d{3})+(?:\.\d*)?"
_POWER_OF_TEN = r"10\s?\^\s?(?:\{\s?(?P<power>[-+]?\s?\d{1,9})\s?\}|(?P<short_power>\d{1,9}))"
_FORMS = [
    re.compile(rf"{_SIGN}(?P<decimal>{_THOUSANDS}|{_DECIMAL})(?:[eE](?P<exponent>[-+]?\d{{1,9}}))?"),
    re.compile(rf"{_SIGN}(?:(?P<decimal>{_DECIMAL})\s?\\cdot\s?)?{_POWER_OF_TEN}"),
    re.compile(rf"{_SIGN}(?P<numerator>{_DECIMAL})\s?/\s?(?P<denominator>{_DECIMAL})"),
    re.compile(rf"{_SIGN}(?:(?P<whole>\d+)\s?)?\\frac\{{\s?(?P<numerator>-?(?:{_DECIMAL}))\s?\}}"
               rf"\{{\s?(?P<denominator>-?(?:{_DECIMAL}))\s?\}}"),
    re.compile(rf"{_SIGN}(?P<whole>\d+) (?:and )?(?P<numerator>\d+)\s?/\s?(?P<denominator>\d+)"),
    re.compile(rf"{_SIGN}(?P<decimal>\d*\.\d*)\\(?:overline|dot|bar)\s?\{{(?P<period>\d{{1,50}})\}}"),
]  # fmt: skip
_CONTINUED = re.compile(r"([-+]?\s?\d*)\.(\d{1,50})\s?\\ldots")
_DECIMAL_COMMA = re.compile(r"([-+]?)(\d+),(\d{1,2}|\d{4,})")


@dataclass(frozen=True)
class Literal:
    """An exact value; `ulp` is the weight of a decimal's last digit (None for integers and fractions)."""

    value: Fraction
    ulp: Fraction | None = None
    digits: int = 0

    @property
    def rounded(self) -> bool:
        """Whether the literal may stand for a value that was rounded to it."""
        if self.ulp is None or self.digits < MIN_ROUNDED_DIGITS:
            return False
        return self.ulp >= 1 or self.value.denominator > 1

    def times(self, factor: Fraction) -> "Literal":
        """The same measurement in another unit."""
        return Literal(self.value * factor, self.ulp and self.ulp * abs(factor), self.digits)


def read(text: str) -> Literal | None:
    """The number that a canonical text is, or None."""
    if not text[-1:].isdigit() and text[-1:] not in (".", "}", "s"):
        return None
    for form in _FORMS:
        found = form.fullmatch(text)
        if found:
            return _literal({key: value for key, value in found.groupdict().items() if value})
    return _read_continued(text)


def read_decimal_comma(text: str) -> Literal | None:
    """The number that a text is if its comma is a decimal one ("1000,99"), or None; "1,234" keeps its thousands."""
    found = _DECIMAL_COMMA.fullmatch(text)
    return read(f"{found[1]}{found[2]}.{found[3]}") if found else None


def same_number(gold: Literal, answer: Literal) -> bool:
    """Whether two literals are the same number."""
    if gold.value == answer.value:
        return True
    if any(literal.ulp and literal.digits >= MIN_FLOAT_DIGITS for literal in (gold, answer)):
        return abs(gold.value - answer.value) <= _FLOAT_NOISE * max(abs(gold.value), abs(answer.value))
    coarse, fine = sorted((gold, answer), key=lambda literal: literal.ulp or 0, reverse=True)
    return coarse.rounded and rounds_to(fine.value, coarse)


def rounds_to(value: Fraction, literal: Literal) -> bool:
    """Whether the exact value, rounded to the literal's last digit, is the literal."""
    return literal.ulp is not None and abs(value - literal.value) * 2 <= literal.ulp


def _read_continued(text: str) -> Literal | None:
    """0.333... is one third; 1.41421... is a number that starts so."""
    found = _CONTINUED.fullmatch(text)
    if not found:
        return None
    whole, digits = found[1], found[2]
    for length in range(1, len(digits) // 2 + 1):
        period = digits[len(digits) - length :]
        repeated = re.search(f"(?:{period})+$", digits)
        if len(repeated.group()) >= max(2 * length, 3):
            return read(rf"{whole}.{digits[: repeated.start()]}\overline{{{period}}}")
    return read(f"{whole}.{digits}")


def _literal(parts: dict[str, str]) -> Literal | None:
    sign = -1 if parts.get("sign") == "-" else 1
    if "denominator" in parts:
        denominator = Fraction(parts["denominator"])
        numerator = Fraction(parts["numerator"])
        if denominator == 0 or ("whole" in parts and not 0 < numerator < denominator):
            return None
        return Literal(sign * (int(parts.get("whole", 0)) + numerator / denominator))
    decimal = re.sub(r"[, ]", "", parts.get("decimal", "1"))
    exponent = int((parts.get("exponent") or parts.get("power") or parts.get("short_power") or "0").replace(" ", ""))
    if abs(exponent) > _MAX_EXPONENT or len(decimal) > 2 * _MAX_EXPONENT:
        return None
    scale = Fraction(10) ** exponent
    places = len(decimal.partition(".")[2])
    value = Fraction(decimal if decimal != "." else "0") * scale
    if "period" in parts:
        period = parts["period"]
        value += Fraction(int(period), (10 ** len(period) - 1) * 10**places)
        return Literal(sign * value)
    is_decimal = "." in decimal.rstrip(".") or "exponent" in parts or ("decimal" in parts and exponent)
    digits = len(decimal.replace(".", "").lstrip("0"))
    return Literal(sign * value, scale / 10**places if is_decimal else None, digits)
