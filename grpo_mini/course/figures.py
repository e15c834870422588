"""The few kinds of figure that the notebooks draw, in the look of `experiments.look`."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..experiments.look import (
    HATCHES,
    INK,
    LOOKS,
    MINUS,
    PAPER,
    PLUS,
    QUIET,
    RULE,
    SHADE,
    SMALL,
    TINY,
    WIDEST,
    look_of,
    looks_of,
    style,
)

# What a notebook's own plots take from the visual language; the rest is defined below.
__all__ = ["INK", "LOOKS", "QUIET", "RULE", "SHADE", "SMALL", "TINY", "look_of"]
# From blame over nothing to praise; so light that ink is read on it, also where a dark theme turns
# the picture. On much more than half a colour neither ink nor paper would be, in both themes.
STRONGEST = 0.42
SIGNED = LinearSegmentedColormap.from_list(
    "signed",
    [
        [1 - strength * (1 - part) for part in to_rgb(colour)]
        for colour, strength in ((MINUS, STRONGEST), (MINUS, 0), (PLUS, STRONGEST))
    ],
)


def panels(
    number: int = 1, width: float = 7.0, height: float = 3.2, under: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure with ``number`` panels beside each other, or ``under`` each other."""
    size = (width if number == 1 else WIDEST, height)
    figure = Figure(figsize=size, layout="constrained")
    shape = (number, 1) if under else (1, number)
    axes = list(figure.subplots(*shape, squeeze=False).flat)
    for each in axes:
        style(each)
    return figure, axes


def bars(
    axes: Axes, labels: Sequence[str], series: dict[str, Sequence[float]], title: str, ylabel: str
) -> None:
    """Groups of bars, one group a label and one bar a series, with their numbers on top."""
    width = 0.8 / len(series)
    for i, (name, values) in enumerate(series.items()):
        places = [x - 0.4 + width * (i + 0.5) for x in range(len(labels))]
        look = {"color": look_of(name, i)["color"], "hatch": HATCHES[i], "edgecolor": PAPER}
        drawn = axes.bar(places, values, width * 0.95, label=name, **look)
        axes.bar_label(drawn, fmt="%.2f", fontsize=SMALL, padding=2)
    axes.set_xticks(range(len(labels)), labels)
    axes.set(title=title, ylabel=ylabel)
    axes.margins(y=0.15)
    if len(series) > 1:
        axes.legend(fontsize=SMALL, frameon=False)


def stacked(
    axes: Axes, labels: Sequence[str], series: dict[str, Sequence[float]], title: str, ylabel: str
) -> None:
    """One bar a label, made of the series on top of each other."""
    below = [0.0] * len(labels)
    for i, (name, values) in enumerate(series.items()):
        axes.bar(range(len(labels)), values, 0.7, bottom=below, label=name, hatch=HATCHES[i],
                 color=look_of(name, i)["color"], edgecolor=PAPER)  # fmt: skip
        below = [a + b for a, b in zip(below, values, strict=True)]
    axes.set_xticks(range(len(labels)), labels)
    axes.set(title=title, ylabel=ylabel)
    axes.legend(fontsize=SMALL, frameon=False)


def lines(
    axes: Axes,
    x: Sequence[float],
    series: dict[str, Sequence[float]],
    title: str,
    xlabel: str,
    ylabel: str,
    markers: bool = True,
) -> None:
    """One line a series."""
    for i, (name, values) in enumerate(series.items()):
        look = look_of(name, i) | ({} if markers else {"marker": ""})
        axes.plot(x, values, label=name, markersize=5, linewidth=2, **look)
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    if all(isinstance(place, int) for place in x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(series) > 1:
        axes.legend(fontsize=SMALL, frameon=False)


def curves(
    axes: Axes,
    series: dict[str, tuple[Sequence[float], Sequence[float]]],
    title: str,
    xlabel: str,
    ylabel: str = "",
) -> None:
    """One line a series, each with an x of its own."""
    looks = looks_of(series)
    for name, (x, y) in series.items():
        axes.plot(x, y, label=name, markersize=5, linewidth=2, **looks[name])
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.legend(fontsize=SMALL, frameon=False)


def strip(axes: Axes, rows: dict[str, Sequence[float]], columns: Sequence[str], title: str) -> None:
    """`cells` with names at their rows and columns."""
    cells(axes, list(rows.values()))
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_title(title)
    axes.grid(False)


def cells(axes: Axes, rows: Sequence[Sequence[float]]) -> None:
    """Numbers as coloured cells with their value: green above 0 and purple below, as all praise
    and blame."""
    values = [list(row) for row in rows]
    limit = max(abs(v) for row in values for v in row if v == v) or 1.0
    axes.imshow(values, cmap=SIGNED, vmin=-limit, vmax=limit, aspect="auto", interpolation="none")
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            if value == value:
                axes.text(x, y, f"{value:.2f}", ha="center", va="center", fontsize=SMALL)
