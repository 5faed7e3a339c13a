"""A process that hangs says where, and ends; one that does not is left alone."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tina.launch import ranks

HANGS = """
import ctypes, time
from tina import hang
hang.BACKSTOP_SECONDS = 1
def waits_for_nobody(): {wait}
hang.allow(0.5, "Step 7", "hardware.step_timeout_s")
{before}
waits_for_nobody()
print("through")
"""


def python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_a_hanging_process_says_where_it_is_and_asks_to_be_started_again() -> None:
    done = python(HANGS.format(wait="time.sleep(30)", before=""))
    assert done.returncode == 75
    assert "in waits_for_nobody" in done.stderr
    assert done.stderr.strip().splitlines()[-1] == (
        "Step 7 has taken more than 0.5 s, and hangs (if it really takes so long, set hardware.step_timeout_s). "
        "The same command goes on from what is saved."
    )


def test_one_that_holds_the_interpreter_is_ended_as_well() -> None:
    done = python(HANGS.format(wait="ctypes.PyDLL(None).sleep(30)", before=""))
    assert done.returncode == 1
    assert "in waits_for_nobody" in done.stderr


@pytest.mark.parametrize("before", ["hang.over()", "hang.allow(60, 'Step 8')", "hang.allow(None, 'Step 8')"])
def test_what_ends_in_time_is_left_alone(before: str) -> None:
    done = python(HANGS.format(wait="time.sleep(2)", before=before))
    assert (done.returncode, done.stdout, done.stderr) == (0, "through\n", "")


RANK = "import os, sys, time\ndef lingers(): time.sleep(60)\n"


@pytest.mark.parametrize(
    ("first", "second", "code", "ended"),
    [
        ("pass", "pass", 0, False),
        ("pass", "lingers()", 0, True),  # everything is saved by then
        ("sys.exit(3)", "lingers()", 3, True),
        ("lingers()", "sys.exit(3)", 3, True),
        ("time.sleep(3)", "pass", 0, False),  # it evaluates
    ],
)
def test_a_run_ends_with_its_first_process(
    first: str, second: str, code: int, ended: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    monkeypatch.setattr(ranks, "GRACE_SECONDS", 1)
    body = f"{RANK}if os.environ['RANK'] == '0': {first}\nelse: {second}"
    began = time.monotonic()
    assert ranks.run_ranks([sys.executable, "-c", body], 2, 1) == code
    told = capfd.readouterr().err
    assert time.monotonic() - began < 30
    assert ("does not end by itself" in told) == ended
    assert ("in lingers" in told) == ended


def test_one_that_does_not_even_hear_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "GRACE_SECONDS", 1)
    monkeypatch.setattr(ranks, "LAST_WORDS_SECONDS", 1)
    body = f"import os, signal\nif os.environ['RANK'] == '1': os.kill(os.getpid(), {int(signal.SIGSTOP)})"
    assert ranks.run_ranks([sys.executable, "-c", body], 2, 1) == 0
