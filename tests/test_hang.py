"""A process that hangs says where, and ends; one that does not is left alone."""

import signal
import subprocess
import sys
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


ENDS = """
import atexit, os, sys, time
from tina import hang
hang.EXIT_SECONDS = 1
def lingers(): time.sleep(30)
class TakenApart:
    def __del__(self): os._exit(9)
def main(): {main}
{before}
hang.run_to_the_end(main)
"""


@pytest.mark.parametrize(
    ("main", "code", "told"),
    [
        ("pass", 0, ""),
        ("print('out')", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit('a reason')", 1, "a reason"),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("sys.exit(143)", 143, ""),
    ],
)
@pytest.mark.parametrize("before", ["", "atexit.register(lingers)", "kept = TakenApart()"])
def test_a_process_ends_with_its_own_code_whatever_hangs_on_its_way_out(
    main: str, code: int, told: str, before: str
) -> None:
    done = python(ENDS.format(main=main, before=before))
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert done.stdout == ("out\n" if "out" in main else "")
    assert ("in lingers" in done.stderr) == ("atexit" in before)
    assert ("Ending this process has taken" in done.stderr) == ("atexit" in before)


JOINS = """
import os, time
from tina import hang
from tina.launch import ranks
ranks.join(on_gpu=False, step_timeout_s={limit})
from trl import GRPOConfig
GRPOConfig(output_dir="unused", use_cpu=True, bf16=False, report_to="none").device  # as the trainer does, after us
import torch, torch.distributed as dist
group = dist.distributed_c10d._get_default_group()._get_backend(torch.device("cpu"))
print(group.options._timeout.total_seconds())
{then}
"""


@pytest.mark.parametrize(("limit", "seconds"), [(7200.0, 7800.0), (None, 30 * 24 * 3600.0)])
def test_torch_waits_longer_for_a_rank_than_a_step_may_take(limit: float | None, seconds: float, capfd) -> None:
    assert ranks.run_ranks([sys.executable, "-c", JOINS.format(limit=limit, then="")], 2, 1) == 0
    assert float(capfd.readouterr().out.splitlines()[-1]) == seconds  # W&B may speak before


def test_a_rank_that_does_not_come_is_told_as_a_hang_and_not_as_an_error_of_torch(
    monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    monkeypatch.setattr(ranks, "GRACE_SECONDS", 1)
    then = (
        "hang.allow(2, 'Step 1')\nif os.environ['RANK'] == '1': hang.over(); time.sleep(60)\n"
        "dist.all_reduce(torch.ones(1))"
    )
    body = "from tina.launch import ranks\nranks.TORCH_SECONDS = 20\n" + JOINS.format(limit=2, then=then)
    assert ranks.run_ranks([sys.executable, "-c", body], 2, 1) == 75
    told = capfd.readouterr().err
    assert "Step 1 has taken more than 2 s, and hangs" in told and "all_reduce" in told


RANK = "import os, sys, time\ndef lingers(): time.sleep(60)\n"


@pytest.mark.parametrize(
    ("first", "second", "code", "ended"),
    [
        ("pass", "pass", 0, False),
        ("pass", "lingers()", 0, True),  # everything is saved by then
        ("sys.exit(3)", "lingers()", 3, True),
        ("lingers()", "sys.exit(3)", 3, True),
        ("time.sleep(3)", "pass", 0, False),  # it evaluates
        ("time.sleep(3)", "sys.exit(75)", 0, False),  # a rank that hung when it left
        ("time.sleep(3); sys.exit(143)", "sys.exit(143)", 143, False),  # it hands its log on
        ("sys.exit(75)", "lingers()", 75, True),
    ],
)
def test_a_run_ends_with_its_first_process(
    first: str, second: str, code: int, ended: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    monkeypatch.setattr(ranks, "GRACE_SECONDS", 1)
    body = f"{RANK}if os.environ['RANK'] == '0': {first}\nelse: {second}"
    assert ranks.run_ranks([sys.executable, "-c", body], 2, 1) == code
    told = capfd.readouterr().err
    assert ("does not end by itself" in told) == ended
    assert ("in lingers" in told) == ended


def test_one_that_does_not_even_hear_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "GRACE_SECONDS", 1)
    monkeypatch.setattr(ranks, "LAST_WORDS_SECONDS", 1)
    body = f"import os, signal\nif os.environ['RANK'] == '1': os.kill(os.getpid(), {int(signal.SIGSTOP)})"
    assert ranks.run_ranks([sys.executable, "-c", body], 2, 1) == 0
