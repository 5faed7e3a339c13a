"""Logs on disk as Parquet: a snapshot to keep or to pass on, and the cache of what was read before."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.runs import METRIC_COLUMNS, PROBLEM_COLUMNS, RUN_COLUMNS, Logs, problems_frame
from tina import foreign
from tina.errors import UserError

AS_JSON = ("tags", "config", "summary")
NAMES = ("runs", "metrics", "problems")
FILES = tuple(f"{name}.parquet" for name in NAMES)
SUMS = "SHA256SUMS"
"""Beside the files, as `sha256sum -c` takes it: Parquet itself does not notice a flipped bit."""


class NoSnapshot(Exception):
    """There is no whole snapshot in a folder."""


def save(logs: Logs, folder: Path, stamp: str = "") -> None:
    """Writes runs.parquet, metrics.parquet and problems.parquet, all with the same stamp.

    Raises UserError if the folder cannot be written.
    """
    runs = logs.runs.assign(**{name: logs.runs[name].map(json.dumps) for name in AS_JSON})
    sums: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in zip(NAMES, (runs, logs.metrics, _as_text(logs.problems)), strict=True):
            frame = frame.copy(deep=False)
            frame.attrs = {"stamp": stamp}
            unfinished = folder / f"{name}.parquet.tmp"
            frame.to_parquet(unfinished, index=False, compression="zstd")
            sums.append(f"{_sha256(unfinished)}  {name}.parquet\n")
            unfinished.replace(folder / f"{name}.parquet")
        (folder / SUMS).write_text("".join(sums), encoding="utf-8")
    except OSError as error:
        raise UserError(f"A snapshot cannot be written to {folder} ({error.strerror}).") from error


def _as_text(problems: pd.DataFrame) -> pd.DataFrame:
    """Problem ids and answers as text: a column of Parquet has one type."""
    texts = {name: problems[name].map(str, na_action="ignore").astype("str") for name in ("problem", "answer")}
    return problems.assign(**texts)


def check_sums(folder: Path) -> None:
    """Raises NoSnapshot unless the files of a snapshot are those that were written, to the last bit."""
    try:
        lines = foreign.read_text(folder / SUMS).splitlines()
        told = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
        wrong = [file for file in FILES if _sha256(folder / file) != told.get(file)]
    except (OSError, ValueError, foreign.ForeignFileError) as error:
        raise NoSnapshot(f"{folder / SUMS} cannot be checked ({error})") from error
    if wrong or len(lines) != len(FILES):
        raise NoSnapshot(f"{', '.join(wrong) or SUMS} is not what was written")


def _sha256(path: Path) -> str:
    """Raises OSError if it is no regular file: another would never end."""
    if not path.is_file():
        raise OSError(f"{path} is no regular file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def restore(folder: Path, stamp: str | None = None) -> Logs:
    """The logs that `save` wrote; raises NoSnapshot, with the reason, if they are not all there or not of `stamp`."""
    frames = {}
    for name, columns in zip(NAMES, (RUN_COLUMNS, METRIC_COLUMNS, PROBLEM_COLUMNS), strict=True):
        path = folder / f"{name}.parquet"
        if not path.is_file():
            raise NoSnapshot(f"{path} is not there")
        try:
            frame = pd.read_parquet(path)
        except Exception as error:  # of damage there are as many kinds as fields that pyarrow and pandas look at
            raise NoSnapshot(
                f"{path} cannot be read ({(str(error) or type(error).__name__).splitlines()[0]})"
            ) from error
        if missing := [column for column in columns if column not in frame]:
            raise NoSnapshot(f"{path} lacks the columns {', '.join(missing)}")
        if stamp is not None and frame.attrs.get("stamp") != stamp:
            raise NoSnapshot(f"{path} belongs to another state")
        frames[name] = frame
    runs = frames["runs"]
    try:
        runs = runs.assign(**{name: runs[name].map(json.loads) for name in AS_JSON})
        frames["runs"] = runs.assign(tags=runs.tags.map(tuple))
    except (ValueError, TypeError, RecursionError) as error:
        raise NoSnapshot(f"{folder / 'runs.parquet'} holds no runs ({error})") from error
    if not all(isinstance(value, dict) for name in ("config", "summary") for value in runs[name]):
        raise NoSnapshot(f"{folder / 'runs.parquet'} holds no runs")
    return Logs(**frames)


def through_cache(
    cache: Path,
    source: Mapping[str, Any],
    metrics: Collection[str] | None,
    keys: Mapping[str, str],
    read: Callable[[Collection[str]], Logs],
) -> Logs:
    """The runs of `keys`: those whose key is what it was come from the cache, the others from `read`."""
    asked = json.dumps([dict(source), None if metrics is None else sorted(metrics), _code()], sort_keys=True)
    folder = cache / hashlib.sha256(asked.encode()).hexdigest()[:16]
    before, known = _cached(folder)
    changed = [name for name, key in keys.items() if before.get(name) != key]
    if known is not None and not changed and before.keys() == keys.keys():
        return known
    fresh = read(changed) if changed else None
    kept = [name for name in keys if name not in changed]
    parts = [logs for logs in (known and _only(known, kept), fresh) if logs is not None]
    logs = joined(parts)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dict(keys))
    save(logs, folder, stamp=hashlib.sha256(text.encode()).hexdigest())
    (folder / "keys.json").write_text(text, encoding="utf-8")
    return logs


def _cached(folder: Path) -> tuple[dict[str, str], Logs | None]:
    """The keys and logs of last time; nothing if a process was killed while it wrote them, or there are none."""
    try:
        text = (folder / "keys.json").read_text(encoding="utf-8")
        return json.loads(text), restore(folder, hashlib.sha256(text.encode()).hexdigest())
    except (OSError, NoSnapshot, ValueError):  # not JSON, not UTF-8
        return {}, None


def _code() -> str:
    """Hash of the code that reads: what other code read does not count."""
    folder = Path(__file__).parent
    patterns = ("sources/*.py", "wandb_*.py", "series.py", "store.py")
    files = sorted(path for pattern in patterns for path in folder.glob(pattern))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def _only(logs: Logs, names: Collection[str]) -> Logs:
    return Logs(
        logs.runs[logs.runs.id.isin(names)],
        logs.metrics[logs.metrics.run.isin(names)],
        logs.problems[logs.problems.run.isin(names)],
    )


def joined(parts: Collection[Logs]) -> Logs:
    """Several logs as one, the runs in the order of their start; categories stay categories."""
    runs = pd.concat([logs.runs for logs in parts], ignore_index=True)
    metrics = [logs.metrics for logs in parts if len(logs.metrics)]
    return Logs(
        runs.sort_values(["started", "id"], ignore_index=True),
        _joined_metrics(metrics) if metrics else pd.DataFrame(columns=METRIC_COLUMNS),
        problems_frame([logs.problems for logs in parts if len(logs.problems)]),
    )


def _joined_metrics(frames: Collection[pd.DataFrame]) -> pd.DataFrame:
    from pandas.api.types import union_categoricals

    columns = {
        name: union_categoricals([frame[name] for frame in frames])
        if name in ("run", "metric")
        else pd.concat([frame[name] for frame in frames], ignore_index=True)
        for name in METRIC_COLUMNS
    }
    return pd.DataFrame(columns)
