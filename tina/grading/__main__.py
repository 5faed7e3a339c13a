"""Prints the verdict on a prediction, and how it came about: python -m tina.grading GOLD PREDICTION."""

import argparse
import sys

from tina import terminal
from tina.errors import UserError
from tina.grading.grader import Grader
from tina.grading.judge import find_answer, gold_of
from tina.grading.notation import canonical
from tina.grading.readings import readings
from tina.grading.structure import Node

_MINUS = "Put -- before a gold or a prediction that starts with a minus sign."


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 whatever the verdict, 2 for a mistake in the arguments."""
    parser = argparse.ArgumentParser(prog="python -m tina.grading", description=__doc__, epilog=_MINUS)
    parser.add_argument("gold", help="the gold answer, for example '\\frac{1}{2}'")
    parser.add_argument("prediction", help="a completion, or a bare answer")
    parser.add_argument("--mode", default="sound", help="sound (default) or as_released")
    parser.add_argument("--timeout-s", type=float, default=5.0, help="limit for computer algebra (default 5)")
    options = parser.parse_args(arguments)
    try:
        grader = Grader(mode=options.mode, timeout_s=options.timeout_s)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    grade = grader.grade([options.gold], [options.prediction])[0]
    lines = [("verdict", grade.verdict), ("answer", grade.answer or "none"), ("reason", grade.reason)]
    if options.mode == "sound":
        lines += _how(options.gold, options.prediction, grader)
    lines.append(("computer algebra", "used" if grader.counters["by_algebra"] else "not needed"))
    grader.close()
    print("\n".join(f"{name:>17}: {text}" for name, text in lines))
    return 0


def _how(gold: str, prediction: str, grader: Grader) -> list[tuple[str, str]]:
    """What gold and answer were read as."""
    expected = gold_of(gold, grader.max_chars)
    lines = [("gold is read as", " or ".join(map(_described, expected.nodes)) or expected.problem)]
    found = find_answer(gold, prediction, grader.max_chars)
    if found.answer and not found.search and len(found.answer) <= grader.max_chars:
        lines.append(("answer notation", canonical(found.answer)))
        lines.append(("answer is read as", " or ".join(map(_described, readings(found.answer)))))
    return lines


def _described(node: Node) -> str:
    inside = f"({', '.join(map(_described, node.items))})" if node.items else f" {node.text}"
    return f"{node.kind}{inside}{f' [{node.unit}]' if node.unit else ''}"


if __name__ == "__main__":
    terminal.prepare(foreign=True)
    sys.exit(main())
