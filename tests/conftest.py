"""Real runs for tests: the entry points as a user starts them, on the embedded model, with few steps."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHORT = ["schedule.max_steps=4", "schedule.save_every=2", "benchmarks.problems=16", "length.max_completion_tokens=48"]
"""A run of seconds: enough for two checkpoints and an evaluation, too short to learn."""


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "COLUMNS": "160"}


def start(script: str, *arguments: str, cwd: Path = ROOT) -> subprocess.Popen:
    """An entry point of the repository, as a process of its own."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / script), *arguments],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_ctrl_c,
    )


def _hear_ctrl_c() -> None:
    """A shell that starts the tests in the background has them ignore it, and all that they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def finished(process: subprocess.Popen, timeout: float = 600) -> subprocess.CompletedProcess:
    out, err = process.communicate(timeout=timeout)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run(script: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    return finished(start(script, *arguments, cwd=cwd))


def interrupt_after(process: subprocess.Popen, ready: Callable[[], bool], number: int = signal.SIGTERM) -> None:
    """Sends the signal as soon as `ready()`; fails if the process ends before."""
    deadline = time.monotonic() + 300
    while not ready():
        assert process.poll() is None, f"ended before it could be interrupted:\n{process.communicate()}"
        assert time.monotonic() < deadline, "never got so far"
        time.sleep(0.02)
    process.send_signal(number)


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of a finished sweep over two ranks, made by `train.py -m` for real; tests must not write to it."""
    outputs = tmp_path_factory.mktemp("sweep")
    done = run("train.py", "-m", "lora.rank=4,8", f"paths.outputs={outputs}", *SHORT)
    assert done.returncode == 0, done.stdout + done.stderr
    return outputs
