r"""Line breaks: those that only lay an answer out become commas, and those of a matrix stay.

x = 1 \\ y = 2                                     x = 1, y = 2
\begin{aligned} x &= 2+3 \\ &= 5 \end{aligned}     x = 2+3 = 5
\begin{cases} x=1 \\ y=2 \end{cases}               x=1, y=2
\begin{cases} x & \text{if } x>0 \\ ...            a matrix of values and conditions
"""

import re

_ENVIRONMENT = re.compile(
    r"\\begin\s?\{((?:aligned|align|alignat|gathered|gather|split|equation|multline|[dr]?cases)\*?)\}(.*?)\\end\s?\{\1\}"
)
_BREAK = re.compile(r"\\\\")
_CONTINUED = re.compile(r"\s*&?\s*(?:=|<|>|\\(?:le|ge|ne|approx)\b)")
_CONDITION = re.compile(
    r"&[\s,]*(?:\\text\{[\s,]*(?:if|for|when)\s*\}|(\\text\{)\s*(?:if|for|when)\s|(?:if|for|when)\b)?"
)
_SINGLE_COMMAND = re.compile(r"(?<!\\)\\[A-Za-z]")
_DOUBLED_COMMAND = re.compile(
    r"\\\\(?=(?:begin|end|[dtc]?frac|sqrt|[dt]?binom|text\w*|math\w+|mbox|left|right|[bB]igg?[lr]?|boxed|pm|mp|cdot"
    r"|times|div|circ|leq?|geq?|neq?|approx|in|cup|cap|infty|emptyset|varnothing|arc(?:sin|cos|tan)|sin|cos|tan|cot|sec"
    r"|csc|log|ln|exp|alpha|beta|gamma|delta|theta|lambda|mu|pi|rho|sigma|phi|omega|sum|prod|int|lim|q?quad|[cl]?dots"
    r"|overline|bar|dot|prime|angle|triangle|vec|hat|displaystyle)(?![A-Za-z]))"
)


def undoubled(text: str) -> str:
    r"""Without the backslashes that JSON or Python have doubled; \\ before anything but a command breaks the line."""
    if r"\\begin" in text:
        return text.replace("\\\\", "\\")
    if "\\\\" not in text or "\\begin" in text or _SINGLE_COMMAND.search(text):
        return text
    return _DOUBLED_COMMAND.sub(r"\\", text)


def rows_as_lists(text: str) -> str:
    """The text with its aligned equations, cases and broken lines on one line."""
    if "\\begin" in text:
        text = _ENVIRONMENT.sub(lambda found: _unrolled(found[1], found[2]), text)
    if "\\\\" in text and "\\begin" not in text:
        text = _listed(_BREAK.split(text))
    return text


def _unrolled(environment: str, body: str) -> str:
    rows = [row for row in map(str.strip, _BREAK.split(body)) if row]
    if "cases" in environment and any("&" in row for row in rows):
        cells = [_CONDITION.sub(r"& \1", row).rstrip(",;. ") for row in rows]
        return r"\begin{pmatrix}" + r" \\ ".join(cells) + r"\end{pmatrix}"
    return _listed(rows).replace("&", " ")


def _listed(rows: list[str]) -> str:
    """Rows with commas between them; a row that starts with a relation goes on with the one before."""
    out = ""
    for row in map(str.strip, rows):
        if row:
            out += ("" if not out else " " if _CONTINUED.match(row) else ", ") + row.rstrip(",; ")
    return out
