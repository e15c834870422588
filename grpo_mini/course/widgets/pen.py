"""How a widget's picture becomes SVG: as matplotlib writes it, in a third of the time.

Matplotlib's own SVG renderer sets each glyph anew in every picture, and writes every element
through an XML tree. Here an outline of text is made once, and an element is one string. A page
shows both alike; a test lays them on each other.
"""

import base64
import io
from functools import lru_cache

from matplotlib import _path
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.path import Path
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Affine2D
from PIL import Image

HATCH = 72  # points; side of the tile that a hatch repeats
CAPS = {"projecting": "square"}  # matplotlib's word -> SVG's
COMMANDS = [b"M", b"L", b"Q", b"C", b"z"]


def outline(path: Path, transform=None, box=None, digits: int = 3, simplify: bool = False) -> str:
    """A path as SVG writes it."""
    return _path.convert_to_string(
        path, transform, box, simplify, None, digits, COMMANDS, False
    ).decode("ascii")


@lru_cache(4096)
def letters(text: str, prop, ismath: bool) -> str:
    """The outline of a line of text, at `text_to_path.FONT_SCALE` points."""
    verts, codes = text_to_path.get_text_path(prop, text, ismath)
    return outline(Path(verts, codes), digits=1)


@lru_cache(256)
def line_height(prop) -> tuple[float, float, float]:
    """Ascent, descent and gap of a line of text, in points."""
    font = get_font(findfont(prop))
    table, scale = font.get_sfnt_table("OS/2"), prop.get_size_in_points() / font.units_per_EM
    names = (("sTypoAscender", 1), ("sTypoDescender", -1), ("sTypoLineGap", 1))
    return tuple(sign * table[name] * scale for name, sign in names)


@lru_cache(1024)
def colour(rgb: tuple) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)


def attributes(**values) -> str:
    """As an element has them: ``stroke_width=2`` is stroke-width="2"; without those of None."""
    given = {name.replace("_", "-"): value for name, value in values.items() if value is not None}
    return "".join(f' {name}="{value}"' for name, value in given.items())


class Pen(RendererBase):
    """Draws ``figure`` again and again. An inch is 72 points, and y points up, as in matplotlib."""

    def __init__(self, figure: Figure):
        super().__init__()
        self.figure = figure
        self.width, self.height = (72 * inches for inches in figure.get_size_inches())

    def svg(self) -> bytes:
        """The figure as it is now.

        Raises:
            ValueError: the figure does not have 72 dots an inch, a point a dot.
        """
        if self.figure.dpi != 72:
            raise ValueError(f"a figure of {self.figure.dpi:g} dots an inch: make it with dpi=72")
        self.parts, self.made = [], {}
        self.figure.draw(self)
        return (
            f'<?xml version="1.0" encoding="utf-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" '
            f'xmlns:xlink="http://www.w3.org/1999/xlink" width="{self.width:g}pt" '
            f'height="{self.height:g}pt" viewBox="0 0 {self.width:g} {self.height:g}">'
            f"<defs>{''.join(text for _, text in self.made.values())}</defs>"
            f'<g transform="matrix(1 0 0 -1 0 {self.height:g})" stroke-linejoin="round">'
            f"{''.join(self.parts)}</g></svg>\n"
        ).encode()

    # ------------------------------------------------------------------ what matplotlib calls

    def flipy(self) -> bool:
        return False

    def get_canvas_width_height(self) -> tuple[float, float]:
        return self.width, self.height

    def option_image_nocomposite(self) -> bool:
        return True  # a few cells of colour stay a few cells

    def option_scale_image(self) -> bool:
        return True

    def _get_font_height_metrics(self, prop) -> tuple[float, float, float]:
        """Matplotlib asks for these with every line of text, and would read the font each time."""
        return line_height(prop.copy())

    def get_text_width_height_descent(self, s, prop, ismath) -> tuple[float, float, float]:
        return text_to_path.get_text_width_height_descent(s, prop, ismath)

    def draw_path(self, gc, path, transform, rgbFace=None) -> None:
        line = rgbFace is None and gc.get_hatch() is None
        box = (0.0, 0.0, self.width, self.height) if line else None
        data = outline(path, transform, box, simplify=line and path.should_simplify)
        self.parts.append(f'<path d="{data}"{self._style(gc, rgbFace)}{self._clip(gc)}/>')

    def draw_markers(self, gc, marker_path, marker_trans, path, trans, rgbFace=None) -> None:
        data = outline(marker_path, marker_trans)
        mark = self._define(("mark", data), f'<path id="{{}}" d="{data}"/>')
        self.parts.append(f"<g{self._clip(gc)}{self._style(gc, rgbFace)}>")
        for vertices, _ in path.iter_segments(trans, simplify=False):
            x, y = vertices[-2:]
            self.parts.append(f'<use xlink:href="#{mark}" x="{x:.3f}" y="{y:.3f}"/>')
        self.parts.append("</g>")

    def draw_text(self, gc, x, y, s, prop, angle, ismath=False, mtext=None) -> None:
        scale = prop.get_size_in_points() / text_to_path.FONT_SCALE
        turn = f" rotate({angle:g})" if angle else ""
        red, green, blue, alpha = gc.get_rgb()
        look = attributes(fill=colour((red, green, blue)), opacity=None if alpha == 1 else alpha)
        self.parts.append(
            f'<path d="{letters(s, prop.copy(), ismath)}"{look} '
            f'transform="translate({x:.3f} {y:.3f}){turn} scale({scale:g})"/>'
        )

    def draw_image(self, gc, x, y, im, transform=None) -> None:
        data, (height, width) = io.BytesIO(), im.shape[:2]
        Image.fromarray(im).save(data, format="png")
        place = transform or Affine2D().scale(width, height)
        place = Affine2D().scale(1 / width, 1 / height) + place + Affine2D().translate(x, y)
        matrix = " ".join(f"{number:.6g}" for number in place.get_affine().to_values())
        self.parts.append(
            f'<g{self._clip(gc)}><image width="{width}" height="{height}" '
            f'style="image-rendering:pixelated" '
            f'transform="matrix({matrix})" '
            f'xlink:href="data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"/></g>'
        )

    # ------------------------------------------------------------------ how it looks

    def _define(self, key: tuple, text: str) -> str:
        """The name of what is used more than once; ``text`` has {} where the name goes."""
        if key not in self.made:
            name = f"d{len(self.made)}"
            self.made[key] = name, text.format(name)
        return self.made[key][0]

    def _clip(self, gc) -> str:
        box = gc.get_clip_rectangle()
        if box is None:
            return ""
        x, y, width, height = (round(number, 3) for number in box.bounds)
        rect = f'<rect x="{x}" y="{y}" width="{width}" height="{height}"/>'
        name = self._define(("clip", rect), f'<clipPath id="{{}}">{rect}</clipPath>')
        return f' clip-path="url(#{name})"'

    def _hatch(self, gc, face) -> str:
        path, stroke = gc.get_hatch_path(), colour(tuple(gc.get_hatch_color()[:3]))
        fill, wide = "none" if face is None else colour(tuple(face[:3])), gc.get_hatch_linewidth()
        key = gc.get_hatch(), fill, stroke, wide
        if key in self.made:
            return self.made[key][0]
        data = outline(path, Affine2D().scale(HATCH))
        return self._define(
            key,
            f'<pattern id="{{}}" patternUnits="userSpaceOnUse" y="{self.height:g}" '
            f'width="{HATCH}" height="{HATCH}"><rect width="{HATCH + 1}" height="{HATCH + 1}" '
            f'fill="{fill}"/><path d="{data}" fill="{stroke}" stroke="{stroke}" '
            f'stroke-width="{wide:g}" stroke-linejoin="miter"/></pattern>',
        )

    def _style(self, gc, face) -> str:
        red, green, blue, alpha = gc.get_rgb()
        forced, width = gc.get_forced_alpha(), gc.get_linewidth()
        fill = "none" if face is None else colour(tuple(face[:3]))
        if gc.get_hatch() is not None:
            fill = f"url(#{self._hatch(gc, face)})"
        through = face is not None and len(face) == 4 and face[3] != 1 and not forced
        found = {
            "fill": fill,
            "fill_opacity": f"{face[3]:g}" if through else None,
            "opacity": f"{gc.get_alpha():g}" if forced and gc.get_alpha() != 1 else None,
        }
        if width:
            offset, dashes = gc.get_dashes()
            join, cap = gc.get_joinstyle(), gc.get_capstyle()
            found |= {
                "stroke": colour((red, green, blue)),
                "stroke_opacity": f"{alpha:g}" if alpha != 1 and not forced else None,
                "stroke_width": f"{width:g}",
                "stroke_dasharray": dashes and ",".join(f"{dash:g}" for dash in dashes),
                "stroke_dashoffset": f"{offset:g}" if dashes and offset else None,
                "stroke_linejoin": None if join == "round" else join,
                "stroke_linecap": None if cap == "butt" else CAPS.get(cap, cap),
            }
        return attributes(**found)
