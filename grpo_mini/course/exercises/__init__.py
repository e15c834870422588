"""The exercises, a file a notebook; importing this registers all of them."""

from . import (
    a_small_qwen,
    bug_zoo,
    grpo,
    inside_grpo,
    open_ended,
    policy_gradient,
    ppo,
    ppo_vs_grpo,
    reward_models,
    scaling_up,
)

__all__ = [
    "a_small_qwen",
    "bug_zoo",
    "grpo",
    "inside_grpo",
    "open_ended",
    "policy_gradient",
    "ppo",
    "ppo_vs_grpo",
    "reward_models",
    "scaling_up",
]
