"""What a section measures, written down at once: a section that is killed in the middle loses nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch


class Skip(Exception):
    """This machine cannot run the section; the reason, in a sentence."""


@dataclass(frozen=True)
class Scale:
    """How large the shapes are, and where things are found and put."""

    smoke: bool
    """Small shapes on a CPU: every line of the script, none of its figures."""
    cap: int
    """Completion tokens of a step of the paper's shape; random weights never stop, so every completion has them."""
    scratch: Path
    """For models and runs; removed at the end."""
    out: Path
    """For results that are kept."""
    pretrained: str | None
    """A folder or hub id of a small pretrained chat model."""

    @property
    def device(self) -> torch.device:
        return torch.device("cpu" if self.smoke else "cuda")

    @property
    def hardware(self) -> str:
        """The preset of this card, or the nearest: its price and data sheet are all that depends on it."""
        if self.smoke:
            return "cpu"
        name = torch.cuda.get_device_name().lower()
        return next((known for known in ("h200", "h100", "a100", "l40s") if known in name), "l40s")

    @property
    def known_card(self) -> bool:
        """Is there a data sheet of this card, for rooflines and forecasts?"""
        return not self.smoke and self.hardware in torch.cuda.get_device_name().lower()


@dataclass(frozen=True)
class Report:
    """Appends to the results file of one call of benchmarks/gpu.py, one JSON object a line."""

    section: str
    path: Path

    def figure(self, name: str, value: float | str, unit: str = "", aim: str = "", met: bool | None = None) -> None:
        """A measurement; with `aim`, what it should be and whether it is."""
        aimed = {"aim": aim, "met": met} if aim else {}
        self._write({"figure": name, "value": value, "unit": unit} | aimed)

    def check(self, name: str, held: bool, detail: str = "") -> None:
        """Something that has to be so; one that is not fails the section."""
        self._write({"check": name, "held": bool(held), "detail": detail})

    def left_out(self, what: str) -> None:
        """What this run of the section does not do, and why."""
        self._write({"left_out": what})

    def skip(self, reason: str) -> None:
        """Why the section is not run on this machine."""
        self._write({"skipped": reason})

    def end(self, status: str, seconds: float, reason: str = "") -> None:
        """`held`, `failed` or `skipped`."""
        self._write({"end": status, "seconds": round(seconds, 1), "reason": reason})

    def _write(self, row: Mapping[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"section": self.section} | dict(row)) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    """The rows that were written so far."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def figures(path: Path, section: str) -> dict[str, float]:
    """The figures of a section by name."""
    rows = read(path)
    return {row["figure"]: row["value"] for row in rows if row["section"] == section and "figure" in row}


def need_memory(scale: Scale, gib: float) -> None:
    """Raises Skip if the card has less memory."""
    if scale.smoke:
        return
    total = torch.cuda.get_device_properties(0).total_memory / 2**30
    if total < gib:
        raise Skip(f"this section needs a GPU with {gib:.0f} GiB; this one has {total:.0f}")


def need_bfloat16(scale: Scale) -> None:
    if not scale.smoke and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise Skip("this GPU or its driver does not support bfloat16")


def need_vllm() -> None:
    from tina.sampler.installed import vllm_problem

    if problem := vllm_problem():
        raise Skip(problem)


def synchronize() -> None:
    """Waits for the GPU, if there is one, so that a clock that is read next is right."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def gib(bytes_: float) -> float:
    return round(bytes_ / 2**30, 2)


def peak_gib() -> float:
    """The most that torch has had allocated since the last reset."""
    return gib(torch.cuda.max_memory_allocated()) if torch.cuda.is_available() else 0.0
