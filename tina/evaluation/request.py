"""What `evaluate.py` was asked for, with everything that was left out taken from the run. Loads no torch."""

import dataclasses
from dataclasses import asdict, dataclass
from pathlib import Path

from tina import identity
from tina.data import prompts
from tina.errors import UserError
from tina.evaluation.run_folder import RunFolder, open_run, select_steps
from tina.schema import EvaluateConfig, Prompt


@dataclass(frozen=True)
class Request:
    """An evaluation that can begin: `config` has a model and a prompt."""

    config: EvaluateConfig
    run: RunFolder | None
    steps: list[int]
    """What is evaluated, in order; 0 is the base model."""

    @property
    def source(self) -> str:
        """What the evaluations belong to: the run's digest, or the model's name."""
        return self.run.digest if self.run else self.config.model.name

    @property
    def folder(self) -> Path:
        """Where they lie."""
        if self.run:
            return self.run.path / "evaluations"
        return Path(self.config.paths.outputs) / "baselines" / self.config.model.name

    @property
    def fingerprint(self) -> str:
        """Everything about the model that changes what it answers; of a run, its digest covers all but the type."""
        if self.run:
            return f"{self.run.digest} {self.config.model.dtype}"
        return identity.model_digest(asdict(self.config.model))


def resolve(config: EvaluateConfig) -> Request:
    """Fills in what the run knows. Raises UserError if there is nothing to evaluate, or it is not there."""
    if config.run is None and config.model is None:
        raise UserError("Say what to evaluate: run=<folder of a training run>, or model=<choice>.")
    if config.model is not None and config.trust_remote_code:
        raise UserError(
            "trust_remote_code is about the base model of a run=: with model=, write model.trust_remote_code=true."
        )
    if config.run is None:
        if config.checkpoints != "all" or config.selection is not None or not config.base:
            raise UserError("checkpoints, selection and base are about a run's checkpoints: give run=<folder>, too.")
        return Request(dataclasses.replace(config, prompt=config.prompt or Prompt(name="plain")), None, [0])
    run = open_run(config.run)
    model = config.model or dataclasses.replace(run.config.model, trust_remote_code=config.trust_remote_code)
    # The run's own has its texts already, and the files that they came from need not be here.
    prompt = prompts.resolved(config.prompt, model) if config.prompt else run.config.prompt
    filled = dataclasses.replace(config, model=model, prompt=prompt)
    return Request(filled, run, [0] * config.base + select_steps(run, config.checkpoints))
