"""What SLURM says: of jobs (squeue, sacct) and of what may be asked for (sinfo, scontrol). Reads only."""

import re
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

TIMEOUT_S = 60
COMMANDS = ("sbatch", "srun", "squeue", "sacct", "scontrol", "sinfo", "scancel")
ENDED = frozenset(
    ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "BOOT_FAIL", "DEADLINE")
)
"""States in which a job is over, unless the queue still holds it (one that is queued again)."""


@dataclass(frozen=True)
class JobState:
    """Of one job: its state in SLURM's words, why it waits, its exit code (`1:0`), its nodes, and how long it ran."""

    state: str
    reason: str = ""
    exit_code: str = ""
    nodes: str = ""
    seconds: int = 0
    """On nodes, over all its starts."""

    @property
    def ended(self) -> bool:
        return self.state in ENDED


class SchedulerSilent(Exception):
    """A command of SLURM's did not answer; its words."""


def ask(*command: str) -> str:
    """What a command prints. Raises SchedulerSilent."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except FileNotFoundError as error:
        raise SchedulerSilent(f"{command[0]} is not installed here") from error
    except subprocess.TimeoutExpired as error:
        raise SchedulerSilent(f"{command[0]} does not answer") from error
    if done.returncode:
        told = (done.stderr or done.stdout).strip().splitlines()
        raise SchedulerSilent(told[-1] if told else f"{command[0]} ended with {done.returncode}")
    return done.stdout


def job_states(jobs: Collection[str]) -> dict[str, JobState]:
    """The state of each job that SLURM knows, by its id. Raises SchedulerSilent.

    The queue has the last word on what is not over; only the accounting knows what is.
    """
    if not jobs:
        return {}
    # Asked in this order: a job that leaves the queue in between is found by the second question.
    queued = _queued(ask("squeue", "--noheader", "--array", "--me", "--format=%i|%T|%r|%N"))
    wanted = ",".join(sorted({job.partition("_")[0] for job in jobs}))
    rows = ("--noheader", "--parsable2", "--allocations", "--duplicates")
    found = _accounted(ask("sacct", *rows, f"--jobs={wanted}", "--format=JobID,State,ExitCode,ElapsedRaw,NodeList"))
    for job, live in queued.items():
        found[job] = replace(live, seconds=found[job].seconds if job in found else 0)
    return {job: state for job, state in found.items() if job in jobs}


def _queued(told: str) -> dict[str, JobState]:
    rows = (line.split("|") for line in told.splitlines() if line.count("|") == 3)
    return {job: JobState(state, "" if reason == "None" else reason, "", nodes) for job, state, reason, nodes in rows}


def _accounted(told: str) -> dict[str, JobState]:
    """The last record of each job, with the seconds of all of them: each start of a job has one."""
    found: dict[str, JobState] = {}
    for line in told.splitlines():
        job, state, exit_code, seconds, nodes = line.split("|")
        before = found[job].seconds if job in found else 0
        found[job] = JobState(state.split()[0], "", exit_code, nodes, int(seconds or 0) + before)  # CANCELLED by 1000
    return found


@dataclass(frozen=True)
class Partition:
    name: str
    default: bool
    up: bool
    max_minutes: float
    gres: tuple[str, ...]
    """Of each kind of node in it, `gpu:l40s:2`."""


def partitions() -> dict[str, Partition]:
    """Every partition by its name. Raises SchedulerSilent."""
    found: dict[str, Partition] = {}
    for line in ask("sinfo", "--noheader", "--all", "--format=%P|%a|%l|%G").splitlines():
        named, available, limit, gres = line.split("|")
        name = named.rstrip("*")
        before = found[name].gres if name in found else ()
        kinds = tuple(re.sub(r"\([^)]*\)", "", gres).split(",")) if gres != "(null)" else ()
        found[name] = Partition(name, named.endswith("*"), available == "up", minutes(limit), (*before, *kinds))
    return found


def minutes(limit: str) -> float:
    """Minutes of SLURM's `2-00:00:00`, `1:30:00`, `30:00`; infinity of `infinite`."""
    if not limit or not limit[0].isdigit():
        return float("inf")
    days, _, clock = limit.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    while len(parts) < 3:
        parts.insert(0, 0)
    return int(days or 0) * 1440 + parts[0] * 60 + parts[1] + parts[2] / 60


def offers(partition: Partition, wanted: str) -> bool:
    """Has one kind of its nodes what is wanted (`gpu:l40s:2`, `gpu:2`)?"""
    names, count = kind(wanted)
    return any(has[: len(names)] == names and there >= count for has, there in map(kind, partition.gres))


def kind(gres: str) -> tuple[tuple[str, ...], int]:
    """(("gpu", "l40s"), 2) of `gpu:l40s:2`; one of `gpu`."""
    *names, last = gres.split(":")
    return (tuple(names), int(last)) if last.isdigit() else ((*names, last), 1)


def node_address(node: str) -> str:
    """The address under which other nodes reach one. Raises SchedulerSilent."""
    facts = _facts(ask("scontrol", "show", "node", node, "--oneliner"))
    return facts.get("NodeAddr", node)


def is_preempted(job: str) -> bool:
    """Was a running job told to make room? SLURM then says when. Raises SchedulerSilent."""
    facts = _facts(ask("scontrol", "show", "job", job, "--oneliner"))
    return facts.get("JobState") == "RUNNING" and facts.get("PreemptTime", "None") != "None"


def _facts(line: str) -> Mapping[str, str]:
    return dict(part.split("=", 1) for part in line.split() if "=" in part)
