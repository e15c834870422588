"""The panels of all widget pictures: at fixed places, with numbers at their bars."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...experiments.look import MINUS, PAPER, PLUS, RULE, SMALL, TICK, TINY


def axes_of(
    figure: Figure, number: int = 1, bottom: float = 0.16, left: float = 0.075
) -> list[Axes]:
    """Panels side by side, all at fixed places and with few ticks: nothing has to be computed.

    Text is most of what a picture costs, so a panel with its numbers in it needs no scale beside
    it: see `bars_with_numbers`.
    """
    figure.subplots_adjust(left=left, right=0.985, top=0.88, bottom=bottom, wspace=0.28)
    axes = list(figure.subplots(1, number, squeeze=False)[0])
    for each in axes:
        each.xaxis.set_label_coords(0.5, -0.11)
        each.xaxis.set_major_locator(MaxNLocator(6))
        each.yaxis.set_major_locator(MaxNLocator(4))
    return axes


def bars_with_numbers(
    axes: Axes, places: Sequence[float], values: Sequence[float], width: float = 0.8,
    decimals: int = 2, size: int = SMALL, rotation: float = 0, **look,
) -> None:  # fmt: skip
    """Bars with their numbers at their ends, which say more than a scale at the side.

    ``look`` goes to `Axes.bar`.
    """
    axes.bar(places, values, width, edgecolor=PAPER, **look)
    for place, value in zip(places, values, strict=True):
        up = value >= 0
        axes.annotate(
            f"{value:.{decimals}f}", (place, value), (0, 2 if up else -2), fontsize=size,
            textcoords="offset points", ha="center", va="bottom" if up else "top",
            rotation=rotation,
        )  # fmt: skip
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)


def names_below(
    axes: Axes, names: Sequence[str], size: int = SMALL, marked: Sequence[int] = ()
) -> None:
    """Names under the places 0, 1, …; those at the places ``marked`` stand out.

    Instead of ticks, which take longer to make than all else in a picture.
    """
    axes.xaxis.set_visible(False)
    for place, name in enumerate(names):
        look = {"color": MINUS, "fontweight": "bold"} if place in marked else {}
        axes.text(place, -0.03, name, transform=axes.get_xaxis_transform(), fontsize=size,
                  ha="center", va="top", **look)  # fmt: skip


def signed_bars(axes: Axes, labels: Sequence[str], values: Sequence[float], title: str) -> None:
    """Bars up and down, told apart by colour and hatch, with their numbers."""
    colours = [PLUS if value >= 0 else MINUS for value in values]
    hatches = ["" if value >= 0 else "//" for value in values]
    size = TINY if len(values) > 10 else TICK
    upright = 90 if len(values) > 8 else 0  # so many numbers stand beside each other
    bars_with_numbers(axes, range(len(values)), values, size=size, rotation=upright,
                      color=colours, hatch=hatches)  # fmt: skip
    axes.axhline(0, color=RULE, linewidth=1)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_title(title)
    limit = max(1.0, *(abs(value) for value in values)) * (1.8 if upright else 1.25)
    axes.set_ylim(-limit, limit)
