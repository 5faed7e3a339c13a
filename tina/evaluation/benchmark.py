"""What a benchmark is: where its problems come from, how many there are, and how its questions are put."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tina.data.columns import to_problem, top_level
from tina.data.problem import Problem
from tina.errors import UserError
from tina.schema import Columns

BOXED = "{question}\n\nReason step by step, and put the final answer in \\boxed{}."
LETTER = "{question}\n\nReason step by step, and put the letter of the right option in \\boxed{}."

LETTERS = "ABCDEFGHIJ"


@dataclass(frozen=True)
class Choices:
    """The columns of a multiple-choice set. The answer is the letter of the correct option."""

    question: str
    correct: str
    incorrect: tuple[str, ...]


@dataclass(frozen=True)
class Benchmark:
    """One problem set; a file in `tina/evaluation/sets/` holds one, named `BENCHMARK`.

    Its problems are made by `generate`, or read from the Hub, or from a local copy in the same columns.
    """

    title: str
    size: int
    """How many problems it has. Another number is another benchmark, and refused."""
    hub_id: str | None = None
    subset: str | None = None
    split: str = "test"
    columns: Columns | Choices = field(default_factory=Columns)
    template: str = BOXED
    """The user's message under `benchmarks.prompt=benchmark`."""
    generate: Callable[[], list[Problem]] | None = None

    @property
    def top_level_columns(self) -> list[str]:
        if isinstance(self.columns, Choices):
            return [self.columns.question, self.columns.correct, *self.columns.incorrect]
        return top_level(self.columns)

    def problem(self, row: Mapping[str, Any], where: str) -> Problem:
        """One row as a problem. Raises UserError, naming `where`, for a column that is missing or empty."""
        if isinstance(self.columns, Choices):
            return choice_problem(row, where, self.columns)
        problem = to_problem(row, where, self.columns)
        if not problem.question or not problem.gold:
            raise UserError(f"{where}: the {'question' if not problem.question else 'answer'} is empty.")
        return problem


def choice_problem(row: Mapping[str, Any], where: str, columns: Choices) -> Problem:
    """The question with its options below, lettered; the gold is the letter of the correct one.

    The options stand in the order of their SHA-256 with the question: the same for everybody, whatever was drawn before
    and however the rows are sorted, and the correct one is anywhere.
    """
    question = _filled(row, where, columns.question)
    correct = _filled(row, where, columns.correct)
    options = [correct, *(_filled(row, where, name) for name in columns.incorrect)]
    options.sort(key=lambda option: hashlib.sha256(f"{question}\n{option}".encode()).digest())
    lines = [f"{letter}) {option}" for letter, option in zip(LETTERS, options, strict=False)]
    return Problem("\n".join([question, "", *lines]), LETTERS[options.index(correct)])


def _filled(row: Mapping[str, Any], where: str, column: str) -> str:
    if column not in row:
        raise UserError(f"{where}: there is no column {column!r} (it has {', '.join(row) or 'no columns at all'}).")
    text = str(row[column]).strip() if row[column] is not None else ""
    if not text:
        raise UserError(f"{where}: the column {column!r} is empty.")
    return text
