"""Which checkpoint of a run is the one to report, by a rule that is part of the configuration.

    last               the last one; needs no evaluation
    before_transition  the last one at or before the phase transition; needs no evaluation
    held_out           the best on a set that is not reported
    racing             the winner of successive halving, on `selection.benchmark` or else on the reported sets
    best_mean          the best mean over the reported sets, as the paper has it

Whoever picks on the sets that are reported reports a score that is too good by chance. By how much is told as `bias`.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tina.errors import UserError
from tina.schema import Selection
from tina.statistics import expected_selection_bias

Matrix = Sequence[Sequence[float]]
"""[problems, samples] of 0 and 1."""

RULES = ("held_out", "last", "before_transition", "best_mean", "racing")


@dataclass(frozen=True)
class Choice:
    """The chosen checkpoint's step, the rule in words, and among how many it was chosen."""

    step: int
    rule: str
    candidates: int
    bias: float | None = None
    """By how much the chosen one's score on 0..1 is too good, if all candidates are equally good; None if it is not."""


def choose_measured(
    selection: Selection,
    steps: Sequence[int],
    measured: Mapping[int, Mapping[str, Matrix]],
    transition_step: float | None = None,
) -> Choice:
    """Chooses one of `steps` from what was measured at them: step to benchmark to correctness matrix.

    Raises UserError if there is nothing to choose from.
    """
    on = selection.benchmark if selection.rule in ("held_out", "racing") else None
    found = {
        step: {name: matrix for name, matrix in measured[step].items() if on in (None, name)}
        for step in steps
        if measured.get(step)
    }
    found = {step: by_name for step, by_name in found.items() if by_name}
    if selection.rule == "racing":  # those that were measured most were in the last round
        n_samples = {step: min(len(rows[0]) for rows in by_name.values()) for step, by_name in found.items()}
        found = {step: found[step] for step in found if n_samples[step] == max(n_samples.values())}
    scores = {step: statistics.fmean(np.mean(m) for m in by_name.values()) for step, by_name in found.items()}
    choice = choose(selection.rule, steps, scores, transition_step)
    if on is not None or selection.rule not in ("best_mean", "racing") or not scores:
        return choice
    every = [{name: _first_samples(m, measured) for name, m in measured[s].items()} for s in steps if s in measured]
    rule = f"{selection.rule} (picked on the test set)"
    return Choice(choice.step, rule, choice.candidates, selection_bias(every))


def choose(
    rule: str,
    steps: Sequence[int],
    scores: Mapping[int, float] | None = None,
    transition_step: float | None = None,
) -> Choice:
    """Chooses one of the saved `steps`.

    By score (held_out, best_mean, racing): the best of `scores`, the earliest of equals. before_transition: the last
    checkpoint at or before `transition_step`; the first of all if none is so early, the last if there is no transition.
    last: the last. Raises UserError if there is nothing to choose from.
    """
    if rule not in RULES:
        raise UserError(f"There is no selection rule {rule}: choose {', '.join(RULES)}.")
    if not steps:
        raise UserError("There is no checkpoint to choose from: lower schedule.save_every, or train longer.")
    last = max(steps)
    if rule == "last":
        return Choice(last, "last", len(steps))
    if rule == "before_transition":
        if transition_step is None:
            return Choice(last, "last (no transition)", len(steps))
        early = [step for step in steps if step <= transition_step]
        if not early:
            return Choice(min(steps), "first (none was saved before the transition)", len(steps))
        return Choice(max(early), "before_transition", len(steps))
    if not scores:
        return Choice(last, "last (nothing was evaluated)", len(steps))
    candidates = len(steps) if rule == "racing" else len(scores)
    return Choice(max(sorted(scores), key=lambda step: scores[step]), rule, candidates)


def _first_samples(matrix: Matrix, measured: Mapping[int, Mapping[str, Matrix]]) -> Matrix:
    """The samples that every checkpoint has: of a race, those of its first round."""
    shared = min(len(m[0]) for by_name in measured.values() for m in by_name.values())
    return [row[:shared] for row in matrix]


def bias_in_words(candidates: int, bias: float) -> str:
    """What a reader of the chosen one's score must know."""
    return (
        f"picked on the sets that are reported: were all {candidates} equally good, the best would look "
        f"{100 * bias:.1f} points too good by chance"
    )


def selection_bias(candidates: Sequence[Mapping[str, Matrix]]) -> float:
    """How much too good the best of m candidates looks by chance alone, were all m equally good; on 0..1.

    Candidates answer the same problems, so what makes one look better is not a benchmark's whole standard error (which
    problems it happens to hold is common to all) but the spread of its per-problem difference from the candidates'
    mean: se_k^2 = m / (m - 1) var_i(s_ki - mean_k s_ki) / N, averaged over benchmarks as the scores are. The expected
    maximum of errors with these deviations is `expected_selection_bias`. 0 for one candidate.
    """
    m = len(candidates)
    if m < 2:
        return 0.0
    names = list(candidates[0])
    variances = np.zeros(m)
    for name in names:
        by_problem = np.stack([np.mean(candidate[name], axis=1) for candidate in candidates])  # [m, N]
        if by_problem.shape[1] < 2:
            raise ValueError(f"{name} has a single problem: its noise cannot be told.")
        deviations = by_problem - by_problem.mean(axis=0)
        variances += deviations.var(axis=1, ddof=1) / by_problem.shape[1] * m / (m - 1) / len(names) ** 2
    return expected_selection_bias(np.sqrt(variances))
