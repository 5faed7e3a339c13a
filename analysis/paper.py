"""The paper's main tables from the runs at hand: main results, baselines, and the overall comparison."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from analysis import published
from analysis.arms import against_published, combined, compare, held_against_best, not_run
from analysis.columns import (
    SEEDS,
    accuracy,
    benchmark_columns,
    candidates,
    detail_columns,
    fact_columns,
    interval,
    number,
    plain,
    sample_size,
    versus_best,
)
from analysis.evaluations import Evaluation, Missing, Row, facts_of, reported
from analysis.render import Column, Table
from analysis.results import best_checkpoint, median_checkpoint
from analysis.runs import Logs
from analysis.studies import notes

MODELS = Path(__file__).resolve().parent.parent / "conf" / "model"


def main_table(arms: Sequence[Row], baselines: Sequence[Row]) -> Table | None:
    """The paper's main models, each from the arm of any study that is the same run; None if none of them was run."""
    rows = []
    for wanted in published.rows("main_results"):
        found = next((arm for arm in arms if main_model(arm) == wanted["model"]), None)
        row = found or combined([not_run(Missing(""))])
        compared = against_published(row, wanted) | _baseline(wanted, baselines, row)
        rows.append(row | {"model": wanted["model"]} | compared)
    held_against_best(rows)  # each against the best of this table, not of the study that it comes from
    if all(row["state"] == "not run" for row in rows):
        return None
    columns = [
        Column("model", plain("model"), numeric=False),
        SEEDS,
        *fact_columns(rows),
        Column("against\nthe best", versus_best, rank=1, numeric=False),
        Column("published\n%", number("published", ".2f", 100), rank=1),
        Column("verdict", plain("verdict"), rank=1, numeric=False),
        Column("baseline,\npublished %", number("baseline_published", ".2f", 100), rank=1),
        Column("baseline,\nours %", number("baseline_accuracy", ".2f", 100), rank=2),
        Column("gain over the\nbaseline", _gain, rank=1),
        *detail_columns(),
    ]
    return Table("main_results", "Main results", columns, rows, [*notes(rows), BASELINE_NOTE])


BASELINE_NOTE = (
    "Gain over the baseline: the full-parameter model trained on the same data; with a p-value where both were "
    "evaluated here (paired test), against the published number otherwise."
)


def main_model(arm: Row) -> str | None:
    """The model of the main table that an arm is, by its place in the published tables."""
    if arm["published_table"] == "main_results":
        return arm["published_value"]
    same = published.find("same_runs", table=arm["published_table"], value=arm["published_value"])
    return same["main_model"] if same else None


def _baseline(wanted: published.Published, baselines: Sequence[Row], row: Row) -> Row:
    ours = next((base for base in baselines if base["model"] == wanted["baseline"]), None)
    found = compare(row["evaluation"], ours["evaluation"]) if ours else Missing("no eval")
    told = {
        "baseline": wanted["baseline"],
        "baseline_published": wanted["baseline_average"] / 100,
        "baseline_accuracy": ours["accuracy"] if ours else Missing("no eval"),
    }
    if not isinstance(found, Missing):
        limits = {"gain_low": found.low, "gain_high": found.high, "gain_p": found.p_value}
        return told | {"gain": found.difference} | limits
    same_benchmarks = row["benchmarks"] in ("average", " ".join(published.BENCHMARKS))
    gain = row["accuracy"] - told["baseline_published"] if same_benchmarks else found
    return told | {"gain": gain} | dict.fromkeys(("gain_low", "gain_high", "gain_p"), found)


def _gain(row: Row) -> str:
    if isinstance(row["gain"], Missing):
        return row["gain"]
    how = "published" if isinstance(row["gain_p"], Missing) else f"p {row['gain_p']:.3f}"
    return f"{100 * row['gain']:+.2f} ({how})"


def baseline_rows(logs: Logs, evaluated: Mapping[str, Mapping[int, Evaluation]], trained: Iterable[str]) -> list[Row]:
    """One row for each model that was evaluated without being trained here; of several checkpoints the best average.

    The untrained base model of a training run counts too, where a published row stands for it.
    """
    rows: dict[str, Row] = {}
    trained = set(trained)
    for run in logs.runs[logs.runs.job_type == "eval"].to_dict("records"):
        subject = run["config"].get("train_id", run["group"])
        hub_id = _hub_id(run["config"])
        wanted = published.find("baselines", hub_id=hub_id)
        name = wanted["model"] if wanted else subject
        if name in rows or subject not in evaluated or (subject in trained and wanted is None):
            continue
        steps = {0: evaluated[subject].get(0, {})} if subject in trained else evaluated[subject]
        row = _baseline_row(subject, {step: reported(found) for step, found in steps.items()})
        if not isinstance(row["accuracy"], Missing):
            rows[name] = row | {"model": name, "hub_id": hub_id} | against_published(row, wanted)
    order = {wanted["model"]: place for place, wanted in enumerate(published.rows("baselines"))}
    return sorted(rows.values(), key=lambda row: order.get(row["model"], len(order)))


def _baseline_row(subject: str, measured: Mapping[int, Evaluation | Missing]) -> Row:
    """A model's facts; one that was evaluated at step 0 alone has no checkpoints to choose from."""
    chosen = best_checkpoint(measured)
    several = not isinstance(chosen["best_step"], Missing)
    tests = measured.get(chosen["best_step"] if several else 0, Missing("no eval"))
    facts = {"accuracy": tests, "benchmarks": tests} if isinstance(tests, Missing) else facts_of(tests)
    choice = chosen if several else dict.fromkeys(chosen, Missing("the model"))
    return {"run": subject, "evaluation": tests, "settings": {}} | facts | choice | median_checkpoint(measured)


def _hub_id(config: Mapping[str, Any]) -> str:
    """The hub id of the model that was evaluated; conf/model/<name>.yaml tells it where the log has the name alone."""
    name = str(config.get("model", ""))
    known = {path.stem: path for path in MODELS.glob("*.yaml")}
    return str(yaml.safe_load(known[name].read_text(encoding="utf-8"))["path"]) if name in known else name


def baselines_table(rows: Sequence[Row]) -> Table | None:
    """Models that were evaluated by themselves; None if there is none."""
    if not rows:
        return None
    rows = list(rows)
    held_against_best(rows)
    columns = [
        Column("model", plain("model"), numeric=False),
        Column("best\nstep", number("best_step", ".0f"), rank=1),
        *benchmark_columns(rows),
        Column("average\n%", accuracy),
        Column("95 %\ninterval", interval, rank=1),
        Column("published\n%", number("published", ".2f", 100), rank=1),
        Column("against\nthe best", versus_best, rank=1, numeric=False),
        Column("problems\n×samples", sample_size, rank=3),
        Column("candidates:\nrule", candidates, rank=3, numeric=False),
        Column("median\nckpt %", number("median", ".2f", 100), rank=3),
    ]
    untested = [row["model"] for row in rows if row["versus_best"] in ("no table", "incomplete", "other problems")]
    told = [f"No paired test without per-problem results of both sides: {'; '.join(untested)}."] if untested else []
    return Table("baselines", "Models evaluated without training them here", columns, rows, told)


def overall_table(arms: Sequence[Row], baselines: Sequence[Row]) -> Table | None:
    """Systems by data, price and score, published, with the best arm of the paper's runs at hand; None without one."""
    ours = [arm for arm in arms if main_model(arm) and not isinstance(arm["accuracy"], Missing)]
    if not ours:
        return None
    best = max(ours, key=lambda arm: arm["accuracy"])
    rows = [
        {
            "system": f"{row['system']}, published",
            "run": "",
            "data": row["data_thousands"],
            "cost_usd": row["cost_usd"],
            "hours": row["hours"],
            "accuracy": row["average"] / 100,
        }
        for row in published.rows("overall")
    ]
    evaluated = {base["model"]: base["accuracy"] for base in baselines}
    for row, wanted in zip(rows, published.rows("overall"), strict=True):
        row["ours"] = evaluated.get(wanted["system"], Missing("no eval"))
    rows.append(_overall_row(best))
    columns = [
        Column("system", plain("system"), numeric=False),
        Column("data,\nthousands", number("data", ".1f"), rank=1),
        Column("cost\n$", number("cost_usd", ".2f")),
        Column("hours", number("hours", ".1f"), rank=1),
        Column("average\n%", number("accuracy", ".2f", 100)),
        Column("evaluated\nhere %", number("ours", ".2f", 100), rank=2),
    ]
    return Table("overall", "Overall comparison", columns, rows, [OVERALL_NOTE])


OVERALL_NOTE = (
    "Data: completions that training saw, prompts x completions each; it fits the published 42 of Open-RS (7k x 6); "
    "the paper does not define it. Cost and hours are those of training; ours are GPU-hours."
)


def _overall_row(best: Row) -> Row:
    settings = best["settings"]
    seconds, per_step = best["seconds"], settings.get("batch.completions_per_step")
    known = not isinstance(best["best_step"], Missing) and per_step is not None
    hours = seconds if isinstance(seconds, Missing) else seconds * settings.get("hardware.processes", 1) / 3600
    return {
        "system": f"best at hand: {best['arm']}",
        "run": best["run"],
        "data": best["best_step"] * per_step / 1000 if known else Missing("not logged"),
        "cost_usd": best["cost_usd"],
        "hours": hours,
        "accuracy": best["accuracy"],
        "ours": best["accuracy"],
    }
