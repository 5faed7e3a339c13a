r"""The expression around a number in running text: √2, 3x+5, −5, 5!/6, 2-7i and exp(9) are no 2, 5, 6, 7 and 9.

A text without LaTeX is cut into tokens; those that belong together by signs, roots, powers, factors and brackets make
an expression. Words, commas, and the relations between expressions end it, so that "2+3 = 5" says 5.
"""

import re
from dataclasses import dataclass

MAX_SPAN = 200
"""Characters looked at on either side of the number."""

_FUNCTION = (
    r"(?:(?:sqrt|cbrt|exp|ln|log(?:_?\d{1,2})?|lg|sinh?|cosh?|tanh?|sec|csc|cot|arcsin|arccos|arctan|asin|acos|atan)"
    r"(?=\s?[(\[{√π\d^])|(?:abs|floor|ceil|factorial|binom(?:ial)?|comb|gcd|lcm|max|min|pow)(?=\())"
)
_TOKEN = re.compile(
    rf"""(?P<space>[ \t]+)
    |(?P<function>(?<![^\W_]){_FUNCTION})
    |(?P<constant>(?<![^\W_])(?:pi|e(?=\^)|i)(?![^\W_])|π)
    |(?P<root>[√∛∜])
    |(?P<raised>[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+)
    |(?P<operator>\*\*|[-+−–*/·×÷^⋅∗±]|(?<=\d)x(?=\d)|(?<=\d[ ])x(?=[ ]\d))
    |(?P<letter>(?<![A-Za-z])(?:[A-Za-z](?:_\{{?\w+\}}?)?(?![^\W_])|[A-Za-z]{{2,3}}(?=[\^²³])))
    |(?P<number>(?:(?<![A-Za-z])|(?<=\dx))(?:\d+(?:[.,]\d+)*|\.\d+)(?:[eE][-+]?\d+)?|[¼-¾⅐-⅞])
    |(?P<bar>\|)|(?P<open>[(\[{{⌊⌈])|(?P<close>[)\]}}⌋⌉])
    |(?P<factorial>!)|(?P<mark>[°%])
    |(?P<boundary>.)""",
    re.VERBOSE | re.DOTALL,
)
_SIGNS = "-−–±"
_OPERAND_ENDS = ("number", "letter", "constant", "raised", "close", "bar", "factorial", "mark")
_OPERAND_STARTS = ("number", "letter", "constant", "root", "function", "open", "bar")
_NO_ENDS = ("space", "operator", "open", "function", "root", "factorial")
_PARTNERS = {")": "(", "]": "[", "}": "{", "⌋": "⌊", "⌉": "⌈"}


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int
    end: int


def expression_around(text: str, start: int, end: int) -> str:
    """The expression that the number at text[start:end] is a part of; the number itself where nothing is around it."""
    first, last = max(0, start - MAX_SPAN), min(len(text), end + MAX_SPAN)
    tokens = [Token(m.lastgroup, m.group(), m.start(), m.end()) for m in _TOKEN.finditer(text, first, last)]
    inside = [place for place, token in enumerate(tokens) if token.start < end and token.end > start]
    while inside and tokens[inside[-1]].kind == "space":
        inside.pop()
    if not inside:
        return text[start:end].strip()
    left, right = inside[0], inside[-1]
    while (before := _to_the_left(tokens, left)) is not None:
        left = before
    while (behind := _to_the_right(tokens, right)) is not None:
        right = behind
    found = _trimmed(tokens[left : right + 1], start, end)
    if found is None:
        return text[start:end].strip()
    return text[min(found[0].start, start) : max(found[-1].end, end)].strip()


def _to_the_left(tokens: list[Token], place: int) -> int | None:
    """The place of the next token on the left that belongs to the expression, spaces passed over; None if none does."""
    token, spaced = tokens[place], place > 0 and tokens[place - 1].kind == "space"
    before = place - 1 - spaced
    if before < 0:
        return None
    other = tokens[before]
    if _may_follow(other, token, tokens, before, place):
        return before
    return None


def _to_the_right(tokens: list[Token], place: int) -> int | None:
    token, spaced = tokens[place], place + 1 < len(tokens) and tokens[place + 1].kind == "space"
    behind = place + 1 + spaced
    if behind >= len(tokens):
        return None
    return behind if _may_follow(token, tokens[behind], tokens, place, behind) else None


def _may_follow(left: Token, right: Token, tokens: list[Token], before: int, behind: int) -> bool:
    """Do two neighbours belong to one expression?"""
    spaced = behind - before > 1
    if "boundary" in (left.kind, right.kind) or "space" in (left.kind, right.kind):
        return False
    if right.kind == "operator":
        # "is 3 -5" is two numbers; a sign that stands apart on both sides is an operation
        apart = behind + 1 < len(tokens) and tokens[behind + 1].kind == "space"
        is_sign = right.text in _SIGNS and left.kind in ("operator", "open", "bar")
        return is_sign or (left.kind in _OPERAND_ENDS and (not spaced or apart or right.text not in _SIGNS))
    if left.kind == "operator":
        return right.kind in _OPERAND_STARTS
    if not spaced:
        return not (left.kind == "number" and right.kind == "number") and not (
            left.kind == "letter" and right.kind == "number"
        )
    if left.kind in ("function", "root"):
        return right.kind in _OPERAND_STARTS
    # "2 sqrt(3)", "4 pi", "9.8 m/s^2"; but not "5 a day"
    if left.kind == "number" and right.kind in ("function", "root", "constant"):
        return True
    if left.text in ("π", "pi") and right.kind == "letter":  # "2 pi r"
        return True
    tight = behind + 1 < len(tokens) and tokens[behind + 1].text in ("^", "**", "/")
    return left.kind == "number" and right.kind == "letter" and tight


def _trimmed(tokens: list[Token], start: int, end: int) -> list[Token] | None:
    """Without operators and brackets that lack their other side; None if what is left no longer holds the number."""
    found = list(tokens)
    while found:
        first, last = found[0], found[-1]
        unpaired = _unpaired(found)
        sign = first.text in _SIGNS and len(found) > 1 and found[1].kind != "space"
        if first.kind == "space" or (first.kind == "operator" and not sign) or first in unpaired:
            found = found[1:]
        elif last.kind in _NO_ENDS or last in unpaired:
            found = found[:-1]
        elif unpaired:
            return None
        else:
            break
    if not found or found[0].start >= end or found[-1].end <= start:
        return None
    return found


def _unpaired(tokens: list[Token]) -> list[Token]:
    """Brackets without their partner; bars pair up in the order they come."""
    waiting: list[Token] = []
    lonely: list[Token] = []
    bars = [token for token in tokens if token.kind == "bar"]
    for token in tokens:
        if token.kind == "open":
            waiting.append(token)
        elif token.kind == "close":
            if waiting and waiting[-1].text == _PARTNERS[token.text]:
                waiting.pop()
            else:
                lonely.append(token)
    return lonely + waiting + bars[len(bars) // 2 * 2 :]
