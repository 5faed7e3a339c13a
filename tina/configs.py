"""Registers the schema and the resolvers with Hydra; imported by every entry point before it composes."""

import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from tina import foreign, identity, schema
from tina.data import prompts
from tina.errors import UserError
from tina.launch.settings import register as register_launchers

ROOT = Path(__file__).resolve().parent.parent
CONF = ROOT / "conf"

FREE = ("trainer", "dataset.generator_options", "benchmarks.paths", "study.labels", "study.published_arms")
"""Mappings whose keys are not ours: what they may hold is checked at the gate, by name."""

SCHEMAS: dict[str, type] = {"train": schema.TrainConfig, "evaluate": schema.EvaluateConfig}
"""What an entry point takes, by the name of its file in conf/."""


def choices(folder: Path) -> list[str]:
    """The files of a group, but for those that only others build on (`_tina`)."""
    return sorted(path.stem for path in folder.glob("*.yaml") if not path.stem.startswith("_"))


def typed(config: DictConfig, kind: type = schema.TrainConfig) -> Any:
    """The composed configuration, without Hydra's own node, as the dataclasses that it was composed over.

    Raises UserError if a file that the configuration takes a text from cannot be read.
    """
    values = {field.name: config[field.name] for field in fields(kind)}
    groups = {name: OmegaConf.to_object(value) for name, value in values.items() if OmegaConf.is_config(value)}
    filled = values | groups
    if filled.get("prompt") is not None:
        filled["prompt"] = prompts.resolved(filled["prompt"], filled.get("model"))
    return kind(**filled)


def to_typed(values: Mapping[str, Any]) -> schema.TrainConfig:
    """Plain dictionaries of a composed configuration as dataclasses; wrong types are refused.

    Nothing is filled in: `${...}` is text.
    """
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema.TrainConfig), _literal(dict(values))))


def _literal(value: Any) -> Any:
    r"""The value with `${` written as OmegaConf takes it for text, `\${`; backslashes before it are doubled."""
    if isinstance(value, Mapping):
        return {key: _literal(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_literal(inner) for inner in value]
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", value) if isinstance(value, str) else value


def read(path: Path) -> schema.TrainConfig:
    """The configuration in a run's folder, which may be another's. Raises UserError for what is none."""
    values = foreign.read_yaml(path)
    try:
        return to_typed(values)
    except (OmegaConfBaseException, TypeError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise UserError(f"{path} is no configuration of this version ({reason}).") from error


def typed_values(config: DictConfig) -> dict[str, Any]:
    """The composed configuration as plain dictionaries that passed through the schema: what digests are made of."""
    return asdict(typed(config))


def _run_folder_name(*, _root_: DictConfig) -> str:
    # Missing values are the gate's to report; a folder name must not fail before it has spoken.
    try:
        return identity.run_folder_name(typed_values(_root_))
    except MissingMandatoryValue:
        return "incomplete"


def register() -> None:
    """Makes `conf/` composable: the schemas, and the resolvers that the YAML files use."""
    register_launchers()
    OmegaConf.register_new_resolver("tina_root", lambda: str(ROOT), replace=True)
    OmegaConf.register_new_resolver("run_folder", _run_folder_name, replace=True)
    for name, kind in (("schema", schema.TrainConfig), ("evaluate_schema", schema.EvaluateConfig)):
        node = OmegaConf.structured(kind)
        for free in FREE:
            if (mapping := OmegaConf.select(node, free)) is not None:
                OmegaConf.set_struct(mapping, False)
        ConfigStore.instance().store(name=name, node=node)
