"""Gradient cloud: estimates from samples around the exact gradient, baseline by baseline."""

import torch
from torch import Tensor

from ...advantages import compute_relative_rewards, leave_one_out
from ...experiments.look import INK, LABEL, PAPER, REFERENCE, SERIES, TINY
from ..exact import ExactPolicy
from .base import Lab, choice, slider
from .looks import axes_of, bars_with_numbers, names_below, numbers_below, numbers_beside

BASELINES = ("none", "expected reward", "largest reward", "own mean", "leave-one-out")
ESTIMATES, DOTS = 1000, 300
SHOWN = (1, 3)  # the components that are drawn
FRAME = {"xlim": (-0.85, 0.45), "ylim": (-0.35, 1.0)}


def advantages_of(paid: Tensor, baseline: str, expected: float, largest: float) -> Tensor:
    """Rewards [N, size] of N estimates minus the baseline, [N, size]."""
    size = paid.shape[1]
    if baseline == "own mean":
        return compute_relative_rewards(paid.flatten(), size, normalize=False)[0].view(-1, size)
    if baseline == "leave-one-out":
        return leave_one_out(paid.flatten(), size).view(-1, size)
    return paid - {"none": 0.0, "expected reward": expected, "largest reward": largest}[baseline]


class GradientCloud(Lab):
    """Is the estimate right on average, and how noisy is it?

    Args:
        policy: over five tokens.
        rewards: what each token pays, [5].
    """

    title = "Gradient cloud"
    question = (
        "Predict: the baseline is the mean of the very samples it is subtracted from, and there "
        "are two of them. Where does the middle of the cloud go?"
    )
    presets = {
        "expected reward": {"baseline": "expected reward"},
        "far too high": {"baseline": "largest reward"},
        "own mean, pairs": {"baseline": "own mean", "size": 2},
        "leave-one-out, pairs": {"baseline": "leave-one-out", "size": 2},
        "many samples": {"size": 64},
    }

    def __init__(self, policy: ExactPolicy, rewards: Tensor):
        self.policy, self.rewards = policy, rewards.double()
        super().__init__()

    @staticmethod
    def make_controls():
        return {
            "baseline": choice("baseline", "none", BASELINES),
            "size": slider("samples per estimate", 8, 2, 64, 1),
            "seed": slider("draw number", 1, 1, 50, 1),
        }

    def compute(self, state: dict) -> dict:
        """A thousand estimates; their mean and variance against the exact gradient."""
        policy, rewards, size = self.policy, self.rewards, state["size"]
        generator = torch.Generator().manual_seed(state["seed"])
        drawn = torch.multinomial(
            policy.probs.expand(ESTIMATES, -1), size, replacement=True, generator=generator
        )
        exact, scores = policy.gradient(rewards), policy.score_functions()[drawn]
        limits = policy.expected_reward(rewards).item(), rewards.max().item()
        clouds = {}
        for name in BASELINES:
            advantages = advantages_of(rewards[drawn], name, *limits)
            clouds[name] = torch.einsum("ns,nsv->nv", advantages, scores) / size
        cloud = clouds[state["baseline"]]
        mean, variance = cloud.mean(dim=0), cloud.var(dim=0).sum().item()
        return {
            "dots": cloud[:DOTS, SHOWN].T.tolist(),
            "exact": exact[list(SHOWN)].tolist(),
            "mean": mean[list(SHOWN)].tolist(),
            "distance": (mean - exact).norm().item(),
            "chance": (variance / ESTIMATES) ** 0.5,
            "along": (mean @ exact / exact.square().sum()).item(),
            "variances": {name: c.var(dim=0).sum().item() for name, c in clouds.items()},
            **state,
        }

    @staticmethod
    def draw(figure, numbers):
        left, right = axes_of(figure, 2)
        left.plot(
            *numbers["dots"], "o", color=SERIES[0], markersize=4, alpha=0.45, markeredgewidth=0
        )
        left.plot(*numbers["exact"], "*", color=INK, markersize=20)
        left.plot(*numbers["mean"], "X", color=SERIES[1], markersize=10, markeredgecolor=PAPER)
        left.set(title="star: exact, cross: mean", **FRAME)
        numbers_below(left, "gradient for token b")
        numbers_beside(left)
        left.text(-0.15, 0.5, "gradient for token d", transform=left.transAxes, fontsize=LABEL,
                  rotation=90, ha="center", va="center")  # fmt: skip
        names = list(numbers["variances"])
        chosen = [name == numbers["baseline"] for name in names]
        bars_with_numbers(
            right, range(len(names)), list(numbers["variances"].values()), decimals=3,
            color=[SERIES[0] if mine else REFERENCE for mine in chosen],
            hatch=["" if mine else "//" for mine in chosen],
        )  # fmt: skip
        labels = [name.replace(" ", "\n").replace("one-", "one-\n") for name in names]
        names_below(right, labels, size=TINY)
        right.set(title="variance of an estimate")
        right.margins(y=0.12)

    @staticmethod
    def sentence(numbers):
        seen = numbers["distance"] > 3 * numbers["chance"]
        outside = sum(
            not (FRAME["xlim"][0] <= x <= FRAME["xlim"][1])
            or not (FRAME["ylim"][0] <= y <= FRAME["ylim"][1])
            for x, y in zip(*numbers["dots"], strict=True)
        )
        none = numbers["baseline"] == "none"
        without = "" if none else f", without a baseline {numbers['variances']['none']:.3f}"
        return (
            f"Baseline {numbers['baseline']}, {numbers['size']} samples per estimate: the variance "
            f"is <b>{numbers['variances'][numbers['baseline']]:.3f}</b>{without}. The "
            f"mean of {ESTIMATES} estimates has <b>{numbers['along']:.2f}</b> times the exact "
            f"gradient's length in its direction; it lies {numbers['distance']:.3f} away, "
            f"and chance alone explains about {numbers['chance']:.3f}: "
            f"{'a bias' if seen else 'no bias to be seen'}."
            + (f" {outside} of {DOTS} dots lie outside the frame." if outside else "")
        )
