"""The process that grading workers are forked from: it imports SymPy and math-verify once, and does nothing itself.

A replacement for a killed worker is thereby a fork of some milliseconds instead of a second of imports, and workers
share their memory. It is started as a program of its own, so that the trainer's main module, CUDA context and threads
are not in it; it lives in a session of its own and ignores the signals that are meant for the trainer; it ends, and
kills its workers, when the trainer closes the control socket or dies.

Run as: python -m tina.grading.server CONTROL_FD TIMEOUT_S MEMORY_MB
"""

import gc
import os
import resource
import signal
import socket
import sys

from tina.grading.wire import COMMAND, FORK, KILL, READY

_REAP_EVERY_S = 1.0
_FOR_THE_TRAINER = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def main(control_fd: int, timeout_s: float, memory_mb: int) -> None:
    """Serves fork and kill commands until the control socket is closed."""
    for number in _FOR_THE_TRAINER:
        signal.signal(number, signal.SIG_IGN)
    control = socket.socket(fileno=control_fd)
    from tina.grading import worker

    worker.warm_up()
    gc.freeze()  # what is there now stays shared with the forked workers
    try:
        control.sendall(READY)
    except OSError:  # the trainer has gone before it needed anything
        return
    control.settimeout(_REAP_EVERY_S)
    children: set[int] = set()
    while True:
        children -= _reaped(children)
        try:
            message, descriptors, _, _ = socket.recv_fds(control, COMMAND.size, 1)
        except TimeoutError:
            continue
        if not message:
            break
        command, pid = COMMAND.unpack(message)
        if command == FORK:
            child = os.fork()
            if child == 0:
                control.close()
                _limit_memory(memory_mb)
                worker.serve(socket.socket(fileno=descriptors[0]), timeout_s)
                os._exit(0)
            os.close(descriptors[0])
            children.add(child)
            control.sendall(COMMAND.pack(FORK, child))
        elif command == KILL and pid in children:
            _end(pid)
            children.discard(pid)
    for pid in children:
        _end(pid)


def _limit_memory(memory_mb: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 2**20, memory_mb * 2**20))


def _end(pid: int) -> None:
    """Kills and reaps a child; only unreaped children are ever named, so the pid cannot be another process's."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _reaped(children: set[int]) -> set[int]:
    return {pid for pid in children if os.waitpid(pid, os.WNOHANG)[0] == pid}


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
