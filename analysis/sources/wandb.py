"""The W&B API: every run of a project with all rows of its history, nothing sampled, and W&B's own cache left out.

`run.history()` samples 500 rows, `scan_history(keys=...)` drops rows that lack one key, and the client's cache of
histories can be older than the run. So all rows are scanned; what did not change is kept by `analysis/store.py`.
"""

import math
import tempfile
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.checked import is_number
from analysis.metrics import STEP, canonical
from analysis.problem_table import EMPTY, LARGEST_TABLE, TABLE, read_problem_table
from analysis.runs import RUN_COLUMNS, Logs, problems_frame
from analysis.series import merged, metrics_frame, split_where_steps_fall
from analysis.wandb_files import LARGEST_STEP
from tina import foreign
from tina.errors import UserError

STATES = {"crashed": "stopped", "killed": "stopped", "preempted": "stopped", "preempting": "stopped"}
NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def keys(source: Mapping[str, Any]) -> dict[str, str]:
    """State and last step of each run of `source["project"]`; raises UserError as `read` does."""
    return {run.id: f"{run.state} {run.lastHistoryStep}" for run in _runs(source, lazy=True)}


def read(source: Mapping[str, Any], wanted: Callable[[str], bool], names: Collection[str] | None = None) -> Logs:
    """The runs of `source["project"]`, those of `names` alone if given.

    Raises UserError if there is no such project, no network, no API key, or no run.
    """
    rows, metrics, problems = [], [], []
    for run in _runs(source, lazy=False):
        if names is not None and run.id not in names:
            continue
        try:
            series = _series(run, wanted)
            table, damage = _problem_table(run)
        except _errors() as error:
            series, table, damage = {}, EMPTY, [f"the history cannot be read ({_first_line(error)})"]
        metrics += [(run.id, metric, steps, values) for metric, (steps, values) in series.items()]
        if len(table):
            problems.append(table.assign(run=run.id))
        rows.append(_row(run, source["project"], damage))
    frame = pd.DataFrame(rows, columns=RUN_COLUMNS).sort_values(["started", "id"], ignore_index=True)
    return Logs(frame, metrics_frame(metrics), problems_frame(problems))


def _errors() -> tuple[type[Exception], ...]:
    """What the client raises for a server that refuses, is not there, or does not answer."""
    import requests
    import wandb

    return wandb.Error, wandb.errors.CommError, requests.RequestException, ValueError, TimeoutError


def _runs(source: Mapping[str, Any], lazy: bool) -> list[Any]:
    """The runs of the project; `lazy` ones know neither their settings nor their summary."""
    import wandb

    project = str(source["project"])
    if project.count("/") != 1:
        raise UserError(f"source.project={project} is no project: write source.project=<entity>/<project>.")
    try:
        runs = list(wandb.Api(timeout=source["timeout_s"]).runs(project, per_page=100, lazy=lazy))
    except _errors() as error:
        raise UserError(f"W&B does not give the runs of {project}: {_first_line(error)}") from error
    if not runs:
        raise UserError(f"The W&B project {project} has no runs.")
    return runs


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".") + "."


def _row(run: Any, project: str, damage: list[str]) -> dict[str, Any]:
    return {
        "id": run.id,
        "project": project,
        "group": run.group or "",
        "job_type": run.job_type or "",
        "tags": tuple(run.tags or ()),
        "state": STATES.get(run.state, run.state),
        "started": datetime.fromisoformat(run.created_at.replace("Z", "+00:00")).timestamp(),
        "config": dict(run.config),
        "summary": _flat(run.summary_metrics),
        "segments": 1,
        "damage": "; ".join(damage),
        "path": run.url,
    }


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`a.b` for the nested key a, b, as in the offline files."""
    flat = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else {f"{prefix}{key}": value}
    return flat


def _series(run: Any, wanted: Callable[[str], bool]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Steps and values of each wanted metric; where the run was resumed, the later rows replace the earlier ones."""
    columns: dict[str, tuple[list[int], list[float]]] = {}
    for row in run.scan_history(use_cache=False):
        step = row.get(STEP)
        if not is_number(step) or not 0 <= step < LARGEST_STEP:
            continue
        for key, value in row.items():
            value = NOT_FINITE.get(value, value) if isinstance(value, str) else value
            if key.startswith("_") or key == STEP or not _is_number(value) or not wanted(key):
                continue
            steps, values = columns.setdefault(canonical(key), ([], []))
            steps.append(int(step))
            values.append(float(value))
    return {
        metric: merged(split_where_steps_fall(np.array(steps), np.array(values)))
        for metric, (steps, values) in columns.items()
    }


def _is_number(value: Any) -> bool:
    """May it be drawn? Not finite numbers are logged, too."""
    return is_number(value) or (isinstance(value, float) and not math.isfinite(value))


def _problem_table(run: Any) -> tuple[pd.DataFrame, list[str]]:
    """The per-problem table that a run logged last, downloaded, and what is wrong with it in words."""
    logged = _flat(run.summary_metrics)
    name = logged.get(f"{TABLE}.path")
    if name is None:
        return EMPTY, []
    if not isinstance(name, str) or Path(name).is_absolute() or ".." in Path(name).parts:
        return EMPTY, [f"the path of the per-problem table is none ({str(name)[:40]!r})"]
    with tempfile.TemporaryDirectory() as folder:
        try:
            run.file(name).download(root=folder, replace=True).close()
            data = foreign.read_bytes(Path(folder) / name, LARGEST_TABLE, below=Path(folder))
            return read_problem_table(data, Path(name).name, logged.get(f"{TABLE}.sha256"))
        except (OSError, IndexError, *_errors()) as error:
            return EMPTY, [f"the per-problem table {Path(name).name} cannot be downloaded ({_first_line(error)})"]
        except foreign.ForeignFileError as error:
            return EMPTY, [f"the per-problem table is left out: {_first_line(error)}"]
