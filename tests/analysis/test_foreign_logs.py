"""Logs of others, damaged or made to do harm: what cannot be used is left out and told, and the sound run stands.

pytest tests/analysis/test_foreign_logs.py --fuzz-cases=2000      more damage at random, of each format
"""

import copy
import json
import os
import random
import re
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis import formats
from analysis.overview import Overview, overview
from analysis.runs import load
from analysis.store import NoSnapshot, restore, save
from analysis.tables import make_tables
from analysis.wandb_files import read_segment
from analysis.wandb_records import BLOCK_BYTES, FILE_HEADER, read_records
from tests.analysis import logs
from tests.conftest import run
from tina.foreign import ForeignFileError

SOUND, BAD = "cccc1111dddd2222", "aaaa1111bbbb2222"
CASES = ("wandb/*", "wandb_inject", "lighteval/*")


def tables(root: Path, source: str = "offline") -> Overview:
    """Every table and every format of it, in this process; what they are made of."""
    found = overview(load({"name": source, "root": str(root)}))
    for table in make_tables(found):
        for form in (formats.markdown, formats.latex, formats.html):
            form(table)
    return found


def cases(shared: Path, kind: str) -> list[Path]:
    return sorted((shared / "cases" / "7-hostile").glob(kind))


@pytest.mark.parametrize("kind", CASES)
def test_every_case_ends_well_with_the_sound_run(shared: Path, tmp_path: Path, kind: str) -> None:
    found = cases(shared, kind)
    assert len(found) == {"wandb/*": 11, "wandb_inject": 1, "lighteval/*": 3}[kind]
    source = "lighteval" if "lighteval" in kind else "offline"
    for case in found:
        out = tmp_path / case.name
        done = run("analysis/tables.py", f"source={source}", f"source.root={case}", "cache=null", f"out={out}")
        assert done.returncode == 0, f"{case}: {done.stderr}"
        assert "Traceback" not in done.stderr
        if list(case.rglob("*cccc*")):
            assert SOUND[:4] in (out / "runs.csv").read_text(encoding="utf-8"), case
        if case.name not in ("itembomb3", "study_markup", "study_nul", "date"):
            assert "left out" in done.stdout or "not understood" in done.stdout or "is no" in done.stdout, case


def test_what_stands_in_logs_acts_in_no_file_and_no_terminal(shared: Path, tmp_path: Path) -> None:
    case = shared / "cases" / "7-hostile" / "wandb_inject"
    settings = [f"source.root={case}", "cache=null", f"out={tmp_path / 't'}", f"figures={tmp_path / 'f'}"]
    for command in (["analysis/tables.py"], ["analysis/figures.py"], ["analysis/report.py"]):
        done = run(*command, *settings, f"report={tmp_path / 'page.html'}")
        assert done.returncode == 0, done.stderr
        assert not any(ord(c) < 32 and c not in "\n\t" for c in done.stdout + done.stderr), command
    written = [path for path in tmp_path.rglob("*") if path.suffix in (".csv", ".md", ".tex", ".html")]
    assert len(written) > 20
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert not any(ord(c) < 32 and c not in "\n\t" for c in text), path
        if path.suffix in (".html", ".md"):
            assert not re.search(r"(?<!\\)<(script>alert|img src=x)", text), path
        if path.suffix == ".tex":
            assert "^^" not in text and r"\input{" not in text and r"\write18" not in text, path
        if path.suffix == ".csv":
            assert not any(line.startswith(("=", "+", "@")) for line in text.splitlines()), path
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} <= {tmp_path, tmp_path / "t", tmp_path / "f"}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of one arm that W&B itself has logged, with its evaluation: the file of the training run."""
    folder = tmp_path_factory.mktemp("sound")
    logs.train_run(folder, SOUND, logs.config_of(), end=logs.end_of_run())
    logs.eval_run(folder, SOUND, 4, {"arithmetic_test": [[1, 0], [1, 1], [0, 0]]})
    return folder


@pytest.fixture
def beside(sound: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A copy of the sound run's folder, and the place of another run's file beside it."""
    root = tmp_path / "logs"
    shutil.copytree(sound, root)
    place = root / "wandb" / f"offline-run-20240101_000000-{BAD}" / f"run-{BAD}.wandb"
    place.parent.mkdir(parents=True)
    return root, place


def train_file(root: Path) -> Path:
    return sorted(root.rglob(f"run-{SOUND}.wandb"))[0]  # W&B's latest-run is a link to it


@pytest.mark.parametrize("kind", ["pipe", "zero", "folder", "dangling"])
def test_only_regular_files_are_read(beside: tuple[Path, Path], kind: str) -> None:
    root, place = beside
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to("/dev/zero" if kind == "zero" else "/nowhere")
    found = tables(root)
    assert [row["run"] for row in found.rows] == [SOUND]


def test_a_table_is_read_from_its_own_run_alone(beside: tuple[Path, Path], tmp_path: Path) -> None:
    root, place = beside
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    for named in ("../../../../secret.json", str(secret), "/dev/zero", "a\0b", "x" * 5000, ".", ""):
        records = [update("problems.path", named), update("problems.sha256", "0" * 64)]
        place.write_bytes(framed([numbered(i, one) for i, one in enumerate(records, start=1)]))
        segment = read_segment(place)
        assert segment.last["problems.path"] == named
        assert [row["run"] for row in tables(root).rows] == [SOUND]


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number: int, content: bytes) -> bytes:
    return varint(number * 8 + 2) + varint(len(content)) + content


def update(key: str, value: Any) -> bytes:
    """A history record's content with one item."""
    return field(2, field(1, field(2, key.encode()) + field(16, json.dumps(value).encode())))


def numbered(number: int, content: bytes) -> bytes:
    return b"\x08" + varint(number) + content


def framed(records: list[bytes]) -> bytes:
    """A file with these records, as W&B frames them."""
    data = bytearray(FILE_HEADER)
    for record in records:
        rest, first = record, True
        while True:
            left = BLOCK_BYTES - len(data) % BLOCK_BYTES
            if left < 7:
                data += bytes(left)
                continue
            chunk, rest = rest[: left - 7], rest[left - 7 :]
            kind = (1 if not rest else 2) if first else (4 if not rest else 3)
            data += struct.pack("<IHB", zlib.crc32(chunk, zlib.crc32(bytes([kind]))), len(chunk), kind) + chunk
            first = False
            if not rest:
                break
    return bytes(data)


VALUES: list[Any] = [None, True, -1, 0.5, 10**400, "x", "\0", "\ud800", [], {}, [[]], {"a": {}}, [None], {"": 1}, 2**63]
RAW = [b"", b"\0", b"\xff\xfe", b"NaN", b"-Infinity", b"1e999", b"[" * 5000, b'{"a":' * 3000, b"9" * 5000, b'"\\ud800"']


def bytes_damaged(data: bytes, dice: random.Random) -> bytes:
    """Some bytes replaced, taken out, put in, repeated, or the end cut off."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 8, 40))):
        place = dice.randrange(len(changed) + 1)
        match dice.randrange(5):
            case 0 if place < len(changed):
                changed[place] = dice.randrange(256)
            case 1:
                del changed[place : place + dice.choice((1, 3, 100))]
            case 2:
                changed[place:place] = dice.choice((dice.randbytes(dice.choice((1, 5, 50))), dice.choice(RAW)))
            case 3:
                changed[place:place] = changed[place : place + 200]
            case _:
                del changed[place:]
    return bytes(changed)


def records_damaged(data: bytes, dice: random.Random) -> bytes:
    """Records that are framed as they should be, and hold what they should not."""
    records = [record for record, _ in read_records(data, [])]
    for _ in range(dice.choice((1, 2, 5))):
        place = dice.randrange(len(records))
        match dice.randrange(5):
            case 0:
                records[place] = bytes_damaged(records[place], dice)
            case 1:
                del records[place]
                records = records or [b""]
            case 2:
                records.insert(place, numbered(place + 1, dice.randbytes(dice.choice((0, 3, 80)))))
            case 3:
                key = dice.choice(("train/global_step", "run/steps", "selection/step", "eval/a/mean", "problems.path"))
                records.insert(place, numbered(place + 1, update(key, dice.choice(VALUES))))
            case _:
                inner = field(dice.randrange(1, 20), dice.choice(RAW)) * dice.choice((1, 3))
                records.insert(place, numbered(place + 1, field(dice.choice((4, 5, 17, 18)), inner)))
    if dice.random() < 0.7:  # numbered anew, so that what follows is believed
        contents = [record[1 + _varint_bytes(record[1:]) :] if record[:1] == b"\x08" else record for record in records]
        records = [numbered(number, content) for number, content in enumerate(contents, start=1)]
    return framed(records)


def _varint_bytes(data: bytes) -> int:
    return next((place + 1 for place, byte in enumerate(data) if byte < 128), len(data))


def values_damaged(document: Any, dice: random.Random) -> Any:
    """A JSON document with some values of another kind, keys that are odd, or more of what is there."""
    document = copy.deepcopy(document)
    for _ in range(dice.choice((1, 1, 2, 5))):
        node = document
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = dice.choice(keys)
            if isinstance(node[key], dict | list) and node[key] and dice.random() < 0.7:
                node = node[key]
                continue
            if dice.random() < 0.2 and isinstance(node, dict):
                node[dice.choice(("x" * 3000, "a|" * 500 + "0", "", "aime24_avg|0", "\x1b[2J"))] = node[key]
            elif dice.random() < 0.2:
                del node[key]
            else:
                node[key] = copy.deepcopy(dice.choice(VALUES))
            break
    return document


def each(fuzz_cases: int, name: str) -> list[tuple[int, random.Random]]:
    return [(number, random.Random(f"{name} {number}")) for number in range(fuzz_cases)]


@pytest.fixture(scope="session")
def fuzz_cases(request: pytest.FixtureRequest) -> int:
    return request.config.getoption("--fuzz-cases")


@pytest.mark.parametrize("damaged", [bytes_damaged, records_damaged], ids=["bytes", "records"])
def test_a_damaged_wandb_file_hides_no_other(
    beside: tuple[Path, Path], damaged: Callable[[bytes, random.Random], bytes], fuzz_cases: int
) -> None:
    root, place = beside
    good = train_file(root).read_bytes()
    for number, dice in each(fuzz_cases, damaged.__name__):
        place.write_bytes(damaged(good, dice))
        assert SOUND in {row["run"] for row in tables(root).rows}, f"case {number}"


RESULTS = {
    "config_general": {"model_name": "someone/model", "model_config": {"model_name": "someone/model"}},
    "config_tasks": {"lighteval|aime24": {"effective_num_docs": 30, "num_samples": [1, 4]}},
    "results": {
        "lighteval|aime24|0": {"extractive_match": 0.3, "extractive_match_stderr": 0.01},
        "aime25|0": {"pass@k:k=1": 0.2, "avg@n:n=64": 0.25},
        "all": {"extractive_match": 0.3},
    },
}


def test_a_damaged_lighteval_file_hides_no_other(tmp_path: Path, fuzz_cases: int) -> None:
    name = "results_2025-01-01T00-00-00.000000.json"
    for folder in ("sound_100", "bad_100"):
        (tmp_path / folder).mkdir()
    (tmp_path / "sound_100" / name).write_text(json.dumps(RESULTS))
    good = json.dumps(RESULTS).encode()
    for number, dice in each(fuzz_cases, "lighteval"):
        bad = json.dumps(values_damaged(RESULTS, dice)).encode() if number % 2 else bytes_damaged(good, dice)
        (tmp_path / "bad_100" / name).write_bytes(bad)
        found = tables(tmp_path, "lighteval")
        assert "sound" in found.evaluated, f"case {number}"


def test_a_damaged_config_or_study_hides_no_other(beside: tuple[Path, Path], fuzz_cases: int) -> None:
    """What W&B wrote down as it should, and no run of this suite can have said."""
    root, place = beside
    study = {"study": "s", "title": "t", "axes": {"lora.rank": ["4"]}, "layout": {"labels": {"a": "b"}}, "source": "x"}
    study["arms"] = [{"digest": SOUND, "label": "a", "overrides": {"lora.rank": "4"}, "seed": 1, "folder": "f"}]
    told = {"cfg": logs.config_of(), "digest": BAD, "label": "l", "segments": [{"versions": {"torch": "2"}}]}
    told |= {"train_id": SOUND, "step": 2, "study": study}
    kinds = ("train", "eval", "study", "else")
    for number, dice in each(fuzz_cases, "config"):
        config = values_damaged(told, dice)
        items = b"".join(
            field(1, field(2, key.encode("utf-8", "replace")) + field(16, json.dumps(value).encode()))
            for key, value in config.items()
        )
        begun = field(1, BAD.encode()) + field(3, b"tina") + field(7, kinds[number % 4].encode()) + field(4, items)
        rows = [update(key, value) for key, value in logs.end_of_run().items()]
        rows += [update("eval/arithmetic_test/mean", 0.5), update("train/global_step", 3)]
        contents = [field(17, begun), *rows]
        place.write_bytes(framed([numbered(i, content) for i, content in enumerate(contents, start=1)]))
        assert SOUND in {row["run"] for row in tables(root).rows}, f"case {number}"


def test_a_damaged_snapshot_is_no_snapshot(sound: Path, tmp_path: Path, fuzz_cases: int) -> None:
    save(load({"name": "offline", "root": str(sound)}), tmp_path / "snapshot")
    files = sorted((tmp_path / "snapshot").glob("*.parquet"))
    good = {path: path.read_bytes() for path in files}
    for number, dice in each(fuzz_cases, "snapshot"):
        path = dice.choice(files)
        path.write_bytes(bytes_damaged(good[path], dice))
        try:
            restore(tmp_path / "snapshot")
        except NoSnapshot:
            pass
        finally:
            path.write_bytes(good[path])
        assert number >= 0


def test_a_damaged_table_of_problems_is_left_out(sound: Path, fuzz_cases: int) -> None:
    from analysis.problem_table import read_problem_table

    (path,) = list(sound.rglob("*.table.json"))
    good = json.loads(path.read_bytes())
    for _, dice in each(fuzz_cases, "table"):
        import hashlib

        data = json.dumps(values_damaged(good, dice)).encode()
        try:
            read_problem_table(data, "t", hashlib.sha256(data).hexdigest())
        except ForeignFileError:
            continue


def test_what_is_no_item_is_read_a_few_times_at_most(tmp_path: Path) -> None:
    """A key of many parts without a value: each part begins a match that fails, and none reads on to the end."""
    path = tmp_path / "run-x.wandb"
    content = field(2, field(1, b"\x0a\x01a" * 200_000))
    path.write_bytes(framed([numbered(1, content)]))
    assert read_segment(path).last == {}
    path.write_bytes(framed([numbered(1, b"\x12" + b"\xff" * 2**20 + b"\x00")]))
    assert read_segment(path).last == {}


def test_a_sound_file_without_record_numbers_loses_no_row(tmp_path: Path) -> None:
    """Records longer than a block stand in several chunks; the framing alone tells what is one."""
    path = tmp_path / "run-x.wandb"
    pad = field(1, field(2, b"pad") + field(16, b"1" * 900)) + field(1, field(2, b"train/a") + field(16, b"1"))
    steps = [field(1, field(2, b"train/global_step") + field(16, b"%d" % step)) for step in range(300)]
    rows = [field(2, step + pad) for step in steps]
    path.write_bytes(framed([field(17, field(1, b"x")), *rows]))
    segment = read_segment(path)
    assert list(segment.series["train/a"][0]) == list(range(300)) and not segment.damage
