"""Where Hydra looks for launchers; what they do is in tina.launch."""

import sys
from collections.abc import Sequence

from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class LocalLauncher(Launcher):
    """Arms as processes of this machine, `workers` at a time (unset: as many as there are cores, one on a GPU)."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context, self.config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from tina.configs import typed_values
        from tina.launch import job, local

        jobs = []
        for overrides in job_overrides:
            config = self.context.config_loader.load_sweep_config(self.config, list(overrides))
            jobs.append(job.job_of(typed_values(config), " ".join(filter_overrides(overrides))))
        workers = min(self.workers or local.default_workers(jobs[0].config), len(jobs))
        codes = local.run_jobs(jobs, workers)
        if any(codes):
            print(f"{sum(map(bool, codes))} of {len(jobs)} arms are not done; the same command runs only these.")
            sys.exit(codes[0] if len(set(codes)) == 1 else 1)
        returned = []
        for overrides in job_overrides:
            one = JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED)
            one.return_value = None
            returned.append(one)
        return returned
