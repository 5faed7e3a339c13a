"""What a SLURM job does when its run has ended; submitit and SLURM are played (tests/slurm has the real ones)."""

import json
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from tina.errors import TRY_LATER
from tina.launch import record, task
from tina.launch.task import Arm


@pytest.mark.parametrize(
    ("asked", "code", "goes_on"),
    [
        (True, 128 + signal.SIGTERM, True),  # the time limit: it has saved
        (True, TRY_LATER, True),
        (True, 2, False),  # for example a full disk: the next start would fail as well
        (True, 1, False),
        (True, 128 + signal.SIGKILL, False),
        (False, TRY_LATER, True),
        (False, 128 + signal.SIGTERM, False),  # cancelled
        (False, 2, False),
    ],
)
def test_only_a_run_that_saved_or_asks_for_it_is_queued_again(
    asked: bool, code: int, goes_on: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, frame: queued.append(number))
    monkeypatch.setattr(signal, "raise_signal", lambda number: None)  # would end this process

    def run_ranks(*_: object) -> int:
        if asked:
            signal.getsignal(signal.SIGUSR2)(signal.SIGUSR2, None)
        return code

    environment = SimpleNamespace(node=0, num_nodes=1, job_id="7", hostname="here")
    monkeypatch.setattr(task, "JobEnvironment", lambda: environment)
    monkeypatch.setattr(task, "run_ranks", run_ranks)
    monkeypatch.setattr(task, "_makes_room", lambda: False)
    record.add(tmp_path, event="submitted", job="7", phase="all", log="none")
    try:
        with pytest.raises(SystemExit) as ended:
            Arm(["true"], tmp_path, 1, None, 50)()
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert ended.value.code == code
    assert bool(queued) == goes_on


@pytest.mark.parametrize(("makes_room", "goes_on"), [(False, False), (True, True)])
def test_a_time_limit_too_short_for_a_step_is_no_reason_to_start_again_and_again(
    makes_room: bool, goes_on: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A preempted job lost nothing by its own fault."""
    monkeypatch.setattr(task, "_makes_room", lambda: makes_room)
    arm = Arm(["true"], tmp_path, 1, None, 50)
    for start in range(1, task.MOST_IN_VAIN + 1):
        record.add(tmp_path, event="ended", job="7", code=128 + signal.SIGTERM, done=3)
        again = arm._may_go_on("7", 128 + signal.SIGTERM, asked=True)
        assert again == (goes_on or start < task.MOST_IN_VAIN)


def test_a_line_that_a_kill_cut_short_is_left_out_and_told(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    record.add(tmp_path, event="submitted", job="7", phase="all", log="none")
    with (tmp_path / record.JOBS).open("a") as file:
        file.write('{"event": "started", "jo')
    record.add(tmp_path, event="ended", job="7", code=75, done=3)
    (found,) = record.submissions(tmp_path)
    assert (found.job, found.code) == ("7", 75)
    assert "jobs.jsonl, line 2 was cut short or damaged, and is left out" in capsys.readouterr().err
    assert len((tmp_path / record.JOBS).read_text().splitlines()) == 3


def test_lines_of_another_form_are_left_out_and_told(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    record.add(tmp_path, event="submitted", job="7", phase="all", log="none")
    record.add(tmp_path, event="ended", job="7", code=0, done=3)
    odd = [
        {"job": []},
        {"event": "submitted", "job": "8"},
        {"event": "ended", "job": "7", "code": "x", "done": 1},
        3,
        None,
    ]
    with (tmp_path / record.JOBS).open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in odd)
        file.write("[" * 100_000 + "\n\xff\n")
    assert [(one.job, one.code) for one in record.submissions(tmp_path)] == [("7", 0)]
    assert record.queue_seconds(tmp_path) is None
    told = capsys.readouterr().err
    assert "3 lines say nothing of a job, and are left out" in told and told.count("cut short or damaged") == 4


@pytest.mark.parametrize(
    "content", ["", "{", "[1]", "null", '{"done": "x", "total": 1, "seconds": 1}', "[" * 100_000, "\xff"]
)
def test_progress_that_is_damaged_is_none(content: str, tmp_path: Path) -> None:
    (tmp_path / record.PROGRESS).write_text(content, encoding="latin-1")
    assert record.progress(tmp_path) is None
    record.write_progress(tmp_path, done=1, total=2, seconds=0.5)
    assert json.loads((tmp_path / record.PROGRESS).read_text())["done"] == 1
