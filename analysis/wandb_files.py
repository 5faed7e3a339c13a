"""A fast reader of the `.wandb` files that W&B 0.31 writes, offline or not.

A file is a 7-byte header, then blocks of 32 KiB in the framing of LevelDB's log: chunks of `crc32 (4) | length (2) |
type (1) | data`, a record being one chunk (type 1) or a first, middle and last one (2, 3, 4). The data is the protobuf
message `Record` of `wandb/proto/wandb_internal.proto`, whose field numbers stand below; importing W&B for them would
take longer than reading. A chunk whose checksum is wrong is never used, nor is a record of several chunks that do not
belong together: every record is numbered and says its length. So what was not logged cannot come out.

What is left out: values that were only put into `run.summary` (every logged row repeats itself there, which would
double the work), console output, system metrics, artifacts.
"""

import json
import re
import struct
import zlib
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STEP = "train/global_step"
"""The x axis: `_step` counts rows, and TRL logs rows of its own between steps."""
STEP_KEY = b"\x12" + bytes([len(STEP)]) + STEP.encode()

FILE_HEADER = b":W&B\xe1\xbe\x00"
BLOCK_BYTES = 32 * 1024
CHUNK_HEADER = struct.Struct("<IHB")
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
LOST, CUT = -1, -2
LARGEST_STEP = 2**53
CRC_OF_TYPE = {kind: zlib.crc32(bytes([kind])) for kind in (FULL, FIRST, MIDDLE, LAST)}

# History rows are nearly all of a file, and decoding them as messages takes twice the time of these patterns. They are
# exact: JSON text and metric names hold no control characters, so each match ends where the next item begins.
VARINT = rb"[\x80-\xff]*[\x00-\x7f]"
KEY = rb"[\x0a\x12]" + VARINT + rb"([^\x00-\x1f]+)"
RECORD = re.compile(rb"(?:\x08(" + VARINT + rb"))?(" + VARINT + rb")(" + VARINT + rb")", re.DOTALL)
ITEM = re.compile(
    rb"\x0a" + VARINT + rb"((?:" + KEY.replace(b"(", b"(?:") + rb")+)\x82\x01" + VARINT + rb"([^\x00-\x1f]*)", re.DOTALL
)
KEY_PART = re.compile(KEY, re.DOTALL)
HISTORY, SUMMARY = b"\x12", b"\x1a"
"""Protobuf tags of the two frequent kinds of records."""

# Field numbers of the messages Record, RunRecord, ConfigRecord and ConfigItem.
RECORD_CONFIG, RECORD_RUN, RECORD_EXIT = 5, 17, 18
RUN_TEXTS = {1: "run_id", 3: "project", 6: "group", 7: "job_type"}
RUN_CONFIG, RUN_TAGS, RUN_START = 4, 10, 17
CONFIG_UPDATE, CONFIG_REMOVE = 1, 2
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
    tags: tuple[str, ...] = ()
    started: float | None = None
    """Seconds since the epoch."""
    exit_code: int | None = None
    """None: no exit record, so the run is going on or was killed."""
    config: dict[str, Any] = field(default_factory=dict)
    series: dict[str, tuple[array, array]] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)


def read_records(data: bytes, damage: list[str]) -> Iterator[tuple[bytes, bool]]:
    """What the framing says are records, in order, each with whether it was joined from several chunks.

    What is lost is told in `damage`, in words.
    """
    if not data.startswith(FILE_HEADER):
        damage.append("the file header is not W&B's" if data else "the file is empty")
    parts: list[bytes] | None = None
    lost_bytes = lost_stretches = orphans = 0
    in_lost = False
    for kind, chunk in _chunks(data):
        if kind in (LOST, CUT):
            lost_stretches += kind == LOST and not in_lost
            lost_bytes += len(chunk) if kind == LOST else 0
            orphans += parts is not None and kind == LOST
            in_lost, parts = True, [] if kind == CUT else None
            continue
        in_lost = False
        if kind in (FULL, FIRST):
            orphans += parts is not None
            parts = [chunk] if kind == FIRST else None
            if kind == FULL:
                yield chunk, False
        elif parts is None:
            orphans += 1
        else:
            parts.append(chunk)
            if kind == LAST:
                yield b"".join(parts), True
                parts = None
    if orphans:
        damage.append(f"{orphans} parts of records were without the others")
    if lost_stretches:
        damage.append(f"{lost_bytes} damaged bytes in {lost_stretches} places were skipped")
    if parts is not None:
        damage.append("the file ends in the middle of a record (cut off, or still being written)")


def whole_records(data: bytes, damage: list[str]) -> Iterator[bytes]:
    """The records that were written as they stand there, in the order of their numbers, each once."""
    last = missing = misplaced = mixed = 0
    held: bytes | None = None  # a joined record is believed if the next number follows: its parts may be of two records
    for record, joined in read_records(data, damage):
        number = _number(record)
        if held is not None and number == last + 1:
            yield held
        else:
            mixed += held is not None
        held = None
        if number is None:
            mixed += 1
        elif number <= last:
            misplaced += 1
        else:
            missing += number - last - 1
            last = number
            if joined:
                held = record
            else:
                yield record
    if held is not None:
        yield held
    counts = {"are missing": missing, "in a wrong place were left out": misplaced, "made of two were left out": mixed}
    damage += [f"{count} records {what}" for what, count in counts.items() if count]


def _number(record: bytes) -> int | None:
    """The number of a record whose content ends where it says; None for one that is no whole record."""
    head = RECORD.match(record)
    if not head or head[1] is None:
        return None
    if head.end() + _integer(head[3]) != len(record):  # not the common case of one content and nothing behind it
        try:
            for _ in _fields(record):
                pass
        except (ValueError, IndexError):
            return None
    return _integer(head[1])


def _integer(varint: bytes) -> int:
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(varint))


def _chunks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, data) of each sound chunk; (LOST, bytes) of an unsound one, (CUT, bytes) of one that the file's end cuts.

    Reading goes on behind an unsound chunk if its length can be true, else at the next block.
    """
    position, size = len(FILE_HEADER), len(data)
    while position < size:
        left = BLOCK_BYTES - position % BLOCK_BYTES
        start = position + CHUNK_HEADER.size
        if left < CHUNK_HEADER.size:  # too short for a header: zeros up to the next block
            position += left
            continue
        if start > size:
            yield CUT, data[position:]
            return
        crc, length, kind = CHUNK_HEADER.unpack_from(data, position)
        chunk = data[start : start + length]
        plausible = kind in CRC_OF_TYPE and CHUNK_HEADER.size + length <= left
        if plausible and zlib.crc32(chunk, CRC_OF_TYPE[kind]) == crc:
            yield kind, chunk
        elif plausible and len(chunk) < length:
            yield CUT, data[position:]
        else:
            length = length if plausible else left - CHUNK_HEADER.size
            yield LOST, data[position : start + length]
        position = start + length


def read_segment(path: Path, wanted: Callable[[str], bool] = lambda metric: True) -> Segment:
    """Reads one `.wandb` file; `wanted` says of a metric whether its series is kept.

    Raises OSError when the file cannot be opened, and nothing for what stands in it.
    """
    segment = Segment(path)
    columns: dict[bytes, tuple[array, array] | None] = {}
    last: dict[bytes, bytes] = {}
    odd_steps = odd_records = 0
    for record in whole_records(path.read_bytes(), segment.damage):
        head = RECORD.match(record)
        if head[2] == HISTORY:
            row = dict(ITEM.findall(record, head.end()))
            last.update(row)
            odd_steps += not _add_row(row, columns, segment.series, wanted)
        elif head[2] != SUMMARY:
            try:
                for number, message in _fields(record):
                    _add_record(number, message, segment)
            except (ValueError, IndexError, KeyError):  # of another version of W&B, or of no version
                odd_records += 1
    if odd_steps:
        segment.damage.append(f"{odd_steps} rows were left out: their {STEP} is no step")
    if odd_records:
        segment.damage.append(f"{odd_records} records were not understood")
    segment.series = {metric: column for metric, column in segment.series.items() if column[0]}
    segment.last = {_name(key): json.loads(value) for key, value in last.items()}
    return segment


def _name(key: bytes) -> str:
    """`a.b` for the nested key a, b, as W&B itself writes it."""
    return b".".join(KEY_PART.findall(key)).decode()


def _add_row(
    row: dict[bytes, bytes],
    columns: dict[bytes, tuple[array, array] | None],
    series: dict[str, tuple[array, array]],
    wanted: Callable[[str], bool],
) -> bool:
    """Appends the numbers of a history row that has a training step to their series; False if its step is none."""
    if (text := row.get(STEP_KEY)) is None:
        return True
    step = _step(text)
    if step is None:
        return False
    for key, text in row.items():
        if key not in columns:
            name = _name(key)
            keep = not name.startswith("_") and name != STEP and wanted(name)
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


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """(field number, value) of a protobuf message: an integer, or the bytes of a string or an inner message.

    Raises ValueError or IndexError if it is none.
    """
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(message):
        number, wire_type = divmod(varint(), 8)
        if wire_type == 0:
            yield number, varint()
            continue
        if wire_type not in (1, 2, 5):
            raise ValueError(f"no wire type of protobuf: {wire_type}")
        length = {1: 8, 5: 4}.get(wire_type) or varint()
        position += length
        if position > len(message):
            raise ValueError("a field ends behind its message")
        yield number, message[position - length : position]


def _add_record(number: int, message: bytes, segment: Segment) -> None:
    """Takes what is wanted from a record's content; `number` is the field of `Record` that it stands in."""
    if number == RECORD_CONFIG:
        _add_config(message, segment.config)
    elif number == RECORD_RUN:
        _add_run(message, segment)
    elif number == RECORD_EXIT:
        segment.exit_code = dict(_fields(message)).get(1, 0)


def _add_run(message: bytes, segment: Segment) -> None:
    for number, value in _fields(message):
        if number in RUN_TEXTS:
            setattr(segment, RUN_TEXTS[number], value.decode())
        elif number == RUN_CONFIG:
            _add_config(value, segment.config)
        elif number == RUN_TAGS:
            segment.tags += (value.decode(),)
        elif number == RUN_START:
            moment = dict(_fields(value))
            segment.started = moment.get(1, 0) + moment.get(2, 0) / 1e9


def _add_config(record: bytes, config: dict[str, Any]) -> None:
    """Applies an update of run.config: a key is set as a whole, a nested key inside what is there."""
    for number, item in _fields(record):
        if number not in (CONFIG_UPDATE, CONFIG_REMOVE):
            continue
        parts = list(_fields(item))
        *parents, key = [part.decode() for place, part in parts if place in ITEM_KEYS]
        node = config
        for parent in parents:
            if not isinstance(node.get(parent), dict):
                node[parent] = {}
            node = node[parent]
        if number == CONFIG_UPDATE:
            node[key] = json.loads(dict(parts)[ITEM_JSON])
        else:
            node.pop(key, None)
