"""The records of a `.wandb` file: the framing of LevelDB's log, and what tells a whole record from the parts of two.

A file is a 7-byte header, then blocks of 32 KiB of chunks `crc32 (4) | length (2) | type (1) | data`, a record being
one chunk (type 1) or a first, middle and last one (2, 3, 4). A record is a protobuf message that begins with its number
(early versions of W&B gave none). A chunk whose checksum is wrong is never used, nor is a record of chunks that do not
belong together: every record is numbered and says its length. So what was not logged cannot come out.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any

FILE_HEADER = b":W&B\xe1\xbe\x00"
BLOCK_BYTES = 32 * 1024
CHUNK_HEADER = struct.Struct("<IHB")
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
LOST, CUT = -1, -2
UNNUMBERED = 0
CRC_OF_TYPE = {kind: zlib.crc32(bytes([kind])) for kind in (FULL, FIRST, MIDDLE, LAST)}
VARINT = rb"[\x80-\xff]{0,9}[\x00-\x7f]"
"""An integer of protobuf, at most 64 bits; without a bound, what is none would be read over and over."""
RECORD = re.compile(rb"(?:\x08(" + VARINT + rb"))?(" + VARINT + rb")(" + VARINT + rb")", re.DOTALL)


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
    """The records that were written as they stand there, in the order of their numbers, each once.

    Versions of W&B that number nothing leave the framing alone to tell what is whole.
    """
    last = missing = misplaced = mixed = 0
    held: bytes | None = None  # a joined record is believed if the next number follows: its parts may be of two records
    numbered = _are_numbered(data)
    for record, joined in read_records(data, damage):
        number = _number(record)
        if number == UNNUMBERED:
            if not numbered:
                yield record
                continue
            number = None
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


def _are_numbered(data: bytes) -> bool:
    """Does the first whole record that stands in one chunk have a number? Parts of two might only look as if."""
    numbers = (_number(record) for record, joined in read_records(data, []) if not joined)
    return next((number != UNNUMBERED for number in numbers if number is not None), True)


def _number(record: bytes) -> int | None:
    """The number of a record whose content ends where it says; None for one that is no whole record."""
    head = RECORD.match(record)
    if not head:
        return None
    if head.end() + _integer(head[3]) != len(record):  # not the common case of one content and nothing behind it
        try:
            for _ in fields_of(record):
                pass
        except (ValueError, IndexError):
            return None
    return UNNUMBERED if head[1] is None else _integer(head[1])


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


def fields_of(message: bytes) -> Iterator[tuple[int, Any]]:
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
            if shift >= 70:
                raise ValueError("an integer of more than 64 bits")

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
