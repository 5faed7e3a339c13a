r"""One notation for answers: LaTeX and Unicode spellings of the same thing become the same string.

What comes out is LaTeX in which only these remain: \frac{a}{b}, \sqrt[n]{a}, \binom{a}{b} with braces; \cdot for
every product sign; < > \le \ge \ne \approx; \{ \} for sets; \infty, \emptyset, \pm; pmatrix for every matrix that is
not a determinant; \text{...} for words; % for per cent. Sizes, spacing, styles, currency and degree signs are gone.
"""

import re
from functools import lru_cache

_UNICODE = str.maketrans(
    {
        **dict.fromkeys("−–—‐‑﹣－", "-"),
        **dict.fromkeys("×✕⋅·∙•∗", r"\cdot "),
        **dict.fromkeys("\u00a0\u2002\u2003\u2009\u200a\u202f\u3000\t\r\n\f\v", " "),
        **dict.fromkeys("\u200b\u200c\u200d\ufeff€£¥₹¢\"“”`", None),
        **dict.fromkeys("°º˚", r"^{\circ}"),
        "÷": "/", "⁄": "/", "∕": "/", "±": r"\pm ", "∓": r"\mp ", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ",
        "⩽": r"\le ", "⩾": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "∈": r"\in ", "∪": r"\cup ", "∩": r"\cap ",
        "∅": r"\emptyset ", "∖": r"\setminus ", "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}",
        "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}", "√": r"\sqrt ", "′": "'", "’": "'", "％": "%", "，": ",", "（": "(",
        "）": ")", "：": ":", "；": ";", "＝": "=", "＋": "+", "⟨": "(", "⟩": ")", "∠": r"\angle ",
        "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}",
        "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "δ": r"\delta ", "ε": r"\epsilon ", "θ": r"\theta ",
        "λ": r"\lambda ", "μ": r"\mu ", "π": r"\pi ", "ρ": r"\rho ", "σ": r"\sigma ", "τ": r"\tau ", "φ": r"\phi ",
        "ω": r"\omega ", "Ω": r"\Omega ", "Δ": r"\Delta ", "ℏ": r"\hbar ",
        **{sign: f"^{{{digit}}}" for digit, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    }
)  # fmt: skip

_FUNCTIONS = "arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|log|ln|exp|max|min|gcd|lcm"
_GREEK = "alpha|beta|gamma|delta|theta|lambda|pi|sigma|phi|omega"
_END = r"(?![A-Za-z])"

# Applied from top to bottom; each one is linear in the length of the text.
_RULES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        # spacing; digits that only spacing keeps apart belong together
        (r"\\\\\s?\[[\d.]+\s?(?:pt|em|ex|mm|cm)\]", r"\\\\"),
        (r",\s?\\!\s?|\{\s?,\s?\}(?:\\!)?", ","),
        (r"(?<=\d)(?:(?<!\\)\\[,;: ]|~)\s?(?=\d{3}(?!\d))|\\!", ""),
        (rf"(?<!\\)\\[,;:> ]|\\(?:q?quad|enspace|thinspace|space|hfill|newline){_END}|~(?!=)", " "),
        # sizes and styles
        (r"\\(?:left|right|middle|[bB]igg?[lrm]?)(?![A-Za-z])\.?", ""),
        (rf"\\(?:display|text|script)style{_END}|\\(?:no)?limits{_END}|\\(?:rm|bf|it|large|Large|small){_END}", ""),
        (r"\\(?:label|tag|phantom|hspace)\s?\{[^{}]*\}", ""),
        (rf"\\(?:mathbf|mathit|boldsymbol|bm|mathcal|vec|overrightarrow|hat|underline|mathop){_END}", ""),
        (r"\\mathrm\s?\{\s?([eid])\s?\}", r"\1"),
        (rf"\\(?:text(?:bf|it|rm|normal|sf|tt|up)?|mathrm|mathsf|mbox|hbox|operatorname\*?){_END}\s?", r"\\text"),
        (rf"\\text\{{({_FUNCTIONS})\}}", r"\\\1 "),
        (r"\\text\{\s?(and|or)\s?,?\s?\}", r" \1 "),
        (r"\\text\{\s?\}", " "),
        # delimiters of formulas and of groups
        (r"(?<!\\)\\[()\[\]]|\\?\$", ""),
        (rf"\\(?:lbrace{_END})", r"\\{"),
        (rf"\\(?:rbrace{_END})", r"\\}"),
        (rf"\\(?:langle|lparen){_END}", "("),
        (rf"\\(?:rangle|rparen){_END}", ")"),
        (rf"\\lbrack{_END}", "["),
        (rf"\\rbrack{_END}", "]"),
        (rf"\\(?:[lr]?vert|mid){_END}", "|"),
        (rf"\\(?:d|t|c|s|nice)frac{_END}", r"\\frac"),
        (rf"\\[dt]binom{_END}", r"\\binom"),
        (r"\\(begin|end)\s?\{(?:[pbB]|small)?(?:matrix|array)\}(?:\s?\{[clr|\s]*\})?", r"\\\1{pmatrix}"),
        (rf"\{{([^{{}}]*)\\over{_END}([^{{}}]*)\}}", r"\\frac{\1}{\2}"),
        # ordinal endings
        (r"(?<=\d)\s?\^?\s?\{?\s?\\text\{\s?(?:st|nd|rd|th)\s?\}\s?\}?|(?<=\d)(?:st|nd|rd|th)\b", ""),
        # relations and operations
        (rf"\\le(?:q|qslant)?{_END}|<=|=<", r"\\le "),
        (rf"\\ge(?:q|qslant)?{_END}|>=", r"\\ge "),
        (rf"\\neq?{_END}|!=", r"\\ne "),
        (rf"\\lt{_END}", "<"),
        (rf"\\gt{_END}", ">"),
        (rf"\\(?:approx|simeq|sim|cong){_END}|~=", r"\\approx "),
        (rf":=|\\coloneqq{_END}", "="),
        (r"\*\*", "^"),
        (rf"\\(?:times|cdotp?|ast|bullet){_END}|\*|(?<=\d)\s?[xX]\s?(?=10\s?\^)", r"\\cdot "),
        (rf"\\div{_END}", "/"),
        (rf"\\(?:infin|infty){_END}|(?<![A-Za-z\\])(?:infinity|inf){_END}", r"\\infty "),
        (rf"\\(?:varnothing|empty){_END}", r"\\emptyset "),
        (rf"\\(?:[cl]?dots){_END}|\.\.\.", r"\\ldots "),
        # degrees, per cent, primes
        (rf"\^\s?\{{?\s?\\circ\s?\}}?|\\degree{_END}", " "),
        (r"\\%|\\text\{\s?(?:percent(?:age)?|per cent|pct)\s?\}|(?<=[\d\s}])(?:percent(?:age)?|per cent|pct)\b", "%"),
        (rf"\\prime{_END}\s?", "'"),
        (r"\^\s?\{\s?('+)\s?\}|\^\s?('+)", r"\1\2"),
        # plain-text spellings
        (r"(?<![A-Za-z])(?:np|numpy|math|sympy|sp)\.(?=[A-Za-z])", ""),
        (r"(?<![\\A-Za-z])sqrt\s?\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"(?<![\\A-Za-z])sqrt(?=\s?[\d{])", r"\\sqrt "),
        (rf"(?<![\\A-Za-z])({_FUNCTIONS}|{_GREEK}){_END}", r"\\\1 "),
        (r"\^\s?\(([^()]*)\)", r"^{\1}"),
    ]
]  # fmt: skip

_DOUBLED_BEGIN = re.compile(r"\\\\begin\b")
_DOUBLED_COMMAND = re.compile(r"\\\\(?=[A-Za-z])")
_ARGUMENTS = {"frac": 2, "binom": 2, "sqrt": 1}
_DIGITS = re.compile(r"\d+")
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_DECORATION = re.compile(r"^(?:[\s,;:]|\.(?!\d)|\*\*|\\+(?=\s|$))+|(?:[\s.,;:]|\*\*|\\+(?=\s*$))+$")


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """The answer in the notation of this module. Never raises; nesting deeper than Python's stack is the caller's."""
    text = _DECORATION.sub("", text.translate(_UNICODE))
    if _DOUBLED_BEGIN.search(text):
        text = text.replace("\\\\", "\\")
    elif "\\begin" not in text:
        text = _DOUBLED_COMMAND.sub(r"\\", text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    text = " ".join(brace_arguments(text).split())
    return _DECORATION.sub("", text)


def squeezed(text: str) -> str:
    """The canonical text without anything that carries no meaning: equal strings are equal answers."""
    text = re.sub(r"(?<!\d) | (?!\d)", "", text)
    return re.sub(r"([\^_])\{(\w)\}", r"\1\2", text)


def brace_arguments(text: str) -> str:
    r"""Puts braces around the arguments of \frac, \binom and \sqrt: "\frac43" is "\frac{4}{3}".

    As TeX reads them, but for the root of several digits: \sqrt13 is meant to be the root of 13.
    """
    out, index = [], 0
    while match := _COMMAND.search(text, index):
        out.append(text[index : match.end()])
        index = match.end()
        for _ in range(_ARGUMENTS.get(match[1], 0)):
            index = _skip_spaces(text, index)
            if match[1] == "sqrt" and text[index : index + 1] == "[" and "]" in text[index:]:
                root_end = text.index("]", index) + 1
                out.append(text[index:root_end])
                index = _skip_spaces(text, root_end)
            several = _DIGITS.match(text, index) if match[1] == "sqrt" else None
            argument, index = (several.group(), several.end()) if several else _argument(text, index)
            out.append("{" + brace_arguments(argument) + "}")
    return "".join(out) + text[index:]


def _argument(text: str, index: int) -> tuple[str, int]:
    """One TeX argument from `index` on, without its braces, and the index behind it."""
    if text[index : index + 1] == "{":
        end = matching(text, index)
        return (text[index + 1 : end], end + 1) if end is not None else (text[index + 1 :], len(text))
    command = _COMMAND.match(text, index)
    if command is None:
        return text[index : index + 1], index + 1
    end = command.end()
    for _ in range(_ARGUMENTS.get(command[1], 0)):
        _, end = _argument(text, _skip_spaces(text, end))
    return text[index:end], end


def _skip_spaces(text: str, index: int) -> int:
    while text[index : index + 1] == " ":
        index += 1
    return index


def matching(text: str, opening: int) -> int | None:
    """The index of the bracket that closes the one at `opening`; ( [ { and their closers count alike."""
    depth = 0
    for index in range(opening, len(text)):
        depth += (text[index] in "([{") - (text[index] in ")]}")
        if depth == 0:
            return index
    return None
