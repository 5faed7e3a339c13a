"""The snapshot and the cache: what was read before, no more and no less."""

import json
from collections.abc import Callable, Collection
from pathlib import Path

import pandas as pd
import pytest

from analysis.runs import Logs, load
from analysis.sources import offline
from analysis.store import NoSnapshot, joined, restore, save
from tests.analysis.logs import config_of, end_of_run, eval_run, matrix, train_run
from tina.errors import UserError


def same(one: Logs, other: Logs) -> None:
    """All three frames hold the same, whatever their order of rows and kinds of text."""
    for name in ("runs", "metrics", "problems"):
        a, b = (
            frame.astype({column: str for column in frame if frame[column].dtype != float}).sort_values(
                list(frame.columns), ignore_index=True
            )
            for frame in (getattr(one, name), getattr(other, name))
        )
        pd.testing.assert_frame_equal(a, b)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    for name in "ab":
        train_run(folder, name * 16, config_of(), end=end_of_run())
    eval_run(folder, "a" * 16, 4, {"arithmetic_test": matrix(5)})
    return folder


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The names of the runs that the offline source was asked for, call by call."""
    asked, read = [], offline.read

    def listen(source: dict, wanted: Callable[[str], bool], names: Collection[str] | None = None) -> Logs:
        asked.append(sorted(names or ["everything"]))
        return read(source, wanted, names)

    monkeypatch.setattr(offline, "read", listen)
    return asked


def test_a_snapshot_holds_what_was_read(outputs: Path, tmp_path: Path) -> None:
    logs = load({"name": "offline", "root": str(outputs)})
    save(logs, tmp_path)
    again = load({"name": "snapshot", "path": str(tmp_path)})
    same(logs, again)
    assert again.runs.config[0] == logs.runs.config[0] and again.runs.tags[0] == logs.runs.tags[0]
    some = load({"name": "snapshot", "path": str(tmp_path)}, ["train/kl"])
    assert set(some.metrics.metric) == {"train/kl"}


def test_what_did_not_change_is_not_read_again(outputs: Path, tmp_path: Path, reads: list[list[str]]) -> None:
    source, cache = {"name": "offline", "root": str(outputs)}, tmp_path / "cache"
    first = load(source, ["train/kl"], cache)
    same(first, load(source, ["train/kl"], cache))
    assert len(reads) == 1 and len(reads[0]) == 3
    load(source, ["train/reward"], cache)
    assert len(reads) == 2  # other series are another question


def test_a_run_that_grew_is_read_again_and_one_that_went_is_gone(tmp_path: Path, reads: list[list[str]]) -> None:
    outputs, cache = tmp_path / "outputs", tmp_path / "cache"
    source = {"name": "offline", "root": str(outputs)}
    paths = [train_run(outputs, name * 16, config_of(), steps=range(1, 60)) for name in "abc"]
    whole = load(source, None, cache)
    data = paths[1].read_bytes()
    paths[1].write_bytes(data[: len(data) // 2])
    paths[2].unlink()
    logs = load(source, None, cache)
    assert reads[1] == ["b" * 16]
    assert sorted(logs.runs.id) == ["a" * 16, "b" * 16]
    same(logs, load(source))
    assert len(logs.metrics) < len(whole.metrics)


def test_a_problem_table_that_came_later_is_read(tmp_path: Path) -> None:
    source, cache = {"name": "offline", "root": str(tmp_path / "logs")}, tmp_path / "cache"
    log = eval_run(tmp_path / "logs", "a" * 16, 4, {"arithmetic_test": matrix(5)})
    (table,) = (log.parent / "files").rglob("*.table.json")
    whole = table.read_bytes()
    table.unlink()
    assert not len(load(source, None, cache).problems)
    table.write_bytes(whole)
    assert len(load(source, None, cache).problems) == 20


@pytest.mark.parametrize("name", ["metrics.parquet", "keys.json", "runs.parquet"])
@pytest.mark.parametrize("damage", ["gone", "cut", "foreign"])
def test_a_damaged_cache_is_made_anew(outputs: Path, tmp_path: Path, name: str, damage: str) -> None:
    source, cache = {"name": "offline", "root": str(outputs)}, tmp_path / "cache"
    logs = load(source, None, cache)
    (path,) = cache.rglob(name)
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    elif name == "keys.json":
        path.write_text(json.dumps({"a" * 16: "another"}))
    else:
        pd.DataFrame({"a": [1]}).to_parquet(path)
    same(logs, load(source, None, cache))
    same(logs, load(source, None, cache))


def test_joining_keeps_categories_and_the_order_of_starts(outputs: Path) -> None:
    everything = load({"name": "offline", "root": str(outputs)})
    parts = [offline.read({"root": str(outputs)}, lambda metric: True, [name]) for name in reversed(everything.runs.id)]
    logs = joined(parts)
    same(everything, logs)
    assert isinstance(logs.metrics.metric.dtype, pd.CategoricalDtype) and list(logs.runs.id) == list(everything.runs.id)


def test_no_snapshot_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There is no snapshot in .*Write one with export="):
        load({"name": "snapshot", "path": str(tmp_path)})
    with pytest.raises(NoSnapshot):
        restore(tmp_path)


def test_a_snapshot_of_which_a_bit_was_flipped_is_refused(outputs: Path, tmp_path: Path) -> None:
    save(load({"name": "offline", "root": str(outputs)}), tmp_path)
    source = {"name": "snapshot", "path": str(tmp_path)}
    path = tmp_path / "metrics.parquet"
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(UserError, match=r"metrics\.parquet is not what was written"):
            load(source)
    path.write_bytes(whole)
    assert len(load(source).runs) == 3
