"""How each arm of a study turns: the transition's step and sharpness, and how far format and accuracy are half-way."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis.columns import number, plain
from analysis.evaluations import Missing, Row
from analysis.metrics import ACCURACY_REWARDS, FORMAT_REWARD
from analysis.names import file_name
from analysis.render import Column, Table
from analysis.turns import Series, Turns

AFTER = 0.5
"""Share of the arm's steps after which format and accuracy are compared."""
WINDOW = 0.1
"""Rewards are means over the last so much of the run before that step: one step's completions are few."""


def transitions_table(
    manifest: Mapping[str, Any], arms: Sequence[Row], series: Mapping[tuple[str, str], Series], turns: Turns
) -> Table | None:
    """One row an arm; None where no arm logged a format reward."""
    rows = [_row(arm, series, turns) for arm in arms]
    if not any(isinstance(row["format_after"], float) for row in rows):
        return None
    columns = [
        Column("arm", plain("arm"), numeric=False, wrap=40),
        Column("runs that\nturn", plain("turned")),
        Column("transition,\nstep", number("step", ".1f")),
        Column("width,\nsteps", number("width", ".1f")),
        Column("at\nstep", number("after", ".0f"), rank=1),
        Column("format\nreward there", number("format_after", ".3f")),
        Column("accuracy\nreward there", number("accuracy_after", ".3f")),
    ]
    notes = [
        "Of the format reward; means over the seeds that turn. Width: steps from 10 to 90 % of the change; 0 for a "
        "corner, where the change sets in.",
        f"There: half-way through the run, mean over the {WINDOW:.0%} of its steps before.",
    ]
    name = file_name("transition", manifest["study"])
    return Table(name, f"Transitions: {manifest.get('title') or manifest['study']}", columns, rows, notes)


def _row(arm: Row, series: Mapping[tuple[str, str], Series], turns: Turns) -> Row:
    runs = [run["run"] for run in arm["seed_runs"] if run["state"] != "not run"]
    found = [turn for run in runs if not isinstance(turn := turns(run, FORMAT_REWARD), Missing)]
    turned = [turn for turn in found if turn.kind == "turn"]
    why = Missing(", ".join(dict.fromkeys(turn.kind for turn in found)) or ("not logged" if runs else "not run"))
    half = {}
    for run in runs:
        logged = next((series[run, m] for m in (FORMAT_REWARD, *ACCURACY_REWARDS) if (run, m) in series), None)
        if logged is not None:
            half[run] = AFTER * logged[0][-1]
    return {
        "arm": arm["arm"],
        "run": " ".join(runs),
        "turned": f"{len(turned)} of {len(found)}",
        "step": float(np.mean([turn.step for turn in turned])) if turned else why,
        "width": float(np.mean([turn.width for turn in turned])) if turned else why,
        "after": float(np.mean(list(half.values()))) if half else why,
        "format_after": _after([FORMAT_REWARD], half, series),
        "accuracy_after": _after(ACCURACY_REWARDS, half, series),
    }


def _after(
    metrics: Sequence[str], half: Mapping[str, float], series: Mapping[tuple[str, str], Series]
) -> float | Missing:
    """The mean of the first of several metrics that the runs logged, up to their step in `half`."""
    for metric in metrics:
        values = []
        for run, step in half.items():
            if (run, metric) in series:
                steps, rewards = series[run, metric]
                there = (steps <= step) & (steps > step - WINDOW * steps[-1])
                values += [float(np.mean(rewards[there]))] if there.any() else []
        if values:
            return float(np.mean(values))
    return Missing("not logged")
