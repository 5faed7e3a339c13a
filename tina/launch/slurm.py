"""Arms as one SLURM job array: submitted through submitit, followed until each has ended, and told as they end.

An arm that is done, or that a job is queued or running for, is not submitted again: whoever starts a sweep twice, or
after its launcher was killed, adds only what is missing or failed.
"""

import fcntl
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tina import files
from tina.errors import UserError
from tina.launch import record, scheduler
from tina.launch.job import Job
from tina.launch.logs import tail
from tina.launch.scheduler import JobState, SchedulerSilent
from tina.launch.settings import SlurmSettings
from tina.progress import console

OURS = ("_target_", "submitit_folder", "max_num_timeout", "max_starts", "wait", "poll_s")
OURS += ("evaluation_gres", "evaluation_timeout_min")
"""Settings that are not submitit's parameters."""
GENERAL = ("timeout_min", "cpus_per_task", "gpus_per_node", "tasks_per_node", "mem_gb", "nodes", "name")
GENERAL += ("stderr_to_stdout",)
"""Parameters that submitit knows for every kind of cluster; the others are SLURM's."""
SEEN_ENDED = 2
"""How often in a row a job must be seen ended: between two states of a requeue it may look so for a moment."""


@dataclass
class Arm:
    """A job of ours, with the jobs of the scheduler that stand for it; the last one ends it."""

    job: Job
    ids: list[str]
    seen_ended: int = 0


def run(jobs: Sequence[Job], settings: SlurmSettings) -> int:
    """Submits what is missing, follows it unless `wait` is false; the exit code. Raises UserError if sbatch refuses."""
    # Root may work in a clone of the user who lent it the machine, as in a container.
    if problem := files.written_by_others(Path.cwd(), trust_owner=os.getuid() == 0):
        raise UserError(f"{problem} Jobs start in the folder that they are queued from.")
    # A job runs what its pickle says.
    folder = files.private_folder(Path(settings.submitit_folder).parent)
    with _one_at_a_time(folder):
        waiting = [job for job in jobs if not job.done]
        known = _queued_before(waiting)
        fresh = [job for job in waiting if job.folder not in known]
        known |= submit(fresh, settings)
    arms = [Arm(job, known[job.folder]) for job in waiting]
    done, before = len(jobs) - len(waiting), len(waiting) - len(fresh)
    console.print(f"{len(jobs)} arms: {done} done, {before} queued before, {len(fresh)} submitted{_array_of(arms)}.")
    if not settings.wait:
        console.print(_how_to_go_on(arms))
        return 0
    try:
        return follow(arms, settings.poll_s)
    except KeyboardInterrupt:
        console.print(f"The jobs go on. {_how_to_go_on(arms)}")
        return 130


def submit(jobs: Sequence[Job], settings: SlurmSettings) -> dict[Path, list[str]]:
    """Queues the jobs as an array (with evaluate.after_train, and their evaluations as another); ids by run folder.

    Raises UserError with sbatch's words; then nothing is queued.
    """
    if not jobs:
        return {}
    after = [job.config["evaluate"]["after_train"] for job in jobs]
    if any(after) and not all(after):
        raise UserError("evaluate.after_train is set for some arms only: sweep it alone, or set it for all.")
    trained = _submit(jobs, "train" if after[0] else "all", settings, {})
    ids = {job.folder: [one] for job, one in zip(jobs, trained, strict=True)}
    if after[0]:
        # Of arrays, task i waits for task i.
        waits = f"aftercorr:{trained[0].partition('_')[0]}" if len(jobs) > 1 else f"afterok:{trained[0]}"
        more = {"dependency": waits, "additional_parameters": {"kill-on-invalid-dep": "yes"}}
        more |= {"gres": settings.evaluation_gres or settings.gres, "nodes": 1}
        more |= {"timeout_min": settings.evaluation_timeout_min or settings.timeout_min}
        try:
            evaluated = _submit(jobs, "evaluate", settings, more)
        except UserError:
            scheduler.ask("scancel", trained[0].partition("_")[0])
            raise
        for job, one in zip(jobs, evaluated, strict=True):
            ids[job.folder].append(one)
    return ids


def _submit(jobs: Sequence[Job], phase: str, settings: SlurmSettings, more: Mapping[str, Any]) -> list[str]:
    import submitit

    from tina.launch import task

    executor = submitit.AutoExecutor(
        settings.submitit_folder, cluster="slurm", slurm_max_num_timeout=settings.max_num_timeout
    )
    parameters = {name: value for name, value in asdict(settings).items() if name not in OURS and value is not None}
    extra = parameters["additional_parameters"] | more.get("additional_parameters", {})
    parameters |= {**more, "additional_parameters": extra}
    executor.update_parameters(**{n if n in GENERAL else f"slurm_{n}": v for n, v in parameters.items()})
    arms = []
    for job in jobs:
        hardware = job.config["hardware"]
        processes = 1 if phase == "evaluate" else hardware["processes"]
        command = job.prepare("--phase", phase, "--patient")
        arms.append(task.Arm(command, job.folder.absolute(), processes, hardware["threads"], settings.max_starts))
    try:
        submitted = executor.submit_array(arms)
    except submitit.core.utils.FailedJobError as error:
        raise UserError(f"sbatch refuses: {_sbatch_words(error)}") from error
    for job, one in zip(jobs, submitted, strict=True):
        one.paths.submitted_pickle.chmod(0o600)
        record.add(job.folder, event="submitted", job=one.job_id, phase=phase, log=str(one.paths.stderr))
    return [one.job_id for one in submitted]


def _sbatch_words(error: Exception) -> str:
    lines = [line.partition("error: ")[2] for line in str(error).splitlines() if "error: " in line]
    return "; ".join(dict.fromkeys(lines)) or str(error)


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Two launchers of one sweep must not both find an arm missing."""
    with files.open_lock(folder / ".lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _queued_before(jobs: Sequence[Job]) -> dict[Path, list[str]]:
    """The ids of jobs that still stand for an arm, by its folder."""
    asked = {job.folder: [one.job for one in record.submissions(job.folder)] for job in jobs}
    states = scheduler.job_states({one for ids in asked.values() for one in ids})
    alive = {folder: [one for one in ids if one in states and not states[one].ended] for folder, ids in asked.items()}
    return {folder: ids for folder, ids in alive.items() if ids}


def follow(arms: Sequence[Arm], poll_s: float) -> int:
    """Tells each arm's end as it comes; 1 if one is not done in the end, else 0."""
    open_arms, failed, told = list(arms), [], ""
    while open_arms:
        try:
            states = scheduler.job_states({one for arm in open_arms for one in arm.ids})
        except SchedulerSilent as error:
            line = f"SLURM does not answer ({error}); asking again."
            states = None
        else:
            line = _counts(open_arms, states)
        if line != told:
            console.print(line)
            told = line
        for arm in list(open_arms):
            if not arm.job.done and (states is None or not _is_over(arm, states)):
                continue
            open_arms.remove(arm)
            if arm.job.done:
                console.print(f"{arm.job.label}: done, {arm.job.folder}")
            else:
                failed.append(arm)
                console.print(f"{arm.job.label}: NOT DONE, {why(arm.job.folder, states)}")
        if open_arms:
            time.sleep(poll_s)
    if failed:
        console.print(f"{len(failed)} of {len(arms)} arms are not done; the same command submits only these.")
    return int(bool(failed))


def _is_over(arm: Arm, states: Mapping[str, JobState]) -> bool:
    ended = all(one in states and states[one].ended for one in arm.ids)
    arm.seen_ended = arm.seen_ended + 1 if ended else 0
    return arm.seen_ended >= SEEN_ENDED


def _counts(arms: Sequence[Arm], states: Mapping[str, JobState]) -> str:
    """`2 running, 3 pending (Resources)`."""
    counts: dict[str, int] = {}
    for arm in arms:
        state = next((states[one] for one in arm.ids if one in states and not states[one].ended), None)
        if state is not None:
            name = state.state.lower() + (f" ({state.reason})" if state.reason else "")
            counts[name] = counts.get(name, 0) + 1
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing in the queue"


def why(folder: Path, states: Mapping[str, JobState]) -> str:
    """Why an arm is not done: `FAILED (exit code 2): <what it said last>; see <log>`."""
    asked = record.submissions(folder)
    known = [(one, states[one.job]) for one in asked if one.job in states]
    if not known:
        return "its jobs are not known to SLURM any more"
    # Of a training that failed the evaluation is cancelled, too: the first one tells more.
    submission, state = next(((one, s) for one, s in known if s.state not in ("COMPLETED", "CANCELLED")), known[-1])
    named = state.state if submission.code is None else f"{state.state} ({_code_in_words(submission.code)})"
    for path in (folder / "train.log", Path(submission.log)):
        if lines := [line for line in tail(path, 3) if not line.startswith("---")]:
            return f"{named}: {lines[-1]}; see {path}"
    return f"{named}, and no log was written: can the nodes see {folder.absolute()}?"


def _code_in_words(code: int) -> str:
    """`exit code 2`, `killed by SIGKILL`; a shell adds 128 to a signal's number."""
    return f"exit code {code}" if code <= 128 else f"ended by {signal.Signals(code - 128).name}"


def _array_of(arms: Sequence[Arm]) -> str:
    arrays = dict.fromkeys(one.partition("_")[0] for arm in arms for one in arm.ids)
    return f" (jobs {', '.join(arrays)})" if arrays else ""


def _how_to_go_on(arms: Sequence[Arm]) -> str:
    arrays = " ".join(dict.fromkeys(one.partition("_")[0] for arm in arms for one in arm.ids))
    return f"Follow them: python -m tina.status. Cancel them: scancel {arrays}."
