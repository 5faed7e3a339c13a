"""Which checkpoint a rule chooses."""

import numpy as np
import pytest

from tina.errors import UserError
from tina.schema import Selection
from tina.selection import choose, choose_measured, selection_bias

STEPS = [10, 20, 30, 40]


def test_held_out_takes_the_best_and_of_equals_the_earliest() -> None:
    choice = choose("held_out", STEPS, {10: 0.2, 20: 0.9, 30: 0.9, 40: 0.5})
    assert (choice.step, choice.rule, choice.candidates) == (20, "held_out", 4)


def test_held_out_without_an_evaluation_says_so() -> None:
    assert choose("held_out", STEPS, {}).rule == "last (nothing was evaluated)"


def test_last_is_last_whatever_the_order() -> None:
    assert choose("last", [40, 10, 30], {10: 1.0}).step == 40


@pytest.mark.parametrize(("transition", "step"), [(25.0, 20), (20.0, 20), (39.9, 30), (100.0, 40)])
def test_before_transition_takes_the_last_checkpoint_that_is_not_after_it(transition: float, step: int) -> None:
    assert choose("before_transition", STEPS, transition_step=transition).step == step


def test_before_transition_without_a_transition_or_an_early_checkpoint_says_so() -> None:
    choice = choose("before_transition", STEPS, transition_step=None)
    assert (choice.step, choice.rule) == (40, "last (no transition)")
    choice = choose("before_transition", STEPS, transition_step=5.0)
    assert (choice.step, choice.rule) == (10, "first (none was saved before the transition)")


def test_nothing_to_choose_from_is_told() -> None:
    with pytest.raises(UserError, match=r"save_every"):
        choose("last", [])


HELD_OUT = Selection("held_out", "held_out", benchmark="held")
BEST_MEAN = Selection("best_mean", "best_mean")


def shares(n_correct: int, n: int = 10) -> list[list[float]]:
    return [[1.0]] * n_correct + [[0.0]] * (n - n_correct)


def test_held_out_looks_at_its_own_set_only() -> None:
    measured = {10: {"held": shares(9), "test": shares(1)}, 20: {"held": shares(3), "test": shares(8)}}
    choice = choose_measured(HELD_OUT, [10, 20], measured)
    assert (choice.step, choice.rule, choice.bias) == (10, "held_out", None)


def test_best_mean_averages_over_sets_and_says_that_it_looked_at_the_test() -> None:
    measured = {
        0: {"a": shares(10), "b": shares(10)},  # the base is no candidate
        10: {"a": shares(9), "b": shares(2, 40)},
        20: {"a": shares(3), "b": shares(30, 40)},
    }
    choice = choose_measured(BEST_MEAN, [10, 20], measured)
    assert (choice.step, choice.rule, choice.candidates) == (20, "best_mean (picked on the test set)", 2)
    assert choice.bias > 0


def test_best_mean_without_an_evaluation_takes_the_last_and_says_so() -> None:
    choice = choose_measured(BEST_MEAN, [10, 20], {})
    assert (choice.step, choice.rule, choice.bias) == (20, "last (nothing was evaluated)", None)


def test_rules_that_need_no_evaluation_take_none() -> None:
    assert choose_measured(Selection("last", "last"), STEPS, {}).step == 40
    assert choose_measured(Selection("b", "before_transition"), STEPS, {}, 25.0).step == 20


def test_the_told_bias_is_what_picking_the_best_of_equals_really_adds() -> None:
    generator = np.random.default_rng(0)
    skill = generator.beta(0.6, 0.6, size=100)  # problems differ much: the whole standard error would be far too large
    told, added = [], []
    for _ in range(300):
        candidates = [(generator.random((100, 2)) < skill[:, None]).astype(float) for _ in range(8)]
        told.append(selection_bias([{"a": candidate} for candidate in candidates]))
        added.append(max(candidate.mean() for candidate in candidates) - skill.mean())
    assert np.mean(told) == pytest.approx(np.mean(added), abs=0.004)
    assert np.mean(added) > 0.02


def test_one_candidate_and_candidates_that_answer_alike_have_no_bias() -> None:
    assert selection_bias([{"a": shares(3)}]) == 0
    assert selection_bias([{"a": shares(3)}] * 5) == 0


def test_averaging_over_benchmarks_lowers_the_bias() -> None:
    generator = np.random.default_rng(1)
    rows = [generator.integers(0, 2, size=(50, 1)).astype(float) for _ in range(16)]
    one = selection_bias([{"a": a} for a in rows[:8]])
    two = selection_bias([{"a": a, "b": b} for a, b in zip(rows[:8], rows[8:], strict=True)])
    assert two == pytest.approx(one / np.sqrt(2), rel=0.15)
