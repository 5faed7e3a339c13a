r"""From a row's columns to a problem: which column is what, and how a gold answer is made bare.

A column is named by its name, by a dotted path into what it holds (`reward_model.ground_truth`, `messages.0.content`;
a text of JSON on the way is opened), or by several of these with `|` between them: the first that the row has.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from tina.data.problem import Problem
from tina.errors import UserError

if TYPE_CHECKING:
    from tina.schema import Columns

_BOX = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])\s*")


class _NotThereError(Exception):
    """A column that a row lacks; carries the names that it has at that place."""

    def __init__(self, available: Iterable[str]):
        self.available = list(available)


def top_level(columns: "Columns") -> list[str]:
    """The columns of a table that have to be read to reach all that `columns` names."""
    named = [name for name in (columns.question, columns.answer, columns.solution) if name]
    return [alternative.strip().split(".")[0] for name in named for alternative in name.split("|")]


def to_problem(row: Mapping[str, Any], where: str, columns: "Columns") -> Problem:
    r"""The problem in a row; question or gold are empty where their columns are.

    The gold is the answer column's, or the last \boxed of the solution column where there is no answer. The solution
    column is only looked at, and has to exist, in rows that need it. Raises UserError, naming `where` and the column,
    for a column that is not there and for one that holds neither text nor a number.
    """
    question = _text(row, where, "question", columns.question)
    gold = bare(_text(row, where, "answer", columns.answer)) if columns.answer else ""
    if not gold and columns.solution:
        gold = bare(last_box(_text(row, where, "solution", columns.solution)) or "")
    return Problem(question, gold)


def bare(gold: str) -> str:
    r"""A gold answer without the dollar signs, \( \), \[ \] or box around the whole of it."""
    gold = gold.strip()
    for opening, closing in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
        if gold.startswith(opening) and gold.endswith(closing) and len(gold) >= len(opening) + len(closing):
            inside = gold[len(opening) : -len(closing)]
            if closing not in inside and not inside.endswith("\\"):
                return bare(inside)
    match = _BOX.match(gold)
    if match and (inside := _group(gold, match.end())) is not None and match.end() + len(inside) + 2 == len(gold):
        return bare(inside)
    return gold


def last_box(text: str) -> str | None:
    r"""What stands in the last complete \boxed{...} or \fbox{...}, braces balanced, or in a bare `\boxed 5`."""
    for match in reversed(list(_BOX.finditer(text))):
        inside = _group(text, match.end())
        if inside is None and (token := re.match(r"[^\s{}$\\]+", text[match.end() :])):
            inside = token.group()
        if inside is not None:
            return inside
    return None


def _group(text: str, start: int) -> str | None:
    """The inside of the balanced group of braces that opens at `start`."""
    if text[start : start + 1] != "{":
        return None
    depth = 0
    for token in re.finditer(r"\\.|[{}]", text[start:], flags=re.DOTALL):
        depth += {"{": 1, "}": -1}.get(token.group(), 0)
        if depth == 0:
            return text[start + 1 : start + token.start()]
    return None


def _text(row: Mapping[str, Any], where: str, field: str, name: str | None) -> str:
    if not name:
        raise UserError(f"The data set names no column for the {field}; set dataset.columns.{field}=<column>.")
    value = _first_of(row, where, field, name)
    if isinstance(value, list) and len(value) < 2:
        value = value[0] if value else None
    match value:
        case None:
            return ""
        case str():
            return value.strip()
        case bool() | int():
            return str(value)
        case float() | Decimal():
            return _number(value)
    inside = f"name a column inside it, such as dataset.columns.{field}={name}.0 or {name}.<name>."
    raise UserError(
        f"{where}: column {name!r} holds a {type(value).__name__}, neither text nor a number; "
        + (inside if isinstance(value, list | Mapping) else f"name another with dataset.columns.{field}=<column>.")
    )


def _number(value: float | Decimal) -> str:
    """As one would write it; a NaN is the mark of an empty cell."""
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return r"\infty" if value > 0 else r"-\infty"
    return str(int(value)) if value == int(value) else str(value)


def _first_of(row: Mapping[str, Any], where: str, field: str, name: str) -> Any:
    available: list[str] = []
    for alternative in name.split("|"):
        try:
            return _reach(row, alternative.strip().split("."))
        except _NotThereError as missing:
            available = available or missing.available
    near = get_close_matches(name, available, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(available) or 'no columns at all'}."
    raise UserError(f"{where}: there is no column {name!r} ({hint}) Set dataset.columns.{field}=<column>.")


def _reach(value: Any, path: Sequence[str]) -> Any:
    for depth, part in enumerate(path):
        if value is None:
            return None
        if isinstance(value, str):
            value = _opened(value)
        names = list(value) if isinstance(value, Mapping) else []
        if isinstance(value, list):
            names, value = [str(i) for i in range(len(value))], {str(i): item for i, item in enumerate(value)}
        if part not in names:
            raise _NotThereError(".".join([*path[:depth], name]) for name in names)
        value = value[part]
    return value


def _opened(text: str) -> Any:
    """What a text of JSON holds; the text itself, which has no columns, if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
