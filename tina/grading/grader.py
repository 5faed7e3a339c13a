"""Batches of (gold, completion) in, verdicts out."""

import threading
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from numbers import Real
from typing import Literal, NamedTuple

from tina.errors import UserError
from tina.grading.comparison import NeedsAlgebra
from tina.grading.extraction import MAX_TEXT_CHARS, Extraction
from tina.grading.grade import Grade
from tina.grading.judge import WITHOUT_ALGEBRA, find_answer, gold_problem, judge
from tina.grading.pool import Pool

Mode = Literal["sound", "as_released"]

AT_ONCE_CHARS = 500
"""The longest answer and gold that are judged in the calling process; hardly one in a thousand is longer."""
COUNTERS = ("graded", "unjudged", "refused", "timeouts", "worker_deaths", "by_algebra")


class _Item(NamedTuple):
    """One answer to one gold: what is judged once, whoever gave it."""

    gold: str | None
    text: str | None
    rule: str
    search: bool


class Grader:
    """Grades batches; safe to call from any thread, and from several at once.

    mode: "sound", or "as_released" for the released reward's strictness. timeout_s: limit per item in the pool.
    max_chars: longest answer, and longest end of a text, that is looked at in earnest. workers: processes of the pool,
    which is started when something first needs computer algebra (at once for "as_released", which always does).
    """

    def __init__(self, mode: Mode = "sound", timeout_s: float = 5.0, max_chars: int = 2000, workers: int = 2):
        if mode not in ("sound", "as_released"):
            raise UserError(f"grading.mode is 'sound' or 'as_released', not '{mode}'.")
        for name, value in (("timeout_s", timeout_s), ("max_chars", max_chars), ("workers", workers)):
            if not value > 0:
                raise UserError(f"grading.{name} must be above 0, not {value}.")
        self.mode, self.max_chars = mode, max_chars
        self._pool = Pool(timeout_s, workers)
        if mode == "as_released":  # each of its answers goes through the pool
            self._pool.warm_up()
        self._lock = threading.RLock()
        self._counts: Counter[str] = Counter()

    @property
    def counters(self) -> dict[str, int]:
        """Since the start: rows graded, rows unjudged (their gold's fault), rows whose answer was not evaluated and is
        therefore wrong, rows that needed computer algebra; items timed out, workers that died."""
        with self._lock:
            counts = self._counts + self._pool.counts
        return {name: counts[name] for name in COUNTERS}

    def grade(self, golds: Sequence[object], completions: Sequence[object]) -> list[Grade]:
        """One Grade per row, in order; the same answer to the same gold is judged once.

        Golds are texts or numbers, completions texts; a row with any other gold is unjudged. Raises ValueError if
        there are not as many golds as completions.
        """
        if len(golds) != len(completions):
            raise ValueError(f"{len(golds)} golds for {len(completions)} completions.")
        rows = list(zip(map(_text, golds), map(_text, completions), strict=True))
        items = {row: self._item(*row) for row in dict.fromkeys(rows)}
        judged = {item: self._at_once(item) for item in dict.fromkeys(items.values())}
        hard = [item for item, grade in judged.items() if grade is None]
        for item, reply in zip(hard, self._pool.run([self._request(item) for item in hard]), strict=True):
            judged[item] = Grade(**reply) if "verdict" in reply else self._not_evaluated(item, reply["failed"])
        grades, by_algebra = [judged[items[row]] for row in rows], set(hard)
        with self._lock:
            self._counts["graded"] += len(rows)
            self._counts["unjudged"] += sum(grade.verdict == "unjudged" for grade in grades)
            self._counts["refused"] += sum(not grade.evaluated for grade in grades)
            self._counts["by_algebra"] += sum(items[row] in by_algebra for row in rows)
        return grades

    def golds_parse(self, golds: Sequence[object]) -> list[bool]:
        """Whether each gold can be graded against at all (in the sound mode); the others are better left out."""
        return [problem is None for problem in self._gold_problems(list(map(_text, golds)))]

    def _gold_problems(self, golds: list[str | None]) -> list[str | None]:
        """Why each gold cannot be graded against; None if it can."""
        problems: dict[str | None, str | None] = {}
        hard = []
        for gold in dict.fromkeys(golds):
            if self._takes_long(gold):
                hard.append(gold)
                continue
            try:
                problems[gold] = gold_problem(gold, WITHOUT_ALGEBRA, self.max_chars)
            except NeedsAlgebra:
                hard.append(gold)
        requests = [{"task": "gold", "gold": gold, "max_chars": self.max_chars} for gold in hard]
        for gold, reply in zip(hard, self._pool.run(requests), strict=True):
            problems[gold] = reply["problem"] if "problem" in reply else reply["failed"]
        return [problems[gold] for gold in golds]

    def _takes_long(self, text: str | None) -> bool:
        """What is longer still is refused on sight."""
        return text is not None and AT_ONCE_CHARS < len(text) <= self.max_chars

    def close(self) -> None:
        """Ends the pool's processes; they start again when they are needed."""
        self._pool.close()

    def _item(self, gold: str | None, completion: str | None) -> _Item:
        if self.mode == "as_released":
            return _Item(gold, (completion or "")[-MAX_TEXT_CHARS:], "", False)
        found = find_answer(gold, completion, self.max_chars)
        return _Item(gold, found.answer, found.rule, found.search)

    def _at_once(self, item: _Item) -> Grade | None:
        """The verdict if it takes no computer algebra and little time: only the pool has limits."""
        if self.mode == "as_released":
            usable = isinstance(item.gold, str) and item.gold.strip()
            return None if usable else Grade("unjudged", None, "the gold is empty")
        if self._takes_long(item.gold) or self._takes_long(item.text):
            return None
        try:
            return judge(item.gold, Extraction(item.text, item.rule, item.search), WITHOUT_ALGEBRA, self.max_chars)
        except NeedsAlgebra:
            return None

    def _not_evaluated(self, item: _Item, reason: str) -> Grade:
        """An answer that took too long, or broke its worker, is wrong, unless it was the gold that did so."""
        problem = self._gold_problems([item.gold])[0] if self.mode == "sound" else None
        if problem:
            return Grade("unjudged", None, f"the gold cannot be graded against: {problem}")
        return Grade("wrong", None, f"not evaluated: {reason}", evaluated=False)

    def _request(self, item: _Item) -> dict:
        text = item.text[-self.max_chars :] if item.search else item.text
        return item._asdict() | {"task": self.mode, "text": text, "max_chars": self.max_chars}


def _text(value: object) -> str | None:
    """A gold or completion as text; numbers as Python prints them, None for anything else."""
    if isinstance(value, Real) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


@lru_cache(maxsize=1)
def _shared_grader() -> Grader:
    return Grader()


def gold_parses(gold: object) -> bool:
    """Whether a gold can be graded against; `Grader.golds_parse` does the same for many at once."""
    return _shared_grader().golds_parse([gold])[0]
