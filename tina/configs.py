"""Registers the schema and the resolvers with Hydra; imported by every entry point before it composes."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from tina import identity, schema

ROOT = Path(__file__).resolve().parent.parent
CONF = ROOT / "conf"

FREE = ("trainer", "dataset.generator_options", "benchmarks.paths", "study.labels", "study.published_arms")
"""Mappings whose keys are not ours: what they may hold is checked at the gate, by name."""

SCHEMAS: dict[str, type] = {"train": schema.TrainConfig, "evaluate": schema.EvaluateConfig}
"""What an entry point takes, by the name of its file in conf/."""


def choices(folder: Path) -> list[str]:
    """The files of a group, but for those that only others build on (`_tina`)."""
    return sorted(path.stem for path in folder.glob("*.yaml") if not path.stem.startswith("_"))


def plain(config: DictConfig) -> dict[str, Any]:
    """The composed configuration as plain dictionaries, resolved, without Hydra's own node."""
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    return OmegaConf.to_container(own, resolve=True, throw_on_missing=True)


def to_typed(values: Mapping[str, Any], kind: type = schema.TrainConfig) -> Any:
    """Plain dictionaries (composed, or read from a run's config.yaml) as dataclasses; wrong types are refused."""
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(kind), dict(values)))


def typed_values(config: DictConfig) -> dict[str, Any]:
    """The composed configuration as plain dictionaries that passed through the schema: what digests are made of."""
    return asdict(to_typed(plain(config)))


def _run_folder_name(*, _root_: DictConfig) -> str:
    # Missing values are the gate's to report; a folder name must not fail before it has spoken.
    own = {key: _root_[key] for key in schema.TrainConfig.__dataclass_fields__}
    if any(OmegaConf.missing_keys(value) for value in own.values() if OmegaConf.is_config(value)):
        return "incomplete"
    return identity.run_folder_name(typed_values(OmegaConf.create(own)))


def register() -> None:
    """Makes `conf/` composable: the schemas, and the resolvers that the YAML files use."""
    OmegaConf.register_new_resolver("tina_root", lambda: str(ROOT), replace=True)
    OmegaConf.register_new_resolver("run_folder", _run_folder_name, replace=True)
    for name, kind in (("schema", schema.TrainConfig), ("evaluate_schema", schema.EvaluateConfig)):
        node = OmegaConf.structured(kind)
        for free in FREE:
            if (mapping := OmegaConf.select(node, free)) is not None:
                OmegaConf.set_struct(mapping, False)
        ConfigStore.instance().store(name=name, node=node)
