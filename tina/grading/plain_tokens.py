r"""Running text as tokens of mathematics, for `tina.grading.plain_expressions`.

Letters in a row are told apart: functions, constants (π, e^, i), variables and short products of them (x, 4xyz, ab/2),
and words. A unit, the article in "12 - a fact", the pronoun in "42 - I am sure", and the letters of 5-a-side, F-16 and
i.e. are words.
"""

import re
from dataclasses import dataclass, replace

from tina.grading.quantities import split_quantity

_GREEK = "Α-Ωα-ωϑϕϵ"
_RAISED = "⁰¹²³⁴-⁹⁺⁻ⁿ"
_LOWERED = "₀₁₂₃₄₅₆₇₈₉"
_FRACTIONS = "¼-¾⅐-⅞"
_LETTER = rf"[^\W\d_{_GREEK}{_RAISED}{_LOWERED}{_FRACTIONS}]"
_INDEX = rf"(?:_\{{?[A-Za-z0-9]+\}}?|[{_LOWERED}]+|\d+)?(?:['′]+(?=\())?"
_FUNCTION = (
    r"(?:(?:sqrt|cbrt|exp|ln|log(?:_?\d{1,2})?|lg|sinh?|cosh?|tanh?|sec|csc|cot|arcsin|arccos|arctan|asin|acos|atan)"
    rf"(?=\s?(?:[(\[{{√^\d{_RAISED}]|[b-hj-z{_GREEK}](?!{_LETTER})))"
    r"|(?:abs|floor|ceil|factorial|binom(?:ial)?|comb|gcd|lcm|max|min|pow)(?=\())"
)
_TOKEN = re.compile(
    rf"""(?P<number>(?:\d+(?:[.,]\d+)*|\.\d+)(?:[eE][-+]?\d+)?|[{_FRACTIONS}])
    |(?P<raised>[{_RAISED}]+)
    |(?P<root>[√∛∜])
    |(?P<operator>\*\*|[-‐‑–−﹣－+±*∗·⋅×/÷^]|(?<=\d)[xX](?=\d)|(?<=[\d)][ ])[xX](?=[ ][\d(]))
    |(?P<word>(?:[A-Za-z]\.){{2,}})
    |(?P<function>{_FUNCTION})
    |(?P<letters>{_LETTER}+{_INDEX}|[{_GREEK}]{_INDEX})
    |(?P<bar>\|)|(?P<open>[(\[{{⌊⌈])|(?P<close>[)\]}}⌋⌉])
    |(?P<factorial>!)|(?P<mark>[°%])
    |(?P<stop>[^ \t])""",
    re.VERBOSE,
)
DASHES = "-‐‑–"
SIGNS = DASHES + "−﹣－±"
POWERS = ("^", "**")

_MAX_FACTORS = 4
_NO_PRODUCT = re.compile(
    "am|an|and|as|at|be|by|do|for|he|her|his|if|in|is|it|me|no|not|of|off|on|or|out|per|pm|she|so|the|to|up|us|was|we|yes"
    "|st|nd|rd|th|[kKMGT]B"
)
_IDIOM = re.compile(r"pi (?:day|digit|bond|electron|orbital|meson)s?\b", re.IGNORECASE)
# "I am", "a fact"; but "a is" and "i or j" speak of variables
_WORD_OF_ONE_LETTER = re.compile(
    r"[aAiI](?:['’]| +(?!(?:is|are|was|in|and|or|from|for|when|where|if|as|which|by|with|because|since|to|we|at|on|of)"
    r"\b)[^\W\d_]{2})"
)
# 5-a-side, the y-axis, an F-16; but n-17 and x-sin(y) are differences
_COMPOUND = re.compile(
    rf"(?<=[^\W\d_]{{2}}[{DASHES}])[A-Za-z]|[A-Za-z][{DASHES}](?!pi\b|{_FUNCTION})[^\W\d_]{{2}}|[A-Z][{DASHES}]\d"
)


@dataclass(frozen=True)
class Token:
    """A part of the text, and what it is: the name of a group in `_TOKEN`, with letters told apart.

    "letters" become a "constant", a "letter" (a variable or a product of some) or a "word".
    """

    kind: str
    text: str
    start: int
    end: int

    def touches(self, behind: "Token") -> bool:
        """Whether the other token stands right behind this one, without a space."""
        return self.end == behind.start


def tokens_of(text: str, first: int, last: int) -> list[Token]:
    """The tokens of text[first:last]. Spaces are none: they are the gaps between tokens."""
    raw = [Token(str(found.lastgroup), found.group(), *found.span()) for found in _TOKEN.finditer(text, first, last)]
    return [
        replace(token, kind=_kind_of_letters(raw, place, text)) if token.kind == "letters" else token
        for place, token in enumerate(raw)
    ]


def _kind_of_letters(raw: list[Token], place: int, text: str) -> str:
    """A product of variables has a digit, a power or an operator beside it, but for a hyphen."""
    run = raw[place]
    before = raw[place - 1] if place and raw[place - 1].touches(run) else None
    behind = raw[place + 1] if place + 1 < len(raw) and run.touches(raw[place + 1]) else None
    is_factor = before is not None and before.kind in ("number", "raised", "close")
    is_base = behind is not None and (behind.text in POWERS or behind.kind == "raised")
    if run.text in ("π", "pi"):
        return "word" if _IDIOM.match(text, run.start) else "constant"
    name = run.text.partition("_")[0].rstrip("'′0123456789" + _LOWERED)
    if len(name) == 1:
        if _COMPOUND.match(text, run.start) or (not is_factor and _WORD_OF_ONE_LETTER.match(text, run.start)):
            return "word"
        return "constant" if name == "i" or (name == "e" and is_base) else "letter"
    by_operator = any(other and other.kind == "operator" and other.text not in SIGNS for other in (before, behind))
    if run.text != name or len(name) > _MAX_FACTORS or not (is_factor or is_base or by_operator):
        return "word"
    is_unit = before and (before.kind == "number" or before.text == "/") and split_quantity(f"1{name}")
    return "word" if is_unit or _NO_PRODUCT.fullmatch(name) else "letter"
