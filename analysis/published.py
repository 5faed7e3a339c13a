"""The paper's numbers as data (analysis/published/, with SOURCES.md): shown beside ours, never mixed into them."""

import csv
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "published"
BENCHMARKS = {
    "aime24": "AIME24",
    "aime25": "AIME25",
    "amc23": "AMC23",
    "math500": "MATH500",
    "gpqa_diamond": "GPQA Diamond",
    "minerva": "Minerva",
}
"""The paper's benchmarks in its order, by the name they are logged under, with their title."""

BASE = "DeepSeek-R1-Distill-Qwen-1.5B"
"""What every published run was trained from: the row of baselines.csv that stands for no training at all."""

Published = Mapping[str, Any]
"""One published row: text as it is, numbers as floats in the file's unit (percent, dollars), None where unknown."""

TEXTS = {"table", "arm", "value", "note", "model", "hub_id", "baseline", "group", "task", "system"}
TEXTS |= {"main_model", "cost_task", "preset"}


@cache
def rows(name: str) -> tuple[Published, ...]:
    """All rows of `<name>.csv`."""
    with (FOLDER / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return tuple(
            {key: text if key in TEXTS else float(text) if text else None for key, text in row.items()}
            for row in csv.DictReader(file)
        )


def find(name: str, **wanted: str) -> Published | None:
    """The first row of `<name>.csv` whose columns are as wanted."""
    return next((row for row in rows(name) if all(row[key] == value for key, value in wanted.items())), None)


def average(row: Published, benchmarks: Iterable[str]) -> float | None:
    """The published mean over `benchmarks` in percent; None where the row does not tell, or for other benchmarks.

    Over all six it is the published average itself, which may be known where the six are not.
    """
    names = list(benchmarks)
    if set(names) == set(BENCHMARKS):
        return row["average"]
    values = [row.get(name) for name in names]
    return None if not values or None in values else sum(values) / len(values)
