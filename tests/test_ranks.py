"""One run on two processes (gloo, on the CPU): what a GPU run does over NCCL, up to the backend."""

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.conftest import SHORT, interrupt_after, run_again_while_asked, said, start
from tests.test_end_to_end import logs, only_run, training_metrics
from tina.launch.ranks import run_ranks

TWO = ["hardware.processes=2", *SHORT, "schedule.max_steps=6", "benchmarks=none", "selection=last"]
TWO = [argument for argument in TWO if argument != "schedule.max_steps=4"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of a run on two processes that nothing disturbed."""
    outputs = tmp_path_factory.mktemp("whole")
    done = run_again_while_asked("train.py", *TWO, f"paths.outputs={outputs}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("train 6/6") == 1, "only one process speaks"
    return outputs


def test_one_process_writes_and_both_train(whole: Path) -> None:
    found = logs(whole).runs
    assert list(found.job_type) == ["train"]
    assert found.iloc[0].state == "finished"
    last = only_run(whole) / "checkpoints" / "checkpoint-6"
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= {path.name for path in last.iterdir()}
    first, state = (
        load_file(only_run(whole) / "checkpoints/checkpoint-2/adapter_model.safetensors"),
        load_file(last / "adapter_model.safetensors"),
    )
    assert any((first[name] != state[name]).any() for name in state)
    # 64 prompts of 17 or 18 tokens a step, 32 for each process
    tokens = [row["num_tokens"] for row in json.loads((last / "trainer_state.json").read_text())["log_history"][:6]]
    lengths = logs(whole).metrics.query("metric == 'train/completions/mean_length'").value.tolist()
    prompts = [after - before - 64 * n for before, after, n in zip([0, *tokens], tokens, lengths, strict=False)]
    assert all(16 * 64 < prompt < 32 * 64 for prompt in prompts), prompts


def test_both_stop_after_the_same_step_and_go_on_exactly(whole: Path, tmp_path: Path) -> None:
    process = start("train.py", *TWO, f"paths.outputs={tmp_path}")
    interrupt_after(process, lambda: bool(list(tmp_path.rglob("whole.json"))))
    out, err = said(process)
    assert process.returncode == 128 + signal.SIGTERM, out + err
    assert "the same command goes on from there" in out
    _goes_on_exactly(whole, tmp_path)


def test_a_killed_rank_ends_the_run_which_goes_on_exactly(whole: Path, tmp_path: Path) -> None:
    code, told = _struck(tmp_path, signal.SIGKILL)
    assert code not in (0, None), told
    _goes_on_exactly(whole, tmp_path)


def test_a_rank_that_hangs_is_told_and_ended_and_the_run_goes_on_exactly(whole: Path, tmp_path: Path) -> None:
    code, told = _struck(tmp_path, signal.SIGSTOP, "hardware.step_timeout_s=20")
    assert code == 75, told
    assert re.search(r"Step \d has taken more than 20 s, and hangs .*set hardware.step_timeout_s", told)
    assert "most recent call first" in told and "/trl/trainer/" in told, "rank 0 says where it waits"
    assert "Process 2 of 2 here does not end by itself" in told
    _goes_on_exactly(whole, tmp_path)


def _struck(outputs: Path, number: signal.Signals, *arguments: str) -> tuple[int, str]:
    """A run whose rank 1 gets the signal once there is a checkpoint: its exit code, and what it said."""
    process = start("train.py", *TWO, *arguments, f"paths.outputs={outputs}")

    def strike() -> bool:
        if not list(outputs.rglob("whole.json")):
            return False
        os.kill(_rank(process.pid, 1), number)
        return True

    interrupt_after(process, strike, number=0)
    out, err = said(process)
    return process.returncode, out + err


def _goes_on_exactly(whole: Path, outputs: Path) -> None:
    """The same command goes on from a checkpoint to what an undisturbed run gives."""
    done = run_again_while_asked("train.py", *TWO, f"paths.outputs={outputs}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Going on from checkpoint-" in done.stdout
    assert training_metrics(outputs) == training_metrics(whole)


def _rank(parent: int, rank: int) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return next(
        int(child) for child in children if f"\0RANK={rank}\0".encode() in Path(f"/proc/{child}/environ").read_bytes()
    )


WATCHING = """
import sys
from types import SimpleNamespace
from tests.test_trainer import composed
from tina.launch import ranks
from tina.watch import TransitionWatch

ranks.join(on_gpu=False, step_timeout_s=60)
watch = TransitionWatch(composed("selection.stop=after_transition"), lambda step, found: None)
leads = ranks.rank() == 0
watch.watch.see = lambda row: None
watch.watch.began = 3 if leads else None  # the two ranks see other curves
watch.watch.end = lambda after: 4 if leads else 60
told = []
for step in (3, 4):
    row = {"loss": 0.0, "reward": 1.0, "step": step}
    control = SimpleNamespace(should_save=False, should_training_stop=False)
    watch.on_log(None, SimpleNamespace(global_step=step, log_history=[row]), control, logs=row)
    told.append((control.should_save, control.should_training_stop))
assert told == [(False, False), (True, True)], told
"""


def test_rank_0_decides_for_all_whether_a_transition_saves_and_stops(tmp_path: Path) -> None:
    code = run_ranks([sys.executable, "-c", WATCHING], 2, 1, log=tmp_path / "log")
    assert code == 0, (tmp_path / "log").read_text()


LISTEN = """
import json, os, pathlib, psutil, sys, torch
from tina.launch import ranks
ranks.join(on_gpu=False, step_timeout_s=60)
torch.distributed.all_reduce(torch.ones(1))
found = [c.laddr.ip for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN]
pathlib.Path(sys.argv[1], os.environ["RANK"]).write_text(json.dumps(found))
torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""


def test_ranks_of_one_machine_listen_to_it_alone(tmp_path: Path) -> None:
    assert run_ranks([sys.executable, "-c", LISTEN, str(tmp_path)], 2, 1) == 0
    found = [address for rank in "01" for address in json.loads((tmp_path / rank).read_text())]
    assert found, "gloo listens somewhere"
    assert {address.removeprefix("::ffff:") for address in found} <= {"127.0.0.1", "::1"}
