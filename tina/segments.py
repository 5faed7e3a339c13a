"""What each start of a run computed with: versions, precision, threads, and the commits that were read from the hub.

A line for each start in `segments.jsonl` of the run's folder; W&B gets all of them. None of it is part of what a run
is, so that a run may go on under another version, and its row then says so; under another commit it may not.
"""

import importlib.metadata
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tina import jsonl
from tina.errors import UserError
from tina.sampler.installed import vllm_version
from tina.schema import TrainConfig

FILE = "segments.jsonl"
PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "wandb", "math-verify", "hydra-core")


def versions() -> dict[str, str]:
    """Python's version and those of the packages that decide what a run computes."""
    found = {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PACKAGES}
    return found | ({"vllm": vllm} if (vllm := vllm_version()) else {})


def segment(config: TrainConfig, commits: Mapping[str, str | None]) -> dict[str, Any]:
    """The facts of this start; `commits` by what was read: model, dataset (None: not from the hub)."""
    import torch

    on_gpu = config.hardware.device == "cuda"
    return {
        "time": time.time(),
        "versions": versions(),
        "precision": {
            "model": config.model.dtype,
            "sampler": config.sampler.dtype or config.model.dtype,
            "attention": config.model.attention,
            "float32_matmul": torch.get_float32_matmul_precision(),
        },
        "device": torch.cuda.get_device_name() if on_gpu else platform.machine(),
        "threads": torch.get_num_threads(),
        "processes": int(os.environ.get("WORLD_SIZE", 1)),
        "commits": {name: commit for name, commit in commits.items() if commit},
    }


def begin(folder: Path, new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Adds the segment of this start to the run's; all of them, oldest first.

    Raises UserError if it was read from another commit of the hub than those before: that would be another experiment.
    """
    found = jsonl.read(folder / FILE)
    for before in found:
        for name, commit in before.get("commits", {}).items():
            now = new["commits"].get(name, commit)
            if now != commit:
                raise UserError(
                    f"This run began with commit {commit[:12]} of its {name}, and the hub has {now[:12]} now. To go "
                    f"on, read the old one from the cache (HF_HUB_OFFLINE=1); to begin anew with either, set "
                    f"{name}.revision=<commit>."
                )
    jsonl.append(folder / FILE, new)
    return [*found, dict(new)]
