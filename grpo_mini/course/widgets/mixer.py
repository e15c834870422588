"""Advantage mixer: rewards in, advantages out, with every choice of baseline and scale."""

import ipywidgets
import torch

from ...advantages import compute_relative_rewards, leave_one_out, standardize
from .base import FloatSlider, Lab, choice, flag, slider
from .looks import axes_of, signed_bars

BASELINES = ("none", "batch mean", "group mean", "leave-one-out", "critic V")
SCALES = ("none", "group std (ddof 1)", "group std (ddof 0)")
MOST = 16
START_VALUE = 0.5


def advantages_of(rewards: torch.Tensor, neighbours: torch.Tensor, state: dict) -> torch.Tensor:
    """Advantages of the group, [G], in a batch with a group of ``neighbours``."""
    size, batch = len(rewards), torch.cat([rewards, neighbours])
    ddof = 0 if "ddof 0" in state["scale"] else 1
    scaled = state["scale"] != "none"
    mix = {
        "relative_reward_weight": state["relative_weight"],
        "baseline_reward_weight": state["baseline_weight"],
    }
    if state["baseline"] == "group mean":
        result, _ = compute_relative_rewards(batch, size, normalize=scaled, ddof=ddof, **mix)
    else:
        shift = {"none": 0.0, "batch mean": batch.mean(), "critic V": state["value"]}
        if state["baseline"] == "leave-one-out":
            result = leave_one_out(batch, size)
        else:
            result = batch - shift[state["baseline"]]
        if scaled:  # the scale alone, taken from the module: centred over normalised
            centred, _ = compute_relative_rewards(batch, size, normalize=False)
            normalised, _ = compute_relative_rewards(batch, size, ddof=ddof)
            factor = torch.where(centred != 0, normalised / centred, 0.0).view(-1, size)
            result = (result.view(-1, size) * factor.amax(dim=1, keepdim=True)).flatten()
        _, means = compute_relative_rewards(batch, size, normalize=False)
        result = state["relative_weight"] * result
        result = result + state["baseline_weight"] * means.repeat_interleave(size)
    if state["batch"]:
        result = standardize(result)
    return result[:size]


class AdvantageMixer(Lab):
    """G rewards as sliders; the advantages they become."""

    title = "Advantage mixer"
    question = (
        "Predict: a group has one right response. Does its advantage depend on the group's size?"
    )
    height = 2.1
    presets = {
        "all right": {f"r{i}": 1.0 for i in range(1, MOST + 1)},
        "one right": {f"r{i}": float(i == 1) for i in range(1, MOST + 1)},
        "one of sixteen": {
            "group_size": 16,
            **{f"r{i}": float(i == 1) for i in range(1, MOST + 1)},
        },
        "two right": {f"r{i}": float(i <= 2) for i in range(1, MOST + 1)},
        "one overpaid": {f"r{i}": float(i <= 2) + 2 * (i == 1) for i in range(1, MOST + 1)},
        "one wrong": {f"r{i}": float(i != 1) for i in range(1, MOST + 1)},
        "all wrong": {f"r{i}": 0.0 for i in range(1, MOST + 1)},
        "outlier": {f"r{i}": 3.0 if i == 1 else 0.1 * (i % 3) for i in range(1, MOST + 1)},
        "graded": {"group_size": 8, **{f"r{i}": (i - 1) % 8 / 10 for i in range(1, MOST + 1)}},
        "reward + 1": {f"r{i}": float(i == 1) + 1 for i in range(1, MOST + 1)},
        "reward x 3": {f"r{i}": 3.0 * (i == 1) for i in range(1, MOST + 1)},
    }

    @staticmethod
    def make_controls():
        controls = {
            "group_size": slider("group size G", 4, 2, MOST, 1),
            "baseline": choice("baseline", "group mean", BASELINES),
            "scale": choice("divide by", "group std (ddof 1)", SCALES),
            "batch": flag("standardise the batch", False),
            "value": slider("critic V", START_VALUE, 0.0, 1.0, 0.05),
            "relative_weight": slider("weight of relative", 1.0, 0.0, 2.0, 0.1),
            "baseline_weight": slider("weight of baseline", 0.0, 0.0, 1.0, 0.1),
        }
        for i in range(1, MOST + 1):
            controls[f"r{i}"] = FloatSlider(
                float(i == 1), min=-1.0, max=3.0, step=0.05, description=f"r{i}",
                orientation="vertical", layout=ipywidgets.Layout(width="50px", height="150px"),
                readout_format=".2f", tooltip=f"reward {i}",
            )  # fmt: skip
        return controls

    def layout(self):
        above = [c for n, c in self.controls.items() if n not in _REWARDS]
        self._rewards = [self.controls[name] for name in _REWARDS]
        for control in above:
            control.layout = ipywidgets.Layout(width="306px")
            control.style.description_width = "130px"
        grid = ipywidgets.Layout(grid_template_columns="repeat(auto-fill, 308px)")
        return ipywidgets.VBox(
            [ipywidgets.GridBox(above, layout=grid), ipywidgets.HBox(self._rewards)]
        )

    def update(self):
        if not self._silent:
            for i, control in enumerate(self._rewards):
                control.layout.display = "" if i < self.controls["group_size"].value else "none"
        super().update()

    @staticmethod
    def idle(state):
        why = "counts only if it is chosen as the baseline"
        return {} if state["baseline"] == "critic V" else {"value": why}

    @staticmethod
    def compute(state):
        rewards = torch.tensor([state[f"r{i}"] for i in range(1, state["group_size"] + 1)])
        # The batch's other group: three quarters of it right.
        neighbours = (torch.arange(len(rewards)) % 4 != 3).float()
        advantages = advantages_of(rewards, neighbours, state)
        shifted = advantages_of(rewards + 1, neighbours, state)
        scaled = advantages_of(rewards * 3, neighbours, state)
        return {
            "rewards": rewards.tolist(),
            "advantages": advantages.tolist(),
            "mean": rewards.mean().item(),
            "ignores_shift": torch.allclose(shifted, advantages, atol=1e-4),
            "ignores_scale": torch.allclose(scaled, advantages, atol=1e-4),
            "silent": bool((rewards == rewards[0]).all()),
        }

    @staticmethod
    def draw(figure, numbers):
        left, right = axes_of(figure, 2)
        labels = [str(i + 1) for i in range(len(numbers["rewards"]))]
        signed_bars(left, labels, numbers["rewards"], "rewards of the group")
        signed_bars(right, labels, numbers["advantages"], "advantages")

    @staticmethod
    def sentence(numbers):
        (first, second, *_), reward = numbers["advantages"], numbers["rewards"][0]
        ignores = [
            f"a constant added to this group's rewards: <b>{_said(numbers['ignores_shift'])}</b>",
            f"their multiplication by 3: <b>{_said(numbers['ignores_scale'])}</b>",
        ]
        remark = " The group is silent: all rewards are equal." if numbers["silent"] else ""
        if numbers["silent"] and abs(first) > 1e-6:
            remark += " Its advantages come from the baseline alone."
        return (
            f"Response 1 has reward {reward:.2f}, the group's mean is {numbers['mean']:.2f}; its "
            f"advantage is <b>{first:.2f}</b>, that of response 2 <b>{second:.2f}</b>.{remark} The "
            f"advantages notice {'; '.join(ignores)}."
        )


_REWARDS = [f"r{i}" for i in range(1, MOST + 1)]


def _said(ignored: bool) -> str:
    return "no" if ignored else "yes"
