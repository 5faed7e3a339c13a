"""Many checkpoints of a run through one engine: each on everything, or as a race in which the worse half drops out."""

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from tina.evaluation import runner
from tina.evaluation.meter import Meter
from tina.evaluation.records import Record
from tina.evaluation.runner import Evaluator, Sample, Subject
from tina.evaluation.scores import matrices
from tina.progress import console
from tina.schema import Selection

At = Callable[[int], AbstractContextManager[Sample]]
"""The engine with the adapter of a step switched on (0: none)."""


def measure(
    steps: Sequence[int],
    subject: Callable[[int], Subject],
    evaluator: Evaluator,
    at: At,
    selection: Selection | None = None,
) -> dict[int, list[Record]]:
    """The records of every step, in order; under `selection.rule=racing` losers have fewer samples than the winner.

    The engine is asked for a step only if samples of it are missing.
    """
    if selection is None or selection.rule != "racing":
        return _on_all(steps, subject, evaluator, at, "evaluate")
    racing = dataclasses.replace(
        evaluator, tasks=[t for t in evaluator.tasks if selection.benchmark in (None, t.benchmark)]
    )
    found: dict[int, list[Record]] = {}

    def round_of(racers: list[int], samples: int) -> dict[int, float]:
        benchmarks = dataclasses.replace(evaluator.benchmarks, samples=samples)
        title = f"race ({len(racers)} checkpoints, {samples} a problem)"
        found.update(_on_all(racers, subject, dataclasses.replace(racing, benchmarks=benchmarks), at, title))
        return {step: mean_over_benchmarks(found[step]) for step in racers}

    candidates = [step for step in steps if step > 0]
    winner = race(candidates, selection.first_samples, evaluator.benchmarks.samples, round_of)
    last = [step for step in steps if step == 0] + [winner]
    found.update(_on_all(last, subject, evaluator, at, "evaluate"))
    return {step: found[step] for step in steps}


def race(
    candidates: Sequence[int],
    first_samples: int,
    all_samples: int,
    round_of: Callable[[list[int], int], dict[int, float]],
) -> int:
    """Successive halving (Karnin et al., 2013): the better half goes on with twice the samples; the winner's step.

    `round_of(racers, samples)` scores racers on so many samples a problem. Of equals the earlier step is better. The
    last round has all samples.
    """
    racers, samples = sorted(candidates), min(first_samples, all_samples)
    while True:
        if len(racers) <= 2:
            samples = all_samples
        score = round_of(racers, samples)
        ranked = sorted(racers, key=lambda step: (-score[step], step))
        if samples == all_samples:
            return ranked[0]
        racers = sorted(ranked[: (len(ranked) + 1) // 2])
        samples = min(2 * samples, all_samples)


def mean_over_benchmarks(records: Sequence[Record]) -> float:
    """The mean over benchmarks of mean@n, each benchmark counting once, as the paper averages."""
    return statistics.fmean(statistics.fmean(map(statistics.fmean, rows)) for rows in matrices(records).values())


def _on_all(
    steps: Sequence[int], subject: Callable[[int], Subject], evaluator: Evaluator, at: At, title: str
) -> dict[int, list[Record]]:
    meter = Meter(title, len(steps) * evaluator.n_samples())
    found = {}
    try:
        for step in steps:
            if runner.pending(subject(step), evaluator):
                with at(step) as sample:
                    found[step] = runner.evaluate(subject(step), evaluator, sample, meter)
            else:
                found[step] = runner.evaluate(subject(step), evaluator, None, meter)
    finally:
        meter.close()
    return found


def tell_too_long(evaluator: Evaluator) -> None:
    """Says which prompts the model cannot hold: they are counted as wrong, not left out."""
    for task in evaluator.tasks:
        lengths = [item.prompt_tokens for item in task.items if not evaluator.holds(item)]
        if lengths:
            console.print(
                f"{task.benchmark}: {len(lengths)} of {len(task.items)} prompts (up to {max(lengths):,} tokens) leave "
                f"no room for {evaluator.benchmarks.max_new_tokens:,} new tokens in a context of "
                f"{evaluator.max_context_tokens:,}; they are not asked and count as wrong."
            )
