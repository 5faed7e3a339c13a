"""One JSON line for each sample, appended as it comes and safe against a kill at any time."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tina import foreign, jsonl

LARGEST_BYTES = 4 * 2**30
"""What a file of answers may have: 30 problems x 64 samples of 32k tokens have a tenth of it."""


@dataclass(frozen=True)
class Record:
    benchmark: str
    problem_id: str
    sample: int
    seed: int
    answer: str | None
    verdict: str
    reason: str
    format: bool
    tokens: int
    truncated: bool
    text: str

    @property
    def key(self) -> tuple[str, int]:
        return self.problem_id, self.sample


def read(path: Path) -> list[Record]:
    """All whole records of a file; what is none is left out, and told: it is asked again."""
    rows = jsonl.read(path, LARGEST_BYTES)
    found = [Record(**row) for row in rows if _is_one(row)]
    if len(found) < len(rows):
        foreign.tell(f"{path}: {len(rows) - len(found)} lines are no records of answers, and are left out.")
    return found


def _is_one(row: Mapping[str, Any]) -> bool:
    known = {field.name: field.type for field in fields(Record)}
    return row.keys() == known.keys() and all(isinstance(row[name], kind) for name, kind in known.items())


def mend(path: Path) -> None:
    """Removes a last line that a kill cut off, so that appending is safe; only for who holds the folder."""
    if path.exists():
        data = path.read_bytes()
        if data and not data.endswith(b"\n"):
            os.truncate(path, data.rfind(b"\n") + 1)


def append(path: Path, records: Iterable[Record]) -> None:
    """Writes the records in one call and waits until the disk has them."""
    jsonl.append(path, *(asdict(record) for record in records), sync=True)
