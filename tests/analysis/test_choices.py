"""The checkpoint at the transition against those that were searched for."""

import numpy as np
import pytest

from analysis.choices import choices_table, chosen_steps
from analysis.evaluations import Benchmark, Missing

HELD_OUT, TEST = "arithmetic_validation", "arithmetic_test"


def benchmark(solved: int, n: int = 20) -> Benchmark:
    correct = np.array([[1.0]] * solved + [[0.0]] * (n - solved))
    facts = {"accuracy": solved / n, "low": 0.0, "high": 1.0, "interval": "x", "n_problems": n, "n_samples": 1}
    facts |= {"unjudged": 0, "format": 1.0, "tokens": 9.0, "truncated": 0.0}
    return Benchmark(facts, tuple(f"p{i}" for i in range(n)), correct)


def run(name: str, transition: object) -> dict:
    return {"run": name, "transition": transition, "settings": {"selection.benchmark": HELD_OUT}}


def measured(**solved: tuple[int, int]) -> dict:
    """step_<n>=(held-out, test): problems solved of 20."""
    return {
        int(step.removeprefix("step_")): {HELD_OUT: benchmark(held), TEST: benchmark(test)}
        for step, (held, test) in solved.items()
    }


CURVE = measured(step_0=(1, 1), step_10=(8, 9), step_20=(15, 12), step_30=(14, 17), step_40=(13, 13))


def test_each_rule_chooses_by_what_it_may_look_at() -> None:
    steps = chosen_steps(run("a", 24.5), CURVE)
    assert steps == {"transition": 20, "held_out": 20, "last": 40, "oracle": 30}
    assert chosen_steps(run("a", 5.0), CURVE)["transition"] == 10  # none so early: the first, never the base
    assert isinstance(chosen_steps(run("a", "none"), CURVE)["transition"], Missing)


def test_one_run_is_paired_over_its_problems_and_the_evaluations_are_counted() -> None:
    rows = {row["rule"]: row for row in choices_table({"a": CURVE}, [run("a", 24.5)]).rows}
    assert {rule: row["answers"] for rule, row in rows.items()} == {
        "transition": 0,
        "held_out": 80,  # four candidates on twenty problems; the base is none
        "last": 0,
        "oracle": 80,
    }
    assert rows["oracle"]["difference"] == pytest.approx(5 / 20)
    assert rows["oracle"]["difference_low"] < 5 / 20 < rows["oracle"]["difference_high"]


def test_several_runs_are_averaged_and_those_without_a_transition_left_out() -> None:
    evaluated = dict.fromkeys("abc", CURVE)
    table = choices_table(evaluated, [run("a", 24.5), run("b", 35.0), run("c", "none")])
    rows = {row["rule"]: row for row in table.rows}
    assert rows["transition"]["n_runs"] == 2
    assert rows["transition"]["accuracy"] == pytest.approx((12 + 17) / 40)
    assert rows["oracle"]["difference"] == pytest.approx((5 / 20 + 0) / 2)
    assert 0 <= rows["transition"]["low"] <= rows["transition"]["high"] <= 1
    assert choices_table(evaluated, [run("c", "undecided")]) is None


def test_the_papers_rule_can_be_asked_for_on_the_command_line() -> None:
    from analysis.settings import settings

    assert settings([])["checkpoint"] == "logged"
    assert settings(["checkpoint=best_average"])["checkpoint"] == "best_average"
