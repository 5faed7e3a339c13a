"""How well the sampler and the trainer of each arm agreed, as a table."""

import numpy as np
import pytest

from analysis.fidelity import fidelity_table
from analysis.metrics import FIDELITY, SERIES

STEPS = np.arange(1, 5)


def arm(name: str, *runs: str) -> dict:
    return {"arm": name, "seed_runs": [{"run": run, "state": "finished"} for run in runs]}


def test_each_fact_is_taken_as_it_is_told_and_seeds_are_averaged() -> None:
    assert set(FIDELITY.values()) <= set(SERIES)  # what is not among these is not read
    series = {}
    for run, scale in (("a", 1.0), ("b", 3.0)):
        series[run, FIDELITY["logprob_diff_mean"]] = (STEPS, scale * np.array([1.0, 2.0, 3.0, 2.0]))
        series[run, FIDELITY["logprob_diff_max"]] = (STEPS, scale * np.array([1.0, 9.0, 3.0, 2.0]))
        series[run, FIDELITY["base_drift"]] = (STEPS[::2], scale * np.array([0.0, 0.5]))
        series[run, FIDELITY["update_cosine"]] = (STEPS[::2], np.array([0.9, 1.0]))
    both, other = fidelity_table({"study": "s"}, [arm("both", "a", "b"), arm("other", "c")], series).rows
    assert (both["difference"], both["largest"]) == pytest.approx((4.0, 18.0))
    assert (both["drift"], both["cosine"]) == pytest.approx((1.0, 0.9))
    assert both["kl"] == other["difference"] == "not logged"


def test_a_study_without_an_engine_has_no_such_table() -> None:
    assert fidelity_table({"study": "s"}, [arm("a", "a"), arm("absent")], {}) is None
