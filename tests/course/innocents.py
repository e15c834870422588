"""The innocent suspects of the bug zoo as trainers, to see that each does what its rule says."""

import re
from dataclasses import replace

import torch

from grpo_mini.advantages import gae, standardize
from grpo_mini.experiments.evidence import EXPERIMENTS, Setting
from grpo_mini.grpo import GRPOTrainer
from grpo_mini.losses import clipped_surrogate
from grpo_mini.ppo import PPOTrainer
from grpo_mini.rollout import score


class TagsStripped(GRPOTrainer):
    def compute_rewards(self, batch_prompts, rollout):
        bare = [re.sub("</?answer>", "", text) for text in rollout.texts]
        return super().compute_rewards(batch_prompts, replace(rollout, texts=bare))


class AnswersShifted(GRPOTrainer):
    def compute_rewards(self, batch_prompts, rollout):
        answers = [record["answer"] for record in batch_prompts]
        shifted = zip(batch_prompts, answers[1:] + answers[:1], strict=True)
        return super().compute_rewards([r | {"answer": a} for r, a in shifted], rollout)


class HotIsCold(GRPOTrainer):
    def generate_responses(self, batch_prompts):
        asked = self.config
        self.config = replace(asked, temperature=1 / asked.temperature)
        try:
            return super().generate_responses(batch_prompts)
        finally:
            self.config = asked


class HalfPrecision(GRPOTrainer):
    def compute_log_probs(self, rollout, model=None):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return score(model or self.policy, rollout, self.config.temperature)


class PaddingCounts(GRPOTrainer):
    def generate_responses(self, batch_prompts):
        rollout = super().generate_responses(batch_prompts)
        return replace(rollout, mask_BT=torch.ones_like(rollout.mask_BT))


class MixedGroups(GRPOTrainer):
    def compute_advantages(self, rollout, rewards_B):
        size = self.config.group_size
        rows = torch.arange(len(rollout)).view(-1, size).T.flatten()
        return super().compute_advantages(rollout.select(rows), rewards_B[rows])


class BatchStd(GRPOTrainer):
    def compute_relative_rewards(self, rewards_B):
        groups = rewards_B.view(-1, self.config.group_size)
        means = groups.mean(dim=1, keepdim=True)
        return ((groups - means) / rewards_B.std()).flatten(), means.flatten()


class OverlongFilter(GRPOTrainer):
    def weights(self, rollout):
        return super().weights(rollout) * ~rollout.truncated_B.unsqueeze(1)


class ForcedEnd(GRPOTrainer):
    def generate_responses(self, batch_prompts):
        rollout = super().generate_responses(batch_prompts)
        cut = rollout.truncated_B.nonzero().flatten()
        rollout.tokens_BT[cut, rollout.lengths_B[cut] - 1] = self.tokenizer.eos_token_id
        return replace(rollout, truncated_B=torch.zeros_like(rollout.truncated_B))


class OldIsNew(GRPOTrainer):
    def surrogate(self, batch, log_probs):
        return clipped_surrogate(log_probs, log_probs.detach(), batch.advantages, 0.2, 0.2)


class KLUpsideDown(GRPOTrainer):
    def total(self, name, per_token, batch):
        total = super().total(name, per_token, batch)
        return -total if name == "kl_loss" else total


class MovingReference(GRPOTrainer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.reference = self.policy


class PastTheEnd(PPOTrainer):
    @staticmethod
    def estimate(rewards, values, mask, gamma, lam):
        return gae(rewards, values, torch.ones_like(mask), gamma, lam)


class LateReward(PPOTrainer):
    @staticmethod
    def estimate(rewards, values, mask, gamma, lam):
        late = torch.cat([torch.zeros_like(rewards[:, :1]), rewards[:, :-1]], dim=1)
        return gae(late * mask, values, mask, gamma, lam)


class WhitenedPadding(PPOTrainer):
    def compute_advantages(self, rollout, rewards_B):
        asked = self.config
        self.config = replace(asked, standardize_advantages=False)
        batch, metrics = super().compute_advantages(rollout, rewards_B)
        self.config = asked
        return replace(batch, advantages=standardize(batch.advantages)), metrics


class NeverMoves(GRPOTrainer):
    def make_optimizer(self, model, rate):
        copies = [p.detach().clone().requires_grad_() for p in model.parameters()]
        return torch.optim.Adam(copies, rate)


# Suspect -> what it is made of: a trainer, or options, in place of the twin's. Not here is who
# differs from its twin only after the first update, and who would need another sampler.
INNOCENTS = {
    "tags-stripped": TagsStripped,
    "answers-shifted": AnswersShifted,
    "never-moves": NeverMoves,
    "hot-is-cold": HotIsCold,
    "half-precision": HalfPrecision,
    "token-mean": {"aggregation": "token"},
    "padding-counts": PaddingCounts,
    "mixed-groups": MixedGroups,
    "batch-std": BatchStd,
    "overlong-filter": OverlongFilter,
    "forced-end": ForcedEnd,
    "no-clip": {"clip_low": 1.0, "clip_high": 1e9},
    "old-is-new": OldIsNew,
    "kl-upside-down": KLUpsideDown,
    "moving-reference": MovingReference,
    "past-the-end": PastTheEnd,
    "late-reward": LateReward,
    "whitened-padding": WhitenedPadding,
}


def made(twin: str, suspect: str | None) -> Setting:
    """The twin's setting, with what the suspect changes."""
    setting = EXPERIMENTS["zoo"].settings[twin]
    change = INNOCENTS.get(suspect, {})
    if isinstance(change, dict):
        return replace(setting, options=setting.options | change)
    return replace(setting, trainer=change)
