"""Arms as processes of this machine: a signal that comes while one is being started reaches it."""

import faulthandler
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tina.launch import local
from tina.launch.ranks import run_ranks


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_an_arm_is_being_started_reaches_it(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow_start(job: object, to_terminal: bool) -> subprocess.Popen:
        threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
        time.sleep(0.5)
        return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], process_group=0)

    monkeypatch.setattr(local, "_start", slow_start)
    job = SimpleNamespace(done=False, label="an arm", folder="none", log="none")
    began = time.monotonic()
    codes = local.run_jobs([job, job], workers=1)
    assert time.monotonic() - began < 30
    assert codes == [-number if number == signal.SIGTERM else codes[0], 128 + number]
    assert codes[0] != 0


def test_a_second_signal_while_the_first_is_passed_on_ends_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(subprocess.Popen):
        def send_signal(self, sig: int) -> None:
            if sig == signal.SIGTERM:
                signal.raise_signal(signal.SIGINT)  # Ctrl-C, a moment after the scheduler's
            super().send_signal(sig)

    def start(job: object, to_terminal: bool) -> subprocess.Popen:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
        return Interrupted([sys.executable, "-c", "import time; time.sleep(60)"], process_group=0)

    monkeypatch.setattr(local, "_start", start)
    faulthandler.dump_traceback_later(30, exit=True)  # a lock that is taken twice would never come back
    try:
        job = SimpleNamespace(done=False, label="an arm", folder="none", log="none")
        assert local.run_jobs([job], workers=1)[0] < 0
    finally:
        faulthandler.cancel_dump_traceback_later()


def test_a_signal_while_ranks_are_being_started_reaches_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = subprocess.Popen
    started: list[subprocess.Popen] = []

    def slow(*args: object, **kwargs: object) -> subprocess.Popen:
        started.append(start(*args, **kwargs))
        if len(started) == 1:
            os.kill(os.getpid(), signal.SIGTERM)  # the second is not there yet
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", slow)
    code = run_ranks([sys.executable, "-c", "import time; time.sleep(60)"], 2, 1, log=tmp_path / "log")
    assert code == 128 + signal.SIGTERM
    assert [one.returncode for one in started] == [-signal.SIGTERM, -signal.SIGTERM]
