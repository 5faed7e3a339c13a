"""The arms of a study: seeds put together, each arm held against the best one and against the published number."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis import published
from analysis.evaluations import AVERAGE, MEASURED, Benchmark, Evaluation, Missing, Row
from analysis.results import HIDDEN, LOGGED, compared_benchmarks
from tina.statistics import holm, paired_difference
from tina.statistics.intervals import ROUNDING, t_quantile

LEVEL = 0.95
ALPHA = 1 - LEVEL
Z = 1.959963984540054
"""The normal distribution's two-sided 95 % quantile."""

SUMMED = ("unjudged",)
NOT_COMBINED = (*HIDDEN, "run", "label", "state", "low", "high", "interval")


@dataclass(frozen=True)
class Comparison:
    """Mean of a minus mean of b over the benchmarks that both report, each counting once."""

    difference: float
    low: float
    high: float
    p_value: float


def study_arms(manifest: Mapping[str, Any], by_digest: Mapping[str, Row]) -> list[Row]:
    """One row an arm in the manifest's order, found by digest; runs that differ in their seed alone are one arm.

    `layout.labels` renames arms: a mapping from an arm's label to the text in the table.
    """
    layout = manifest.get("layout") or {}
    labels = layout.get("labels") or {}
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for arm in manifest["arms"]:
        swept = {key: str(value) for key, value in (arm.get("overrides") or {}).items() if key != "seed"}
        seeded = len(swept) < len(arm.get("overrides") or {})
        name = ", ".join(f"{key}={value}" for key, value in swept.items()) or "the same settings"
        groups.setdefault(name if seeded else arm["label"], []).append(arm | {"swept": swept, "name": name})
    rows = []
    for label, arms in groups.items():
        found = [by_digest.get(arm["digest"]) or not_run(arm["digest"]) for arm in arms]
        named = {"arm": labels.get(label, label), "seeds": " ".join(str(arm.get("seed", "")) for arm in arms)}
        rows.append(named | arms[0]["swept"] | combined(found) | _published_place(layout, arms[0]["name"]))
    held_against_best(rows)
    return [row | against_published(row, published_row(row)) for row in rows]


def not_run(digest: str) -> Row:
    """Every fact of an arm that no training run was found for."""
    facts = ("state", "steps", "transition", "transition_source", "median", "evaluated", "percent_of_epoch")
    facts += ("evaluation_usd",)
    facts += (*LOGGED, *MEASURED, *(f"base_{fact}" for fact in MEASURED), "evaluation")
    return {"run": digest, "label": Missing("not run"), "settings": {}} | dict.fromkeys(facts, Missing("not run"))


def combined(rows: Sequence[Row]) -> Row:
    """Runs that differ in their seed as one row: means over those that have the fact, a t-interval over the seeds'.

    One run keeps its own interval, which counts the problems. `runs` and `seed_runs` say which runs they are.
    """
    measured = [row for row in rows if not isinstance(row["accuracy"], Missing)]
    names = {"run": " ".join(row["run"] for row in rows), "n_seeds": len(measured), "seed_runs": list(rows)}
    if len(rows) == 1:
        return dict(rows[0]) | names
    facts = {key: None for row in rows for key in row if key not in NOT_COMBINED}
    together = {key: _together(key, [row.get(key, Missing("not logged")) for row in rows]) for key in facts}
    finished = sum(row["state"] == "finished" for row in rows)
    state = "finished" if finished == len(rows) else f"{finished} of {len(rows)} finished"
    evaluation = _pooled([row["evaluation"] for row in measured]) if measured else rows[0]["evaluation"]
    shared = {"label": rows[0]["label"], "settings": rows[0]["settings"], "state": state, "evaluation": evaluation}
    return together | names | shared | _interval_over_seeds(measured or rows)


def _together(fact: str, values: Sequence[Any]) -> Any:
    known = [value for value in values if not isinstance(value, Missing)]
    if not known or all(value == known[0] for value in known):
        return known[0] if known else values[0]
    if not all(isinstance(value, int | float) for value in known):
        return " / ".join(dict.fromkeys(f"{value:.0f}" if isinstance(value, float) else str(value) for value in known))
    return sum(known) if fact in SUMMED else sum(known) / len(known)


def _interval_over_seeds(measured: Sequence[Row]) -> Row:
    """What another seed would give on these problems; a spread of 0 says nothing, then the problems' interval stays."""
    means = np.array([row["accuracy"] for row in measured if not isinstance(row["accuracy"], Missing)])
    if len(means) < 2 or np.ptp(means) < ROUNDING:
        return {fact: measured[0][fact] for fact in ("low", "high", "interval")}
    half = t_quantile(len(means) - 1, LEVEL) * means.std(ddof=1) / math.sqrt(len(means))
    low, high = max(0.0, float(means.mean() - half)), min(1.0, float(means.mean() + half))
    return {"low": low, "high": high, "interval": "t over seed means"}


def _pooled(evaluations: Sequence[Evaluation]) -> Evaluation:
    """The samples of all seeds on each benchmark; without those that some seed has no whole table of."""
    pooled = {}
    for name, first in evaluations[0].items():
        tables = [by_problem(evaluation.get(name), first.problems) for evaluation in evaluations]
        correct = None if any(table is None for table in tables) else np.concatenate(tables, axis=1)
        pooled[name] = Benchmark(first.facts, first.problems, correct)
    return pooled


def by_problem(benchmark: Benchmark | None, problems: Sequence[str]) -> np.ndarray | None:
    """A benchmark's table [problems, samples] in this order of problems; None if it has other ones, or no table."""
    if benchmark is None or benchmark.correct is None or set(benchmark.problems) != set(problems):
        return None
    place = {problem: index for index, problem in enumerate(benchmark.problems)}
    return benchmark.correct[[place[problem] for problem in problems]]


def compare(a: Evaluation | Missing, b: Evaluation | Missing) -> Comparison | Missing:
    """Paired over the same problems, clustered by problem; over several benchmarks the mean of the differences.

    The standard error of that mean is sqrt(sum se_b^2) / B, and the test is then the normal one. Its interval comes
    from those of the benchmarks (MOVER, Zou & Donner 2008), which are no points where a difference has no spread.
    """
    missing = next((side for side in (a, b) if isinstance(side, Missing)), None)
    if missing is not None:
        return missing
    if set(a) != set(b):
        return Missing("other benchmarks")
    differences = []
    for name, benchmark in a.items():
        if benchmark.correct is None or b[name].correct is None:
            return Missing("no table")
        other = by_problem(b[name], benchmark.problems)
        if other is None:
            return Missing("other problems")
        differences.append(paired_difference(benchmark.correct, other))
    if len(differences) == 1:
        only = differences[0]
        return Comparison(only.mean, only.low, only.high, only.p_value)
    difference = sum(one.mean for one in differences) / len(differences)
    error = math.hypot(*(one.standard_error for one in differences)) / len(differences)
    if error > 0:
        p_value = math.erfc(abs(difference) / error / math.sqrt(2))
    else:  # the same difference on every problem of each: the chance that so many coins fall alike
        p_value = 1.0 if difference == 0 else 2.0 ** (1 - sum(one.n_problems for one in differences))
    down, up = (
        math.hypot(*(getattr(one, end) - one.mean for one in differences)) / len(differences) for end in ("low", "high")
    )
    return Comparison(difference, difference - down, difference + up, p_value)


def held_against_best(rows: Sequence[Row]) -> None:
    """Sets `versus_best` of each row: best, tie, worse, or why it cannot be told; with Holm's correction.

    A tie is a row whose paired test against the best does not reject at 5 % over all rows of the table. Rows that were
    evaluated on other benchmarks than the table's best are not compared.
    """
    facts = ("versus_best", "p_best", "difference", "difference_low", "difference_high")
    for row in rows:
        row |= dict.fromkeys(facts, row["accuracy"] if isinstance(row["accuracy"], Missing) else Missing("alone"))
    measured = [row for row in rows if not isinstance(row["accuracy"], Missing)]
    if len(measured) < 2:
        return
    # Of a row whose average alone is known it is the average of the table's benchmarks.
    benchmarks = [{} if isinstance(row["evaluation"], Missing) else row["evaluation"] for row in measured]
    compared = (compared_benchmarks(benchmarks), frozenset({AVERAGE}), frozenset())
    comparable = [found.keys() in compared for found in benchmarks]
    best = max((row for row, fits in zip(measured, comparable, strict=True) if fits), key=lambda row: row["accuracy"])
    tested = []
    for row, fits in zip(measured, comparable, strict=True):
        if not fits:
            row |= dict.fromkeys(facts, Missing("other benchmarks"))
            continue
        if row is best or abs(row["accuracy"] - best["accuracy"]) < ROUNDING:
            row |= dict.fromkeys(facts[1:], Missing("best")) | {"versus_best": "best"}
            continue
        found = compare(row["evaluation"], best["evaluation"])
        if isinstance(found, Missing):
            row |= dict.fromkeys(facts, found)
            continue
        row |= {"difference": found.difference, "difference_low": found.low, "difference_high": found.high}
        tested.append((row, found.p_value))
    for (row, _), p_value in zip(tested, holm([p_value for _, p_value in tested]), strict=True):
        row |= {"p_best": float(p_value), "versus_best": "tie" if p_value > ALPHA else "worse"}


def _published_place(layout: Mapping[str, Any], arm: str) -> Row:
    """Which published number an arm answers to: a table, and the value of its row there."""
    value = (layout.get("published_arms") or {}).get(arm)
    if not layout.get("published") or value is None:
        return dict.fromkeys(("published_table", "published_value"), Missing("not published"))
    return {"published_table": layout["published"], "published_value": value}


def published_row(row: Row) -> published.Published | None:
    """The published row that an arm answers to: one of an ablation, or of the main table by the model's name."""
    table, value = row["published_table"], row["published_value"]
    if table == "main_results":
        return published.find("main_results", model=value)
    return published.find("ablations", table=table, value=value)


def against_published(row: Row, wanted: published.Published | None) -> Row:
    """The published number on the benchmarks at hand, and whether our interval agrees with it.

    reproduced: it holds the published number and not the published base model's, so that it can tell the two apart;
    not reproduced: it does not hold the published number; cannot be told: it holds both, or there is none.
    """
    facts = ("published", "published_percent_of_epoch", "verdict", "verdict_reason")
    if wanted is None:
        return dict.fromkeys(facts, Missing("not published"))
    if isinstance(row["accuracy"], Missing):
        shown = published.average(wanted, published.BENCHMARKS)
        return dict.fromkeys(facts, row["accuracy"]) | {"published": _share(shown)}
    names = list(published.BENCHMARKS) if row["benchmarks"] == AVERAGE else row["benchmarks"].split()
    number = published.average(wanted, names)
    base = published.average(published.find("baselines", model=published.BASE), names)
    percent = wanted.get("steps_percent_of_epoch")
    return {
        "published": _share(number),
        "published_percent_of_epoch": Missing("not published") if percent is None else percent,
    } | _verdict(row, number, base)


def _share(percent: float | None) -> float | Missing:
    return Missing("other benchmarks") if percent is None else percent / 100


def _verdict(row: Row, number: float | None, base: float | None) -> Row:
    if number is None or base is None:
        return {"verdict": "cannot be told", "verdict_reason": "nothing is published for these benchmarks"}
    if isinstance(row["low"], Missing):
        return {"verdict": "cannot be told", "verdict_reason": f"no interval ({row['low']})"}
    if not row["low"] <= number / 100 <= row["high"]:
        return {"verdict": "not reproduced", "verdict_reason": "the published number lies outside our interval"}
    if row["low"] <= base / 100 <= row["high"]:
        return {"verdict": "cannot be told", "verdict_reason": "our interval holds the published base model too"}
    return {"verdict": "reproduced", "verdict_reason": "our interval holds it, and not the published base model"}
