"""Result files of lighteval: evaluations of models and checkpoints that others made.

A checkpoint is a folder named `<experiment>_<step>`; what lies in different folders above it (`evals/`, `overall/`) is
kept apart. Folders may also be written into the file's name, separated by `__`. The files hold means and numbers of
problems, not who solved what: intervals can be had of them, paired tests cannot.
"""

import re
from collections.abc import Callable, Collection, Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.checked import is_number
from analysis.runs import METRIC_COLUMNS, PROBLEM_COLUMNS, RUN_COLUMNS, Logs
from tina import foreign
from tina.errors import UserError
from tina.foreign import ForeignFileError

RESULTS = re.compile(r"results_(.+)\.json")
CHECKPOINT = re.compile(r"(.+?)[_-](?:step[_-]?|checkpoint[_-]?)?(\d+)")
TASK = re.compile(r"(?:.*\|)?(?P<name>[^|]*?[^|\d][^|]*?)(?P<avg>_avg)?(?:\|(?P<shots>\d+))?(?:\|\d+)?")
"""`aime24|0`, `lighteval|aime24|0`, `lighteval|aime24|0|0`, `aime24_avg|0`."""
TASKS = {"math_500": "math500", "gpqa:diamond": "gpqa_diamond", "aime_2024": "aime24", "aime_2025": "aime25"}
METRIC = re.compile(
    r"extractive_match|(?:\w+_)?pass@1:(?P<samples>\d+)_samples|(?:\w+_)?pass@k:k=1(?:&n=(?P<n>\d+))?"
    r"|avg@n:n=(?P<mean_of>\d+)"
)
"""The share of samples that are right, by the names of lighteval 0.6 to 0.13."""


LONGEST_NAME = 200
"""Characters of a task or a score: longer ones are none, and cost patterns their time."""
LARGEST_BYTES = 256 * 2**20


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
            found, problems = _results(root, path)
        except (ValueError, ForeignFileError) as error:
            told = str(error).removeprefix(f"{path} ").rstrip(".")
            found, problems = [], [f"{path.name} is no result file of lighteval: {told}"]
        results += found
        damage |= {path: "; ".join(problems)} if problems else {}
    runs = _runs(results)
    runs += [_unread(path, text) for path, text in damage.items()]
    frame = pd.DataFrame(runs, columns=RUN_COLUMNS)
    return Logs(frame, pd.DataFrame(columns=METRIC_COLUMNS), pd.DataFrame(columns=PROBLEM_COLUMNS))


def _name_parts(root: Path, path: Path) -> list[str] | None:
    """The folders above a result file, those written into its name too; None for another kind of file."""
    *parts, name = [part for name in path.relative_to(root).parts for part in name.split("__")]
    return parts if RESULTS.fullmatch(name) else None


def _results(root: Path, path: Path) -> tuple[list[Result], list[str]]:
    """What a file holds, and what of it cannot be told, in words. Raises ForeignFileError, or ValueError for none."""
    content = foreign.read_json(path, LARGEST_BYTES)
    parts = _name_parts(root, path)
    match content:
        case {"config_general": {"model_name": str(model)} | {"model_config": {"model_name": str(model)}}}:
            pass
        case _:
            raise ValueError("it names no model")
    results, tasks = content.get("results"), content.get("config_tasks") or {}
    if not isinstance(results, dict) or not isinstance(tasks, dict):
        raise ValueError("it has no results by task")
    place = next((index for index, part in enumerate(parts) if CHECKPOINT.fullmatch(part)), None)
    subject, step = model, 0
    if place is not None:
        experiment, number = CHECKPOINT.fullmatch(parts[place]).groups()
        subject, step = "/".join([*parts[:place], experiment]), int(number)
    written = RESULTS.fullmatch(path.name.split("__")[-1])[1]
    _moment(written)
    found: dict[str, Result] = {}
    problems = []
    for task, scores in sorted(results.items(), key=lambda item: "_avg" in item[0]):
        if task == "all":
            continue
        try:
            benchmark = _benchmark(task, found)
            mean, problem_count, samples = _scored(task, scores, tasks)
        except ValueError as error:
            problems.append(f"{path.name}: {task[:LONGEST_NAME]} is left out: {error}")
            continue
        found[benchmark] = Result(subject, step, model, benchmark, mean, problem_count, samples, written, path)
    return list(found.values()), problems


def _scored(task: str, scores: Any, tasks: Mapping[str, Any]) -> tuple[float, int | None, int]:
    """Mean, number of problems if it is told, and samples of a task. Raises ValueError if it has no score."""
    parts = task.split("|")
    names = ("|".join(parts[:count]) for count in range(len(parts), 0, -1))
    config = next((tasks[name] for name in names if name in tasks), {})
    if not isinstance(scores, dict) or not isinstance(config, dict):
        raise ValueError("it has no scores by name")
    metric, samples = _metric(scores)
    if not is_number(scores[metric]):
        raise ValueError(f"its {metric} is no number ({str(scores[metric])[:40]!r})")
    problem_count = config.get("effective_num_docs")
    if problem_count is not None and not (is_number(problem_count) and problem_count == int(problem_count) > 0):
        raise ValueError(f"its effective_num_docs is no number of problems ({str(problem_count)[:40]!r})")
    return float(scores[metric]), problem_count, samples or _samples(config)


def _benchmark(task: str, taken: Container[str]) -> str:
    """The benchmark's name; with examples in the prompt it is another benchmark, and so is a mean over samples beside a
    result of one. Raises ValueError for no name, or one that is `taken`.
    """
    if len(task) > LONGEST_NAME:
        raise ValueError(f"its name has {len(task)} characters")
    found = TASK.fullmatch(task)
    name = TASKS.get(found["name"], found["name"]) if found else task
    if found and int(found["shots"] or 0):
        name += f" ({found['shots']}-shot)"
    if name in taken and found and found["avg"]:
        name += " (avg)"
    if name in taken:
        raise ValueError(f"another task of the file is {name}, too")
    return name


def _samples(config: Mapping[str, Any]) -> int:
    """Raises ValueError for what is no number of samples."""
    told = config.get("num_samples") or [1]
    samples = told if isinstance(told, list) else [told]
    if not all(is_number(one) and one == int(one) > 0 for one in samples):
        raise ValueError(f"its num_samples is no number of samples ({str(told)[:40]!r})")
    return int(max(samples))


def _metric(scores: Mapping[str, float]) -> tuple[str, int | None]:
    """The score that says how many samples were right, and of how many of each problem it is the mean, if it says so.

    That of one sample if there is one, else that of the most: the files do not tell whether as many were drawn as a
    name says. Raises ValueError if no score can be chosen.
    """
    names = [name for name in scores if len(name) <= LONGEST_NAME and not name.endswith("_stderr")]
    known = {name: found for name in names if (found := METRIC.fullmatch(name))}
    if not known and len(names) == 1:
        return names[0], None
    if not known:
        raise ValueError(f"it has several scores, {', '.join(names)[:400]}, and none is known")
    samples = {name: next((int(n) for n in found.groups() if n), None) for name, found in known.items()}
    chosen = min(samples, key=lambda name: (samples[name] not in (None, 1), -(samples[name] or 1)))
    return chosen, samples[chosen]


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
    names = {"id": run_id, "project": "lighteval", "group": subject, "job_type": "eval", "tags": ()}
    state = {"state": "finished", "started": _moment(first.written), "segments": 1, "damage": damage}
    return names | state | {"config": config, "summary": summary, "path": str(first.path)}


def _moment(written: str) -> float:
    """Seconds since the epoch. Raises ValueError for what is no time."""
    return datetime.strptime(written[:19], "%Y-%m-%dT%H-%M-%S").replace(tzinfo=UTC).timestamp()


def _unread(path: Path, damage: str) -> dict[str, Any]:
    names = {"id": path.name, "project": "lighteval", "group": "", "job_type": "unread", "tags": ()}
    state = {"state": "finished", "started": 0.0, "segments": 1, "damage": damage}
    return names | state | {"config": {}, "summary": {}, "path": str(path)}
