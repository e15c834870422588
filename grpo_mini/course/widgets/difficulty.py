"""Difficulty: how much a prompt counts, depending on how hard it is."""

from ...experiments.look import RULE, SERIES, TICK
from .base import Lab, flag, slider
from .enumeration import weight
from .looks import axes_of, numbers_below, numbers_beside

GRID = tuple(i / 50 for i in range(1, 50))


class Difficulty(Lab):
    """The weight that a prompt of difficulty p gets, with and without the std."""

    title = "Difficulty"
    question = (
        "Predict: how much harder does a prompt pull because of the std, and how hard in all?"
    )
    presets = {
        "pairs": {"group_size": 2},
        "large groups": {"group_size": 32},
        "a hard prompt": {"p": 0.02, "group_size": 16},
        "its pull": {"p": 0.02, "group_size": 16, "times": True},
    }

    @staticmethod
    def make_controls():
        return {
            "group_size": slider("group size G", 8, 2, 32, 1),
            "p": slider("chance to solve p", 0.1, 0.02, 0.98, 0.02),
            "times": flag("pull: weight x p(1-p)", False),
        }

    @staticmethod
    def compute(state):
        size, p = state["group_size"], state["p"]
        here, middle = weight(p, size, True), weight(0.5, size, True)
        lines = {}
        for name, normalize in (("with std", True), ("without std", False)):
            lines[name] = [
                weight(x, size, normalize) * (x * (1 - x) if state["times"] else 1.0) for x in GRID
            ]
        return {
            "lines": lines,
            "p": p,
            "size": size,
            "times": state["times"],
            "here": here,
            "middle": middle,
            "pull": here * p * (1 - p) / (middle / 4),
        }

    @staticmethod
    def draw(figure, numbers):
        (axes,) = axes_of(figure)
        for (name, line), colour, look in zip(
            numbers["lines"].items(), SERIES[:2], ("-", "--"), strict=True
        ):
            axes.plot(GRID, line, look, color=colour, linewidth=2.5, label=name)
        axes.axvline(numbers["p"], color=RULE, linestyle=":")
        axes.set(ylim=(0, None), xlim=(0, 1))
        numbers_below(axes, "p, chance to solve the prompt")
        numbers_beside(axes)
        axes.set_title("pull on the prompt" if numbers["times"] else "weight of the prompt")
        axes.legend(frameon=False, fontsize=TICK)

    @staticmethod
    def sentence(numbers):
        if numbers["times"]:
            what, ratio, plain = "pull", numbers["pull"], 4 * numbers["p"] * (1 - numbers["p"])
            without = f"Without std it would be {plain:.2f} times"
        else:
            what, ratio = "weight", numbers["here"] / numbers["middle"]
            without = "Without std the weight is the same for all"
        return (
            f"With std and G = {numbers['size']}, a prompt solved with p = {numbers['p']:.2f} has "
            f"<b>{ratio:.2f}</b> times the {what} of one with p = 0.50. {without}."
        )
