"""What one grading worker does: it takes an item, judges it with computer algebra, and answers."""

import signal
import socket
from dataclasses import asdict

from tina.grading import algebra, wire
from tina.grading.extraction import Extraction
from tina.grading.judge import Engine, gold_problem, judge
from tina.grading.released import judge_as_released

ENGINE = Engine(algebra.same_by_algebra, algebra.parses, algebra.search)
_WARM_UP = [("x=1", "y=2x"), (r"(1,2)\cup(3,4)", "x<3"), (r"\sqrt{2}+\frac{x}{2}", r"\sin x")]


def warm_up() -> None:
    """Fills the parser's caches, which every worker then inherits."""
    for gold, answer in _WARM_UP:
        judge(gold, Extraction(answer, ""), ENGINE, 100)
    judge_as_released("1", r"\boxed{2}")


def serve(connection: socket.socket, timeout_s: float) -> None:
    """Answers requests until the connection is closed.

    The pool kills a worker that is over its limit. The timer is for a worker that the pool can no longer reach: its
    signal ends the process even inside a computation.
    """
    while (request := wire.receive(connection)) is not None:
        signal.setitimer(signal.ITIMER_REAL, timeout_s + 1.0)
        reply = answer(request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            wire.send(connection, reply)
        except OSError:  # the pool is gone, and nobody is left to be told
            return


def answer(request: dict) -> dict:
    """The reply to one request: a grade as a dictionary, {"problem": why the gold cannot be graded against}, or
    {"failed": why there is neither}."""
    try:
        if request["task"] == "gold":
            return {"problem": gold_problem(request["gold"], ENGINE, request["max_chars"])}
        if request["task"] == "as_released":
            grade = judge_as_released(request["gold"], request["text"])
        else:
            extraction = Extraction(request["text"], request["rule"], request["search"])
            grade = judge(request["gold"], extraction, ENGINE, request["max_chars"])
    except Exception as error:  # SymPy raises whatever it likes; nobody has then said whether the answer is right
        return {"failed": f"computer algebra failed ({type(error).__name__})"}
    return asdict(grade)
