"""Places of ours: what a configured path means, files that are there whole or not at all, locks, private folders.

Nothing here follows a symbolic link to what it writes: in a folder that others can write, one may lead anywhere.
"""

import errno
import json
import os
import pwd
import stat
from pathlib import Path
from typing import IO, Any

from tina.errors import UserError


def write_text(path: Path, text: str) -> None:
    """Writes beside the file and renames, so that a reader never finds half of it; makes the folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    draft.unlink(missing_ok=True)
    with draft.open("x", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2) + "\n")


def open_to_append(path: Path) -> IO[bytes]:
    """A file that is added to, and can be read; made if need be. Raises UserError if it is no regular file."""
    return _opened(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, "a+b")


def open_lock(path: Path) -> IO[bytes]:
    """A file to be locked, made if need be, with what it holds left alone. Raises UserError as `open_to_append`."""
    return _opened(path, os.O_RDWR | os.O_CREAT, "r+b")


def _opened(path: Path, flags: int, mode: str) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise UserError(f"{path} is a symbolic link, and is not written through: remove it.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UserError(f"{path} is no regular file: remove it.")
    return os.fdopen(descriptor, mode)


def private_folder(path: Path) -> Path:
    """A folder that is the user's alone, made if need be: what lies in it may be trusted, even to be run.

    Raises UserError if somebody else could put another in its place.
    """
    path = path.expanduser().absolute()
    if path.is_symlink():
        raise UserError(f"{path} is a symbolic link: remove it, so that a folder of your own can be made there.")
    path.mkdir(parents=True, exist_ok=True)
    if path.stat().st_uid == os.getuid():
        path.chmod(0o700)
    if problem := written_by_others(path):
        raise UserError(problem)
    return path


def written_by_others(folder: Path, trust_owner: bool = False) -> str | None:
    """Who but the user (and root) can put files of their own in a folder, or another folder in its place; in words.

    A folder that only its files' owners may clear (`/tmp`) is safe for what is in it, and so is one of the user's own
    group, which many systems give each user. `trust_owner`: whose the folders are does not matter.
    """
    whole, real = folder.absolute(), folder.resolve()
    for place in dict.fromkeys((real, *real.parents, whole, *whole.parents)):
        told = place.stat()
        shared = told.st_mode & stat.S_IWOTH or (told.st_mode & stat.S_IWGRP and not _own_group(told.st_gid))
        if told.st_uid not in (0, os.getuid()) and not trust_owner:
            return f"{place} belongs to {_name(told.st_uid)}, who can put other files in it: use a folder of your own."
        if shared and (place in (whole, real) or not told.st_mode & stat.S_ISVTX):
            return (
                f"Others may write in {place}, and what lies there is run: use a folder of your own, or chmod go-w it."
            )
    return None


def _own_group(gid: int) -> bool:
    import grp

    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return gid == user.pw_gid and group.gr_name == user.pw_name and not set(group.gr_mem) - {user.pw_name}


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def local_path(name: str | None) -> Path | None:
    """The local file or folder that a configured path means; None for a hub id or no path at all.

    `embedded:<mix>` is a folder of weights inside the package.
    """
    if name is None:
        return None
    if name.startswith("embedded:"):
        return Path(__file__).parent / "tiny" / "weights" / name.removeprefix("embedded:")
    path = Path(name).expanduser()
    return path if path.exists() or name.startswith(("/", ".", "~")) else None
