"""A judge that is learned: a reward model trained on preference pairs, and GRPO that follows it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..grpo import GRPOConfig, GRPOTrainer
from ..losses import preference_loss
from ..models import TINY_QWEN, RewardModel, load_tokenizer
from ..rollout import Rollout
from ..support.requirements import require
from ..tasks import get_task, is_right
from ..trainer import call_reward
from .preferences import read_pairs, same_style

BATCH = 32  # pairs an optimiser step


def train_judge(
    pairs: Sequence[dict],
    steps: int,
    seed: int = 0,
    learning_rate: float = 2e-4,
    model: str = str(TINY_QWEN),
    on_step: Callable[[int, RewardModel, float], None] | None = None,
) -> RewardModel:
    """A reward model from the policy's backbone; the same pairs and seed give the same weights.

    Args:
        pairs: records with ``prompt``, ``chosen`` and ``rejected``, as TRL has them.
        steps: of `BATCH` pairs, or of all where there are fewer.
        on_step: called with step, model and loss.
    """
    judge = RewardModel.from_pretrained(model, device="cpu", tokenizer=load_tokenizer(model))
    optimizer = torch.optim.Adam(judge.parameters(), lr=learning_rate, fused=True)
    rng, order = random.Random(f"preferences/{seed}"), []
    size = min(BATCH, len(pairs))
    for step in range(1, steps + 1):
        if len(order) < size:  # all were used: again, in a new order
            order = rng.sample(range(len(pairs)), len(pairs))
        loss = preference_loss(*scores(judge, [pairs[order.pop()] for _ in range(size)]))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(judge.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if on_step is not None:
            on_step(step, judge, loss.item())
    return judge.requires_grad_(False)


def scores(judge: RewardModel, pairs: Sequence[dict]) -> tuple[Tensor, Tensor]:
    """Scores of the chosen and of the rejected responses, [N] and [N], with gradients."""
    prompts = [pair["prompt"] for pair in pairs]
    texts = [pair[name] for name in ("chosen", "rejected") for pair in pairs]
    return judge.scores(prompts * 2, texts).chunk(2)


@torch.no_grad()
def margins(judge: RewardModel, pairs: Sequence[dict]) -> Tensor:
    """Score of the chosen minus score of the rejected response, [N]: above 0 where it agrees."""
    chosen, rejected = scores(judge, pairs)
    return chosen - rejected


def agreement(scores_B: Tensor, truth_B: Tensor, group_size: int) -> float:
    """Of all pairs of a right and a wrong response in a group, the share scored in that order.

    Returns:
        The share; one half is chance, and NaN says that no group holds both kinds.
    """
    scores, right = scores_B.view(-1, group_size), is_right(truth_B.view(-1, group_size))
    mixed = right.unsqueeze(2) & ~right.unsqueeze(1)
    above = scores.unsqueeze(2) > scores.unsqueeze(1)
    return above[mixed].float().mean().item()


@dataclass
class LearnedConfig(GRPOConfig):
    """GRPO whose judge has learned from preference pairs.

    Attributes:
        pairs: so many of the training pairs, drawn by the seed.
        balanced: only pairs where both responses think or neither does.
        judge_steps: optimiser steps of the reward model.
    """

    pairs: int = 1200
    balanced: bool = False
    judge_steps: int = 30

    def __post_init__(self):
        super().__post_init__()
        require(self, "at least", pairs=1, judge_steps=1)


class LearnedTrainer(GRPOTrainer):
    """GRPO paid by a reward model that it first trains; the verifier only watches."""

    config_class = LearnedConfig

    def __init__(self, config: LearnedConfig, reward=None, **rest):
        if reward is None:
            pairs = [p for p in read_pairs("train") if not config.balanced or same_style(p)]
            random.Random(f"pairs/{config.seed}").shuffle(pairs)
            reward = train_judge(
                pairs[: config.pairs], config.judge_steps, config.seed, model=config.model_name
            )
        super().__init__(config, reward, **rest)

    def compute_rewards(self, batch_prompts: Sequence, rollout: Rollout) -> Tensor:
        """What the reward model says; what the verifier would have said is kept."""
        truth = get_task(self.config.task).reward
        self.truth_B = call_reward(truth, batch_prompts, rollout)
        return super().compute_rewards(batch_prompts, rollout)

    def rollout_metrics(self, rollout: Rollout, rewards_B: Tensor) -> dict[str, float]:
        """As GRPO; and how far reward model and verifier agree on these very responses."""
        metrics = {"verified_mean": self.truth_B.mean().item()}
        share = agreement(rewards_B.cpu(), self.truth_B, self.config.group_size)
        if share == share:
            metrics["judge_agreement"] = share
        return super().rollout_metrics(rollout, rewards_B) | metrics
