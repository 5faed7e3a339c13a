"""What is really handed to TRL and PEFT, and what the learning rate really does."""

from pathlib import Path

import pytest
import torch

from tina import configs, gate, trainer, trainer_fields
from tina.configs import to_typed
from tina.policy import lora_config
from tina.schema import TrainConfig
from tina.trainer import StretchedTrainer, grpo_config

configs.register()


def composed(*overrides: str) -> TrainConfig:
    grid = gate.check(overrides, False)
    assert not grid.problems, grid.problems
    return to_typed(grid.arms[0].config)


def learning_rates(config: TrainConfig, tmp_path: Path) -> list[float]:
    """The rate at each optimizer step of the run, by the scheduler that the trainer makes."""

    class Scheduled(StretchedTrainer):
        def __init__(self) -> None:
            self.args, self.horizon, self.lr_scheduler = grpo_config(config, tmp_path), 0, None
            from tina.schema import horizon_steps

            self.horizon = horizon_steps(config.schedule)
            self.optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=self.args.learning_rate)

    trainer = Scheduled()
    scheduler = trainer.create_scheduler(config.schedule.max_steps)
    rates = []
    for _ in range(config.schedule.max_steps):
        rates.append(scheduler.get_last_lr()[0])
        trainer.optimizer.step()
        scheduler.step()
    return rates


def test_the_schedule_is_laid_over_the_horizon_and_not_over_the_run(tmp_path: Path) -> None:
    config = composed("schedule.max_steps=60", "schedule.learning_rate=1e-3")
    rates = learning_rates(config, tmp_path)
    assert rates[0] == 0.0
    assert rates[6] == pytest.approx(0.5e-3)  # half of a warm-up of 12 = 10 % of 120
    assert max(rates) == pytest.approx(1e-3)
    # After 59 of 120 steps a cosine to a tenth, warmed up for 12, is still above half.
    import math

    progress = (59 - 12) / (120 - 12)
    expected = 1e-3 * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * progress)))
    assert rates[59] == pytest.approx(expected)


def test_alpha_follows_from_the_rank_unless_it_is_set() -> None:
    assert lora_config(composed("lora.rank=8").lora).lora_alpha == 32
    assert lora_config(composed("lora.rank=8", "lora.alpha=7").lora).lora_alpha == 7
    assert lora_config(composed("lora=fixed_alpha", "lora.rank=8").lora).lora_alpha == 32


def test_what_trl_would_default_otherwise_is_pinned(tmp_path: Path) -> None:
    arguments = grpo_config(composed(), tmp_path)
    assert (arguments.loss_type, arguments.scale_rewards, arguments.num_iterations) == ("grpo", "group", 1)
    assert (arguments.use_bias_correction_kl, arguments.vllm_importance_sampling_correction) == (False, False)
    assert arguments.beta > 0
    assert arguments.temperature == 1.0
    assert not arguments.bf16
    dr_grpo = grpo_config(composed("algorithm=dr_grpo"), tmp_path)
    assert (dr_grpo.loss_type, dr_grpo.scale_rewards, dr_grpo.beta) == ("dr_grpo", "none", 0.0)


def test_a_field_of_trl_passes_through(tmp_path: Path) -> None:
    assert grpo_config(composed("trainer.top_entropy_quantile=0.2"), tmp_path).top_entropy_quantile == 0.2


def test_the_batch_is_split_into_forward_passes(tmp_path: Path) -> None:
    arguments = grpo_config(composed("batch.completions_per_forward=16"), tmp_path)
    assert (arguments.per_device_train_batch_size, arguments.gradient_accumulation_steps) == (16, 4)
    assert arguments.generation_batch_size == 64


def test_what_the_suite_sets_cannot_be_set_behind_its_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "GRPOConfig", dict)
    ours = trainer.grpo_config(composed(), tmp_path).keys()
    assert {name for name in ours if trainer_fields.problem(name) is None} == trainer_fields.OURS.keys()
    assert trainer_fields.known() >= ours | trainer_fields.OWNED_BY_US.keys() | trainer_fields.RELIED_ON.keys()
