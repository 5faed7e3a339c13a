"""What every entry point does to its output before it says anything, and how foreign text is shown."""

import os
import re
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

# C0 and C1 but tab and line feed, marks that turn the direction of what follows, and halves of characters
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    r"""The text with control characters as one can read them (`\x1b`): no terminal may act on what others wrote."""
    return _CONTROL.sub(lambda found: ascii(found.group())[1:-1], text)


class Screen(Console):
    """A rich console that sends no control characters but its own."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


class _VisibleStream:
    """A text stream that shows control characters; a rich console writes to the stream behind it."""

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream

    def write(self, text: str) -> int:
        self.rich_proxied_file.write(visible(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


def _speak_utf_8() -> None:
    """Starts this process again in Python's UTF-8 mode if the locale has another encoding for files and arguments.

    What is printed keeps the terminal's.
    """
    if sys.getfilesystemencoding() == "utf-8" or os.environ.get("PYTHONUTF8") == "1":
        return
    os.environ["PYTHONUTF8"] = "1"
    if sys.stdout:
        os.environ.setdefault("PYTHONIOENCODING", sys.stdout.encoding)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def prepare(*, foreign: bool = False, sockets: bool = True) -> None:
    """Shows `?` for what the terminal's encoding lacks; what is said to a closed stream (`>&-`) is dropped.

    `foreign`: all that is printed may hold what others wrote, so control characters are shown. Without `sockets`, whose
    other end may go away at any time, `| head` ends the command without a traceback.
    """
    _speak_utf_8()
    if None in (sys.stdout, sys.stderr):
        nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  as long as the process
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")
    if foreign:
        sys.stdout, sys.stderr = _VisibleStream(sys.stdout), _VisibleStream(sys.stderr)
    if not sockets:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
