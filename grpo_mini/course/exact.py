"""A policy over a few tokens, on which every expectation is a finite sum."""

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor


class ExactPolicy:
    """softmax(logits) over V tokens; a response is a single token, so nothing has to be sampled.

    Args:
        logits: [V]; computed in float64.
    """

    def __init__(self, logits: list[float] | Tensor):
        self.logits = torch.as_tensor(logits, dtype=torch.float64)
        self.probs = self.logits.softmax(dim=0)
        self.log_probs = self.logits.log_softmax(dim=0)

    def expected_reward(self, rewards: Tensor) -> Tensor:
        """J = sum over tokens of pi(a) * r(a)."""
        return self.probs @ rewards.double()

    def score_functions(self) -> Tensor:
        """Row a is the gradient of log pi(a) by the logits: one-hot - probs, [V, V]."""
        return torch.eye(len(self.probs), dtype=torch.float64) - self.probs

    def gradient(self, rewards: Tensor) -> Tensor:
        """The exact gradient of J with respect to the logits, [V]."""
        return self.probs * (rewards.double() - self.expected_reward(rewards))

    def estimates(self, rewards: Tensor, baseline: float | Tensor = 0.0) -> Tensor:
        """Row a is what REINFORCE estimates from token a: (r(a) - b) * score(a), [V, V]."""
        return (rewards.double() - baseline).unsqueeze(1) * self.score_functions()

    def variance(self, rewards: Tensor, baseline: float | Tensor = 0.0) -> Tensor:
        """Variance of that estimate: the sum of the variances of its V components."""
        estimates = self.estimates(rewards, baseline)
        mean = self.probs @ estimates
        return self.probs @ (estimates - mean).square().sum(dim=1)

    def kl(self, other: "ExactPolicy") -> Tensor:
        """KL(self || other), in nats."""
        return self.probs @ (self.log_probs - other.log_probs)

    def expected_group_gradient(
        self, rewards: Tensor, group_size: int, advantages: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Expected gradient of a group of samples, by walking through all V**G groups, [V].

        Args:
            advantages: rewards of a group [G] -> its advantages [G].
        """
        total = torch.zeros_like(self.probs)
        scores = self.score_functions()
        for group in product(range(len(self.probs)), repeat=group_size):
            tokens = torch.tensor(group)
            estimate = (advantages(rewards.double()[tokens]).unsqueeze(1) * scores[tokens]).mean(0)
            total += self.probs[tokens].prod() * estimate
        return total
