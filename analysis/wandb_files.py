"""A fast reader of the `.wandb` files that W&B writes, offline or not: 0.31, and versions with flat keys or no numbers.

What a record is, and which of a damaged file are whole, `wandb_records` tells. Its content is the protobuf message
`Record` of `wandb/proto/wandb_internal.proto`, whose field numbers stand below; importing W&B for them would take
longer than reading.

What is left out: values that were only put into `run.summary` (every logged row repeats itself there, which would
double the work), console output, system metrics, artifacts.
"""

import contextlib
import re
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.wandb_records import RECORD, VARINT, fields_of, whole_records
from tina import foreign
from tina.foreign import ForeignFileError

STEP = "train/global_step"
"""The x axis: `_step` counts rows, and TRL logs rows of its own between steps."""
STEP_KEYS = [tag + bytes([len(STEP)]) + STEP.encode() for tag in (b"\x12", b"\x0a")]
"""As a nested key and, in earlier versions of W&B, as a flat one."""

LARGEST_STEP = 2**53
LARGEST_BYTES = 2**30
"""What a file may have: fifty times one of 10,000 steps."""

# History rows are nearly all of a file, and decoding them as messages takes twice the time of these patterns. They are
# exact: JSON text and metric names hold no control characters, so each match ends where the next item begins.
# A key has few parts, so that what is no item is read no more than so many times.
KEY = rb"[\x0a\x12]" + VARINT + rb"([^\x00-\x1f]+)"
ITEM = re.compile(
    rb"\x0a" + VARINT + rb"((?:" + KEY.replace(b"(", b"(?:") + rb"){1,8})\x82\x01" + VARINT + rb"([^\x00-\x1f]*)",
    re.DOTALL,
)
KEY_PART = re.compile(KEY, re.DOTALL)
HISTORY, SUMMARY = b"\x12", b"\x1a"
"""Protobuf tags of the two frequent kinds of records."""

# Field numbers of the messages Record, RunRecord, ConfigRecord and ConfigItem.
RECORD_CONFIG, RECORD_RUN, RECORD_EXIT = 5, 17, 18
RUN_TEXTS = {1: "run_id", 3: "project", 6: "group", 7: "job_type"}
RUN_CONFIG, RUN_TAGS, RUN_START = 4, 10, 17
CONFIG_UPDATE, CONFIG_REMOVE = 1, 2
LATEST = 2**40
"""Seconds since the epoch."""
ITEM_KEYS, ITEM_JSON = (1, 2), 16


@dataclass
class Segment:
    """What one `.wandb` file says. `series` holds (steps, values) per metric, rows without a step left out; `last` the
    last logged value of every key, of any type."""

    path: Path
    run_id: str | None = None
    project: str = ""
    group: str = ""
    job_type: str = ""
    tags: list[str] = field(default_factory=list)
    started: float | None = None
    """Seconds since the epoch."""
    exit_code: int | None = None
    """None: no exit record, so the run is going on or was killed."""
    config: dict[str, Any] = field(default_factory=dict)
    series: dict[str, tuple[array, array]] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)


def read_segment(path: Path, wanted: Callable[[str], bool] = lambda metric: True) -> Segment:
    """Reads one `.wandb` file; `wanted` says of a metric whether its series is kept.

    Raises ForeignFileError when the file cannot be read, and nothing for what stands in it.
    """
    segment = Segment(path)
    columns: dict[bytes, tuple[array, array] | None] = {}
    last: dict[bytes, bytes] = {}
    odd_steps = odd_records = 0
    for record in whole_records(foreign.read_bytes(path, LARGEST_BYTES), segment.damage):
        head = RECORD.match(record)
        if head[2] == HISTORY:
            row = dict(ITEM.findall(record, head.end()))
            last.update(row)
            odd_steps += not _add_row(row, columns, segment.series, wanted)
        elif head[2] != SUMMARY:
            try:
                for number, message in fields_of(record):
                    _add_record(number, message, segment)
            except (ValueError, IndexError, KeyError, ForeignFileError):  # of another version of W&B, or of none
                odd_records += 1
    if odd_steps:
        segment.damage.append(f"{odd_steps} rows were left out: their {STEP} is no step")
    if odd_records:
        segment.damage.append(f"{odd_records} records were not understood")
    segment.series = {metric: column for metric, column in segment.series.items() if column[0]}
    segment.last, odd_values = _values(last)
    if odd_values:
        segment.damage.append(f"{odd_values} last values were not understood")
    return segment


def _values(last: Mapping[bytes, bytes]) -> tuple[dict[str, Any], int]:
    """The last values by name, and how many of them are none."""
    found = {}
    for key, text in last.items():
        name = _name(key)
        with contextlib.suppress(ForeignFileError):
            if name is not None:
                found[name] = _json(text)
    return found, len(last) - len(found)


def _name(key: bytes) -> str | None:
    """`a.b` for the nested key a, b, as W&B itself writes it; None of one that is no text."""
    try:
        return b".".join(KEY_PART.findall(key)).decode()
    except UnicodeDecodeError:
        return None


def _json(text: bytes) -> Any:
    """Raises ForeignFileError for what is no JSON, or too deep for what follows."""
    return foreign.checked(foreign.parsed(text, "a value"), "a value")


def _add_row(
    row: dict[bytes, bytes],
    columns: dict[bytes, tuple[array, array] | None],
    series: dict[str, tuple[array, array]],
    wanted: Callable[[str], bool],
) -> bool:
    """Appends the numbers of a history row that has a training step to their series; False if its step is none."""
    if (text := next((row[key] for key in STEP_KEYS if key in row), None)) is None:
        return True
    step = _step(text)
    if step is None:
        return False
    for key, text in row.items():
        if key not in columns:
            name = _name(key)
            keep = name is not None and not name.startswith("_") and name != STEP and wanted(name)
            columns[key] = series.setdefault(name, (array("q"), array("d"))) if keep else None
        if (column := columns[key]) is None:
            continue
        try:
            value = float(text)
        except ValueError:  # a string, a list, true or null: no number to plot; `last` has it
            continue
        column[0].append(step)
        column[1].append(value)
    return True


def _step(text: bytes) -> int | None:
    try:
        step = float(text)
    except ValueError:
        return None
    return int(step) if 0 <= step < LARGEST_STEP else None


def _add_record(number: int, message: bytes, segment: Segment) -> None:
    """Takes what is wanted from a record's content; `number` is the field of `Record` that it stands in."""
    if number == RECORD_CONFIG:
        _add_config(message, segment.config)
    elif number == RECORD_RUN:
        _add_run(message, segment)
    elif number == RECORD_EXIT:
        segment.exit_code = _whole(dict(fields_of(_bytes(message))).get(1, 0))


def _add_run(message: bytes, segment: Segment) -> None:
    for number, value in fields_of(_bytes(message)):
        if number in RUN_TEXTS:
            setattr(segment, RUN_TEXTS[number], _text(value))
        elif number == RUN_CONFIG:
            _add_config(value, segment.config)
        elif number == RUN_TAGS:
            segment.tags.append(_text(value))
        elif number == RUN_START:
            moment = dict(fields_of(_bytes(value)))
            segment.started = _whole(moment.get(1, 0), LATEST) + _whole(moment.get(2, 0)) / 1e9


def _bytes(value: Any) -> bytes:
    """An inner message. Raises ValueError if the field holds a number."""
    if not isinstance(value, bytes):
        raise ValueError(f"{value!r} is no inner message")
    return value


def _text(value: Any) -> str:
    """Raises ValueError if the field holds no text."""
    return _bytes(value).decode()


def _whole(value: Any, most: int = 2**31 - 1) -> int:
    """Raises ValueError if the field holds no whole number up to `most`."""
    if not isinstance(value, int) or value > most:
        raise ValueError(f"{value!r} is no whole number up to {most}")
    return value


def _add_config(record: bytes, config: dict[str, Any]) -> None:
    """Applies an update of run.config: a key is set as a whole, a nested key inside what is there."""
    for number, item in fields_of(_bytes(record)):
        if number not in (CONFIG_UPDATE, CONFIG_REMOVE):
            continue
        parts = list(fields_of(_bytes(item)))
        *parents, key = [_text(part) for place, part in parts if place in ITEM_KEYS]
        node = config
        for parent in parents:
            if not isinstance(node.get(parent), dict):
                node[parent] = {}
            node = node[parent]
        if number == CONFIG_UPDATE:
            node[key] = _json(_bytes(dict(parts)[ITEM_JSON]))
        else:
            node.pop(key, None)
