"""Where a completion's answer stands: the first table of `tina.grading`'s docstring, as code."""

import re
from dataclasses import dataclass

from tina.grading import choices, sentences

MAX_TEXT_CHARS = 200_000
MAX_BOX_CHARS = 20_000
_MAX_BOXES = 64
_MAX_GAP_CHARS = 80

_BOX = re.compile(r"\\(?:boxed|fbox|framebox)\s{0,3}\{")
_CUT_OFF = re.compile(r"\\(?:b|bo|box|boxe|boxed)$")
_BARE_BOX = re.compile(r"\\boxed(?:[ \t]{1,3}|(?=\d))([^\s{}$\\]+)")
# where the answer goes: \boxed{}, \boxed{...}, \boxed{\text{your answer}}, \boxed{<number>}; \boxed{<} is a sign
_BLANK = (
    r"(?:[\s{}.…_]|\\(?:[lc]?dots|text|quad|[ ,;!])|<\s*[^\W\d_]{2,}(?:[\s_'-]+[^\W\d_]+)*\s*>"
    r"|\b(?:(?:the|your|final)\s+)*answer(?:\s+here)?\b)*"
)
_PLACEHOLDER = re.compile(rf"{_BLANK}|\$\s*{_BLANK}\$", re.IGNORECASE)
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_ANY_BRACE = re.compile(r"[{}]")
_SEPARATORS = re.compile(r"(?:[\s,;.$&*~}]|\\[()\[\],;! \\]|\\q?quad|\\text\s*\{|and\b|or\b|[A-Za-z](?:_\d)?\s?=)*")
_ANSWER_TAG = re.compile(r"<answer>((?:(?!<answer>).)*?)</answer>", re.DOTALL)
_LATEX = re.compile(r"(?<!\\)\$|\\[(\[]|\\frac|\\begin")
_GSM8K_MARK = re.compile(r"^####[ \t]*([^\n]+)$", re.MULTILINE)


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
    tagged = _ANSWER_TAG.findall(text) or [after for _, tag, after in [text.rpartition("<answer>")] if tag]
    if tagged:
        return _from_text(tagged[-1].strip(), "answer tag: ", choice)
    marked = _GSM8K_MARK.findall(text)
    return _from_text(marked[-1].strip(), "after ####: ", choice) if marked else _from_text(text.strip(), "", choice)


def last_box(text: str) -> str | None:
    r"""The content of the last closed box; boxes with nothing but separators between them make one list.

    "\boxed{1} and \boxed{-2}" is the answer "1, -2". An unclosed box has been cut off and is no answer, and so is one
    that only shows where the answer goes (\boxed{}, \boxed{...}, \boxed{answer}). Only the last 64 boxes and 20,000
    characters of each are looked at.
    """
    contents: list[str] = []
    placeholder = ""
    limit = len(text)
    for box in reversed(list(_BOX.finditer(text))[-_MAX_BOXES:]):
        closing = _closing_brace(text, box.end() - 1, min(box.end() + MAX_BOX_CHARS, len(text)))
        if closing is None:
            continue
        if closing < limit:
            content = text[box.end() : closing].strip()
            if _PLACEHOLDER.fullmatch(content):
                placeholder = placeholder or content
                continue
            gap = text[closing + 1 : limit] if contents else ""
            if len(gap) > _MAX_GAP_CHARS or not _SEPARATORS.fullmatch(gap):
                break
            contents.insert(0, content)
        limit = box.start()  # a box that encloses the one found before only moves the limit
    if contents:
        return ", ".join(dict.fromkeys(contents))
    bare = _BARE_BOX.findall(text)
    return bare[-1].rstrip(".,") if bare else placeholder or None


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


def _from_text(text: str, where: str, choice: bool) -> Extraction:
    """The answer of a text without a closed box; an unclosed one has been cut off, and is left out."""
    unclosed = _BOX.search(text) or _CUT_OFF.search(text)
    text = sentences.plain(text[: unclosed.start()] if unclosed else text)
    if choice and (letter := choices.chosen(text)):
        return Extraction(letter, where + "choice letter")
    if said := sentences.after_answer_is(text):
        return Extraction(said, where + "after 'answer is'")
    if sentences.is_bare(text):
        return Extraction(text, where + "bare expression")
    if _LATEX.search(text):
        return Extraction(text, where + "math-verify's search", search=True)
    number = sentences.last_number(text)
    return Extraction(number, where + ("last number" if number else "no answer"))
