r"""What units mean, and whether the numbers in front of two of them can be compared.

scales("km", "m")    the answer's number has to be multiplied by 1/1000
scales("cm", "")     by 1: a missing unit does not count
scales("%", "")      by 1, or by 100: 28% is 28 and 0.28
scales("cm", "s")    (): they clash
scales("cm", "apples")  by 1: what is counted is no unit
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from tina.grading.substitutions import Substitutions
from tina.grading.unit_table import PREFIX_WORDS, PREFIXED, PREFIXES, UNPREFIXED, WORKED_IN, Row

_MAX_MEANINGS = 24

_BRACES = re.compile(r"\\text\s?|[{}.~]|\\(?=\$)")
_FRACTION = re.compile(r"\\frac\s?\{((?:[^{}]|\{[^{}]*\})*)\}\s?\{((?:[^{}]|\{[^{}]*\})*)\}")
_SPELLINGS = Substitutions(
    [
        (r"\\mu\s?(?:\\text\s?\{\s?)?", "μ"),
        (r"\\Omega\s?", "Ω"),
        (r"\\text\s?\{\s?([MLR])\s?\}\s?(?=_)", r"\1"),
        (r"_\s?\{?\s?\\odot\s?\}?", r"_\\odot "),
        (r"\\cdot|\\times", "*"),
        (r"°\s?(?:\\text\s?\{\s?)?([CFK])(?![A-Za-z])", r"°\1"),
        (r"\bdegrees?\s([Cc]elsius|[Ff]ahrenheit|[CFK])\b", r"\1"),
        (r"\b(?:US|U\.S\.)\s?(?=\\?\$|dollar)", ""),
        (r"\bper\b", "/"),
        (r"\b(?:square|sq\.?)\s+([A-Za-z]+)", r"\1^2"),
        (r"\b(?:cubic|cu\.?)\s+([A-Za-z]+)", r"\1^3"),
        (r"\s+squared\b", "^2"),
        (r"\s+cubed\b", "^3"),
        (r"\blight[\s-]years?\b", "ly"),
    ]
)
_TOKEN = re.compile(r"[^\W\d_]+(?:_\\odot)?|°[CFK]?|''?|[%‰$€£¥₹]|\^?\s?-?\d+|[*/()\[\]]|\S")


@dataclass(frozen=True)
class Scale:
    """A factor, times a power of pi."""

    factor: Fraction = Fraction(1)
    pi: int = 0

    def __mul__(self, other: "Scale") -> "Scale":
        return Scale(self.factor * other.factor, self.pi + other.pi)

    def __pow__(self, exponent: int) -> "Scale":
        return Scale(self.factor**exponent, self.pi * exponent)


ONE = Scale()


@dataclass(frozen=True)
class Unit:
    """One meaning of a unit: so many of the product of base units, each to its power."""

    bases: tuple[tuple[str, int], ...] = ()
    scale: Scale = ONE

    def times(self, other: "Unit", exponent: int) -> "Unit":
        powers = dict(self.bases)
        for base, power in other.bases:
            powers[base] = powers.get(base, 0) + power * exponent
        return Unit(tuple(sorted((b, p) for b, p in powers.items() if p)), self.scale * other.scale**exponent)


@lru_cache(maxsize=4096)
def scales(gold: str, answer: str) -> tuple[Scale, ...]:
    """The factors by which an answer's number may be multiplied to be the gold's; () if the units clash."""
    left, right = meanings(gold), meanings(answer)
    if left and right:
        found = [b.scale * a.scale**-1 for a in left for b in right if a.bases == b.bases]
        return tuple(dict.fromkeys(found))
    if not left and not right:
        return (ONE,)
    if gold and answer:  # what is counted is no unit
        return (ONE,)
    if (gold or answer).startswith("'"):  # 5' without a unit on the other side may be anything
        return ()
    found = [ONE]
    for unit in {*left, *right}:
        worked_in = WORKED_IN.get(unit.bases[0][0]) if len(unit.bases) == 1 and unit.bases[0][1] == 1 else None
        if worked_in:
            found = [*(found if unit.scale == ONE else []), (_scale(worked_in) * unit.scale) ** (1 if right else -1)]
    return tuple(found)


def is_known(unit: str) -> bool:
    """Whether a text is a unit that this module can compare with others."""
    return bool(meanings(unit))


@lru_cache(maxsize=4096)
def meanings(unit: str) -> tuple[Unit, ...]:
    r"""All that a unit can mean, as written in an answer; () for none and for words that are no units.

    What stands behind a division sign divides alone or with all that follows: J/kg\cdot K is J/(kg K).
    """
    for _ in range(unit.count(r"\frac")):
        unit = _FRACTION.sub(r" (\1)/(\2) ", unit)
    unit = _SPELLINGS(unit)
    tokens = [token.replace(" ", "") for token in _TOKEN.findall(_BRACES.sub(" ", unit))]
    if not tokens or len(tokens) > 40:
        return ()
    found = [unit for greedy in (False, True) for unit in _read(list(tokens), greedy)]
    return tuple(dict.fromkeys(found))


def _read(tokens: list[str], greedy: bool) -> Sequence[Unit]:
    """Meanings of the tokens up to a closing bracket or the end, which are taken from the front."""
    product, sign, once = [Unit()], 1, 1
    while tokens and tokens[0] not in (")", "]"):
        token = tokens.pop(0)
        if token == "/":
            sign = once = -1
            continue
        if token == "*":
            continue
        if token in ("(", "["):
            factor = _read(tokens, greedy)
            if not tokens:
                return []
            tokens.pop(0)
        else:
            factor = _known_words().get(token) or (_known_words().get(token.lower(), ()) if len(token) > 2 else ())
        exponent = _exponent(tokens) * (sign if greedy else once)
        once = 1
        product = [unit.times(other, exponent) for unit in product for other in factor][:_MAX_MEANINGS]
        if not product:
            return []
    return product


def _exponent(tokens: list[str]) -> int:
    if tokens and tokens[0].lstrip("^-").isdecimal():
        return max(-9, min(9, int(tokens.pop(0).lstrip("^"))))
    if len(tokens) > 1 and tokens[0] == "^" and tokens[1].lstrip("-").isdecimal():
        tokens.pop(0)
        return max(-9, min(9, int(tokens.pop(0))))
    return 1


def _scale(factor: str) -> Scale:
    above, _, below = factor.partition("/")
    pi = (above == "π") - (below == "π")
    return Scale(Fraction(1 if above == "π" else int(above)) / Fraction(1 if below in ("π", "") else int(below)), pi)


def _bases(text: str) -> tuple[tuple[str, int], ...]:
    if text.startswith("solar"):
        return ((text, 1),)
    powers = (part.partition("^") for part in text.split())
    return tuple(sorted((base, int(power or 1)) for base, _, power in powers))


@lru_cache(maxsize=1)
def _known_words() -> dict[str, tuple[Unit, ...]]:
    """Every symbol and word, in the singular and the plural, with all its meanings."""
    words: dict[str, dict[Unit, None]] = {}

    def add(row: Row, spellings: list[str], prefix: str = "", power: int = 0) -> None:
        unit = Unit(_bases(row[1]), _scale(row[2]) * Scale(Fraction(10) ** power))
        for spelling in spellings:
            words.setdefault(prefix + spelling, {})[unit] = None

    for row in (*PREFIXED, *UNPREFIXED):
        add(row, [row[0], *_plurals(row), *([row[0] + "s"] if len(row[0]) > 1 else [])])
    fixed = set(words)  # min is no milli-inch, and cd, pt, ft and ha are what they are
    for row in PREFIXED:
        for prefix, power in PREFIXES.items():
            add(row, [row[0]] if prefix + row[0] not in fixed else [], prefix, power)
        for prefix, power in PREFIX_WORDS.items():
            add(row, _plurals(row), prefix, power)
    return {word: tuple(units) for word, units in words.items()}


def _plurals(row: Row) -> list[str]:
    """The words for a unit, each in the singular and the plural."""
    return [word + ending for word in row[3].split() for ending in ("", "s", "es")]
