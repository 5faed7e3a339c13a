"""What a run logged at each step: the trainer carries it in its state from checkpoint to checkpoint. Loads no torch."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
"""The metrics of one optimizer step by TRL's names, with its "step"."""


def is_step(row: Row) -> bool:
    """Is it a step's row? The closing row of a run repeats totals only."""
    return "loss" in row


def is_sampled(row: Row) -> bool:
    """Were completions sampled for this step? With algorithm.num_iterations=2 every other step uses the last ones."""
    return "reward" in row


def sampled(rows: Iterable[Row]) -> list[Row]:
    """The rows that speak of completions: rewards, lengths, tokens."""
    return [row for row in rows if is_sampled(row)]


def history(checkpoint: Path) -> list[dict[str, Any]]:
    """One row for each step up to the checkpoint, in order, over all segments of the run."""
    rows = json.loads((checkpoint / "trainer_state.json").read_bytes())["log_history"]
    return [row for row in rows if is_step(row)]
