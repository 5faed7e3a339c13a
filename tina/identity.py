"""What a run is: the digest of its configuration, the folder it lies in, and the manifest of the study it belongs to.

The digest covers the whole resolved configuration in its canonical form, minus `NOT_IDENTITY` and what is at its
default. Two commands that mean the same experiment get the same digest, whatever groups, sweep files or launchers they
went through; a changed setting is another run.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from tina import foreign
from tina.canonical import canonical
from tina.files import local_path
from tina.schema import SCHEMA_VERSION, TrainConfig

NOT_IDENTITY = (
    # names of groups: labels for people; what a group sets is counted
    *(f"{group}.name" for group in ("model", "dataset", "prompt", "lora", "schedule", "algorithm", "reward")),
    *(f"{group}.name" for group in ("length", "sampler", "benchmarks", "selection", "tracking", "hardware")),
    # where a prompt's texts come from; the texts are counted
    "prompt.file",
    "prompt.released_template",
    "model.training_template",
    # who asked, where it lies, who is told
    "study",
    "paths",
    "tracking",
    # evaluation and choice come after training and change nothing in it
    "benchmarks",
    "evaluate",
    "selection.rule",
    "selection.benchmark",
    "selection.first_samples",
    # how an engine is run: its memory and speed, where a server is, how closely it is watched
    *(f"sampler.{name}" for name in ("eager", "gpu_memory_utilization", "cpu_kv_cache_gib", "prefix_caching", "sleep")),
    *(f"sampler.{name}" for name in ("tensor_parallel", "adapters", "url", "wait_s")),
    "sampler.fidelity_completions",
    "sampler.fidelity_every",
    # the machine and its price; the number of processes is counted, since it orders the samples
    "hardware.device",
    "hardware.threads",
    "hardware.step_timeout_s",
    "hardware.gpu",
    "hardware.usd_per_hour",
    "hardware.gradient_checkpointing",
    # limits that the gate checks, and that change nothing where they hold
    "model.max_context_tokens",
    "length.context_tokens",
    "dataset.expected_rows",
    # what forecasts rest on
    "model.shape",
    "length.expected_tokens",
    "length.expected_longest_tokens",
    # how many workers grade does not change a verdict
    "grading.workers",
)

NOT_ASKED = ("benchmarks.name", "benchmarks.expected_tokens", "selection.name")

LOCAL_FILES = ("model.path", "dataset.path")
"""Counted by content when they are local: a moved file is the same run, an edited one another."""

HASHED_WHOLE_BYTES = 64 * 2**20


def leaves(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and value of each leaf; lists and empty mappings are leaves."""
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{name}.")
        else:
            yield name, value


DEFAULTS = dict(leaves(asdict(TrainConfig())))
"""The schema's default of each setting by dotted name; `???` where there is none."""


def is_identity(name: str) -> bool:
    """Does the leaf of this dotted name count towards the digest?"""
    return not any(name == listed or name.startswith(listed + ".") for listed in NOT_IDENTITY)


@lru_cache(maxsize=256)
def _file_hash(path: Path, size: int, modified_ns: int) -> str:
    """SHA-256 of a file; of a large one (weights), of its size, first and last 32 MiB."""
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        if size <= HASHED_WHOLE_BYTES:
            digest.update(file.read())
        else:
            digest.update(file.read(HASHED_WHOLE_BYTES // 2))
            file.seek(-HASHED_WHOLE_BYTES // 2, 2)
            digest.update(file.read())
    return digest.hexdigest()


def content_hash(path: Path) -> str:
    """SHA-256 over the names and contents of a file or of all files in a folder."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        stat = file.stat()
        name = file.relative_to(path).as_posix() if path.is_dir() else ""
        digest.update(f"{name}:{_file_hash(file, stat.st_size, stat.st_mtime_ns)}\n".encode())
    return digest.hexdigest()


def identity_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The leaves that make a run what it is, by dotted name, local files by their content.

    A setting at the schema's default is left out, so that one that comes later voids no run that was made without it;
    its default then has to be what was done before.
    """
    counted = {name: value for name, value in leaves(canonical(config)) if is_identity(name) and value != {}}
    counted = {name: value for name, value in counted.items() if name not in DEFAULTS or value != DEFAULTS[name]}
    for name in LOCAL_FILES:
        path = local_path(counted.get(name))
        if path is not None and path.exists():
            counted[name] = f"sha256:{content_hash(path)}"
    return counted | {"schema_version": SCHEMA_VERSION}


def digest(config: Mapping[str, Any]) -> str:
    """16 hex digits that stand for a run: its W&B id, and (the first 8) the end of its folder's name."""
    return text_digest(json.dumps(identity_of(config), sort_keys=True, ensure_ascii=False, default=str))


def model_digest(model: Mapping[str, Any]) -> str:
    """16 hex digits that stand for a model as it is loaded, its files by content if they are local."""
    return text_digest(json.dumps(identity_of({"model": model}), sort_keys=True, default=str))


def text_digest(text: str) -> str:
    """16 hex digits of a text's SHA-256: W&B ids, here and of evaluations and studies."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def asked(config: Mapping[str, Any]) -> str:
    """16 hex digits of what a run is evaluated on and by what its checkpoint is chosen: no part of what a run is."""
    groups = {name: config[name] for name in ("benchmarks", "selection")}
    found = {name: value for name, value in leaves(groups) if name not in NOT_ASKED}
    for name, value in found.items():
        path = local_path(value) if name.startswith("benchmarks.paths.") else None
        if path is not None and path.exists():
            found[name] = content_hash(path)
    return text_digest(json.dumps(found, sort_keys=True, default=str))


def is_done(config: Mapping[str, Any], folder: Path | None = None) -> bool:
    """Has the run ended, with answers to what is asked of it now? `folder`: where it lies, if it was moved."""
    told = foreign.json_or_told((folder or run_folder(config)) / "summary.json")
    return isinstance(told, dict) and told.get("asked") == asked(config)


def label(config: Mapping[str, Any]) -> str:
    """A readable name of the same few settings for every run, for example `tiny-arithmetic-grpo-r16-lr0.001-s42`."""
    lora = config["lora"]
    parts = [
        config["model"]["name"],
        config["dataset"]["name"],
        config["algorithm"]["name"],
        config["reward"]["name"],
        f"r{lora['rank']}" if lora["method"] == "lora" else "full",
        f"lr{config['schedule']['learning_rate']:g}",
        f"n{config['schedule']['max_steps']}",
        f"s{config['seed']}",
    ]
    return "-".join(str(part) for part in parts)


def run_folder_name(config: Mapping[str, Any]) -> str:
    return f"{label(config)}-{digest(config)[:8]}"


def run_folder(config: Mapping[str, Any]) -> Path:
    return Path(config["paths"]["outputs"]) / "runs" / run_folder_name(config)


def study_file(outputs: str | Path, study: str) -> Path:
    return Path(outputs) / "studies" / f"{study}.json"
