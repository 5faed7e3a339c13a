"""One JSON line for each sample, appended as it comes and safe against a kill at any time."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


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
    """All whole records of a file; a last line that was cut off, or is being written, is none."""
    if not path.exists():
        return []
    data = path.read_bytes()
    return [Record(**json.loads(line)) for line in data[: data.rfind(b"\n") + 1].decode("ascii").split("\n")[:-1]]


def mend(path: Path) -> None:
    """Removes a last line that a kill cut off, so that appending is safe; only for who holds the folder."""
    if path.exists():
        data = path.read_bytes()
        if data and not data.endswith(b"\n"):
            os.truncate(path, data.rfind(b"\n") + 1)


def append(path: Path, records: Iterable[Record]) -> None:
    """Writes the records in one call and waits until the disk has them."""
    lines = "".join(json.dumps(asdict(record), ensure_ascii=True) + "\n" for record in records)
    with path.open("ab") as file:
        file.write(lines.encode("ascii"))
        file.flush()
        os.fsync(file.fileno())
