"""Clip explorer: objective and gradient of the clipped surrogate at a ratio."""

import torch

from ...experiments.look import INK, RULE, SERIES, SHADE
from ...losses import clipped_surrogate
from .base import Lab, flag, slider
from .looks import axes_of, numbers_below, numbers_beside

LAST = 4.0  # the grid ends here, in steps of a fiftieth as the slider's
GRID = torch.linspace(0.2, LAST, 191)


def objective(
    ratios: torch.Tensor, advantage: float, low: float, high: float, dual: float | None
) -> tuple[list, list]:
    """The objective and its derivative by the log-prob, at each ratio."""
    log_probs = torch.as_tensor(ratios).log().requires_grad_()
    size = torch.full_like(log_probs, advantage)
    value = -clipped_surrogate(log_probs, torch.zeros_like(log_probs), size, low, high, dual)
    (gradient,) = torch.autograd.grad(value.sum(), log_probs)
    return value.tolist(), gradient.tolist()


class ClipExplorer(Lab):
    """When does a token stop being pulled?"""

    title = "Clip explorer"
    question = "Predict: the advantage is negative and the ratio is 1.5. Is the token still pushed?"
    presets = {
        "up, far enough": {"ratio": 1.4, "advantage": 1.0},
        "up, wrong way": {"ratio": 0.6, "advantage": 1.0},
        "down, far enough": {"ratio": 0.6, "advantage": -1.0},
        "down, wrong way": {"ratio": 1.5, "advantage": -1.0},
        "down, far beyond": {"ratio": 3.6, "advantage": -1.0},
        "the same, dual clip": {"ratio": 3.6, "advantage": -1.0, "dual": True},
        "DAPO": {"high": 0.28, "ratio": 1.24},
    }

    @staticmethod
    def make_controls():
        return {
            "ratio": slider("ratio", 1.0, 0.2, LAST, 0.02),
            "advantage": slider("advantage", 1.0, -2.0, 2.0, 0.1),
            "low": slider("clip low", 0.2, 0.05, 0.8, 0.01),
            "high": slider("clip high", 0.2, 0.05, 1.0, 0.01),
            "dual": flag("dual clip", False),
            "bound": slider("dual clip at c", 3.0, 1.1, LAST, 0.1),
        }

    @staticmethod
    def idle(state):
        return {} if state["dual"] else {"bound": "counts only with the dual clip"}

    @staticmethod
    def compute(state):
        bound = state["bound"] if state["dual"] else None
        arguments = (state["advantage"], state["low"], state["high"], bound)
        values, gradients = objective(GRID, *arguments)
        here, pull = objective(torch.tensor([state["ratio"]]), *arguments)
        return {
            "values": values,
            "gradients": gradients,
            "here": here[0],
            "pull": pull[0],
            **state,
        }

    @staticmethod
    def draw(figure, numbers):
        left, right = axes_of(figure, 2)
        for axes, name, point, colour, look, title in (
            (left, "values", "here", SERIES[0], "-", "objective"),
            (right, "gradients", "pull", SERIES[1], "--", "gradient by the log-prob"),
        ):
            axes.plot(GRID, numbers[name], look, color=colour, linewidth=2.5)
            axes.plot([numbers["ratio"]], [numbers[point]], "*", color=INK, markersize=17)
            axes.axvspan(1 - numbers["low"], 1 + numbers["high"], color=SHADE)
            axes.set_title(title)
            if numbers["dual"]:
                axes.axvline(numbers["bound"], color=RULE, linestyle=":")
            dotted = ", dotted: c" if numbers["dual"] else ""
            numbers_below(axes, f"ratio (grey: clip range{dotted})")
            numbers_beside(axes)

    @staticmethod
    def sentence(numbers):
        ratio = numbers["ratio"]
        if 1 - numbers["low"] <= ratio <= 1 + numbers["high"]:
            where = "inside the clip range"
        elif numbers["dual"] and numbers["advantage"] < 0 and ratio > numbers["bound"]:
            where = "beyond the dual clip"
        else:
            where = "outside the clip range"
        pull = "is <b>not pulled any more</b>" if abs(numbers["pull"]) < 1e-9 else (
            f"is pulled <b>{'up' if numbers['pull'] > 0 else 'down'}</b> with strength "
            f"{abs(numbers['pull']):.2f}"
        )  # fmt: skip
        return (
            f"With advantage {numbers['advantage']:.1f} and ratio {ratio:.2f}, {where}, "
            f"the token {pull}."
        )
