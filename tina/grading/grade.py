"""What the grader says about one completion."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["correct", "wrong", "unjudged"]


@dataclass(frozen=True)
class Grade:
    """A verdict, the answer it was reached on (None if the completion has none), and a short reason for people.

    "unjudged" means that nobody can say: the gold does not parse, a limit was hit, or the worker died twice. It is
    neither a right nor a wrong answer: rewards return None for such a row, and evaluation counts it apart.
    """

    verdict: Verdict
    answer: str | None
    reason: str
