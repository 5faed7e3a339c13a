"""One completion against one gold: extraction, guards, comparison. The same code runs with and without algebra."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from tina.grading import evaluation
from tina.grading.choices import named_option
from tina.grading.comparison import NeedsAlgebra, no_algebra, same
from tina.grading.extraction import Extraction, extract, last_box
from tina.grading.grade import Grade, Verdict
from tina.grading.limits import refusal
from tina.grading.notation import canonical
from tina.grading.readings import readings
from tina.grading.structure import Node, bare_words, key

_GSM8K_GOLD = re.compile(r"####\s*(\S[^\n]*)$")
_OPTION_GOLD = re.compile(r"\(?([A-J])\)?|(?:\(([A-J])\)|([A-J])[.:)])\s+(\S.*)")
_MAX_WORDS = 2
_MAX_WORDS_IN_TEXT = 5


def _no_algebra(text: str) -> bool:
    raise NeedsAlgebra


@dataclass(frozen=True)
class Engine:
    """What needs computer algebra: comparing two nodes, whether a text parses, searching a text for its answer."""

    same: Callable[[Node, Node], bool] = no_algebra
    parses: Callable[[str], bool] = _no_algebra
    search: Callable[[str], str | None] = _no_algebra


WITHOUT_ALGEBRA = Engine()


@dataclass(frozen=True)
class Gold:
    """A gold answer, taken apart once. `problem` says why nothing can be graded against it; `option` is its letter if
    it is an option of a multiple-choice question; `prose` that only the very same words can be called correct."""

    answer: str
    nodes: tuple[Node, ...] = ()
    option: str | None = None
    prose: bool = False
    problem: str | None = None


@lru_cache(maxsize=4096)
def gold_of(gold: str, max_chars: int) -> Gold:
    """The gold as it is compared: a box in it, or what follows GSM8K's mark, stands for the whole."""
    answer = _answer_of(gold)
    if not answer.strip():
        return Gold(answer, problem="the gold is empty")
    if problem := _refusal(answer, max_chars):
        return Gold(answer, problem=f"the gold is not evaluated: {problem}")
    if not re.search(r"\w|\\\{ ?\\\}", canonical(answer)):
        return Gold(answer, problem="the gold does not parse")
    option = _option_of(answer)
    nodes = readings(option[4] if option and option[4] else answer, is_gold=True)
    words = nodes[0].kind == "words" and len(nodes[0].text.split())
    prose = words > (_MAX_WORDS_IN_TEXT if "\\text" in canonical(answer) else _MAX_WORDS)
    return Gold(answer, nodes, next(filter(None, option.groups())) if option else None, prose)


def _answer_of(gold: str) -> str:
    if "\\boxed" in gold:
        return last_box(gold) or ""
    marked = _GSM8K_GOLD.search(gold)
    return marked[1] if marked else gold


def _option_of(answer: str) -> re.Match[str] | None:
    return _OPTION_GOLD.fullmatch(bare_words(canonical(answer)))


def gold_problem(gold: str | None, engine: Engine, max_chars: int) -> str | None:
    """Why nothing can be graded against a gold, or None."""
    if not isinstance(gold, str):
        return "the gold is no text"
    parsed = gold_of(gold, max_chars)
    if parsed.problem or parsed.prose:
        return parsed.problem or "the gold is prose"
    return None if _readable(parsed, engine) else "the gold does not parse"


def find_answer(gold: str | None, completion: str | None, max_chars: int) -> Extraction:
    """The completion's answer; whether a lone letter counts as one depends on the gold."""
    answer = _answer_of(gold) if isinstance(gold, str) else ""
    choice = len(answer) <= max_chars and _option_of(answer) is not None
    return extract(completion if isinstance(completion, str) else "", choice=choice)


def judge(gold: str | None, extraction: Extraction, engine: Engine, max_chars: int) -> Grade:
    """The verdict on an extracted answer. Raises NeedsAlgebra if the engine has none and the verdict hangs on it."""
    try:
        if not isinstance(gold, str) or gold_of(gold, max_chars).problem:
            return Grade("unjudged", shown(extraction), gold_problem(gold, engine, max_chars))
        if extraction.search:
            extraction = Extraction(engine.search(extraction.answer[-max_chars:]), extraction.rule)
        return _judge(gold_of(gold, max_chars), extraction, engine, max_chars)
    except RecursionError:
        return Grade("wrong", shown(extraction), "not evaluated: too deeply nested", evaluated=False)


def _judge(gold: Gold, extraction: Extraction, engine: Engine, max_chars: int) -> Grade:
    answer, rule = shown(extraction), extraction.rule
    if extraction.answer is None or not extraction.answer.strip():
        return Grade("wrong", None, "no answer found") if _readable(gold, engine) else _no_gold(answer)
    if problem := _too_long_or_deep(extraction.answer, max_chars):
        return _refused(gold, engine, answer, f"{rule}; not evaluated: {problem}")
    if key(canonical(extraction.answer)) == key(canonical(gold.answer)):
        return Grade("correct", answer, f"{rule}; the gold's own words")
    if problem := refusal(canonical(extraction.answer), max_chars):
        return _refused(gold, engine, answer, f"{rule}; not evaluated: {problem}")
    nodes = readings(extraction.answer)
    named = named_option(bare_words(canonical(extraction.answer))) if gold.option else None
    if named is not None:
        verdict: Verdict = "correct" if named == gold.option else "wrong"
        return Grade(verdict, answer, f"{rule}; option {named} against {gold.option}")
    if any(same(left, right, engine.same) for left in gold.nodes for right in nodes):
        return Grade("correct", answer, f"{rule}; equal")
    if gold.prose:
        return Grade("unjudged", answer, "the gold is prose")
    return Grade("wrong", answer, f"{rule}; not equal") if _readable(gold, engine) else _no_gold(answer)


def _refused(gold: Gold, engine: Engine, answer: str | None, reason: str) -> Grade:
    """What nobody evaluates is wrong: otherwise an absurd answer would escape the penalty for a wrong one."""
    if gold.prose:
        return Grade("unjudged", answer, "the gold is prose")
    return Grade("wrong", answer, reason, evaluated=False) if _readable(gold, engine) else _no_gold(answer)


def _no_gold(answer: str | None) -> Grade:
    return Grade("unjudged", answer, "the gold does not parse")


def _readable(gold: Gold, engine: Engine) -> bool:
    """Whether every expression of the gold can be read; without that "not equal" would mean nothing."""
    leaves = set(_expressions(gold.nodes[0])) if gold.nodes else set()
    return all(evaluation.values(leaf) is not None or engine.parses(leaf) for leaf in sorted(leaves))


def _expressions(node: Node) -> Iterator[str]:
    if node.kind == "algebra":
        yield node.text
    for item in node.items:
        yield from _expressions(item)


def _too_long_or_deep(answer: str, max_chars: int) -> str | None:
    return refusal(answer if len(answer) > max_chars else re.sub(r"[^(\[{}\])]", "", answer), max_chars)


def _refusal(answer: str, max_chars: int) -> str | None:
    return _too_long_or_deep(answer, max_chars) or refusal(canonical(answer), max_chars)


def shown(extraction: Extraction) -> str | None:
    """The answer as reports show it: at most 200 characters, and encodable whatever the model has written."""
    if extraction.answer is None or extraction.search:
        return None
    text = extraction.answer.encode("utf-8", "replace").decode()
    return text if len(text) <= 200 else text[:199] + "…"
