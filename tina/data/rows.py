"""Rows of data files and Hub sets as plain dictionaries, each with the place it stands in."""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tina.errors import UserError

Row = tuple[str, dict[str, Any]]
"""Where the row stands (file and line), and its columns."""

csv.field_size_limit(2**31 - 1)  # worked solutions are longer than the 131,072 characters that csv allows

LINES, DOCUMENT, PARQUET, CSV = (".jsonl", ".ndjson"), (".json",), (".parquet",), (".csv",)


def local_rows(path: str | Path, wanted: Sequence[str]) -> Iterator[Row]:
    """Rows of a jsonl, json, parquet or csv file, or of all such files in a folder (by name, not in sub-folders).

    `wanted` are the top-level columns that will be looked at: of parquet the others are not read. Raises UserError for
    a path that is not there, an unknown kind of file, and a line that does not parse.
    """
    path = Path(path).expanduser()
    for file in _files(path):
        if file.suffix in LINES:
            yield from _json_lines(file)
        elif file.suffix in DOCUMENT:
            yield from _json_document(file)
        elif file.suffix in CSV:
            yield from _csv(file)
        else:
            yield from _parquet(file, wanted)


def hub_rows(
    hub_id: str, subset: str | None, split: str, revision: str | None, wanted: Sequence[str]
) -> tuple[Iterator[Row], str | None]:
    """Rows of a data set on the Hugging Face Hub (or in its cache), and the commit that they are of, where it is known.

    Raises UserError if it cannot be had.
    """
    import datasets

    try:
        table = datasets.load_dataset(hub_id, subset, split=split, revision=revision)
    except Exception as error:  # dozens of types, from the network to the set's own files; all are told in one way
        name = f"{hub_id} ({subset})" if subset else hub_id
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise UserError(
            f"The data set {name}, split {split}, cannot be loaded from the Hub: {reason}. Connect to the network (and "
            "log in, if the set is gated), or name a local copy with dataset.path=<file or folder>."
        ) from error
    selected = table.select_columns(_to_read(table.column_names, wanted))
    return ((f"{hub_id}, row {number}", row) for number, row in enumerate(selected, start=1)), commit_of(table)


def commit_of(table: Any) -> str | None:
    """The commit that a loaded data set is of: `datasets` calls the folder of its cache after it."""
    folders = [Path(file["filename"]).parent.name for file in table.cache_files]
    return next((name for name in folders if re.fullmatch(r"[0-9a-f]{40}", name)), None)


def _files(path: Path) -> list[Path]:
    kinds = (*LINES, *DOCUMENT, *PARQUET, *CSV)
    if path.is_dir():
        if any((path / name).exists() for name in ("state.json", "dataset_dict.json")):
            raise UserError(
                f"The folder {path} was written by save_to_disk of the library datasets; write one split as a file: "
                f"datasets.load_from_disk({str(path)!r}).to_parquet('train.parquet')."
            )
        files = sorted(file for file in path.iterdir() if file.suffix in kinds and file.is_file())
        if not files:
            raise UserError(f"The folder {path} holds no data file; dataset.path takes {', '.join(kinds)}.")
        return files
    if not path.exists():
        raise UserError(f"There is no data file {path}; give dataset.path a file or folder that exists.")
    if not path.is_file():
        raise UserError(f"{path} is no regular file; give dataset.path a file or folder.")
    if path.suffix not in kinds:
        raise UserError(f"The data file {path} is of no kind that can be read; dataset.path takes {', '.join(kinds)}.")
    return [path]


def _json_lines(file: Path) -> Iterator[Row]:
    with file.open("rb") as lines:  # bytes: only \n ends a line, where text would also split at U+2028
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{file}, line {number}"
            try:
                row = json.loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError) as error:
                raise UserError(f"{where}: not JSON ({error}); mend the line or take it out.") from error
            yield where, _as_row(row, where)


def _json_document(file: Path) -> Iterator[Row]:
    try:
        document = json.loads(file.read_bytes().decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        hint = "; if it holds one object a line, name it .jsonl" if error.msg == "Extra data" else ""
        raise UserError(f"{file}, line {error.lineno}: not JSON ({error}){hint}.") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{file}: not JSON ({error}).") from error
    if not isinstance(document, list):
        raise UserError(f"{file}: must hold a list of objects, not a single {_kind(document)}.")
    for number, row in enumerate(document, start=1):
        where = f"{file}, item {number}"
        yield where, _as_row(row, where)


def _csv(file: Path) -> Iterator[Row]:
    with file.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines, strict=True)
        try:
            for row in reader:
                where = f"{file}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise UserError(f"{where}: has not as many columns as the first line; mend the line.")
                yield where, row
        except (csv.Error, UnicodeDecodeError) as error:
            raise UserError(f"{file}, after line {reader.line_num}: not CSV ({error}).") from error


def _parquet(file: Path, wanted: Sequence[str]) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.ParquetFile(file)
        number = 0
        for batch in table.iter_batches(columns=_to_read(table.schema_arrow.names, wanted)):
            for row in batch.to_pylist():
                number += 1
                yield f"{file}, row {number}", row
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{file}: not a readable parquet file ({str(error).splitlines()[0]}).") from error


def _to_read(columns: list[str], wanted: Sequence[str]) -> list[str]:
    """The wanted columns; all of them if one is missing, so that the message about it can say what there is."""
    return [column for column in columns if column in wanted] if set(wanted) <= set(columns) else columns


def _as_row(row: Any, where: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise UserError(f"{where}: must be an object with columns, not a {_kind(row)}.")
    return row


def _kind(value: Any) -> str:
    names = {dict: "object", list: "list", str: "text", bool: "truth value", type(None): "null"}
    return names.get(type(value), "number")
