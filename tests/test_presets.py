"""The paper's runs: the facts of each, typed in from its tables and released files, against what TRL and PEFT get.

GRPOConfig and LoraConfig are the objects that the trainer gets; the learning rate is read off the scheduler that it
makes. The GPU's share (bf16) is asserted on the configuration only: without a GPU TRL refuses to make such an object.
"""

import math
from pathlib import Path

import pytest

from tests.test_trainer import composed, learning_rates
from tina import gate
from tina.policy import lora_config
from tina.schema import TrainConfig, gradient_accumulation_steps
from tina.trainer import grpo_config

ACCURACY_FORMAT = {"format": 1.0, "accuracy": 2.0}
SEVEN = dict.fromkeys(
    ["accuracy", "format", "tag_count", "length", "reasoning_steps", "cosine", "repetition_penalty"], 1.0
)
FACTS = {  # data set, rewards, G, schedule, stop, save every
    "still3": ("RUC-AIBOX/STILL-3-Preview-RL-Data", {"length": 1.0, "accuracy": 2.0}, 4, 7500, 3750, 10),
    "deepscaler": ("agentica-org/DeepScaleR-Preview-Dataset", ACCURACY_FORMAT, 4, 11000, 5500, 100),
    "open_rs1": ("knoveleng/open-s1", ACCURACY_FORMAT, 4, 5000, 2400, 100),
    "open_rs2": ("knoveleng/open-rs", ACCURACY_FORMAT, 6, 1500, 850, 50),
    "open_rs3": ("knoveleng/open-rs", {"format": 1.0, "cosine": 2.0}, 6, 1500, 850, 50),
    "ii_thought": ("Intelligent-Internet/II-Thought-RL-v0-Math-50K", ACCURACY_FORMAT, 4, 13320, 6660, 100),
    "openr1": ("open-r1/OpenR1-Math-220k", SEVEN, 8, 11716, 11716, 100),
    "openthoughts": ("bethgelab/CuratedThoughts", SEVEN, 8, 8262, 8262, 100),
    "limr": ("GAIR/LIMR", ACCURACY_FORMAT, 4, 360, 180, 10),
}


def on_this_machine(name: str, *more: str) -> TrainConfig:
    """A preset with its GPU taken away: everything else is handed over as it is."""
    config = composed(f"experiment={name}", *more)
    config.hardware.device = "cpu"
    return config


@pytest.mark.parametrize("name", FACTS)
def test_a_run_of_the_paper_is_what_the_paper_says(name: str, tmp_path: Path) -> None:
    hub_id, rewards, generations, horizon, stop, save_every = FACTS[name]
    assert composed(f"experiment={name}").model.dtype == "bfloat16"
    config = on_this_machine(name)
    assert config.model.path == "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B"
    assert config.dataset.hub_id == hub_id
    assert {reward: term.weight for reward, term in config.reward.rewards.items()} == rewards
    assert (config.hardware.processes, config.hardware.gpu) == (2, "l40s")
    assert config.hardware.gradient_checkpointing

    lora = lora_config(config.lora)
    assert (lora.r, lora.lora_alpha, lora.lora_dropout, lora.bias) == (32, 128, 0.05, "none")
    modules = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert set(lora.target_modules) == modules

    trl = grpo_config(config, tmp_path)
    assert (trl.num_generations, trl.per_device_train_batch_size) == (generations, generations)
    # 2 processes x G completions x 4 accumulation steps = 8 prompts x G completions
    assert gradient_accumulation_steps(config) == trl.gradient_accumulation_steps == 4
    assert trl.max_completion_length == 3584
    assert config.length.max_prompt_tokens == 512
    assert (trl.vllm_max_model_length, trl.vllm_gpu_memory_utilization) == (4608, 0.4)
    assert trl.use_vllm and trl.vllm_mode == "colocate"
    assert (trl.temperature, trl.top_p, trl.top_k) == (0.7, 1.0, 0)
    assert (trl.loss_type, trl.scale_rewards, trl.beta) == ("grpo", "group", 0.04)
    assert (trl.num_iterations, trl.use_bias_correction_kl) == (1, False)
    assert trl.reward_weights == [rewards[reward] for reward in config.reward.rewards]
    assert (trl.max_steps, trl.save_steps, trl.logging_steps, trl.seed) == (stop, save_every, 1, 42)
    assert trl.save_total_limit is None
    assert trl.gradient_checkpointing_kwargs == {"use_reentrant": False}

    rates, warmup = learning_rates(config, tmp_path), math.ceil(0.1 * horizon)

    def expected(step: int) -> float:
        if step < warmup:
            return 1e-6 * step / warmup
        return 1e-6 * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (horizon - warmup))))

    for step in (1, stop // 10, stop - 1):
        assert rates[step] == pytest.approx(expected(step)), step


def test_the_length_arms_can_hold_their_caps(tmp_path: Path) -> None:
    for length, cap, context in (("cap_3584", 3584, 4608), ("cap_8960", 8960, 9472)):
        trl = grpo_config(on_this_machine("open_rs3", f"length={length}"), tmp_path)
        assert (trl.max_completion_length, trl.vllm_max_model_length) == (cap, context)


def test_the_cosine_reward_of_open_rs3_is_the_released_one() -> None:
    options = on_this_machine("open_rs3").reward.rewards["cosine"].options
    assert options == {"as_released": True, "max_length": 3584}


def test_format_only_sees_no_correctness_and_as_released_does() -> None:
    assert set(composed("experiment=open_rs3", "reward=format_only").reward.rewards) == {
        "format", "tag_count", "reasoning_steps", "repetition_penalty",
    }  # fmt: skip
    released = composed("experiment=open_rs3", "reward=format_only_as_released").reward.rewards
    assert set(released) == {"format", "tag_count", "length", "reasoning_steps", "repetition_penalty"}


def test_what_was_released_otherwise_than_written_has_a_preset(tmp_path: Path) -> None:
    trl = grpo_config(on_this_machine("as_released_dr_grpo"), tmp_path)
    assert (trl.loss_type, trl.scale_rewards, trl.beta) == ("bnpo", "none", 0.04)
    trl = grpo_config(on_this_machine("as_released_10k"), tmp_path)
    # 8960 were asked for, in a context of 4608 with prompts of up to 512
    assert (trl.max_completion_length, trl.vllm_max_model_length) == (4608 - 512, 4608)
    assert "length" in on_this_machine("as_released_format_only").reward.rewards
    assert lora_config(on_this_machine("as_released_rank_128").lora).r == 128
    for name in ("as_released_dr_grpo", "as_released_10k", "as_released_format_only"):
        released, text = composed(f"experiment={name}"), composed("experiment=open_rs3")
        differ = {key for key in vars(text) if getattr(text, key) != getattr(released, key)}
        assert len(differ) == 1, f"{name} differs from its run in {differ}"


@pytest.mark.parametrize("algorithm", ["dr_grpo", "grpo_token_mean"])
def test_the_algorithm_ablation_changes_loss_and_scaling_only(algorithm: str, tmp_path: Path) -> None:
    arms = {arm.swept["algorithm"]: arm for arm in gate.check(["+sweeps=algorithm"], True).arms}
    base, other = arms["grpo"].config, arms[algorithm].config
    changed = {key for key in base if base[key] != other[key]}
    assert changed == {"algorithm"}
    inside = {key for key in base["algorithm"] if base["algorithm"][key] != other["algorithm"][key]}
    assert inside == {"name", "loss_type", "scale_rewards"}


def test_presets_pin_what_they_share_with_the_quickstart() -> None:
    """A change of the quickstart's defaults must not reach the paper's runs."""
    limr = composed("experiment=limr")
    assert (limr.lora.rank, limr.schedule.learning_rate, limr.rollout.temperature) == (32, 1e-6, 0.7)
    assert (limr.grading.mode, limr.selection.rule) == ("as_released", "before_transition")
