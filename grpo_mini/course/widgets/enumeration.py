"""Groups of 0/1 rewards, all of them: what is expected for a prompt solved with probability p."""

from collections.abc import Callable
from functools import lru_cache
from math import comb

import torch
from torch import Tensor

from ...advantages import compute_relative_rewards


def groups(size: int) -> list[Tensor]:
    """Rewards of a group with 0, 1, ... ``size`` right answers."""
    return [torch.tensor([1.0] * right + [0.0] * (size - right)) for right in range(size + 1)]


def chances(p: float, size: int) -> list[float]:
    """How likely each of these groups is."""
    return [comb(size, k) * p**k * (1 - p) ** (size - k) for k in range(size + 1)]


def pull(p: float, size: int, advantages: Callable[[Tensor], Tensor]) -> float:
    """Expected gradient on a prompt over the true one, p (1 - p), for any advantages; 0 < p < 1.

    `weight` is the same for the group's own, from values that it keeps.
    """
    found = 0.0
    for chance, rewards in zip(chances(p, size), groups(size), strict=True):
        found += chance * (advantages(rewards.clone()) * (rewards - p)).mean().item()
    return found / (p * (1 - p))


@lru_cache
def signals(size: int, normalize: bool) -> tuple[float, ...]:
    """Mean of advantage times reward in each of these groups (ddof 0)."""
    found = []
    for rewards in groups(size):
        relative, _ = compute_relative_rewards(rewards, size, normalize=normalize, ddof=0)
        found.append((relative * rewards).mean().item())
    return tuple(found)


def weight(p: float, size: int, normalize: bool) -> float:
    """Expected pull on a prompt over the true gradient's, which is p (1 - p); for 0 < p < 1."""
    pairs = zip(chances(p, size), signals(size, normalize), strict=True)
    return sum(chance * signal for chance, signal in pairs) / (p * (1 - p))
