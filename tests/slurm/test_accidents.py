"""Arms on a real SLURM that meet every accident there is, and end as if nothing had happened.

One array has all accidents that leave its launcher alone, another one has the others: each arm costs a start of torch.
What an undisturbed run gives is what the local launcher gives, with the same two processes an arm.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import finished, run, start
from tests.slurm.cluster import Cluster
from tests.test_end_to_end import evaluated, logs, training_metrics
from tina.launch import record

pytestmark = pytest.mark.slurm
RANKS = (4, 8, 16, 32, 64)
ARMS = [
    "-m",
    "hardware.processes=2",
    "schedule.max_steps=10",
    "schedule.save_every=3",
    "benchmarks.problems=8",
    "length.max_completion_tokens=32",
]
ON_SLURM = ["hydra/launcher=slurm_local", "hydra.launcher.mem_gb=1", "hydra.launcher.poll_s=1"]


def swept(ranks: Sequence[int]) -> str:
    return f"lora.rank={','.join(map(str, ranks))}"


def folder_of(outputs: Path, rank: int) -> Path:
    (found,) = (outputs / "runs").glob(f"*-r{rank}-*")
    return found


def steps_of(outputs: Path, rank: int) -> int:
    if not list((outputs / "runs").glob(f"*-r{rank}-*")):
        return 0
    return int((record.progress(folder_of(outputs, rank)) or {}).get("done", 0))


def wait(ready: Callable[[], bool], what: str, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"{what}: not after {seconds} s"
        time.sleep(0.2)


def job_of(outputs: Path, rank: int) -> str:
    return record.submissions(folder_of(outputs, rank))[-1].job


def processes_of(folder: Path) -> list[int]:
    """The processes that train a run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"{folder}/config.yaml".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def is_asked_to_end(process: int) -> bool:
    """Has a process that is held been sent SIGTERM? SLURM may let it go by itself; then it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return True
    pending = re.search(r"^ShdPnd:\s*(\w+)$", status, re.MULTILINE)
    return bool(int(pending[1], 16) >> (signal.SIGTERM - 1) & 1)


def send(processes: Sequence[int], number: int) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def go_on_when_asked_to_end(held: Sequence[int]) -> None:
    wait(lambda: all(is_asked_to_end(process) for process in held), "SLURM asks the processes to end")
    send(held, signal.SIGCONT)


def accounted(cluster: Cluster, job: str) -> list[str]:
    """The state of every start of a job that is over, as sacct has them; the accounting is a moment behind."""

    def states() -> list[str]:
        return [
            row.split()[0] for row in cluster.run("sacct", "-n", "-X", "-D", "-j", job, "-o", "State%20").splitlines()
        ]

    wait(lambda: not {"RUNNING", "PENDING"} & set(states()), f"the accounting of job {job}", 30)
    return states()


def table_of(outputs: Path) -> pd.DataFrame:
    done = run("analysis/tables.py", f"source.root={outputs}", f"out={outputs}/tables", "cache=null")
    assert done.returncode == 0, done.stdout + done.stderr
    table = pd.read_csv(outputs / "tables" / "study_lora.rank.csv")
    return table.drop(columns=[name for name in table if "second" in name or "cost" in name or "hour" in name])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same arms on this machine."""
    outputs = tmp_path_factory.mktemp("local")
    done = run("train.py", *ARMS, swept(RANKS), "hydra/launcher=local", f"paths.outputs={outputs}")
    assert done.returncode == 0, done.stdout + done.stderr
    return outputs


@pytest.fixture(scope="module")
def first(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What was seen while five arms ran, of which four met an accident, and the controller was restarted."""
    outputs = tmp_path_factory.mktemp("first")
    arguments = [*ARMS, swept(RANKS), *ON_SLURM, "hydra.launcher.array_parallelism=5", f"paths.outputs={outputs}"]
    launcher = start("train.py", *arguments)
    # An arm that has a checkpoint is held until its accident: one that ran on could be done before it.
    held: dict[int, list[int]] = {}

    def are_all_held() -> bool:
        for rank in RANKS:
            if rank not in held and steps_of(outputs, rank) >= 4:
                held[rank] = processes_of(folder_of(outputs, rank))
                send(held[rank], signal.SIGSTOP)
        return len(held) == len(RANKS)

    wait(are_all_held, "all five arms have a checkpoint")
    jobs = {rank: job_of(outputs, rank) for rank in RANKS}
    seen = {"outputs": outputs, "jobs": jobs, "status": run("tina/status.py", f"outputs={outputs}").stdout}

    send(held[8], signal.SIGKILL)
    for rank, command in ((16, ("scancel", jobs[16])), (32, ("scontrol", "requeue", jobs[32]))):
        cluster.run(*command)
        go_on_when_asked_to_end(held[rank])
    send(held[4], signal.SIGCONT)
    cluster.stop_controller()
    cluster.start_controller()
    # The job that needs a whole node has to wait for nobody: what is there is preempted.
    node = cluster.run("squeue", "-h", "-j", jobs[64], "-o", "%N").strip()
    urgent = ["sbatch", "--parsable", "-p", "urgent", "-w", node, "--exclusive", "--output=/dev/null"]
    seen["preempted"] = cluster.run("squeue", "-h", "-r", "-w", node, "-t", "R", "-o", "%i").split()
    cluster.run(*urgent, "--wrap", "sleep 1")
    go_on_when_asked_to_end(held[64])

    done = finished(launcher)
    seen |= {"code": done.returncode, "out": done.stdout, "err": done.stderr}
    seen["accounted"] = {rank: accounted(cluster, job) for rank, job in jobs.items()}
    seen["failed"] = run("tina/status.py", f"outputs={outputs}", "--failed").stdout
    again = run("train.py", *arguments)
    seen |= {"again_code": again.returncode, "again": again.stdout, "again_err": again.stderr}
    return seen


def test_each_arm_ends_as_if_nothing_had_happened(first: dict, undisturbed: Path) -> None:
    assert first["again_code"] == 0, first["again"] + first["again_err"]
    for rank in RANKS:
        disturbed, whole = folder_of(first["outputs"], rank), folder_of(undisturbed, rank)
        assert disturbed.name == whole.name
        assert training_metrics(disturbed) == training_metrics(whole), rank
        pd.testing.assert_frame_equal(evaluated(disturbed), evaluated(whole))
        left = {path.name for path in (disturbed / "checkpoints").iterdir()}
        assert left == {path.name for path in (whole / "checkpoints").iterdir()}


def test_the_table_is_that_of_the_local_run(first: dict, undisturbed: Path) -> None:
    pd.testing.assert_frame_equal(table_of(first["outputs"]), table_of(undisturbed))
    frame = logs(first["outputs"]).metrics
    assert not frame.duplicated(["run", "metric", "step"]).any(), "a step is logged twice"


def test_slurm_sees_what_happened(first: dict) -> None:
    told = first["accounted"]
    assert told[4] == ["COMPLETED"] or first["jobs"][4] in first["preempted"]
    assert told[8][-1] == "FAILED"
    assert told[16][-1] == "CANCELLED"
    assert len(told[32]) >= 2, "one line for each start"
    assert told[32][-1] == "COMPLETED"
    assert len(told[64]) >= 2
    assert told[64][-1] == "COMPLETED"


def test_the_launcher_tells_each_end_and_the_exit_code(first: dict) -> None:
    assert first["code"] == 1, first["err"]
    for rank in (4, 32, 64):
        assert f"lora.rank={rank}: done, " in first["out"]
    (killed,) = [line for line in first["out"].splitlines() if "lora.rank=8: NOT DONE" in line]
    assert "FAILED (ended by SIGKILL)" in killed
    assert str(folder_of(first["outputs"], 8) / "train.log") in killed
    (cancelled,) = [line for line in first["out"].splitlines() if "lora.rank=16: NOT DONE" in line]
    assert "CANCELLED" in cancelled
    assert "2 of 5 arms are not done; the same command submits only these." in first["out"]
    assert "Traceback" not in first["err"]


def test_the_same_command_submits_what_is_missing(first: dict) -> None:
    assert "5 arms: 3 done, 0 queued before, 2 submitted" in first["again"]
    for rank in RANKS:
        starts = record.submissions(folder_of(first["outputs"], rank))
        assert len(starts) == (2 if rank in (8, 16) else 1)


def test_a_signal_costs_no_step_and_a_kill_no_more_than_a_save_interval(first: dict) -> None:
    """In the log of each arm: where it was, and from where it went on."""
    for rank, signalled in ((64, True), (16, True), (8, False)):
        log = (folder_of(first["outputs"], rank) / "train.log").read_text()
        went_on = [int(step) for step in re.findall(r"Going on from checkpoint-(\d+)", log)]
        stopped = [int(step) for step in re.findall(r"Stopped at step (\d+)", log)]
        assert went_on, log
        if signalled:
            assert went_on == stopped, log
        else:
            assert not stopped
            assert went_on[-1] % 3 == 0


def test_status_follows(first: dict) -> None:
    assert first["status"].count("running") >= 5
    assert "of 10" in first["status"]
    assert "lora.rank=8: " in first["failed"]
    assert str(folder_of(first["outputs"], 8) / "train.log") in first["failed"]
    after = run("tina/status.py", f"outputs={first['outputs']}").stdout
    assert "5 done" in after


@pytest.fixture(scope="module")
def second(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Two arms whose launcher is killed and whose node goes down; then one of them meets its time limit."""
    outputs = tmp_path_factory.mktemp("second")
    arguments = [*ARMS, swept((4, 8)), *ON_SLURM, "hydra.launcher.signal_delay_s=100", f"paths.outputs={outputs}"]
    launcher = start("train.py", *arguments)
    wait(lambda: steps_of(outputs, 8) >= 1, "an arm trains")
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    seen = {"outputs": outputs, "jobs": {rank: job_of(outputs, rank) for rank in (4, 8)}}
    again = start("train.py", *arguments)
    node = cluster.run("squeue", "-h", "-j", seen["jobs"][8], "-o", "%N").strip()
    cluster.lose_node(node)
    wait(lambda: not processes_of(folder_of(outputs, 8)), "the node's processes are gone")
    cluster.bring_back(node)
    limited = folder_of(outputs, 4)
    wait(lambda: record.submissions(limited)[-1].starts == 2, "the arm is started again")
    before = steps_of(outputs, 4)
    wait(lambda: steps_of(outputs, 4) > before, "it goes on")
    # SLURM looks at time limits twice a minute, and the run would be done by then. A limit that is short from the start
    # could be met before the first step.
    held = processes_of(limited)
    send(held, signal.SIGSTOP)
    cluster.run("scontrol", "update", f"jobid={seen['jobs'][4]}", "timelimit=2")
    go_on_when_asked_to_end(held)
    wait(lambda: record.submissions(limited)[-1].code is not None, "it ends before its limit")
    cluster.run("scontrol", "update", f"jobid={seen['jobs'][4]}", "timelimit=60")
    done = finished(again)
    seen |= {"code": done.returncode, "out": done.stdout, "err": done.stderr}
    seen["accounted"] = {rank: accounted(cluster, job) for rank, job in seen["jobs"].items()}
    return seen


def test_a_launcher_that_was_killed_is_taken_up_again(second: dict, undisturbed: Path) -> None:
    assert second["code"] == 0, second["out"] + second["err"]
    assert "2 arms: 0 done, 2 queued before, 0 submitted" in second["out"]
    for rank in (4, 8):
        disturbed = folder_of(second["outputs"], rank)
        assert len(record.submissions(disturbed)) == 1
        assert training_metrics(disturbed) == training_metrics(folder_of(undisturbed, rank))
        pd.testing.assert_frame_equal(evaluated(disturbed), evaluated(folder_of(undisturbed, rank)))


def test_a_time_limit_and_a_lost_node_are_starts_of_one_job(second: dict) -> None:
    assert len(second["accounted"][4]) == 3, second["accounted"]
    assert second["accounted"][8][0] == "NODE_FAIL"
    for rank in (4, 8):
        assert len(second["accounted"][rank]) >= 2, second["accounted"]
        assert second["accounted"][rank][-1] == "COMPLETED"
        assert record.submissions(folder_of(second["outputs"], rank))[-1].starts == len(second["accounted"][rank])


def test_two_nodes_train_what_one_does(cluster: Cluster, undisturbed: Path, tmp_path: Path) -> None:
    """One rank on each of two nodes. Both are this host: nothing is said about a network between them."""
    done = run("train.py", *ARMS, swept((4,)), *ON_SLURM, "hydra.launcher.nodes=2", f"paths.outputs={tmp_path}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert training_metrics(folder_of(tmp_path, 4)) == training_metrics(folder_of(undisturbed, 4))
    nodes = cluster.run("sacct", "-n", "-X", "-j", job_of(tmp_path, 4), "-o", "NNodes")
    assert nodes.split() == ["2"]


def test_an_arm_that_cannot_be_trained_fails_and_takes_no_other_with_it(cluster: Cluster, tmp_path: Path) -> None:
    layers = "lora.target_modules=[q_proj],[no_such_layer]"
    short = ["schedule.max_steps=1", "benchmarks=none", "selection=last", "hydra.launcher.wait=false"]
    submitted = run("train.py", "-m", layers, *ON_SLURM, *short, f"paths.outputs={tmp_path}")
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    assert "Cancel them: scancel" in submitted.stdout
    assert not list(tmp_path.glob("runs/*/summary.json")), "it did not wait"
    done = run("train.py", "-m", layers, *ON_SLURM, *short[:-1], f"paths.outputs={tmp_path}")
    assert done.returncode == 1
    assert "0 submitted" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if "NOT DONE" in line]
    assert "lora.target_modules=[no_such_layer]: NOT DONE, FAILED (exit code 2): The adapter does not fit" in line
    assert len(list(tmp_path.glob("runs/*/summary.json"))) == 1
    failed = run("tina/status.py", f"outputs={tmp_path}", "--failed").stdout
    assert "The adapter does not fit the model" in failed
    assert "Traceback" not in failed


def test_an_arm_that_asks_to_be_started_again_in_vain_is_given_up(cluster: Cluster, tmp_path: Path) -> None:
    nobody = ["sampler=vllm_server", "sampler.url=http://127.0.0.1:9", "sampler.wait_s=1"]
    done = run("train.py", "-m", "lora.rank=4", *nobody, *ON_SLURM, f"paths.outputs={tmp_path}")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "NOT DONE, FAILED (exit code 75)" in done.stdout and "does not answer" in done.stdout
    (job,) = record.submissions(folder_of(tmp_path, 4))
    assert "Started 3 times without a step; not queued again." in Path(job.log).read_text()
    assert (job.starts, job.code) == (3, 75)
    assert accounted(cluster, job.job) == ["REQUEUED", "REQUEUED", "FAILED"]


def test_evaluations_wait_for_their_training(cluster: Cluster, tmp_path: Path) -> None:
    short = ["schedule.max_steps=2", "schedule.save_every=2", "benchmarks.problems=8"]
    arguments = ["-m", swept((4, 8)), *ON_SLURM, *short, "evaluate.after_train=true", f"paths.outputs={tmp_path}"]
    done = run("train.py", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    for folder in (tmp_path / "runs").iterdir():
        phases = {one.phase: one.job for one in record.submissions(folder)}
        assert set(phases) == {"train", "evaluate"}
        told = json.loads((folder / "summary.json").read_text())
        assert told["scores"].keys() == {"0", "2"}
        starts = cluster.run("sacct", "-n", "-P", "-X", "-j", ",".join(phases.values()), "-o", "JobID,Start,End")
        times = {row.split("|")[0]: row.split("|")[1:] for row in starts.split()}
        assert times[phases["evaluate"]][0] >= times[phases["train"]][1]


def test_ctrl_c_leaves_the_jobs_and_says_how_to_cancel_them(cluster: Cluster, tmp_path: Path) -> None:
    held = ["+hydra.launcher.additional_parameters.hold=true"]
    launcher = start("train.py", "-m", "lora.rank=4,8", *ON_SLURM, *held, f"paths.outputs={tmp_path}")
    wait(lambda: "JobHeldUser" in cluster.run("squeue", "-h", "-r", "-o", "%r"), "the jobs are held")
    status = run("tina/status.py", f"outputs={tmp_path}").stdout
    assert "JobHeldUser" in status
    time.sleep(1)
    launcher.send_signal(signal.SIGINT)
    out, err = launcher.communicate(timeout=60)
    array = job_of(tmp_path, 4).partition("_")[0]
    assert launcher.returncode == 130, out + err
    assert f"Cancel them: scancel {array}" in out
    assert "Traceback" not in err
    assert len(cluster.run("squeue", "-h", "-r", "-j", array).splitlines()) == 2
    cluster.run("scancel", array)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["hydra.launcher.partition=gup"], "There is no partition gup (hydra.launcher.partition): it has gpu, short"),
        (["hydra.launcher.gres=gpu:h100:8"], "has hydra.launcher.gres=gpu:h100:8: its nodes have gpu:l40s:2"),
        (["hydra.launcher.partition=short"], "timeout_min=60 is more than the partition short allows (5 minutes)"),
        (["hydra.launcher.nodes=2"], "hardware.processes=1 cannot be spread over hydra.launcher.nodes=2"),
        (["hydra.launcher.account=nobody"], "sbatch refuses: Batch job submission failed: Invalid account"),
    ],
)
def test_what_the_cluster_cannot_do_is_told_and_nothing_is_queued(
    cluster: Cluster, tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = run("train.py", "-m", "lora.rank=4,8", *ON_SLURM, *arguments, f"paths.outputs={tmp_path}")
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert cluster.run("squeue", "-h", "-r", "-u", "root").strip() == ""


def test_a_cluster_launcher_without_m_does_not_train_here(tmp_path: Path) -> None:
    done = run("train.py", "hydra/launcher=slurm_l40s", cwd=tmp_path)
    assert done.returncode == 2
    assert "add -m" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_whose_accounting_is_gone_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    """Without it nobody could tell that a killed job has ended."""
    hidden = tmp_path / "bin"
    hidden.mkdir()
    (hidden / "sacct").write_text("#!/bin/sh\necho 'Slurm accounting storage is disabled' >&2\nexit 1\n")
    (hidden / "sacct").chmod(0o755)
    path = f"{hidden}{os.pathsep}{os.environ['PATH']}"
    command = ["env", f"PATH={path}", "python", "train.py", "-m", "lora.rank=4,8", *ON_SLURM]
    done = subprocess.run([*command, f"paths.outputs={tmp_path}/o"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "SLURM's accounting does not answer (Slurm accounting storage is disabled)" in done.stderr
