r"""The expression around a number in running text: √2, 3x+5, −5, 5!/6, 2-7i and exp(9) are no 2, 5, 6, 7 and 9.

Tokens that belong together by signs, roots, powers, factors and brackets make an expression; words, commas, and the
relations between expressions end it, so that "2+3 = 5" says 5. A number stays what it is in compounds (top-10), in
ranges and dates (3–5 days, 2020-01-15), and before what is rather a unit (10k, 5G, 3x faster).
"""

import re
from itertools import pairwise

from tina.grading.plain_tokens import DASHES, POWERS, SIGNS, Token, tokens_of

MAX_SPAN = 200
"""Characters looked at on either side of the number."""

_OPERAND_ENDS = ("number", "letter", "constant", "raised", "close", "bar", "factorial", "mark")
_OPERAND_STARTS = ("number", "letter", "constant", "root", "function", "open", "bar")
_NO_ENDS = ("operator", "open", "function", "root", "factorial")
_PARTNERS = {")": "(", "]": "[", "}": "{", "⌋": "⌊", "⌉": "⌈"}
# rather a unit, or thousands, than a variable if nothing else is there
_UNIT = re.compile(r"(?:mg|[kmgshlKMGBTDNJWVCFLA])(?:[²³]|\^[23])?")
_MULTIPLE = re.compile(
    r"[xX] (?:more|less|fewer|faster|slower|larger|smaller|bigger|greater|longer|shorter|higher|lower|older|younger"
    r"|heavier|lighter|cheaper|speed-?up|as (?:much|many|fast|large|big|long|high|old)|the|per"
    r"|a (?:day|week|month|year))\b"
)


def expression_around(text: str, start: int, end: int) -> str | None:
    """The expression that the number at text[start:end] is a part of; the number itself where nothing is around it.

    None if more belongs to it than the MAX_SPAN characters on either side.
    """
    first, last = max(0, start - MAX_SPAN), min(len(text), end + MAX_SPAN)
    number = text[start:end].strip()
    tokens = tokens_of(text, first, last)
    inside = [place for place, token in enumerate(tokens) if token.start < end and token.end > start]
    if not inside or any(tokens[place].text in ":," for place in inside):  # a time of day, a point
        return number
    left, right = inside[0], inside[-1]
    while left > 0 and _belong_together(tokens, left):
        left -= 1
    while right + 1 < len(tokens) and _belong_together(tokens, right + 1):
        right += 1
    if (left == 0 and first > 0) or (right == len(tokens) - 1 and last < len(text)):
        return None
    found = _trimmed(tokens, left, right)
    if len(_beside(found, start, end)) == len(found):
        return number
    found = _without_unit(found, text, start, end)
    if found[-1].end <= start:  # the number was the unit's exponent
        return expression_around(text, found[-1].start, found[-1].end)
    if _is_range(found, start, end):
        return number
    return text[min(found[0].start, start) : max(found[-1].end, end)].strip()


def _belong_together(tokens: list[Token], place: int) -> bool:
    """Whether the token at a place continues the expression that the token before it is in."""
    left, right = tokens[place - 1], tokens[place]
    spaced = not left.touches(right)
    behind = tokens[place + 1] if place + 1 < len(tokens) and right.touches(tokens[place + 1]) else None
    if not {"word", "stop"}.isdisjoint((left.kind, right.kind)):
        return False
    if right.kind == "operator":
        if right.text in SIGNS and left.kind in ("operator", "open", "bar"):
            return True
        if left.kind == "function":
            return right.text == "^"
        # "is 3 -5" is two numbers; a sign that stands apart on both sides is an operation
        return left.kind in _OPERAND_ENDS and not (spaced and behind and right.text in SIGNS)
    if left.kind == "operator":
        return right.kind in _OPERAND_STARTS
    if not spaced:
        return not (right.kind == "number" and left.kind in ("number", "letter"))
    if left.kind in ("function", "root"):
        return right.kind in _OPERAND_STARTS
    if left.kind == "number" and right.kind in ("function", "root", "constant"):  # "2 sqrt(3)", "4 pi"
        return True
    if right.kind != "letter":
        return False
    if left.text in ("π", "pi"):  # "2 pi r"
        return True
    # "9.8 m/s^2", but not "5 a day"
    return left.kind == "number" and behind is not None and (behind.text in ("/", *POWERS) or behind.kind == "raised")


def _trimmed(tokens: list[Token], left: int, right: int) -> list[Token]:
    """The tokens from left to right without operators and brackets that lack their other side, and without hyphens."""
    while left <= right:
        first, last = tokens[left], tokens[right]
        unpaired = _unpaired(tokens[left : right + 1])
        if (first.kind == "operator" and not _is_sign(tokens, left)) or first in unpaired:
            left += 1
        elif last.kind in _NO_ENDS or last in unpaired:
            right -= 1
        elif unpaired:
            return []
        else:
            break
    return tokens[left : right + 1]


def _is_sign(tokens: list[Token], place: int) -> bool:
    """Whether an operator in front of an expression is its sign: in top-10 it is a hyphen."""
    sign = tokens[place]
    if sign.text not in SIGNS or place + 1 == len(tokens) or not sign.touches(tokens[place + 1]):
        return False
    return not (place and tokens[place - 1].touches(sign) and tokens[place - 1].kind in ("word", *_OPERAND_ENDS))


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


def _without_unit(found: list[Token], text: str, start: int, end: int) -> list[Token]:
    """10k, 12m² and 3x (faster) without what stands behind the number, if there is but a sign or a range before it."""
    place = next((place for place, token in enumerate(found) if token.kind == "letter"), 0)
    if not place or found[place - 1].kind != "number" or not found[place - 1].touches(found[place]):
        return found
    rest = text[found[place].start : found[-1].end]
    if not _UNIT.fullmatch(rest) and not (rest in "xX" and _MULTIPLE.match(text, found[place].start)):
        return found
    quantity = found[:place]
    others = _beside(quantity[:-1], start, end)
    is_number = all(token.text in SIGNS for token in others) or _is_range(quantity, start, end)
    return quantity if is_number else found


def _beside(tokens: list[Token], start: int, end: int) -> list[Token]:
    """The tokens that are not in the number."""
    return [token for token in tokens if token.end <= start or token.start >= end]


def _is_range(found: list[Token], start: int, end: int) -> bool:
    """Whether the number is one of several that dashes or slashes join: 3–5, 555-1234, 2020-01-15, 1/15/2020."""
    beside = _beside(found, start, end)
    signs = {token.text for token in beside if token.kind == "operator"}
    return (
        any(token.kind == "number" for token in beside)
        and all(token.kind in ("number", "operator", "mark") for token in beside)
        and all(left.touches(right) for left, right in pairwise(found))
        and (signs <= set(DASHES) or signs == {"/"})
    )
