r"""What stands to the left of an equals sign: a name for the value on the right, or half of an equation.

x = 5, f(x) = 2x+1, \angle ABC = 30° and P(A) = \frac12 name their right sides. |x| = 5, 2x = 10 and x^2 = 25 are
equations, whose right side is not what x is. m+n = 204 and f(2)+f(3) = 5 say how large the quantity is that was
asked for: several names, and no number of their own. That is a value only in an answer: a gold may be an equation.
"""

import re

_GREEK = (
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|rho|sigma|tau|upsilon|phi|chi|psi|omega"
    "|Gamma|Delta|Theta|Lambda|Xi|Sigma|Phi|Psi|Omega|hbar|ell"
)
_FIGURE = r"(?:m\s?)?\\(?:angle|triangle)\s?[A-Z]{1,3}"
_ACCENTED = r"\\(?:bar|overline|dot|ddot|hat|tilde|text)\s?\{[^{}]*\}"
_WORD = r"[A-Z][a-z]+|[a-z]{4,}|[A-Z]{2,4}"
_LETTER = rf"\\(?:{_GREEK})(?![A-Za-z])|\\mathbb\{{[A-Z]\}}|\\Pr(?![A-Za-z])|[A-Za-z]"
_SUBSCRIPT = r"(?:\s?_\s?(?:\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}|\\?\w+))?"
_RAISED = r"(?:\s?\^\s?(?:\{\s?(?:-1|\*|\([a-z\d]\))\s?\}|\*))?"
_ARGUMENTS = r"(?:\s?\((?P<arguments{n}>(?:[^()]|\([^()]*\))*)\))?"


def _name(n: str) -> str:
    return (
        rf"(?P<letter{n}>{_FIGURE}|\\Delta\s?[A-Za-z]|{_ACCENTED}|\\#\s?[A-Z]|{_WORD}|{_LETTER}){_SUBSCRIPT}\s?'*{_RAISED}"
        + _ARGUMENTS.replace("{n}", n)
    )


_SIMPLE_NAME = rf"(?:{_WORD}|{_LETTER}){_SUBSCRIPT}\s?'*"
_NAMES = [
    re.compile(pattern)
    for pattern in (
        _name(""),
        rf"\(?\s?{_SIMPLE_NAME}(?:\s?,\s?{_SIMPLE_NAME})+\s?\)?",  # (x, y)
        r"\|\s?(?:[A-Z]{1,3}|\\overline\s?\{[^{}]*\})\s?\|",  # |AB|, |S|
        r"(?:[A-Z]{2,3})\s?[/:]\s?(?:[A-Z]{2,3})|\\frac\{\s?[A-Z]{2,3}\s?\}\{\s?[A-Z]{2,3}\s?\}",
        rf"\\frac\{{d(?:\^\{{?\d\}}?)?\s?{_SIMPLE_NAME}\s?\}}\{{d\s?{_SIMPLE_NAME}\s?(?:\^\{{?\d\}}?)?\}}",
        r"\\frac\{d\}\{d\s?[a-z]\}\s?\(.*\)",
        rf"\\(?:sin|cos|tan|cot|sec|csc)\s?\(?\s?(?:{_FIGURE}|[A-Z]|\\(?:{_GREEK}))\s?\)?",
        rf"\(\s?(?:{_LETTER})\s?\\circ\s?(?:{_LETTER})\s?\)\s?\([a-z]\)",
        r"\\(?:max|min)",
        r"\\(?:max|min|gcd|lcm|det|dim|deg)(?:\s?\((?:[^()]|\([^()]*\))*\)|\s[A-Za-z](?:\([a-z]\))?)",
    )
]
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_VARIABLE = re.compile(r"[A-DF-Za-df-hj-z]|E")
_IS_GREEK = re.compile(_GREEK)
_CALL = re.compile(rf"((?:{_LETTER}){_SUBSCRIPT}\s?'*)\s?\((?:[^()]|\([^()]*\))*\)")
_INDEX = re.compile(_SUBSCRIPT.removesuffix("?") + "|'")
_OPERATOR = re.compile(r"\\(?:sum|prod|int|iint|lim)(?![A-Za-z])")
_LIMITS = re.compile(r"[_^]\s?(?:\{[^{}]*\}|\\?\w)")
_SUM_OF_NAMES = re.compile(rf"(?:{_LETTER}|\\frac|\\cdot(?![A-Za-z])|[-+/(){{}}|]|\s)+")


def is_name(text: str) -> bool:
    r"""Whether a relation's left side only names something: x, a_n, f(x), P(A \cap B), \angle ABC, \frac{AB}{CD}."""
    for pattern in _NAMES:
        if found := pattern.fullmatch(text):
            arguments = found.groupdict().get("arguments") or ""
            own = rf"(?<![A-Za-z\\]){re.escape(found['letter'])}(?![A-Za-z(])" if arguments else ""
            return not (arguments and re.search(own, arguments))
    return False


def is_quantity(text: str) -> bool:
    r"""Whether a left side is made of several names and no number: m+n, \frac{x}{y}, f(2)+f(3), \sum_{i=1}^n a_i."""
    without_calls = _CALL.sub(lambda call: f"{call[1]}_{{{''.join(map(str, call.group().encode()))}}}", text)
    if _OPERATOR.match(text):
        bound = set(re.findall(r"[_]\s?\{?\s?([a-z])\s?(?:=|\\in|\\to)", text))
        rest = _LIMITS.sub("", without_calls)
        return bool(_names(rest) - bound or without_calls != text or _INDEX.search(_LIMITS.sub("", text, count=2)))
    names = _names(without_calls)  # with a derivative in it, it is a differential equation
    return len(names) > 1 and "'" not in text and bool(_SUM_OF_NAMES.fullmatch(_INDEX.sub("", without_calls)))


def is_constant(text: str) -> bool:
    r"""Whether a text has no variables: e, i, \pi and functions are none."""
    letters = _COMMAND.sub(lambda command: "x" if _IS_GREEK.fullmatch(command[1]) else " ", text)
    return not _VARIABLE.search(letters) and "\\text" not in text


def _names(text: str) -> set[str]:
    """The different names of an expression, with their subscripts."""
    plain = re.sub(r"\\(?:frac|cdot)(?![A-Za-z])", " ", text)
    return {found.group().replace(" ", "") for found in re.finditer(rf"(?:{_LETTER}){_SUBSCRIPT}", plain)}
