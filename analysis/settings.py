"""The command line of the analysis scripts: `conf/analysis.yaml` composed by Hydra, without its folders and logs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tina.errors import UserError
from tina.identity import leaves

CONF = Path(__file__).resolve().parent.parent / "conf"


def settings(overrides: Sequence[str]) -> dict[str, Any]:
    """The settings that `key=value` overrides compose to.

    Raises UserError for one that is not known, not sound, or not set.
    """
    for override in overrides:
        if override.startswith(("-", "+", "~")) or "=" not in override:
            raise UserError(f"{override} is not understood: write key=value; --help shows the keys.")
    source = [override for override in overrides if override.startswith("source=")]
    sources = sorted(path.stem for path in (CONF / "source").glob("*.yaml"))
    if source and source[-1].removeprefix("source=") not in sources:
        raise UserError(f"There is no {source[-1]}: choose from {', '.join(sources)}.")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        known = ["source", *(name for name, _ in leaves(OmegaConf.to_container(compose("analysis", source))))]
        for key in (override.split("=")[0] for override in overrides):
            if key not in known:
                raise UserError(f"There is no setting {key}: the settings are {', '.join(known)}.")
        try:
            chosen = OmegaConf.to_container(compose("analysis", list(overrides)), resolve=True)
        except (HydraException, OmegaConfBaseException) as error:
            raise UserError(f"The settings cannot be used: {str(error).splitlines()[0]}") from error
    for name in ("out", "figures", "report", "checkpoint", "cache", "export"):
        if not isinstance(chosen[name], str) and not (chosen[name] is None and name in ("cache", "export")):
            raise UserError(f"{name}={chosen[name]} is no name: write it in quotes if it is meant as one.")
    unset = [name for name, value in leaves(chosen) if value == MISSING]
    if unset:
        raise UserError(f"{unset[0]} must be given with {source[-1] if source else 'this source'}: {unset[0]}=...")
    return chosen


def help_text(description: str) -> str:
    """What `--help` prints: the description, then every key with its default."""
    return (
        f"{description.strip()}\n\nSettings (conf/analysis.yaml), to be changed by key=value:\n\n"
        + OmegaConf.to_yaml(OmegaConf.create(settings([])))
    )
