"""How a widget comes to a page: once as a picture that stays, and once alive.

A saved notebook keeps the picture, its sentence and the advice to run the cell; the live widget it
cannot keep, since that lives in the kernel. So a cell has two outputs. Where the second is alive
the first is not shown, and where it is not, its error is not. A front end without widgets shows the
first alone.
"""

import html
import re

import ipywidgets
from IPython.display import display

from .names import VIEW

STATIC = "grpo-static"
OUTPUT = ".jp-OutputArea-child"
LIVE = "[data-mime-type='application/vnd.jupyter.widget-view+json']"
ONE_OF_TWO = (
    f"<style>{OUTPUT}:has(.{STATIC}):has(+{OUTPUT} .{VIEW}),"
    f"{OUTPUT}:has(.{STATIC})+{OUTPUT}:has({LIVE}):not(:has(.{VIEW})){{display:none}}</style>"
)


def plain(page: str) -> str:
    """HTML as it is read: without style sheets and marks, and with < for &lt;."""
    return html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", "", page, flags=re.S))


class Shown:
    """A widget with a ``view``, and what a page without a kernel has of it."""

    view: ipywidgets.Widget

    def static(self) -> tuple[str, str]:
        """The widget as it is now, for a page without a kernel: as HTML and as plain text."""
        raise NotImplementedError

    def _ipython_display_(self) -> None:
        page, text = self.static()
        page = f"{ONE_OF_TWO}<div class='{STATIC}'>{page}</div>"
        display({"text/html": page, "text/plain": text}, raw=True)
        bundle = self.view._repr_mimebundle_()
        display({name: data for name, data in bundle.items() if name != "text/plain"}, raw=True)
