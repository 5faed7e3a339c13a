r"""What an answer as written can mean, likeliest first.

1,22                  a list, and 1.22 with a decimal comma; 1,234 is 1234, and a list
5m                    five times m, and 5 meters if the other side says a unit
9:16                  a time of day, and a ratio
\text{Area: }5        5: words in front that only say what follows are left out, "minus" is a sign
\frac12\ (0.5)        one number written twice
e^{-t/RC}             also e^{-t/(RC)}: whoever leaves the brackets out means one or the other
"""

import re
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from tina.grading import evaluation, literals, numerals
from tina.grading.brackets import matching
from tina.grading.notation import canonical
from tina.grading.quantities import split_attached_letter
from tina.grading.structure import Node, bare_words, parse, ratio

ATTACHED = "attached unit"
RATIO = "ratio of a time of day"

# Words that say what follows, not how large it is: "the total area of the square is", never "less than" or "half of".
_INTRODUCTIONS = re.compile(
    r"""(?:the|an?|final|correct|required|desired|exact|numerical|simplified|closed|form|answers?|results?|solutions?
    |values?|number|amount|total|sum|product|difference|quotient|area|volume|length|width|height|depth|perimeter
    |circumference|radius|diameter|distance|speed|velocity|time|age|cost|price|probability|chance|angle|measure|mass
    |weight|energy|power|force|pressure|temperature|ratio|rate|percentage|expected|mean|median|mode|average|variance
    |smallest|largest|minimum|maximum|minimal|maximal|least|greatest|common|is|are|equals?|to|be|so|thus|hence|therefore
    |then|we|get|have|find|obtain|it|that|this|which|her|his|their|its|my|our|of|in|for|all|both|these|possible|real
    |integer|positive|ways|pairs|points|there|roots?|remainder|slope|coefficient|degree|option|choice|interval|set
    |function|equation|line|matrix|vector|triangle|circle|rectangle|parallelogram
    |trapezoid|pentagon|hexagon|octagon|polygon|cube|sphere|cone|cylinder|pyramid|prism|region|figure|shape|segment
    |sides?|edges?|diagonals?|hypotenuse|altitude|graph|sequence|series|around|about|approximately|roughly|approx)""",
    re.VERBOSE | re.IGNORECASE,
)
_INTRODUCED = re.compile(r"((?:[A-Za-z]+(?:'s)?[\s,:]+)+)(?=[^\sA-Za-z.)\]}^_=<>,]|[A-Z]?[a-z]?\s?=|[a-z](?![A-Za-z]))")
_SAYING = re.compile(r"\b(?:is|are|equals|to|be|answer|get|have|find|obtain)\s*:?\s*$|:\s*$", re.IGNORECASE)
_HANGING = re.compile(r"\b(?:of|in|for|roots?|sum|product|difference|quotient|degree)\s*$", re.IGNORECASE)
_NEGATION = re.compile(r"(?:negative|minus)\s*$", re.IGNORECASE)
_TEXT_IN_FRONT = re.compile(r"\\text\s?\{([^{}]*)\}\s*:?\s*")
_REASON_BEHIND = re.compile(r"(.*\S)\s*\\text\s?\{\s*[(,]?\s?(?:since|because|as|approximately|approx|rounded)\b.*")
_OR = re.compile(r"(?<![A-Za-z\\{])or(?![A-Za-z}])")
_FACTOR = (
    r"(?:\d+(?:\.\d+)?(?!\d)|\\(?!frac|cdot|sin|cos|tan|cot|sec|csc|log|ln|exp|le|ge|ne|in|cup|cap|pm|mp|text|approx|to)"
    r"[a-z]+(?![a-z])|[A-Za-z])(?:_(?:\{[^{}]*\}|\w))?(?:\^(?:\{[^{}]*\}|\w))?"
)
_DIVIDED_BY_SEVERAL = re.compile(rf"/\s?({_FACTOR}(?:\s?{_FACTOR})+)(?=\s?(?:[-+=,;)\]}}<>]|$))")
_EXPONENT = re.compile(r"\^\{[^{}]*\}")


@lru_cache(maxsize=4096)
def readings(answer: str, is_gold: bool = False) -> tuple[Node, ...]:
    """All readings of an answer as written; never empty. A gold is taken at its word: outside of an exponent its
    division sign takes one factor."""
    text = canonical(answer)
    nodes = [parse(text)]
    first = nodes[0]
    if (number := literals.read_decimal_comma(text)) is not None:
        nodes.append(Node("number", text, number=number))
    if first.kind == "number" and "," in text and not first.unit:
        nodes.append(Node("list", text, tuple(parse(part) for part in text.split(","))))
    terms = numerals.read_ratio(text) if first.kind == "clock" else None
    if terms and (quotient := ratio(text, terms)) and _in_lowest_terms(quotient, terms):
        nodes.append(replace(quotient, mark=(RATIO,)))
    if (attached := split_attached_letter(text)) and (number := literals.read(attached[0])):
        nodes.append(Node("number", attached[0], number=number, unit=attached[1], mark=(ATTACHED,)))
    if (stripped := _stripped(text)) is not None:
        nodes.append(parse(stripped))
    if (restated := _restated(text, first)) is not None:
        nodes.append(restated)
    if "/" in text and (divided := _divided_by_all(text, is_gold)) != text:
        nodes.append(parse(divided))
    return tuple(nodes)


def _divided_by_all(text: str, in_exponents: bool) -> str:
    if in_exponents:
        return _EXPONENT.sub(lambda found: _divided_by_all(found.group(), False), text)
    return _DIVIDED_BY_SEVERAL.sub(r"/(\1)", text)


def _in_lowest_terms(quotient: Node, terms: tuple[literals.Literal, ...]) -> bool:
    """Whether 9:16 may be meant as a ratio; 10:30 is a time of day."""
    return quotient.kind == "ratio" or quotient.number.value.numerator == terms[0].value


def _stripped(text: str) -> str | None:
    r"""The text without words in front that introduce it, and without a reason behind it; None if there are none."""
    out = text
    if reason := _REASON_BEHIND.fullmatch(out):
        out = reason[1]
    if front := _TEXT_IN_FRONT.match(out):
        words, rest = front[1].strip(), out[front.end() :]
        if rest and (introduced := _without_introduction(words, rest, spelled_out=True)):
            out = introduced
    plain = bare_words(out)
    if (found := _INTRODUCED.match(plain)) and (
        introduced := _without_introduction(found[1], plain[found.end() :], spelled_out=False)
    ):
        out = introduced
    return None if out == text else canonical(out)


def _without_introduction(words: str, rest: str, spelled_out: bool) -> str | None:
    """What is introduced; words that no \text sets off have to end with "is" or a colon."""
    sign = ""
    if found := _NEGATION.search(words):
        words, sign = words[: found.start()].strip(), "-"
    known = all(_INTRODUCTIONS.fullmatch(word) for word in re.findall(r"[^\W\d_]+", words.replace("'s", "")))
    if not known or re.search(r"\d", words) or not rest.strip():
        return None
    if words and not _SAYING.search(words) and (not spelled_out or _HANGING.search(words)):
        return None
    return f"{sign}({rest})" if sign else rest


def _restated(text: str, node: Node) -> Node | None:
    """The first of two spellings of one number: \frac12 or 0.5, \frac12 (0.5), 50\\% (or \frac12)."""
    if node.kind == "list" and len(node.items) == 2 and _OR.search(text):
        first, second = node.items
    elif (text := bare_words(text).strip()).endswith(")"):
        opening = next((i for i, c in enumerate(text) if c == "(" and matching(text, i) == len(text) - 1), 0)
        inside = re.sub(r"^(?:or|=|\\approx|i\.e\.)\s*", "", text[opening + 1 : -1].strip())
        if not opening or text[opening - 1] not in " }" or not inside:
            return None
        first, second = parse(text[:opening].strip()), parse(inside)
    else:
        return None
    if first.text == second.text or first.kind not in ("number", "algebra") or second.kind != "number":
        return None
    number = second.number.times(Fraction(1, 100)) if second.unit == "%" else second.number
    exact = number.ulp is None  # "2 (3)" is no rounding
    told = evaluation.rounds_to(first.text, number) if exact else evaluation.is_rounded_to(first.text, number)
    return first if told else None
