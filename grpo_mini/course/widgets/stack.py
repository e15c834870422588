"""Normalisation stack: what each stage does to a batch of easy, medium, hard, silent prompts."""

import torch

from ...advantages import compute_relative_rewards, silent_groups, standardize
from ...experiments.look import REFERENCE, RULE, SERIES, TICK
from .base import Lab, flag, slider
from .looks import axes_of, names_beside, numbers_below

SIZE = 8
RIGHT = {"easy": 7, "medium": 4, "hard": 1}
COLOURS = dict(zip(("easy", "medium", "hard"), SERIES, strict=False)) | {"silent": REFERENCE}


class NormalisationStack(Lab):
    """Switch the stages on and off, one after the other."""

    title = "Normalisation stack"
    question = "Predict: more and more groups fall silent. What happens to the other advantages?"
    presets = {
        "group, then batch": {"std": True, "batch": True},
        "Dr. GRPO": {"std": False},
        "Lite PPO": {"std": False, "batch": True},
        "many silent": {"batch": True, "silent": 9},
    }

    @staticmethod
    def make_controls():
        return {
            "silent": slider("silent groups", 1, 0, 9, 1),
            "mean": flag("minus group mean", True),
            "std": flag("divide by group std", True),
            "batch": flag("standardise the batch", False),
            "weight": slider("weight of baseline", 0.0, 0.0, 1.0, 0.1),
        }

    @staticmethod
    def compute(state):
        names = [*RIGHT, *["silent"] * state["silent"]]
        groups = [[1.0] * RIGHT.get(n, SIZE) + [0.0] * (SIZE - RIGHT.get(n, SIZE)) for n in names]
        rewards = torch.tensor(groups).flatten()
        result = rewards
        if state["mean"]:
            result, _ = compute_relative_rewards(
                rewards, SIZE, normalize=state["std"], baseline_reward_weight=state["weight"]
            )
        before = result
        if state["batch"]:
            result = standardize(result)
        share = silent_groups(rewards, SIZE).float().mean().item()
        loud = before.abs() > 1e-6
        return {
            "names": names,
            "advantages": result.view(-1, SIZE).tolist(),
            "silent_share": share,
            "sums": dict(zip(names, result.view(-1, SIZE).abs().sum(dim=1).tolist(), strict=True)),
            "factor": (result[loud] / before[loud]).mean().item() if loud.any() else 1.0,
            "std": before.std(correction=0).item(),
            "switched": (state["mean"], state["std"], state["batch"]),
        }

    @staticmethod
    def draw(figure, numbers):
        (axes,) = axes_of(figure, left=0.1)
        for name in COLOURS:
            values = [
                value
                for n, row in zip(numbers["names"], numbers["advantages"], strict=True)
                for value in row
                if n == name
            ]
            if values:
                counted = sorted({round(value, 4) + 0.0 for value in values})  # no -0.0
                counts = [sum(abs(v - c) < 1e-4 for v in values) for c in counted]
                areas = [40 + 30 * count for count in counts]
                axes.scatter(counted, [list(COLOURS).index(name)] * len(counted), s=areas,
                             color=COLOURS[name])  # fmt: skip
                for value, area in zip(counted, areas, strict=True):
                    place = (value, list(COLOURS).index(name))
                    axes.annotate(
                        f"{value:.2f}", place, xytext=(0, area**0.5 / 2 + 2), fontsize=TICK,
                        textcoords="offset points", ha="center",
                    )  # fmt: skip
        axes.axvline(0, color=RULE, linewidth=1)
        names_beside(axes, list(COLOURS))
        axes.set(title="advantages (larger dot: more samples)", ylim=(-0.6, 4.1))
        edge = 1.15 * max(3.0, *(abs(a) for row in numbers["advantages"] for a in row))
        axes.set_xlim(-edge, edge)
        numbers_below(axes, "")

    @staticmethod
    def sentence(numbers):
        share, (mean, std, batch) = numbers["silent_share"], numbers["switched"]
        text = f"{share:.0%} of the groups are silent."
        if not mean:
            return text + " Without the mean, easy prompts are praised for being easy."
        if batch:
            text += (
                f" Standardising the batch multiplied each advantage by <b>{numbers['factor']:.2f}"
                f"</b>, since the spread is {numbers['std']:.2f}."
            )
            if std:
                text += (
                    " The silent groups make it small: a hidden learning rate."
                    if share
                    else " No group is silent, and dividing changes next to nothing."
                )
        elif std:
            text += " The rare outcome has the largest advantage."
        sums = ", ".join(f"{name} <b>{numbers['sums'][name]:.2f}</b>" for name in RIGHT)
        return f"{text} Sizes summed over a group's eight advantages: {sums}."
