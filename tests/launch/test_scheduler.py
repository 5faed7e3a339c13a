"""SLURM's words as facts; the words are those of 22.05."""

import pytest

from tina.launch import scheduler
from tina.launch.scheduler import JobState, Partition, kind, minutes, offers


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("2-00:00:00", 2880), ("1:30:00", 90), ("30:00", 30), ("5:30", 5.5), ("infinite", float("inf"))],
)  # fmt: skip
def test_time_limits(limit: str, expected: float) -> None:
    assert minutes(limit) == expected


def test_what_nodes_offer() -> None:
    partition = Partition("gpu", True, True, 60, ("gpu:l40s:2", "gpu:a100:4", "nvme:1"))
    assert offers(partition, "gpu:l40s:2")
    assert offers(partition, "gpu:4")
    assert offers(partition, "gpu")
    assert not offers(partition, "gpu:l40s:3")
    assert not offers(partition, "gpu:h100:1")
    assert kind("gpu:l40s:2") == (("gpu", "l40s"), 2)
    assert kind("gpu") == (("gpu",), 1)


def told(monkeypatch: pytest.MonkeyPatch, squeue: str, sacct: str) -> None:
    monkeypatch.setattr(scheduler, "ask", lambda command, *_: {"squeue": squeue, "sacct": sacct}[command])


def test_a_job_that_was_started_three_times_is_one_job(monkeypatch: pytest.MonkeyPatch) -> None:
    accounting = (
        "7_0|PREEMPTED|0:0|30|l40s-1\n7_0|NODE_FAIL|0:0|12|l40s-2\n7_0|COMPLETED|0:0|8|l40s-1\n"
        "7_1|CANCELLED by 1000|0:15|5|l40s-1\n8|FAILED|2:0|3|l40s-1\n"
    )
    told(monkeypatch, "", accounting)
    found = scheduler.job_states(["7_0", "7_1", "9_9"])
    assert found == {
        "7_0": JobState("COMPLETED", "", "0:0", "l40s-1", 50),
        "7_1": JobState("CANCELLED", "", "0:15", "l40s-1", 5),
    }


def test_a_job_that_is_queued_again_has_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, "7_0|PENDING|BeginTime|\n7_1|RUNNING|None|l40s-2\n", "7_0|PREEMPTED|0:0|30|l40s-1\n")
    found = scheduler.job_states(["7_0", "7_1"])
    assert not found["7_0"].ended
    assert (found["7_0"].state, found["7_0"].reason, found["7_0"].seconds) == ("PENDING", "BeginTime", 30)
    assert (found["7_1"].reason, found["7_1"].nodes) == ("", "l40s-2")


def test_nobody_is_asked_about_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "ask", lambda *_: pytest.fail("asked"))
    assert scheduler.job_states([]) == {}


def test_a_command_that_is_not_there_is_told() -> None:
    with pytest.raises(scheduler.SchedulerSilent, match="no-such-command is not installed here"):
        scheduler.ask("no-such-command")
