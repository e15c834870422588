"""The gradient microscope's record, as a figure and in words."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ..experiments.gradients import REFERENCE
from ..experiments.look import GRPO, INK, PAPER, PPO, RULE, SERIES, SMALL
from ..experiments.record import read_lines
from ..experiments.statistics import RUNS, Interval
from .figures import panels

__all__ = ["along_figure", "error", "moments", "noise", "noise_figure", "per_second", "spread"]

MARKERS = ("o", "s", "^")  # of the moments, in their order


def moments(task: str, runs: Path = RUNS) -> list[dict]:
    """The recorded moments of a training on a task, in their order."""
    lines = [line for line in read_lines(runs / "gradients.jsonl") if line["run"]["task"] == task]
    return sorted(lines, key=lambda line: line["run"]["step"])


def noise(moment: dict) -> dict[str, Interval]:
    """Noise of each estimator against leave-one-out's, under the mean over all tokens."""
    rows = [row for row in moment["rows"] if row["mean"] == "token"]
    return {row["estimator"]: Interval(*row["relative"]) for row in rows}


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
        ticks = [0.125, 0.25, 0.5, 1, 2, 4]
        each.set_xlim(0.11, 5)
        each.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        each.minorticks_off()
        each.set_yticks(range(len(names)), names)
        each.set_xlabel("noise of the gradient, leave-one-out = 1")
        each.legend(fontsize=SMALL, frameon=False, loc="lower right")
    return figure


def per_second(moment: dict, estimator: str) -> Interval:
    """Noise against leave-one-out's at equal seconds: a critic is asked and taught for its share.

    A value head on the policy's own backbone costs as good as nothing.
    """
    seconds = moment["seconds"]
    usual = seconds["sample"] + seconds["gradient"]
    asked = estimator.startswith(("critic", "V at")) and "head on the policy" not in estimator
    cost = 1 + asked * (seconds["values"] + seconds["teach"]) / usual
    return Interval(*(cost * end for end in noise(moment)[estimator]))


def along_figure(moment: dict, critics: Sequence[str]) -> Figure:
    """A panel a critic: what it expects at places along responses, and what comes of going on."""
    figure, axes = panels(len(critics), height=3.9)
    found = moment["along"]
    places = {"at the prompt": 0, "after the first token": 1, "later": 2}
    for each, critic in zip(axes, critics, strict=True):
        for i, (name, place) in enumerate(places.items()):
            rows = [k for k, t in enumerate(found["token"]) if min(t, 2) == place]
            each.plot(
                [found["truth"][k] for k in rows], [found[critic][k] for k in rows],
                MARKERS[i], color=SERIES[i], markersize=6, alpha=0.7, label=name, linestyle="",
            )  # fmt: skip
        each.plot([0, 1], [0, 1], color=RULE, linewidth=1, linestyle=":")
        each.set(title=f"critic, {critic}", xlabel="share of continuations right",
                 ylabel="V", xlim=(-0.03, 1.03), ylim=(-0.4, 1.3))  # fmt: skip
        each.legend(fontsize=SMALL, frameon=False, loc="upper left")
    return figure


def error(moment: dict, critic: str, first: int, last: int) -> float:
    """Root of the mean squared distance of V from what came, at places first to last tokens in."""
    found = moment["along"]
    rows = [k for k, t in enumerate(found["token"]) if first <= t <= last]
    gaps = [(found[critic][k] - found["truth"][k]) ** 2 for k in rows]
    return (sum(gaps) / len(gaps)) ** 0.5


def spread(lines: list[dict], critic: str) -> list[dict]:
    """What either baseline could know: a row a moment."""
    return [
        {
            "step": line["run"]["step"],
            "right": line["accuracy"],
            "variance between questions": _share(line["between"]),
            "V explains at the prompt": _share(line["explained"][critic]["at the prompt"]),
            "V explains on the way": _share(line["explained"][critic]["tokens"]),
        }
        for line in lines
    ]


def _share(value: float) -> str:
    """In percent; an estimate below 0, which no share can be, is written as it was found."""
    return f"{round(value, 2) + 0.0:.0%}"  # 0.0 makes 0 of -0
