"""W&B: one run for training, one for each evaluation, one for each study; offline unless told otherwise.

Everything lies below the run's own folder, no account is needed and nothing is asked. The resolved configuration sits
under the key `cfg`. Neither the command line, the host, the code nor the environment is recorded.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import wandb

from tina.errors import UserError
from tina.schema import Tracking


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
) -> wandb.Run:
    """Opens a W&B run of its own (several may be open in one process); metrics are drawn over `train/global_step`.

    Raises UserError if W&B cannot be reached in online mode.
    """
    folder.mkdir(parents=True, exist_ok=True)
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
            id=run_id,
            name=name,
            group=group,
            job_type=job_type,
            tags=list(tags),
            config=config,
            mode=tracking.mode,
            resume="allow" if tracking.mode == "online" else None,
            settings=settings,
        )
    except wandb.Error as error:
        raise UserError(f"W&B could not be started ({error}): use tracking=offline, or `wandb login` first.") from error
    run.define_metric("train/global_step")
    run.define_metric("train/*", step_metric="train/global_step")
    return run
