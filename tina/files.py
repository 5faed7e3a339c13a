"""What a configured path means, and files that are there whole or not at all, whatever ends who writes them."""

import json
import os
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    """Writes beside the file and renames, so that a reader never finds half of it; makes the folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2) + "\n")


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
