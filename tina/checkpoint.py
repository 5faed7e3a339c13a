"""A run's checkpoints as they lie on disk, and which of them are whole. Loads no torch.

A checkpoint is written file by file, by several processes. The last file is a mark with the size of every other one, so
that what a kill or a full disk cut short is never gone on from, nor evaluated.
"""

from pathlib import Path

from tina import files, foreign

MARK = "whole.json"


def mark_whole(checkpoint: Path) -> None:
    """Says that every file of a checkpoint is written; only for who knows that all processes are done with it."""
    files.write_json(checkpoint / MARK, _sizes(checkpoint))


def is_whole(checkpoint: Path) -> bool:
    """Are all files there, each as long as it was when it was written?"""
    told = foreign.json_or_told(checkpoint / MARK)
    if not isinstance(told, dict):
        return False
    found = _sizes(checkpoint)
    return all(found.get(path) == size for path, size in told.items())


def _sizes(checkpoint: Path) -> dict[str, int]:
    found = (path for path in checkpoint.rglob("*") if path.is_file() and not path.name.startswith(MARK))
    return {path.relative_to(checkpoint).as_posix(): path.stat().st_size for path in found}


def step_of(checkpoint: Path) -> int:
    """120 for `checkpoint-120`; -1 for a folder of another name."""
    number = checkpoint.name.rpartition("-")[2]
    return int(number) if number.isdigit() else -1


def checkpoints(folder: Path) -> dict[int, Path]:
    """The whole checkpoints in a run's folder of checkpoints: step to folder, in order."""
    return {step_of(path): path for path in _found(folder) if is_whole(path)}


def broken_checkpoints(folder: Path) -> list[Path]:
    """Those that were not written to their end."""
    return [path for path in _found(folder) if not is_whole(path)]


def _found(folder: Path) -> list[Path]:
    return sorted((path for path in folder.glob("checkpoint-*") if step_of(path) >= 0), key=step_of)
