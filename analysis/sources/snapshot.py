"""A folder of Parquet files that `export=<folder>` wrote from any other source."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis.runs import Logs
from analysis.store import NoSnapshot, check_sums, restore
from tina.errors import UserError


def read(source: Mapping[str, Any], wanted: Callable[[str], bool], names: Collection[str] | None = None) -> Logs:
    """The logs in `source["path"]`. Raises UserError if there is no whole snapshot."""
    folder = Path(source["path"]).expanduser()
    try:
        check_sums(folder)
        logs = restore(folder)
    except NoSnapshot as error:
        raise UserError(f"There is no snapshot in {folder}: {error}. Write one with export={folder}.") from error
    kept = [metric for metric in logs.metrics.metric.unique() if wanted(metric)]
    return replace(logs, metrics=logs.metrics[logs.metrics.metric.isin(kept)].reset_index(drop=True))
