r"""Mathematics as Python, SymPy and people without LaTeX write it: abs(x), log2(8), Matrix([[1, 2]]), 1 over 4."""

import re

from tina.grading.brackets import replace_calls
from tina.grading.substitutions import Substitutions

# name: spelling by number of arguments; {0} and {1} are the arguments.
_SPELLINGS: dict[str, dict[int, str]] = {
    "abs": {1: r"|{0}|"},
    "Abs": {1: r"|{0}|"},
    "floor": {1: r"\lfloor {0}\rfloor "},
    "ceil": {1: r"\lceil {0}\rceil "},
    "ceiling": {1: r"\lceil {0}\rceil "},
    "cbrt": {1: r"\sqrt[3]{{{0}}}"},
    "factorial": {1: r"({0})!"},
    "log2": {1: r"\log_{{2}}({0})"},
    "log10": {1: r"\log_{{10}}({0})"},
    "Rational": {1: r"({0})", 2: r"\frac{{{0}}}{{{1}}}"},
    "Fraction": {1: r"({0})", 2: r"\frac{{{0}}}{{{1}}}"},
    "Integer": {1: r"({0})"},
    "Float": {1: r"({0})"},
    "Matrix": {1: r"{0}"},
    "binomial": {2: r"\binom{{{0}}}{{{1}}}"},
    "binom": {2: r"\binom{{{0}}}{{{1}}}"},
    "comb": {2: r"\binom{{{0}}}{{{1}}}"},
    "nCr": {2: r"\binom{{{0}}}{{{1}}}"},
    "pow": {2: r"({0})^{{{1}}}"},
}
_CALL = re.compile(rf"(?<![\\A-Za-z])({'|'.join(_SPELLINGS)})\s?\(")
_COMPLEX = re.compile(r"(\(?-?(?:\d+(?:\.\d+)?\s?[-+]\s?\d+(?:\.\d+)?|1))j(\)?)")

_LENGTH = r"(?:\w*met(?:er|re)s?|feet|foot|inch(?:es)?|miles?|yards?|units?|[ckm]?m|ft)\b"
_BEHIND = r"(?:(?<=[\d)\]}π⁰¹²³⁴-⁹¼-¾⅐-⅞])|(?<=\b[b-zB-HJ-Z]))"  # an operand ends; "a" and "I" are rather words
_AHEAD = r"(?=[-\d(√∛π¼-¾⅐-⅞]|\.\d|[b-zB-HJ-Z]\b)"
_WORD = re.compile(
    r"\b(?:square|cube|minus|negative|plus|times|multiplied|divided|over|to the|squared|cubed)\b", re.IGNORECASE
)
_WORDS = Substitutions(
    [
        (rf"\b(?:the )?square root of (?:the )?{_AHEAD}", "√"),
        (rf"\b(?:the )?cube root of (?:the )?{_AHEAD}", "∛"),
        (r"\b(?:the )?square of (\d+(?:\.\d+)?|[b-z]\b)", r"(\1)^2"),
        (r"\b(?:the )?cube of (\d+(?:\.\d+)?|[b-z]\b)", r"(\1)^3"),
        (rf"{_BEHIND} squared\b(?! {_LENGTH})", "^2"),
        (rf"{_BEHIND} cubed\b(?! {_LENGTH})", "^3"),
        (rf"{_BEHIND} minus {_AHEAD}", " - "),
        (rf"(?<![-\w])(?:minus|negative) {_AHEAD}", "-"),
        (rf"{_BEHIND} plus {_AHEAD}", " + "),
        (rf"{_BEHIND} (?:times|multiplied by) {_AHEAD}", " * "),
        (rf"{_BEHIND} (?:over|divided by) {_AHEAD}", "/"),
        (rf"{_BEHIND} (?:raised )?to the power (?:of )?{_AHEAD}", "^"),
        (rf"{_BEHIND} (?:raised )?to the (\d+)(?:st|nd|rd|th)(?: power)?\b", r"^\1"),
    ],
    re.IGNORECASE,
)


def words_as_signs(text: str) -> str:
    """The text with signs for the words between and before numbers: √13 for "the square root of 13", 1/4, -3, 2^5."""
    return _WORDS(text) if _WORD.search(text) else text


def plain_calls(text: str) -> str:
    """The text with such calls in LaTeX."""
    return replace_calls(text, _CALL, _spelled)


def plain_complex(text: str) -> str:
    """3+4j is 3+4i; a j without a real part before it may be anything."""
    found = _COMPLEX.fullmatch(text)
    return f"{found[1]}i{found[2]}" if found else text


def _spelled(name: str, arguments: list[str]) -> str | None:
    spelling = _SPELLINGS[name].get(len(arguments))
    return spelling.format(*arguments) if spelling else None
