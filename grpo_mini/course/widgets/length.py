"""Length: what each token of a short and of a long response weighs."""

import torch

from ...experiments.look import SERIES, TICK
from ...losses import AGGREGATIONS, token_weights
from .base import Lab, slider
from .looks import axes_of, bars_with_numbers, legend_below, names_below

LOOKS = ((SERIES[0], ""), (SERIES[1], "//"))  # of the two responses


class Length(Lab):
    """Two responses of different lengths under the three aggregations."""

    title = "Length"
    question = (
        "Predict: a long wrong response and a short one. Under which of the three is a token of "
        "the long one punished less than one of the short?"
    )
    presets = {
        "equal lengths": {"first": 20, "second": 20},
        "ten to one": {"first": 6, "second": 60},
        "one token": {"first": 1, "second": 40},
    }

    @staticmethod
    def make_controls():
        return {
            "first": slider("tokens of response 1", 8, 1, 64, 1),
            "second": slider("tokens of response 2", 40, 1, 64, 1),
            "longest": slider("longest allowed", 64, 64, 256, 16),
        }

    @staticmethod
    def compute(state):
        lengths = torch.tensor([[state["first"]], [state["second"]]])
        mask = (torch.arange(int(lengths.max())) < lengths).float()
        weights = {mode: token_weights(mask, mode, state["longest"]) for mode in AGGREGATIONS}
        return {
            "lengths": lengths.flatten().tolist(),
            "token": {mode: w[:, 0].tolist() for mode, w in weights.items()},
            "total": {mode: w.sum(dim=1).tolist() for mode, w in weights.items()},
        }

    @staticmethod
    def draw(figure, numbers):
        left, right = axes_of(figure, 2)
        for axes, kind, title in ((left, "token", "a token"), (right, "total", "the response")):
            for i, (colour, hatch) in enumerate(LOOKS):
                values = [numbers[kind][mode][i] for mode in AGGREGATIONS]
                places = [x - 0.2 + 0.4 * i for x in range(3)]
                bars_with_numbers(axes, places, values, 0.38, decimals=3, color=colour,
                                  hatch=hatch)  # fmt: skip
            names_below(axes, AGGREGATIONS, size=TICK)
            axes.set_title(f"weight of {title}")
            axes.margins(y=0.12)
        looks = zip(numbers["lengths"], LOOKS, strict=True)
        legend_below(figure, {f"response {i + 1}, {n} tokens": look
                              for i, (n, look) in enumerate(looks)})  # fmt: skip

    @staticmethod
    def sentence(numbers):
        first, second = numbers["token"]["sequence"]
        told = ", ".join(f"{mode} {w[0]:.4f}" for mode, w in numbers["token"].items())
        mine = f" A token of response 1 weighs: {told}."
        if first == second:
            return (
                f"Responses of equal length: all tokens weigh the same, under each of them.{mine}"
            )
        heavy, light = (1, 2) if first > second else (2, 1)
        return (
            f"With the mean per response a token of response {heavy} weighs "
            f"<b>{max(first, second) / min(first, second):.1f}</b> times as much as one of "
            f"response {light}. Under the other two all tokens weigh the same, so the longer "
            f"response counts for more.{mine}"
        )
