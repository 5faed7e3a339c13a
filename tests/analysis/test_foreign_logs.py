"""Logs of others, damaged or made to do harm: what cannot be used is left out and told, and the sound run stands.

pytest tests/analysis/test_foreign_logs.py --fuzz-cases=2000      more damage at random, of each format
"""

import contextlib
import copy
import hashlib
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

import numpy as np
import pytest

from analysis import formats
from analysis.overview import Overview, overview
from analysis.problem_table import read_problem_table
from analysis.runs import load
from analysis.series import merged, split_where_steps_fall
from analysis.sources.lighteval import _results as lighteval_results
from analysis.store import NoSnapshot, check_sums, restore, save
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
    shutil.copytree(sound, root, symlinks=True)
    place = root / "wandb" / f"offline-run-20240101_000000-{BAD}" / f"run-{BAD}.wandb"
    place.parent.mkdir(parents=True)
    return root, place


def train_file(root: Path) -> Path:
    (path,) = root.rglob(f"offline-run-*/run-{SOUND}.wandb")
    return path


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
    folder = tmp_path / "snapshot"
    save(load({"name": "offline", "root": str(sound)}), folder)
    good = {path: path.read_bytes() for path in sorted(folder.iterdir())}
    check_sums(folder)
    for number, dice in each(fuzz_cases, "snapshot"):
        path = dice.choice(list(good))
        damaged = bytes_damaged(good[path], dice)
        path.write_bytes(damaged)
        if damaged != good[path]:
            with pytest.raises(NoSnapshot):
                check_sums(folder)
                pytest.fail(f"case {number}")
        with contextlib.suppress(NoSnapshot):  # what is read without its sums may be other numbers, but nothing else
            assert len(restore(folder).runs.columns) == 12
        path.write_bytes(good[path])


@pytest.mark.parametrize("name", ["/dev/zero", "pipe"])
def test_only_regular_files_are_a_snapshot(sound: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "snapshot"
    save(load({"name": "offline", "root": str(sound)}), folder)
    os.mkfifo(folder / "pipe")
    (folder / "metrics.parquet").unlink()
    (folder / "metrics.parquet").symlink_to(name)
    for read in (check_sums, restore):
        with pytest.raises(NoSnapshot):
            read(folder)
    (folder / "SHA256SUMS").write_text("".join(f"{'0' * 64}  {one}\n" for one in (name, "/dev/zero", "runs.parquet")))
    with pytest.raises(NoSnapshot):
        check_sums(folder)


def test_a_damaged_table_of_problems_is_left_out(sound: Path, fuzz_cases: int) -> None:
    (path,) = list(sound.rglob("*.table.json"))
    good = json.loads(path.read_bytes())
    for number, dice in each(fuzz_cases, "table"):
        data = json.dumps(values_damaged(good, dice)).encode()
        with contextlib.suppress(ForeignFileError):
            found, told = read_problem_table(data, "t", hashlib.sha256(data).hexdigest())
            assert {"benchmark", "problem", "verdict"} <= set(found.columns), f"case {number}: {told}"


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


def test_a_log_without_record_numbers_keeps_its_kind_if_its_first_record_is_long(tmp_path: Path) -> None:
    path = tmp_path / "run-x.wandb"
    long = field(1, field(2, b"big") + field(16, b'"' + b"x" * 40_000 + b'"'))
    begun = field(17, field(1, b"x") + field(7, b"train") + field(4, long))
    path.write_bytes(framed([begun, update("train/global_step", 1)]))
    segment = read_segment(path)
    assert (segment.job_type, segment.damage) == ("train", [])


ODD = {
    "a list as seed": {"cfg": {"seed": [1], "model": {"path": "a/b"}}, "digest": BAD},
    "a text as seed": {"cfg": {"seed": "choice(1,2)", "model": {"path": "a/b"}}, "digest": BAD},
    "a list as benchmark": {"cfg": {"selection": {"benchmark": ["a"]}, "model": {"path": "a/b"}}, "digest": BAD},
    "a long name": {"train_id": "m", "step": 0, "model": "m" * 5000},
    "a name that leads away": {"train_id": "m", "step": 0, "model": "../dataset/limr"},
}


@pytest.mark.parametrize("config", ODD.values(), ids=ODD)
def test_settings_of_another_kind_end_no_table(beside: tuple[Path, Path], config: dict[str, Any]) -> None:
    root, place = beside
    items = b"".join(field(1, field(2, k.encode()) + field(16, json.dumps(v).encode())) for k, v in config.items())
    kind = b"eval" if "train_id" in config else b"train"
    begun = field(17, field(1, BAD.encode()) + field(7, kind) + field(4, items))
    contents = [begun, update("eval/arithmetic_test/mean", 0.5), update("eval/arithmetic_test/n_samples", 1)]
    place.write_bytes(framed([numbered(i, content) for i, content in enumerate(contents, start=1)]))
    assert SOUND in {row["run"] for row in tables(root).rows}


def test_a_broken_link_among_a_runs_files_costs_nothing(beside: tuple[Path, Path], tmp_path: Path) -> None:
    root, _ = beside
    (train_file(root).parent / "files" / "x.json").symlink_to("nowhere")
    done = run("analysis/tables.py", f"source.root={root}", f"cache={tmp_path / 'cache'}", f"out={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr


# What would be quadratic takes minutes or hours at these sizes.


def test_many_tags_are_read_once(tmp_path: Path) -> None:
    path = tmp_path / "run-x.wandb"
    path.write_bytes(framed([numbered(1, field(17, field(10, b"a") * 600_000))]))
    assert len(read_segment(path).tags) == 600_000


def test_steps_that_go_back_and_forth_are_merged_once() -> None:
    def one_by_one(parts: list[tuple[np.ndarray, np.ndarray]]) -> dict[int, float]:
        kept: dict[int, float] = {}
        for steps, values in parts:
            kept = {step: value for step, value in kept.items() if step < steps.min()}
            kept |= dict(zip(steps.tolist(), values.tolist(), strict=True))
        return kept

    dice = np.random.default_rng(0)
    for n in (5, 50, 500):
        parts = split_where_steps_fall(np.arange(n) + dice.integers(-3, 4, n), dice.random(n))
        steps, values = merged(parts)
        assert dict(zip(steps.tolist(), values.tolist(), strict=True)) == one_by_one(parts)
        assert (np.diff(steps) > 0).all()
    zigzag = np.arange(400_000) + np.where(np.arange(400_000) % 2, -1, 1)
    assert (np.diff(merged(split_where_steps_fall(zigzag, zigzag.astype(float)))[0]) > 0).all()


def test_many_tasks_of_a_file_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "a_1").mkdir()
    many = RESULTS | {
        "results": {f"t{i}|0": {"extractive_match": 0.5} for i in range(100_000)},
        "config_tasks": {f"c{i}": {} for i in range(90_000)},
    }
    path = tmp_path / "a_1" / "results_2025-01-01T00-00-00.json"
    path.write_text(json.dumps(many))
    many["results"] = dict(list(many["results"].items())[:40_000])
    many["config_tasks"] = dict(list(many["config_tasks"].items())[:40_000])
    path.write_text(json.dumps(many))
    assert len(lighteval_results(tmp_path, path)[0]) == 40_000
