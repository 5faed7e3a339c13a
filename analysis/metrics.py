"""Which series the tables and pictures use, by the names that TRL 1.16 logs, and what older logs call them."""

import re

STEP = "train/global_step"
"""The x axis of every series."""
FORMAT_REWARD = "train/rewards/format/mean"
ACCURACY_REWARDS = ("train/rewards/accuracy/mean", "train/rewards/cosine/mean")
"""Rewards for the answer; a run logs those it was trained with."""
LENGTH = "train/completions/mean_length"
FIDELITY = {
    name: f"train/fidelity/{name}"
    for name in ("logprob_diff_mean", "logprob_diff_max", "kl", "base_drift", "update_cosine")
}
"""How well sampler and trainer agree; logged by runs with an engine of their own."""
SERIES = (FORMAT_REWARD, *ACCURACY_REWARDS, LENGTH, "train/reward", "train/kl", *FIDELITY.values())

ALIASES = {"train/completion_length": LENGTH}
REWARD = re.compile(r"train/rewards/(\w+?)_reward(?:/(\w+))?")
REWARDS = {"cosine_scaled": "cosine", "len": "length"}
"""Rewards of open-r1 that have another name here."""


def canonical(metric: str) -> str:
    """The name used here of a metric as it was logged: by TRL 0.15 without a /mean, of open-r1's reward functions."""
    if found := REWARD.fullmatch(metric):
        return f"train/rewards/{REWARDS.get(found[1], found[1])}/{found[2] or 'mean'}"
    return ALIASES.get(metric, metric)


FOREIGN_SETTINGS = {
    "model_name_or_path": "model.path",
    "_name_or_path": "model.path",
    "learning_rate": "schedule.learning_rate",
    "max_steps": "schedule.max_steps",
    "num_generations": "batch.num_generations",
    "beta": "algorithm.beta",
    "loss_type": "algorithm.loss_type",
    "max_completion_length": "length.max_completion_tokens",
    "temperature": "rollout.temperature",
    "peft_config.default.r": "lora.rank",
    "peft_config.default.lora_alpha": "lora.alpha",
    "seed": "seed",
}
"""What the Hugging Face callback writes into run.config, to this suite's settings: all there is of a foreign run."""
