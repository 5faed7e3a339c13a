"""What the entry points share: the gate in front of Hydra, and errors told in a sentence."""

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra._internal.utils import get_args_parser

from tina import terminal
from tina.errors import TRY_LATER, TryLater, UserError
from tina.terminal import visible

INFORMATIONAL = ("hydra_help", "cfg", "info", "shell_completion")
"""Flags with which Hydra prints something and starts nothing."""


def pass_gate(argv: Sequence[str], config_name: str = "train") -> None:
    """Checks the whole command line; prints every problem and exits with 2 if there is one."""
    terminal.prepare()
    arguments = get_args_parser().parse_args(list(argv))
    if arguments.help:
        from tina.usage import usage

        print(usage(config_name), end="")
        sys.exit(0)
    if any(getattr(arguments, flag) for flag in INFORMATIONAL):
        return
    from tina import gate

    with errors_in_words():
        _check_flags(arguments)
    grid = gate.check(arguments.overrides, arguments.multirun, config_name, arguments.config_dir)
    if grid.problems:
        for problem in grid.problems:
            print(visible(problem), file=sys.stderr)
        print("Nothing was started.", file=sys.stderr)
        sys.exit(2)
    if grid.launcher == "plan":
        from tina import plan

        plan.show(grid.arms, f"Plan of {grid.source}")
        sys.exit(0)
    gate.PASSED[:] = grid.arms
    with errors_in_words():
        for outputs in {arm.config["paths"]["outputs"] for arm in grid.arms}:
            _make(outputs)
    if arguments.multirun and config_name == "train":
        from tina.study import record_sweep

        record_sweep(grid)


def _check_flags(arguments: argparse.Namespace) -> None:
    """Raises UserError for flags of Hydra's with which something else would run than what is checked."""
    for flag in ("config_name", "config_path", "experimental_rerun"):
        if getattr(arguments, flag) is not None:
            raise UserError(f"--{flag.replace('_', '-')} is not taken here: add files of your own with --config-dir.")


def _make(outputs: str) -> None:
    """Makes the outputs folder: permissions, which the gate looks at, do not tell everything."""
    try:
        Path(outputs).expanduser().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"paths.outputs={outputs} cannot be made ({error.strerror}): name another folder.") from error


@contextlib.contextmanager
def errors_in_words() -> Iterator[None]:
    """A mistake of the user's is one sentence and exit code 2, without a traceback; what may be mended later, 75."""
    try:
        yield
    except UserError as error:
        print(visible(str(error)), file=sys.stderr)
        sys.exit(2)
    except TryLater as error:
        print(f"{visible(str(error))} The same command goes on from what is saved.", file=sys.stderr)
        sys.exit(TRY_LATER)
