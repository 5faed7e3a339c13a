"""Real runs for tests: the entry points as a user starts them, on the embedded model, with few steps."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tina.errors import TRY_LATER

ROOT = Path(__file__).resolve().parent.parent
SHORT = ["schedule.max_steps=4", "schedule.save_every=2", "benchmarks.problems=16", "length.max_completion_tokens=48"]
"""A run of seconds: enough for two checkpoints and an evaluation, too short to learn."""


ENVIRONMENT = dict(os.environ)
"""What entry points are started with. An engine that a test starts in this process leaves variables in `os.environ`
that no user has, such as LD_PRELOAD."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--resume-cases", type=int, default=10, help="random runs that are stopped and go on (default 10)")
    parser.addoption("--fuzz-cases", type=int, default=100, help="damaged files of each format (default 100)")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with public test material beside the repository."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"the shared material is not at {folder}")
    return folder


def environment() -> dict[str, str]:
    return ENVIRONMENT | {"PYTHONFAULTHANDLER": "1", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "COLUMNS": "160"}


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
    """What the process said, once it has ended; one that does not is ended, and fails the test with all its stacks."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        group = _speakers(process)
        told = "".join(f"{one.pid} {one.status()} {' '.join(one.cmdline())}\n" for one in group)
        for number in (signal.SIGABRT, signal.SIGKILL):
            for one in group:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.send_signal(number)
            time.sleep(5)
        out, err = process.communicate(timeout=30)
        pytest.fail(f"{process.args} did not end within {timeout:.0f} s; left were\n{told}{out}\n{err}")
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def said(process: subprocess.Popen) -> tuple[str, str]:
    """The outputs of a process that is to end by itself now."""
    done = finished(process, timeout=300)
    return done.stdout, done.stderr


def _speakers(process: subprocess.Popen) -> list[psutil.Process]:
    """Who holds a pipe of the process open: itself and whom it started, children or orphans."""
    pipes = {Path(f"/proc/self/fd/{stream.fileno()}").readlink() for stream in (process.stdout, process.stderr)}
    found = []
    for one in psutil.process_iter():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            held = {handle.readlink() for handle in Path(f"/proc/{one.pid}/fd").iterdir()}
            if pipes & held and one.pid != os.getpid():
                found.append(one)
    return found


def run(script: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    return finished(start(script, *arguments, cwd=cwd))


def run_again_while_asked(script: str, *arguments: str) -> subprocess.CompletedProcess:
    """As a scheduler does it: a run that ends with 75 is started again. Two processes were seen to hang, rarely (gloo).

    That it happened is a warning of the test, with the stacks, since it says something about a run that was to be
    undisturbed.
    """
    for _ in range(3):
        done = run(script, *arguments, "hardware.step_timeout_s=120")
        if done.returncode != TRY_LATER:
            break
        warnings.warn(f"a run hung and was started again:\n{done.stdout}\n{done.stderr}", stacklevel=2)
    return done


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
