"""Arms of a study: seeds together, best and ties, the published number beside."""

import math

import numpy as np
import pytest

from analysis import published
from analysis.arms import against_published, combined, compare, held_against_best, study_arms
from analysis.evaluations import Benchmark, Evaluation, Missing, Row, facts_of
from tina.statistics import combine_seeds, holm, mean_interval, paired_difference

DICE = np.random.default_rng(0)


def evaluation(**correct: np.ndarray) -> Evaluation:
    """An evaluation with whole per-problem tables."""
    found = {}
    for name, table in correct.items():
        estimate = mean_interval(table)
        facts = {"accuracy": estimate.mean, "low": estimate.low, "high": estimate.high, "interval": estimate.method}
        facts |= {"n_problems": len(table), "n_samples": table.shape[1], "unjudged": 0}
        facts |= dict.fromkeys(("format", "tokens", "truncated"), 0.5)
        found[name] = Benchmark(facts, tuple(f"p{i}" for i in range(len(table))), np.asarray(table, dtype=float))
    return found


def row_of(run: str, tests: Evaluation, **facts: object) -> Row:
    row = {"run": run, "label": run, "settings": {}, "state": "finished", "best_step": 4, "transition": 3.0}
    return row | facts_of(tests) | {"evaluation": tests, "base_accuracy": 0.1} | facts


def answers(share: float, problems: int = 100, samples: int = 1, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((problems, samples)) < share).astype(float)


def test_seeds_are_combined_as_the_statistics_do() -> None:
    tables = [answers(share, seed=seed) for seed, share in enumerate((0.5, 0.6, 0.7))]
    rows = [
        row_of(f"r{i}", evaluation(x_test=table), best_step=step)
        for i, (table, step) in enumerate(zip(tables, (4, 8, 4), strict=True))
    ]
    arm, wanted = combined(rows), combine_seeds(tables)
    assert arm["accuracy"] == pytest.approx(wanted.mean)
    assert (arm["low"], arm["high"]) == pytest.approx((wanted.low, wanted.high))
    assert (arm["interval"], arm["n_seeds"], arm["run"]) == ("t over seed means", 3, "r0 r1 r2")
    assert arm["best_step"] == pytest.approx(16 / 3) and arm["transition"] == 3.0


def test_a_seed_without_result_is_counted_out_and_said() -> None:
    found = row_of("a", evaluation(x_test=answers(0.5)))
    lost = dict.fromkeys(found, Missing("failed")) | {
        "run": "b",
        "label": "b",
        "settings": {},
        "state": "failed at step 3",
    }
    arm = combined([found, lost])
    assert arm["n_seeds"] == 1 and arm["accuracy"] == found["accuracy"] and arm["state"] == "1 of 2 finished"
    assert arm["interval"] == "Wilson"


def test_words_and_numbers_of_seeds_are_both_told() -> None:
    rows = [row_of(run, evaluation(x_test=answers(0.5)), transition=turn) for run, turn in (("a", "none"), ("b", 21.4))]
    assert combined(rows)["transition"] == "none / 21"


def test_ties_follow_the_paired_test_with_holms_correction() -> None:
    best = answers(0.9, 200, seed=1)
    tables = [best, np.where(DICE.random(best.shape) < 0.03, 1 - best, best), answers(0.3, 200, seed=2)]
    rows = [row_of(f"r{i}", evaluation(x_test=table)) for i, table in enumerate(tables)]
    held_against_best(rows)
    assert [row["versus_best"] for row in rows] == ["best", "tie", "worse"]
    raw = [paired_difference(table, best).p_value for table in tables[1:]]
    assert [row["p_best"] for row in rows[1:]] == pytest.approx(list(holm(raw)))


def test_a_mean_over_fewer_benchmarks_is_neither_the_best_nor_a_tie() -> None:
    both = [evaluation(x_test=answers(share), y_test=answers(0.2, seed=1)) for share in (0.5, 0.6)]
    rows = [row_of("a", both[0]), row_of("b", both[1]), row_of("easy", evaluation(x_test=answers(0.9)))]
    held_against_best(rows)
    assert [row["versus_best"] for row in rows[1:]] == ["best", "other benchmarks"]
    assert rows[0]["versus_best"] in ("tie", "worse")


def test_several_benchmarks_are_compared_by_the_mean_of_their_differences() -> None:
    a = {"aime24": answers(0.4, 30, seed=1), "math500": answers(0.8, 500, seed=2)}
    b = {"aime24": answers(0.5, 30, seed=3), "math500": answers(0.7, 500, seed=4)}
    found = compare(evaluation(**a), evaluation(**b))
    parts = [paired_difference(a[name], b[name]) for name in a]
    error = math.hypot(*(part.standard_error for part in parts)) / 2
    assert found.difference == pytest.approx(sum(part.mean for part in parts) / 2)
    assert found.high - found.low == pytest.approx(2 * 1.959964 * error, rel=0.05)  # of 30 problems Student's t


def test_identical_results_over_several_benchmarks_are_no_certainty() -> None:
    a = {"aime24": answers(0.4, 30, seed=1), "math500": answers(0.8, 500, seed=2)}
    found = compare(evaluation(**a), evaluation(**a))
    assert (found.difference, found.p_value) == (0, 1)
    assert found.low < -0.01 and found.high > 0.01
    none = {name: 0 * matrix for name, matrix in a.items()}
    all_of_them = {name: 0 * matrix + 1 for name, matrix in a.items()}
    certain = compare(evaluation(**all_of_them), evaluation(**none))
    assert certain.difference == 1 and certain.low < 1 and certain.p_value < 1e-100


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (evaluation(amc23=answers(0.5)), "other benchmarks"),
        (evaluation(x_test=answers(0.5, 90)), "other problems"),
        ({"x_test": Benchmark(evaluation(x_test=answers(0.5))["x_test"].facts)}, "no table"),
        (Missing("failed"), "failed"),
    ],
)
def test_what_cannot_be_compared_says_why(other: Evaluation | Missing, reason: str) -> None:
    found = compare(evaluation(x_test=answers(0.5)), other)
    assert isinstance(found, Missing) and found == reason


def test_problems_are_matched_by_name_and_not_by_place() -> None:
    one = evaluation(x_test=np.array([[1.0], [0.0], [0.0], [1.0]]))
    turned = {"x_test": Benchmark(one["x_test"].facts, one["x_test"].problems[::-1], one["x_test"].correct[::-1])}
    assert compare(one, turned).difference == 0 and compare(one, turned).p_value == 1


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.45, 0.52, "reproduced"),
        (0.38, 0.52, "cannot be told"),
        (0.30, 0.42, "not reproduced"),
        (0.52, 0.60, "not reproduced"),
    ],
)
def test_the_interval_decides_about_the_published_number(low: float, high: float, verdict: str) -> None:
    wanted = published.find("ablations", table="lora_rank", value="32")  # 48.47; the base model has 41.18
    row = {"accuracy": (low + high) / 2, "low": low, "high": high, "benchmarks": " ".join(published.BENCHMARKS)}
    assert against_published(row, wanted)["verdict"] == verdict


def test_fewer_benchmarks_are_held_against_the_same_published_ones() -> None:
    wanted = published.find("ablations", table="lora_rank", value="32")
    row = {"accuracy": 0.79, "low": 0.76, "high": 0.82, "benchmarks": "amc23 math500"}
    assert against_published(row, wanted)["published"] == pytest.approx((75.00 + 83.80) / 200)
    row["benchmarks"] = "arithmetic_test"
    told = against_published(row, wanted)
    assert told["verdict"] == "cannot be told" and told["published"] == "other benchmarks"


def test_runs_that_differ_in_their_seed_are_one_arm_in_the_manifests_order() -> None:
    arms = [
        {
            "digest": f"{rank}-{seed}",
            "label": f"lora.rank={rank}, seed={seed}",
            "overrides": {"lora.rank": rank, "seed": seed},
            "seed": seed,
        }
        for rank in ("8", "4")
        for seed in ("1", "2")
    ]
    manifest = {
        "study": "s",
        "arms": arms,
        "layout": {"published": "lora_rank", "published_arms": {"lora.rank=8": "8"}},
    }
    by_digest = {arm["digest"]: row_of(arm["digest"], evaluation(x_test=answers(0.5))) for arm in arms[:3]}
    first, second = study_arms(manifest, by_digest)
    assert (first["arm"], first["n_seeds"], first["published_value"]) == ("lora.rank=8", 2, "8")
    assert (second["arm"], second["n_seeds"], second["state"]) == ("lora.rank=4", 1, "1 of 2 finished")
    assert second["published_value"] == "not published"
