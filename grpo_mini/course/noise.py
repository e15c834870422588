"""The gradient microscope's record, as a figure and in words."""

from pathlib import Path

from matplotlib.figure import Figure

from ..experiments.gradients import REFERENCE
from ..experiments.look import GRPO, INK, PAPER, PPO, RULE, SMALL
from ..experiments.record import read_lines
from ..experiments.statistics import RUNS, Interval
from .figures import panels

__all__ = ["looks", "moments", "noise", "noise_figure", "of_samples", "spread"]

MARKERS = ("o", "s", "^")  # of the moments, in their order


def moments(task: str, runs: Path = RUNS) -> list[dict]:
    """The recorded moments of a training on a task, in their order."""
    lines = [line for line in read_lines(runs / "gradients.jsonl") if line["run"]["task"] == task]
    return sorted(lines, key=lambda line: line["run"]["step"])


def noise(moment: dict, mean: str = "token", figure: str = "relative") -> dict[str, Interval]:
    """A figure of each estimator, under one mean over tokens."""
    rows = [row for row in moment["rows"] if row["mean"] == mean]
    return {row["estimator"]: Interval(*row[figure]) for row in rows}


def looks(estimator: str) -> str:
    """The colour of what compares within the group, of what asks a critic, and of the others."""
    if estimator.startswith(("critic", "V at")):
        return PPO
    return GRPO if estimator.startswith(("group", REFERENCE)) else INK


def noise_figure(found: dict[str, list[dict]]) -> Figure:
    """A panel a task: a row an estimator, a marker a moment, its noise against leave-one-out's.

    Left of 1 is less noise. The axis is logarithmic: half and twice are equally far from 1.
    """
    names = list(noise(next(iter(found.values()))[0]))
    figure, axes = panels(len(found), width=8.6, height=1.3 + 0.46 * len(names))
    for each, (title, lines) in zip(axes, found.items(), strict=True):
        for k, line in enumerate(lines):
            for y, (name, interval) in enumerate(noise(line).items()):
                place, colour = y + 0.24 * (k - (len(lines) - 1) / 2), looks(name)
                ends = [max(interval.low, 0.05), max(interval.high, 0.05)]
                each.plot(ends, [place, place], color=colour, linewidth=1.8)
                each.plot(interval.mean, place, MARKERS[k], color=colour, markersize=7,
                          markeredgecolor=PAPER,
                          label=f"step {line['run']['step']}" if y == 0 else None)  # fmt: skip
        each.axvline(1, color=RULE, linewidth=1)
        each.set(title=title, xscale="log", ylim=(len(names) - 0.5, -0.5))
        ticks = [0.25, 0.5, 1, 2, 4]
        each.set_xlim(0.2, 5)
        each.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        each.minorticks_off()
        each.set_yticks(range(len(names)), names)
        each.set_xlabel("noise of the gradient, leave-one-out = 1")
        each.legend(fontsize=SMALL, frameon=False, loc="lower right")
    return figure


def of_samples(interval: Interval) -> str:
    """What a noise means: how many samples buy the precision that leave-one-out has with 100."""
    return f"{100 * interval.mean:.0f} [{100 * interval.low:.0f}, {100 * interval.high:.0f}]"


def spread(lines: list[dict], critic: str) -> list[dict]:
    """What either baseline could know: a row a moment."""
    return [
        {
            "step": line["run"]["step"],
            "right": line["accuracy"],
            "variance between questions": f"{max(0.0, line['between']):.0%}",
            "V explains at the prompt": f"{line['explained'][critic]['at the prompt']:.0%}",
            "V explains on the way": f"{line['explained'][critic]['tokens']:.0%}",
        }
        for line in lines
    ]
