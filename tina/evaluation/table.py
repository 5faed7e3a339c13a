"""What an evaluation found, as a table: a row a checkpoint, a column a benchmark, every share with its interval."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from tina.evaluation.benchmarks import get_benchmark
from tina.progress import console
from tina.schema import Benchmarks

Scores = Mapping[str, float]


def show(
    title: str, found: Mapping[int, Scores], benchmarks: Benchmarks, chosen: int | None = None, base: str = "base"
) -> None:
    """Prints `found` (step to scores as `tina.evaluation.scores` makes them); the chosen step is marked."""
    names = [name for name in benchmarks.sets if name not in benchmarks.skip]
    table = Table(title=title, title_justify="left", caption_justify="left")
    table.add_column("checkpoint", no_wrap=True)
    for name in names:
        table.add_column(_header(name, list(found.values())), justify="right")
    if len(names) > 1:
        table.add_column("mean of\nbenchmarks", justify="right")
    table.add_column("tokens", justify="right")
    table.add_column("cut off", justify="right")
    for step, scores in found.items():
        label = f"step {step}" if step else base
        table.add_row(f"{label} *" if step == chosen else label, *_cells(scores, names))
    console.print(table)
    for line in _notes(list(found.values()), names, chosen):
        console.print(line)


def _header(name: str, rows: Sequence[Scores]) -> str:
    problems = {int(row[f"{name}/n_problems"]) for row in rows if f"{name}/mean" in row}
    samples = {int(row[f"{name}/n_samples"]) for row in rows if f"{name}/mean" in row}
    times = "-".join(str(number) for number in sorted({min(samples), max(samples)}))
    return f"{get_benchmark(name).title}\n{min(problems)} x {times}"


def _cells(scores: Scores, names: Sequence[str]) -> list[str]:
    there = [name for name in names if f"{name}/mean" in scores]
    # Of several benchmarks the intervals get a line of their own: a row must fit a terminal.
    between = "\n" if len(names) > 1 else " "
    cells = [between.join(interval(scores, name)) if name in there else "dropped out" for name in names]
    if len(names) > 1:
        cells.append(f"{100 * _average(scores, there, 'mean'):.1f}" if there == list(names) else "")
    return [*cells, f"{_average(scores, there, 'mean_tokens'):.0f}", f"{_average(scores, there, 'truncated'):.0%}"]


def interval(scores: Scores, name: str) -> tuple[str, str]:
    """`41.2` and `[35.9, 46.6]`, in per cent."""
    mean, low, high = (100 * scores[f"{name}/{what}"] for what in ("mean", "low", "high"))
    return f"{mean:.1f}", f"[{low:.1f}, {high:.1f}]"


def _average(scores: Scores, names: Sequence[str], what: str) -> float:
    return sum(scores[f"{name}/{what}"] for name in names) / len(names)


def _notes(rows: Sequence[Scores], names: Sequence[str], chosen: int | None) -> list[str]:
    notes = ["Accuracy in % with its 95 % interval; under the names problems x samples. The problems are the sample."]
    if chosen is not None:
        notes.append("* the checkpoint that the run's own rule chose")
    for what, meaning in (
        ("unjudged", "could not be judged, and count as wrong"),
        ("too_long", "were not asked, since the prompt is too long for the model, and count as wrong"),
    ):
        worst = {name: max(row.get(f"{name}/{what}", 0.0) for row in rows) for name in names}
        if told := [f"{share:.1%} of {name}" for name, share in worst.items() if share]:
            notes.append(f"{', '.join(told)} {meaning}.")
    return notes
