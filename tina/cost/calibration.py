"""What a step takes on a machine without a data sheet: measured on a few short steps, kept beside the runs.

Sampling takes a step of the decoder for each token of the longest completion, and training computes every completion up
to the longest: on one machine and one configuration a step takes a fixed time and a time for each such token.
`python -m tina.calibrate` measures both.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tina import files, identity
from tina.cost.shapes import shape_of
from tina.errors import UserError
from tina.schema import TrainConfig

NAME = "calibration.json"


@dataclass(frozen=True)
class Calibration:
    """Seconds of a step: `fixed`, and `per_token` for each token of its longest completion."""

    fixed: float
    per_token: float

    def step_seconds(self, longest: float) -> float:
        return self.fixed + self.per_token * longest


def fitted(longest: Sequence[float], seconds: Sequence[float]) -> Calibration:
    """Through the fastest step of each length, since what else a machine does only adds to it.

    Raises ValueError if all steps have the same length.
    """
    fastest = {tokens: min(s for t, s in zip(longest, seconds, strict=True) if t == tokens) for tokens in set(longest)}
    if len(fastest) < 2:
        raise ValueError("It takes steps of two lengths to tell what a token takes.")
    per_token, fixed = np.polyfit(list(fastest), list(fastest.values()), 1)
    return Calibration(max(0.0, float(fixed)), max(0.0, float(per_token)))


def key(config: TrainConfig) -> str:
    """Everything but the lengths that decides how long a step takes on one machine."""
    algorithm, hardware, lora = config.algorithm, config.hardware, config.lora
    parts = [str(shape_of(config.model)), config.model.dtype, config.model.attention, lora.method, lora.rank]
    parts += [sorted(lora.target_modules), config.batch.completions_per_step, config.batch.completions_per_forward]
    parts += [algorithm.num_iterations, algorithm.beta > 0, hardware.gradient_checkpointing, hardware.threads]
    parts += [hardware.processes, config.sampler.backend]
    return identity.text_digest(json.dumps(parts))


def keep(config: TrainConfig, found: Calibration) -> Path:
    """Writes it for all runs below `paths.outputs`."""
    path = Path(config.paths.outputs) / NAME
    known = _known(path)
    files.write_json(path, known | {key(config): [found.fixed, found.per_token]})
    return path


def calibration_of(config: TrainConfig) -> Calibration | None:
    """What was measured for such steps; None if nothing was."""
    known = _known(Path(config.paths.outputs) / NAME)
    return Calibration(*known[key(config)]) if key(config) in known else None


def _known(path: Path) -> dict[str, list[float]]:
    """What was measured so far. Raises UserError if the file is damaged, rather than write over it."""
    if not path.exists():
        return {}
    try:
        return {name: [float(number) for number in pair] for name, pair in json.loads(path.read_bytes()).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise UserError(
            f"{path} is damaged ({error}): delete it, and measure again (python -m tina.calibrate)."
        ) from error
