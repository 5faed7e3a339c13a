"""Every formula against a published or hand-worked value, or direct enumeration; intervals against simulation."""

import json
from itertools import combinations
from math import comb, sqrt
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from tina.statistics import (
    bootstrap_interval,
    bootstrap_selection_bias,
    clustered_interval,
    clustered_standard_error,
    combine_seeds,
    expected_selection_bias,
    holm,
    homogeneity,
    maj_at_k,
    mcnemar,
    mean_interval,
    paired_bootstrap,
    paired_difference,
    pass_at_k,
    wilson_interval,
)

COMPLETIONS = Path(__file__).parents[2] / "shared/data/completions/qwen25math_math50x8.jsonl"
FOUR_PROBLEMS = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])  # shares 1, .5, .25, 0


@pytest.fixture(scope="module")
def real_completions() -> tuple[list[list[str]], np.ndarray]:
    """Extracted answers and verdicts of 50 MATH problems with 8 samples each."""
    if not COMPLETIONS.exists():
        pytest.skip(f"{COMPLETIONS} is not there")
    rows = [json.loads(line) for line in COMPLETIONS.read_text().splitlines()]
    return [row["extracted"] for row in rows], np.array([row["correct"] for row in rows], dtype=int)


# --- intervals


def test_clustered_interval_by_hand():
    estimate = mean_interval(FOUR_PROBLEMS)
    deviations = (0.5625**2 + 0.0625**2 + 0.1875**2 + 0.4375**2) / 3
    assert estimate.mean == 0.4375
    assert estimate.standard_error == pytest.approx(sqrt(deviations / 4))
    half = 3.182446 * sqrt(deviations / 4)  # t(0.975, 3 degrees of freedom) from the printed table
    assert estimate.low == max(0.0, 0.4375 - half)
    tenths = clustered_interval(np.arange(11) / 10, n_samples=10)  # sd of 0..10 is sqrt(11), t(0.975, 10) = 2.228139
    assert (tenths.low, tenths.high) == pytest.approx((0.5 - 0.2228139, 0.5 + 0.2228139))
    assert (estimate.n_problems, estimate.n_samples, estimate.method) == (4, 4, "t clustered by problem")


def test_one_sample_takes_wilson_with_newcombes_published_limits():
    # Newcombe (1998), table I, method 3
    for n_correct, n_total, low, high in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)]:
        estimate = mean_interval(np.arange(n_total) < n_correct)
        assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=5e-5)
        assert estimate.method == "Wilson"
        assert wilson_interval(n_correct, n_total) == (estimate.low, estimate.high)


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("n_samples", [1, 10])
def test_thirty_equal_problems_are_not_certainty(value, n_samples):
    correct = np.full((30, n_samples), value)
    for estimate in (mean_interval(correct), bootstrap_interval(correct)):
        assert estimate.mean == value
        assert estimate.low <= value <= estimate.high
        assert estimate.high - estimate.low == pytest.approx(0.1135, abs=1e-4)  # Wilson for 0 of 30


def test_one_lucky_sample_does_not_shrink_the_interval():
    correct = np.zeros((30, 10), dtype=int)
    never = mean_interval(correct)
    correct[0, 0] = 1
    once = mean_interval(correct)
    assert once.high > never.high
    assert "unseen" in once.method


def test_a_single_problem_keeps_a_wide_interval():
    estimate = mean_interval([[1, 0, 1, 1]])
    assert estimate.mean == 0.75
    assert estimate.low < 0.2
    assert estimate.high > 0.9


def test_coverage_of_the_clustered_interval_at_30_problems_and_10_samples():
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(2000):
        solved = generator.beta(0.6, 0.9, size=(30, 1))
        estimate = mean_interval(generator.random((30, 10)) < solved)
        hits += estimate.low <= 0.4 <= estimate.high
    assert 0.93 <= hits / 2000 <= 0.97


def test_coverage_near_zero_where_the_plain_t_interval_fails():
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(500):
        solved = generator.beta(0.05, 1.0, size=(30, 1))
        estimate = mean_interval(generator.random((30, 10)) < solved)
        hits += estimate.low <= 0.05 / 1.05 <= estimate.high
    assert hits / 500 >= 0.93


def test_wilson_and_mcnemar_are_scipys():
    for n_total in (1, 2, 7, 30, 256):
        for n_correct in range(n_total + 1):
            theirs = binomtest(n_correct, n_total)
            interval = theirs.proportion_ci(0.95, method="wilson")
            assert wilson_interval(n_correct, n_total) == pytest.approx((interval.low, interval.high), abs=1e-12)
            a = np.repeat([[1.0], [0.0]], [n_correct, n_total - n_correct], axis=0)
            assert mcnemar(a, 1 - a).p_value == pytest.approx(theirs.pvalue, abs=1e-12)


def test_coverage_of_wilson_with_one_sample():
    generator = np.random.default_rng(0)
    for n_problems, share in [(30, 0.3), (40, 0.6), (500, 0.85)]:
        limits = [wilson_interval(c, n_problems) for c in range(n_problems + 1)]
        drawn = generator.binomial(n_problems, share, size=20_000)
        covered = np.array([low <= share <= high for low, high in limits])[drawn].mean()
        assert 0.93 <= covered <= 0.97


def test_bootstrap_agrees_with_t_and_repeats_with_its_seed():
    correct = np.random.default_rng(1).random((200, 4)) < np.random.default_rng(2).random((200, 1))
    t, bootstrap = mean_interval(correct), bootstrap_interval(correct, seed=3)
    assert (bootstrap.low, bootstrap.high) == pytest.approx((t.low, t.high), abs=0.01)
    assert bootstrap.standard_error == pytest.approx(t.standard_error, rel=0.05)
    assert bootstrap == bootstrap_interval(correct, seed=3)
    assert bootstrap != bootstrap_interval(correct, seed=4)


@pytest.mark.parametrize("function", [mean_interval, bootstrap_interval, lambda c: pass_at_k(c, 1)])
def test_bad_matrices_are_refused_in_words(function):
    with pytest.raises(ValueError, match="problem 1 has 2 samples and problem 0 has 3"):
        function([[1, 0, 1], [1, 0], [0, 0, 0]])
    with pytest.raises(ValueError, match="0 or 1"):
        function([[0.5, 1]])
    with pytest.raises(ValueError, match="0 or 1"):
        function([[np.nan, 1]])
    with pytest.raises(ValueError, match="no problem"):
        function([])
    with pytest.raises(ValueError, match="without a sample"):
        function([[], []])
    with pytest.raises(ValueError, match="dimensions"):
        function(np.zeros((2, 2, 2)))


# --- pass@k, maj@k


def test_pass_at_k_by_hand():
    assert pass_at_k(FOUR_PROBLEMS, 1) == pytest.approx([1, 0.5, 0.25, 0])
    assert pass_at_k(FOUR_PROBLEMS, 2) == pytest.approx([1, 1 - 1 / 6, 0.5, 0])
    assert pass_at_k(FOUR_PROBLEMS, 4) == pytest.approx([1, 1, 1, 0])
    with pytest.raises(ValueError, match="k = 5"):
        pass_at_k(FOUR_PROBLEMS, 5)


def test_maj_at_k_by_hand():
    # two votes each: a tie, half a point; a silent sample gives no vote; nobody votes: wrong
    answers = [["7", "7", "8", "8"], ["7", "8", None, None], [None] * 4, ["7", "7.0", "8", "9"]]
    correct = [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0]]
    assert maj_at_k(answers, correct, 4) == pytest.approx([0.5, 0.5, 0, 1])
    assert maj_at_k(answers, correct, 1) == pytest.approx([0.5, 0.25, 0, 0.5])
    with pytest.raises(ValueError, match="shape"):
        maj_at_k([["7"] * 3] * 4, correct, 1)


def enumerated(answers: list, correct: np.ndarray, k: int) -> tuple[float, float]:
    """pass@k and maj@k of one problem by going through every draw of k samples."""
    passed = majority = 0.0
    for draw in combinations(range(len(correct)), k):
        passed += any(correct[i] for i in draw)
        votes: dict = {}
        for i in draw:
            label = "<correct>" if correct[i] else answers[i]
            if label is not None:
                votes[label] = votes.get(label, 0) + 1
        top = [label for label, count in votes.items() if count == max(votes.values())]
        majority += (1 / len(top)) if "<correct>" in top else 0
    return passed / comb(len(correct), k), majority / comb(len(correct), k)


@pytest.mark.parametrize("k", range(1, 8))
def test_pass_and_maj_equal_enumeration_on_random_votes(k):
    generator = np.random.default_rng(k)
    labels = generator.choice(["a", "b", "c", "d", None], size=(20, 7), p=[0.35, 0.3, 0.15, 0.1, 0.1])
    answers, correct = labels.tolist(), labels == "a"
    expected = np.array([enumerated(*row, k) for row in zip(answers, correct, strict=True)])
    assert pass_at_k(correct, k) == pytest.approx(expected[:, 0])
    assert maj_at_k(answers, correct, k) == pytest.approx(expected[:, 1])


@pytest.mark.parametrize("k", [1, 3, 4, 8])
def test_pass_and_maj_equal_enumeration_on_real_completions(real_completions, k):
    answers, correct = real_completions
    expected = np.array([enumerated(*row, k) for row in zip(answers, correct, strict=True)])
    assert 0 < expected[:, 1].mean() < 1
    assert pass_at_k(correct, k) == pytest.approx(expected[:, 0])
    assert maj_at_k(answers, correct, k) == pytest.approx(expected[:, 1])


def test_clustered_error_equals_the_double_sum_on_real_completions(real_completions):
    _, correct = real_completions
    n_problems, n_samples = correct.shape
    mean = correct.mean()
    # Miller (2024), clustered standard error: all pairs of samples within a problem, then N / (N - 1)
    pairs = sum(((row[:, None] - mean) * (row[None, :] - mean)).sum() for row in correct)
    expected = sqrt(pairs) / (n_problems * n_samples) * sqrt(n_problems / (n_problems - 1))
    assert mean_interval(correct).standard_error == pytest.approx(expected)
    assert mean_interval(correct).mean == pytest.approx(mean)


# --- comparisons


def test_paired_difference_by_hand():
    a, b = FOUR_PROBLEMS, np.array([[1, 1], [0, 1], [0, 0], [0, 1]])
    difference = paired_difference(a, b)  # per problem 0, 0, .25, -.5
    assert difference.mean == pytest.approx(-0.0625)
    deviations = (2 * 0.0625**2 + 0.3125**2 + 0.4375**2) / 3
    assert difference.standard_error == pytest.approx(sqrt(deviations / 4))
    assert difference.high - difference.mean == pytest.approx(3.182446 * sqrt(deviations / 4))
    assert difference.p_value == pytest.approx(0.7177, abs=1e-3)  # t = -0.397, 3 degrees of freedom


def test_pairing_finds_what_unpaired_intervals_hide():
    generator = np.random.default_rng(0)
    solved = generator.choice([0.1, 0.85], size=(60, 1))
    a, b = generator.random((60, 10)) < solved + 0.1, generator.random((60, 10)) < solved
    assert mean_interval(a).low < mean_interval(b).high
    for difference in (paired_difference(a, b), paired_bootstrap(a, b)):
        assert difference.low > 0
        assert difference.p_value < 0.01


def test_paired_coverage_and_false_alarms_under_no_difference():
    generator = np.random.default_rng(0)
    covered, alarms = [], []
    for _ in range(500):
        solved = generator.beta(0.6, 0.9, size=(30, 1))
        a, b = generator.random((2, 30, 10)) < solved
        for difference in (paired_difference(a, b), paired_bootstrap(a, b, resamples=500)):
            covered.append(difference.low <= 0 <= difference.high)
            alarms.append(difference.p_value < 0.05)
    assert 0.91 <= np.mean(covered) <= 0.98
    assert np.mean(alarms) <= 0.08


def test_equal_matrices_are_not_equal_with_certainty():
    for difference in (paired_difference(FOUR_PROBLEMS, FOUR_PROBLEMS), paired_bootstrap(FOUR_PROBLEMS, FOUR_PROBLEMS)):
        assert (difference.mean, difference.p_value) == (0, 1)
        assert difference.low < -0.3
        assert difference.high > 0.3


def test_comparisons_refuse_other_problems():
    for function in (paired_difference, paired_bootstrap, mcnemar):
        with pytest.raises(ValueError, match="4 and 3"):
            function(FOUR_PROBLEMS[:, :1], FOUR_PROBLEMS[:3, :1])


def test_mcnemar_by_hand():
    a = [1] * 8 + [0] * 2 + [1] * 5 + [0] * 5
    b = [0] * 8 + [1] * 2 + [1] * 5 + [0] * 5
    result = mcnemar(a, b)
    assert (result.only_a, result.only_b) == (8, 2)
    assert result.p_value == pytest.approx(2 * (1 + 10 + 45) / 2**10)
    assert mcnemar(a, a).p_value == 1
    with pytest.raises(ValueError, match="one sample a problem"):
        mcnemar(FOUR_PROBLEMS, FOUR_PROBLEMS)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1, 1])
    assert holm([]).size == 0
    with pytest.raises(ValueError, match="p-values"):
        holm([0.1, np.nan])


def test_homogeneity_by_hand():
    result = homogeneity([30, 20], [50, 50])  # 2 x 2: (30 * 30 - 20 * 20)^2 * 100 / 50^4
    assert result.statistic == pytest.approx(4.0)
    assert (result.degrees_of_freedom, result.p_value) == (1, pytest.approx(0.0455, abs=1e-4))
    assert homogeneity([0, 0, 0], [30, 30, 30]).p_value == 1
    with pytest.raises(ValueError, match="two checkpoints"):
        homogeneity([3], [10])
    with pytest.raises(ValueError, match="correct <= total"):
        homogeneity([3, 11], [10, 10])


# --- seeds and selection


def test_seeds_by_hand():
    rows = np.arange(10)
    seeds = [(rows < k)[:, None].repeat(2, axis=1) for k in (4, 5, 6)]
    estimate = combine_seeds(seeds)
    assert estimate.mean == pytest.approx(0.5)
    assert estimate.between_sd == pytest.approx(0.1)
    assert estimate.high == pytest.approx(0.5 + 4.302653 * 0.1 / sqrt(3))
    assert estimate.within_standard_error == pytest.approx(
        clustered_standard_error([1, 1, 1, 1, 2 / 3, 1 / 3, 0, 0, 0, 0])
    )
    assert (estimate.n_seeds, estimate.method) == (3, "t over seed means")


def test_one_seed_or_equal_seeds_fall_back_on_the_problems_and_say_so():
    alone, equal = combine_seeds([FOUR_PROBLEMS]), combine_seeds([FOUR_PROBLEMS, FOUR_PROBLEMS])
    assert alone.between_sd is None
    assert alone.method == "one seed: t clustered by problem"
    assert equal.method == "equal seeds: t clustered by problem"
    assert (alone.low, alone.high) == (equal.low, equal.high) == (0, 1)  # 0.44 +- 3.18 * 0.21, kept inside 0..1
    with pytest.raises(ValueError, match="no seed"):
        combine_seeds([])
    with pytest.raises(ValueError, match="shapes"):
        combine_seeds([FOUR_PROBLEMS, FOUR_PROBLEMS[:2]])


def test_expected_selection_bias_has_harters_published_values():
    for m, largest in [(2, 0.56419), (3, 0.84628), (8, 1.42360), (10, 1.53875), (17, 1.79394)]:
        assert expected_selection_bias([0.05] * m) == pytest.approx(0.05 * largest, rel=1e-3)
    assert expected_selection_bias([0.05]) == 0
    assert expected_selection_bias([0.0, 0.0]) == 0
    # two normals: sqrt(s1^2 + s2^2) / sqrt(2 pi), also where one has no error at all
    assert expected_selection_bias([0.03, 0.04]) == pytest.approx(0.05 / sqrt(2 * np.pi), rel=1e-3)
    assert expected_selection_bias([0.0, 0.04]) == pytest.approx(0.04 / sqrt(2 * np.pi), rel=1e-3)
    with pytest.raises(ValueError, match="Standard errors"):
        expected_selection_bias([0.1, -0.1])


def test_bootstrap_selection_bias_sees_correlation():
    generator = np.random.default_rng(0)
    solved = generator.choice([0.2, 0.8], size=(100, 1))
    first = generator.random((100, 4)) < solved
    others = [generator.random((100, 4)) < solved for _ in range(7)]
    independent = bootstrap_selection_bias([first, *others])
    copies = bootstrap_selection_bias([first] * 8)
    assert independent.bias > 0.01
    assert copies.bias == pytest.approx(0, abs=2e-3)
    assert copies.picked_share == pytest.approx([1 / 8] * 8)
    assert independent.picked_share.sum() == pytest.approx(1)


def test_a_clear_winner_has_no_selection_bias():
    good, bad = np.ones((50, 4)), np.zeros((50, 4))
    result = bootstrap_selection_bias([bad, good])
    assert result.bias == 0
    assert result.picked_share.tolist() == [0, 1]
    with pytest.raises(ValueError, match="share their problems"):
        bootstrap_selection_bias([good, bad[:3]])
