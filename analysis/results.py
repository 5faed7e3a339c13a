"""One flat row of facts for each training run: what was set, what came out, how sure that is.

A fact is a number or a text; one that is not known is a `Missing`, which says why in a word or two.
"""

import json
import statistics
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from analysis.evaluations import (
    MEASURED,
    Evaluation,
    Missing,
    Row,
    evaluations,
    facts_of,
    reported,
    total,
)
from analysis.metrics import FOREIGN_SETTINGS, FORMAT_REWARD
from analysis.runs import Logs
from analysis.turns import Turns
from tina import identity
from tina.errors import UserError

LOGGED = {
    "best_step": "selection/step",
    "selection_rule": "selection/rule",
    "candidates": "selection/candidates",
    "seconds": "run/seconds",
    "cost_usd": "run/cost_usd",
    "usd_per_hour": "run/usd_per_hour",
    "flops": "run/flops",
    "completion_tokens": "run/completion_tokens",
    "trainable_share": "run/trainable_share",
    "prompts": "data/prompts",
}
"""What a training run logs once, by the name of its fact."""
EVALUATION_COST = "eval/cost_usd"
"""What an evaluation logs once about its price."""

HIDDEN = ("settings", "evaluation", "seed_runs")
"""What a row holds for other tables and pictures: not a fact of its own, and not in the CSV."""

CHECKPOINTS = ("logged", "best_average")


def train_rows(logs: Logs, checkpoint: str = "logged", turns: Turns | None = None) -> list[Row]:
    """The facts of every training run, oldest first.

    `checkpoint`: "logged" reports the one that the run's own rule chose; "best_average" the best of all that were
    evaluated by the mean that is reported, as the paper does. Beside the facts stand `settings` by dotted name, and
    `evaluation`, the reported benchmarks of that checkpoint. The transition of a run that logged none itself is found
    in its curve, by `turns`. Raises UserError for another `checkpoint`.
    """
    if checkpoint not in CHECKPOINTS:
        raise UserError(f"There is no checkpoint={checkpoint}: choose from {', '.join(CHECKPOINTS)}.")
    evaluated = evaluations(logs)
    prices = _evaluation_costs(logs)
    trained = logs.runs[logs.runs.job_type == "train"]
    return [
        _train_row(run, evaluated.get(run["id"], {}), checkpoint, turns)
        | {"evaluation_usd": prices.get(run["id"], Missing("not logged"))}
        for run in trained.to_dict("records")
    ]


def _train_row(
    run: Mapping[str, Any], evaluated: Mapping[int, Evaluation], checkpoint: str, turns: Turns | None
) -> Row:
    summary = {key: value for key, value in run["summary"].items() if value is not None}
    config = run["config"]
    settings = _settings(config)
    unfinished = {"running": "unfinished", "finished": "log damaged" if run["damage"] else "not logged"}
    why = Missing(unfinished.get(run["state"], run["state"]))
    step = summary.get("run/steps", summary.get("train/global_step"))
    row = {
        "run": run["id"],
        "label": config.get("label") or config.get("run_name") or run["id"],
        "settings": settings,
        "state": run["state"] if run["state"] == "finished" else f"{run['state']} at step {step or 0}",
        "steps": why if step is None else step,
        **{fact: summary.get(key, why) for fact, key in LOGGED.items()},
        **_transition(run, turns if _is_foreign(run) else None, why),
        **_computed_with(config.get("segments") or []),
    }
    held_out = settings.get("selection.benchmark")
    held_out = held_out if isinstance(held_out, str) else None
    measured = {step: reported(found, held_out) for step, found in evaluated.items()}
    row |= median_checkpoint(measured)
    if checkpoint == "best_average":
        row |= best_checkpoint(measured)
    chosen = row["best_step"]
    tests = chosen if isinstance(chosen, Missing) else measured.get(int(chosen), Missing("no eval"))
    base = {f"base_{fact}": value for fact, value in _facts(measured.get(0, Missing("no eval"))).items()}
    percent = _percent_of_epoch(chosen, summary, why)
    return row | _facts(tests) | base | {"percent_of_epoch": percent, "evaluation": tests}


def _computed_with(segments: Sequence[Mapping[str, Any]]) -> Row:
    """The versions that the last start of a run had, and `changed`: what other ones had before, empty if none had."""
    facts = [{**one.get("versions", {}), **one.get("precision", {})} for one in segments]
    changed = []
    for name in dict.fromkeys(name for one in facts for name in one):
        values = dict.fromkeys(str(one[name]) for one in facts if name in one)
        changed += [f"{name} {', then '.join(values)}"] if len(values) > 1 else []
    last = segments[-1].get("versions", {}) if segments else {}
    told = ", ".join(f"{name} {version}" for name, version in last.items())
    return {"versions": told or Missing("not logged"), "changed": "; ".join(changed)}


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The resolved configuration by dotted name; of a run that another program logged, what can be told."""
    if isinstance(config.get("cfg"), dict):
        return dict(identity.leaves(config["cfg"]))
    logged = dict(identity.leaves(config))
    return {ours: logged[theirs] for theirs, ours in FOREIGN_SETTINGS.items() if logged.get(theirs) is not None}


def _facts(tests: Evaluation | Missing) -> Row:
    return dict.fromkeys(MEASURED, tests) if isinstance(tests, Missing) else facts_of(tests)


def candidates(measured: Mapping[int, Evaluation | Missing]) -> dict[int, float]:
    """The reported mean of every checkpoint that was evaluated on the benchmarks that the table compares."""
    found = {step: tests for step, tests in measured.items() if step > 0 and not isinstance(tests, Missing)}
    compared = compared_benchmarks(found.values())
    return {step: facts_of(tests)["accuracy"] for step, tests in found.items() if tests.keys() == compared}


def compared_benchmarks(evaluations: Collection[Evaluation]) -> frozenset[str]:
    """Means compare only over the same benchmarks: the largest set that was evaluated, of equals the most frequent."""
    counts = Counter(frozenset(evaluation) for evaluation in evaluations)
    return max(counts, key=lambda names: (len(names), counts[names], sorted(names)), default=frozenset())


def median_checkpoint(measured: Mapping[int, Evaluation | Missing]) -> Row:
    """What a checkpoint picked blindly would score: the median over those that were evaluated."""
    means = candidates(measured)
    median = statistics.median(means.values()) if len(means) > 1 else Missing("one only" if means else "no eval")
    return {"median": median, "evaluated": len(means)}


def best_checkpoint(measured: Mapping[int, Evaluation | Missing]) -> Row:
    """The paper's rule: of all checkpoints the one with the best average, the earliest of equals."""
    means = candidates(measured)
    step = max(means, key=lambda step: means[step]) if means else Missing("no eval")
    return {"best_step": step, "selection_rule": "best average", "candidates": len(means)}


def _percent_of_epoch(step: Any, summary: Mapping[str, Any], why: Missing) -> Any:
    """How far into the data the chosen checkpoint is, in percent of one pass."""
    epochs, steps = summary.get("run/epochs"), summary.get("run/steps")
    if epochs is None or not steps:
        epochs, steps = summary.get("train/epoch"), summary.get("train/global_step")
    if isinstance(step, Missing) or epochs is None or not steps:
        return step if isinstance(step, Missing) else why
    return 100 * step * epochs / steps


def _evaluation_costs(logs: Logs) -> dict[str, Any]:
    """Dollars of all evaluations of a subject; missing as soon as one of them did not log its price."""
    prices: dict[str, list[Any]] = {}
    for run in logs.runs[logs.runs.job_type == "eval"].to_dict("records"):
        price = run["summary"].get(EVALUATION_COST, Missing("not logged"))
        prices.setdefault(run["config"].get("train_id", run["group"]), []).append(price)
    return {subject: total(found) for subject, found in prices.items()}


def _is_foreign(run: Mapping[str, Any]) -> bool:
    """Was it logged by another program? A run of ours that says nothing of its turn has not come to its end."""
    return "digest" not in run["config"]


def _transition(run: Mapping[str, Any], turns: Turns | None, why: Missing) -> Row:
    """The step of the turn, or in a word that there is none; and who says so: the run itself, or its curve here."""
    verdict = run["summary"].get("dynamics/transition")
    if verdict is not None:
        step = run["summary"].get("dynamics/transition_step", Missing("step not logged"))
        return {"transition": step if verdict == "turn" else verdict, "transition_source": "logged"}
    found = turns(run["id"], FORMAT_REWARD) if turns else why
    if isinstance(found, Missing):
        return {"transition": found, "transition_source": found}
    return {"transition": found.step if found.kind == "turn" else found.kind, "transition_source": "found here"}


def swept_settings(rows: Sequence[Row], axes: Iterable[str] = ()) -> list[str]:
    """Dotted names of the settings in which runs differ: the studies' own `axes` first, the seed last.

    A setting that another one of its group determines (alpha by rank, a loss by the algorithm's name) is left out.
    """
    known = dict.fromkeys(name for row in rows for name in row["settings"])
    counted_groups = {name.split(".")[0] for name in known if identity.is_identity(name)}
    varied = [
        name
        for name in known
        if (identity.is_identity(name) or (name.endswith(".name") and name.split(".")[0] in counted_groups))
        and len({setting(row, name) for row in rows}) > 1
    ]
    first = [name for axis in axes for name in (axis, f"{axis}.name") if name in varied]
    shown: list[str] = []
    for name in dict.fromkeys([*first, *(name for name in varied if name != "seed")]):
        if name in first or not any(_determines(other, name, rows) for other in shown):
            shown.append(name)
    return shown + [name for name in varied if name == "seed" and name not in shown]


def _determines(one: str, other: str, rows: Sequence[Row]) -> bool:
    if one.split(".")[0] != other.split(".")[0]:
        return False
    return len({setting(row, one) for row in rows}) == len({(setting(row, one), setting(row, other)) for row in rows})


def setting(row: Row, name: str) -> str:
    """The value of a setting as the command line would take it."""
    if name not in row["settings"]:
        return Missing("not logged")
    value = row["settings"][name]
    return value if isinstance(value, str) else json.dumps(value)
