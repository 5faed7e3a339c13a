"""The end of a run, for people: what changed, where the turn was, which checkpoint, what it took, what to type next."""

import json
from collections.abc import Mapping
from typing import Any

from rich.table import Table

from tina import identity
from tina.progress import console
from tina.selection import bias_in_words


def show_done(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Shows the summary of a run that is done, and returns it; None of one that is not, or is now asked for more."""
    if not identity.is_done(config):
        return None
    folder = identity.run_folder(config)
    told = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    console.print(f"Done before: {folder} (remove the folder to run it again).")
    show(told)
    return told


def show(told: dict[str, Any]) -> None:
    """Prints a run's summary as `tina.experiment` made it."""
    logged, scores = told["logged"], told["scores"]
    chosen = str(logged["selection/step"])
    for benchmark in told["reported"]:
        if chosen in scores:
            console.print(_before_after(benchmark, scores["0"], scores[chosen], chosen))
    console.print(f"transition   {_transition(logged)}")
    if "run/stopped" in logged:
        console.print(
            f"stopped      at step {logged['run/steps']} of {logged['run/planned_steps']}: {logged['run/stopped']}"
        )
    console.print(
        f"checkpoint   step {chosen} of {logged['run/steps']} "
        f"(rule: {logged['selection/rule']}, {logged['selection/candidates']} candidates)"
    )
    if "selection/bias" in logged:
        told_bias = bias_in_words(logged["selection/candidates"], logged["selection/bias"])
        console.print(f"bias         {told_bias}")
    console.print(
        f"took         {logged['run/seconds']:.0f} s of training ({logged['run/seconds_per_step']:.2f} s a step), "
        f"${logged['run/cost_usd']:.2f} at ${logged['run/usd_per_hour']:g} an hour{_flops(logged)}"
    )
    if "run/evaluation_seconds" in logged:
        console.print(
            f"evaluation   {logged['run/evaluation_seconds']:.0f} s, ${logged['run/evaluation_cost_usd']:.2f}"
        )
    if waits := _waits(logged):
        console.print(f"beside it    {waits}")
    if "forecast/hours" in logged:
        console.print(
            f"forecast     {logged['forecast/hours']:.2f} hours, ${logged['forecast/cost_usd']:.2f}; "
            f"in fact {logged['run/seconds'] / 3600:.2f} hours, ${logged['run/cost_usd']:.2f}"
        )
    if "run/evaluation_seconds" in logged and "forecast/evaluation_hours" in logged:
        console.print(
            f"             evaluation {logged['forecast/evaluation_hours']:.2f} hours, "
            f"${logged['forecast/evaluation_cost_usd']:.2f}; in fact {logged['run/evaluation_seconds'] / 3600:.2f} "
            f"hours, ${logged['run/evaluation_cost_usd']:.2f}"
        )
    if commits := told.get("commits"):
        read = ", ".join(f"{name} at {commit[:12]}" for name, commit in commits.items())
        console.print(f"hub          {read}")
    console.print(f"lies in      {told['folder']}")
    console.print("next         python analysis/tables.py        every run so far, as a table")
    console.print("             python train.py -m lora.rank=4,8,16,32,64        an ablation")


def _flops(logged: dict[str, Any]) -> str:
    return f", {logged['run/flops']:.3g} FLOPs" if "run/flops" in logged else ""


def _waits(logged: dict[str, Any]) -> str:
    """What neither training nor evaluation was: idle on the machine that was held, and in a cluster's queue."""
    parts = [
        f"{logged[key]:.0f} s {words}"
        for key, words in (("run/idle_seconds", "idle"), ("run/queue_seconds", "in the queue"))
        if key in logged
    ]
    return ", ".join(parts)


def _transition(logged: dict[str, Any]) -> str:
    kind = logged["dynamics/transition"]
    if kind == "turn":
        return f"step {logged['dynamics/transition_step']:.0f} ({logged['dynamics/witness']} turns)"
    return {"none": "none", "undecided": "cannot be told"}[kind] + f" ({logged['dynamics/reason'].rstrip('.')})"


def _before_after(benchmark: str, before: dict[str, float], after: dict[str, float], step: str) -> Table:
    table = Table(title=f"{benchmark} (n = {before[f'{benchmark}/n_problems']:.0f} problems)", title_justify="left")
    table.add_column("")
    table.add_column("base", justify="right")
    table.add_column(f"step {step}", justify="right")
    for name in ("accuracy", "format", "tokens"):
        row = [_cell(name, scores, f"{benchmark}/") for scores in (before, after)]
        table.add_row(name, *row)
    return table


def _cell(name: str, scores: dict[str, float], prefix: str) -> str:
    if name == "accuracy":
        mean, low, high = (scores[prefix + key] for key in ("mean", "low", "high"))
        return f"{mean:.3f} [{low:.3f}, {high:.3f}]"
    if name == "format":
        return f"{scores[prefix + 'format']:.3f}"
    return f"{scores[prefix + 'mean_tokens']:.1f}"
