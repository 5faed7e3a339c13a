"""What was asked of a scheduler for a run, and what came of it: a line each in `jobs.jsonl` of the run's folder.

The run itself says how far it is in `progress.json`. Both are for people and for `tina.status`: no run depends on them.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tina import files, foreign, jsonl
from tina.launch.ranks import ORDERLY

JOBS = "jobs.jsonl"
PROGRESS = "progress.json"


@dataclass(frozen=True)
class Submission:
    """A job that was queued for a run, and how often it was started."""

    job: str
    """SLURM's id, `12_3` of an array."""
    phase: str
    """`train`, `evaluate`, or `all` for both in one job."""
    log: str
    """Where the scheduler writes what the job says before and after the run speaks."""
    starts: int = 0
    code: int | None = None
    """The exit code that its last start ended with, if one did."""


def add(folder: Path, **facts: Any) -> None:
    """Adds a line."""
    jsonl.append(folder / JOBS, facts | {"time": time.time()})


def submissions(folder: Path) -> list[Submission]:
    """Every job that was queued for a run, oldest first."""
    found: dict[str, Submission] = {}
    for told in _lines(folder):
        job = told["job"]
        if told["event"] == "submitted":
            found[job] = Submission(job, told["phase"], told["log"])
        elif job in found and told["event"] == "started":
            found[job] = replace(found[job], starts=found[job].starts + 1, code=None)
        elif job in found:
            found[job] = replace(found[job], code=told["code"])
    return list(found.values())


def in_vain(folder: Path, job: str, starts: int) -> bool:
    """Did each of a job's last so many starts end to be started again, at the same step?"""
    ended = [line for line in _lines(folder) if line["job"] == job and line["event"] == "ended"][-starts:]
    return len(ended) == starts and all(line["code"] in ORDERLY and line["done"] == ended[-1]["done"] for line in ended)


def queue_seconds(folder: Path) -> float | None:
    """Seconds that the training of a run stood in queues; None of a run that no scheduler started.

    From being submitted to its start, and again from the end of a start to the next one of the same job. Nothing is
    billed for them.
    """
    waited: float | None = None
    since: dict[str, float] = {}  # when a job of the training went into the queue
    training = {one.job for one in submissions(folder) if one.phase != "evaluate"}
    for line in _lines(folder):
        job = line["job"]
        if job in training and line["event"] != "started":  # submitted, or ended and perhaps queued again
            since[job] = line["time"]
        elif job in since:
            waited = (waited or 0.0) + line["time"] - since.pop(job)
    return waited


def _lines(folder: Path) -> list[dict[str, Any]]:
    path = folder / JOBS
    read = jsonl.read(path)
    found = [line for line in read if _is_one(line)]
    if len(found) < len(read):
        foreign.tell(f"{path}: {len(read) - len(found)} lines say nothing of a job, and are left out.")
    return found


def _is_one(line: Mapping[str, Any]) -> bool:
    match line:
        case {"event": "submitted", "job": str(), "time": int() | float(), "phase": str(), "log": str()}:
            return True
        case {"event": "started", "job": str(), "time": int() | float()}:
            return True
        case {"event": "ended", "job": str(), "time": int() | float(), "code": int(), "done": int() | float()}:
            return True
    return False


def write_progress(folder: Path, **facts: Any) -> None:
    """How far a run is: steps done, in total, and seconds of the last one; there whole or not at all."""
    files.write_json(folder / PROGRESS, facts | {"time": time.time()})


def progress(folder: Path) -> Mapping[str, Any] | None:
    """What `write_progress` said last; None of a run that has said nothing, or whose file is damaged, which is told."""
    match foreign.json_or_told(folder / PROGRESS):
        case {"done": int() | float(), "total": int() | float(), "seconds": int() | float()} as told:
            return told
    return None
