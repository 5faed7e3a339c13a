"""The one record that data sets produce and that training, grading and evaluation consume."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One question with its gold answer.

    `question` is the bare text of the task, before any prompt is built around it; `gold` is the bare answer as its
    source gives it, without dollar signs or a box around it.
    """

    question: str
    gold: str

    @property
    def id(self) -> str:
        """12 hex digits of the question's SHA-256: the same problem has the same id in every run and every set."""
        return hashlib.sha256(self.question.encode("utf-8", "surrogatepass")).hexdigest()[:12]
