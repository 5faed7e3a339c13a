"""Reward functions of a completion's text and verdict: pure, registered by name, one file each."""

from tina.rewards.registry import RewardBatch, check_options, get_reward, option_defaults, reward, reward_names

__all__ = ["RewardBatch", "check_options", "get_reward", "option_defaults", "reward", "reward_names"]
