"""What a widget says is what it draws: in corners and random places, numbers and labels."""

import random
import re

import matplotlib
import pytest
from matplotlib.figure import Figure

from grpo_mini.course.widgets.base import Lab
from grpo_mini.experiments.look import LOOK
from tests.course.test_widgets import LABS, ends

STATES = 25


def states(lab: Lab, number: int = STATES):
    """The start, and then corners and random places, mixed."""
    chance = random.Random(0)
    yield lab.state
    for _ in range(number):
        values = {}
        for name, control in lab.controls.items():
            values[name] = chance.choice(ends(control))
            if hasattr(control, "step") and chance.random() < 0.5:
                steps = round((control.max - control.min) / control.step)
                values[name] = control.min + chance.randint(0, steps) * control.step
        yield values


def drawn(lab: Lab, state: dict) -> tuple[Figure, str]:
    """The picture and the sentence, as text, of a state."""
    lab.numbers = lab.compute(state)
    with matplotlib.rc_context(LOOK):
        figure = lab.drawn()
    return figure, re.sub(r"<[^>]+>", "", lab.sentence(lab.numbers))


def bars(figure: Figure, panel: int) -> list[float]:
    """Heights of a panel's bars."""
    return [patch.get_height() for patch in figure.axes[panel].patches]


def star(figure: Figure, panel: int) -> float:
    """Where the panel's single point lies, upwards."""
    (line,) = [
        x
        for x in figure.axes[panel].lines
        if x.get_marker() in ("*", "o") and len(x.get_xdata()) == 1
    ]
    return float(line.get_ydata()[0])


def longest(figure: Figure) -> list[float]:
    """Parts of the longer of two stacked bars."""
    widths = [patch.get_width() for patch in figure.axes[0].patches]
    return max(widths[:8], widths[8:], key=sum)


def cells(figure: Figure, row: int) -> list[float]:
    """A row of a panel of cells."""
    return figure.axes[0].images[0].get_array()[row].tolist()


def at(figure: Figure, p: float) -> float:
    """The first line of a panel at ``p``."""
    line = figure.axes[0].lines[0]
    near = min(range(len(line.get_xdata())), key=lambda i: abs(line.get_xdata()[i] - p))
    return float(line.get_ydata()[near])


NUMBER = r"(-?\d+(?:\.\d+)?)"
# Widget -> what its sentence says, and what its picture has for it.
SAYS = {
    "AdvantageMixer": [
        (rf"Response 1 has reward {NUMBER}", lambda f, s: bars(f, 0)[0]),
        (rf"group's mean is {NUMBER}", lambda f, s: sum(bars(f, 0)) / len(bars(f, 0))),
        (rf"its advantage is {NUMBER}", lambda f, s: bars(f, 1)[0]),
        (rf"that of response 2 {NUMBER}", lambda f, s: bars(f, 1)[1]),
    ],
    "BiasLab": [
        (rf"Response 1 earns {NUMBER}", lambda f, s: bars(f, 0)[0]),
        (rf"is paid {NUMBER}", lambda f, s: bars(f, 0)[6]),
        (rf"differ by up to {NUMBER}",
         lambda f, s: max(abs(bars(f, 1)[i] - bars(f, 1)[6 + i]) for i in range(6))),
    ],
    "ClipExplorer": [(rf"with strength {NUMBER}", lambda f, s: abs(star(f, 1)))],
    "Difficulty": [(rf"has {NUMBER} times", lambda f, s: at(f, s["p"]) / at(f, 0.5))],
    "FirstToken": [
        (rf"with a chance of {NUMBER}", lambda f, s: bars(f, 0)[3]),
        (rf"think&gt; with a chance of {NUMBER}", lambda f, s: star(f, 1)),
        (rf"at the start {NUMBER}", lambda f, s: bars(f, 0)[0]),
        (rf"answer&gt; of {NUMBER}", lambda f, s: bars(f, 0)[4]),
        (rf"anything else of {NUMBER}", lambda f, s: bars(f, 0)[5]),
    ],
    "GAEExplorer": [
        (rf"advantage in size, {NUMBER}", lambda f, s: max(cells(f, 1), key=abs)),
        (rf"lowest differ by {NUMBER}", lambda f, s: max(cells(f, 1)) - min(cells(f, 1))),
        (rf"GRPO gives each token {NUMBER}", lambda f, s: cells(f, 2)[0]),
    ],
    "GroupSize": [
        (rf"{NUMBER}% of the groups are silent", lambda f, s: 100 * star(f, 0)),
        (rf"standard deviation of {NUMBER}", lambda f, s: star(f, 1)),
    ],
    "KLEstimators": [
        (r"KL\(pi\|\|ref\) is " + NUMBER,
         lambda f, s: f.axes[1].lines[-1].get_ydata()[0]),
    ],
    "Length": [
        (rf"weighs: sequence {NUMBER}", lambda f, s: bars(f, 0)[0]),
        (rf"weighs: .*token {NUMBER}", lambda f, s: bars(f, 0)[1]),
        (rf"weighs: .*constant {NUMBER}", lambda f, s: bars(f, 0)[2]),
    ],
    "MemoryPlanner": [
        (rf"holds at most {NUMBER}", lambda f, s: sum(longest(f))),
        (rf"the largest part is [a-zA-Z ]+ with {NUMBER}", lambda f, s: max(longest(f))),
    ],
    "MovingDistribution": [
        (rf"likeliest token is . with {NUMBER}", lambda f, s: max(bars(f, 0)[5:10])),
        (rf"J is {NUMBER}", lambda f, s: star(f, 1)),
    ],
    "GradientCloud": [
        (rf"the variance is {NUMBER}",
         lambda f, s: bars(f, 1)[("none", "expected reward", "largest reward", "own mean",
                                  "leave-one-out").index(s["baseline"])]),
        (rf"without a baseline {NUMBER}", lambda f, s: bars(f, 1)[0]),
    ],
}  # fmt: skip


def off(said: str, value: float) -> float:
    """How far a written number is from a value, in units of its last digit."""
    digits = len(said.partition(".")[2])
    return abs(float(said) - value) * 10**digits


@pytest.mark.parametrize("kind", [k for k in LABS if type(k()).__name__ in SAYS])
def test_the_sentence_has_the_numbers_of_the_picture(kind):
    lab, seen = kind(), set()
    for state in states(lab):
        figure, text = drawn(lab, state)
        for pattern, value in SAYS[type(lab).__name__]:
            found = re.search(pattern, text)
            if found:
                seen.add(pattern)
                assert off(found[1], value(figure, state)) <= 0.51, (found[0], state)
    assert len(seen) == len(SAYS[type(lab).__name__]), "a pattern that never came up checks nothing"


def labels(figure: Figure):
    """The pieces of text that are drawn, with the boxes that they take."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    found = list(figure.texts)
    for axes in figure.axes:
        found += [*axes.texts, axes.title]
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_visible():
                low, high = sorted(axis.get_view_interval())
                inside = [t.label1 for t in axis.get_major_ticks()
                          if low - 1e-9 <= t.get_loc() <= high + 1e-9]  # fmt: skip
                found += [axis.label, *inside]
        if axes.get_legend():
            found += axes.get_legend().get_texts()
    for text in found:
        if text.get_visible() and text.get_text().strip():
            yield text.get_text(), text.get_window_extent(renderer)


@pytest.mark.parametrize("kind", LABS)
def test_no_label_is_cut_off_or_lies_on_another(kind):
    lab = kind()
    if isinstance(lab.picture.value, str):
        pytest.skip("its picture is text")
    for state in states(lab):
        figure, _ = drawn(lab, state)
        width, height = figure.bbox.width, figure.bbox.height
        boxes = list(labels(figure))
        for name, box in boxes:
            inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
            assert inside, (name, box, state)
        for i, (name, box) in enumerate(boxes):
            for other, that in boxes[:i]:
                across = min(box.x1, that.x1) - max(box.x0, that.x0)
                down = min(box.y1, that.y1) - max(box.y0, that.y0)
                assert across <= 2 or down <= 3, (name, other, state)
