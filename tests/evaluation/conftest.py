"""A run's folder made by hand: real configuration, real base model, adapters drawn and not trained."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tina import configs, gate
from tina.checkpoint import mark_whole

STEPS = (2, 4, 6)
LOGGED = {
    "run/steps": 6,
    "run/seconds": 12.0,
    "run/completion_tokens": 3456.0,
    "run/trainable_parameters": 24576,
    "run/trainable_share": 0.0485,
    "run/cost_usd": 0.25,
    "selection/step": 4,
    "selection/rule": "held_out",
    "selection/candidates": 3,
    "dynamics/transition": "turn",
    "dynamics/transition_step": 4.6,
}


def run_folder(folder: Path, *overrides: str) -> Path:
    """A finished run without weights: its configuration, its summary, and checkpoints with a trainer's state only."""
    configs.register()
    (arm,) = gate.check(["lora.rank=4", f"paths.outputs={folder.parent}", *overrides], multirun=False).arms
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(arm.config, sort_keys=False))
    (folder / "summary.json").write_text(json.dumps({"digest": arm.digest, "logged": LOGGED}))
    for step in STEPS:
        checkpoint = folder / "checkpoints" / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "trainer_state.json").write_text("{}")
        mark_whole(checkpoint)
    return folder


def with_adapters(folder: Path) -> Path:
    """Gives the checkpoints of a folder adapters with weights that matter, each its own."""
    import torch

    from tina import policy
    from tina.evaluation.run_folder import open_run

    run = open_run(folder)
    for step, checkpoint in run.checkpoints.items():
        model = policy.trainable_policy(policy.load_base(run.config.model, "cpu"), run.config.lora, seed=step)
        generator = torch.Generator().manual_seed(step)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.data.normal_(0, 0.02, generator=generator)
        model.save_pretrained(checkpoint)
        policy.load_tokenizer(run.config.model).save_pretrained(checkpoint)
        mark_whole(checkpoint)
    return folder


@pytest.fixture(scope="session")
def made_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three checkpoints with adapters of rank 4 over the embedded model; not to be written to."""
    return with_adapters(run_folder(tmp_path_factory.mktemp("made") / "run"))


@pytest.fixture
def own_run(made_run: Path, tmp_path: Path) -> Path:
    """A copy of `made_run` that a test may write to."""
    shutil.copytree(made_run, tmp_path / "run")
    return tmp_path / "run"
