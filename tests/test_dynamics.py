"""Curves that turn are found where they turn, curves that do not are left alone, what cannot be told is not told."""

import numpy as np
import pytest

from benchmarks.dynamics import NO_TURNS, TURNS, afterwards, correlated, first_alarms, rise, shares
from tina.dynamics import decide_online, describe_run, find_transition, series_of


def format_reward(middle: float, width: float, n: int = 60, seed: int = 0) -> np.ndarray:
    """A reward that rises from 0.1 to 1 around `middle`, both in steps, as the mean over 64 completions a step."""
    return shares(np.random.default_rng(seed), 0.1 + 0.9 * rise(n, middle / (n - 1), width / (n - 1)))


STEPS = np.arange(60)


# --- one series


def test_a_sharp_rise_is_found_with_its_width_and_an_interval():
    answer = find_transition(STEPS, format_reward(middle=22, width=9))
    assert answer.kind == "turn"
    assert answer.step == pytest.approx(22, abs=1.8)
    assert answer.low <= 22 <= answer.high
    assert answer.high - answer.low < 6
    assert 4 <= answer.width <= 16
    assert answer.delta_bic > 20


def test_a_corner_is_where_the_change_sets_in():
    ramp = np.maximum(STEPS - 25, 0) / 34 + np.random.default_rng(0).normal(0, 0.02, 60)
    answer = find_transition(STEPS, ramp)
    assert (answer.kind, answer.model) == ("turn", "hinge")
    assert answer.step == pytest.approx(25, abs=1.8)


def test_a_long_ramp_between_plateaus_turns_where_it_sets_in():
    ramp = np.interp(np.arange(240), [0, 60, 190, 239], [0, 0, 1, 1]) + np.random.default_rng(0).normal(0, 0.02, 240)
    answer = find_transition(np.arange(240), ramp)
    assert (answer.kind, answer.model) == ("turn", "two hinges")
    assert answer.step == pytest.approx(60, abs=0.03 * 240)


def test_a_step_lost_in_the_noise_is_no_turn():
    noise = np.random.default_rng(0).normal(0, 1, 120)
    small, large = (find_transition(np.arange(120), noise + height * (np.arange(120) > 60)) for height in (2, 5))
    assert small.kind == "none"
    assert large.kind == "turn"


def test_a_fall_is_a_turn_too_and_units_do_not_matter():
    rising = format_reward(middle=30, width=6)
    as_length = find_transition(STEPS, 700 - 400 * rising)
    assert as_length.kind == "turn"
    assert as_length.step == find_transition(STEPS, rising).step


def test_steps_are_the_callers():
    values = format_reward(middle=22, width=6)
    assert find_transition(1000 + 5 * STEPS, values).step == pytest.approx(1000 + 5 * 22, abs=9)


def test_gaps_uneven_steps_nan_and_outliers_do_not_hide_a_turn():
    values = format_reward(middle=110, width=20, n=240)
    values[[30, 31, 160, 200]] = [9, np.nan, -5, np.inf]
    kept = np.random.default_rng(0).random(240) < 0.5
    kept[60:85] = False
    answer = find_transition(np.arange(240)[kept], values[kept])
    assert answer.kind == "turn"
    assert answer.step == pytest.approx(110, abs=0.03 * 240)


def test_a_resumed_segment_replaces_what_it_repeats():
    values = format_reward(middle=22, width=6)
    # the run crashed at step 50, having collapsed, and was resumed from step 35
    steps, logged = np.append(STEPS[:50], STEPS[35:]), np.append(values[:50], values[35:])
    logged[36:50] = 0.0
    assert find_transition(steps, logged) == find_transition(STEPS, values)


@pytest.mark.parametrize("n", [60, 4000])
@pytest.mark.parametrize("shape", [lambda t: t, np.sqrt, lambda t: np.sin(np.pi / 2 * t), lambda t: 1 - np.exp(-4 * t)])
def test_a_ramp_without_any_noise_is_no_turn(shape, n):
    assert find_transition(np.arange(n), shape(np.linspace(0, 1, n))).kind == "none"


@pytest.mark.parametrize("n", [60, 4000])
def test_a_turn_without_any_noise_is_one(n):
    t = np.linspace(0, 1, n)
    for values in (rise(n, 0.4, 0.1), np.maximum(t - 0.4, 0), (t > 0.4).astype(float)):
        answer = find_transition(np.arange(n), values)
        assert answer.kind == "turn"
        assert answer.step == pytest.approx(0.4 * n, abs=0.03 * n)


def test_what_cannot_be_told_is_not_told():
    none = [np.zeros(60), np.full(60, 0.3), np.random.default_rng(0).binomial(64, 0.02, 60) / 64]
    undecided = [[], [0.1, 0.5, 0.9], np.full(60, np.nan), np.where(STEPS < 11, 0.5, np.nan)]
    for values, kind in [(v, "none") for v in none] + [(v, "undecided") for v in undecided]:
        answer = find_transition(np.arange(len(values)), values)
        assert answer.kind == kind
        assert (answer.step, answer.low, answer.high, answer.width) == (None, None, None, None)
        assert answer.reason


def test_a_turn_at_the_very_end_cannot_be_told_yet():
    steps = np.arange(400)
    values = np.where(steps < 391, 0.1, 0.9) + np.random.default_rng(0).normal(0, 0.02, 400)
    answer = find_transition(steps, values)
    assert (answer.kind, answer.step) == ("undecided", None)
    assert "too near the end" in answer.reason


def test_steps_and_values_must_match():
    with pytest.raises(ValueError, match="one value for each step"):
        find_transition([1, 2, 3], [0.5, 0.5])


# --- how often it is right: the benchmark in small


@pytest.mark.parametrize("shape", TURNS)
def test_turns_are_found(shape):
    rate = afterwards(shape, count=30, seed=1)
    assert rate["found"] >= 0.9
    assert rate["covered"] >= 0.85 * rate["turn"]


@pytest.mark.parametrize("shape", NO_TURNS)
def test_false_alarms_are_rare(shape):
    assert afterwards(shape, count=20, seed=1)["turn"] <= 0.05


def test_correlated_noise_is_not_taken_for_turns():
    random = np.random.default_rng(0)
    answers = [find_transition(STEPS, correlated(random, 60, phi=0.9)).kind for _ in range(80)]
    assert answers.count("turn") <= 4


# --- online


def test_online_decides_soon_after_a_turn_and_not_before():
    for seed in range(4):
        values = format_reward(middle=25, width=8, seed=seed)
        alarm = first_alarms([values])[0] * 59
        assert 25 - 3 <= alarm <= 25 + 4 + 6


def test_online_shows_a_turn_before_it_is_sure_and_says_where():
    values = format_reward(middle=25, width=8)
    states = [decide_online(STEPS[:seen], values[:seen], 60).state for seen in range(61)]
    first = {state: states.index(state) for state in ("too_early", "not_yet", "turning", "turned")}
    assert first["too_early"] == 0
    assert first["not_yet"] == 12
    assert 20 < first["turning"] < first["turned"]
    assert decide_online(STEPS[:40], values[:40], 60).step == pytest.approx(25, abs=1.8)


def test_online_a_rise_is_sharp_or_not_by_the_length_of_the_whole_run():
    values = format_reward(middle=40, width=55, n=100)
    assert decide_online(np.arange(100), values, total_steps=200).state == "turned"
    assert decide_online(np.arange(100), values, total_steps=100).state != "turned"


def test_online_leaves_a_run_without_a_turn_alone():
    t = np.linspace(0, 1, 60)
    random = np.random.default_rng(0)
    for chance in (np.full(60, 0.02), np.full(60, 0.5), 0.1 + 0.8 * t, 0.9 * np.sin(np.pi / 2 * t)):
        assert first_alarms([shares(random, chance)]) == [None]


# --- several series of a run


def test_format_speaks_for_the_run():
    run = describe_run(
        {
            "format": (STEPS, format_reward(middle=22, width=6)),
            "length": (STEPS, 69 - 30 * format_reward(middle=30, width=6, seed=1)),
            "accuracy": (STEPS, 0.3 + 0.005 * STEPS),
        }
    )
    assert (run.transition.kind, run.witness) == ("turn", "format")
    assert run.transition.step == pytest.approx(22, abs=1.8)
    assert run.series["length"].step == pytest.approx(30, abs=1.8)
    assert run.accuracy_turns is False


def test_length_is_the_second_witness():
    length = (STEPS, 69 - 30 * format_reward(middle=30, width=6))
    run = describe_run({"format": (STEPS, np.zeros(60)), "length": length, "entropy": length})
    assert (run.transition.kind, run.witness) == ("turn", "length")
    assert run.accuracy_turns is None


def test_entropy_alone_is_no_witness():
    turned = (STEPS, format_reward(middle=30, width=6))
    assert describe_run({"format": (STEPS, 0.01 * STEPS), "entropy": turned}).transition.kind == "none"
    assert describe_run({"entropy": turned}).transition.kind == "undecided"
    assert describe_run({}).transition.kind == "undecided"


def test_a_trainers_log_becomes_series():
    values = format_reward(middle=22, width=6)
    history = [{"step": i + 1, "rewards/format/mean": value, "loss": 0.0} for i, value in enumerate(values)]
    series = series_of([*history, {"step": 60, "train_runtime": 71.0}])
    assert set(series) == {"format"}
    assert describe_run(series).transition == find_transition(STEPS + 1, values)
