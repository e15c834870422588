"""The methods around GRPO as switches of one loss, and the source's own grouping.

With one update a batch every ratio is 1: then GSPO and CISPO have GRPO's gradient, and no clip
acts. They part only when a batch is used again, or in parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..advantages import (
    compare_scored,
    compute_relative_rewards,
    leave_one_out,
    silent_groups,
)
from ..grpo import GRPOConfig, GRPOTrainer
from ..losses import clipped_surrogate
from ..rollout import Rollout
from ..support.requirements import require
from ..trainer import Batch


@dataclass
class VariantConfig(GRPOConfig):
    """The switches; as they stand, GRPO.

    Attributes:
        baseline: "group", or "others" for leave-one-out (RLOO, arXiv 2402.14740), which knows
            neither a scale nor a mix.
        importance: "token" is PPO's clipped ratio; "sequence" has one ratio a response, the
            geometric mean of its tokens' (GSPO, arXiv 2507.18071, equation 7, if the aggregation
            is "sequence"); "detached" clips
            the ratio but not the gradient (CISPO, arXiv 2506.13585, equation 4).
        groups_kept: dynamic sampling (DAPO, arXiv 2503.14476, section 3.2): of the step's groups,
            so many that are not silent; None keeps all.
        mixed_groups: as the source groups: neighbours of the batch, whatever their prompts.
        mini_batches: parts of a batch, drawn anew each time, each with an update of its own. From
            the second on a ratio is not 1, though no sample is used twice: not with `grpo_epochs`.
    """

    baseline: str = "group"
    importance: str = "token"
    groups_kept: int | None = None
    mixed_groups: bool = False
    mini_batches: int = 1

    def __post_init__(self):
        super().__post_init__()
        require(self, "one of", baseline=("group", "others"))
        require(self, "one of", importance=("token", "sequence", "detached"))
        require(self, "at least", mini_batches=1)
        if self.groups_kept is not None:
            require(self, "at least", groups_kept=1)
        plain = not self.use_group_normalization and self.baseline_reward_weight == 0
        if self.baseline == "others" and not (plain and self.relative_reward_weight == 1):
            raise ValueError(
                "baseline='others' is the reward minus the others' mean: set "
                "use_group_normalization=False, relative_reward_weight=1, baseline_reward_weight=0"
            )
        if self.mini_batches > 1 and self.grpo_epochs > 1:
            raise ValueError(
                f"mini_batches={self.mini_batches} uses each sample once: set grpo_epochs=1, got "
                f"{self.grpo_epochs}"
            )


class VariantTrainer(GRPOTrainer):
    """GRPO with the switches of `VariantConfig`."""

    config_class = VariantConfig

    def generate_responses(self, batch_prompts: Sequence) -> Rollout:
        """A group of responses to each prompt; one response where groups are mixed."""
        size = 1 if self.config.mixed_groups else self.config.group_size
        return self.sample_responses(batch_prompts, size)

    def compute_relative_rewards(self, rewards_B: Tensor) -> tuple[Tensor, Tensor]:
        """Rewards compared inside the group, or with the others of the group."""
        if self.config.baseline == "group":
            return super().compute_relative_rewards(rewards_B)
        if rewards_B.isnan().any():  # no reward function applied to some
            return compare_scored(rewards_B, self.config.group_size, others)
        return others(rewards_B, self.config.group_size)

    def compute_advantages(self, rollout: Rollout, rewards_B: Tensor) -> tuple[Batch, dict]:
        """As GRPO; with dynamic sampling, of the first groups that are not silent."""
        if self.config.groups_kept is None:
            return super().compute_advantages(rollout, rewards_B)
        size = self.config.group_size
        silent = silent_groups(rewards_B, size)
        kept = (~silent).nonzero().flatten()[: self.config.groups_kept]
        if len(kept) == 0:  # nothing to learn from: no update, unless KL or entropy make one
            kept = torch.arange(1, device=rewards_B.device)
        rows = (kept.unsqueeze(1) * size + torch.arange(size, device=kept.device)).flatten()
        batch, metrics = super().compute_advantages(rollout.select(rows), rewards_B[rows])
        return batch, metrics | {"silent_group_share": silent.float().mean().item()}

    def update(self, batch: Batch, epochs: int) -> dict[str, float]:
        """As GRPO, for each mini-batch; metrics are means over them."""
        parts = self.config.mini_batches
        if parts == 1:
            return super().update(batch, epochs)
        device = batch.advantages.device
        order = torch.randperm(len(batch.rollout), generator=self.generator, device=device)
        found = []
        for rows in order.tensor_split(min(parts, len(order))):
            part = batch.select(rows)
            part = replace(part, weights=self.weights(part.rollout))
            found.append(super().update(part, epochs))
        means = {name: sum(each[name] for each in found) / len(found) for name in found[0]}
        # Only the first part is scored by the policy that sampled it.
        return means | {"log_prob_distance": found[0]["log_prob_distance"]}

    def surrogate(self, batch: Batch, log_probs: Tensor) -> Tensor:
        """What the policy minimises, per token [B, T]."""
        config, rollout = self.config, batch.rollout
        low, high = config.clip_low, config.clip_high
        if config.importance == "sequence":
            return sequence_surrogate(
                log_probs, rollout.log_probs_BT, batch.advantages, rollout.mask_BT, low, high
            )
        if config.importance == "detached":
            return detached_surrogate(log_probs, rollout.log_probs_BT, batch.advantages, low, high)
        return super().surrogate(batch, log_probs)


def others(rewards_B: Tensor, group_size: int) -> tuple[Tensor, Tensor]:
    """Rewards minus the mean of the others of the group, and the groups' means."""
    _, baselines = compute_relative_rewards(rewards_B, group_size, normalize=False)
    return leave_one_out(rewards_B, group_size), baselines


def sequence_surrogate(
    log_probs_BT: Tensor,
    old_log_probs_BT: Tensor,
    advantages_BT: Tensor,
    mask_BT: Tensor,
    clip_low: float,
    clip_high: float,
) -> Tensor:
    """GSPO: the clipped surrogate with one ratio a response, written per token [B, T].

    The ratio's value is exp(mean log-ratio); each token carries its share of the gradient (GSPO-
    token, arXiv 2507.18071, equation 14), so that the mean over a response's tokens is GSPO's term.
    """
    log_ratio = (log_probs_BT - old_log_probs_BT).detach().masked_fill(mask_BT == 0, 0)
    mean = log_ratio.sum(dim=1, keepdim=True) / mask_BT.sum(dim=1, keepdim=True).clamp(min=1)
    log_ratio = mean + log_probs_BT - log_probs_BT.detach()
    return clipped_surrogate(
        log_ratio, torch.zeros_like(log_ratio), advantages_BT, clip_low, clip_high
    )


def detached_surrogate(
    log_probs_BT: Tensor,
    old_log_probs_BT: Tensor,
    advantages_BT: Tensor,
    clip_low: float,
    clip_high: float,
) -> Tensor:
    """CISPO: -stop_gradient(clip(ratio)) * A * log pi, per token [B, T]; no token is dropped."""
    ratio = torch.exp(log_probs_BT - old_log_probs_BT).clamp(1 - clip_low, 1 + clip_high)
    return -ratio.detach() * advantages_BT * log_probs_BT
