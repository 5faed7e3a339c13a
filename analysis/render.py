"""A table, and how it is shown in a terminal of any width and written to files."""

import csv
import os
import re
import sys
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from analysis.evaluations import Missing, Row
from analysis.results import HIDDEN
from tina.errors import UserError
from tina.terminal import Screen, visible

PIPE_WIDTH = 160
FORMULA, NUMBER = ("=", "+", "-", "@", "\t"), re.compile(r"[+-]?[\d.]+(?:e[+-]?\d+)?")
NARROW = 24


class Best(str):
    """A cell that is the best of its column: bold."""


@dataclass(frozen=True)
class Column:
    """`text` writes a row's cell. Where there is no room, the column of the highest `rank` goes first, rank 0 never.

    In a terminal the text wraps at `wrap` characters, if any, and down to NARROW where there is less room.
    """

    header: str
    text: Callable[[Row], str]
    rank: int = 0
    numeric: bool = True
    wrap: int | None = None

    @property
    def title(self) -> str:
        """The header on one line."""
        return self.header.replace(".\n", ".").replace("\n", " ")


@dataclass(frozen=True)
class Table:
    """`rows` hold all facts at full precision (that is the CSV); `columns` say what of it people see.

    A row's `run` names the runs behind it, separated by blanks. One that is not `printed` is only written.
    """

    name: str
    title: str
    columns: list[Column]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    printed: bool = True


def console() -> Console:
    """The console that tables go to: the terminal's own width; in a pipe COLUMNS, or wide enough for most columns."""
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit() else PIPE_WIDTH
    return Screen(width=width, highlight=False, markup=False, emoji=False)


def show(table: Table, console: Console, told: set[str]) -> None:
    """Prints a table; columns that do not fit are left out and named below it. Notes in `told` are not said again."""
    columns, left_out = _that_fit(table, console)
    console.print(_rich(table, columns))
    notes = [note for note in table.notes if note not in told]
    told |= set(notes)
    if left_out:
        names = "; ".join(column.title for column in left_out)
        notes.append(f"No room here for: {names}. The files have all columns.")
    for note in notes:
        console.print(Text(f"  {note}", style="dim"))
    console.print()


def _that_fit(table: Table, console: Console) -> tuple[list[Column], list[Column]]:
    """The columns that there is room for, and those to leave out: the last ones of the highest rank first."""
    places = range(len(table.columns))
    order = sorted((p for p in places if table.columns[p].rank), key=lambda p: (-table.columns[p].rank, -p))

    def without(count: int) -> list[Column]:
        gone = set(order[:count])
        return [column for place, column in enumerate(table.columns) if place not in gone]

    # Fewer columns are never wider, so halving finds how many have to go.
    fewest = bisect_left(
        range(len(order)), True, key=lambda count: _width(table, without(count), console) <= console.width
    )
    return without(fewest), [table.columns[place] for place in sorted(order[:fewest])]


def _width(table: Table, columns: list[Column], console: Console) -> int:
    """How wide the table is with its wrapping columns made narrow."""
    rich = _rich(table, columns, NARROW)
    return Measurement.get(console, console.options.update(max_width=10_000), rich).maximum


def _rich(table: Table, columns: list[Column], narrow: int = PIPE_WIDTH) -> RichTable:
    rich = RichTable(title=Text(table.title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        justify = "right" if column.numeric else "left"
        width = min(column.wrap, narrow) if column.wrap else None
        rich.add_column(
            column.header, justify=justify, vertical="top", overflow="fold", max_width=width, no_wrap=not column.wrap
        )
    for row in table.rows:
        rich.add_row(*(_styled(column.text(row)) for column in columns))
    return rich


def _styled(text: str) -> Text:
    return Text(text, style="dim italic" if isinstance(text, Missing) else "bold" if isinstance(text, Best) else "")


def write(table: Table, folder: Path) -> None:
    """Writes `<name>.md`, `.csv`, `.tex` and `.html`. Raises UserError if it cannot."""
    from analysis.formats import html, latex, markdown

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for suffix, text in (("md", markdown(table)), ("tex", latex(table)), ("html", html(table))):
            (folder / f"{table.name}.{suffix}").write_text(text, encoding="utf-8")
        _write_csv(table, folder / f"{table.name}.csv")
    except OSError as error:
        raise UserError(f"Tables cannot be written to {folder} ({error.strerror}): set out=<folder>.") from error


def _write_csv(table: Table, path: Path) -> None:
    """Every fact of every row; one without data holds the reason. No cell is a formula to a spreadsheet."""
    facts = dict.fromkeys(key for row in table.rows for key in row if key not in HIDDEN)
    fields = [_csv_cell(fact) for fact in facts]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fields, restval="not logged", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows({_csv_cell(fact): _csv_cell(value) for fact, value in row.items()} for row in table.rows)


def _csv_cell(value: object) -> object:
    """Text behind an apostrophe where a spreadsheet would compute it; numbers stay as they are."""
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.startswith(FORMULA) and not NUMBER.fullmatch(text) else text
