"""The claims table: each verdict from runs that show it, and from runs that show the opposite."""

from collections.abc import Callable

import numpy as np
import pytest

from analysis.arms import combined, held_against_best
from analysis.claims import CLAIMS, Evidence, Study, claims_table
from analysis.evaluations import Missing, Row
from analysis.metrics import ACCURACY_REWARDS, FORMAT_REWARD, LENGTH
from analysis.turns import turns
from tests.analysis.test_arms import answers, evaluation, row_of

RANK, RATE, ALGORITHM = "Robust to the LoRA rank", "Robust to the learning rate", "Robust to the algorithm"
PEAK, DATA = "Dr.GRPO peaks earlier than GRPO", "Data quantity is not the key"
FLOPS = "Less is more: more training FLOPs, lower scores"
BEFORE, SMOOTH = "Best checkpoint at or before the phase transition", "No turn in the accuracy reward"
LENGTHS, FORMAT = "Completions stay near 4k tokens with the cap lifted", "Format-only training shows no transition"
FULL = "Beats the full-parameter baseline"


def sharp(n: int = 60) -> np.ndarray:
    return 1 / (1 + np.exp(-(np.arange(n) - n / 2))) + np.random.default_rng(0).normal(0, 0.02, n)


def smooth(n: int = 60) -> np.ndarray:
    return np.linspace(0, 1, n) + np.random.default_rng(1).normal(0, 0.02, n)


def a_run(name: str, share: float = 0.8, step: float = 20, **facts: object) -> Row:
    row = row_of(name, evaluation(x_test=answers(share, 400, seed=len(name))), best_step=step, base_accuracy=0.3)
    row |= {"selection_rule": "held_out", "transition": 30.0, "flops": Missing("not logged"), "prompts": 1000}
    return row | {"settings": {"model.path": "them/model"}} | facts


def an_arm(label: str, *runs: Row, **facts: object) -> Row:
    return combined(runs) | {"arm": label, "published_table": Missing("no"), "published_value": Missing("no")} | facts


def study_of(axis: str, *arms: Row) -> Study:
    held_against_best(list(arms))
    return Study("s", frozenset({axis}), None, list(arms))


def found(claim: str, *studies: Study, runs: list[Row] | None = None, **more: object) -> Row:
    """The row of one claim from these studies, or from runs that belong to none."""
    rows = runs or [run for study in studies for arm in study.arms for run in arm["seed_runs"]]
    series = more.pop("series", {})
    evidence = Evidence(rows, list(studies), more.pop("baselines", []), series, turns(series))
    assert not more
    return next(row for row in claims_table(evidence).rows if row["claim"] == claim)


def test_without_runs_every_claim_is_open_and_says_so() -> None:
    rows = claims_table(Evidence([], [], [], {}, turns({}))).rows
    assert [row["claim"] for row in rows] == list(CLAIMS)
    assert all(row["verdict"] == "cannot be told" and row["evidence"] and row["n_runs"] == 0 for row in rows)


@pytest.mark.parametrize(
    ("claim", "axis"), [(RANK, "lora.rank"), (RATE, "schedule.learning_rate"), (ALGORITHM, "algorithm")]
)
@pytest.mark.parametrize(
    ("worst", "verdict"), [(0.80, "reproduced"), (0.35, "not reproduced"), (0.57, "cannot be told")]
)
def test_robust_means_less_than_half_of_what_training_brings(claim: str, axis: str, worst: float, verdict: str) -> None:
    study = study_of(axis, an_arm("a", a_run("a", 0.82)), an_arm("b", a_run("bb", worst)))
    row = found(claim, study)
    assert row["verdict"] == verdict and row["n_runs"] == 2 and "half of training's gain" in row["evidence"]


@pytest.mark.parametrize(("small", "verdict"), [(0.81, "reproduced"), (0.35, "not reproduced")])
def test_data_quantity(small: float, verdict: str) -> None:
    arms = [an_arm("big", a_run("a", 0.82, prompts=90_000)), an_arm("small", a_run("bb", small, prompts=1_000))]
    row = found(DATA, study_of("dataset", *arms))
    assert row["verdict"] == verdict and row["evidence"].startswith("90,000 and 1,000 prompts")


@pytest.mark.parametrize(("sign", "verdict"), [(-1, "reproduced"), (1, "not reproduced")])
def test_less_is_more_takes_flops(sign: int, verdict: str) -> None:
    shares = np.linspace(0.4, 0.9, 8)[::sign]
    runs = [a_run("r" * (i + 1), share, flops=1e15 * (i + 1)) for i, share in enumerate(shares)]
    assert found(FLOPS, runs=runs)["verdict"] == verdict
    unlogged = [run | {"flops": Missing("not logged")} for run in runs]
    row = found(FLOPS, runs=unlogged)
    assert row["verdict"] == "cannot be told" and "FLOPs are logged by 0 of 8 runs" in row["evidence"]


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ((10,), (40,), "cannot be told"),
        ((10, 12, 8, 11), (40, 38, 50, 41), "reproduced"),
        ((50, 41, 40, 44), (9, 8, 7, 6), "not reproduced"),
    ],
)
def test_who_peaks_earlier_takes_several_seeds(first: tuple, second: tuple, verdict: str) -> None:
    def arm(name: str, steps: tuple) -> Row:
        settings = {"algorithm.name": name}
        return an_arm(name, *(a_run(f"{name}{i}", step=step, settings=settings) for i, step in enumerate(steps)))

    study = study_of("algorithm", arm("dr_grpo", first), arm("grpo", second))
    assert found(PEAK, study)["verdict"] == verdict


@pytest.mark.parametrize(
    ("steps", "verdict"),
    [
        ((20, 30, 5, 6), "reproduced"),
        ((31, 50, 40, 60), "not reproduced"),
        ((20, 50, 8, 40), "cannot be told"),
        ((20, 30, 5), "cannot be told"),
        ((), "cannot be told"),
    ],
)
def test_best_checkpoint_and_transition(steps: tuple, verdict: str) -> None:
    runs = [a_run("r" * (i + 1), step=step) for i, step in enumerate(steps)]
    runs += [a_run("unturned", transition="none"), a_run("by rule", step=20, selection_rule="before_transition")]
    row = found(BEFORE, runs=runs)
    assert row["verdict"] == verdict and row["n_runs"] == len(steps)


@pytest.mark.parametrize(("curve", "verdict"), [(smooth, "reproduced"), (sharp, "not reproduced")])
def test_turns_in_accuracy(curve: Callable, verdict: str) -> None:
    runs = [a_run("a" * (i + 1)) for i in range(4)]
    series = {(run["run"], ACCURACY_REWARDS[0]): (np.arange(60), curve()) for run in runs}
    assert found(SMOOTH, runs=runs, series=series)["verdict"] == verdict
    assert found(SMOOTH, runs=runs[:1], series=series)["verdict"] == "cannot be told"  # one run is not all runs


@pytest.mark.parametrize(("curve", "verdict"), [(smooth, "reproduced"), (sharp, "not reproduced")])
def test_format_only(curve: Callable, verdict: str) -> None:
    settings = {"model.path": "embedded:d", "reward.rewards.format.weight": 1.0, "reward.name": "format_only"}
    other = settings | {"reward.rewards.accuracy.weight": 2.0, "reward.name": "accuracy_format"}
    runs = [a_run("a" * (i + 1), settings=settings, transition="none") for i in range(4)]
    series = {(run["run"], FORMAT_REWARD): (np.arange(60), curve()) for run in runs}
    row = found(FORMAT, runs=[*runs, a_run("both", settings=other)], series=series)
    assert (row["verdict"], row["n_runs"], row["on"]) == (verdict, 4, "embedded model")
    unturned = [*runs, a_run("both", settings=other, transition="none")]
    assert found(FORMAT, runs=unturned, series=series)["verdict"] == "cannot be told"


def test_robust_holds_the_best_against_the_worst_and_not_against_itself() -> None:
    arms = [an_arm(label, a_run(label, 0.6)) for label in ("rank four", "rank nine")]
    evidence = found(RANK, study_of("lora.rank", *arms))["evidence"]
    assert "rank four" in evidence and "rank nine" in evidence


@pytest.mark.parametrize(
    ("cap", "length", "verdict"),
    [(8960, 4100, "reproduced"), (8960, 8000, "not reproduced"), (200, 40, "cannot be told")],
)
def test_length_under_a_lifted_cap(cap: int, length: float, verdict: str) -> None:
    arms = [an_arm(str(c), a_run(str(c), settings={"length.max_completion_tokens": c})) for c in (cap // 2, cap)]
    series = {(arm["run"], LENGTH): (np.arange(60), np.full(60, length)) for arm in arms}
    row = found(LENGTHS, study_of("length", *arms), series=series)
    assert row["verdict"] == verdict and f"{length:,} tokens under a cap of {cap:,}" in row["evidence"]


@pytest.mark.parametrize(
    ("baseline", "verdict"), [(0.5, "reproduced"), (0.95, "not reproduced"), (0.79, "cannot be told")]
)
def test_against_a_full_parameter_model(baseline: float, verdict: str) -> None:
    base = a_run("baseline", baseline) | {"model": "Open-RS1"}
    assert found(FULL, runs=[a_run("a", 0.8)], baselines=[base])["verdict"] == verdict
    other = base | {"model": "some model that was evaluated"}
    assert found(FULL, runs=[a_run("a", 0.8)], baselines=[other])["verdict"] == "cannot be told"
    full = a_run("full", baseline, settings={"lora.method": "full"})
    assert found(FULL, runs=[a_run("a", 0.8), full])["verdict"] == verdict
