"""Differences with their intervals, as a forest plot and in words that say no more than they do."""

from pathlib import Path

from matplotlib.figure import Figure

from ..experiments.evidence import EXPERIMENTS
from ..experiments.look import MINUS, PAPER, PLUS, REFERENCE, RULE
from ..experiments.statistics import (
    RUNS,
    Interval,
    Run,
    accuracy_after,
    area,
    curve,
    difference,
    load,
)
from ..experiments.verdicts import KINDS, kind
from .figures import panels

__all__ = ["against", "counted", "forest", "in_order", "in_words", "sentence", "verdicts"]


FIGURES = {"accuracy at the end": accuracy_after, "mean accuracy on the way": area}


def in_order(experiment: str, runs: Path = RUNS) -> dict[str, list[Run]]:
    """The recorded runs in the order in which the experiment names its settings."""
    found = load(experiment, runs)
    return {label: found[label] for label in EXPERIMENTS[experiment].settings if label in found}


def against(
    experiment: str, reference: str, runs: Path = RUNS
) -> tuple[int, dict[str, dict[str, Interval]]]:
    """Each setting minus ``reference``, at the number of samples that all have drawn.

    Returns:
        That number, and figure -> setting -> difference.
    """
    found = in_order(experiment, runs)
    whole = [run for group in found.values() for run in group if "diverged" not in run.header]
    end = min(curve(run)[0][-1] for run in whole)
    return end, {
        title: {
            label: difference(group, found[reference], lambda run, of=figure: of(run, end))
            for label, group in found.items()
            if label != reference
        }
        for title, figure in FIGURES.items()
    }


def in_words(found: Interval) -> str:
    """The interval's `kind` and its figures."""
    name = kind(found)
    if name == "better":
        return f"better by {found}"
    if name == "worse":
        return f"worse by {Interval(-found.mean, -found.high, -found.low)}"
    if name == "unclear":
        return f"unclear, {found}"
    return f"{name}, within ±{max(-found.low, found.high, 0.01):.2f}"


def forest(panels_: dict[str, dict[str, Interval]], xlabel: str) -> Figure:
    """A panel for each figure: a row a setting, its difference as a point with its interval.

    An interval that holds 0 is grey with an open circle; one that does not is filled.
    """
    rows = max(map(len, panels_.values()))
    figure, axes = panels(len(panels_), height=1.5 + 0.42 * rows)
    for each, (title, found) in zip(axes, panels_.items(), strict=True):
        for y, interval in enumerate(found.values()):
            clear = interval.low > 0 or interval.high < 0
            sign, marker = (PLUS, "^") if interval.mean > 0 else (MINUS, "v")
            colour = sign if clear else REFERENCE
            each.plot([interval.low, interval.high], [y, y], color=colour, linewidth=3)
            each.plot(interval.mean, y, marker=marker if clear else "o", markersize=9,
                      color=colour, markerfacecolor=colour if clear else PAPER)  # fmt: skip
        each.axvline(0, color=RULE, linewidth=1)
        each.set_yticks(range(len(found)), list(found))
        each.set_ylim(len(found) - 0.5, -0.5)
        each.locator_params(axis="x", nbins=5)
        each.set(title=title, xlabel=xlabel)
    return figure


def verdicts(experiment: str, reference: str, runs: Path = RUNS) -> list[dict[str, object]]:
    """A row a setting: its seeds, and each figure's difference in words."""
    found, (_, differences) = in_order(experiment, runs), against(experiment, reference, runs)
    return [
        {
            "setting": label,
            "seeds": len(found[label]),
            **{title: in_words(of[label]) for title, of in differences.items()},
        }
        for label in found
        if label != reference
    ]


def sentence(samples: int, differences: dict[str, dict[str, Interval]]) -> str:
    """A forest plot's accuracies at the end in words: which settings are better, which worse."""
    end = differences["accuracy at the end"]
    of_kind = {name: [label for label in end if kind(end[label]) == name] for name in KINDS}
    words = "; ".join(f"{name}: {', '.join(labels)}" for name, labels in of_kind.items() if labels)
    return f"Accuracy after {samples:,} samples. {words[0].upper() + words[1:]}."


def counted(found: list[Interval]) -> str:
    """How many of the intervals leave 0 out, and how many would by chance."""
    clear = sum(interval.low > 0 or interval.high < 0 for interval in found)
    return (
        f"{clear} of {len(found)} intervals leave 0 out; of so many, {0.05 * len(found):.1f} would "
        "on average if nothing differed at all"
    )
