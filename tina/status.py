"""What is going on: the arms of each study, what is queued, running, done or failed, with speed, time left and cost.

    python -m tina.status                     every study
    python -m tina.status <study>             one, by the name of its file in outputs/studies
    python -m tina.status --watch             again every few seconds, until all has ended
    python -m tina.status --failed            the ends of the logs of what failed

Read from the runs' folders (outputs=<folder>: others) and, where jobs were queued for them, from squeue and sacct.
"""

import argparse
import difflib
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.table import Table

from tina import configs, identity, terminal
from tina.errors import UserError
from tina.guards import is_held
from tina.launch import record, scheduler
from tina.launch.logs import tail
from tina.launch.scheduler import JobState, SchedulerSilent
from tina.launch.slurm import why
from tina.progress import console, in_words
from tina.study import recorded

WATCH_S = 5.0
TAIL_LINES = 20
LIVE = ("queued", "running", "unknown")


@dataclass(frozen=True)
class Arm:
    """One arm of a study as it is now."""

    label: str
    folder: Path
    state: str
    """`done`, `running`, `queued`, `failed`, `stopped`, `not started`, or `unknown` if SLURM does not answer."""
    detail: str = ""
    job: str = ""
    done: int = 0
    total: int = 0
    seconds_per_step: float | None = None
    usd: float | None = None

    @property
    def seconds_left(self) -> float | None:
        if self.state != "running" or self.seconds_per_step is None:
            return None
        return (self.total - self.done) * self.seconds_per_step


def studies(outputs: Path, name: str | None = None) -> list[dict[str, Any]]:
    """The manifests in an outputs folder. Raises UserError if there is none, or none of this name."""
    found = recorded(outputs)
    if not found:
        raise UserError(
            f"There is no study in {outputs}: start one (python train.py -m ...), or give outputs=<folder>."
        )
    if name is not None and name not in found:
        near = difflib.get_close_matches(name, found, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(found)}."
        raise UserError(f"There is no study {name} in {outputs}: {hint}")
    return list(found.values()) if name is None else [found[name]]


def arms_of(study: Mapping[str, Any], states: Mapping[str, JobState] | None) -> list[Arm]:
    """The arms of a study; `states` of their jobs, None if SLURM does not answer."""
    return [_arm(arm["label"], Path(arm["folder"]), states) for arm in study["arms"]]


def job_states(manifests: Sequence[Mapping[str, Any]]) -> tuple[dict[str, JobState] | None, str]:
    """The states of all jobs that were queued for the studies, and what SLURM says instead if it does not answer."""
    folders = {Path(arm["folder"]) for study in manifests for arm in study["arms"]}
    jobs = {one.job for folder in folders for one in record.submissions(folder)}
    try:
        return scheduler.job_states(jobs), ""
    except SchedulerSilent as error:
        return None, f"SLURM does not answer ({error}): what is queued there is not known."


def _arm(label: str, folder: Path, states: Mapping[str, JobState] | None) -> Arm:
    told, asked, config = record.progress(folder) or {}, record.submissions(folder), _config(folder)
    arm = Arm(
        label=label,
        folder=folder,
        state="not started",
        done=int(told.get("done", 0)),
        total=int(told.get("total", 0)),
        seconds_per_step=told.get("seconds"),
        usd=_usd(config, told, [states[one.job] for one in asked if states and one.job in states]),
    )
    state, detail, job = _state(config, arm, asked, states)
    return Arm(**{**arm.__dict__, "state": state, "detail": detail, "job": job})


def _state(
    config: Mapping[str, Any] | None,
    arm: Arm,
    asked: Sequence[record.Submission],
    states: Mapping[str, JobState] | None,
) -> tuple[str, str, str]:
    """State, detail and job of an arm: what the run's folder says first, then what SLURM says."""
    folder = arm.folder
    known = [(one, states[one.job]) for one in asked if one.job in states] if states else []
    live = [(one, state) for one, state in known if not state.ended]
    for one, state in live:
        if state.state == "RUNNING":
            what = "evaluation" if one.phase == "evaluate" or (arm.total and arm.done >= arm.total) else ""
            again = f"start {one.starts}" if one.starts > 1 else ""
            return "running", ", ".join(filter(None, (what, again, state.nodes))), one.job
    for one, state in live:
        return "queued", state.reason or state.state.lower(), one.job
    if is_held(folder):
        return "running", "on this machine", ""
    if config and identity.is_done(config, folder):
        return "done", "", asked[-1].job if asked else ""
    if asked and states is None:
        return "unknown", "", asked[-1].job
    if known:
        return "failed", why(folder, states), known[-1][0].job
    if config is None:
        return "not started", "", ""
    last = tail(folder / "train.log", 1)
    return "stopped", last[0] if last else "the same command goes on with it", ""


def _config(folder: Path) -> dict[str, Any] | None:
    """The configuration of a run that was started; one that cannot be read is told, and as good as none."""
    path = folder / "config.yaml"
    try:
        return asdict(configs.read(path)) if path.exists() else None
    except UserError as error:
        print(error, file=sys.stderr)
        return None


def _usd(config: Mapping[str, Any] | None, told: Mapping[str, Any], jobs: Sequence[JobState]) -> float | None:
    """Dollars so far: of the jobs' time on nodes where there are jobs, else of the steps that were made."""
    if config is None:
        return None
    hardware = config["hardware"]
    billed = hardware["processes"] if hardware["device"] == "cuda" else 1
    seconds = sum(job.seconds for job in jobs) or told.get("done", 0) * told.get("seconds", 0.0)
    return seconds / 3600 * billed * hardware["usd_per_hour"]


def table(study: Mapping[str, Any], arms: Sequence[Arm]) -> Table:
    """One row an arm, and their sum."""
    counts = Counter(arm.state for arm in arms)
    title = f"{study['study']}: {study['title']} ({', '.join(f'{count} {state}' for state, count in counts.items())})"
    made = Table(title=title, title_justify="left")
    for name in ("arm", "state", "step", "s a step", "left", "cost $", "job", ""):
        made.add_column(name, justify="right" if name in ("step", "s a step", "left", "cost $") else "left")
    for arm in arms:
        made.add_row(
            arm.label or study["study"],
            arm.state,
            f"{arm.done} of {arm.total}" if arm.total else "",
            f"{arm.seconds_per_step:.2f}" if arm.seconds_per_step is not None else "",
            in_words(arm.seconds_left) if arm.seconds_left is not None else "",
            f"{arm.usd:.2f}" if arm.usd is not None else "",
            arm.job,
            arm.detail,
        )
    return made


def failed_tails(arms: Sequence[Arm]) -> list[str]:
    """Of each arm that failed: its log's path and its last lines."""
    said = []
    for arm in (arm for arm in arms if arm.state == "failed"):
        logs = [arm.folder / "train.log", *(Path(one.log) for one in reversed(record.submissions(arm.folder)))]
        path = next((path for path in logs if tail(path, 1)), logs[0])
        said += [f"--- {arm.label}: {path}", *(tail(path, TAIL_LINES) or ["(nothing was written)"]), ""]
    return said


def _look(outputs: Path, name: str | None) -> tuple[Group, list[Arm]]:
    manifests = studies(outputs, name)
    states, silent = job_states(manifests)
    each = [arms_of(study, states) for study in manifests]
    tables = [table(study, arms) for study, arms in zip(manifests, each, strict=True)]
    return Group(*tables, *([silent] if silent else [])), [arm for arms in each for arm in arms]


def _watch(look: Callable[[], tuple[Group, list[Arm]]]) -> None:
    shown, arms = look()
    with Live(shown, console=console, auto_refresh=False) as live:
        while any(arm.state in LIVE for arm in arms):
            time.sleep(WATCH_S)
            shown, arms = look()
            live.update(shown, refresh=True)


def main() -> None:
    from tina import cli

    parser = argparse.ArgumentParser(
        prog="python -m tina.status", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", nargs="*", help="a study's name; outputs=<folder>")
    parser.add_argument("--watch", action="store_true", help="again every few seconds, until all has ended")
    parser.add_argument("--failed", action="store_true", help="the ends of the logs of what failed")
    given = parser.parse_args()
    outputs = next(
        (Path(word.partition("=")[2]) for word in given.study if word.startswith("outputs=")), Path("outputs")
    )
    names = [word for word in given.study if not word.startswith("outputs=")]
    with cli.errors_in_words():
        if len(names) > 1:
            raise UserError(f"One study at a time: {', '.join(names)} are several.")

        def look() -> tuple[Group, list[Arm]]:
            return _look(outputs, names[0] if names else None)

        if given.failed:
            print("\n".join(failed_tails(look()[1])) or "Nothing has failed.")
        elif given.watch:
            _watch(look)
        else:
            console.print(look()[0])


if __name__ == "__main__":
    terminal.prepare(foreign=True, sockets=False)
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
