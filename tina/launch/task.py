"""What a job of the scheduler does on its node: it starts the processes of one run, and answers for them.

submitit calls `Arm`. SLURM asks for an end with SIGUSR2 (submitit's signal: before the time limit, and on preemption)
or with SIGTERM (a job is cancelled), and signals every process of a job. The run is asked to save and to end; only when
it has is the job queued again, or over. The exit code is the run's, so that SLURM calls a failure a failure.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from submitit import JobEnvironment
from submitit.helpers import DelayedSubmission

from tina import files
from tina.errors import TRY_LATER
from tina.launch import record, scheduler
from tina.launch.ranks import SAVED, Place, run_ranks

FIRST_PORT, PORTS = 20_000, 20_000
"""Where the processes of a run on several nodes meet: a port that follows from the job's number."""

MOST_IN_VAIN = 3
"""A run that asks to be started again so often without a step in between is given up."""


@dataclass
class Arm:
    """One run as a job; submitit pickles it, so it holds words and numbers alone."""

    command: Sequence[str]
    folder: Path
    processes: int
    threads: int | None
    max_starts: int

    def __call__(self) -> None:
        environment = JobEnvironment()
        leads = environment.node == 0
        if leads:
            self._begin(environment)
        asked: list[int] = []

        def ask(number: int, frame: object) -> None:
            asked.append(number)
            signal.raise_signal(signal.SIGTERM)  # `run_ranks` passes it on

        queue_again = signal.signal(signal.SIGUSR2, ask)
        log = self.folder / "train.log"
        code = run_ranks(self.command, self.processes, self.threads, _place(environment), log)
        signal.signal(signal.SIGUSR2, queue_again)
        if leads:
            done = (record.progress(self.folder) or {}).get("done", 0)
            record.add(self.folder, event="ended", job=environment.job_id, code=code, done=done)
        if code == 0 or (asked and not leads):
            return
        if leads and self._may_go_on(environment.job_id, code, bool(asked)):
            queue_again(signal.SIGUSR2, None)  # submitit's: it does not come back
        sys.exit(code)

    def _may_go_on(self, job: str, code: int, asked: bool) -> bool:
        """Is this run to be started again? One that saved and ended since it was asked to, or asks for it itself.

        `asked`: its time is up. A run that fails then, for example since the disk is full, would fail again.
        """
        if code in SAVED and _makes_room():
            return True
        if not (code in SAVED and asked) and code != TRY_LATER:
            return False
        if record.in_vain(self.folder, job, MOST_IN_VAIN):
            print(f"Started {MOST_IN_VAIN} times without a step; not queued again.", file=sys.stderr, flush=True)
            return False
        return True

    def checkpoint(self) -> DelayedSubmission:
        """What submitit queues again: the same, since the run's folder knows how far it is."""
        return DelayedSubmission(self)

    def _begin(self, environment: JobEnvironment) -> None:
        """Counts the start, and says in the run's log whose it is. Exits if there were too many."""
        job = environment.job_id
        record.add(self.folder, event="started", job=job, node=environment.hostname)
        starts = next(one.starts for one in record.submissions(self.folder) if one.job == job)
        if starts > self.max_starts:
            sys.exit(f"Job {job} was started {starts} times, more than hydra.launcher.max_starts={self.max_starts}.")
        with files.open_to_append(self.folder / "train.log") as log:
            told = f"--- {time.strftime('%F %T')} job {job} on {environment.hostname}, start {starts}\n"
            log.write(told.encode())


def _place(environment: JobEnvironment) -> Place:
    """This node among those of the job."""
    if environment.num_nodes == 1:
        return Place()
    port = FIRST_PORT + int(environment.raw_job_id) % PORTS
    address = scheduler.node_address(environment.hostnames[0])
    return Place(environment.num_nodes, environment.node, address, port)


def _makes_room() -> bool:
    """Is this job preempted? A cluster may send SIGTERM alone, and would take our end for the job's own."""
    try:
        return scheduler.is_preempted(os.environ["SLURM_JOB_ID"])
    except scheduler.SchedulerSilent as error:
        print(f"Is this job preempted? SLURM does not say: {error}.", flush=True)
        return False
