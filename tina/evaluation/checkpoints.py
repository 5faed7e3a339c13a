"""Many checkpoints of a run through one engine: each on everything, or as a race in which the worse half drops out."""

import dataclasses
import functools
import statistics
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from tina.evaluation import runner
from tina.evaluation.meter import Meter
from tina.evaluation.records import Record
from tina.evaluation.runner import Evaluator, Sample, Subject
from tina.evaluation.scores import matrices
from tina.progress import console
from tina.sampler.completion import Completion, Sampling
from tina.sampler.served import Question, Served, answer
from tina.schema import Selection
from tina.together import together

At = Callable[[int], AbstractContextManager[Sample]]
"""The engine with the adapter of a step switched on (0: none)."""
Ask = Callable[[Question], tuple[list[Completion], int]]
"""A question's completions, and how many questions were answered in the same call of the engine."""


class Shared:
    """A sampler whose questions are answered together with those of other checkpoints."""

    def __init__(self, served: Served, ask: Ask) -> None:
        self.served, self.ask = served, ask
        self.shared_by = 1
        """How many checkpoints the time of the last answer belongs to."""

    def __call__(self, prompts: Sequence[str], sampling: Sampling, seed: int) -> list[Completion]:
        completions, self.shared_by = self.ask(Question(self.served, prompts, sampling, seed))
        return completions


def _answered(questions: Sequence[Question]) -> list[tuple[list[Completion], int]]:
    return [(completions, len(questions)) for completions in answer(questions)]


def measure(
    steps: Sequence[int],
    subject: Callable[[int], Subject],
    evaluator: Evaluator,
    at: At,
    selection: Selection | None = None,
    at_once: int = 1,
) -> dict[int, list[Record]]:
    """The records of every step, in order; under `selection.rule=racing` losers have fewer samples than the winner.

    The engine is asked for a step only if samples of it are missing. With `at_once` above 1 so many checkpoints are
    sampled from together: `at` gives samplers of one engine that can serve several adapters then.
    """
    on_all = functools.partial(_on_all, subject=subject, at=at, at_once=at_once)
    if selection is None or selection.rule != "racing":
        return on_all(steps, evaluator, title="evaluate")
    racing = dataclasses.replace(
        evaluator, tasks=[t for t in evaluator.tasks if selection.benchmark in (None, t.benchmark)]
    )
    found: dict[int, list[Record]] = {}

    def round_of(racers: list[int], samples: int) -> dict[int, float]:
        benchmarks = dataclasses.replace(evaluator.benchmarks, samples=samples)
        title = f"race ({len(racers)} checkpoints, {samples} a problem)"
        found.update(on_all(racers, dataclasses.replace(racing, benchmarks=benchmarks), title=title))
        return {step: mean_over_benchmarks(found[step]) for step in racers}

    candidates = [step for step in steps if step > 0]
    winner = race(candidates, selection.first_samples, evaluator.benchmarks.samples, round_of)
    last = [step for step in steps if step == 0] + [winner]
    found.update(on_all(last, evaluator, title="evaluate"))
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
    steps: Sequence[int], evaluator: Evaluator, subject: Callable[[int], Subject], at: At, at_once: int, title: str
) -> dict[int, list[Record]]:
    meter = Meter(title, len(steps) * evaluator.n_samples())

    def one(step: int, ask: Ask | None = None) -> list[Record]:
        if not runner.pending(subject(step), evaluator):
            return runner.evaluate(subject(step), evaluator, None, meter)
        with at(step) as sample:
            asked = sample if ask is None else Shared(sample, ask)
            return runner.evaluate(subject(step), evaluator, asked, meter)

    found = {}
    try:
        for group in _groups(steps, at_once):
            if len(group) == 1:
                found[group[0]] = one(group[0])
            else:
                jobs = [functools.partial(one, step) for step in group]
                found |= dict(zip(group, together(jobs, _answered), strict=True))
    finally:
        meter.close()
    return {step: found[step] for step in steps}


def _groups(steps: Sequence[int], at_once: int) -> list[list[int]]:
    """Which steps are sampled from together. The base stays alone: on a CPU vLLM gives an adapter to it otherwise."""
    adapters = [step for step in steps if step > 0]
    groups = [adapters[first : first + at_once] for first in range(0, len(adapters), at_once)]
    return [[step] for step in steps if step == 0] + groups


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
