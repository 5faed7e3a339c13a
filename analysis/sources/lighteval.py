"""Result files of lighteval: evaluations of models and checkpoints that others made.

A checkpoint is a folder named `<experiment>_<step>`; what lies in different folders above it (`evals/`, `overall/`) is
kept apart. Folders may also be written into the file's name, separated by `__`. The files hold means and numbers of
problems, not who solved what: intervals can be had of them, paired tests cannot.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.runs import METRIC_COLUMNS, PROBLEM_COLUMNS, RUN_COLUMNS, Logs
from tina.errors import UserError

RESULTS = re.compile(r"results_(.+)\.json")
CHECKPOINT = re.compile(r"(.+?)[_-](?:step[_-]?|checkpoint[_-]?)?(\d+)")
TASKS = {"math_500": "math500", "gpqa:diamond": "gpqa_diamond", "aime_2024": "aime24", "aime_2025": "aime25"}
METRICS = ("extractive_match", "math_pass@1:1_samples", "pass@1:1_samples", "pass@k:k=1&n=1", "gpqa_pass@k:k=1")


@dataclass(frozen=True)
class Result:
    """One benchmark of one checkpoint in one file."""

    subject: str
    step: int
    model: str
    benchmark: str
    mean: float
    n_problems: int | None
    n_samples: int
    written: str
    path: Path

    @property
    def place(self) -> tuple[str, int, str]:
        return self.subject, self.step, self.benchmark


def read(source: Mapping[str, Any], wanted: Callable[[str], bool], names: Collection[str] | None = None) -> Logs:
    """Every result below `source["root"]` as an evaluation; raises UserError if there is none.

    A result that was written twice counts once. Where two differ the later counts, and the run says so.
    """
    root = Path(source["root"]).expanduser()
    files = sorted(path for path in root.rglob("*.json") if _name_parts(root, path) is not None)
    if not files:
        raise UserError(f"There are no result files of lighteval (results_*.json) below {root.resolve()}.")
    results, damage = [], {}
    for path in files:
        try:
            results += _results(root, path)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            damage[path] = f"{path.name} is no result file of lighteval ({type(error).__name__}: {error})"
    runs = _runs(results)
    runs += [_unread(path, text) for path, text in damage.items()]
    frame = pd.DataFrame(runs, columns=RUN_COLUMNS)
    return Logs(frame, pd.DataFrame(columns=METRIC_COLUMNS), pd.DataFrame(columns=PROBLEM_COLUMNS))


def _name_parts(root: Path, path: Path) -> list[str] | None:
    """The folders above a result file, those written into its name too; None for another kind of file."""
    *parts, name = [part for name in path.relative_to(root).parts for part in name.split("__")]
    return parts if RESULTS.fullmatch(name) else None


def _results(root: Path, path: Path) -> list[Result]:
    content = json.loads(path.read_text(encoding="utf-8"))
    parts = _name_parts(root, path)
    model = str(content["config_general"]["model_name"])
    place = next((index for index, part in enumerate(parts) if CHECKPOINT.fullmatch(part)), None)
    subject, step = model, 0
    if place is not None:
        experiment, number = CHECKPOINT.fullmatch(parts[place]).groups()
        subject, step = "/".join([*parts[:place], experiment]), int(number)
    tasks = content.get("config_tasks", {})
    found = []
    for task, scores in content["results"].items():
        if task == "all":
            continue
        name = task.split("|")[1] if "|" in task else task
        config = next((tasks[key] for key in tasks if key == task or task.startswith(f"{key}|")), {})
        samples = config.get("num_samples") or [1]
        found.append(
            Result(
                subject=subject,
                step=step,
                model=model,
                benchmark=TASKS.get(name, name),
                mean=float(scores[_metric(scores)]),
                n_problems=config.get("effective_num_docs"),
                n_samples=max(samples) if isinstance(samples, list) else int(samples),
                written=RESULTS.fullmatch(path.name.split("__")[-1])[1],
                path=path,
            )
        )
    return found


def _metric(scores: Mapping[str, float]) -> str:
    """The name of the score that says how many problems were solved; raises ValueError if that cannot be told."""
    names = [name for name in scores if not name.endswith("_stderr")]
    known = [name for name in METRICS if name in names] or names
    if len(known) == 1 or known[0] in METRICS:
        return known[0]
    raise ValueError(f"it has several scores, {', '.join(names)}, and none is known")


def _runs(results: list[Result]) -> list[dict[str, Any]]:
    """One evaluation run for each checkpoint, of the last result of each benchmark."""
    checkpoints: dict[tuple[str, int], dict[str, list[Result]]] = {}
    for result in sorted(results, key=lambda result: result.written):
        checkpoints.setdefault((result.subject, result.step), {}).setdefault(result.benchmark, []).append(result)
    runs = []
    for (subject, step), found in sorted(checkpoints.items()):
        last = [several[-1] for several in found.values()]
        differ = [name for name, several in found.items() if len({(r.mean, r.n_problems) for r in several}) > 1]
        summary: dict[str, Any] = {}
        for result in last:
            prefix = f"eval/{result.benchmark}"
            summary |= {f"{prefix}/mean": result.mean, f"{prefix}/n_samples": result.n_samples}
            summary |= {f"{prefix}/n_problems": result.n_problems} if result.n_problems else {}
        config = {"train_id": subject, "step": step, "model": last[0].model}
        damage = [f"{name} was evaluated more than once with different results: the last counts" for name in differ]
        runs.append(_run(f"{subject}@{step}", subject, config, summary, "; ".join(damage), last[0]))
    return runs


def _run(
    run_id: str, subject: str, config: dict[str, Any], summary: dict[str, Any], damage: str, first: Result
) -> dict[str, Any]:
    moment = datetime.strptime(first.written[:19], "%Y-%m-%dT%H-%M-%S").replace(tzinfo=UTC)
    names = {"id": run_id, "project": "lighteval", "group": subject, "job_type": "eval", "tags": ()}
    state = {"state": "finished", "started": moment.timestamp(), "segments": 1, "damage": damage}
    return names | state | {"config": config, "summary": summary, "path": str(first.path)}


def _unread(path: Path, damage: str) -> dict[str, Any]:
    names = {"id": path.name, "project": "lighteval", "group": "", "job_type": "unread", "tags": ()}
    state = {"state": "finished", "started": 0.0, "segments": 1, "damage": damage}
    return names | state | {"config": {}, "summary": {}, "path": str(path)}
