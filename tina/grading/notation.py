r"""One notation for answers: LaTeX, Unicode and Python spellings of the same thing become the same string.

What comes out is LaTeX in which only these remain: \frac{a}{b}, \sqrt[n]{a}, \binom{a}{b} with braces; \cdot for
every product sign; < > \le \ge \ne \approx; \{ \} for sets; \infty, \emptyset, \pm; pmatrix for every matrix that is
not a determinant; \text{...} for words; % for per cent; ° for degrees; \$ and other currency signs. Sizes, spacing,
styles and colours are gone, and line breaks outside of a matrix are commas.
"""

import re
from functools import lru_cache

from tina.grading.angles import degrees_in_arguments
from tina.grading.arguments import brace_arguments
from tina.grading.characters import ascii_math
from tina.grading.plain_text import plain_calls, plain_complex, words_as_signs
from tina.grading.rows import rows_as_lists, undoubled
from tina.grading.substitutions import Substitutions

FUNCTIONS = "arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|log|ln|exp|gcd|lcm"
_EXTREMES = "max|min"  # words as well, and a unit
_GREEK = "alpha|beta|gamma|delta|theta|lambda|pi|sigma|phi|omega"
_ALIASES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "tg": "tan", "ctg": "cot", "cosec": "csc"}
_END = r"(?![A-Za-z])"
_LETTERS = {r"\AA": r"\text{Å}", r"\ell": "l ", r"\lvert": "|", r"\rvert": "|"}
_ELLIPSIS = re.compile(r"(?<=\d)\s?\.\.\.(?=[\s$.]*$)")

# Applied from top to bottom; each one is linear in the length of the text.
_RULES = Substitutions(
    [
        # spacing; digits that only spacing keeps apart belong together
        (r"\\\\\s?\[[\d.]+\s?(?:pt|em|ex|mm|cm)\]", r"\\\\"),
        (r",\s?\\!\s?|\{\s?,\s?\}(?:\\!)?", ","),
        (r"\{\s?:\s?\}", ":"),
        (r"(?<=\d)(?:(?<!\\)\\[,;: ]|~)\s?(?=\d{3}(?!\d))|\\!", ""),
        (r"(?<=[\w)}\]])[\s,;]*\\q?quad\s*(?=\\?[A-Za-z]+(?:_\{?\w+\}?)?\s?=)", ", "),
        (rf"(?<!\\)\\[,;:> ]|\\(?:q?quad|enspace|thinspace|space|hfill){_END}|~(?!=)", " "),
        # sizes, styles and ornaments
        (r"\\(?:left|right|middle|[bB]igg?[lrm]?)(?![A-Za-z])\.?", ""),
        (rf"\\(?:display|text|script)style{_END}|\\(?:no)?limits{_END}|\\(?:bf|it|large|Large|small){_END}", ""),
        (r"\\(?:label|tag|phantom|hspace|vspace)\s?\{[^{}]*\}|\\(?:text)?color\s?\{[^{}]*\}", ""),
        (rf"\\(?:checkmark|blacksquare|square|Box|qed|therefore|ensuremath|mathstrut|strut|newline){_END}", " "),
        (r"\|\s?\\(?:vec|overrightarrow|mathbf|bm)\s?\{?\s?([A-Za-z]+)\s?\}?\s?\|", r"|\\overline{\1}|"),
        (rf"\\(?:hat|mathbf|vec|bm)\s?\{{?\s?(?:\\mathbf\s?\{{)?\\?([ijk])(?:math)?{_END}\s?\}}{{0,2}}", r"\1 "),
        (rf"\\(?:mathbf|mathit|boldsymbol|bm|mathcal|vec|overrightarrow|underline|mathop){_END}", ""),
        (r"\\mathrm\s?\{\s?([eid])\s?\}", r"\1"),
        (r"\{\s?\\rm\s+([^{}]*)\}|\\rm\s+([A-Za-z]+)", r"{\\text{\1\2}}"),
        (rf"\\(?:AA|ell|lvert|rvert){_END}", lambda found: _LETTERS[found.group()]),
        (rf"\\(?:text(?:bf|it|rm|normal|sf|tt|up)?|mathrm|mathsf|mbox|hbox|rm|unit|si|operatorname\*?){_END}\s?",
         r"\\text"),
        (rf"\\text\{{({FUNCTIONS})\}}|(?<![\d\s}}])\\text\{{({_EXTREMES})\}}", r"\\\1\2 "),
        (rf"\\text\{{({'|'.join(_ALIASES)})\}}", lambda found: f"\\{_ALIASES[found[1]]} "),
        (r"\\text\{\s?(and|or)\s?,?\s?\}", r" \1 "),
        (r"\\text\{[\s.]*\}", " "),
        (r"[_^]\s?\{\s*\}|(?<![\\A-Za-z}])\{\s*\}(?=\s?[\^_])", ""),
        (rf"\{{\s?(\\(?:{FUNCTIONS}))\s?\}}", r"\1 "),
        # delimiters of formulas and of groups
        (r"(?<!\\)\\[()\[\]]|(?<!\\)\$", ""),
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
        (rf"\{{([^{{}}]*)\\choose{_END}([^{{}}]*)\}}|\b(\w+) choose (\w+)\b", r"\\binom{\1\3}{\2\4}"),
        (r"(?<![\w)}\]])[\^_]\s?\{?(\w+)\}?\s?C\s?_\s?\{?(\w+)\}?", r"\\binom{\1}{\2}"),
        (r"\^\s?\{?(\d+)\}?\s?/\s?_\s?\{?(\d+)\}?", r"\\frac{\1}{\2}"),
        # ordinal endings
        (r"(?<=\d)\s?\^?\s?\{?\s?\\text\{\s?(?:st|nd|rd|th)\s?\}\s?\}?|(?<=\d)(?:st|nd|rd|th)\b", ""),
        # intervals with their brackets turned outwards: ]0,1[
        (r"(^|[=(]|\\in|\\cup|\\cap)\s*\]([^\]\[()]+[,;][^\]\[()]+)([\]\[])",
         lambda found: f"{found[1]}({found[2]}{')' if found[3] == '[' else ']'}"),
        (r"(^|[=(]|\\in|\\cup|\\cap)\s*\[([^\]\[()]+[,;][^\]\[()]+)\[", r"\1[\2)"),
        # relations and operations
        (rf"\\le(?:q|qslant)?{_END}|<=|=<", r"\\le "),
        (rf"\\ge(?:q|qslant)?{_END}|>=", r"\\ge "),
        (r"(?<=\d)!=(?=\s*-?[\d\\])", "! = "),
        (rf"\\neq?{_END}|!=", r"\\ne "),
        (rf"\\lt{_END}", "<"),
        (rf"\\gt{_END}", ">"),
        (rf"\\(?:approx|simeq|sim|cong){_END}|~=", r"\\approx "),
        (rf":=|\\coloneqq{_END}", "="),
        (r"\*\*", "^"),
        (rf"\\(?:times|cdotp?|ast|bullet){_END}|\*|(?<=\d)\s?[xX]\s?(?=\d)|(?<=[\d)])\s[xX]\s(?=[\d(])",
         r"\\cdot "),
        (rf"\\div{_END}", "/"),
        (rf"\\(?:infin|infty){_END}|(?<![A-Za-z\\])(?:infinity|inf|oo){_END}", r"\\infty "),
        (rf"\\(?:varnothing|empty){_END}", r"\\emptyset "),
        (r"(?<=[\])])\s?U\s?(?=[\[(])", r"\\cup "),
        (r"(?<=[\w}])\s+in\s+(?=[\[({]|\\[{m])", r"\\in "),
        (r"(?:(?<=[}\])])|(?<=bb\s[RZNQC]))\s?-\s?(?=\\\{)", r"\\setminus "),
        (rf"\\(?:[cl]?dots){_END}|\.\.\.", r"\\ldots "),
        (rf"\\surd{_END}", r"\\sqrt "),
        # degrees, per cent, money, primes
        (rf"\s?\^\s?(?:\{{\s?\\circ\s?\}}|\\circ{_END}|\{{\s?°\s?\}}|°)|(?<=\d)\^\s?\{{?\s?o{_END}\s?\}}?"
         rf"|\\degree{_END}", "°"),
        (r"\\ang\s?\{([^{}]*)\}", r"\1°"),
        (r"\\%|\\text\{\s?(?:%|percent(?:age)?|per cent|pct)\s?\}|(?<=[\d\s}])(?:percent(?:age)?|per cent|pct)\b", "%"),
        (rf"\\text\{{\s?\\\$\s?\}}|\\textdollar{_END}", r"\\$"),
        (rf"\\(?:pounds|textsterling){_END}\s?", "£"),
        (rf"\\(?:euro|texteuro){_END}\s?", "€"),
        (rf"\\prime{_END}\s?", "'"),
        (r"\^\s?\{\s?('+)\s?\}|\^\s?('+)", r"\1\2"),
        # plain-text spellings
        (r"(?<![A-Za-z])(?:np|numpy|math|sympy|sp)\.(?=[A-Za-z])", ""),
        (r"(?<![\\A-Za-z])sqrt(?=\s?[\d{(])", r"\\sqrt "),
        (rf"(?<![\\A-Za-z])({FUNCTIONS}|{_GREEK})(?![A-Za-z]|\d+\s?\()", r"\\\1 "),
        (rf"(?<![\\A-Za-z])({_EXTREMES})(?=\s?\()", r"\\\1 "),
        (rf"(?<![\\A-Za-z])({'|'.join(_ALIASES)})(?=\s?\()", lambda found: f"\\{_ALIASES[found[1]]} "),
        (r"([\^_])\s?\(([^()]*)\)", r"\1{\2}"),
    ]
)  # fmt: skip


_VARIANTS = {
    "varphi": "phi", "varepsilon": "epsilon", "vartheta": "theta", "varrho": "rho", "varsigma": "sigma",
    "varkappa": "kappa",
}  # fmt: skip
_VARIANT = re.compile(rf"\\({'|'.join(_VARIANTS)})(?![A-Za-z])")
_DECORATION = re.compile(
    r"^(?:[\s,;:]|\.(?!\d)|\*\*|#+\s|=|\\approx(?![A-Za-z])|\\+(?=\s|$))+|(?:[\s.,;:]|\*\*|\\+(?=\s*$))+$"
)
_QUOTED = re.compile(r"(['*_])([^'*_]+)\1")


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """The answer in the notation of this module. Never raises; nesting deeper than Python's stack is the caller's."""
    text = ascii_math(words_as_signs(text))
    text = _DECORATION.sub("", _ELLIPSIS.sub(r"\\ldots ", text) if "..." in text else text)
    if quoted := _QUOTED.fullmatch(text):
        text = quoted[2]
    text = undoubled(text)
    text = _RULES(text)
    text = rows_as_lists(text)
    if "(" in text:
        text = plain_calls(text)
    if "j" in text:
        text = plain_complex(text)
    text = brace_arguments(text)
    if "\\var" in text:
        text = _VARIANT.sub(lambda found: _variant(found, text), text)
    text = " ".join(text.split())
    if "°" in text:
        text = degrees_in_arguments(text)
    return _DECORATION.sub("", text)


def squeezed(text: str) -> str:
    """The canonical text without anything that carries no meaning: equal strings are equal answers."""
    text = re.sub(r"(?<!\d) | (?!\d)", "", text)
    return re.sub(r"([\^_])\{(\w)\}", r"\1\2", text)


def _variant(found: re.Match[str], text: str) -> str:
    r"""\varphi is \phi, unless the text tells the two apart."""
    plain = _VARIANTS[found[1]]
    return found.group() if re.search(rf"\\{plain}(?![A-Za-z])", text) else "\\" + plain
