"""Files of JSON lines that several processes add to: a line that a kill cut short is left out, and told."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tina import files, foreign


def append(path: Path, *rows: Mapping[str, Any], sync: bool = False) -> None:
    """Adds lines; those of one call do not mix with others'. After a line that was cut short it begins a new one.

    `sync`: they are on the disk when it returns.
    """
    with files.open_to_append(path) as file:
        size = file.seek(0, 2)
        begun = size > 0 and (file.seek(size - 1) or True) and file.read(1) != b"\n"
        file.write(b"\n" * begun + b"".join(json.dumps(row).encode() + b"\n" for row in rows))
        if sync:
            file.flush()
            os.fsync(file.fileno())


def read(path: Path, limit: int = foreign.SMALL) -> list[dict[str, Any]]:
    """All whole lines, in order; none of a file that is not there. What is no JSON object is left out, and told.

    `limit` in bytes; a file that has more, or is no regular file, is told and left out.
    """
    if not path.exists():
        return []
    try:
        data = foreign.read_bytes(path, limit)
    except foreign.ForeignFileError as error:
        foreign.tell(f"{error} It is left out.")
        return []
    found = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = foreign.checked(foreign.parsed(line, str(path)), str(path))
        except foreign.ForeignFileError:
            row = None
        if isinstance(row, dict):
            found.append(row)
        else:
            foreign.tell(f"{path}, line {number} was cut short or damaged, and is left out.")
    return found
