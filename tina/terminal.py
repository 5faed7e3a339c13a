"""What every entry point does to its output before it says anything."""

import signal
import sys


def prepare(sockets: bool = True) -> None:
    """Shows `?` for what the terminal's encoding lacks.

    Without sockets, whose other end may go away at any time, `| head` ends the command without a traceback too.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")
    if not sockets:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
