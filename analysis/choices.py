"""The paper's claim, on any runs: is the checkpoint at the transition as good as one that was searched for?

For each run whose checkpoints were evaluated, the test accuracy of four of them: the one that the transition names, the
best on the held-out set, the last, and the oracle, the best on the test set itself, which nobody can choose honestly.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from analysis.arms import by_problem
from analysis.checked import is_number
from analysis.columns import number, plain
from analysis.evaluations import Evaluation, Missing, Row, facts_of, reported
from analysis.render import Column, Table
from analysis.results import candidates
from tina.statistics import paired_difference
from tina.statistics.intervals import t_quantile

RULES = {
    "transition": "at or before the transition",
    "held_out": "best on held-out",
    "last": "last",
    "oracle": "oracle (best on the test set)",
}


def chosen_steps(run: Row, measured: Mapping[int, Evaluation]) -> dict[str, int | Missing]:
    """The step that each rule chooses among the evaluated ones; the reason where it cannot."""
    held_out = run["settings"].get("selection.benchmark")
    means = candidates({step: reported(found, held_out) for step, found in measured.items()})
    if len(means) < 2:
        return {}
    steps = sorted(means)
    turn = run["transition"]
    if is_number(turn):
        at_turn = max((step for step in steps if step <= turn), default=steps[0])
    else:
        at_turn = Missing(f"transition: {turn}")
    known = {step: measured[step][held_out].facts["accuracy"] for step in steps if held_out in measured[step]}
    best_held_out = max(sorted(known), key=lambda step: known[step]) if known else Missing("no held-out set")
    best = max(steps, key=lambda step: means[step])
    return {"transition": at_turn, "held_out": best_held_out, "last": steps[-1], "oracle": best}


def choices_table(evaluated: Mapping[str, Mapping[int, Evaluation]], runs: Sequence[Row]) -> Table | None:
    """One row a rule over all runs that have a transition and several evaluated checkpoints; None without any."""
    found = []
    for run in runs:
        steps = chosen_steps(run, evaluated.get(run["run"], {}))
        if steps and not any(isinstance(step, Missing) for step in steps.values()):
            found.append((run, evaluated[run["run"]], steps))
    if not found:
        return None
    rows = [_row(rule, words, found) for rule, words in RULES.items()]
    columns = [
        Column("checkpoint", plain("words"), numeric=False, wrap=34),
        Column("runs", number("n_runs", "d"), rank=1),
        Column("step,\nmedian", number("step", ".0f")),
        Column("test\n%", number("accuracy", ".2f", 100)),
        Column("95 %\ninterval", _interval("low", "high")),
        Column("against the\ntransition's, points", number("difference", "+.2f", 100)),
        Column("95 % interval\nof that", _interval("difference_low", "difference_high")),
        Column("answers it\ncost a run", number("answers", ",.0f")),
    ]
    notes = [
        "Intervals: of an accuracy, t over runs; of a difference, t over the runs' paired differences. One run alone: "
        "paired over its problems.",
        "Answers that the choice cost: those to held-out (oracle: test) problems, of all candidates. The transition "
        "and the last need none.",
        "Runs without a transition, or with one evaluated checkpoint, are left out.",
    ]
    if any(str(run["settings"].get("model.path", "")).startswith("embedded:") for run, _, _ in found):
        notes.append("The embedded model is a tiny one on generated arithmetic.")
    return Table("choices", "Which checkpoint: the transition against a search", columns, rows, notes)


def _row(rule: str, words: str, found: Sequence[tuple[Row, Mapping[int, Evaluation], dict[str, int]]]) -> Row:
    accuracies, differences, answers, alone = [], [], [], None
    for run, measured, steps in found:
        held_out = run["settings"].get("selection.benchmark")
        ours, base = (reported(measured[steps[name]], held_out) for name in (rule, "transition"))
        accuracies.append(facts_of(ours)["accuracy"])
        differences.append(accuracies[-1] - facts_of(base)["accuracy"])
        answers.append(_answers(rule, measured, held_out))
        alone = (ours, base)
    low, high = _t_interval(accuracies)
    low, high = (end if isinstance(end, str) else min(max(end, 0.0), 1.0) for end in (low, high))
    if len(found) == 1:
        facts = facts_of(alone[0])
        low, high = facts["low"], facts["high"]
        difference_low, difference_high = _paired(*alone)
    else:
        difference_low, difference_high = _t_interval(differences)
    return {
        "rule": rule,
        "words": words,
        "run": " ".join(run["run"] for run, _, _ in found),
        "n_runs": len(found),
        "step": float(np.median([steps[rule] for _, _, steps in found])),
        "accuracy": float(np.mean(accuracies)),
        "low": low,
        "high": high,
        "difference": Missing("–") if rule == "transition" else float(np.mean(differences)),
        "difference_low": Missing("–") if rule == "transition" else difference_low,
        "difference_high": Missing("–") if rule == "transition" else difference_high,
        "answers": float(np.mean(answers)),
    }


def _answers(rule: str, measured: Mapping[int, Evaluation], held_out: str | None) -> float:
    """Completions that had to be graded to choose: of all checkpoints on the sets that the rule looks at."""
    if rule in ("transition", "last"):
        return 0.0
    total = 0.0
    for step, evaluation in measured.items():
        sets = [held_out] if rule == "held_out" else list(reported(evaluation, held_out))
        facts = [evaluation[name].facts for name in sets if step > 0]
        total += sum(f["n_problems"] * f["n_samples"] for f in facts if is_number(f["n_problems"]))
    return total


def _t_interval(values: Sequence[float]) -> tuple[float | Missing, float | Missing]:
    if len(values) < 2:
        return Missing("one run"), Missing("one run")
    half = t_quantile(len(values) - 1, 0.95) * float(np.std(values, ddof=1)) / np.sqrt(len(values))
    return float(np.mean(values) - half), float(np.mean(values) + half)


def _paired(ours: Evaluation, base: Evaluation) -> tuple[float | Missing, float | Missing]:
    if len(ours) != 1 or ours.keys() != base.keys():
        return Missing("several sets"), Missing("several sets")
    ((name, one),) = ours.items()
    other = by_problem(base[name], one.problems)
    if one.correct is None or other is None:
        return Missing("no table"), Missing("no table")
    found = paired_difference(one.correct, other)
    return found.low, found.high


def _interval(low: str, high: str) -> Callable[[Row], str]:
    def text(row: Row) -> str:
        return row[low] if isinstance(row[low], str) else f"{100 * row[low]:.1f} to {100 * row[high]:.1f}"

    return text
