"""Which series the tables and pictures use, by the names that TRL 1.16 logs, and what older logs call them."""

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

ALIASES = {
    "train/completion_length": LENGTH,
    "train/rewards/format_reward": FORMAT_REWARD,
    "train/rewards/accuracy_reward": ACCURACY_REWARDS[0],
    "train/rewards/cosine_scaled_reward": ACCURACY_REWARDS[1],
    "train/rewards/tag_count_reward": "train/rewards/tag_count/mean",
    "train/rewards/len_reward": "train/rewards/length/mean",
    "train/rewards/reasoning_steps_reward": "train/rewards/reasoning_steps/mean",
    "train/rewards/repetition_penalty_reward": "train/rewards/repetition_penalty/mean",
}
"""What TRL 0.15 and the reward functions of that time log, to the names used here."""


def canonical(metric: str) -> str:
    """The name used here of a metric as it was logged."""
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
