"""One arm on its way to a process: it carries its composed configuration, so that no later edit can change it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tina import files, identity


@dataclass(frozen=True)
class Job:
    """A composed configuration, the digest it had when it was submitted, and a label for people."""

    config: Mapping[str, Any]
    digest: str
    label: str

    @property
    def folder(self) -> Path:
        return identity.run_folder(self.config)

    @property
    def log(self) -> Path:
        """Where the process writes when it has no terminal."""
        return self.folder / "train.log"

    @property
    def done(self) -> bool:
        return identity.is_done(self.config)

    def prepare(self, *flags: str) -> list[str]:
        """Writes the configuration into the run's folder; the command that runs it (`tina.experiment` has the flags).

        The configuration is replaced, never half written: a job of the same run may be reading it.
        """
        path = self.folder / "config.yaml"
        files.write_text(path, yaml.safe_dump(dict(self.config), sort_keys=False, allow_unicode=True))
        return [sys.executable, "-m", "tina.experiment", str(path), self.digest, *flags]
