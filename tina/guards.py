"""What stands around a run: one process at a time in its folder, and an orderly end on a signal."""

import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from tina.errors import UserError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """One process at a time in a run's folder. Raises UserError if another one is there, or it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise UserError(
            f"The run's folder {folder} cannot be written ({error.strerror}): set paths.outputs."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"Another process is at work in {folder}: wait for it, or stop it.") from error
        yield


@contextlib.contextmanager
def signals_end_orderly() -> Iterator[None]:
    """SIGTERM and SIGINT unwind the stack, so that W&B and the records are closed; training has its own way to stop."""

    def leave(number: int, frame: object) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, leave) for number in SIGNALS}
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
