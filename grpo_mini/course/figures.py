"""The few kinds of figure that the notebooks draw, in the look of `experiments.plots`."""

import io
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from ..experiments.plots import style

# Okabe and Ito: colour, line and marker say the same, for colour-blind readers and grey printers.
LOOKS = (
    {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    {"color": "#D55E00", "linestyle": "--", "marker": "s"},
    {"color": "#009E73", "linestyle": "-.", "marker": "^"},
    {"color": "#CC79A7", "linestyle": ":", "marker": "D"},
)
HATCHES = ("", "//", "..", "xx")


def panels(number: int = 1, width: float = 7.0, height: float = 3.2) -> tuple[Figure, list[Axes]]:
    """A figure with ``number`` panels side by side."""
    figure = Figure(figsize=(width if number == 1 else 5.2 * number, height), layout="constrained")
    axes = list(figure.subplots(1, number, squeeze=False)[0])
    for each in axes:
        style(each)
    return figure, axes


def png(figure: Figure, dpi: int, **options) -> bytes:
    """The figure as a PNG file; ``options`` go to `savefig`."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, **options)
    return buffer.getvalue()


def in_few_colours(picture: bytes, colours: int = 32) -> bytes:
    """A PNG file with a palette: line drawings lose nothing and take a third of the space."""
    buffer = io.BytesIO()
    few = Image.open(io.BytesIO(picture)).convert("RGB").quantize(colours, dither=Image.Dither.NONE)
    few.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def bars(
    axes: Axes, labels: Sequence[str], series: dict[str, Sequence[float]], title: str, ylabel: str
) -> None:
    """Groups of bars, one group a label and one bar a series, with their numbers on top."""
    width = 0.8 / len(series)
    for i, (name, values) in enumerate(series.items()):
        places = [x - 0.4 + width * (i + 0.5) for x in range(len(labels))]
        look = {"color": LOOKS[i]["color"], "hatch": HATCHES[i], "edgecolor": "white"}
        drawn = axes.bar(places, values, width * 0.95, label=name, **look)
        axes.bar_label(drawn, fmt="%.2f", fontsize=10, padding=2)
    axes.set_xticks(range(len(labels)), labels)
    axes.set(title=title, ylabel=ylabel)
    axes.margins(y=0.15)
    if len(series) > 1:
        axes.legend(fontsize=10, frameon=False)


def stacked(
    axes: Axes, labels: Sequence[str], series: dict[str, Sequence[float]], title: str, ylabel: str
) -> None:
    """One bar a label, made of the series on top of each other."""
    below = [0.0] * len(labels)
    for (name, values), look, hatch in zip(series.items(), LOOKS, HATCHES, strict=False):
        axes.bar(range(len(labels)), values, 0.7, bottom=below, label=name, hatch=hatch,
                 color=look["color"], edgecolor="white")  # fmt: skip
        below = [a + b for a, b in zip(below, values, strict=True)]
    axes.set_xticks(range(len(labels)), labels)
    axes.set(title=title, ylabel=ylabel)
    axes.legend(fontsize=10, frameon=False)


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
        look = LOOKS[i] if markers else {**LOOKS[i], "marker": ""}
        axes.plot(x, values, label=name, markersize=5, linewidth=2, **look)
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    if all(isinstance(place, int) for place in x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(series) > 1:
        axes.legend(fontsize=10, frameon=False)


def curves(
    axes: Axes,
    series: dict[str, tuple[Sequence[float], Sequence[float]]],
    title: str,
    xlabel: str,
    ylabel: str = "",
) -> None:
    """One line a series, each with an x of its own."""
    for (name, (x, y)), look in zip(series.items(), LOOKS, strict=False):
        axes.plot(x, y, label=name, markersize=5, linewidth=2, **look)
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.legend(fontsize=10, frameon=False)


def strip(axes: Axes, rows: dict[str, Sequence[float]], columns: Sequence[str], title: str) -> None:
    """Numbers as coloured cells with their value, blue below 0 and orange above."""
    values = [list(row) for row in rows.values()]
    limit = max(abs(v) for row in values for v in row if v == v) or 1.0
    axes.imshow(values, cmap="PuOr_r", vmin=-limit, vmax=limit, aspect="auto")
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            if value == value:
                dark = abs(value) > 0.65 * limit
                axes.text(x, y, f"{value:.2f}", ha="center", va="center", fontsize=10,
                          color="white" if dark else "black")  # fmt: skip
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_title(title)
    axes.grid(False)
