"""The pool: it starts late, loses nothing to a killed worker, ends what is stuck, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import filterfalse
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tina.grading import Grade, Grader

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes through /proc")

NEEDS_ALGEBRA = [
    ("55", "\\sum_{k=1}^{10}k", "correct"),
    ("(0,2)\\cap(1,3)", "(1,2)", "correct"),
    ("x\\ne 0", "(-\\infty,0)\\cup(0,\\infty)", "correct"),
    ("24", "\\prod_{k=1}^{4}k", "correct"),
    ("54", "\\sum_{k=1}^{10}k", "wrong"),
]
ENDLESS = [f"\\prod_{{n=1}}^{{99999}}(1+\\frac{{1}}{{n^3+{k}}})" for k in range(5)]


@pytest.fixture
def own() -> Iterator[Grader]:
    """A grader of the test's own."""
    grader = Grader(timeout_s=30.0)
    yield grader
    grader.close()


@pytest.fixture
def hasty() -> Iterator[Grader]:
    """A grader with a short limit."""
    grader = Grader(timeout_s=2.0)
    yield grader
    grader.close()


def descendants(pid: int) -> list[int]:
    """Living processes below a process; the server comes before its workers."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *descendants(child)]
    return [child for child in found if not is_gone(child)]


def is_gone(pid: int) -> bool:
    """No process, or a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def grading_processes() -> list[int]:
    """Servers and workers below this process; another grader's may be among them."""
    return [pid for pid in descendants(os.getpid()) if b"tina.grading" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def eventually(condition: Callable[[], object]) -> object:
    deadline = time.monotonic() + 30
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def processor_seconds() -> dict[int, float]:
    """What each grading process has computed so far."""
    ticks = {pid: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11] for pid in grading_processes()}
    return {pid: int(count) / os.sysconf("SC_CLK_TCK") for pid, count in ticks.items()}


def kill_a_busy_worker(before: dict[int, float]) -> None:
    """Kills a process that has computed for a tenth of a second since `before`."""
    busy = eventually(lambda: [pid for pid, now in processor_seconds().items() if now > before.get(pid, 0) + 0.1])
    os.kill(busy[-1], signal.SIGKILL)
    assert eventually(lambda: is_gone(busy[-1]))


def graded(grader: Grader, cases: list[tuple[str, str, str]]) -> list[str]:
    return [grade.verdict for grade in grader.grade([c[0] for c in cases], [f"\\boxed{{{c[1]}}}" for c in cases])]


def test_integers_and_plain_text_need_no_process_and_no_computer_algebra() -> None:
    code = """
import os, sys
from tina.grading import Grader
grader = Grader()
texts = ["7-2=5\\n</think>\\n<answer>\\\\boxed{5}</answer>", "5", "3+4=7\\n7-", "", "\\\\boxed{", "<think>\\n7-2=5\\n5"]
print([grade.verdict for grade in grader.grade(["5"] * len(texts), texts)], grader.counters["by_algebra"])
print("sympy" in sys.modules, "math_verify" in sys.modules, open(f"/proc/self/task/{os.getpid()}/children").read())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "['correct', 'correct', 'wrong', 'wrong', 'wrong', 'correct'] 0",
        "False False ",
    ]


def test_what_is_stuck_is_ended_and_everything_else_is_judged(hasty: Grader) -> None:
    cases = [(str(n), f"{n}", "correct") for n in range(50)] + NEEDS_ALGEBRA[:1]
    verdicts = graded(hasty, cases + [("\\pi", answer, "wrong") for answer in ENDLESS])
    assert verdicts == [case[2] for case in cases] + ["wrong"] * len(ENDLESS)
    assert hasty.counters["timeouts"] == len(ENDLESS)


def test_the_same_pair_is_judged_once_whoever_gave_it(hasty: Grader) -> None:
    answer = f"\\boxed{{{ENDLESS[0]}}}"
    grades = hasty.grade(["\\pi"] * 6, [answer] * 4 + ["hm. " + answer, answer + " so."])
    assert {(grade.verdict, grade.evaluated, grade.reason) for grade in grades} == {
        ("wrong", False, "not evaluated: over the time limit")
    }
    expected = {"graded": 6, "unjudged": 0, "refused": 6, "timeouts": 1, "worker_deaths": 0, "by_algebra": 6}
    assert hasty.counters == expected


def test_a_gold_that_takes_too_long_leaves_its_rows_unjudged(hasty: Grader) -> None:
    grades = hasty.grade([rf"\sum_{{n=1}}^{{99999}}x_n{ENDLESS[0]}+"], ["\\boxed{5}"])
    assert [grade.verdict for grade in grades] == ["unjudged"]
    assert hasty.counters["refused"] == 0


def test_killed_idle_workers_change_nothing_but_a_counter(own: Grader) -> None:
    others = set(grading_processes())
    expected = [case[2] for case in NEEDS_ALGEBRA]
    assert graded(own, NEEDS_ALGEBRA) == expected
    workers = [pid for pid in grading_processes() if pid not in others][1:]
    for pid in filterfalse(is_gone, workers):
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: all(map(is_gone, workers)))
    assert graded(own, NEEDS_ALGEBRA[:1]) == expected[:1]
    assert 0 < own.counters["worker_deaths"] <= len(workers)


def test_a_worker_killed_in_the_middle_is_replaced_and_its_item_tried_again(own: Grader) -> None:
    graded(own, NEEDS_ALGEBRA[:1])
    before = processor_seconds()
    slow = ("\\pi", r"\prod_{n=1}^{200}(1+\frac{1}{n^3})", "wrong")
    with ThreadPoolExecutor(1) as executor:
        batch = executor.submit(graded, own, [slow, slow, *NEEDS_ALGEBRA])
        kill_a_busy_worker(before)
        assert batch.result() == ["wrong", "wrong", *(case[2] for case in NEEDS_ALGEBRA)]
    assert own.counters["worker_deaths"] == 1


def test_an_answer_whose_worker_dies_twice_is_wrong(own: Grader) -> None:
    graded(own, NEEDS_ALGEBRA[:1])
    before = processor_seconds()
    with ThreadPoolExecutor(1) as executor:
        batch = executor.submit(own.grade, ["\\pi"], [f"\\boxed{{{ENDLESS[0]}}}"])
        for _ in range(2):
            kill_a_busy_worker(before)
        assert batch.result() == [Grade("wrong", None, "not evaluated: its worker died twice", evaluated=False)]
    assert own.counters["worker_deaths"] == 2 and own.counters["timeouts"] == 0


def test_a_killed_server_is_started_again(own: Grader) -> None:
    others = set(grading_processes())
    graded(own, NEEDS_ALGEBRA)
    mine = [pid for pid in grading_processes() if pid not in others]
    for pid in filterfalse(is_gone, mine):
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: all(map(is_gone, mine)))
    assert graded(own, NEEDS_ALGEBRA) == [case[2] for case in NEEDS_ALGEBRA]


def test_signals_that_a_scheduler_sends_to_every_process_are_left_to_the_program(own: Grader) -> None:
    others = set(grading_processes())
    graded(own, NEEDS_ALGEBRA)
    for pid in set(grading_processes()) - others:
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            os.kill(pid, number)
    assert graded(own, NEEDS_ALGEBRA) == [case[2] for case in NEEDS_ALGEBRA]
    assert own.counters["worker_deaths"] == 0


def test_several_threads_get_the_verdicts_of_one(own: Grader) -> None:
    with ThreadPoolExecutor(4) as executor:
        batches = [NEEDS_ALGEBRA[shift:] + NEEDS_ALGEBRA[:shift] for shift in range(len(NEEDS_ALGEBRA))]
        for batch, verdicts in zip(batches, executor.map(lambda cases: graded(own, cases), batches), strict=True):
            assert verdicts == [case[2] for case in batch]


def test_close_ends_the_processes_and_the_next_batch_starts_them_again(own: Grader) -> None:
    others = set(grading_processes())
    for _ in range(2):
        assert graded(own, NEEDS_ALGEBRA) == [case[2] for case in NEEDS_ALGEBRA]
        own.close()
        assert eventually(lambda: set(grading_processes()) <= others)


BUSY = f"""
import os, signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are started with SIGINT ignored
from tina.grading import Grader
grader = Grader(timeout_s=60)
grader.grade(["55"], ["\\\\boxed{{\\\\sum_{{k=1}}^{{10}}k}}"])
print("ready", flush=True)
if sys.argv[1] == "busy":
    grader.grade(["\\\\pi"], [r"\\boxed{{{ENDLESS[0]}}}"])
elif sys.argv[1] == "wait":
    threading.Event().wait()
"""


def started(how: str) -> tuple[subprocess.Popen, list[int]]:
    """A program with a grader that has been used, and the grader's processes."""
    program = subprocess.Popen(
        [sys.executable, "-c", BUSY, how], cwd=ROOT, stdout=-1, stderr=-1, text=True, start_new_session=True
    )
    assert program.stdout.readline() == "ready\n"
    return program, descendants(program.pid)


def test_a_program_that_ends_leaves_no_process() -> None:
    program, processes = started("end")
    assert program.communicate(timeout=60) == ("", "") and program.returncode == 0
    assert eventually(lambda: all(map(is_gone, processes)))


@pytest.mark.parametrize("how", ["busy", "wait"])
def test_a_program_that_is_killed_leaves_no_process(how: str) -> None:
    program, processes = started(how)
    time.sleep(0.5)
    program.kill()
    program.wait()  # not for its pipes: a process that is left over would hold them
    assert len(processes) > 1
    assert eventually(lambda: all(map(is_gone, processes)))


def test_ctrl_c_reaches_the_program_alone() -> None:
    program, processes = started("busy")
    assert program.pid not in map(os.getpgid, processes)  # nor does any other signal to its group
    time.sleep(0.5)
    os.killpg(program.pid, signal.SIGINT)
    _, errors = program.communicate(timeout=60)
    assert errors.count("Traceback") == 1 and "KeyboardInterrupt" in errors
    assert "worker.py" not in errors and "server.py" not in errors
    assert eventually(lambda: all(map(is_gone, processes)))
