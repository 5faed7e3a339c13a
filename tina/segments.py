"""What each start of a run computed with: versions, precision, threads, and the commits that were read from the hub.

A line for each start in `segments.jsonl` of the run's folder; W&B gets all of them. None of it is part of what a run
is, so that a run may go on under another version, and its row then says so. Commits are read again as they were first.
"""

import dataclasses
import importlib.metadata
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tina import jsonl
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


def pinned(config: TrainConfig, folder: Path) -> TrainConfig:
    """The configuration with the commits that the run's first start read, whatever the hub has since.

    Another commit would be another experiment under the same digest.
    """
    commits: dict[str, str] = {}
    for told in jsonl.read(folder / FILE):
        commits = {name: str(commit) for name, commit in told.get("commits", {}).items()} | commits
    groups = {name: getattr(config, name) for name in commits if name in ("model", "dataset")}
    return dataclasses.replace(
        config, **{name: dataclasses.replace(group, revision=commits[name]) for name, group in groups.items()}
    )


def begin(folder: Path, new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Adds the segment of this start to the run's; all of them, oldest first."""
    found = jsonl.read(folder / FILE)
    jsonl.append(folder / FILE, new)
    return [*found, dict(new)]
