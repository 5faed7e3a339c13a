"""The columns that tables share: how a fact is written, and which facts stand side by side."""

from collections.abc import Callable, Sequence

from analysis.evaluations import AVERAGE, Missing, Row, ordered
from analysis.published import BENCHMARKS
from analysis.render import Best, Column

DASH = Missing("–")
"""A cell that nobody has data for, and that needs no reason of its own: the note below the table gives it."""


def number(fact: str, form: str, scale: float = 1) -> Callable[[Row], str]:
    """Writes a fact by a format such as `.1f`; text (a reason, a word like none) as it is."""

    def text(row: Row) -> str:
        value = row[fact]
        return value if isinstance(value, str) else format(value * scale, form)

    return text


def plain(fact: str) -> Callable[[Row], str]:
    return lambda row: row[fact]


def interval(row: Row) -> str:
    low, high = row["low"], row["high"]
    return low if isinstance(low, str) else f"{100 * low:.1f}–{100 * high:.1f}"


def sample_size(row: Row) -> str:
    problems, samples = row["n_problems"], row["n_samples"]
    if isinstance(problems, str):
        return problems
    return f"{problems:.0f}×{samples if isinstance(samples, str) else format(samples, '.0f')}"


def accuracy(row: Row) -> str:
    """The reported mean; bold where it is the best of its table."""
    text = number("accuracy", ".2f", 100)(row)
    return Best(text) if row.get("versus_best") == "best" else text


def candidates(row: Row) -> str:
    """Among how many checkpoints the reported one was chosen, and by which rule."""
    count, rule = row["candidates"], row["selection_rule"]
    return count if isinstance(count, str) else f"{count:.0f}: {rule}"


def versus_best(row: Row) -> str:
    """best, or tie or worse with the corrected p-value of the paired test."""
    p_value = row["p_best"]
    return row["versus_best"] if isinstance(p_value, str) else f"{row['versus_best']} (p {p_text(p_value)})"


def p_text(p_value: float | str) -> str:
    """A p-value as it is printed: three digits, the smallest as a bound; text as it is."""
    if isinstance(p_value, str):
        return p_value
    return "<.001" if p_value < 0.001 else f"{p_value:.3f}".removeprefix("0") if p_value < 1 else "1"


def runs(row: Row) -> str:
    """The first eight digits of the ids of the runs behind a row."""
    return " ".join(run[:8] for run in row["run"].split())


def benchmark_columns(rows: Sequence[Row]) -> list[Column]:
    """A column for each benchmark where a table has several, or one of the paper's."""
    names = ordered(
        key.removesuffix("/accuracy")
        for row in rows
        for key in row
        if key.endswith("/accuracy") and not key.startswith("base_")
    )
    return [Column(BENCHMARKS.get(name, name), _benchmark_text(name), rank=2) for name in names if name != AVERAGE]


def _benchmark_text(name: str) -> Callable[[Row], str]:
    text = number(f"{name}/accuracy", ".2f", 100)

    def cell(row: Row) -> str:
        if f"{name}/accuracy" in row:
            return text(row)
        if row["benchmarks"] == AVERAGE:
            return DASH
        return row["accuracy"] if isinstance(row["accuracy"], Missing) else Missing("no eval")

    return cell


def several(rows: Sequence[Row], fact: str) -> bool:
    """Do rows differ in this fact, those without it left out?"""
    return len({row[fact] for row in rows if not isinstance(row[fact], Missing)}) > 1


def fact_columns(rows: Sequence[Row]) -> list[Column]:
    """What every table of trained checkpoints shows: the state where not all is finished, a column a benchmark."""
    state = [STATE] if any(row["state"] != "finished" for row in rows) else []
    state += [CHANGED] if any(row.get("changed") for row in rows) else []
    benchmarks = benchmark_columns(rows)
    title = "average\n%" if len(benchmarks) > 1 else "accuracy\n%"
    measured = [Column(title, accuracy), Column("95 %\ninterval", interval)]
    return [*state, *STEPS, *benchmarks, *measured]


def detail_columns() -> list[Column]:
    """What stands behind the numbers that were compared: size, choice, base, format, turn, price, runs."""
    return [
        Column("problems\n×samples", sample_size, rank=1),
        Column("candidates:\nrule", candidates, rank=1, numeric=False),
        Column("median\nckpt %", number("median", ".2f", 100), rank=2),
        Column("base\n%", number("base_accuracy", ".2f", 100), rank=3),
        Column("format\n%", number("format", ".1f", 100), rank=3),
        Column("tokens", number("tokens", ".1f"), rank=3),
        Column("turn at\nstep", number("transition", ".0f"), rank=2),
        Column("cost\n$", number("cost_usd", ".4f"), rank=3),
        Column("FLOPs", number("flops", ".2e"), rank=4),
        Column("seconds", number("seconds", ".0f"), rank=4),
        Column("run", runs, rank=5, numeric=False),
    ]


SEEDS = Column("seeds", number("n_seeds", "d"), rank=1)
STATE = Column("state", plain("state"), numeric=False)
CHANGED = Column("went on\nunder", lambda row: row.get("changed") or DASH, rank=1, numeric=False)
STEPS = [
    Column("best\nstep", number("best_step", ".0f")),
    Column("% of\nepoch", number("percent_of_epoch", ".0f"), rank=2),
]
