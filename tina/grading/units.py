"""Units behind a number: found, taken off, and compared only where both sides name one."""

import re

_NAMES = {
    "m": "meter metre", "cm": "centimeter centimetre", "mm": "millimeter millimetre", "km": "kilometer kilometre",
    "nm": "nanometer nanometre", "in": "inch inche", "ft": "foot feet", "yd": "yard", "mi": "mile", "g": "gram",
    "kg": "kilogram", "mg": "milligram", "lb": "pound", "oz": "ounce", "s": "sec second", "ms": "millisecond",
    "min": "minute", "h": "hr hour", "d": "day", "wk": "week", "mo": "month", "yr": "year", "l": "liter litre",
    "ml": "milliliter millilitre", "j": "joule", "kj": "kilojoule", "n": "newton", "w": "watt", "kw": "kilowatt",
    "v": "volt", "a": "amp ampere", "k": "kelvin", "c": "celsius", "f": "fahrenheit", "pa": "pascal",
    "kpa": "kilopascal", "hz": "hertz", "ev": "electronvolt", "mol": "mole", "rad": "radian", "deg": "degree",
    "cent": "penny", "usd": "dollar", "kcal": "", "cal": "calorie", "erg": "", "au": "", "pc": "parsec",
    "angstrom": "", "rpm": "", "unit": "", "gal": "gallon", "acre": "",
}  # fmt: skip
_ABBREVIATION = {word: short for short, words in _NAMES.items() for word in (short, *words.split())}
_SHORTHAND = {"mph": "mi / h", "kmh": "km / h", "kph": "km / h", "psi": "lb / in 2"}
# Letters that stand for a unit when a space sets them off from a number; others are variables.
_SINGLE_LETTERS = "mgshlNJWVKCFTLA"

# Words that change what is said; a text with one of them is no unit.
_CONDITION = re.compile(r"\b(?:if|when|where|for|or|and|at|more|less|not|except|unless|otherwise|mod)\b")
_POWER = r"(?:\s?\^\s?(?:\{\s?-?\d+\s?\}|-?\d)|[23](?!\d))?"
_TEXT_UNIT = re.compile(rf"\s*(?:\\cdot|/)?\s*\\text\{{[^{{}}]*\}}{_POWER}$")
_WORD = rf"(?:[A-Za-z]{{2,}}|[{_SINGLE_LETTERS}])\.?{_POWER}"
_PLAIN_UNIT = re.compile(rf"(?<=[\d%])\s({_WORD}(?:(?:\s|\s?/\s?|\s?\\cdot\s?){_WORD})*)$")
_KNOWN = "|".join(sorted((word for word in _ABBREVIATION if len(word) > 1), key=len, reverse=True))
_KNOWN_UNIT = re.compile(
    rf"(?<=[\d}})\]])\s?((?:{_KNOWN})(?:s|es)?\.?{_POWER}(?:\s?/\s?(?:{_KNOWN}|[smh])(?:s)?{_POWER})?)$"
)
_ATTACHED_LETTER = re.compile(r"(?<=\d)([A-Za-z])$")
_NAMED_UNIT = re.compile(rf"(?<=[A-Za-z])\s({_KNOWN})s?{_POWER}$")


def split_unit(text: str) -> tuple[str, str]:
    r"""A canonical text as (quantity, unit); the unit is "" if there is none, and the quantity is never empty.

    A unit is anything in trailing \text{...}; words set off from a number by a space; or a known unit of two letters
    or more right behind a quantity. Single letters right behind a number are variables (5m is five times m).
    """
    quantity = text
    while (found := _TEXT_UNIT.search(quantity)) and quantity[: found.start()].strip():
        if _CONDITION.search(found.group()):
            break
        quantity = quantity[: found.start()]
    if quantity == text:
        for pattern in (_PLAIN_UNIT, _KNOWN_UNIT, _NAMED_UNIT):
            if found := pattern.search(text):
                quantity = text[: found.start()]
                break
    return quantity.strip(), text[len(quantity) :].strip()


def split_attached_letter(text: str) -> tuple[str, str] | None:
    """(quantity, unit) of a number with one letter right behind it, or None; whether it is a unit is not said."""
    found = _ATTACHED_LETTER.search(text)
    return (text[: found.start()], found[1]) if found else None


def units_clash(gold: str, answer: str) -> bool:
    """Whether both units are known and differ; a unit on one side only, or an unknown word, is no clash."""
    gold_unit, answer_unit = _standard(gold), _standard(answer)
    return gold_unit is not None and answer_unit is not None and gold_unit != answer_unit


def _standard(unit: str) -> str | None:
    words = re.findall(r"\^?-?\d+|[A-Za-z]+|/", re.sub(r"\\text|\\cdot|[{}.]", " ", unit).replace(" per ", " / "))
    standard = []
    for word in words:
        if word.isalpha():
            lower = word.lower()
            known = _SHORTHAND.get(lower) or _ABBREVIATION.get(lower) or _ABBREVIATION.get(lower.removesuffix("s"))
            if known is None:
                return None
            standard.append(known)
        else:
            standard.append(word.removeprefix("^"))
    return " ".join(standard) or None
