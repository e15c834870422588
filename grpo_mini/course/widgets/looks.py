"""The panels of all widget pictures: at fixed places, with numbers at their bars."""

from collections.abc import Sequence
from functools import lru_cache

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import offset_copy

from ...experiments.look import GRID, LABEL, MINUS, PAPER, PLUS, RULE, SMALL, TICK, TINY


def axes_of(
    figure: Figure, number: int = 1, bottom: float = 0.16, left: float = 0.075
) -> list[Axes]:
    """Panels side by side, all at fixed places and without scales: nothing has to be computed.

    A figure that has its panels gives them again, see `emptied`. Scales would be half of what a
    picture costs: each tick is three artists, and is asked twice for its size. A panel with its
    numbers in it needs none, see `bars_with_numbers`; the others have `numbers_below` and
    `numbers_beside`.
    """
    if figure.axes:
        return figure.axes
    figure.subplots_adjust(left=left, right=0.985, top=0.88, bottom=bottom, wspace=0.28)
    axes = list(figure.subplots(1, number, squeeze=False)[0])
    for each in axes:
        each.xaxis.set_visible(False)
        each.yaxis.set_visible(False)
        each.patch.set_visible(False)  # the figure has the same paper
    return axes


def emptied(figure: Figure) -> None:
    """Take away what was drawn. Panels and their titles take longest to make, and stay."""
    drawn = [*figure.texts, *figure.artists]
    for axes in figure.axes:
        drawn += [*axes.lines, *axes.patches, *axes.texts, *axes.collections, *axes.images]
        drawn += filter(None, [axes.get_legend()])
        axes.containers.clear()
    for artist in drawn:
        artist.remove()
    for axes in figure.axes:
        axes.relim()
        axes.autoscale()


def bars_at(
    axes: Axes, places: Sequence[float], values: Sequence[float], width: float,
    color: str | Sequence[str], hatch: str | Sequence[str] = "",
) -> None:  # fmt: skip
    """What `Axes.bar` draws. It would ask each bar alone for what the panel has to show."""
    colours = [color] * len(places) if isinstance(color, str) else color
    hatches = [hatch] * len(places) if isinstance(hatch, str) else hatch
    for place, value, c, h in zip(places, values, colours, hatches, strict=True):
        bar = Rectangle((place - width / 2, 0), width, value, facecolor=c, hatch=h, edgecolor=PAPER)
        bar.sticky_edges.y.append(0)
        axes.add_artist(bar)
    edges = [place + side for place in places for side in (-width / 2, width / 2)]
    axes.update_datalim([(min(edges), min(0, *values)), (max(edges), max(0, *values))])
    axes.autoscale(None)


def bars_with_numbers(
    axes: Axes, places: Sequence[float], values: Sequence[float], width: float = 0.8,
    decimals: int = 2, size: int = SMALL, rotation: float = 0, **look,
) -> None:  # fmt: skip
    """Bars with their numbers at their ends, which say more than a scale at the side.

    ``look`` goes to `bars_at`.
    """
    bars_at(axes, places, values, width, **look)
    ends = {
        side: offset_copy(axes.transData, axes.figure, y=away, units="points")
        for side, away in (("bottom", 2), ("top", -2))
    }
    for place, value in zip(places, values, strict=True):
        side = "bottom" if value >= 0 else "top"
        axes.text(place, value, f"{value:.{decimals}f}", fontsize=size, ha="center", va=side,
                  rotation=rotation, transform=ends[side])  # fmt: skip
    axes.spines["left"].set_visible(False)


def names_below(
    axes: Axes, names: Sequence[str], size: int = SMALL, marked: Sequence[int] = ()
) -> None:
    """Names under the places 0, 1, …; those at the places ``marked`` stand out."""
    for place, name in enumerate(names):
        look = {"color": MINUS, "fontweight": "bold"} if place in marked else {}
        axes.text(place, -0.03, name, transform=axes.get_xaxis_transform(), fontsize=size,
                  ha="center", va="top", **look)  # fmt: skip


def names_beside(axes: Axes, names: Sequence[str]) -> None:
    """Names to the left of the places 0, 1, … upwards."""
    for place, name in enumerate(names):
        axes.text(-0.01, place, name, transform=axes.get_yaxis_transform(), fontsize=TICK,
                  ha="right", va="center")  # fmt: skip


def round_numbers(limits: tuple[float, float], most: int) -> dict[float, str]:
    """At most ``most`` steps of round numbers between the limits, as they are and as written."""
    low, high = limits
    places = MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    places = [place + 0.0 for place in places if low <= place <= high]  # no -0.0
    step = min((b - a for a, b in zip(places, places[1:], strict=False)), default=1.0)
    decimals = next(d for d in range(9) if d == 8 or abs(round(step, d) - step) < step / 1000)
    return {place: f"{place:,.{decimals}f}" for place in places}


def numbers_below(axes: Axes, name: str, most: int = 6) -> None:
    """A scale to the right, and what it counts. The limits have to be settled before."""
    across = axes.get_xaxis_transform()
    numbers = round_numbers(axes.get_xlim(), most)
    marks = [[(place, 0), (place, -0.015)] for place in numbers]
    axes.add_artist(
        LineCollection(marks, colors=RULE, linewidths=0.8, transform=across, clip_on=False)
    )
    for place, written in numbers.items():
        axes.text(place, -0.03, written, transform=across, fontsize=TICK, ha="center", va="top")
    axes.text(0.5, -0.11, name, transform=axes.transAxes, fontsize=LABEL, ha="center", va="top")


def numbers_beside(axes: Axes, most: int = 5) -> None:
    """A scale upwards, with a faint line at each number. The limits have to be settled before."""
    up = axes.get_yaxis_transform()
    numbers = round_numbers(axes.get_ylim(), most)
    lines = [[(0, place), (1, place)] for place in numbers]
    axes.add_artist(LineCollection(lines, colors=GRID, linewidths=0.8, transform=up, zorder=0.5))
    for place, written in numbers.items():
        axes.text(-0.01, place, written, transform=up, fontsize=TICK, ha="right", va="center")


def zero_line(axes: Axes) -> None:
    """Where bars begin. `Axes.axhline` would ask for the limits again."""
    axes.add_artist(
        Line2D([0, 1], [0, 0], color=RULE, linewidth=1, transform=axes.get_yaxis_transform())
    )


@lru_cache(64)
def _points(text: str, size: float) -> float:
    """How wide a line of text is."""
    return text_to_path.get_text_width_height_descent(text, FontProperties(size=size), False)[0]


def legend_below(figure: Figure, looks: dict[str, tuple[str, str]], size: int = SMALL) -> None:
    """Names with their colour and hatch, in a row under the panels.

    `Figure.legend` asks each part for its size over and over: a third of a picture's time.
    """
    width, height = (72 * inches for inches in figure.get_size_inches())
    box, gap = 1.4 * size, 0.8 * size  # between a box and its name, and from name to name
    widths = [box + 2 * gap + _points(name, size) for name in looks]
    place = (width - sum(widths) + gap) / 2
    for (name, (colour, hatch)), wide in zip(looks.items(), widths, strict=True):
        figure.add_artist(
            Rectangle((place / width, size / height), box / width, 0.7 * size / height,
                      transform=figure.transFigure, facecolor=colour, hatch=hatch, edgecolor=PAPER)
        )  # fmt: skip
        figure.text((place + box + gap) / width, size / height, name, fontsize=size)
        place += wide


def signed_bars(axes: Axes, labels: Sequence[str], values: Sequence[float], title: str) -> None:
    """Bars up and down, told apart by colour and hatch, with their numbers."""
    colours = [PLUS if value >= 0 else MINUS for value in values]
    hatches = ["" if value >= 0 else "//" for value in values]
    size = TINY if len(values) > 10 else TICK
    upright = 90 if len(values) > 8 else 0  # so many numbers stand beside each other
    bars_with_numbers(axes, range(len(values)), values, size=size, rotation=upright,
                      color=colours, hatch=hatches)  # fmt: skip
    zero_line(axes)
    names_below(axes, labels, size=TICK)
    axes.set_title(title)
    limit = max(1.0, *(abs(value) for value in values)) * (2.0 if upright else 1.25)
    axes.set_ylim(-limit, limit)
