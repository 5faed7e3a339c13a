"""What the grader says about one completion."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["correct", "wrong", "unjudged"]


@dataclass(frozen=True)
class Grade:
    """A verdict, the answer it was reached on (None if the completion has none), and a short reason for people.

    "unjudged" means that nobody can say, because the gold does not parse. It is neither a right nor a wrong answer:
    rewards return None for such a row, and evaluation counts it apart. An answer that is refused, runs into the time
    limit or breaks its worker is wrong, and not `evaluated`.
    """

    verdict: Verdict
    answer: str | None
    reason: str
    evaluated: bool = True
