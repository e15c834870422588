"""The look of all widget pictures: one type size, one palette, one number format."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...plots import style
from ..figures import LOOKS

UP, DOWN, THIRD, FOURTH = (look["color"] for look in LOOKS)
GREY = "#888888"


def axes_of(
    figure: Figure, number: int = 1, bottom: float = 0.16, left: float = 0.075
) -> list[Axes]:
    """Panels side by side at fixed places: no layout has to be computed."""
    figure.subplots_adjust(left=left, right=0.985, top=0.88, bottom=bottom, wspace=0.28)
    axes = list(figure.subplots(1, number, squeeze=False)[0])
    for each in axes:
        style(each)
    return axes


def signed_bars(axes: Axes, labels: Sequence[str], values: Sequence[float], title: str) -> None:
    """Bars up and down, told apart by colour and hatch, with their numbers."""
    colours = [UP if value >= 0 else DOWN for value in values]
    hatches = ["" if value >= 0 else "//" for value in values]
    drawn = axes.bar(range(len(values)), values, color=colours, hatch=hatches, edgecolor="white")
    axes.bar_label(drawn, fmt="%.2f", fontsize=9 if len(values) > 10 else 11, padding=2)
    axes.axhline(0, color="0.3", linewidth=1)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_title(title)
    limit = max(1.0, *(abs(value) for value in values)) * 1.25
    axes.set_ylim(-limit, limit)
