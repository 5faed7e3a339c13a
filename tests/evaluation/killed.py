"""An evaluation that is killed ten times at random moments and then finished; run as a process of its own.

Takes a folder and the size of whole records in bytes; prints how many of the kills met it before its end.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

from tests.evaluation.fakes import FakeSampler, evaluator, ignore, subject, task
from tina.evaluation.records import Record
from tina.evaluation.runner import evaluate

KILLS = 10


def whole(folder: Path, seconds_per_batch: float = 0.0) -> list[Record]:
    """Two steps, two benchmarks, three samples: 78 batches of up to 5, 390 records."""
    fake = evaluator([task("a", 40), task("b", 25)], samples=3, sequences=5)
    sampler = FakeSampler(seconds=seconds_per_batch)
    return [record for step in (0, 10) for record in evaluate(subject(folder, step), fake, sampler, ignore)]


def written(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("records.jsonl"))


def killed_at(folder: Path, size: int, delay: float) -> bool:
    """Goes on with the evaluation and kills it soon after its records reach a size; False if it ended before."""
    child = os.fork()
    if child == 0:
        whole(folder, seconds_per_batch=0.01)
        os._exit(0)
    while written(folder) < size and os.waitpid(child, os.WNOHANG) == (0, 0):
        time.sleep(0.0005)
    time.sleep(delay)
    try:
        os.kill(child, signal.SIGKILL)
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    except (ProcessLookupError, ChildProcessError):
        return False


def main(folder: Path, all_bytes: int) -> None:
    generator = random.Random(0)
    moments = sorted(generator.uniform(0, 0.95) for _ in range(KILLS))
    met = sum(killed_at(folder, int(moment * all_bytes), generator.uniform(0, 0.012)) for moment in moments)
    whole(folder)
    print(met)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
