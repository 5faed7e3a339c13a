"""A progress bar with the metrics that matter; plain lines where nobody watches a terminal."""

import os
import sys
from collections.abc import Mapping

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tina.terminal import Screen

PIPE_WIDTH = 120
"""Columns where there is no terminal to ask and COLUMNS does not say."""

console = Screen(
    highlight=False,
    markup=False,  # what is in brackets is a user's list, not a style
    soft_wrap=True,
    width=None if (sys.stdout and sys.stdout.isatty()) or os.environ.get("COLUMNS", "").isdigit() else PIPE_WIDTH,
)

SHOWN = {
    "reward": "reward",
    "rewards/accuracy/mean": "accuracy",
    "rewards/format/mean": "format",
    "completions/mean_length": "tokens",
    "kl": "kl",
}
PLAIN_LINES = 12
"""About so many lines for a whole run when the output is no terminal."""


def metrics_line(metrics: Mapping[str, float]) -> str:
    """`accuracy 0.52  format 0.98  tokens 41` of TRL's metric names."""
    shown = [(name, metrics[key]) for key, name in SHOWN.items() if metrics.get(key) is not None]
    return "  ".join(f"{name} {value:.0f}" if name == "tokens" else f"{name} {value:.3f}" for name, value in shown)


def in_words(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class Bar:
    """A bar over `total` units; `advance_to` may be called with any position, also after a resume."""

    def __init__(self, title: str, total: int) -> None:
        self.title, self.total, self.printed = title, total, -1
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[metrics]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.progress.add_task(title, total=total, metrics="")
        self.progress.start()

    def advance_to(self, position: int, metrics: str = "") -> None:
        self.progress.update(self.task, completed=position, metrics=metrics)
        due = position * PLAIN_LINES // max(self.total, 1)
        if not console.is_terminal and due != self.printed:
            self.printed = due
            console.print(f"{self.title} {position}/{self.total}  {metrics}".rstrip())

    def close(self) -> None:
        self.progress.stop()
