"""A training run as it lies on disk: its configuration, its checkpoints, what its summary says. Loads no torch."""

import dataclasses
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tina import checkpoint, configs, foreign, identity, segments
from tina.errors import UserError
from tina.schema import TrainConfig


@dataclass(frozen=True)
class RunFolder:
    path: Path
    config: TrainConfig
    digest: str
    checkpoints: dict[int, Path]
    """Step to folder, in order; whole checkpoints only."""
    broken: list[Path]
    """Checkpoints that were not written to their end."""
    summary: dict[str, Any] | None
    """None of a run that has not finished."""

    @property
    def chosen_step(self) -> int | None:
        return self.summary["logged"].get("selection/step") if self.summary else None

    @property
    def transition_step(self) -> float | None:
        return self.summary["logged"].get("dynamics/transition_step") if self.summary else None


def open_run(folder: str | Path) -> RunFolder:
    """Reads a run's folder, which may be another's. Raises UserError if it is none, or nothing was saved.

    That a model's own code may run is not taken from it: only a command line says so.
    """
    path = Path(folder).expanduser()
    if not (path / "config.yaml").is_file():
        why = "is not there" if not path.exists() else "is no training run's folder (it has no config.yaml)"
        raise UserError(f"run={folder} {why}: give one of the folders below outputs/runs/.")
    config = configs.read(path / "config.yaml")
    loaded = segments.pinned(config, path)
    loaded = dataclasses.replace(loaded, model=dataclasses.replace(loaded.model, trust_remote_code=False))
    whole = checkpoint.checkpoints(path / "checkpoints")
    broken = checkpoint.broken_checkpoints(path / "checkpoints")
    if not whole:
        half = f", only half-written ones ({', '.join(c.name for c in broken)})" if broken else ""
        raise UserError(f"run={folder} has no checkpoint{half}: the same train command goes on with the run.")
    told = path / "summary.json"
    summary = _summary(told) if told.is_file() else None
    digest = summary["digest"] if summary else identity.digest(asdict(config))
    return RunFolder(path, loaded, digest, whole, broken, summary)


def _summary(path: Path) -> dict[str, Any]:
    told = foreign.read_json(path)
    match told:
        case {"digest": str(), "logged": {}}:
            return told
    raise UserError(f"{path} is no summary of a run of this version.")


def select_steps(run: RunFolder, wanted: str | int | list[int]) -> list[int]:
    """The steps that `checkpoints=` asks for, in order: all, last, chosen, around_transition, or steps by number.

    around_transition: the last checkpoint at or before the phase transition and the first after it. Raises UserError
    for a step that was not saved, for what the run's summary does not know, and for anything else.
    """
    steps = list(run.checkpoints)
    if isinstance(wanted, str) and wanted in NAMED_STEPS:
        return NAMED_STEPS[wanted](run)
    numbers = [wanted] if isinstance(wanted, int) else wanted
    if not isinstance(numbers, list) or not numbers or not all(type(number) is int for number in numbers):
        raise UserError(f"checkpoints={wanted} is not known: it takes {', '.join(NAMED_STEPS)}, or a list of steps.")
    if missing := [number for number in numbers if number not in steps]:
        half = " (half-written)" if any(checkpoint.step_of(path) in missing for path in run.broken) else ""
        raise UserError(
            f"{run.path.name} has no whole checkpoint at step {', '.join(map(str, missing))}{half}: "
            f"it has {', '.join(map(str, steps))}."
        )
    return sorted(set(numbers))


def _chosen(run: RunFolder) -> list[int]:
    if run.chosen_step is None:
        raise UserError(f"{run.path.name} has not finished, so no checkpoint was chosen: name steps, or take last.")
    return select_steps(run, [run.chosen_step])


def _around_transition(run: RunFolder) -> list[int]:
    if run.transition_step is None:
        why = "was found" if run.summary else "is known before it has finished"
        raise UserError(f"No phase transition of {run.path.name} {why}: name steps, checkpoints=[50,100].")
    before = [step for step in run.checkpoints if step <= run.transition_step]
    after = [step for step in run.checkpoints if step > run.transition_step]
    return before[-1:] + after[:1]


NAMED_STEPS: dict[str, Callable[[RunFolder], list[int]]] = {
    "all": lambda run: list(run.checkpoints),
    "last": lambda run: list(run.checkpoints)[-1:],
    "chosen": _chosen,
    "around_transition": _around_transition,
}
