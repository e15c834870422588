"""The visual language: what each colour means, how large type is, how a page takes a picture.

Whatever is drawn, in a figure, a widget, a card or the pipeline, takes its looks from here. Colour
is never alone: line style, marker, hatch, sign or word says the same.
"""

import base64
import html
import io
from collections.abc import Collection
from itertools import product

import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

# A colour is a meaning. Blue and vermilion are the two algorithms', and nothing else's.
GRPO, PPO, REFERENCE = "#0072B2", "#D55E00", "#767676"
PLUS, MINUS = "#009E73", "#A8327D"  # right and wrong, praised and blamed, more and less likely
OPEN = "#B8860B"  # neither: it depends, be careful
THOUGHT = "#C9A227"  # what stands between <think> and </think>
INK, RULE, QUIET, SHADE, GRID, PAPER = (
    "#1A1A1A",
    "#4D4D4D",
    "#6E6E6E",
    "#EBEBEB",
    "#E6E6E6",
    "white",
)
# What has no meaning of its own, in the order in which it comes.
SERIES = ("#4B4B9B", "#C48A00", "#2A9DB0", "#8C6D5A")
LINES = (("-", "o"), ("--", "s"), ("-.", "^"), (":", "D"))
HATCHES = ("", "//", "..", "xx")
LOOKS = tuple(
    {"color": colour, "linestyle": line, "marker": marker}
    for colour, (line, marker) in zip(SERIES, LINES, strict=True)
)
MEANT = {
    "GRPO": {"color": GRPO, "linestyle": "-", "marker": "o"},
    "PPO": {"color": PPO, "linestyle": "--", "marker": "s"},
    "reference": {"color": REFERENCE, "linestyle": ":", "marker": "D"},
    "right": {"color": PLUS, "linestyle": "-", "marker": "o"},
    "wrong": {"color": MINUS, "linestyle": "--", "marker": "s"},
}

# Type in points. A page shows an inch as `PIXELS`, so the smallest is 12 pixels high.
TITLE, LABEL, TICK, SMALL, TINY = 13, 12, 11, 10, 9
PIXELS, WIDEST = 96, 10.4  # inches that a page has room for
TEXT_WIDTH = 0.602  # of a letter of the monospaced type, in its size
LOOK = {
    "axes.axisbelow": True, "axes.edgecolor": RULE, "axes.grid": True, "axes.grid.axis": "y",
    "axes.labelsize": LABEL, "axes.spines.right": False, "axes.spines.top": False,
    "axes.titlesize": TITLE, "axes.titley": 1.0, "axes.unicode_minus": False, "grid.color": GRID,
    "svg.fonttype": "none", "svg.hashsalt": "grpo_mini", "text.color": INK, "xtick.labelsize": TICK,
    "ytick.labelsize": TICK,
}  # fmt: skip

# A page's own colours, which follow its theme; without JupyterLab the text's.
TEXT, LINE = "var(--jp-ui-font-color1, currentColor)", "#8888"
MONO = "var(--jp-code-font-family, monospace)"
LARGE_TEXT, SMALL_TEXT = "font-size:110%", "font-size:90%"
# In a dark theme a picture is turned: white to black, each hue staying itself; those of the text
# too. A widget whose kernel is gone says what to do.
STYLE = (
    "<style>[data-jp-theme-light='false'] :is(img.grpo-picture, .grpo-view img, "
    ".jp-MarkdownOutput img[src*='pictures/'])"
    "{filter:invert(.9) hue-rotate(180deg)}"
    ".grpo-view.jupyter-widgets-disconnected::before{content:'Its kernel is gone: run this cell.';"
    "font-weight:bold}</style>"
)


def look_of(name: str, i: int) -> dict[str, str]:
    """Colour, line and marker of a series: by its meaning if it has one, else by its place.

    "PPO, four updates" has PPO's colour, and line and marker of its place.
    """
    by_place, algorithm = LOOKS[i % len(LOOKS)], name.partition(",")[0]
    if name not in MEANT and algorithm in ("GRPO", "PPO"):
        return by_place | {"color": MEANT[algorithm]["color"]}
    return MEANT.get(name, by_place)


def looks_of(names: Collection[str]) -> dict[str, dict[str, str]]:
    """The looks of series that stand together, by name.

    A design of two factors, such as "GRPO, one" to "PPO, four" with each algorithm under each
    condition, is drawn as one: colour and marker are the algorithm's, the line is the condition's.
    """
    pairs = [name.partition(", ")[::2] for name in names]
    algorithms = {algorithm for algorithm, _ in pairs}
    conditions = list(dict.fromkeys(condition for _, condition in pairs))
    design = set(product(algorithms, conditions))
    if algorithms != {"GRPO", "PPO"} or len(conditions) == 1 or set(pairs) != design:
        return {name: look_of(name, i) for i, name in enumerate(names)}
    return {
        name: MEANT[algorithm] | {"linestyle": LINES[conditions.index(condition)][0]}
        for name, (algorithm, condition) in zip(names, pairs, strict=True)
    }


def tint(colour: str, strength: float) -> str:
    """A background that text stays readable on, in either theme: from 0, none, to 1."""
    return f"{colour}{round(0.45 * 255 * min(max(strength, 0.0), 1.0)):02x}"


def style(axes: Axes) -> None:
    """Light grid, no box, large type."""
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=TICK)
    axes.xaxis.label.set_fontsize(LABEL)
    axes.title.set_fontsize(TITLE)


def png(figure: Figure, scale: int = 2, colours: int = 48) -> bytes:
    """The figure as a PNG file at ``scale`` times its size on a page, with a palette: drawings
    lose nothing by it and take a third of the space."""
    buffer, few = io.BytesIO(), io.BytesIO()
    figure.savefig(buffer, format="png", dpi=scale * PIXELS)
    picture = Image.open(buffer).convert("RGB")
    # What there is most of, as it is, paper and grid among it; of the rest the farthest apart,
    # since a colour that is rare has a meaning too.
    counted = sorted(picture.getcolors(picture.width * picture.height), reverse=True)
    chosen = [colour for _, colour in counted[: colours // 3]]
    rest = picture.quantize(colours - len(chosen), method=Image.Quantize.MAXCOVERAGE).getpalette()
    palette_C3 = numpy.array([*chosen, *zip(rest[::3], rest[1::3], rest[2::3], strict=True)])
    # Pillow would find the nearest roughly, and a tint beside the paper take the paper's place.
    packed = numpy.asarray(picture).astype(int) @ (1 << 16, 1 << 8, 1)
    seen_N, where = numpy.unique(packed, return_inverse=True)
    seen_N3 = numpy.stack([seen_N >> 16, seen_N >> 8 & 255, seen_N & 255], axis=1)
    nearest_N = numpy.abs(seen_N3[:, None] - palette_C3).sum(-1).argmin(-1)
    picture = Image.fromarray(nearest_N[where].reshape(packed.shape).astype("uint8"), "P")
    picture.putpalette(palette_C3.astype("uint8").tobytes())
    picture.save(few, format="png", optimize=True)
    return few.getvalue()


def svg(figure: Figure) -> bytes:
    """The figure as an SVG file: sharp at any zoom, and sooner made than a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def picture_html(figure: Figure, alt: str) -> str:
    """A figure on a page, as wide as it is if there is room, with ``alt`` for those who hear."""
    data = base64.b64encode(png(figure)).decode()
    return (
        f"{STYLE}<img class='grpo-picture' alt='{html.escape(alt, quote=True)}' "
        f"style='max-width:100%;height:auto' width='{round(figure.get_figwidth() * PIXELS)}' "
        f"src='data:image/png;base64,{data}'/>"
    )
