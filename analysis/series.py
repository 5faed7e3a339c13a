"""Series of one metric from the pieces that a run left, and all of them as one compact frame."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.runs import METRIC_COLUMNS

Part = tuple[np.ndarray, np.ndarray]
"""Steps and values, each [n]."""


def merged(parts: Sequence[Part]) -> Part:
    """(steps, values) of ONE metric from its segments, oldest first, each (steps [n], values [n]).

    A run that resumes from a checkpoint does some steps again: a later segment replaces the earlier ones from its own
    first step on. Steps come out increasing; of a step that was logged twice, the last value.
    """
    kept, first_later = [], np.inf
    for part_steps, part_values in reversed(parts):
        keep = part_steps < first_later
        kept.append((part_steps[keep], part_values[keep]))
        first_later = min(first_later, part_steps.min())
    steps, values = (np.concatenate(columns) for columns in zip(*reversed(kept), strict=True))
    order = np.argsort(steps, kind="stable")
    steps, values = steps[order], values[order]
    last_of_step = np.append(steps[1:] != steps[:-1], True)
    return steps[last_of_step], values[last_of_step]


def split_where_steps_fall(steps: np.ndarray, values: np.ndarray) -> list[Part]:
    """The segments of a run that was resumed into one history: a new one begins where the step goes back."""
    cuts = np.flatnonzero(np.diff(steps) < 0) + 1
    return list(zip(np.split(steps, cuts), np.split(values, cuts), strict=True))


def metrics_frame(metrics: Sequence[tuple[str, str, np.ndarray, np.ndarray]]) -> pd.DataFrame:
    """Long and compact, from (run, metric, steps, values); names are categories, or long runs would fill the memory."""
    if not metrics:
        return pd.DataFrame(columns=METRIC_COLUMNS)
    runs, names, steps, values = zip(*metrics, strict=True)
    lengths = [len(s) for s in steps]

    def category(labels: Sequence[str]) -> pd.Categorical:
        known = pd.Index(dict.fromkeys(labels))
        return pd.Categorical.from_codes(np.repeat(known.get_indexer(labels), lengths), known)

    columns = [category(runs), np.concatenate(steps), category(names), np.concatenate(values)]
    return pd.DataFrame(dict(zip(METRIC_COLUMNS, columns, strict=True)))
