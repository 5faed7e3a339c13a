"""What an evaluation took: seconds, FLOPs and dollars of the batches that it asked for.

A line for each batch in `spent.jsonl` beside its records, under the id of the evaluation that asked. So what was done
before a kill still counts afterwards, and what another evaluation paid for is not paid again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tina import jsonl
from tina.cost import generation_flops
from tina.schema import Hardware, Lora, Shape

NAME = "spent.jsonl"


@dataclass(frozen=True)
class Price:
    """What decides how much a batch computes and what an hour costs. An evaluation runs on one GPU (or machine)."""

    shape: Shape | None = None
    """Of the model; without it FLOPs are not known."""
    lora: Lora | None = None
    """Of the run's adapters; None of a model that stands alone."""
    hardware: Hardware = field(default_factory=lambda: Hardware("unknown"))
    padded: bool = True
    """Is every completion of a batch computed up to the longest, as transformers does?"""

    def flops(self, step: int, prompts: Sequence[int], completions: Sequence[int]) -> float | None:
        """Of sampling `completions` tokens after `prompts` tokens, in one batch; step 0 has no adapter."""
        if self.shape is None:
            return None
        if not completions:
            return 0.0
        of_batch = max if self.padded else lambda lengths: sum(lengths) / len(lengths)
        prompt, completion = of_batch(prompts), max(1, of_batch(completions))
        return generation_flops(self.shape, self.lora if step else None, len(completions), prompt, completion)

    def usd(self, seconds: float) -> float:
        return seconds / 3600 * self.hardware.usd_per_hour


def add(folder: Path, evaluation: str, seconds: float, flops: float | None) -> None:
    """Adds the line of a batch."""
    jsonl.append(folder / NAME, {"evaluation": evaluation, "seconds": seconds, "flops": flops})


def spent(folders: Iterable[Path], evaluation: str, price: Price) -> dict[str, float]:
    """`seconds`, `cost_usd` and, where they are known, `flops` of all batches of an evaluation; 0 if it asked for none.

    A line that a kill cut off is left out: its batch was not recorded either, and is asked again.
    """
    told = [line for folder in folders for line in jsonl.read(folder / NAME) if _is_one(line)]
    own = [line for line in told if line["evaluation"] == evaluation]
    seconds = sum(line["seconds"] for line in own)
    facts = {"seconds": seconds, "cost_usd": price.usd(seconds)}
    known = price.shape is not None and all(line["flops"] is not None for line in own)
    return facts | ({"flops": sum(line["flops"] for line in own)} if known else {})


def _is_one(line: Mapping[str, Any]) -> bool:
    """Has the line the form that `add` gives it?"""
    flops = line.get("flops")
    return isinstance(line.get("seconds"), int | float) and (flops is None or isinstance(flops, int | float))
