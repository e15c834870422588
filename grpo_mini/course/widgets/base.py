"""What all widgets share: controls on top, a picture, a sentence in words, presets and Reset."""

import html
from collections.abc import Sequence

import ipywidgets
import matplotlib
import traitlets
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ...experiments.look import LARGE_TEXT, LOOK, PIXELS, STYLE, picture_html, svg
from .looks import emptied
from .names import WORDS, named
from .page import Shown, plain

WIDTH, HEIGHT = 8.6, 3.4  # of a picture, in inches
LABEL = {"description_width": "150px"}
WIDE = ipywidgets.Layout(width="390px")
COLUMNS = "repeat(auto-fill, 400px)"  # two in a wide window, one in a narrow one


def on_the_grid(value: float, low: float, high: float, step: float) -> float:
    """The step nearest to ``value``, to the last bit as the page counts it.

    The page's slider (noUiSlider) counts in percent of its range. To it 0.3 in steps of 0.05 is
    0.30000000000000004; sent a 0.3 it answers with its own number. Such answers are late, and may
    undo in part what was pressed in the meantime. Sent its own number it has nothing to answer.
    """
    step = step * 100 / (high - low)
    percent = round((value - low) * 100 / (high - low) / step) * step
    return high if percent >= 100 else percent * (high - low) / 100 + low


class FloatSlider(ipywidgets.FloatSlider):
    """A slider that takes the numbers of its own steps only."""

    @traitlets.validate("value")
    def _validate_value(self, proposal):
        value = super()._validate_value(proposal)
        return on_the_grid(value, self.min, self.max, self.step)


def slider(label: str, value: float, low: float, high: float, step: float) -> ipywidgets.Widget:
    """A slider for whole numbers if all of its numbers are whole, else for decimals."""
    whole = all(isinstance(number, int) for number in (value, low, high, step))
    kind = ipywidgets.IntSlider if whole else FloatSlider
    return kind(
        value, min=low, max=high, step=step, description=label, tooltip=label, style=LABEL,
        layout=WIDE,
    )  # fmt: skip


def choice(label: str, value, options: Sequence) -> ipywidgets.Dropdown:
    """One of several names or numbers."""
    return ipywidgets.Dropdown(
        options=options, value=value, description=label, style=LABEL, layout=WIDE
    )


def flag(label: str, value: bool) -> ipywidgets.Checkbox:
    """On or off."""
    return ipywidgets.Checkbox(value, description=label, style=LABEL, layout=WIDE)


class Lab(Shown):
    """A widget: ``compute`` and ``draw`` are pure, the class only owns the controls.

    Attributes:
        title: heading.
        question: what to predict before touching anything.
        presets: name -> values of some controls; the others go back to their start.
    """

    title: str
    question: str
    presets: dict[str, dict] = {}
    height = HEIGHT

    def __init__(self):
        self.controls = self.make_controls()
        self.start = {name: control.value for name, control in self.controls.items()}
        self.tooltips = {
            name: control.tooltip or control.description for name, control in self.controls.items()
        }
        self.picture = self.make_picture()
        self.figure = Figure(figsize=(WIDTH, self.height))
        FigureCanvasAgg(self.figure)  # one canvas for all pictures: it remembers how wide text is
        self.words = ipywidgets.HTML()
        buttons = [ipywidgets.Button(description="Reset", tooltip="back to the start")]
        buttons[0].on_click(lambda _: self.reset())
        for name in self.presets:
            button = ipywidgets.Button(
                description=name, tooltip=f"preset: {name}", layout=ipywidgets.Layout(width="auto")
            )
            button.on_click(lambda _, name=name: self.preset(name))
            buttons.append(button)
        self._silent = False
        for control in self.controls.values():
            control.observe(lambda _: self.update(), names="value")
        head = ipywidgets.HTML(STYLE + self.head())
        row = ipywidgets.Layout(flex_flow="row wrap")
        parts = [head, self.layout(), ipywidgets.Box(buttons, layout=row), self.picture, self.words]
        self.words.add_class(WORDS)
        self.view = named(ipywidgets.VBox(parts))
        self.update()

    # ------------------------------------------------------------------ what a widget says

    @staticmethod
    def make_controls() -> dict[str, ipywidgets.Widget]:
        """Controls by the name that ``compute`` knows them by."""
        raise NotImplementedError

    @staticmethod
    def idle(state: dict) -> dict[str, str]:
        """Controls that would change nothing now, and why."""
        return {}

    @staticmethod
    def compute(state: dict) -> dict:
        """All numbers of picture and sentence, from the module's functions."""
        raise NotImplementedError

    @staticmethod
    def draw(figure: Figure, numbers: dict) -> None:
        """The picture of these numbers."""
        raise NotImplementedError

    @staticmethod
    def sentence(numbers: dict) -> str:
        """The picture in words."""
        raise NotImplementedError

    def make_picture(self) -> ipywidgets.Widget:
        """What `render` fills."""
        return ipywidgets.Image(
            format="svg+xml",
            width=int(WIDTH * PIXELS),
            height=int(self.height * PIXELS),
            layout=ipywidgets.Layout(max_width="100%", height="auto"),
        )

    def layout(self) -> ipywidgets.Widget:
        """How the controls are arranged: in columns, as many as there is room for."""
        return ipywidgets.GridBox(
            list(self.controls.values()),
            layout=ipywidgets.Layout(grid_template_columns=COLUMNS),
        )

    # ------------------------------------------------------------------ what happens

    @property
    def state(self) -> dict:
        """The values of all controls."""
        return {name: control.value for name, control in self.controls.items()}

    def set(self, **values) -> None:
        """Move several controls, and draw once.

        Raises:
            ValueError: there is no control of that name.
        """
        unknown = set(values) - set(self.controls)
        if unknown:
            raise ValueError(f"no control {unknown}; there are: {', '.join(self.controls)}")
        self._silent = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._silent = False
        self.update()

    def reset(self) -> None:
        """All controls back to where they started."""
        self.set(**self.start)

    def preset(self, name: str) -> None:
        """A telling state; controls it does not name go back to their start."""
        self.set(**self.start | self.presets[name])

    def update(self) -> None:
        """Compute, draw, and put it into words."""
        if self._silent:
            return
        why = self.idle(self.state)
        for name, control in self.controls.items():
            control.disabled = name in why
            said = self.tooltips[name]
            control.tooltip = f"{said}: {why[name]}" if name in why else said
        self.numbers = self.compute(self.state)
        self.picture.value = self.render()
        self.words.value = f"<div style='{LARGE_TEXT}'>{self.sentence(self.numbers)}</div>"

    def head(self) -> str:
        """Title and question."""
        return f"<b>{html.escape(self.title)}</b><br>{html.escape(self.question)}"

    def drawn(self) -> Figure:
        """The figure with the picture of the numbers."""
        emptied(self.figure)
        self.draw(self.figure, self.numbers)
        return self.figure

    def render(self) -> bytes:
        """The picture as SVG."""
        with matplotlib.rc_context(LOOK):
            return svg(self.drawn())

    def static_picture(self, words: str) -> str:
        """The picture for a page without a kernel, where a code host may show no SVG."""
        with matplotlib.rc_context(LOOK):
            return picture_html(self.drawn(), words)

    def static(self) -> tuple[str, str]:
        """Picture and sentence."""
        words = self.sentence(self.numbers)
        page = (
            f"{self.head()}<br>{self.static_picture(plain(words))}<div>{words}</div>"
            f"<div><i>Run this cell, and it answers to its controls.</i></div>"
        )
        return page, f"{self.title}: {plain(words)}"
