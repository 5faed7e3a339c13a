"""Files that others may have written: regular files alone, of a bounded size, nothing in them run or filled in.

Everything that is wrong with such a file is one ForeignFileError, a sentence that names the file. Who reads several of
them catches it, tells it, and goes on with the others.
"""

import json
import os
import stat
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tina.errors import UserError

MiB = 2**20
SMALL = 16 * MiB
"""What a configuration, a summary or a manifest may have in bytes: a thousand times what it does have."""
MAX_VALUES = 200_000
"""What a document may hold, each alias of YAML counted wherever it stands."""
MAX_DEPTH = 100


class ForeignFileError(UserError):
    """A file from elsewhere that cannot be used, told in a sentence."""


@cache
def tell(sentence: str) -> None:
    """Says once in a process what was left out: files are read again and again."""
    print(sentence, file=sys.stderr)


def read_bytes(path: Path, limit: int = SMALL, below: Path | None = None) -> bytes:
    """All of a regular file of at most `limit` bytes, which has to lie `below` a folder, links followed.

    Raises ForeignFileError for anything else: a device or a pipe would never end.
    """
    try:
        if below is not None and not path.resolve().is_relative_to(below.resolve()):
            raise ForeignFileError(f"{path} leads out of {below}, and is not read.")
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError, RuntimeError) as error:  # a null character in the name, links in a circle
        raise ForeignFileError(f"{path} cannot be opened ({getattr(error, 'strerror', None) or error}).") from error
    told = os.fstat(descriptor)
    if not stat.S_ISREG(told.st_mode):
        os.close(descriptor)
        raise ForeignFileError(f"{path} is no regular file, and is not read.")
    with os.fdopen(descriptor, "rb") as file:
        if told.st_size > limit:
            raise ForeignFileError(f"{path} has {told.st_size:,} bytes, more than the {limit:,} that are read.")
        return file.read(told.st_size)  # of one that is being written, what was there


def read_text(path: Path, limit: int = SMALL, below: Path | None = None) -> str:
    """A file of UTF-8 text. Raises ForeignFileError as `read_bytes`."""
    try:
        return read_bytes(path, limit, below).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ForeignFileError(f"{path} is no text in UTF-8 ({error}).") from error


def read_json(path: Path, limit: int = SMALL, below: Path | None = None) -> Any:
    """A document of JSON. Raises ForeignFileError as `read_bytes`, and for what is none, or too deep or too large."""
    return checked(parsed(read_bytes(path, limit, below), str(path)), str(path))


def json_or_told(path: Path, limit: int = SMALL) -> Any:
    """A document of JSON; None of a file that is not there, and of one that cannot be used, which is told."""
    if not path.exists():
        return None
    try:
        return read_json(path, limit)
    except ForeignFileError as error:
        tell(f"{error} It is left out.")
        return None


def read_yaml(path: Path, limit: int = SMALL) -> Any:
    """A document of YAML with plain values alone, `${...}` left as text. Raises ForeignFileError as `read_json`."""
    text = read_text(path, limit)
    try:
        return checked(yaml.safe_load(text), str(path))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date of the 35th of a month
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ForeignFileError(f"{path} is no YAML of plain values ({first_line}).") from error


def parsed(data: bytes, where: str) -> Any:
    """A document of JSON from bytes. Raises ForeignFileError, naming `where`, for what is none."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ForeignFileError(f"{where} is no JSON ({first_line}).") from error


def checked(document: Any, where: str) -> Any:
    """The document itself. Raises ForeignFileError if it is too deep, or has too many values, for what follows."""
    left, level = MAX_VALUES, [document]
    for _ in range(MAX_DEPTH):
        left -= len(level)
        if left < 0:
            raise ForeignFileError(f"{where} holds more than {MAX_VALUES:,} values, and is not read.")
        level = [inner for value in level for inner in _inside(value, left)]
        if not level:
            return document
    raise ForeignFileError(f"{where} is nested more than {MAX_DEPTH} deep, and is not read.")


def _inside(value: Any, limit: int) -> list[Any]:
    inner = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else []
    return inner[: limit + 1]
