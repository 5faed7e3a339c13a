"""How the arms of a study turn, as a table."""

import numpy as np
import pytest

from analysis.metrics import ACCURACY_REWARDS, FORMAT_REWARD
from analysis.transitions import transitions_table
from analysis.turns import turns

STEPS = np.arange(1, 61)


def arm(name: str, *runs: str) -> dict:
    return {"arm": name, "seed_runs": [{"run": run, "state": "finished"} for run in runs]}


def curve(turn: int) -> np.ndarray:
    return 0.1 + 0.8 * (turn <= STEPS) + 0.02 * np.random.default_rng(turn).normal(size=60)


def test_step_width_and_rewards_half_way_are_means_over_seeds() -> None:
    series = {("a", FORMAT_REWARD): (STEPS, curve(20)), ("b", FORMAT_REWARD): (STEPS, curve(40))}
    series |= {(run, ACCURACY_REWARDS[0]): (STEPS, STEPS / 60) for run in "abc"}
    series["c", FORMAT_REWARD] = (STEPS, np.full(60, 0.3))
    rows = transitions_table(
        {"study": "s"}, [arm("both", "a", "b"), arm("flat", "c"), arm("absent")], series, turns(series)
    ).rows
    both, flat, absent = rows
    assert both["turned"] == "2 of 2"
    assert both["step"] == pytest.approx(30, abs=2)
    assert both["width"] < 6
    assert both["format_after"] == pytest.approx((0.9 + 0.1) / 2, abs=0.03)
    assert both["accuracy_after"] == pytest.approx(np.mean(np.arange(25, 31)) / 60)
    assert (flat["turned"], flat["step"]) == ("0 of 1", "none")
    assert absent["format_after"] == absent["accuracy_after"] == "not logged"
    assert absent["step"] == "not run"


def test_a_study_that_logged_no_format_reward_has_no_such_table() -> None:
    series = {("a", ACCURACY_REWARDS[0]): (STEPS, STEPS / 60)}
    assert transitions_table({"study": "s"}, [arm("a", "a")], series, turns(series)) is None
