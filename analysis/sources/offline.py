"""The `.wandb` files below a folder, with the table files beside them; nothing else is read."""

import hashlib
import os
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.metrics import canonical
from analysis.problem_table import EMPTY, LARGEST_TABLE, TABLE, read_problem_table
from analysis.runs import RUN_COLUMNS, Logs, problems_frame
from analysis.series import Part, merged, metrics_frame, split_where_steps_fall
from analysis.wandb_files import Segment, read_segment
from tina import foreign
from tina.errors import TRY_LATER, UserError
from tina.foreign import ForeignFileError
from tina.terminal import visible

MAX_WORKERS = 4
PARALLEL_BYTES = 128 * 2**20
"""Less than this is read before another process has started."""

RUN_FOLDER = re.compile(r"(?:offline-)?run-(\d{8}_\d{6})-(.+)")


def keys(source: Mapping[str, Any]) -> dict[str, str]:
    """A text for each run below `source["root"]`, at any depth, that changes when one of its files does.

    Raises UserError if there is no run.
    """
    found = {}
    for run_id, paths in _files_by_run(Path(source["root"]).expanduser()).items():
        tables = [path for log in paths for path in sorted((log.parent / "files").rglob("*.json")) if path.is_file()]
        stats = [(str(path), stat.st_size, stat.st_mtime_ns) for path in (*paths, *tables) if (stat := path.stat())]
        found[run_id] = hashlib.sha256(repr(stats).encode()).hexdigest()[:16]
    return found


def read(source: Mapping[str, Any], wanted: Callable[[str], bool], names: Collection[str] | None = None) -> Logs:
    """The runs below `source["root"]`, those of `names` alone if given. Raises UserError if there is none."""
    found = _files_by_run(Path(source["root"]).expanduser())
    found, elsewhere = _one_place({name: paths for name, paths in found.items() if names is None or name in names})
    read_segments = _read_segments([path for paths in found.values() for path in paths], wanted)
    runs, metrics, problems = [], [], []
    for name, paths in found.items():
        segments = sorted((next(read_segments) for _ in paths), key=lambda segment: segment.started)
        table, damage = _problem_table(segments)
        runs.append(_run(name, segments, [*damage, *elsewhere[name]]))
        if len(table):
            problems.append(table.assign(run=name))
        metrics += [(name, metric, *merged(parts)) for metric, parts in _parts(segments).items()]
    frame = pd.DataFrame(runs, columns=RUN_COLUMNS).sort_values(["started", "id"], ignore_index=True)
    return Logs(frame, metrics_frame(metrics), problems_frame(problems))


def _files_by_run(root: Path) -> dict[str, list[Path]]:
    """The `.wandb` files of each run below `root` by the run's id, each once (`latest-run` is a link to one)."""
    found = defaultdict(list)
    for folder, folders, files in _walk(root):
        if RUN_FOLDER.fullmatch(Path(folder).name):
            # By the file's name: the second folder of a run within a second has a number behind the id.
            for path in (Path(folder, name) for name in files if name.endswith(".wandb")):
                if path.is_symlink() and not path.exists():
                    continue
                found[path.stem.removeprefix("run-")].append(path)
            folders.clear()
    found = {run_id: sorted(paths) for run_id, paths in sorted(found.items()) if paths}
    if not found:
        what = "There are no W&B runs" if root.is_dir() else "There is no such folder"
        raise UserError(f"{what}: {root.resolve()}. Train first (python train.py), or set source.root=<folder>.")
    return found


def _one_place(found: Mapping[str, list[Path]]) -> tuple[dict[str, list[Path]], dict[str, list[str]]]:
    """The files of each run in one folder alone, and what is said of those in others.

    A run that was stopped goes on in its own folder. The same one elsewhere is a copy or was done a second time: its
    steps are not those of the first. The one that was started last counts, of equals the larger.
    """
    kept, told = {}, {}
    for name, paths in found.items():
        places = defaultdict(list)
        for path in paths:
            places[path.parent.parent].append(path)
        last = max(places, key=lambda place: (max(map(_stamp, places[place])), _bytes(places[place])))
        kept[name] = places.pop(last)
        told[name] = [f"the same run also lies in {place}, which is left out" for place in places]
    return kept, told


def _stamp(path: Path) -> str:
    return RUN_FOLDER.fullmatch(path.parent.name)[1]


def _bytes(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def _walk(root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """os.walk through links to folders too, each folder once; one that cannot be read is told."""

    if not root.is_dir():
        return

    def tell(error: OSError) -> None:
        print(f"{error.filename} cannot be read ({error.strerror}): runs in it are left out.", file=sys.stderr)

    seen = set()
    for folder, folders, files in os.walk(root, onerror=tell, followlinks=True):
        stat = Path(folder).stat()
        if (stat.st_dev, stat.st_ino) in seen:
            folders.clear()
            continue
        seen.add((stat.st_dev, stat.st_ino))
        # A link to what is walked anyway (W&B's own latest-run) would hide the folder behind it.
        found = [path for path in (Path(folder, name) for name in folders) if not _leads_inside(path, root)]
        folders[:] = [path.name for path in sorted(found, key=Path.is_symlink)]
        yield folder, folders, files


def _leads_inside(path: Path, root: Path) -> bool:
    return path.is_symlink() and path.resolve().is_relative_to(root.resolve())


def _read_segments(paths: Sequence[Path], wanted: Callable[[str], bool]) -> Iterator[Segment]:
    """The segments in the order of their paths; where there is much to read, several processes share it."""
    workers = min(len(os.sched_getaffinity(0)), MAX_WORKERS)
    if workers == 1 or sum(path.stat().st_size for path in paths) < PARALLEL_BYTES:
        yield from (_read_segment(path, wanted) for path in paths)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_read_segment, paths, repeat(wanted))


def _read_segment(path: Path, wanted: Callable[[str], bool]) -> Segment:
    """A segment with its start, from the folder's name if the file no longer tells it."""
    try:
        segment = read_segment(path, wanted)
    except ForeignFileError as error:
        segment = Segment(path, damage=[str(error).rstrip(".")])
    if segment.run_id is None:
        segment.damage.append("the record that says what kind of run it is cannot be read")
    if segment.started is None:
        segment.started = _moment(path)
    return segment


def _moment(path: Path) -> float:
    """When a run's folder was made, by its name; when the file was written last, if the name tells no moment."""
    try:
        return time.mktime(time.strptime(_stamp(path), "%Y%m%d_%H%M%S"))
    except ValueError:
        return path.stat().st_mtime


def _run(run_id: str, segments: Sequence[Segment], damage: Iterable[str]) -> dict[str, Any]:
    last = segments[-1]
    config, summary = {}, {}
    for segment in segments:
        config |= segment.config
        summary |= segment.last
    return {
        "id": run_id,
        **{name: _last_known(segments, name) for name in ("project", "group", "job_type")},
        "tags": tuple(_last_known(segments, "tags")),
        "state": _state(last.exit_code),
        "started": segments[0].started,
        "config": config,
        "summary": summary,
        "segments": len(segments),
        "damage": visible("; ".join([*(text for segment in segments for text in segment.damage), *damage])),
        "path": str(last.path),
    }


def _state(exit_code: int | None) -> str:
    """Of a run with this exit record; an exit code above 128 is a signal's, by the shell's convention."""
    if exit_code is None or exit_code == 0:
        return "running" if exit_code is None else "finished"
    return "stopped" if exit_code > 128 or exit_code == TRY_LATER else "failed"


def _last_known(segments: Sequence[Segment], name: str) -> Any:
    values = [getattr(segment, name) for segment in segments]
    return next((value for value in reversed(values) if value), values[-1])


def _parts(segments: Iterable[Segment]) -> dict[str, list[Part]]:
    parts = defaultdict(list)
    for segment in segments:
        for metric, (steps, values) in segment.series.items():
            parts[canonical(metric)] += split_where_steps_fall(np.asarray(steps), np.asarray(values))
    return parts


def _problem_table(segments: Sequence[Segment]) -> tuple[pd.DataFrame, list[str]]:
    """The per-problem table that a run logged last, and what is wrong with it in words."""
    segment = next((s for s in reversed(segments) if f"{TABLE}.path" in s.last), None)
    if segment is None:
        return EMPTY, []
    named, files = segment.last[f"{TABLE}.path"], segment.path.parent / "files"
    if not isinstance(named, str):
        return EMPTY, [f"the path of the per-problem table is none ({str(named)[:40]!r})"]
    try:
        data = foreign.read_bytes(files / named, LARGEST_TABLE, below=files)
        return read_problem_table(data, Path(named).name, segment.last.get(f"{TABLE}.sha256"))
    except ForeignFileError as error:
        return EMPTY, [f"the per-problem table is left out: {str(error).rstrip('.')}"]
