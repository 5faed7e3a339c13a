"""Runs of the paper's presets that belong to no study: `python train.py experiment=open_rs1` by itself.

A run's id is the digest of its settings, so that a preset that was not changed is known by it, whoever started the run.
"""

from collections.abc import Sequence

from analysis import published
from analysis.arms import against_published, combined, published_row
from analysis.evaluations import Row
from analysis.studies import is_embedded


def single_arms(rows: Sequence[Row], in_studies: set[str]) -> list[Row]:
    """One arm for each preset that was run outside of all studies, its seeds put together."""
    alone = {row["run"]: row for row in rows if row["run"] not in in_studies and "model.path" in row["settings"]}
    seeds = {row["settings"].get("seed") for row in alone.values() if not is_embedded(row) and _is_seed(row)}
    arms = []
    for preset in published.rows("presets") if seeds else ():
        digests = [_digest(preset["preset"], seed) for seed in sorted(seeds)]
        if found := [alone[digest] for digest in digests if digest in alone]:
            place = {"published_table": preset["table"], "published_value": preset["value"]}
            named = {"arm": preset["preset"], "seeds": " ".join(str(row["settings"]["seed"]) for row in found)}
            arm = named | combined(found) | place
            arms.append(arm | against_published(arm, published_row(arm)))
    return arms


def _is_seed(row: Row) -> bool:
    """Is its seed one that a preset can be composed with?"""
    seed = row["settings"].get("seed")
    return type(seed) is int and 0 <= seed < 2**63


def _digest(preset: str, seed: int) -> str | None:
    from tina import configs, gate

    configs.register()
    arms = gate.check([f"experiment={preset}", f"seed={seed}"], multirun=False).arms
    return arms[0].digest if arms else None
