"""Group size: silent groups, noise of the baseline and the shrinkage, by exact enumeration."""

from functools import lru_cache
from math import sqrt

from ...advantages import compute_relative_rewards, silent_groups
from ...experiments.look import INK, SERIES
from .base import Lab, slider
from .enumeration import chances, groups, weight
from .looks import axes_of, numbers_below, numbers_beside

SIZES = (2, 3, 4, 6, 8, 12, 16, 24, 32)


@lru_cache
def outcomes(size: int) -> list[tuple[bool, float]]:
    """For 0 to ``size`` right answers: is the group silent, and its baseline."""
    found = []
    for rewards in groups(size):
        _, baseline = compute_relative_rewards(rewards, size, normalize=False)
        found.append((bool(silent_groups(rewards, size)[0]), baseline.item()))
    return found


def expected(p: float, size: int) -> dict[str, float]:
    """Exact expectations for a prompt that is solved with probability ``p``."""
    pairs = list(zip(chances(p, size), outcomes(size), strict=True))
    return {
        "silent": sum(c for c, (silent, _) in pairs if silent),
        "noise": sqrt(sum(c * (baseline - p) ** 2 for c, (_, baseline) in pairs)),
        "shrinkage": weight(p, size, normalize=False) if 0 < p < 1 else 1.0,
    }


class GroupSize(Lab):
    """How large should a group be?"""

    title = "Group size"
    question = "Predict: a prompt is solved one time in ten. How often is a group of 4 silent?"
    presets = {
        "hard prompt": {"p": 0.1},
        "coin flip": {"p": 0.5},
        "nearly solved": {"p": 0.95, "group_size": 8},
        "two samples": {"group_size": 2},
    }

    @staticmethod
    def make_controls():
        return {
            "p": slider("chance to solve p", 0.3, 0.0, 1.0, 0.01),
            "group_size": slider("group size G", 4, 2, 32, 1),
            "samples": slider("samples in all", 256, 32, 1024, 32),
        }

    @staticmethod
    def compute(state):
        p, size = state["p"], state["group_size"]
        curve = {g: expected(p, g) for g in SIZES}
        here = expected(p, size)
        prompts = state["samples"] // size
        return {
            "p": p,
            "size": size,
            "samples": state["samples"],
            "silent_curve": [curve[g]["silent"] for g in SIZES],
            "noise_curve": [curve[g]["noise"] for g in SIZES],
            **here,
            "prompts": prompts,
            "speaking": prompts * (1 - here["silent"]),
        }

    @staticmethod
    def draw(figure, numbers):
        left, right = axes_of(figure, 2)
        for axes, name, colour, look in (
            (left, "silent", SERIES[0], "o-"),
            (right, "noise", SERIES[1], "s--"),
        ):
            axes.plot(SIZES, numbers[f"{name}_curve"], look, color=colour)
            axes.plot([numbers["size"]], [numbers[name]], "*", color=INK, markersize=17)
        left.set(title="share of silent groups", ylim=(-0.03, 1.05))
        right.set(title="noise of the baseline (std)", ylim=(-0.02, 0.4))
        for axes in (left, right):
            numbers_below(axes, "group size G")
            numbers_beside(axes)

    @staticmethod
    def sentence(numbers):
        return (
            f"With p = {numbers['p']:.2f} and G = {numbers['size']}, "
            f"<b>{numbers['silent']:.0%}</b> of the groups are silent. The baseline has "
            f"a standard deviation of {numbers['noise']:.2f}, "
            f"and the gradient is shrunk to {numbers['shrinkage']:.2f} of its length. "
            f"{numbers['samples']} samples are {numbers['prompts']} prompts, of which about "
            f"{numbers['speaking']:.0f} teach something."
        )
