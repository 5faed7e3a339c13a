"""Progress of an evaluation: samples done, accuracy so far, tokens a second, time left."""

import threading
import time
from collections.abc import Sequence

from tina.evaluation.records import Record
from tina.progress import Bar, in_words


class Meter:
    """A bar over `total` samples. Speed and time left are measured on what is sampled now, not on what was there."""

    def __init__(self, title: str, total: int) -> None:
        self.bar, self.total = Bar(title, total), total
        self.done = self.fresh = self.tokens = 0
        self.began = time.monotonic()
        self.turn = threading.Lock()

    def __call__(self, records: Sequence[Record], were_there: bool) -> None:
        with self.turn:
            self.done += len(records)
            if not were_there:
                self.fresh += len(records)
                self.tokens += sum(record.tokens for record in records)
            self.bar.advance_to(self.done, self._speed())

    def _speed(self) -> str:
        seconds = time.monotonic() - self.began
        if not self.fresh or not seconds:
            return ""
        left = (self.total - self.done) * seconds / self.fresh
        return f"{self.tokens / seconds:,.0f} tokens/s, {in_words(left)} left"

    def close(self) -> None:
        self.bar.close()
