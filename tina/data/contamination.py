"""How many benchmark questions stand in a training set: word for word, or in shared runs of thirteen words.

One shared 13-gram is the usual rule (Brown et al. 2020, "Language Models are Few-Shot Learners", appendix C). Contest
questions share whole sentences ("where m and n are relatively prime positive integers. Find m+n."), which that rule
takes for contamination: so questions half of whose 13-grams stand in one training problem are counted as well.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tina.data.problem import Problem

NGRAM_WORDS = 13
HALF = 0.5

_SETTING = re.compile(r"\\left|\\right|\\[,;:! ]|(?<=\\)[dt](?=frac)|[\s$]")
_WORD = re.compile(r"\w+")

Place = tuple[str, int]
"""A benchmark's name, and the number of a question in it."""


@dataclass
class Overlap:
    """What one benchmark shares with a training set, as numbers of its questions, from 0.

    `exact`: found word for word; `half`: at least half of its 13-grams in one training problem; `ngram`: at least one.
    `problem_ids`: the training problems behind `exact` and `half`, for whoever wants to leave them out.
    """

    questions: int
    exact: set[int] = field(default_factory=set)
    half: set[int] = field(default_factory=set)
    ngram: set[int] = field(default_factory=set)
    problem_ids: set[str] = field(default_factory=set)

    def counts(self) -> dict[str, int]:
        return {name: len(getattr(self, name)) for name in ("exact", "half", "ngram")}


def contamination(problems: Iterable[Problem], questions: Mapping[str, list[str]]) -> dict[str, Overlap]:
    """The overlap of each benchmark with the training problems, given the benchmarks' questions.

    A question of fewer than 13 words can only be found word for word.
    """
    overlaps = {name: Overlap(len(asked)) for name, asked in questions.items()}
    by_text, by_gram, n_grams = _index(questions)
    for problem in problems:
        for name, number in by_text.get(normalised(problem.question), ()):
            overlaps[name].exact.add(number)
            overlaps[name].problem_ids.add(problem.id)
        shared = Counter(place for gram in _grams(problem.question) for place in by_gram.get(gram, ()))
        for (name, number), n_shared in shared.items():
            overlaps[name].ngram.add(number)
            if n_shared >= HALF * n_grams[name, number]:
                overlaps[name].half.add(number)
                overlaps[name].problem_ids.add(problem.id)
    return overlaps


def normalised(question: str) -> str:
    """Letters, digits and signs of a question: no case, spaces, dollar signs, LaTeX spacing, and no last full stop."""
    return _SETTING.sub("", unicodedata.normalize("NFKC", question).lower()).rstrip(".")


def _index(
    questions: Mapping[str, list[str]],
) -> tuple[dict[str, list[Place]], dict[str, list[Place]], dict[Place, int]]:
    """Where each normalised question and each 13-gram stands, and how many 13-grams each question has."""
    by_text: dict[str, list[Place]] = {}
    by_gram: dict[str, list[Place]] = {}
    n_grams: dict[Place, int] = {}
    for name, asked in questions.items():
        for number, question in enumerate(asked):
            by_text.setdefault(normalised(question), []).append((name, number))
            grams = _grams(question)
            n_grams[name, number] = len(grams)
            for gram in grams:
                by_gram.setdefault(gram, []).append((name, number))
    return by_text, by_gram, n_grams


def _grams(question: str) -> set[str]:
    words = _WORD.findall(question.lower())
    return {" ".join(words[start : start + NGRAM_WORDS]) for start in range(len(words) - NGRAM_WORDS + 1)}
