"""What the runs at hand cost, the paper's own costs beside them, and the ratios that are quoted of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from analysis import published
from analysis.columns import number, plain
from analysis.evaluations import Missing, Row, total
from analysis.render import Column, Table

FACTS = ("seconds", "completion_tokens", "flops", "cost_usd", "evaluation_usd")


def cost_rows(studies: Mapping[str, Sequence[Row]], titles: Mapping[str, str], rows: Sequence[Row]) -> list[Row]:
    """One row a study and one for the runs of none; a run that several studies share is counted in the first."""
    counted: set[str] = set()
    shown = []
    for study, arms in studies.items():
        runs = {run["run"]: run for arm in arms for run in arm["seed_runs"] if run["state"] != "not run"}
        own = [run for name, run in runs.items() if name not in counted]
        none = "counted above" if runs else "no run"
        shown.append(_cost_row(titles[study], own, none) | {"shared": len(runs) - len(own)})
        counted |= runs.keys()
    alone = [row for row in rows if row["run"] not in counted]
    if alone:
        shown.append(_cost_row("of no study", alone) | {"shared": 0})
    return shown


def cost_table(shown: Sequence[Row], rows: Sequence[Row]) -> Table:
    """What studies cost, and all runs together."""
    shown = [*shown, _cost_row("all runs", rows) | {"shared": 0}] if len(shown) > 1 else list(shown)
    columns = [
        Column("runs", plain("task"), numeric=False, wrap=40),
        Column("run\nfor it", number("n_runs", "d"), rank=1),
        Column("counted\nabove", number("shared", "d"), rank=2),
        Column("hours", _sum("hours", ".2f")),
        Column("training\n$", _sum("cost_usd", ".4f")),
        Column("evaluation\n$", _sum("evaluation_usd", ".4f"), rank=1),
        Column("total\n$", _sum("total_usd", ".4f"), rank=1),
        Column("completion\ntokens", _sum("completion_tokens", ",.0f"), rank=2),
        Column("FLOPs", _sum("flops", ".3e"), rank=2),
    ]
    notes = ["Hours of training; prices are those of the runs' hardware group, 0 where it has none."]
    if any(row["unknown"] for row in shown):
        notes.append("≥: some of these runs did not log it.")
    return Table("cost", "Cost of the runs at hand", columns, shown, notes)


def _cost_row(task: str, runs: Sequence[Row], none: str = "no run") -> Row:
    """Sums over the runs that logged the fact; `unknown` names the facts that some, but not all, did not log."""
    known = {fact: [run[fact] for run in runs if not isinstance(run[fact], Missing)] for fact in FACTS}
    facts = {fact: sum(known[fact]) if known[fact] else runs[0][fact] if runs else Missing(none) for fact in FACTS}
    hours = facts["seconds"] if isinstance(facts["seconds"], Missing) else facts["seconds"] / 3600
    unknown = {fact for fact in FACTS if 0 < len(known[fact]) < len(runs)}
    unknown |= {"hours"} if "seconds" in unknown else set()
    unknown |= {"total_usd"} if unknown & {"cost_usd", "evaluation_usd"} else set()
    names = {"task": task, "run": " ".join(run["run"] for run in runs), "n_runs": len(runs)}
    totals = {"hours": hours, "total_usd": total([facts["cost_usd"], facts["evaluation_usd"]])}
    return names | facts | totals | {"unknown": " ".join(sorted(unknown))}


def _sum(fact: str, form: str) -> Callable[[Row], str]:
    """Writes a sum; one that lacks some of its runs as a bound."""
    text = number(fact, form)
    return lambda row: f"≥{text(row)}" if fact in row["unknown"].split() else text(row)


def published_cost_table(arms: Iterable[Row]) -> Table:
    """The paper's cost breakdown, each task with what the same runs cost here."""
    ours = _by_task(arms)
    rows = []
    for wanted in published.rows("cost"):
        found = {fact: _dollars(wanted[fact]) for fact in ("training_usd", "evaluation_usd", "total_usd")}
        here = _cost_row(wanted["task"], ours.get(wanted["task"], []))
        if wanted["group"] == "total":
            here |= dict.fromkeys(("cost_usd", "evaluation_usd"), Missing("a sum"))
        rows.append({f"published_{fact}": value for fact, value in found.items()} | {"group": wanted["group"]} | here)
    columns = [
        Column("part", plain("group"), rank=1, numeric=False),
        Column("task", plain("task"), numeric=False, wrap=50),
        Column("training $\npublished", number("published_training_usd", ".0f"), rank=1),
        Column("evaluation $\npublished", number("published_evaluation_usd", ".0f"), rank=2),
        Column("total $\npublished", number("published_total_usd", ".0f")),
        Column("training $\nhere", _sum("cost_usd", ".2f"), rank=1),
        Column("evaluation $\nhere", _sum("evaluation_usd", ".2f"), rank=2),
    ]
    return Table("cost_published", "The paper's costs, and the same runs here", columns, rows, COST_NOTES, bool(ours))


COST_NOTES = [
    "Source: the cost table of the first version and the repository, which adds up to $526; $798 is the total of the "
    "later version, which gives no breakdown. $1 per L40S GPU-hour.",
    "The arms of learning rate and LoRA rank at 1e-6 and 32 are the LIMR run and counted there.",
]


def _by_task(arms: Iterable[Row]) -> dict[str, list[Row]]:
    tasks: dict[str, dict[str, Row]] = {}
    for arm in arms:
        same = published.find("same_runs", table=arm["published_table"], value=arm["published_value"])
        if same:
            runs = {run["run"]: run for run in arm["seed_runs"] if run["state"] != "not run"}
            tasks.setdefault(same["cost_task"], {}).update(runs)
    return {task: list(runs.values()) for task, runs in tasks.items()}


def _dollars(value: float | None) -> float | Missing:
    return Missing("not published") if value is None else value


def ratio_table(rows: Sequence[Row], printed: bool) -> Table:
    """Every ratio of costs with its numerator and denominator, the paper's and what the runs at hand give."""
    full = published.find("overall", system="DeepScaleR-1.5B-Preview")["cost_usd"]
    best = published.find("cost", task="Best checkpoint in best-performance task")["total_usd"]
    training = published.find("cost", task="All checkpoints in best-performance task")["training_usd"]
    first = published.find("cost", task="All tasks")["total_usd"]
    later = next(row["total_usd"] for row in published.rows("cost") if row["total_usd"] and row["total_usd"] > first)
    spent = _cost_row("", rows)["total_usd"]
    everything = ("all experiments, first version", first)
    deepscaler = ("training DeepScaleR-1.5B-Preview, published", full)
    shown = [
        _ratio("full training / all of Tina's best run", deepscaler, ("training Tina's best run, published", training)),
        _ratio("full training / Tina's best checkpoint", deepscaler, ("Tina's best checkpoint, published", best)),
        _ratio("later version / first version", ("all experiments, later version", later), everything),
        _ratio("runs at hand / the paper's", ("all runs at hand", spent), everything),
    ]
    columns = [
        Column("ratio", plain("ratio"), numeric=False, wrap=24),
        Column("numerator\n$", number("numerator", ",.2f")),
        Column("numerator is", plain("numerator_is"), rank=1, numeric=False, wrap=24),
        Column("denominator\n$", number("denominator", ",.2f")),
        Column("denominator is", plain("denominator_is"), rank=1, numeric=False, wrap=24),
        Column("one by\nthe other", number("value", ".4g")),
    ]
    notes = [
        "“About 260 times” is 3629 / 14, the training of one run; 3629 / 9 = 403 counts its best checkpoint alone."
    ]
    return Table("cost_ratios", "Ratios of costs", columns, shown, notes, printed)


def _ratio(name: str, numerator: tuple[str, Any], denominator: tuple[str, Any]) -> Row:
    value = numerator[1] if isinstance(numerator[1], Missing) else numerator[1] / denominator[1]
    return {
        "ratio": name,
        "run": "",
        "numerator": numerator[1],
        "numerator_is": numerator[0],
        "denominator": denominator[1],
        "denominator_is": denominator[0],
        "value": value,
    }
