r"""A quantity taken apart: 5\text{ million dollars} is 5, times 1000000, in dollars.

What may stand behind a number without saying anything else about it: a unit of `tina.grading.units`, or words for what
is counted ("7 apples"). Words of the closed classes say something else ("5 or more", "5 is impossible", "5 squared"),
and so do digits: a text with one of them is neither.
"""

import re
from typing import NamedTuple

from tina.grading import literals
from tina.grading.units import is_known

_TEXT = r"\\text\s?\{(?:[^{}]|\{[^{}]*\})*\}"
_PART = rf"(?:{_TEXT}|[^{{}}\\]|\{{-?\d\}})+"
_SUN = r"(?:\s?_\s?\{?\s?\\odot\s?\}?)?"
_SYMBOL = rf"(?:\\Omega|(?<![\\A-Za-z])[A-Za-zμ]+){_SUN}\.?|°(?:\s?[CFK])?|%|''?|[€£¥₹元]|\\\$"
_POWER = r"(?:\s?\^\s?(?:\{\s?-?\d+\s?\}|-?\d)|(?<=[A-Za-z}])[23])?"
_GROUP = r"\([^()]*\)|\[[^\[\]]*\]"
_PIECE = re.compile(
    rf"(?:\s?(?:\\cdot|/))?\s?((?:\\mu\s?)?(?:{_TEXT}{_SUN}|\\frac\{{{_PART}\}}\{{{_PART}\}}|{_GROUP}"
    rf"|{_SYMBOL}){_POWER})$"
)
_CURRENCY_FIRST = re.compile(
    r"(?P<sign>-?)\s?(?:US\s?|\\text\s?\{\s?(?:US\s?)?)?(?P<unit>\\\$|[€£¥₹]|USD|EUR|GBP|INR|Rs\.?)\s?\}?\s?"
    r"(?P<quantity>[-\d.(\\].*)"
)
_MARK = re.compile(r"[°%€£¥₹元]|\\\$")
_EMPTY = re.compile(r"(?:\\text\s?\{\s*\})?")

MULTIPLIERS = {
    "dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
}  # fmt: skip
_CLOSED_CLASSES = re.compile(
    r"""[\d\\{}=<>+‰]|\b(?:
      is|are|was|were|be|been|am|has|have|had|do|does|did|can|could|will|would|shall|should|may|might|must|cannot
    | not|no|nor|never|none|neither|without|hardly
    | if|when|where|while|unless|until|otherwise|else|except|but|and|or|than|then|because|since|so
    | for|with|at|by|to|from|between|above|below|under|over|beyond|up|down|off|out|plus|minus|into|versus|vs
    | more|less|fewer|greater|larger|smaller|bigger|least|most
    | maybe|perhaps|possibly|probably|likely|about|approximately|roughly|almost|nearly
    | mod|modulo|remainder|squared|cubed|factorial|root|percent|permille|twice|double|triple|half|halves
    | (?:third|fourth|quarter|fifth|sixth|seventh|eighth|ninth|tenth|hundredth|thousandth)s?|score
    | impossible|wrong|false|incorrect|invalid|excluded|rejected|undefined
    )\b|n't\b""",
    re.VERBOSE | re.IGNORECASE,
)
_NOUN = re.compile(r"[^\W\d_]{4,}\.?|[^\W\d_][aeiouy][^\W\d_]\.?|of|in|a|the|each|sq\.?|cu\.?", re.IGNORECASE)
# Units of one or two letters that nobody takes for a product of variables when they stand right behind a number.
_ATTACHED = re.compile(
    "[cmknd]m|in|ft|yd|mi|kg|lb|oz|[mn]s|hr|[mdc]L|ml|[kM]J|[kMG]W|[mk]V|mA|[kM]N|Pa|Hz|eV|pc|AU|ly|[^\\W\\d_]{3,}"
)
_COMPOUND = re.compile(r"m\s?/\s?s(?:\s?\^\s?\{?2\}?)?|m/h|N/m|J/s|g/L|J/K|V/m|W/m\^\{?2\}?")
_CAPITAL_UNITS = "NJWVKCFATLH"
_SINGLE_LETTERS = "mgshlNJWVKCFTLAM"  # those of a unit when a space sets them off from a number
_RARE = re.compile(r"[ahEPd][bgsA-Z]|[a-zA-Z]b|am|hm")  # prefixed symbols that are rather two variables
_LETTERS = re.compile(r"[A-Za-z](?:\s[A-Za-z])+")
_ATTACHED_LETTER = re.compile(r"(?<=\d)([A-Za-z]|mg)$")  # 2mg is rather a force
_SPELLED_OUT = ("\\text", "\\frac{\\text", "°", "%", "\\$", "€", "£", "¥", "₹", "元")
_GENERIC = re.compile(r"(?:(?:square|sq\.?|cubic)\s)?units?\.?")
_MULTIPLIER = re.compile(rf"((?:\\text\s?\{{)?\s*)({'|'.join(MULTIPLIERS)})\b", re.IGNORECASE)
_MAX_UNIT_CHARS = 160


class Quantity(NamedTuple):
    """The text of a number, what a number word behind it multiplies it by, and the unit as written."""

    text: str
    multiplier: int = 1
    unit: str = ""


def split_quantity(text: str) -> Quantity | None:
    """A canonical text without what stands behind or before it as its unit; None if there is no unit."""
    if found := _CURRENCY_FIRST.fullmatch(text):
        rest = split_quantity(found["quantity"]) or Quantity(found["quantity"])
        if not _MARK.search(rest.text):
            return Quantity(found["sign"] + rest.text, rest.multiplier, f"{found['unit']} {rest.unit}".strip())
    for start in _unit_starts(text):
        number, multiplier, unit = text[:start].rstrip(), 1, text[start:]
        while found := _MULTIPLIER.match(unit):
            multiplier *= MULTIPLIERS[found[2].lower()]
            unit = (found[1] + unit[found.end() :]).strip()
        if number and _stands_behind(number, unit, spaced=text[start - 1] == " ", multiplied=multiplier > 1):
            return Quantity(number, multiplier, "" if _EMPTY.fullmatch(unit) else unit)
    return None


def split_attached_letter(text: str) -> tuple[str, str] | None:
    """(quantity, unit) of a number with a letter (or mg) right behind it, or None; whether it is a unit is not said."""
    found = _ATTACHED_LETTER.search(text)
    return (text[: found.start()], found[1]) if found else None


def _unit_starts(text: str) -> list[int]:
    """Where a unit at the end of the text may start, the longest one first."""
    starts, end, least = [], len(text), len(text) - _MAX_UNIT_CHARS
    while end > max(0, least) and (found := _PIECE.search(text, max(0, least), end)) and _may_be_unit(found[1]):
        starts.insert(0, found.start(1))
        end = found.start()
    return starts


def _may_be_unit(piece: str) -> bool:
    if is_known(piece):
        return not _RARE.fullmatch(piece)
    if piece.startswith("\\text"):
        content = piece[piece.index("{") + 1 : piece.rindex("}")]
        words = _MULTIPLIER.sub("", content.strip())
        return not _CLOSED_CLASSES.search(words) and (not words or bool(re.search(r"[^\W\d_]{2}", words)))
    return bool(_NOUN.fullmatch(piece) and not _CLOSED_CLASSES.search(piece)) or bool(_MULTIPLIER.fullmatch(piece))


def _stands_behind(number: str, unit: str, spaced: bool, multiplied: bool) -> bool:
    """Whether a unit may stand right behind this number; letters without \text might be variables."""
    if _EMPTY.fullmatch(unit) or unit.startswith(_SPELLED_OUT):
        return True
    is_numeral = "\\frac" not in number and literals.read(number) is not None
    known, long = (
        is_known(unit),
        any(_ATTACHED.fullmatch(word) for word in re.findall(r"(?<![\\A-Za-z])[A-Za-z]+", unit)),
    )
    if _GENERIC.fullmatch(unit):
        return spaced
    if unit.startswith(("(", "[")):
        return is_numeral and known and (long or "/" in unit)
    if "\\odot" in unit or unit.startswith("\\mu"):
        return known and (is_numeral or spaced)
    if not is_numeral:
        return known and (long or bool(_COMPOUND.fullmatch(unit))) and (spaced or not number[-1:].isalpha())
    if unit.startswith(("'", "\\Omega")):
        return known
    if not (spaced or multiplied):
        capital = "." in number and unit in _CAPITAL_UNITS
        return capital or (known and (long or bool(_COMPOUND.fullmatch(unit))))
    if len(unit.rstrip(".")) == 1:
        return unit.rstrip(".") in _SINGLE_LETTERS
    return not known or "." in number or not _LETTERS.fullmatch(unit)
