"""GRPO: the other samples of the group say how good a response was.

Shao et al. 2024, arXiv 2402.03300. Read it beside ppo.py: the files differ in the critic.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from .advantages import compare_scored, compute_relative_rewards, silent_groups, standardize
from .rollout import Rollout
from .support.measure import mean_and_spread
from .support.requirements import require
from .trainer import MANY, Batch, Trainer, TrainerConfig


@dataclass
class GRPOConfig(TrainerConfig):
    """What only GRPO needs.

    Where the defaults differ from the source's, and why: groups of 8 and not 4, because a group of
    4 is silent more often; no standardisation over the batch, because after group normalisation it
    only multiplies by sqrt(G / ((G - 1)(1 - f))), with f the share of silent groups.

    Attributes:
        group_size: responses to each prompt.
        use_group_normalization: divide by the group's standard deviation.
        relative_reward_weight, baseline_reward_weight: the mix, see `compute_relative_rewards`.
        standardize_advantages: `standardize` over the batch too, as the source does, but with
            the floor of `standardize`.
        grpo_epochs: updates on each batch.
    """

    group_size: int = 8
    use_group_normalization: bool = True
    relative_reward_weight: float = 1.0
    baseline_reward_weight: float = 0.0
    standardize_advantages: bool = False
    grpo_epochs: int = 1

    def __post_init__(self):
        super().__post_init__()
        require(self, "between", grpo_epochs=(1, 1000), group_size=(2, MANY))
        weights = {"relative_reward_weight": (-1e6, 1e6), "baseline_reward_weight": (-1e6, 1e6)}
        require(self, "between", **weights)


class GRPOTrainer(Trainer):
    """Policy and reference; one optimiser."""

    config_class = GRPOConfig

    def train_step(self, batch_prompts: Sequence) -> dict[str, float]:
        """Sample, reward, compare inside each group, update; returns the step's metrics."""
        rollout = self.generate_responses(batch_prompts)
        rewards_B = self.compute_rewards(batch_prompts, rollout)
        batch, metrics = self.compute_advantages(rollout, rewards_B)
        metrics |= self.update(batch, self.config.grpo_epochs)
        return self.rollout_metrics(rollout, rewards_B) | metrics

    def generate_responses(self, batch_prompts: Sequence) -> Rollout:
        """A group of responses to each prompt: a group is one prompt's samples."""
        return self.sample_responses(batch_prompts, self.config.group_size)

    def compute_relative_rewards(self, rewards_B: Tensor) -> tuple[Tensor, Tensor]:
        """Rewards compared inside each group [B'], and the groups' means [B' // G]."""
        config = self.config
        compare = partial(
            compute_relative_rewards,
            normalize=config.use_group_normalization,
            relative_reward_weight=config.relative_reward_weight,
            baseline_reward_weight=config.baseline_reward_weight,
        )
        if rewards_B.isnan().any():  # no reward function applied to some
            return compare_scored(rewards_B, config.group_size, compare)
        return compare(rewards_B, config.group_size)

    def compute_advantages(self, rollout: Rollout, rewards_B: Tensor) -> tuple[Batch, dict]:
        """One advantage a response, the same for each of its tokens."""
        config = self.config
        relative_B, baselines = self.compute_relative_rewards(rewards_B)
        if len(relative_B) < len(rollout):  # an incomplete last group goes, and all that is its own
            rollout = rollout.select(torch.arange(len(relative_B), device=relative_B.device))
        advantages_B = standardize(relative_B) if config.standardize_advantages else relative_B
        with self.clock("score"):
            ref_log_probs, costs_BT = self.reference_log_probs(rollout)
        silent = silent_groups(rewards_B, config.group_size)
        raw_mean, raw_std = mean_and_spread(rewards_B)
        metrics = {
            "raw_reward_mean": raw_mean,
            "raw_reward_std": raw_std,
            "relative_reward_mean": relative_B.mean().item(),
            "relative_reward_std": relative_B.std(correction=0).item(),
            "group_baseline_mean": baselines.mean().item(),
            "silent_group_share": silent.float().mean().item(),
        }
        if costs_BT is not None:
            # Compared inside the group too, but never divided by a standard deviation: where all
            # rewards are equal, a difference of nothing but KL would be blown up to 1.
            costs_B = costs_BT.sum(dim=1)
            costs, _ = compute_relative_rewards(costs_B, config.group_size, normalize=False)
            advantages_B = advantages_B - costs
            metrics["kl"] = (costs_B.sum() / rollout.mask_BT.sum() / config.kl_coef).item()
        metrics["advantage_mean"] = advantages_B.mean().item()
        metrics["advantage_std"] = advantages_B.std(correction=0).item()
        advantages_BT = advantages_B.unsqueeze(1) * rollout.mask_BT
        return Batch(rollout, advantages_BT, self.weights(rollout), ref_log_probs), metrics

    def compute_loss(self, batch: Batch) -> Tensor:
        """Loss of a micro-batch: policy, entropy and KL."""
        log_probs, entropy = self.compute_log_probs(batch.rollout)
        return self.compute_policy_loss(batch, log_probs, entropy)
