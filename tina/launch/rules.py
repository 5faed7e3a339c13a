"""What can be known of a cluster before anything is queued there: each rule returns what is wrong, or None."""

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from tina.launch import scheduler
from tina.launch.scheduler import Partition, SchedulerSilent
from tina.launch.settings import SlurmSettings


def problems(configs: Sequence[Mapping[str, Any]], settings: SlurmSettings) -> list[str]:
    """Everything that is wrong with queueing these arms here, in words."""
    missing = [name for name in scheduler.COMMANDS if shutil.which(name) is None]
    if missing:
        return [
            f"SLURM's {', '.join(missing)} is not on this machine: queue from a login node, or hydra/launcher=local."
        ]
    try:
        offered = scheduler.partitions()
    except SchedulerSilent as error:
        return [f"SLURM's controller does not answer ({error}): try later, or ask who runs the cluster."]
    found = [_accounting()]
    partition = _partition(offered, settings)
    if isinstance(partition, str):
        found.append(partition)
    else:
        found += [_time(partition, settings), _gres(partition, settings), _evaluation_gres(partition, settings)]
    found += [_processes(config, settings) for config in configs]
    return list(dict.fromkeys(problem for problem in found if problem))


def _accounting() -> str | None:
    try:
        scheduler.ask("sacct", "--noheader", "--parsable2", "--starttime=now", "--format=JobID")
    except SchedulerSilent as error:
        return (
            f"SLURM's accounting does not answer ({error}): without it the end of a killed job cannot be seen. Queue "
            "where sacct works."
        )
    return None


def _partition(offered: Mapping[str, Partition], settings: SlurmSettings) -> Partition | str:
    if settings.partition is None:
        default = next((one for one in offered.values() if one.default), None)
        return default or f"This cluster has no default partition: set hydra.launcher.partition ({_names(offered)})."
    partition = offered.get(settings.partition)
    if partition is None:
        return f"There is no partition {settings.partition} (hydra.launcher.partition): it has {_names(offered)}."
    return partition if partition.up else f"The partition {partition.name} is down: choose another ({_names(offered)})."


def _names(offered: Mapping[str, Partition]) -> str:
    return ", ".join(sorted(offered))


def _time(partition: Partition, settings: SlurmSettings) -> str | None:
    if settings.timeout_min > partition.max_minutes:
        return (
            f"hydra.launcher.timeout_min={settings.timeout_min} is more than the partition {partition.name} allows "
            f"({partition.max_minutes:.0f} minutes): lower it; a run that meets its limit is queued again and goes on."
        )
    return None


def _gres(partition: Partition, settings: SlurmSettings) -> str | None:
    return _offered(partition, "gres", settings.gres)


def _evaluation_gres(partition: Partition, settings: SlurmSettings) -> str | None:
    return _offered(partition, "evaluation_gres", settings.evaluation_gres)


def _offered(partition: Partition, name: str, gres: str | None) -> str | None:
    if gres is None or scheduler.offers(partition, gres):
        return None
    has = ", ".join(sorted(set(partition.gres))) or "no generic resources"
    return f"No node of the partition {partition.name} has hydra.launcher.{name}={gres}: its nodes have {has}."


def _processes(config: Mapping[str, Any], settings: SlurmSettings) -> str | None:
    """A process needs a GPU of its own, and each node takes as many processes as the others."""
    hardware = config["hardware"]
    if hardware["processes"] % settings.nodes:
        return (
            f"hardware.processes={hardware['processes']} cannot be spread over hydra.launcher.nodes={settings.nodes}: "
            "each node takes as many as the others."
        )
    kind, count = scheduler.kind(settings.gres or "")
    if hardware["device"] == "cuda" and kind[0] == "gpu" and count * settings.nodes != hardware["processes"]:
        return (
            f"hardware.processes={hardware['processes']}, and a job gets {count * settings.nodes} GPUs "
            f"(hydra.launcher.gres={settings.gres} on {settings.nodes} node): set one by the other."
        )
    return None
