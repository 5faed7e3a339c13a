"""Was the policy that sampled the one that was trained? By arm, from what runs with an engine of their own log."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from analysis.columns import number, plain
from analysis.evaluations import Missing, Row
from analysis.metrics import FIDELITY
from analysis.names import file_name
from analysis.render import Column, Table
from analysis.turns import Series


def _last(values: np.ndarray) -> float:
    return values[-1]


FACTS: dict[str, tuple[str, Callable[[np.ndarray], float]]] = {
    "difference": ("logprob_diff_mean", np.mean),
    "largest": ("logprob_diff_max", np.max),
    "kl": ("kl", np.mean),
    "drift": ("base_drift", _last),
    "cosine": ("update_cosine", np.min),
}
"""A column to its metric, and to what is taken of a run's series."""
NOTES = [
    "Log-probs of sampled tokens, the trainer's against the sampler's, in nats: mean over steps, and the largest of "
    "all. KL: of the sampler from the trainer.",
    "Base drift: how far the frozen weights had moved at the last look, relative to themselves. Cosine: between the "
    "update that was meant and the one that was served, the smallest. Means over seeds.",
]


def fidelity_table(
    manifest: Mapping[str, Any], arms: Sequence[Row], series: Mapping[tuple[str, str], Series]
) -> Table | None:
    """One row an arm; None where no arm has logged how well its sampler and its trainer agree."""
    rows = [_row(arm, series) for arm in arms]
    if not any(isinstance(row["difference"], float) for row in rows):
        return None
    columns = [
        Column("arm", plain("arm"), numeric=False, wrap=40),
        Column("|Δ log-prob|,\nmean", number("difference", ".1e")),
        Column("|Δ log-prob|,\nlargest", number("largest", ".1e")),
        Column("KL", number("kl", ".1e"), rank=1),
        Column("base\ndrift", number("drift", ".1e")),
        Column("cosine of\nthe update", number("cosine", ".5f")),
    ]
    title = f"Sampler against trainer: {manifest.get('title') or manifest['study']}"
    return Table(file_name("fidelity", manifest["study"]), title, columns, rows, NOTES)


def _row(arm: Row, series: Mapping[tuple[str, str], Series]) -> Row:
    runs = [run["run"] for run in arm["seed_runs"] if run["state"] != "not run"]
    row: Row = {"arm": arm["arm"], "run": " ".join(runs)}
    for fact, (metric, of) in FACTS.items():
        logged = [series[run, FIDELITY[metric]][1] for run in runs if (run, FIDELITY[metric]) in series]
        why = Missing("not logged" if runs else "not run")
        row[fact] = float(np.mean([of(values) for values in logged])) if logged else why
    return row
