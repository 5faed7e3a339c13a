"""The reader of .wandb files against W&B's own, and against damage."""

import json
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.wandb_files import STEP, Segment, read_segment
from analysis.wandb_records import BLOCK_BYTES, FILE_HEADER, read_records
from tests.analysis.logs import config_of, finish, start, train_run

NASTY = {
    "text": 'quotes " and \\ back, newline \n, tab \t, \x01 control, ünïcode \u2028 日本',
    "long": "x" * 1300,
    "huge": "y" * 40_000,
    "a" * 40: "z" * 2300,
    "key with spaces/ünï": 1.5,
    "k" * 10: 10,
    "k" * 18: 18,
    "flag": True,
    "nothing": None,
    "tiny": 5e-324,
    "big": 123456789012345678,
    "nested": {"a": {"b/c": 3}, "d": "e"},
    "list": [1, [2, "x"]],
}


@cache
def inspected(path: Path) -> list[dict[str, Any]]:
    """The file as W&B's own reader tells it, one record a line."""
    command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def nasty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of some blocks with everything that JSON, protobuf and the framing make difficult."""
    dice = random.Random(0)
    config = {"cfg": config_of(), "late": {"a": 1, "b": 2}, "list": [1, None], "text": "ü\n"}
    run = start(
        tmp_path_factory.mktemp("nasty"), id="nasty", group="g", job_type="train", tags=["a", "b"], config=config
    )
    for step in range(150):
        run.log({"train/loss": dice.gauss(0, 10.0 ** dice.randint(-9, 9)), "train/count": step, STEP: step})
        run.log({f"profiling/{'k' * dice.randint(1, 200)}": dice.random()})
        if step % 75 == 0:
            run.log(NASTY | {STEP: step})
    run.config.update({"late": {"a": 9}, "new": "value"}, allow_val_change=True)
    run.config["one more"] = 1.25
    run.log({"train/loss": float("inf"), STEP: 150})
    return finish(run, exit_code=3)


def test_reads_what_wandb_inspect_reads(nasty_file: Path) -> None:
    records = inspected(nasty_file)
    rows = [record["history"]["item"] for record in records if record["type"] == "history"]
    segment = read_segment(nasty_file)

    assert nasty_file.stat().st_size > 3 * BLOCK_BYTES  # records are split over blocks
    last = {key: value for row in rows for key, value in row.items()}
    last["train/loss"] = float("inf")  # its JSON output turns numbers that are not finite into text
    assert segment.last == last
    for metric in ("train/loss", "train/count", "key with spaces/ünï", "nested.a.b/c"):
        points = [(row[STEP], row[metric]) for row in rows if STEP in row and metric in row]
        points = [(step, float(value)) for step, value in points]
        assert list(zip(*segment.series[metric], strict=True)) == points
    assert segment.damage == []


def test_reads_run_config_and_exit_as_wandb_inspect_does(nasty_file: Path) -> None:
    records = inspected(nasty_file)
    run = next(record["run"] for record in records if record["type"] == "run")
    config = dict(run["config"]["update"])
    for record in records:
        if record["type"] == "config":
            config |= record["config"]["update"]
    segment = read_segment(nasty_file)

    assert segment.config == config
    assert segment.config["late"] == {"a": 9} and segment.config["one more"] == 1.25
    assert (segment.run_id, segment.group, segment.job_type, segment.project) == ("nasty", "g", "train", "tina")
    assert segment.tags == ["a", "b"]
    assert segment.exit_code == 3


def framed(records: list[bytes]) -> bytes:
    """The records in LevelDB's framing, written down anew: what `read_records` must undo."""
    data = bytearray(FILE_HEADER)
    for record in records:
        first = True
        while first or record:
            left = BLOCK_BYTES - len(data) % BLOCK_BYTES
            if left < 7:
                data += bytes(left)
                continue
            piece, record = record[: left - 7], record[left - 7 :]
            kind = bytes([(1 if first else 4) if not record else (2 if first else 3)])
            data += struct.pack("<IH", zlib.crc32(kind + piece), len(piece)) + kind + piece
            first = False
    return bytes(data)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-30, 30)), max_size=4))
def test_records_of_any_size_come_out_as_they_went_in(sizes: list[tuple[int, int]]) -> None:
    """Sizes around multiples of a block: splits at every place, and ends of blocks too short for a header."""
    records = [random.Random(off).randbytes(max(0, n * BLOCK_BYTES + off)) for n, off in [*sizes, (0, 1)]]
    damage: list[str] = []
    assert [record for record, _ in read_records(framed(records), damage)] == records and damage == []


def test_rows_without_a_training_step_are_no_series_but_are_known(nasty_file: Path) -> None:
    segment = read_segment(nasty_file)
    assert not any(metric.startswith(("profiling/", "_")) for metric in segment.series)
    assert any(key.startswith("profiling/") for key in segment.last)
    assert "text" not in segment.series and segment.last["text"] == NASTY["text"]


def test_only_wanted_metrics_are_kept(nasty_file: Path) -> None:
    segment = read_segment(nasty_file, wanted=lambda metric: metric == "train/count")
    assert list(segment.series) == ["train/count"]
    assert list(segment.series["train/count"][1]) == list(range(150))


def test_reading_does_not_import_wandb(nasty_file: Path) -> None:
    code = f"""
import sys; from pathlib import Path
from analysis.wandb_files import read_segment
read_segment(Path({str(nasty_file)!r}))
sys.exit("wandb" in sys.modules or "torch" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def logged_by(path: Path) -> dict[str, Collection[Any]]:
    """What a file holds by W&B's own reader: (metric, step, value), (key, JSON) of history, (key, value) of config."""
    series, last, config = set(), set(), []
    for record in inspected(path):
        if record["type"] == "history":
            row = record["history"]["item"]
            series |= {(key, row.get(STEP), float(value)) for key, value in row.items() if _is_number(value)}
            last |= {(key, json.dumps(value, sort_keys=True)) for key, value in row.items()}
        elif record["type"] in ("run", "config"):
            update = (record["run"]["config"] if record["type"] == "run" else record["config"])["update"]
            config += update.items()
    return {"series": series, "last": last, "config": config}


def _is_number(value: Any) -> bool:
    return value == "Infinity" or (isinstance(value, int | float) and not isinstance(value, bool))


def assert_only_logged(segment: Segment, logged: dict[str, Collection[Any]]) -> None:
    for metric, column in segment.series.items():
        assert {(metric, *point) for point in zip(*column, strict=True)} <= logged["series"]
    for key, value in segment.last.items():
        assert (key, json.dumps("Infinity" if value == float("inf") else value, sort_keys=True)) in logged["last"]
    for item in segment.config.items():
        assert item in logged["config"]
    assert segment.exit_code in (None, 3) and segment.run_id in (None, "nasty")


def corrupted(original: bytes, dice: random.Random) -> bytes:
    """A copy that was flipped, cut, overwritten, shifted or doubled somewhere."""
    data = bytearray(original)
    at, length = dice.randrange(len(data)), dice.randint(1, 400)
    kind = dice.choice(["flip", "overwrite", "delete", "insert", "zero", "cut", "repeat"])
    if kind == "flip":
        for _ in range(dice.randint(1, 20)):
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    elif kind == "cut":
        del data[at:]
    else:
        piece = {"overwrite": dice.randbytes(length), "zero": bytes(length), "insert": dice.randbytes(length)}
        piece |= {"delete": b"", "repeat": bytes(data[at : at + length]) * 2}
        data[at : at + (0 if kind == "insert" else length)] = piece[kind]
    return bytes(data)


def test_random_corruption_never_crashes_and_never_yields_what_was_not_logged(nasty_file: Path, tmp_path: Path) -> None:
    dice, copy = random.Random(1), tmp_path / "run-copy.wandb"
    original, logged = nasty_file.read_bytes(), logged_by(nasty_file)
    told = 0
    for _ in range(2000):
        copy.write_bytes(corrupted(original, dice))
        segment = read_segment(copy)
        assert_only_logged(segment, logged)
        told += bool(segment.damage)
    assert told > 1900  # all but the few cuts that fall between two records


@pytest.fixture(scope="module")
def even_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of one length, so that the halves of two of them fit together when blocks are lost."""
    run = start(tmp_path_factory.mktemp("even"), id="nasty", group="g", job_type="train", config=config_of())
    for step in range(1000, 2000):
        run.log({STEP: step} | {f"train/{name}": step + place * 10_000 for place, name in enumerate("abcdefgh")})
    return finish(run, exit_code=3)


def test_blocks_that_are_lost_doubled_or_exchanged_are_told_and_yield_nothing_new(
    even_file: Path, tmp_path: Path
) -> None:
    dice, copy = random.Random(2), tmp_path / "run-copy.wandb"
    original, logged = even_file.read_bytes(), logged_by(even_file)
    blocks = [original[at : at + BLOCK_BYTES] for at in range(0, len(original), BLOCK_BYTES)]
    assert len(blocks) > 8
    for _ in range(200):
        found = list(blocks)
        one, other = sorted(dice.sample(range(1, len(blocks) - 1), 2))
        kind = dice.choice(["lost", "doubled", "exchanged", "two lost"])
        if kind == "exchanged":
            found[one], found[other] = found[other], found[one]
        elif kind == "doubled":
            found.insert(other, found[one])
        else:
            del found[one]
            if kind == "two lost":
                del found[other - 1]
        copy.write_bytes(b"".join(found))
        segment = read_segment(copy)
        assert_only_logged(segment, logged)
        assert segment.damage, kind


def test_a_damaged_record_costs_only_itself_and_is_said(tmp_path: Path) -> None:
    path = train_run(tmp_path, "0" * 16, config_of(), steps=range(1, 40))
    data = bytearray(path.read_bytes())
    at = data.index(b"train/kl", len(data) // 2)
    data[at] ^= 0xFF
    path.write_bytes(data)
    segment = read_segment(path)
    assert sum(len(column[0]) for column in segment.series.values()) >= 2 * 39 - 2
    assert "damaged bytes in 1 places" in segment.damage[0]
    assert segment.damage[1:] == ["1 records are missing"]


def test_a_cut_off_file_gives_its_rows_and_says_so(tmp_path: Path) -> None:
    path = train_run(tmp_path, "0" * 16, config_of(), steps=range(1, 40))
    whole = read_segment(path).series["train/kl"][0]
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"train/kl") + 3])
    segment = read_segment(path)
    steps = segment.series["train/kl"][0]
    assert 0 < len(steps) < 39 and list(steps) == list(whole[: len(steps)])
    assert segment.exit_code is None
    assert segment.damage == ["the file ends in the middle of a record (cut off, or still being written)"]


@pytest.mark.parametrize(
    ("content", "damage"), [(b"", "the file is empty"), (b"hello, world", "the file header is not W&B's")]
)
def test_a_file_that_is_no_log_says_so(tmp_path: Path, content: bytes, damage: str) -> None:
    path = tmp_path / "run-x.wandb"
    path.write_bytes(content)
    segment = read_segment(path)
    assert segment.damage[0] == damage and segment.series == {}
