"""Can the checkpoints of a run be told apart at all, and what is the best of them worth?"""

from collections.abc import Callable, Mapping, Sequence

from analysis.columns import number, p_text, plain
from analysis.evaluations import Evaluation, Missing, Row, facts_of, ordered, reported
from analysis.published import BENCHMARKS
from analysis.render import Column, Table
from analysis.results import best_checkpoint, candidates, median_checkpoint
from tina.statistics import expected_selection_bias, homogeneity

Z = 1.959963984540054
NOTES = [
    "chi² p: Pearson's test that all checkpoints solve the same share; above .05 they cannot be told apart. It takes "
    "answers for independent, which on the same problems makes it cautious.",
    "By selection alone: what the best of that many equally good checkpoints would show above their mean; an upper "
    "bound, since it takes their errors for independent.",
]


def checkpoints_table(evaluated: Mapping[str, Mapping[int, Evaluation]], trained: Mapping[str, Row]) -> Table | None:
    """One row for each subject (a training run, or a model) of which several checkpoints were evaluated."""
    rows = []
    for subject, steps in evaluated.items():
        run = trained.get(subject)
        held_out = run["settings"].get("selection.benchmark") if run else None
        measured = {step: reported(found, held_out) for step, found in steps.items()}
        if len(candidates(measured)) > 1:
            rows.append(_row(measured) | {"run": subject, "label": run["label"] if run else subject} | _chosen(run))
    if not rows:
        return None
    names = ordered(key.removesuffix("/p") for row in rows for key in row if key.endswith("/p"))
    columns = [
        Column("checkpoints of", plain("label"), numeric=False, wrap=50),
        Column("evaluated", number("evaluated", "d"), rank=2),
        Column("best\nstep", number("best_step", "d")),
        Column("best\n%", number("best", ".2f", 100)),
        Column("median\n%", number("median", ".2f", 100), rank=1),
        Column("chosen\nstep", number("chosen_step", ".0f"), rank=2),
        Column("chosen\n%", number("chosen", ".2f", 100), rank=2),
        Column("by selection\nalone, points", number("selection_bias", ".2f", 100), rank=1),
        *(Column(f"{BENCHMARKS.get(name, name)}\nchi² p", _p_value(name), rank=1) for name in names),
    ]
    return Table("checkpoints", "Checkpoints of each run", columns, rows, NOTES + _untestable(rows))


def _row(measured: Mapping[int, Evaluation | Missing]) -> Row:
    means = candidates(measured)
    best = best_checkpoint(measured)["best_step"]
    facts = {step: facts_of(measured[step]) for step in means}
    lows = [row["low"] for row in facts.values()]
    without = next((low for low in lows if isinstance(low, Missing)), None)
    errors = [] if without else [(row["high"] - row["low"]) / 2 / Z for row in facts.values()]
    tests = {f"{name}/p": _homogeneity([measured[step][name].facts for step in means]) for name in measured[best]}
    return {
        "best_step": best,
        "best": means[best],
        "selection_bias": without or expected_selection_bias(errors),
        "paired": all(found.correct is not None for step in means for found in measured[step].values()),
        **median_checkpoint(measured),
        **tests,
    }


def _homogeneity(facts: Sequence[Row]) -> float | Missing:
    """p-value that all checkpoints solve the same share of one benchmark; one sample a problem."""
    for row in facts:
        if isinstance(row["n_problems"], Missing) or row["n_samples"] != 1:
            return Missing("several samples" if not isinstance(row["n_problems"], Missing) else row["n_problems"])
    return homogeneity(
        [round(row["accuracy"] * row["n_problems"]) for row in facts], [row["n_problems"] for row in facts]
    ).p_value


def _chosen(run: Row | None) -> Row:
    if run is None:
        return dict.fromkeys(("chosen_step", "chosen"), Missing("no rule"))
    return {"chosen_step": run["best_step"], "chosen": run["accuracy"]}


def _p_value(name: str) -> Callable[[Row], str]:
    return lambda row: p_text(row.get(f"{name}/p", Missing("no eval")))


def _untestable(rows: Sequence[Row]) -> list[str]:
    names = [row["label"] for row in rows if not row["paired"]]
    return [f"No paired test is possible without per-problem results: {'; '.join(names)}."] if names else []
