"""lora=full: the whole model is trained, as a peer to compare with."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import SHORT, run
from tests.test_trainer import composed
from tina import policy
from tina.trainer import grpo_config


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a short run in bfloat16 at the learning rate of the paper's runs."""
    outputs = tmp_path_factory.mktemp("full")
    slow = ["schedule.learning_rate=1e-6", "schedule.warmup_ratio=0"]
    done = run("train.py", "lora=full", "model.dtype=bfloat16", f"paths.outputs={outputs}", *SHORT, *slow)
    assert done.returncode == 0, done.stdout + done.stderr
    return outputs


def test_weights_move_at_the_learning_rate_of_the_papers_runs(outputs: Path) -> None:
    """In bfloat16 hardly one in a hundred would."""
    base = policy.load_base(composed("model.dtype=float32").model, "cpu").state_dict()
    (saved,) = outputs.glob("runs/*/checkpoints/checkpoint-4/model.safetensors")
    state = load_file(saved)
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}
    moved = [(tensor != base[name]).float().mean() for name, tensor in state.items() if tensor.dim() == 2]
    assert torch.stack(moved).mean() > 0.5


def test_its_optimizer_state_is_float32(outputs: Path) -> None:
    (saved,) = outputs.glob("runs/*/checkpoints/checkpoint-4/optimizer.pt")
    state = torch.load(saved, weights_only=True)["state"]
    assert {one["exp_avg"].dtype for one in state.values()} == {torch.float32}


def test_it_is_evaluated_and_its_reference_is_the_base(outputs: Path) -> None:
    (summary,) = outputs.glob("runs/*/summary.json")
    assert set(json.loads(summary.read_text())["scores"]) == {"0", "2", "4"}
    (state,) = outputs.glob("runs/*/checkpoints/checkpoint-4/trainer_state.json")
    first = json.loads(state.read_text())["log_history"][0]
    assert abs(first["kl"]) < 1e-4


def test_the_reference_is_the_revision_of_the_base(tmp_path: Path) -> None:
    config = composed("experiment=limr", "lora=full", "model.revision=abc123")
    config.hardware.device = "cpu"
    assert grpo_config(config, tmp_path).model_init_kwargs == {"revision": "abc123", "dtype": "bfloat16"}
    assert grpo_config(composed(), tmp_path).model_init_kwargs is None
