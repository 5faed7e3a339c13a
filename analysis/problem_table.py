"""The per-problem table of an evaluation, from the JSON file that W&B makes of a `wandb.Table`."""

import hashlib
import re

import pandas as pd

from analysis.runs import PROBLEM_COLUMNS
from tina import foreign
from tina.foreign import ForeignFileError
from tina.terminal import visible

TABLE = "problems"
TABLE_COLUMNS = ["benchmark", "problem_id", "sample", "seed", "answer", "verdict", "tokens", "truncated"]
LARGEST_TABLE = 2**30
"""Bytes of a table: 500 problems x 64 samples have a hundredth of it."""
HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""Of a character beyond U+FFFF; one without the other is no text, and nothing can be written with it."""
EMPTY = pd.DataFrame(columns=PROBLEM_COLUMNS)


def read_problem_table(data: bytes, name: str, sha256: str | None) -> tuple[pd.DataFrame, list[str]]:
    """The table and what is wrong with it in words; one that is not the file that was logged is not used.

    Raises ForeignFileError for one that is no table of W&B's.
    """
    if hashlib.sha256(data).hexdigest() != sha256:
        return EMPTY, [f"the per-problem table {name} is not the one that was logged (its SHA-256 differs)"]
    content = foreign.parsed(data, name)
    match content:
        case {"columns": [*columns], "data": [*rows]} if all(isinstance(column, str) for column in columns):
            pass
        case _:
            raise ForeignFileError(f"{name} is no table.")
    missing = [column for column in TABLE_COLUMNS if column not in columns]
    if missing:
        return EMPTY, [f"the per-problem table {name} lacks the columns {', '.join(missing)}"]
    if len(set(columns)) < len(columns) or not all(isinstance(row, list) and len(row) == len(columns) for row in rows):
        raise ForeignFileError(f"{name} has rows of another length than its columns.")
    if HALF.search(data):
        rows = [[visible(value) if isinstance(value, str) else value for value in row] for row in rows]
    frame = pd.DataFrame(rows, columns=columns)[TABLE_COLUMNS]
    if not all(all(_is_plain(value) for value in frame[column]) for column in TABLE_COLUMNS):
        raise ForeignFileError(f"{name} holds lists where values should be.")
    return frame.rename(columns={"problem_id": "problem"}), []


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)
