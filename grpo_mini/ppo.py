"""PPO: a critic says how good a response was.

Schulman et al. 2017, arXiv 1707.06347. Read it beside grpo.py: the files differ in the critic.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .advantages import FLOOR, gae, standardize
from .losses import value_loss
from .models import Critic, frozen_copy, require_vocabulary
from .rollout import Rollout, outputs_per_token
from .support.requirements import require
from .trainer import MANY, Batch, Trainer, TrainerConfig


@dataclass
class PPOConfig(TrainerConfig):
    """What only PPO needs.

    Where the defaults differ from the source's, and why: the critic starts from the policy and not
    from another model, so that both know the task; its learning rate is 5e-4 and not 5e-6, because
    a critic that starts at 0 has to learn within tens of steps; gamma and lam are 1 and not 0.99
    and 0.95, because one reward at the end of a short response needs no discount and an untrained
    critic would only add bias; vf_coef is 0.5 and not 0.1, which hardly matters to Adam;
    standardisation has a floor, because a critic's small errors are no reason for a large step.
    The policy's learning rate is twice GRPO's: the best of the same grid for either.

    Attributes:
        critic_model_name: backbone of the critic; None starts from the policy's weights.
        critic_learning_rate: of the critic's own optimiser.
        vf_coef: weight of the value loss.
        gamma, lam: discount and GAE's lambda; with both 1, A_t is reward - V_t.
        samples_per_prompt: responses to each prompt; the critic needs no group.
        standardize_advantages: standardise over the batch's tokens, as the source does.
        standardize_floor: where they spread less, they are only centred, see `standardize`.
        skip_equal_rewards: where all rewards of a batch are equal, they teach the critic only.
        ppo_epochs: updates on each batch.
    """

    prompts_per_step: int = 256
    learning_rate: float = 4e-4
    critic_model_name: str | None = None
    critic_learning_rate: float = 5e-4
    vf_coef: float = 0.5
    gamma: float = 1.0
    lam: float = 1.0
    samples_per_prompt: int = 1
    standardize_advantages: bool = True
    standardize_floor: float = FLOOR
    skip_equal_rewards: bool = True
    ppo_epochs: int = 1

    def __post_init__(self):
        super().__post_init__()
        require(self, "between", gamma=(0, 1), lam=(0, 1), vf_coef=(0, 1e6))
        require(self, "between", ppo_epochs=(1, 1000), samples_per_prompt=(1, MANY))
        require(self, "at least", standardize_floor=0)
        require(self, "above", critic_learning_rate=0)
        require(self, "at most", critic_learning_rate=1)


class PPOTrainer(Trainer):
    """Policy, reference and critic; two optimisers."""

    config_class = PPOConfig
    estimate = staticmethod(gae)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.config.critic_model_name is None:
            backbone = frozen_copy(self.policy.base_model).requires_grad_(True)
            self.critic = Critic(backbone)
        else:
            self.critic = Critic.from_pretrained(self.config.critic_model_name, self.policy.device)
            require_vocabulary(self.critic.backbone, self.tokenizer)
        self.critic_optimizer = self.make_optimizer(self.critic, self.config.critic_learning_rate)

    def models(self) -> dict[str, torch.nn.Module]:
        """Every model that is resident, by role."""
        return super().models() | {"critic": self.critic}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Every optimiser, by the role of the model it trains."""
        return super().optimizers() | {"critic": self.critic_optimizer}

    def restore_models(self, checkpoint: Path) -> None:
        """Load what the policy's folder does not hold."""
        super().restore_models(checkpoint)
        self.critic = Critic.from_pretrained(checkpoint / "critic", self.policy.device, "auto")
        self.critic_optimizer = self.make_optimizer(self.critic, self.config.critic_learning_rate)

    def train_step(self, batch_prompts: Sequence) -> dict[str, float]:
        """Sample, reward, compare with the critic's values, update; returns the step's metrics."""
        rollout = self.generate_responses(batch_prompts)
        rewards_B = self.compute_rewards(batch_prompts, rollout)
        batch, metrics = self.compute_advantages(rollout, rewards_B)
        metrics |= self.update(batch, self.config.ppo_epochs)
        return self.rollout_metrics(rollout, rewards_B) | metrics

    def generate_responses(self, batch_prompts: Sequence) -> Rollout:
        """Responses to each prompt, one by default."""
        return self.sample_responses(batch_prompts, self.config.samples_per_prompt)

    def compute_values(self, rollout: Rollout) -> Tensor:
        """V of the state in which each token was chosen, [B, T], with gradients."""
        with self.autocast():
            return outputs_per_token(self.critic, self.critic.backbone, rollout)

    def compute_log_probs_and_values(
        self, rollout: Rollout
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Log-probs, entropy if it is part of the loss, and values, each [B, T]."""
        return *self.compute_log_probs(rollout), self.compute_values(rollout)

    def compute_advantages(self, rollout: Rollout, rewards_B: Tensor) -> tuple[Batch, dict]:
        """One advantage a token, by GAE; the reward arrives with the last token."""
        config = self.config
        scored = (~rewards_B.isnan()).nonzero().flatten()
        if len(scored) == 0:  # no reward function applied to any: no step
            nothing = torch.zeros_like(rollout.log_probs_BT)
            return Batch(rollout, nothing, nothing), {"advantage_mean": 0.0, "advantage_std": 0.0}
        if len(scored) < len(rollout):
            rollout, rewards_B = rollout.select(scored), rewards_B[scored]
        mask_BT = rollout.mask_BT
        with self.clock("score"):
            ref_log_probs, costs_BT = self.reference_log_probs(rollout)
            values_BT = self.in_parts(rollout, self.compute_values)
        rewards_BT = torch.zeros_like(values_BT)
        rewards_BT.scatter_(1, rollout.lengths_B.unsqueeze(1) - 1, rewards_B.unsqueeze(1))
        if costs_BT is not None:
            rewards_BT = rewards_BT - costs_BT
        advantages_BT, returns_BT = self.estimate(
            rewards_BT, values_BT, mask_BT, config.gamma, config.lam
        )
        if config.standardize_advantages:
            advantages_BT = standardize(advantages_BT, mask_BT, floor=config.standardize_floor)
        equal = costs_BT is None and len(rewards_B) > 1 and (rewards_B == rewards_B[0]).all()
        if config.skip_equal_rewards and equal:
            advantages_BT = torch.zeros_like(advantages_BT)
        inside = mask_BT.bool()
        advantages, returns = advantages_BT[inside], returns_BT[inside]
        metrics = {
            "advantage_mean": advantages.mean().item(),
            "advantage_std": advantages.std(correction=0).item(),
        }
        if returns.std(correction=0) > 1e-5:  # else there is nothing to explain
            error = (returns - values_BT[inside]).var(correction=0)
            metrics["explained_variance"] = (1 - error / returns.var(correction=0)).item()
        if costs_BT is not None:
            metrics["kl"] = (costs_BT.sum() / mask_BT.sum() / config.kl_coef).item()
        weights_BT = self.weights(rollout)
        batch = Batch(rollout, advantages_BT, weights_BT, ref_log_probs, values_BT, returns_BT)
        return batch, metrics

    def compute_loss(self, batch: Batch) -> Tensor:
        """Loss of a micro-batch: policy, entropy and KL, and the critic's squared error."""
        log_probs, entropy, values = self.compute_log_probs_and_values(batch.rollout)
        policy_loss = self.compute_policy_loss(batch, log_probs, entropy)
        errors = value_loss(values, batch.returns)
        self.count("value_error", errors, batch.rollout.mask_BT)
        return policy_loss + self.config.vf_coef * self.total("value_loss", errors, batch)
