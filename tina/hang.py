"""Ends a process that hangs: it says where each of its threads is, and asks to be started again by its exit code.

Processes that train together wait for each other, and one that never comes would keep the others for as long as a
scheduler lets them: half an hour until torch gives up, a night if it does not.
"""

import faulthandler
import os
import sys
import threading

from tina.errors import TRY_LATER

BACKSTOP_SECONDS = 30
"""After so long without Python's own threads getting a turn, the C library's ends the process, with exit code 1."""

_timers: list[threading.Timer] = []


def allow(seconds: float | None, work: str, setting: str = "") -> None:
    """What follows may take so long, until `over` or the next `allow`; None is no limit.

    `work` and `setting` name what it is, and what to set if it really takes longer.
    """
    over()
    if seconds is None:
        return
    faulthandler.dump_traceback_later(seconds + BACKSTOP_SECONDS, exit=True, file=sys.__stderr__)
    timer = threading.Timer(seconds, _end, [f"{work} has taken more than {seconds:g} s, and hangs", setting])
    timer.daemon = True
    timer.start()
    _timers.append(timer)


def over() -> None:
    """What was allowed a time has come to its end."""
    faulthandler.cancel_dump_traceback_later()
    while _timers:
        _timers.pop().cancel()


def _end(what: str, setting: str) -> None:
    faulthandler.dump_traceback(sys.__stderr__)
    longer = f" (if it really takes so long, set {setting})" if setting else ""
    print(f"{what}{longer}. The same command goes on from what is saved.", file=sys.__stderr__, flush=True)
    os._exit(TRY_LATER)
