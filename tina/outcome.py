"""What came out of a run: what is printed at its end, kept in summary.json and logged to W&B."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tina import cost, dynamics, foreign, identity, selection
from tina.evaluation.records import Record
from tina.evaluation.scores import matrices
from tina.evaluation.scores import scores as score_records
from tina.history import Row, sampled
from tina.run import Run
from tina.schema import TrainConfig
from tina.watch import watch_of


def outcome(
    run: Run,
    steps: Sequence[int],
    history: Sequence[Row],
    scored: Mapping[int, Sequence[Record]],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """The outcome of a run with checkpoints at `steps`, that logged `history` and scored `scored` (0: the base).

    `facts` were found on the way; with them and with what is computed here comes "logged", one row for W&B.
    """
    config = run.config
    measured = {step: matrices(records) for step, records in scored.items()}
    told = dynamics.describe_run(dynamics.series_of(history), config.schedule.max_steps)
    choice = selection.choose_measured(config.selection, steps, measured, told.transition.step)
    logged = {
        **facts,
        **_taken(config, history),
        **_evaluated(run.folder),
        **_turned(config, history, told),
        "selection/rule": choice.rule,
        "selection/step": choice.step,
        "selection/candidates": choice.candidates,
        "selection/bias": choice.bias,
    }
    reported = [
        name
        for name in config.benchmarks.sets
        if name != config.selection.benchmark and name not in config.benchmarks.skip
    ]
    return {
        "label": identity.label(run.values),
        "digest": run.digest,
        "asked": identity.asked(run.values),
        "folder": str(run.folder),
        "reported": reported,
        "scores": {str(step): score_records(records) for step, records in scored.items()},
        "logged": {key: value for key, value in logged.items() if value is not None},
    }


def _taken(config: TrainConfig, history: Sequence[Row]) -> dict[str, Any]:
    """Steps, seconds, tokens, FLOPs and dollars of the training, and what was forecast of it."""
    seconds = sum(row["step_time"] for row in history)
    rows, completions = sampled(history), config.batch.completions_per_step
    gpu_hours = seconds / 3600 * cost.billed(config.hardware)
    meter = cost.StepMeter(config)
    took = [meter.see(row) for row in history]
    forecast, evaluation = cost.forecast(config), cost.forecast_evaluation(config)
    known, evaluation_known = isinstance(forecast, cost.Forecast), isinstance(evaluation, cost.Forecast)
    return {
        "run/steps": int(history[-1]["step"]),
        "run/planned_steps": config.schedule.max_steps,
        "run/seconds": seconds,
        "run/seconds_per_step": seconds / len(history),
        "run/completion_tokens": sum(row["completions/mean_length"] for row in rows) * completions,
        "run/tokens": rows[-1]["num_tokens"],
        "run/epochs": history[-1]["epoch"],
        "run/usd_per_hour": config.hardware.usd_per_hour,
        "run/gpu_hours": gpu_hours,
        "run/cost_usd": gpu_hours * config.hardware.usd_per_hour,
        "run/flops": sum(step["flops"] for step in took) if meter.shape else None,
        "forecast/hours": forecast.hours if known else None,
        "forecast/cost_usd": forecast.usd if known else None,
        "forecast/evaluation_hours": evaluation.hours if evaluation_known else None,
        "forecast/evaluation_cost_usd": evaluation.usd if evaluation_known else None,
    }


def _evaluated(folder: Path) -> dict[str, Any]:
    """Seconds, FLOPs and dollars of all evaluations of the run so far, as each of them logged it."""
    found = [foreign.json_or_told(path) for path in sorted(folder.glob("evaluations/*/*/evaluation.json"))]
    told = [one.get("spent", {}) for one in found if isinstance(one, dict)]
    facts = ("seconds", "flops", "cost_usd")
    return {f"run/evaluation_{fact}": sum(spent.get(fact, 0.0) for spent in told) if told else None for fact in facts}


def _turned(config: TrainConfig, history: Sequence[Row], told: dynamics.RunDynamics) -> dict[str, Any]:
    """The phase transition as it is seen afterwards, and as it was seen while the run was going on."""
    turn, watch = told.transition, watch_of(config, sampled(history))
    stopped = int(history[-1]["step"]) < config.schedule.max_steps
    return {
        "run/stopped": f"{watch.witness} turned, told at step {watch.told}" if stopped else None,
        "dynamics/transition": turn.kind,
        "dynamics/transition_step": turn.step,
        "dynamics/low": turn.low,
        "dynamics/high": turn.high,
        "dynamics/width": turn.width,
        "dynamics/began_step": watch.kept_step,
        "dynamics/told_step": watch.told,
        "dynamics/witness": told.witness,
        "dynamics/reason": told.reason,
        "dynamics/accuracy_turns": told.accuracy_turns,
    }
