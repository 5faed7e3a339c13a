"""`python -m tina.data [<set> [key=value ...]]`: which data sets there are, and what is in one of them."""

import argparse
import logging
import re
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tina import terminal
from tina.configs import CONF
from tina.data.loading import load_problems
from tina.data.problem import Problem
from tina.errors import UserError
from tina.schema import Dataset

GROUP = CONF / "dataset"

EXAMPLES = """examples:
  python -m tina.data                                     every set, its size and where it comes from
  python -m tina.data arithmetic size=100                 what is in the embedded set
  python -m tina.data deepscaler path=deepscaler.jsonl    the same for a local copy of a Hub set
  python -m tina.data file path=mine.parquet columns.question=text"""

GOLD_KINDS = {
    "integer": r"[+-]?\d+",
    "number": r"[+-]?[\d,]*\.?\d+(e[+-]?\d+)?%?",
    "fraction": r"[+-]?(\d+/\d+|\\[dt]?frac\s*\{?\d+\}?\s*\{?\d+\}?)",
    "letter": r"\(?[A-Z]\)?|\\text\{\(?[A-Z]\)?\}",
    "words": r"[A-Za-z][A-Za-z ,.'-]+",
}
"""What golds look like, first match; everything else is an expression."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tina.data", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("dataset", nargs="?", help="a file of conf/dataset; leave it out to list them")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="fields of the set, as in train.py dataset.*")
    parser.add_argument("--show", type=int, default=3, metavar="N", help="problems to print (3)")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="warning: %(message)s")
    try:
        print(describe(configured(chosen.dataset, chosen.overrides), chosen.show) if chosen.dataset else listing())
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def configured(name: str, overrides: Sequence[str] = ()) -> Dataset:
    """The configuration of a set, as `train.py dataset=<name>` has it. Raises UserError for an unknown set or field."""
    files = _files()
    if name not in files:
        near = get_close_matches(name, files, n=3, cutoff=0.4) or list(files)
        raise UserError(f"There is no data set {name!r} in conf/dataset; did you mean {' or '.join(near)}?")
    if wrong := [override for override in overrides if "=" not in override]:
        raise UserError(f"{wrong[0]!r} is not an override: write key=value.")
    fields = [override.removeprefix("dataset.") for override in overrides]
    try:
        given = OmegaConf.from_dotlist(fields)
        return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Dataset), OmegaConf.load(files[name]), given))
    except OmegaConfBaseException as error:
        raise UserError(_in_words(error)) from error


def listing() -> str:
    """A line for each set: name, size, where it comes from; then what its file says about it."""
    lines = []
    for name, file in _files().items():
        dataset = configured(name)
        size = dataset.size or dataset.expected_rows
        about = file.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        lines += [f"{name:<32}{f'{size:,}' if size else '':>8}  {_source(dataset)}", f"    {about}"]
    return "\n".join(lines)


def describe(dataset: Dataset, show: int) -> str:
    """What is in a set: its source and columns, its counts, lengths and kinds of golds, and its first problems."""
    loaded = load_problems(dataset)
    lengths = sorted(len(problem.question) for problem in loaded.problems)
    kinds = Counter(gold_kind(problem.gold) for problem in loaded.problems)
    rows = {
        "set": dataset.name,
        "source": _source(dataset),
        "columns": _told({k: v for k, v in vars(dataset.columns).items() if v}) if not dataset.generator else "",
        "options": _told(dataset.generator_options),
        "expected": f"{dataset.expected_rows:,} rows" if dataset.expected_rows and not dataset.path else "",
        **{name.replace("_", " "): f"{number:,}" for name, number in loaded.counts.items()},
        "question": f"{lengths[0]} to {lengths[-1]} characters, median {statistics.median(lengths):g}",
        "golds": ", ".join(f"{kind} {number:,}" for kind, number in kinds.most_common()),
        "grading": "reasoning-gym's own scorer" if loaded.score else "",
    }
    head = [f"{name:<14}{value}" for name, value in rows.items() if value]
    return "\n".join([*head, *(_shown(problem) for problem in loaded.problems[:show])])


def gold_kind(gold: str) -> str:
    return next((kind for kind, pattern in GOLD_KINDS.items() if re.fullmatch(pattern, gold)), "expression")


def _files() -> dict[str, Path]:
    return {file.stem: file for file in sorted(GROUP.glob("*.yaml"))}


def _source(dataset: Dataset) -> str:
    if dataset.generator:
        return f"made by {dataset.generator}"
    if dataset.path:
        return dataset.path
    if dataset.hub_id:
        return f"{dataset.hub_id}{f' ({dataset.subset})' if dataset.subset else ''}"
    return "wherever path= points to"


def _told(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _shown(problem: Problem) -> str:
    question = problem.question.replace("\n", "\n    ")
    return f"\n{problem.id}\n    {question}\n    gold: {problem.gold}"


def _in_words(error: OmegaConfBaseException) -> str:
    key = error.full_key or str(error.key)
    known = [*Dataset.__dataclass_fields__, "columns.question", "columns.answer", "columns.solution"]
    if key not in known and not key.startswith("generator_options"):
        near = get_close_matches(key, known, n=3, cutoff=0.5) or known
        return f"A data set has no field {key!r}; did you mean {' or '.join(near)}?"
    return f"dataset.{key}: {(error.msg or str(error)).splitlines()[0]}"


if __name__ == "__main__":
    terminal.prepare(foreign=True, sockets=False)
    main()
