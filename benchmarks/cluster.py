"""What queueing and accidents cost on a SLURM of one host (started here, needs its daemons and root).

python benchmarks/cluster.py               # both of the below
python benchmarks/cluster.py submit        # 100 arms: seconds to submit them, beyond composing and checking them
python benchmarks/cluster.py lost          # steps trained again after a signal and after a kill -9
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.slurm.cluster import Cluster
from tina.launch import record

ROOT = Path(__file__).resolve().parent.parent
ARMS = 100
SAVE_EVERY = 4
ON_SLURM = ("hydra/launcher=slurm_local", "hydra.launcher.mem_gb=1", "hydra.launcher.poll_s=1")
SHORT = (
    "schedule.max_steps=12",
    f"schedule.save_every={SAVE_EVERY}",
    "benchmarks.problems=8",
    "length.max_completion_tokens=48",
)


def train(*arguments: str) -> float:
    """Seconds of a `python train.py`, its output kept for itself."""
    start = time.perf_counter()
    command = [sys.executable, str(ROOT / "train.py"), *arguments]
    subprocess.run(command, cwd=ROOT, env=os.environ, check=True, capture_output=True)
    return time.perf_counter() - start


def submit(cluster: Cluster, outputs: Path) -> None:
    """A held array of 100 arms, against the same command with all of them queued already."""
    grid = ("-m", f"seed={','.join(map(str, range(1, ARMS + 1)))}", f"paths.outputs={outputs}")
    held = ("hydra.launcher.wait=false", "+hydra.launcher.additional_parameters.hold=true")
    submitted = train(*grid, *ON_SLURM, *held)
    composed = train(*grid, *ON_SLURM, *held)
    queued = len(cluster.run("squeue", "-h", "-r").splitlines())
    cluster.run("scancel", "--user=root")
    print(f"{queued} arms queued in {submitted:.1f} s; the same again, all of them queued already: {composed:.1f} s")
    print(f"submitting beyond composing: {submitted - composed:.1f} s, ratio {submitted / composed:.2f}")


def lost(cluster: Cluster, outputs: Path) -> None:
    """Two arms: one is requeued (which sends a signal), the other one's processes are killed."""
    arguments = ["-m", "lora.rank=4,8", *SHORT, *ON_SLURM, f"paths.outputs={outputs}"]
    launcher = subprocess.Popen([sys.executable, str(ROOT / "train.py"), *arguments], cwd=ROOT)
    signalled, killed = (_folder(outputs, rank) for rank in (4, 8))
    for folder in (signalled, killed):
        _wait(lambda folder=folder: _done(folder) >= SAVE_EVERY + 2)
    cluster.run("scontrol", "requeue", record.submissions(signalled)[-1].job)
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        if f"{killed}/config.yaml".encode() in path.read_bytes():
            os.kill(int(path.parent.name), signal.SIGKILL)
    at_kill = _done(killed)
    launcher.wait()
    subprocess.run([sys.executable, str(ROOT / "train.py"), *arguments], cwd=ROOT, check=True)
    log = (signalled / "train.log").read_text(encoding="utf-8")
    (stopped,), (resumed,) = (_numbers(words, log) for words in (r"Stopped at step (\d+)", r"Going on from \S+-(\d+)"))
    print(f"signal: stopped at step {stopped}, went on from step {resumed}: {stopped - resumed} steps lost")
    (resumed,) = _numbers(r"Going on from \S+-(\d+)", (killed / "train.log").read_text(encoding="utf-8"))
    print(
        f"kill -9: was at step {at_kill}, went on from step {resumed}: {at_kill - resumed} lost (saves: {SAVE_EVERY})"
    )


def _numbers(pattern: str, log: str) -> list[int]:
    return [int(number) for number in re.findall(pattern, log)]


def _folder(outputs: Path, rank: int) -> Path:
    _wait(lambda: list(outputs.glob(f"runs/*-r{rank}-*")))
    return next(outputs.glob(f"runs/*-r{rank}-*"))


def _done(folder: Path) -> int:
    return int((record.progress(folder) or {}).get("done", 0))


def _wait(ready: Callable[[], object]) -> None:
    while not ready():
        time.sleep(0.05)


def main() -> None:
    chosen = sys.argv[1:] or ["submit", "lost"]
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder) / "slurm")
        try:
            cluster.start()
            os.environ |= cluster.environment
            for name in chosen:
                {"submit": submit, "lost": lost}[name](cluster, Path(folder) / name)
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
