"""The exercises, a file a notebook; importing this registers all of them."""

from . import a_small_qwen, grpo, policy_gradient, ppo, reward_models

__all__ = ["a_small_qwen", "grpo", "policy_gradient", "ppo", "reward_models"]
