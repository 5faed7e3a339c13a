"""What was measured where: each evaluated checkpoint with its benchmarks, their intervals and per-problem results."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.published import BENCHMARKS
from analysis.runs import Logs
from tina.statistics import mean_interval, wilson_interval

Row = dict[str, Any]


class Missing(str):
    """A cell without data: the reason, short enough for a narrow column."""


AVERAGE = "average"
"""A name of no benchmark: `eval/average/mean` is the mean over some that are not told apart."""

EVAL_MEAN = re.compile(r"eval/(.+)/mean")
EVAL_SHARES = {"format": "format", "tokens": "mean_tokens", "truncated": "truncated"}
MEASURED = (
    *("benchmarks", "accuracy", "low", "high", "interval", "n_problems", "n_samples", "unjudged"),
    *EVAL_SHARES,
)
INTERVAL = ("low", "high", "interval", "unjudged")
ROUNDING = 0.03  # a percentage with two decimals is a count of up to 500 problems within this

TABLE_ROUNDING = 1e-3
"""How far a logged mean may be from its table's: other programs log percentages with one or two decimals."""


@dataclass(frozen=True)
class Benchmark:
    """One benchmark of one evaluation: its facts, and who solved what."""

    facts: Row
    problems: tuple[str, ...] = ()
    correct: np.ndarray | None = None
    """0 and 1, [problems, samples]; None without a whole per-problem table."""


Evaluation = Mapping[str, Benchmark]
"""By the benchmark's name, those of the paper first and in its order."""


def evaluations(logs: Logs) -> dict[str, dict[int, Evaluation]]:
    """Every evaluation by its subject (a training run's id, or a model's name) and step.

    Of a benchmark that was measured twice at the same place the one with more samples counts, of equals the later.
    """
    tables = dict(iter(logs.problems.groupby(["run", "benchmark"], sort=False, observed=True)))
    found: dict[str, dict[int, dict[str, Benchmark]]] = {}
    for run in logs.runs[logs.runs.job_type == "eval"].to_dict("records"):
        subject, step = run["config"].get("train_id", run["group"]), run["config"].get("step")
        if step is None:
            continue
        benchmarks = found.setdefault(subject, {}).setdefault(int(step), {})
        for key in run["summary"]:
            if match := EVAL_MEAN.fullmatch(key):
                measured = _benchmark(match[1], run["summary"], tables.get((run["id"], match[1])))
                if match[1] not in benchmarks or _samples(measured) >= _samples(benchmarks[match[1]]):
                    benchmarks[match[1]] = measured
    return {
        subject: {step: {name: found[name] for name in ordered(found)} for step, found in sorted(steps.items())}
        for subject, steps in found.items()
    }


def ordered(names: Iterable[str]) -> list[str]:
    """Benchmarks as the paper orders them, others behind in the order given."""
    names = list(dict.fromkeys(names))
    return [name for name in BENCHMARKS if name in names] + [name for name in names if name not in BENCHMARKS]


def _benchmark(name: str, summary: Mapping[str, Any], table: pd.DataFrame | None) -> Benchmark:
    """mean@n with its 95 % interval from the per-problem table; a completion that cannot be judged counts as wrong.

    Without a whole table the logged mean stands alone, unless one sample a problem was taken: then it is a count.
    """
    shares = {fact: summary.get(f"eval/{name}/{key}", Missing("not logged")) for fact, key in EVAL_SHARES.items()}
    logged = {"accuracy": summary[f"eval/{name}/mean"]} | {
        fact: summary.get(f"eval/{name}/{fact}", Missing("not logged")) for fact in ("n_problems", "n_samples")
    }
    if table is None:
        return Benchmark(logged | _counted(logged) | shares)
    problems, correct = _matrix(table)
    if correct is None or _cut(logged, correct):
        return Benchmark(logged | dict.fromkeys(INTERVAL, Missing("incomplete")) | shares)
    estimate = mean_interval(correct)
    facts = {
        "accuracy": estimate.mean,
        "low": estimate.low,
        "high": estimate.high,
        "n_problems": estimate.n_problems,
        "n_samples": estimate.n_samples,
        "interval": estimate.method,
        "unjudged": int((table.verdict == "unjudged").sum()),
    }
    return Benchmark(facts | shares, problems, correct)


def _samples(measured: Benchmark) -> float:
    """How many answers a result rests on; 0 where that is not known."""
    counts = [measured.facts[name] for name in ("n_problems", "n_samples")]
    return 0 if any(isinstance(count, Missing) for count in counts) else math.prod(counts)


def _cut(logged: Row, correct: np.ndarray) -> bool:
    """Does a per-problem table [problems, samples] differ from the numbers that were logged beside it?"""
    problems, samples = correct.shape
    counts = ((logged["n_problems"], problems), (logged["n_samples"], samples))
    other = any(not isinstance(said, Missing) and said != found for said, found in counts)
    return other or abs(float(correct.mean()) - logged["accuracy"]) > TABLE_ROUNDING


def _counted(logged: Row) -> Row:
    """The interval of a mean that is a count: one sample a problem, so that Wilson's interval needs no table."""
    share, problems = logged["accuracy"], logged["n_problems"]
    if logged["n_samples"] != 1 or isinstance(problems, str):
        return dict.fromkeys(INTERVAL, Missing("no table"))
    solved = round(share * problems)
    if abs(share * problems - solved) > ROUNDING:
        return dict.fromkeys(INTERVAL, Missing("no table"))
    low, high = wilson_interval(solved, int(problems))
    return {"low": low, "high": high, "interval": "Wilson", "unjudged": Missing("not logged")}


def _matrix(table: pd.DataFrame) -> tuple[tuple[str, ...], np.ndarray | None]:
    """Problems in the order they were first seen, and who solved them; None if they differ in their samples."""
    codes, problems = pd.factorize(table.problem)
    counts = np.bincount(codes, minlength=len(problems))
    if len(counts) == 0 or counts.min() != counts.max():
        return (), None
    correct = (table.verdict == "correct").to_numpy(dtype=float)
    return tuple(problems), correct[np.argsort(codes, kind="stable")].reshape(len(problems), counts[0])


def reported(evaluation: Evaluation, held_out: str | None = None) -> Evaluation | Missing:
    """The benchmarks that a table reports; where there are test sets nothing else is one of them.

    The set that the checkpoint was chosen on never is.
    """
    if not evaluation:
        return Missing("no eval")
    tests = {name: found for name, found in evaluation.items() if name.endswith("_test")} or dict(evaluation)
    if len(tests) > 1:
        tests.pop(AVERAGE, None)
    tests.pop(held_out, None)
    return tests or Missing("not on a test set")


def facts_of(tests: Evaluation) -> Row:
    """The facts of one checkpoint; several benchmarks are averaged, each counting once."""
    per_benchmark = {f"{name}/{fact}": value for name, found in tests.items() for fact, value in found.facts.items()}
    if len(tests) == 1:
        ((name, found),) = tests.items()
        return {"benchmarks": name, **found.facts} | (per_benchmark if name in BENCHMARKS else {})
    facts = [found.facts for found in tests.values()]
    samples = {row["n_samples"] for row in facts}
    return {
        "benchmarks": " ".join(tests),
        **{fact: mean([row[fact] for row in facts]) for fact in ("accuracy", *EVAL_SHARES)},
        **{fact: total([row[fact] for row in facts]) for fact in ("n_problems", "unjudged")},
        "n_samples": samples.pop() if len(samples) == 1 else Missing("they differ"),
        **_interval_of_average(facts),
        **per_benchmark,
    }


def _interval_of_average(facts: Sequence[Row]) -> Row:
    """The interval of a mean of means from their own: MOVER (Zou & Donner 2008), the benchmarks being independent.

    low = m - sqrt(sum (m_b - low_b)^2) / B, and high likewise. It counts the problems, not the choice of benchmarks.
    """
    without = [row["low"] for row in facts if isinstance(row["low"], Missing)]
    if without:
        return dict.fromkeys(("low", "high", "interval"), without[0])
    down, up = (math.hypot(*(row["accuracy"] - row[end] for row in facts)) / len(facts) for end in ("low", "high"))
    average = mean([row["accuracy"] for row in facts])
    methods = ", ".join(dict.fromkeys(row["interval"] for row in facts))
    return {"low": average - down, "high": average + up, "interval": f"{methods}; averages by MOVER"}


def mean(values: Sequence[Any]) -> Any:
    """The mean of numbers, or the first reason why there is none."""
    added = total(values)
    return added if isinstance(added, Missing) else added / len(values)


def total(values: Sequence[Any]) -> Any:
    """The sum of numbers, or the first reason why there is none."""
    return next((value for value in values if isinstance(value, Missing)), None) or sum(values)
