"""Answers in running text: what "the answer is" says, what is an expression and nothing else, the last number."""

import re

from tina.grading.characters import plain_fractions
from tina.grading.domains import split_domain
from tina.grading.notation import canonical
from tina.grading.plain_expressions import expression_around
from tina.grading.plain_text import words_as_signs

_MAX_BARE_CHARS = 300
_MAX_TRIED = 16
_MAX_CLAUSE_CHARS = 2000

_TOKENS = re.compile(r"<\|[^<>|\s]{1,30}\|>|</?s>|^[ \t]*#{1,6}[ \t]+", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<![\w*\\)\]}])(\*{1,2})(?=\S)([^*\n]{1,200})(?<=\S)\1(?![\w*(\\])")
_UNDERLINED = re.compile(r"(?<![\w\\)\]}])(_{1,2})(?=[^\s_])([^_\n]{1,60})(?<=\S)\1(?![\w(\\])")
_WIDE = str.maketrans({"：": ": ", "。": ". ", "，": ", "})
_ANSWER_IS = re.compile(
    r"\banswers?\b[^.:=\n]{0,40}?(?:\b(?:is|are)\b|[:=]|\s-(?=\s))[\s:}]*|答案(?:应该)?(?:是|为|[:：])[\s:：]*",
    re.IGNORECASE,
)
_NOT = re.compile(r"not\b", re.IGNORECASE)
# "less than 5" says something about a number that is not 5
_ANOTHER_NUMBER = re.compile(
    r"\b(?:than|least|most|not|between|over|under|above|below|up to|half|twice|double|except|negative|minus)\b",
    re.IGNORECASE,
)
_NOTHING = re.compile(r"[\s:$]*$")
_STOP = re.compile(
    r"[,;]?\s{1,3}(?:which|because|since|so that|as (?:we|it|the|required|desired)|where (?!\S+\s?[=\\])"
    r"|and (?:we|this|that))\b|\.\s|;"
)
_FORMULA = re.compile(r"(?<!\\)\$\$?(.+?)(?<!\\)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_FORMULAS = re.compile(rf"(?:{_FORMULA.pattern})(?:,?\s*(?:\b(?:or|and)\b)?\s*(?:{_FORMULA.pattern}))*", re.DOTALL)
_GROUPED = r"\d{1,3}(?:,\d{3})+(?!\d)|\d+"
_MINUS = r"(?:(?:^|(?<=[\s=(\[:]))-)?"
_TERM = r"[-−+]?(?:\d+(?:\.\d+)?(?:/\d+)?|∞)"
_NUMBER = re.compile(
    rf"[(\[]\s?{_TERM}(?:,\s?{_TERM}){{1,9}}\s?[)\]]"  # (1, 2)
    rf"|{_MINUS}(?<![\w.,])(?<!\bmod )(?:\d+ \d+/\d+|\d+ ?/ ?\d+|\d{{1,2}}:\d{{2}}(?!\d)(?:\s?[ap]\.?m\b\.?)?"
    rf"|(?:\\?\$|[€£])?(?:(?:{_GROUPED})(?:[.,]\d+)?[¼-¾⅐-⅞]?|\.\d+|[¼-¾⅐-⅞])(?:/\d+)?\s?\\?%?)",
    re.IGNORECASE,
)
_PROSE = re.compile(
    r"(?:[^\W\d_]{2,}[.,;:!?]*|\b[aAI])\s+(?!and\b|or\b|pi\b)(?:[^\W\d_]{2,})|(?<=[^\W\d_])[:?!]\s|[^\W\d_]{2,}\s+\$"
    r"|\b(?:so|thus|hence|therefore|then|giving|gives|gets?|got|find|obtain|equals|we|because|the|is|are)\b",
    re.IGNORECASE,
)
_FEW_WORDS = re.compile(r"[^\W\d_]+(?: [^\W\d_]+){0,2}\.?")
_COMMAND = re.compile(r"\\(?:text\w*|mbox|mathrm|operatorname)\s*\{[^{}]*\}|\\(?:[A-Za-z]+|[^\w\s])")
_SET_BUILDER = re.compile(r"\\(?:left\s?\\)?\{\s?[A-Za-z]\b.*\\\}|\{\s?[a-z]\s?[:|].*\}")
_UNIT_WORDS = re.compile(r"(?<=[\di])\s+(?:square|cubic|sq|cu)\.?\s+[a-z]+$", re.IGNORECASE)
_CAPITALS = re.compile(r"[A-Z]{2,3}(?:\s?,\s?[A-Z]{2,3})+")


def plain(text: str) -> str:
    """The text without Markdown, end-of-text tokens, full-width punctuation and digits set high and low."""
    text = _EMPHASIS.sub(r"\2", _TOKENS.sub("", plain_fractions(text.translate(_WIDE))))
    return _UNDERLINED.sub(r"\2", text).strip()


def is_bare(text: str) -> bool:
    """Whether the text is an answer and nothing else: a line without prose, in one pair of dollars or in none.

    Up to three words without a digit are no prose ("no solution"), and neither is the range of a variable at the end.
    """
    if not text or len(text) > _MAX_BARE_CHARS or "\n" in text:
        return False
    inner = text.strip("$")
    if "$" in inner.replace("\\$", ""):
        return False
    if _FEW_WORDS.fullmatch(inner) or _SET_BUILDER.fullmatch(inner) or _CAPITALS.fullmatch(inner):
        return True
    if ranged := split_domain(canonical(inner)):
        inner = ranged[0]
    return not _PROSE.search(_COMMAND.sub(" ", _UNIT_WORDS.sub("", inner)))


def after_answer_is(text: str) -> str | None:
    """What the last "answer is" or "answer:" says: an expression up to the end of the clause, else its first formula,
    else its first number; None if it says nothing of the kind.
    """
    for found in reversed(list(_ANSWER_IS.finditer(text))[-_MAX_TRIED:]):
        rest = text[found.end() : found.end() + _MAX_CLAUSE_CHARS]
        if formula := _FORMULA.match(rest):  # it may be a paragraph of its own
            rest = " ".join(formula.group().split()) + rest[formula.end() :]
        rest = rest.split("\n", 1)[0].strip()
        if _NOTHING.match(rest) or (_NOT.match(rest) and not text.endswith(_clause(rest))):
            continue
        clause = _clause(rest).rstrip("., ")
        if is_bare(clause):
            return clause
        if _NOT.match(rest):
            return clause
        if formulas := _FORMULAS.search(rest):
            return formulas.group().strip("$ ")
        signs = words_as_signs(clause)
        number = _NUMBER.search(signs)
        if number and _ANOTHER_NUMBER.search(signs[: number.start()]):
            return clause
        return (expression_around(signs, *number.span()) or clause) if number else None
    return None


def last_number(text: str) -> str | None:
    """The last number of a text with the signs, roots, powers and factors around it; a point, a time of day, a fraction
    and a mixed number are one. None if there is none, or if what is around it is too long to be looked at."""
    text = words_as_signs(text)
    found = list(_NUMBER.finditer(text))
    return expression_around(text, *found[-1].span()) if found else None


def _clause(rest: str) -> str:
    """Up to the end of the sentence or to what explains it, but never from within a formula."""
    depth_ends = [(match.start(), match.end()) for match in _FORMULA.finditer(rest)]
    for stop in _STOP.finditer(rest):
        if not any(start < stop.start() < end for start, end in depth_ends):
            return rest[: stop.start()]
    return rest
