"""Where a completion's answer stands: the first table of `tina.grading`'s docstring, as code."""

import re
from dataclasses import dataclass

MAX_TEXT_CHARS = 200_000
MAX_BOX_CHARS = 20_000
_MAX_BOXES = 64
_MAX_GAP_CHARS = 80
_MAX_BARE_CHARS = 300

_BOX = re.compile(r"\\(?:boxed|fbox|framebox)\s{0,3}\{")
_CUT_OFF = re.compile(r"\\(?:b|bo|box|boxe|boxed)$")
_BARE_BOX = re.compile(r"\\boxed[ \t]{1,3}([^\s{}$\\]+)")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_ANY_BRACE = re.compile(r"[{}]")
_SEPARATORS = re.compile(r"(?:[\s,;.$&*~}]|\\[()\[\],;! \\]|\\q?quad|\\text\s*\{|and\b|or\b)*")
_ANSWER_TAG = re.compile(r"<answer>((?:(?!<answer>).)*?)</answer>", re.DOTALL)
_LATEX = re.compile(r"\$|\\[(\[]|\\frac|\\begin")
_GSM8K_MARK = re.compile(r"^####[ \t]*([^\n]+)$", re.MULTILINE)
_ANSWER_IS = re.compile(r"\banswer\b[^.:=\n]{0,40}(?:\bis\b|:|=)[ \t*:]*([^\n]*)", re.IGNORECASE)
_CHOICE_MARK = r"[\s*:$(\\]*(?:(?:text\w*|mathrm)\s*\{)?\(?([A-J])"
_CHOICE_IS = re.compile(rf"\b(?i:answer|choice|option)\b[^.:=\n]{{0,40}}(?:\bis\b|:|=){_CHOICE_MARK}\b(?!')")
_CHOICE_LINE = re.compile(rf"^{_CHOICE_MARK}[\s*$.)}}\\]*$", re.MULTILINE)
_NUMBER = re.compile(
    r"(?:(?:^|(?<=[\s=(\[:]))-)?(?<![\w.,])[$€£]?((?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:[.,]\d+)?|\.\d+)(?:/\d+)?\s?%?"
)
_SENTENCE_END = re.compile(r"\.\s")
_PROSE = re.compile(r"[^\W\d_]{2,}[.,;:!?]*\s+[^\W\d_]{2,}|[:?!]\s|[^\W\d_]{2,}\s+\$")
_FEW_WORDS = re.compile(r"[^\W\d_]+(?: [^\W\d_]+){0,2}\.?")
_COMMAND = re.compile(r"\\(?:text\w*|mbox|mathrm|operatorname)\s*\{[^{}]*\}|\\(?:[A-Za-z]+|[^\w\s])")


@dataclass(frozen=True)
class Extraction:
    """The text of the answer and the rule that found it.

    `answer` is None if there is none. `search` is True if only math-verify's search can tell; `answer` is then the
    text to be searched.
    """

    answer: str | None
    rule: str
    search: bool = False


def extract(completion: str, *, choice: bool = False) -> Extraction:
    """The answer of a completion; `choice` says that the gold is the letter of a multiple-choice option.

    Only the last 200,000 characters are looked at: an answer stands at the end.
    """
    text = completion.rpartition("</think>")[2][-MAX_TEXT_CHARS:]
    boxed = last_box(text)
    if boxed is not None:
        return Extraction(boxed, "last box")
    tagged = _ANSWER_TAG.findall(text)
    if tagged:
        return _from_text(tagged[-1].strip(), "answer tag: ", choice)
    marked = _GSM8K_MARK.findall(text)
    return _from_text(marked[-1].strip(), "after ####: ", choice) if marked else _from_text(text.strip(), "", choice)


def last_box(text: str) -> str | None:
    r"""The content of the last closed box; boxes with nothing but separators between them make one list.

    "\boxed{1} and \boxed{-2}" is the answer "1, -2". An unclosed box has been cut off and is no answer. Only the last
    64 boxes and 20,000 characters of each are looked at.
    """
    contents: list[str] = []
    limit = len(text)
    for box in reversed(list(_BOX.finditer(text))[-_MAX_BOXES:]):
        closing = _closing_brace(text, box.end() - 1, min(box.end() + MAX_BOX_CHARS, len(text)))
        if closing is None:
            continue
        if closing < limit:
            gap = text[closing + 1 : limit] if contents else ""
            if len(gap) > _MAX_GAP_CHARS or not _SEPARATORS.fullmatch(gap):
                break
            contents.insert(0, text[box.end() : closing].strip())
        limit = box.start()  # a box that encloses the one found before only moves the limit
    if contents:
        return ", ".join(dict.fromkeys(content for content in contents if content)) or None
    bare = _BARE_BOX.findall(text)
    return bare[-1].rstrip(".,") if bare else None


def _closing_brace(text: str, opening: int, end: int) -> int | None:
    r"""The index of the brace that closes the one at `opening`, or None before `end`.

    Escaped braces do not count, unless nothing else closes it: then a backslash has slipped in ("\boxed{185\}").
    """
    for braces in (_BRACE, _ANY_BRACE):
        depth = 0
        for match in braces.finditer(text, opening, end):
            brace = match.group()
            depth += (brace == "{") - (brace == "}")
            if depth == 0 and brace == "}":
                return match.start()
    return None


def is_bare(text: str) -> bool:
    """Whether the text is an answer and nothing else: a line without prose, in one pair of dollars or in none.

    Up to three words without a digit are no prose ("no solution").
    """
    if not text or len(text) > _MAX_BARE_CHARS or "\n" in text:
        return False
    inner = text.strip("$")
    if "$" in inner.replace("\\$", ""):
        return False
    return bool(_FEW_WORDS.fullmatch(inner)) or not _PROSE.search(_COMMAND.sub(" ", inner))


def _from_text(text: str, where: str, choice: bool) -> Extraction:
    """The answer of a text without a closed box; an unclosed one has been cut off, and is left out."""
    unclosed = _BOX.search(text) or _CUT_OFF.search(text)
    text = text[: unclosed.start()].rstrip() if unclosed else text
    if choice:
        found = _CHOICE_IS.findall(text) or _CHOICE_LINE.findall(text)
        if found:
            return Extraction(found[-1], where + "choice letter")
    if is_bare(text):
        return Extraction(text, where + "bare expression")
    if _LATEX.search(text):
        return Extraction(text, where + "math-verify's search", search=True)
    return _plain_search(text, where)


def _plain_search(text: str, where: str) -> Extraction:
    """Of a text without LaTeX: what follows the last "answer is" or "answer:", else the last number."""
    said = _ANSWER_IS.findall(text)
    if said:
        rest = _SENTENCE_END.split(said[-1].strip(), maxsplit=1)[0].rstrip(".*")
        if is_bare(rest):
            return Extraction(rest, where + "after 'answer is'")
        numbers = [match.group() for match in _NUMBER.finditer(rest)]
        if numbers:
            return Extraction(numbers[0].strip(), where + "after 'answer is'")
    numbers = [match.group() for match in _NUMBER.finditer(text)]
    return Extraction(numbers[-1].strip(), where + "last number") if numbers else Extraction(None, where + "no answer")
