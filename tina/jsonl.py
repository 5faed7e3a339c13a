"""Files of JSON lines that several processes add to: a line that a kill cut short is left out, and told."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def append(path: Path, row: Mapping[str, Any]) -> None:
    """Adds a line; lines of one write do not mix. After a line that was cut short it begins a new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        size = file.seek(0, 2)
        torn = size and file.seek(size - 1) >= 0 and file.read(1) != b"\n"
        file.write(b"\n" * bool(torn) + json.dumps(row).encode() + b"\n")


def read(path: Path) -> list[dict[str, Any]]:
    """All whole lines, in order; none of a file that is not there. What is no JSON object is left out, and told."""
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            found.append(row)
        elif line.strip():
            print(f"{path}, line {number} was cut short or damaged, and is left out.", file=sys.stderr)
    return found
