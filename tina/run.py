"""One run: its identity, its place, and its log in W&B."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tina import hang, identity, schema, study, tracking
from tina.checkpoint import checkpoints
from tina.errors import TRY_LATER, TryLater
from tina.held import Held
from tina.launch import ranks
from tina.schema import TrainConfig

CLOSE_SECONDS = 600
"""What W&B is given to write its files."""


@dataclass(frozen=True)
class Run:
    """One run's identity and place."""

    config: TrainConfig
    values: dict[str, Any]
    digest: str
    folder: Path
    phase: str
    held: Held = field(default_factory=Held)

    @property
    def leads(self) -> bool:
        """Is this the process that writes, logs and evaluates?"""
        return ranks.rank() == 0

    @property
    def checkpoint_folder(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def last_checkpoint(self) -> Path | None:
        """The last whole one."""
        return next(reversed(checkpoints(self.checkpoint_folder).values()), None)

    @property
    def summary_file(self) -> Path:
        return self.folder / "summary.json"


@contextlib.contextmanager
def tracked(run: Run, facts: dict[str, Any], segments: list[dict[str, Any]]) -> Iterator[Any]:
    """The training run in W&B: yields its `log`, and closes it so that nothing logged is lost, whatever happens.

    `segments`: what each start of the run computed with, this one last.
    """
    if not run.leads:
        yield lambda row: None
        return
    label = identity.label(run.values)
    config = {
        "cfg": run.values,
        "digest": run.digest,
        "label": label,
        "folder": str(run.folder),
        "schema_version": schema.SCHEMA_VERSION,
        "segments": segments,
    }
    tags = study.studies_of(run.config.paths.outputs, run.digest)
    recorder = tracking.start(
        run.config.tracking,
        run.folder,
        run_id=run.digest,
        job_type="train",
        name=label,
        group=run.digest,
        tags=tags,
        config=config,
    )
    recorder.log(facts)
    exit_code = 1
    try:
        yield recorder.log
        exit_code = 0
    except SystemExit as stopped:  # a signal asked for the end: the log says so, and not that the run failed
        exit_code = stopped.code
        raise
    except TryLater:
        exit_code = TRY_LATER
        raise
    finally:
        # Online it may take any time to hand everything on; offline it is files of this machine.
        limit = None if run.config.tracking.mode == "online" else CLOSE_SECONDS
        with hang.within(limit, "Closing W&B's log", code=exit_code or TRY_LATER):
            recorder.finish(exit_code=exit_code)
