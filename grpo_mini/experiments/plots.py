"""The learning curves that the commands draw."""

from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from .look import LABEL, LOOK, look_of, style

LEARNING_PANELS = {
    "eval_accuracy": "right answers",
    "eval_think_share": "share that thinks first",
    "eval_length": "mean response length (tokens)",
}


def learning_curves(runs: dict[str, Sequence[dict]], x: str = "samples") -> Figure:
    """Accuracy, thinking and length on held-out problems over ``x``, one line a run.

    Args:
        runs: name ("GRPO", "PPO") -> history of a trainer that evaluated now and then.
        x: the metric on the x axis: "samples", "train_seconds" or "step".
    """
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    matplotlib.rcParams["svg.hashsalt"] = LOOK["svg.hashsalt"]  # the same figure, the same bytes
    for axes, (metric, title) in zip(
        figure.subplots(1, len(LEARNING_PANELS)), LEARNING_PANELS.items(), strict=True
    ):
        for i, (name, history) in enumerate(runs.items()):
            rows = [row for row in history if metric in row]
            values = [row[metric] for row in rows]
            look = look_of(name, i)
            axes.plot([row[x] for row in rows], values, label=name, markersize=5, **look)
            if metric == "eval_accuracy":
                low, high = ([row[end] for row in rows] for end in ("eval_low", "eval_high"))
                color = look["color"]
                axes.fill_between([row[x] for row in rows], low, high, alpha=0.15, color=color)
        axes.set(title=title, xlabel={"samples": "samples", "step": "steps"}.get(x, "seconds"))
        axes.set_ylim(0, 1.03 if metric != "eval_length" else None)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        style(axes)
    figure.axes[0].legend(fontsize=LABEL, frameon=False, loc="lower right")
    return figure
