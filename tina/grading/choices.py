"""The letter of a multiple-choice answer, where the gold is one; two letters are no choice."""

import re

_WRAPPED = r"[\s*:$(\\\[]{0,20}(?:(?:text\w{0,4}|mathrm)\s?\{\s?)?(?:option|choice)?\s{0,3}\(?"
_WORD = r"(?i:answer|choice|option|pick|choose|select|答案|故选|选择|选)"
# "A" and "I" are words as well: "I don't know"
_NO_WORD = r"(?![\w'])(?!(?<=[AI])\s+(?!because|since|as\b|which|is\b|and\b|or\b)[a-z])"
_ALTERNATIVE = rf"(?:\s{{0,3}}\)?\}}?\s?(?:,?\s?(?i:or|and)\s|[,/])\s?\(?[A-J]\b{_NO_WORD})"
_SAID = re.compile(
    rf"{_WORD}(?:[^.:=\n(A-Z]{{0,40}}?(?:(?i:\bis\b|\bare\b)|[:：=是为]|\s-\s)|(?=\s*\(?[A-J]\b))"
    rf"(?:\s?not\s\(?[A-J]\)?,?\sbut)?{_WRAPPED}(?P<letter>[A-J]){_NO_WORD}(?P<others>{_ALTERNATIVE}{{0,9}})"
    r"|\b(?P<subject>[A-J])\)?\s+is\s+(?:the\s+)?(?:correct|right|answer|best|true)\b"
)
_LINE = re.compile(rf"^{_WRAPPED}([A-J])[\s*$.)}}\\\]]*$", re.MULTILINE)
_OPTION = re.compile(
    r"(?:(?i:option|choice|answer)\s?)?\(?\s?(?P<letter>[A-Ja-d])\s*(?:[).:](?P<rest>.*)|(?P<note>\(.*\))|)"
)
_OTHER_LETTER = re.compile(r"\b[A-J]\b|^[\W_]*(?:(?:or|and|maybe|perhaps|possibly|not|but)\W+)*[a-j]\W*$")


def chosen(text: str) -> str | None:
    """What a completion says it chooses: a letter, several of them as written, or None."""
    found = list(_SAID.finditer(text))
    if found:
        last = found[-1]
        return last["subject"] or last["letter"] + (last["others"] or "")
    lines = _LINE.findall(text)
    return lines[-1] if lines else named_option(text)


def named_option(answer: str) -> str | None:
    """The letter of the one option that an answer without wrappers names: C, (c), "C. 5 m", Option C; None if it names
    several, or none. Small letters from e on are no options, but e and i."""
    found = _OPTION.fullmatch(answer.strip())
    if not found or _OTHER_LETTER.search(found["rest"] or ""):
        return None
    return found["letter"].upper()
