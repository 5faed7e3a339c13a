"""What code from elsewhere may take of this process: a time and an amount of memory."""

import contextlib
import os
import resource
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

MEMORY = Path("/proc/self/statm")
"""Where Linux tells the pages of this process, its virtual memory first."""


class TookTooLong(Exception):
    """What ran inside `limited` was not done in its time."""


@contextlib.contextmanager
def limited(seconds: float, more_bytes: int) -> Iterator[None]:
    """Ends the Python code inside after `seconds` by TookTooLong, and at `more_bytes` of new memory by MemoryError.

    Signals reach the main thread alone, so another thread has no limit of time; memory is limited on Linux.
    """
    with _memory(more_bytes), _time(seconds):
        yield


@contextlib.contextmanager
def _time(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _memory(more_bytes: int) -> Iterator[None]:
    if not MEMORY.exists():
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = int(MEMORY.read_text(encoding="ascii").split()[0]) * os.sysconf("SC_PAGESIZE") + more_bytes
    limit = min(one for one in (limit, soft, hard) if one != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
