"""The critics that PPO is raced with: warmed up, taught more often, on the policy's own trunk."""

from dataclasses import dataclass, replace
from pathlib import Path

import safetensors.torch as safetensors
import torch
from torch import Tensor

from ..losses import token_log_probs, value_loss
from ..models import Critic
from ..ppo import PPOConfig, PPOTrainer
from ..rollout import Rollout, outputs_per_token
from ..support.requirements import require
from ..trainer import Batch, Trainer


@dataclass
class CriticConfig(PPOConfig):
    """What is done for the critic beyond PPO's one update a batch.

    Attributes:
        warmup_steps: first steps on which only the critic learns (value pre-training, VAPO, arXiv
            2504.05118, section 4.1). Their samples count like any others.
        critic_epochs: updates of the critic on each batch, PPO's own one counted; what `ppo_epochs`
            has beyond 1 comes on top.
        warmup_epochs: the same, while it is warmed up.
    """

    warmup_steps: int = 0
    critic_epochs: int = 1
    warmup_epochs: int = 4

    def __post_init__(self):
        super().__post_init__()
        require(self, "between", warmup_steps=(0, 10_000))
        require(self, "between", critic_epochs=(1, 1000), warmup_epochs=(1, 1000))


class CriticTrainer(PPOTrainer):
    """PPO with the switches of `CriticConfig`."""

    config_class = CriticConfig
    critic_alone = False

    def update(self, batch: Batch, epochs: int) -> dict[str, float]:
        """The critic's own updates first, on the returns it was not yet taught, then PPO's."""
        config = self.config
        warming = self.step < config.warmup_steps
        more = config.warmup_epochs if warming else config.critic_epochs - 1
        if more:
            silent = replace(batch, advantages=torch.zeros_like(batch.advantages))
            self.critic_alone = True
            try:
                metrics = super().update(silent, more)
            finally:
                self.critic_alone = False
        if not warming:
            return super().update(batch, epochs)
        unseen = ("kl", "log_prob_distance")  # nobody scored the policy
        return {name: value for name, value in metrics.items() if name not in unseen}

    def compute_loss(self, batch: Batch) -> Tensor:
        """PPO's loss, or the critic's term alone, without a pass through the policy."""
        if not self.critic_alone:
            return super().compute_loss(batch)
        errors = value_loss(self.compute_values(batch.rollout), batch.returns)
        self.count("value_error", errors, batch.rollout.mask_BT)
        self.count("tokens", torch.ones_like(errors), batch.rollout.mask_BT)
        return self.config.vf_coef * self.total("value_loss", errors, batch)


class SharedTrunkPPO(PPOTrainer):
    """PPO whose value head sits on the policy's own backbone: one model, one forward pass.

    The backbone hears both losses, so `grad_norm` is that of their sum. The head's own gradient is
    not clipped, which Adam hardly notices. Where rewards teach the critic only, the head learns.
    """

    def __init__(self, *args, **kwargs):
        Trainer.__init__(self, *args, **kwargs)
        if self.config.entropy_coef:
            raise ValueError("SharedTrunkPPO has no entropy bonus: set entropy_coef=0")
        self.critic = Critic(self.policy.base_model)
        head = {"params": self.critic.head.parameters(), "lr": self.config.critic_learning_rate}
        self.policy_optimizer.add_param_group(head)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One, for policy and head."""
        return Trainer.optimizers(self)

    def restore_models(self, checkpoint: Path) -> None:
        """Load the head; its backbone is the policy's."""
        Trainer.restore_models(self, checkpoint)
        safetensors.load_model(self.critic.head, checkpoint / "critic" / "head.safetensors")

    def update(self, batch: Batch, epochs: int) -> dict[str, float]:
        """As PPO; a gradient of the critic alone is nowhere to be seen."""
        metrics = super().update(batch, epochs)
        del metrics["value_grad_norm"]
        return metrics

    def compute_log_probs_and_values(
        self, rollout: Rollout
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Log-probs, no entropy, and values, from the same hidden states."""

        def hidden(logits_to_keep: int = 0, **inputs: Tensor) -> Tensor:
            return self.policy.base_model(**inputs).last_hidden_state[:, -logits_to_keep:]

        with self.autocast():
            states = outputs_per_token(hidden, self.policy, rollout)
            logits = self.policy.get_output_embeddings()(states)
            log_probs = token_log_probs(logits, rollout.tokens_BT, self.config.temperature)
            return log_probs, None, self.critic.head(states).squeeze(-1).float()
