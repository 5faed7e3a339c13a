"""What stands around a run: one process at a time in its folder, and an orderly end on a signal."""

import contextlib
import errno
import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tina import files
from tina.errors import UserError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def exclusive(folder: Path, patience_s: float = 0.0) -> Iterator[None]:
    """One process at a time in a run's folder. Raises UserError if another one is there, or it cannot be written.

    `patience_s`: how long to wait for the other one's end, for example of a job that was moved to another node.
    """
    try:
        lock = files.open_lock(folder / ".lock")
    except OSError as error:
        raise UserError(
            f"The run's folder {folder} cannot be written ({error.strerror}): set paths.outputs."
        ) from error
    with lock:
        deadline = time.monotonic() + patience_s
        while not _locked(lock):
            if time.monotonic() >= deadline:
                raise UserError(f"Another process is at work in {folder}: wait for it, or stop it.")
            time.sleep(0.5)
        yield


def is_held(folder: Path) -> bool:
    """Is a process of this machine, or one that shares its locks, at work in a run's folder?"""
    path = folder / ".lock"
    try:
        with path.open("rb") if path.is_file() and not path.is_symlink() else contextlib.nullcontext() as lock:
            if lock is None:
                return False
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no such file, or no locks here: then nobody can tell
        return False
    return False


def _locked(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK):
            raise
        print(f"{file.name}: this file system has no locks; start no second process on this run.", file=sys.stderr)
    return True


@contextlib.contextmanager
def signals_end_orderly() -> Iterator[None]:
    """SIGTERM and SIGINT unwind the stack, so that W&B and the records are closed; training has its own way to stop."""

    def leave(number: int, frame: object) -> None:
        # A scheduler signals each process of a job, and so does whoever started them: once is enough.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(128 + number)

    before = {number: signal.signal(number, leave) for number in SIGNALS}
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
