"""Arms as processes of this machine: each on its own, so that one that fails or is killed takes no other with it."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tina import files
from tina.launch.job import Job


def default_workers(config: Mapping[str, Any]) -> int:
    """As many arms at once as the cores allow; one on a GPU, which an arm fills alone."""
    hardware = config["hardware"]
    if hardware["device"] == "cuda":
        return 1
    cores = len(os.sched_getaffinity(0))
    return max(1, cores // (hardware["threads"] or cores))


def run_jobs(jobs: Sequence[Job], workers: int) -> list[int]:
    """Runs the jobs that are not done, `workers` at a time; the exit codes of all, in order.

    A single worker's job writes to this terminal; of several, each writes to its own log and a line tells its end.
    SIGTERM and SIGINT are passed on to what runs, and what has not begun is not begun.
    """
    running: dict[int, subprocess.Popen] = {}
    lock = threading.RLock()  # a signal may come while one is passed on
    stopped: list[int] = []

    def work(number: int, job: Job) -> int:
        with lock:
            if stopped:
                return 128 + stopped[0]
            if job.done:
                print(f"[{number + 1}/{len(jobs)}] {job.label}: done before, {job.folder}", flush=True)
                return 0
            running[number] = _start(job, to_terminal=workers == 1)
        code = running[number].wait()
        if workers > 1 or code:
            outcome = "done" if code == 0 else f"NOT DONE (exit code {code}), see {job.log}"
            print(f"[{number + 1}/{len(jobs)}] {job.label}: {outcome}", flush=True)
        return code

    def pass_on(number: int, frame: object) -> None:
        with lock:  # an arm that is being started is there to hear it
            stopped.append(number)
            for process in running.values():
                if process.poll() is None:
                    process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(work, range(len(jobs)), jobs))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(job: Job, to_terminal: bool) -> subprocess.Popen:
    command = job.prepare()
    # A group of its own: Ctrl-C reaches it once, from us, and not from the terminal as well.
    if to_terminal:
        return subprocess.Popen(command, process_group=0)
    with files.open_to_append(job.log) as log:
        return subprocess.Popen(command, stdout=log, stderr=log, process_group=0)
