"""W&B: one run for training, one for each evaluation, one for each study; offline unless told otherwise.

Everything lies below the run's own folder, no account is needed and nothing is asked. The resolved configuration sits
under the key `cfg`. Neither the command line, the host, the code nor the environment is recorded.

W&B writes from a process of its own, and keeps rows in memory for up to 15 s. A scheduler that ends a job signals that
process as well, and it ends at once: `Recorder` then starts another one and tells it everything again.
"""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wandb
from wandb.sdk.mailbox import MailboxClosedError

from tina.errors import UserError
from tina.schema import Tracking

LOST = (ConnectionError, MailboxClosedError)
"""What W&B raises when its process is gone."""

# A process of our own: one that was inherited ends with whoever started it (a launcher), or is on another machine.
os.environ.pop("WANDB_SERVICE", None)


@dataclass(frozen=True)
class Rows:
    """A table to be logged under `name`."""

    name: str
    columns: list[str]
    data: list[list[Any]]


@dataclass
class Recorder:
    """A W&B run of which no row is lost with W&B's own process; `open_run` starts a segment of it."""

    open_run: Callable[[], wandb.Run]
    logged: list[tuple[Mapping[str, Any], Rows | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.run = self._opened()

    def log(self, row: Mapping[str, Any], table: Rows | None = None) -> None:
        """One row of metrics, and with it a table."""
        self.logged.append((dict(row), table))
        try:
            self._send(row, table)
        except LOST:
            self._again()

    def finish(self, exit_code: int = 0) -> None:
        """Writes what W&B still has in memory, and how the run ended."""
        try:
            self.run.finish(exit_code=exit_code)
        except LOST:
            self._again()
            self.run.finish(exit_code=exit_code)

    def _again(self) -> None:
        _forget_service()
        self.run = self._opened()
        for row, table in self.logged:
            self._send(row, table)

    def _opened(self) -> wandb.Run:
        try:
            return self.open_run()
        except LOST:  # since the last run of this process
            _forget_service()
            return self.open_run()

    def _send(self, row: Mapping[str, Any], table: Rows | None) -> None:
        # Made anew for each segment: W&B binds a table to the run that it was logged to first.
        # W&B cuts a table off at 10,000 rows without a word; ours are whole.
        wandb.Table.MAX_ROWS = max(wandb.Table.MAX_ROWS, len(table.data) if table else 0)
        tables = {table.name: wandb.Table(columns=table.columns, data=table.data)} if table else {}
        self.run.log(dict(row) | tables)


def _forget_service() -> None:
    """Lets W&B start another process: the one it had is gone."""
    with contextlib.suppress(*LOST):
        wandb.teardown()


def start(
    tracking: Tracking,
    folder: Path,
    *,
    run_id: str,
    job_type: str,
    name: str,
    config: dict[str, Any],
    group: str | None = None,
    tags: Sequence[str] = (),
) -> Recorder:
    """Opens a W&B run of its own (several may be open in one process); metrics are drawn over `train/global_step`.

    Raises UserError if W&B cannot be reached in online mode.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"id": run_id, "job_type": job_type, "name": name, "config": config, "group": group, "tags": list(tags)}
    return Recorder(lambda: _open_run(tracking, folder, facts))


def _open_run(tracking: Tracking, folder: Path, facts: Mapping[str, Any]) -> wandb.Run:
    settings = wandb.Settings(
        silent=True,
        console="off",
        disable_git=True,
        disable_code=True,
        disable_job_creation=True,
        x_disable_meta=True,
        x_disable_machine_info=True,
        x_disable_stats=True,
        reinit="create_new",
    )
    try:
        run = wandb.init(
            project=tracking.project,
            entity=tracking.entity,
            dir=str(folder.resolve()),  # W&B's service may be an older process's, with another working directory
            mode=tracking.mode,
            resume="allow" if tracking.mode == "online" else None,
            settings=settings,
            **facts,
        )
    except wandb.Error as error:
        raise UserError(f"W&B could not be started ({error}): use tracking=offline, or `wandb login` first.") from error
    run.define_metric("train/global_step")
    run.define_metric("train/*", step_metric="train/global_step")
    return run
