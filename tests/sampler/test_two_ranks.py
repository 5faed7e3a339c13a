"""Two processes over gloo, each with an engine of its own that is sent the same adapter."""

import json
from pathlib import Path

import pytest

from tests.conftest import run_again_while_asked

pytestmark = pytest.mark.vllm

ROUNDING = 5e-4
"""As in test_vllm: log-probs in float32 by two programs; those of a stale adapter are 0.01 off."""
STEPS = 4
TWO = [
    "sampler=vllm",
    "hardware.processes=2",
    "sampler.cpu_kv_cache_gib=0.1",
    "sampler.fidelity_every=1",
    f"schedule.max_steps={STEPS}",
    f"schedule.save_every={STEPS}",
    "schedule=constant",
    "schedule.learning_rate=2e-3",
    "length.max_completion_tokens=32",
    "batch.completions_per_step=16",
    "batch.completions_per_forward=8",
    "benchmarks=none",
    "selection=last",
]


def test_both_ranks_sample_from_what_is_trained(tmp_path: Path) -> None:
    done = run_again_while_asked("train.py", *TWO, f"paths.outputs={tmp_path}")
    assert done.returncode == 0, done.stdout + done.stderr
    (state,) = tmp_path.rglob("trainer_state.json")
    steps = [row for row in json.loads(state.read_text())["log_history"] if "reward" in row]
    assert len(steps) == STEPS
    assert max(row["fidelity/logprob_diff_max"] for row in steps) < ROUNDING  # of both ranks' completions
    assert all(row["fidelity/base_drift"] == 0 for row in steps)
    # At the first step there is no update yet, and the warm-up's first step makes none.
    assert all(row["fidelity/update_cosine"] > 0.9999 for row in steps[2:])
