"""What `hydra/launcher=slurm_*` takes: the settings of Hydra's submitit launcher, and ours. Imports nothing slow."""

from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra_plugins.hydra_submitit_launcher.config import SlurmQueueConf

CLUSTER = "slurm_"
"""How the names of launchers begin that queue jobs instead of running them here."""


@dataclass
class SlurmSettings(SlurmQueueConf):
    """A job an arm, all in one array."""

    _target_: str = "hydra_plugins.tina_launcher.SlurmLauncher"
    submitit_folder: str = "${paths.outputs}/slurm/%j"
    timeout_min: int = 24 * 60
    signal_delay_s: int = 300
    """Seconds before the time limit at which a run is asked to save and to end; SLURM may ask a minute earlier."""
    max_num_timeout: int = 20
    """How often a run may meet its time limit and go on."""
    max_starts: int = 50
    """How often a job may be started in all: preempted, requeued, after a node's failure."""
    wait: bool = True
    """Stay and tell each arm's end; false: submit and return."""
    poll_s: float = 15.0
    """Seconds between questions to the scheduler while waiting."""
    evaluation_gres: str | None = None
    """What an evaluation job asks for with evaluate.after_train=true; the same as the training unless set."""
    evaluation_timeout_min: int | None = None


def register() -> None:
    ConfigStore.instance().store(group="hydra/launcher", name="slurm_schema", node=SlurmSettings, provider="tina")
