"""The module's functions under the names and signatures that the exercises ask for.

What of ``my_grpo.py`` is not the learner's yet comes from here, and the solutions and checks of the
two training steps are compared with the steps below.
"""

import re
from collections.abc import Callable

import torch
from torch import Tensor

from ...advantages import compute_relative_rewards, standardize
from ...advantages import gae as module_gae
from ...losses import aggregate, kl_penalty, value_loss
from ...losses import clipped_surrogate as module_clipped_surrogate
from ...losses import token_log_probs as module_token_log_probs

__all__ = [
    "clipped_surrogate",
    "explained_variance",
    "gae",
    "grpo_loss",
    "grpo_step",
    "kl_estimators",
    "ppo_step",
    "reinforce_loss",
    "relative_rewards",
    "response_mask",
    "reward",
    "token_log_probs",
]


def token_log_probs(logits: Tensor, tokens: Tensor, temperature: float) -> Tensor:
    """1.1: log-prob of each given token: [B, T, V], [B, T] -> [B, T]."""
    return module_token_log_probs(logits, tokens, temperature)


def response_mask(tokens: Tensor, end_ids: list[int]) -> Tensor:
    """1.2: 1 up to and including the first end token, 0 after it: [B, T] -> int64 [B, T]."""
    ends = torch.isin(tokens, torch.tensor(end_ids, device=tokens.device))
    return (ends.cumsum(dim=1) - ends.long() == 0).long()


def reward(text: str, answer: str) -> float:
    """1.4: 1.0 for a right answer in exactly the right form, else 0.0.

    Stricter than the task's own verifier, which forgives spaces around the parts.
    """
    match = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>([0-9]+)</answer>", text)
    return float(match is not None and match[2] == answer)


def reinforce_loss(log_probs: Tensor, advantages: Tensor) -> Tensor:
    """2.3: a loss with the gradient of REINFORCE: [B], [B] -> scalar."""
    return -(advantages * log_probs).mean()


def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> Tensor:
    """3.1: advantage of each token, all [B, T] (arXiv 1506.02438)."""
    return module_gae(rewards, values, mask, gamma, lam)[0]


def clipped_surrogate(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, clip: float
) -> Tensor:
    """3.2: PPO's loss per token, [B, T] (arXiv 1707.06347, equation 7)."""
    return module_clipped_surrogate(log_probs, old_log_probs, advantages, clip, clip)


def kl_estimators(log_probs: Tensor, ref_log_probs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """3.3: k1, k2 and k3 of each sampled token."""
    return tuple(kl_penalty(log_probs, ref_log_probs, name) for name in ("k1", "k2", "k3"))


def explained_variance(returns: Tensor, values: Tensor) -> float:
    """3.5: the share of the returns' variance that the values know."""
    return (1 - (returns - values).var() / returns.var()).item()


def ppo_step(
    policy: Callable[[], Tensor],
    critic: Callable[[], Tensor],
    optimizer: torch.optim.Optimizer,
    rewards: Tensor,
    old_log_probs: Tensor,
    ref_log_probs: Tensor,
    mask: Tensor,
    gamma: float,
    lam: float,
    clip: float,
    kl_coef: float,
    vf_coef: float,
    updates: int,
) -> dict:
    """3.6: PPO's updates on one batch.

    Args:
        policy, critic: log-probs and values [B, T] as the models are now, with gradients.
        optimizer: of both models.
        rewards: [B], each paid with its response's last token.
        old_log_probs, ref_log_probs, mask: [B, T].

    Returns:
        advantages and returns [B, T], and for each update the losses that it saw.
    """
    mask = mask.to(old_log_probs.dtype)
    with torch.no_grad():
        values = critic() * mask
    paid = torch.zeros_like(values)
    paid[torch.arange(len(rewards)), mask.sum(dim=1).long() - 1] = rewards
    advantages, returns = module_gae(paid, values, mask, gamma, lam)
    advantages = standardize(advantages, mask)
    seen = {"advantages": advantages, "returns": returns}
    for update in range(1, updates + 1):
        log_probs = policy()
        surrogate = module_clipped_surrogate(log_probs, old_log_probs, advantages, clip, clip)
        policy_loss = aggregate(surrogate, mask, "token")
        kl = aggregate(kl_penalty(log_probs, ref_log_probs, "k3"), mask, "token")
        critic_loss = aggregate(value_loss(critic(), returns), mask, "token")
        loss = policy_loss + kl_coef * kl + vf_coef * critic_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        terms = {"policy_loss": policy_loss, "kl": kl, "value_loss": critic_loss, "loss": loss}
        seen[update] = {name: term.item() for name, term in terms.items()}
    return seen


def relative_rewards(rewards: Tensor, group_size: int) -> Tensor:
    """4.1: rewards compared inside their group, [B] (arXiv 2402.03300, section 4.1.2)."""
    return compute_relative_rewards(rewards, group_size)[0]


def grpo_loss(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip: float
) -> Tensor:
    """4.5: the surrogate, mean per response, mean over responses (arXiv 2402.03300, equation 3)."""
    surrogate = clipped_surrogate(log_probs, old_log_probs, advantages.unsqueeze(1), clip)
    return aggregate(surrogate, mask)


def grpo_step(
    policy: Callable[[], Tensor],
    optimizer: torch.optim.Optimizer,
    rewards: Tensor,
    old_log_probs: Tensor,
    ref_log_probs: Tensor,
    mask: Tensor,
    group_size: int,
    clip: float,
    kl_coef: float,
    updates: int,
) -> dict:
    """4.6: GRPO's updates on one batch.

    Args:
        policy: log-probs [B, T] as the model is now, with gradients.
        rewards: [B], groups as neighbours.
        old_log_probs, ref_log_probs, mask: [B, T].

    Returns:
        advantages [B], and for each update the losses that it saw.
    """
    advantages = relative_rewards(rewards, group_size)
    seen = {"advantages": advantages}
    for update in range(1, updates + 1):
        log_probs = policy()
        policy_loss = grpo_loss(log_probs, old_log_probs, advantages, mask, clip)
        kl = aggregate(kl_penalty(log_probs, ref_log_probs, "k3"), mask)
        loss = policy_loss + kl_coef * kl
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        terms = {"policy_loss": policy_loss, "kl": kl, "loss": loss}
        seen[update] = {name: term.item() for name, term in terms.items()}
    return seen
