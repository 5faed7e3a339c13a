"""The processes of one run: each holds a copy of the policy and takes a share of every batch (DDP).

They are started here, for the GPU and the CPU alike, and not by torchrun (which accelerate's launcher uses, too). Its
agent answers a signal, and a run that ends orderly after one, with a traceback and exit code 1, so that nobody could
tell a run that saved and ended from one that failed.
"""

import contextlib
import math
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tina import files, hang
from tina.errors import TRY_LATER
from tina.guards import SIGNALS

LEAVE_SECONDS = 120
"""What the ranks are given to leave one another after the last step."""
SAVED = {128 + number for number in SIGNALS}
"""Exit codes of a run that was asked to end, and has saved."""
ORDERLY = {TRY_LATER, *SAVED}
"""Exit codes of a rank that has saved and ended as it was asked to, or that has found the run to hang."""
GRACE_SECONDS = 30
"""What the other ranks are given to end once one of them has failed, for which they wait in vain, or rank 0 has ended,
which has nothing left for them to do."""
ORDERLY_GRACE_SECONDS = 600
"""What they are given after an orderly end: rank 0 may still have to hand its log on."""
TORCH_SECONDS = 600
"""How much longer torch waits for a rank than a step may take."""
MEETING = "TINA_MEETING"
"""The environment variable with the file in which the processes of one machine find each other."""
FOR_EVER = timedelta(days=30)
LAST_WORDS_SECONDS = 10
"""What a rank is given to say where it hangs before it is killed."""


@dataclass(frozen=True)
class Place:
    """This machine among those that a run has its processes on, and where they all meet."""

    nodes: int = 1
    node: int = 0
    address: str = "127.0.0.1"
    port: int | None = None
    """Any free one unless set."""


def rank() -> int:
    """This process's number among those of its run; 0 leads: it alone writes, logs and evaluates."""
    return int(os.environ.get("RANK", 0))


def inside() -> bool:
    """Is this process one of several that belong to a run?"""
    return "RANK" in os.environ


def run_ranks(
    command: Sequence[str], processes: int, threads: int | None, place: Place | None = None, log: Path | None = None
) -> int:
    """Runs `command` in so many processes over all nodes, of which this one starts its share; one alone is no rank.

    They find each other through torch.distributed's variables. Each has `threads` CPU threads, or its share of the
    cores. What they say is added to `log`, or goes to our own output; of standard output only rank 0's is kept. A
    signal is passed on to every rank. Returns 0 if rank 0 ended well, or all that are here, else the code of the first
    that did not.
    """
    place = place or Place()
    here = processes // place.nodes
    shared = {"OMP_NUM_THREADS": threads or max(1, len(os.sched_getaffinity(0)) // here), "PYTHONFAULTHANDLER": 1}
    if processes > 1:
        shared |= {"WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": here}
        shared |= {"MASTER_ADDR": place.address, "MASTER_PORT": place.port or _free_port()}
    ranks: list[subprocess.Popen] = []
    with contextlib.ExitStack() as stack:
        if processes > 1 and place.nodes == 1:
            shared |= _on_this_machine_alone(stack.enter_context(tempfile.TemporaryDirectory(prefix="tina-ranks-")))
        output = stack.enter_context(files.open_to_append(log)) if log else None
        asked = stack.enter_context(_signals_passed_on(ranks))
        # A signal that comes while they are being started waits until all are there to hear it.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        stack.callback(signal.pthread_sigmask, signal.SIG_UNBLOCK, SIGNALS)
        for local in range(here):
            number = place.node * here + local
            own = {"RANK": number, "LOCAL_RANK": local} if processes > 1 else {}
            process = subprocess.Popen(
                command,
                env=os.environ | {key: str(value) for key, value in (shared | own).items()},
                stdout=subprocess.DEVNULL if number else output,
                stderr=output,
                process_group=0,  # of its own: Ctrl-C reaches it once, from us, and not from the terminal as well
                preexec_fn=_be_a_rank,
            )
            ranks.append(process)
            for signalled in asked:  # a thread that does not block it may have taken it meanwhile
                process.send_signal(signalled)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        return _wait(ranks, leads=place.node == 0)


def _on_this_machine_alone(folder: str) -> dict[str, str]:
    """Variables with which processes of one machine meet in a folder of this user, and talk over the loopback device.

    torch's own meeting place is a port on all addresses, where anybody could be a rank.
    """
    loopback = next((name for _, name in socket.if_nameindex() if name in ("lo", "lo0")), None)
    devices = {f"{library}_SOCKET_IFNAME": loopback for library in ("GLOO", "NCCL")} if loopback else {}
    return {MEETING: str(Path(folder, "meeting"))} | {k: v for k, v in devices.items() if k not in os.environ}


def _be_a_rank() -> None:
    """SLURM sends a job's warning to all its processes, and a process that does not know it would end at once.

    One that is ended because it hangs says where; its whole memory is not written to the disk.
    """
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def join(on_gpu: bool, step_timeout_s: float | None) -> None:
    """Meets the other ranks of this run, if there are any.

    torch gives up on a rank that does not come after half an hour, with a traceback; a step may take longer, and one
    that hangs is told by `tina.hang`. So torch is given more time.
    """
    if not inside():
        return
    from accelerate import PartialState

    patience = FOR_EVER if step_timeout_s is None else timedelta(seconds=step_timeout_s + TORCH_SECONDS)
    where = {}
    if meeting := os.environ.get(MEETING):
        where = {"init_method": f"file://{meeting}", "rank": rank(), "world_size": int(os.environ["WORLD_SIZE"])}
    PartialState(cpu=not on_gpu, timeout=patience, **where)


def leave(engine_stays: bool, code: int) -> None:
    """Waits until every rank is here; what follows is done by rank 0 alone, and the others end with `code`.

    The group is taken apart, unless a vLLM engine that was started in it is still to be used. Everything is saved by
    then: a process that hangs in it says where and ends, and the same command goes on.
    """
    if not inside():
        return
    import torch.distributed as dist

    with hang.within(LEAVE_SECONDS, "Leaving the other processes"):
        dist.barrier()
        if rank() > 0:  # nothing depends on it any more
            hang.allow(LEAVE_SECONDS, "Leaving the other processes", code=code)
        if not engine_stays:
            dist.destroy_process_group()
    if rank() > 0:
        raise SystemExit(code)


def by_rank_0(*values: bool) -> tuple[bool, ...]:
    """What rank 0 says, in every rank. All ranks must ask, at the same place."""
    if not inside():
        return values
    import torch
    import torch.distributed as dist

    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    flags = torch.tensor([int(value) for value in values], device=device)
    dist.broadcast(flags, src=0)
    return tuple(bool(flag) for flag in flags.tolist())


def any_rank(value: bool) -> bool:
    """Is it true in any rank? All ranks must ask, at the same place."""
    if not inside():
        return value
    import torch
    import torch.distributed as dist

    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    flag = torch.tensor([int(value)], device=device)
    dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    return bool(flag.item())


def _wait(ranks: Sequence[subprocess.Popen], leads: bool) -> int:
    """The code of the whole; `leads`: the first of `ranks` is rank 0."""
    failed, deadline = 0, math.inf
    while None in (codes := [one.poll() for one in ranks]):  # each is asked: a dead one behind a live one must be seen
        ended = [code for code in codes if code]
        failed = failed or next(iter(ended), 0)
        if (leads and codes[0] is not None) or set(ended) - ORDERLY:
            deadline = min(deadline, time.monotonic() + GRACE_SECONDS)
        elif ended:
            deadline = min(deadline, time.monotonic() + ORDERLY_GRACE_SECONDS)
        if time.monotonic() > deadline:
            _end(ranks)
        time.sleep(0.1)
    if leads and ranks[0].returncode == 0:
        return 0
    code = failed or next((one.returncode for one in ranks if one.returncode), 0)
    return 128 - code if code < 0 else code


def _end(ranks: Sequence[subprocess.Popen]) -> None:
    """Ends those that are still there; each says where its threads are."""
    for place, one in enumerate(ranks):
        if one.poll() is not None:
            continue
        print(f"Process {place + 1} of {len(ranks)} here does not end by itself, and is ended.", file=sys.stderr)
        one.send_signal(signal.SIGABRT)
        try:
            one.wait(LAST_WORDS_SECONDS)
        except subprocess.TimeoutExpired:
            one.kill()
            one.wait()


@contextlib.contextmanager
def _signals_passed_on(ranks: Sequence[subprocess.Popen]) -> Iterator[list[int]]:
    """Passes signals on to those that are there; yields the list of those that came."""
    asked: list[int] = []

    def pass_on(number: int, frame: object) -> None:
        asked.append(number)
        for one in ranks:
            if one.poll() is None:
                one.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in SIGNALS}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
