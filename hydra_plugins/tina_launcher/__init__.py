"""Where Hydra looks for launchers; what they do is in tina.launch."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher as SubmititLauncher
from omegaconf import DictConfig

if TYPE_CHECKING:
    from tina.launch.job import Job


class LocalLauncher(Launcher):
    """Arms as processes of this machine, `workers` at a time (unset: as many as there are cores, one on a GPU)."""

    def __init__(self, workers: int | None = None, **elsewhere: Any) -> None:
        """`elsewhere`: what a site file sets for its cluster."""
        self.workers = workers

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Nothing: the arms were composed at the gate."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from tina.launch import local

        jobs = jobs_of(job_overrides)
        workers = min(self.workers or local.default_workers(jobs[0].config), len(jobs))
        codes = local.run_jobs(jobs, workers)
        if any(codes):
            print(f"{sum(map(bool, codes))} of {len(jobs)} arms are not done; the same command runs only these.")
            sys.exit(codes[0] if len(set(codes)) == 1 else 1)
        return completed(job_overrides)


class InProcessLauncher(BasicLauncher):
    """Hydra's own."""

    def __init__(self, **elsewhere: Any) -> None:
        super().__init__()


class SlurmLauncher(SubmititLauncher):
    """Hydra's submitit launcher with its settings; what it submits is composed here, and followed to its end."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from tina.cli import errors_in_words
        from tina.launch import slurm
        from tina.launch.settings import SlurmSettings

        with errors_in_words():
            code = slurm.run(jobs_of(job_overrides), SlurmSettings(**self.params))
        if code:
            sys.exit(code)
        return completed(job_overrides)


def jobs_of(job_overrides: Sequence[Sequence[str]]) -> list["Job"]:
    """The arms as they went through the gate, composed: nothing that is edited from now on can change them."""
    from tina import gate
    from tina.launch.job import Job

    for arm, told in zip(gate.PASSED, job_overrides, strict=True):
        values = {override.lstrip("+") for override in told}
        assert all(f"{key}={value}" in values for key, value in arm.swept.items()), f"{told} is not {arm.label}"
    return [Job(arm.config, arm.digest, arm.label) for arm in gate.PASSED]


def completed(job_overrides: Sequence[Sequence[str]]) -> list[JobReturn]:
    """What Hydra wants back; the results lie in the runs' folders."""
    returned = []
    for overrides in job_overrides:
        one = JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED)
        one.return_value = None
        returned.append(one)
    return returned
