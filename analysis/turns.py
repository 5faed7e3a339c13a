"""Where training curves turn, with a memory on disk: a fit takes some 30 ms, and a report asks for hundreds."""

import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np

from analysis.evaluations import Missing
from analysis.runs import Logs
from tina.dynamics import Transition, find_transition

Series = tuple[np.ndarray, np.ndarray]
"""Steps and values, each [n]."""

Turns = Callable[[str, str], Transition | Missing]
"""A run's id and a metric to what its curve does."""


def series_of(logs: Logs) -> dict[tuple[str, str], Series]:
    """Every series by (run, metric)."""
    groups = logs.metrics.groupby(["run", "metric"], observed=True, sort=False)
    return {key: (part.step.to_numpy(), part.value.to_numpy(dtype=float)) for key, part in groups}


def turns(series: dict[tuple[str, str], Series], memory: Path | None = None) -> Turns:
    """A function that finds the transition of a run's series; fits are kept in the file `memory` by the data's hash."""
    known = _remembered(memory)

    def turn(run: str, metric: str) -> Transition | Missing:
        if (run, metric) not in series:
            return Missing("not logged")
        steps, values = series[run, metric]
        key = hashlib.sha256(_detector().encode() + steps.tobytes() + values.tobytes()).hexdigest()[:32]
        if key not in known:
            known[key] = find_transition(steps, values)
            if memory is not None:
                memory.parent.mkdir(parents=True, exist_ok=True)
                with memory.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"key": key} | asdict(known[key])) + "\n")
        return known[key]

    return turn


@cache
def _detector() -> str:
    """Hash of the detector's sources: another detector must not answer from the old one's memory."""
    folder = Path(find_transition.__code__.co_filename).parent
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))).hexdigest()


def _remembered(memory: Path | None) -> dict[str, Transition]:
    """What was found before; a line that a killed process left unfinished, or that was damaged, is passed over."""
    known: dict[str, Transition] = {}
    if memory is None or not memory.exists():
        return known
    for line in memory.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
            found = json.loads(line)
            key = found.pop("key")
            known[key] = Transition(**found)
    return known
