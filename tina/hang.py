"""Ends a process that hangs: it says where each of its threads is, and asks to be started again by its exit code.

Processes that train together wait for each other, and one that never comes would keep the others for as long as a
scheduler lets them.
"""

import atexit
import contextlib
import faulthandler
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import NoReturn

from tina.errors import TRY_LATER

BACKSTOP_SECONDS = 30
"""After so long without Python's own threads getting a turn, the C library's ends the process, with exit code 1."""
EXIT_SECONDS = 120
"""What a process is given to end once its work is done."""

_timers: list[threading.Timer] = []


@contextlib.contextmanager
def within(seconds: float | None, work: str, setting: str = "", code: int = TRY_LATER) -> Iterator[None]:
    """What is done inside may take so long; what it allows itself (`allow`) takes the place of that."""
    allow(seconds, work, setting, code)
    try:
        yield
    finally:
        over()


def allow(seconds: float | None, work: str, setting: str = "", code: int = TRY_LATER) -> None:
    """What follows may take so long, until `over` or the next `allow`; None is no limit.

    `work` and `setting` name what it is, and what to set if it really takes longer; the process ends with `code`.
    """
    over()
    if seconds is None:
        return
    faulthandler.dump_traceback_later(seconds + BACKSTOP_SECONDS, exit=True, file=sys.__stderr__)
    timer = threading.Timer(seconds, _end, [f"{work} has taken more than {seconds:g} s, and hangs", setting, code])
    timer.daemon = True
    timer.start()
    _timers.append(timer)


def over() -> None:
    """What was allowed a time has come to its end."""
    faulthandler.cancel_dump_traceback_later()
    while _timers:
        _timers.pop().cancel()


def run_to_the_end(main: Callable[[], None]) -> NoReturn:
    """Runs `main`, and ends the process with its exit code, whatever hangs on the way out.

    Exit handlers run; the interpreter is not taken apart, since threads and destructors of C libraries hang in that
    where no timer reaches them.
    """
    code = 1
    try:
        main()
        code = 0
    except SystemExit as ended:
        code = _exit_code(ended)
    except BaseException:
        traceback.print_exc()
    allow(EXIT_SECONDS, "Ending this process", code=code)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _exit_code(ended: SystemExit) -> int:
    """As Python itself reads it: a text is told, and is a failure."""
    if ended.code is None or isinstance(ended.code, int):
        return ended.code or 0
    print(ended.code, file=sys.stderr)
    return 1


def _end(what: str, setting: str, code: int) -> None:
    faulthandler.dump_traceback(sys.__stderr__)
    longer = f" (if it really takes so long, set {setting})" if setting else ""
    again = " The same command goes on from what is saved." if code == TRY_LATER else ""
    print(f"{what}{longer}.{again}", file=sys.__stderr__, flush=True)
    os._exit(code)
