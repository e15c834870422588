"""The bug zoo: trainers with exactly one thing wrong, each a mistake that was really published.

Every method below is the right one with one line changed. They run without an error, and most of
them even learn a little: that is what makes them worth knowing.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..grpo import GRPOTrainer
from ..losses import clipped_surrogate
from ..models import Model
from ..ppo import PPOTrainer
from ..rollout import Rollout, score
from ..support.rewards import prompt_of
from ..tasks import chain_sum_reward, parse_response
from ..trainer import Batch


class InvertedClip(GRPOTrainer):
    """The trust region turned inside out where the advantage is negative: max and not min."""

    def surrogate(self, batch: Batch, log_probs: Tensor) -> Tensor:
        """Wrong for A < 0."""
        config, old, advantages = self.config, batch.rollout.log_probs_BT, batch.advantages
        right = clipped_surrogate(log_probs, old, advantages, config.clip_low, config.clip_high)
        ratio = torch.exp(log_probs - old)
        clipped = ratio.clamp(1 - config.clip_low, 1 + config.clip_high)
        wrong = -torch.maximum(ratio * advantages, clipped * advantages)
        return torch.where(advantages < 0, wrong, right)


class NoEndToken(GRPOTrainer):
    """The end token is masked out of the loss, so nothing ever teaches the policy to stop."""

    def weights(self, rollout: Rollout) -> Tensor:
        """Wrong at each response's last token."""
        weights_BT = super().weights(rollout)
        ended = (~rollout.truncated_B).nonzero().squeeze(1)
        weights_BT[ended, rollout.lengths_B[ended] - 1] = 0
        return weights_BT


class OtherTemperature(GRPOTrainer):
    """Sampled at the configured temperature, scored at 1."""

    def compute_log_probs(
        self, rollout: Rollout, model: Model | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Wrong unless the temperature is 1."""
        with_entropy = model is None and self.config.entropy_coef != 0
        return score(model or self.policy, rollout, 1.0, with_entropy)


class ShoutingSilence(GRPOTrainer):
    """Silent groups are not set to 0: what rounding leaves is divided by almost nothing."""

    def compute_relative_rewards(self, rewards_B: Tensor) -> tuple[Tensor, Tensor]:
        """Wrong where all rewards of a group are equal."""
        groups = rewards_B.view(-1, self.config.group_size)
        baselines = groups.mean(dim=1, keepdim=True)
        relative = (groups - baselines) / (groups.std(dim=1, keepdim=True) + 1e-8)
        return relative.flatten(), baselines.flatten()


class NoTemplate(GRPOTrainer):
    """The question goes in as bare text, without the chat template the policy was trained on."""

    def generate_responses(self, batch_prompts: Sequence) -> Rollout:
        """Wrong prompts."""
        bare = [prompt_of(record)[-1]["content"] for record in batch_prompts]
        return super().generate_responses(bare)


class ShiftedGroups(GRPOTrainer):
    """Cut-off responses are thrown away before the groups are formed, so that all after move up."""

    def compute_advantages(self, rollout: Rollout, rewards_B: Tensor) -> tuple[Batch, dict]:
        """Wrong from the first cut-off response on."""
        rows = (~rollout.truncated_B).nonzero().flatten()
        return super().compute_advantages(rollout.select(rows), rewards_B[rows])


class RandomValueHead(PPOTrainer):
    """The critic's head starts with large random weights, so the first advantages are noise."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        torch.manual_seed(self.config.seed)
        torch.nn.init.normal_(self.critic.head.weight)


def form_and_answer(completions, answer, truncated=None, **columns) -> list[float]:
    """1 for a right answer, 0.3 for a wrong one in the right form."""
    right = chain_sum_reward(completions, answer, truncated)
    formed = [parse_response(completion[-1]["content"]) is not None for completion in completions]
    return [max(r, 0.3 * form) for r, form in zip(right, formed, strict=True)]
