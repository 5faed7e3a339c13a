"""From a source of W&B logs to three tidy frames; every table and picture starts here.

A source is one module in `analysis/sources/` and one file in `conf/source/`. The module has a function

    read(source, wanted, names=None) -> Logs     all runs, or those named; `wanted` says which series are kept

and, if its runs can be told unchanged more cheaply than they are read,

    keys(source) -> dict[str, str]               for each run's name a text that changes when the run does
"""

import importlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.checked import KINDS, checked
from analysis.metrics import STEP, canonical
from tina.errors import UserError


@dataclass(frozen=True)
class Logs:
    """All that was logged, whatever the source.

    runs      one row a run: id, project, group, job_type, tags, state (finished, failed, stopped by a signal, or
              running, which a killed run also is), started (seconds since the epoch), config (dict), summary (dict:
              the last logged value of each key), segments (how often it was started), damage (text, empty if none),
              path
    metrics   run, step (the training step), metric, value: numbers only, one row for a step
    problems  run, benchmark, problem, sample, seed, answer, verdict, tokens, truncated: one row a completion
    """

    runs: pd.DataFrame
    metrics: pd.DataFrame
    problems: pd.DataFrame


RUN_COLUMNS = [
    *("id", "project", "group", "job_type", "tags", "state", "started"),
    *("config", "summary", "segments", "damage", "path"),
]
METRIC_COLUMNS = ["run", "step", "metric", "value"]
PROBLEM_COLUMNS = ["run", "benchmark", "problem", "sample", "seed", "answer", "verdict", "tokens", "truncated"]


def load(source: Mapping[str, Any], metrics: Collection[str] | None = None, cache: Path | None = None) -> Logs:
    """Reads all runs of a source (`name` and its own options), of the series only `metrics` (None: all).

    What did not change since the last time comes from the folder `cache`. Raises UserError if there is no such source,
    or nothing in it.
    """
    folder = Path(__file__).parent / "sources"
    names = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    if source["name"] not in names:
        raise UserError(f"There is no source {source['name']}: choose from {', '.join(names)}.")
    reader = importlib.import_module(f"analysis.sources.{source['name']}")

    wanted = partial(_wanted, None if metrics is None else frozenset(metrics))
    if cache is not None and hasattr(reader, "keys"):
        from analysis.store import through_cache

        changed = partial(reader.read, source, wanted)
        logs = through_cache(cache, source, metrics, reader.keys(source), changed)
    else:
        logs = reader.read(source, wanted)
    kinds = zip(logs.runs.job_type, logs.runs.summary, strict=True)
    # training runs that another program logged have its own job type, or none
    kinds = [kind if kind in KINDS or STEP not in summary else "train" for kind, summary in kinds]
    runs = [checked(run) for run in logs.runs.assign(job_type=kinds).to_dict("records")]
    return replace(logs, runs=pd.DataFrame(runs, columns=RUN_COLUMNS))


def _wanted(metrics: frozenset[str] | None, metric: str) -> bool:
    return metrics is None or canonical(metric) in metrics


def problems_frame(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The per-problem tables of several runs as one frame."""
    if not tables:
        return pd.DataFrame(columns=PROBLEM_COLUMNS)
    return pd.concat(tables, ignore_index=True)[PROBLEM_COLUMNS]
