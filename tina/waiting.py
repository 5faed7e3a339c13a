"""Time that a run paid for, or waited, without training: in a cluster's queue, and on GPUs that did something else."""

import json
import time
from pathlib import Path

from tina.launch.record import JOBS

TRAINING = ("train", "all")


def queue_seconds(folder: Path) -> float | None:
    """Seconds that the training of a run stood in queues; None of a run that no scheduler started.

    From being submitted to its start, and again from the end of a start to the next one of the same job. Nothing is
    billed for them.
    """
    path = folder / JOBS
    if not path.exists():
        return None
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    submitted = {line["job"]: line["time"] for line in lines if line["event"] == "submitted"}
    training = {line["job"] for line in lines if line["event"] == "submitted" and line["phase"] in TRAINING}
    waited, since, started = 0.0, dict(submitted), False
    for line in lines:
        job = line["job"]
        if job not in training:
            continue
        if line["event"] == "started" and job in since:
            waited, started = waited + line["time"] - since.pop(job), True
        elif line["event"] == "ended":
            since[job] = line["time"]
    return waited if started else None


class Held:
    """How long this process has held its machine, and how much of that it did not train or evaluate.

    Loading, starting, saving and grading after the last step are idle for whoever pays for the GPUs. An earlier process
    of the same run is not in it.
    """

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.used = 0.0

    def use(self, seconds: float) -> None:
        self.used += seconds

    def facts(self) -> dict[str, float]:
        held = time.monotonic() - self.began
        return {"run/held_seconds": held, "run/idle_seconds": max(0.0, held - self.used)}
