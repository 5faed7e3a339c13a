"""The per-problem table of an evaluation, from the JSON file that W&B makes of a `wandb.Table`."""

import hashlib
import json

import pandas as pd

from analysis.runs import PROBLEM_COLUMNS

TABLE = "problems"
TABLE_COLUMNS = ["benchmark", "problem_id", "sample", "seed", "answer", "verdict", "tokens", "truncated"]
EMPTY = pd.DataFrame(columns=PROBLEM_COLUMNS)


def read_problem_table(data: bytes, name: str, sha256: str | None) -> tuple[pd.DataFrame, list[str]]:
    """The table and what is wrong with it in words; one that is not the file that was logged is not used."""
    if hashlib.sha256(data).hexdigest() != sha256:
        return EMPTY, [f"the per-problem table {name} is not the one that was logged (its SHA-256 differs)"]
    content = json.loads(data)
    missing = [column for column in TABLE_COLUMNS if column not in content["columns"]]
    if missing:
        return EMPTY, [f"the per-problem table {name} lacks the columns {', '.join(missing)}"]
    frame = pd.DataFrame(content["data"], columns=content["columns"])[TABLE_COLUMNS]
    return frame.rename(columns={"problem_id": "problem"}), []
