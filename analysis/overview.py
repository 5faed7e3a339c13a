"""Everything that tables, pictures and the report are made of, worked out once."""

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.checked import KINDS
from analysis.costs import cost_rows
from analysis.evaluations import Evaluation, Row, evaluations
from analysis.metrics import SERIES, STEP
from analysis.paper import baseline_rows
from analysis.results import train_rows
from analysis.runs import Logs, load
from analysis.single import single_arms
from analysis.store import save
from analysis.studies import arms_of, study_manifests
from analysis.turns import Series, Turns, series_of, turns
from tina.errors import UserError

SHOWN_DAMAGE = 5
"""Damaged logs that are told where nothing can be shown."""


@dataclass(frozen=True)
class Overview:
    """The logs, and what follows from them.

    rows       the facts of every training run
    manifests  the studies; `arms` has their arms by the study's name
    evaluated  every evaluation by subject and step
    baselines  models that were evaluated without being trained here
    single     runs of the paper's presets that belong to no study, as arms
    costs      what studies cost
    """

    logs: Logs
    rows: list[Row]
    manifests: list[Mapping[str, Any]]
    arms: dict[str, list[Row]]
    evaluated: dict[str, dict[int, Evaluation]]
    baselines: list[Row]
    single: list[Row]
    costs: list[Row]
    series: dict[tuple[str, str], Series]
    turns: Turns

    @property
    def every_arm(self) -> list[Row]:
        return [arm for arms in (*self.arms.values(), self.single) for arm in arms]


def overview(logs: Logs, checkpoint: str = "logged", memory: Path | None = None) -> Overview:
    """What follows from the logs; `memory` is a file that keeps what was found out about curves.

    Raises UserError if there is neither a training run, nor a study, nor a model's evaluation.
    """
    series = series_of(logs)
    found = turns(series, memory)
    rows, manifests, evaluated = train_rows(logs, checkpoint, found), study_manifests(logs), evaluations(logs)
    baselines = baseline_rows(logs, evaluated, [row["run"] for row in rows])
    if not rows and not manifests and not baselines:
        raise UserError(
            f"{len(logs.runs)} W&B runs were read, but none is a training run, a study or a model's evaluation: "
            f"nothing to show.{''.join(f' {sentence}' for sentence in damaged(logs)[:SHOWN_DAMAGE])}"
        )
    arms = arms_of(manifests, rows)
    single = single_arms(rows, {run["run"] for found in arms.values() for arm in found for run in arm["seed_runs"]})
    costs = cost_rows(arms, {m["study"]: m.get("title") or m["study"] for m in manifests}, rows)
    return Overview(logs, rows, manifests, arms, evaluated, baselines, single, costs, series, found)


def load_overview(chosen: Mapping[str, Any]) -> Overview:
    """The overview of what the settings of an analysis script name; with `export`, all series are kept and written.

    Raises UserError as `load`, `save` and `overview` do.
    """
    cache = _usable(chosen["cache"])
    logs = load(chosen["source"], None if chosen["export"] else SERIES, cache)
    if chosen["export"]:
        save(logs, Path(chosen["export"]))
    return overview(logs, chosen["checkpoint"], cache and cache / "turns.jsonl")


def _usable(cache: str | None) -> Path | None:
    """The cache's folder; None, with a word, if it cannot be written: everything is read anew then."""
    if cache is None:
        return None
    try:
        Path(cache).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            return Path(cache)
    except OSError as error:
        print(f"cache={cache} cannot be written ({error.strerror}): everything is read anew.", file=sys.stderr)
        return None


def damaged(logs: Logs) -> list[str]:
    """One sentence for each run of which something could not be read, and one for those that are of no known kind."""
    told = [f"{run.path}: {run.damage}." for run in logs.runs.itertuples() if run.damage]
    other = [run.path for run in logs.runs.itertuples() if run.job_type not in KINDS and not run.damage]
    if other:
        told.append(f"{other[0]}{f' and {len(other) - 1} more' if other[1:] else ''}: no {STEP}, so no training run.")
    return told
