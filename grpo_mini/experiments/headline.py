"""The course's result in one picture and seven lines: python -m grpo_mini.experiments.headline.

It writes data/runs/headline.png and prints a block for the README, with its marks; a test compares
the README's block with what is computed.
"""

import argparse
import re
import textwrap
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from .claims import CLAIMS
from .judging import cells, processor_saving, saving, span
from .look import INK, LABEL, LOOK, MEANT, PAPER, SMALL, TINY, TITLE, WIDEST, style
from .statistics import RUNS, Run, at, band, bootstrap, common_end, difference, final, load
from .verdicts import FAILS, HOLDS, ONLY_WHEN, SIGNS, UNDECIDED, UNMEASURED

NAMES = {"grpo": "GRPO", "ppo": "PPO"}
SAID = {  # of one claim, of several
    HOLDS: ("holds", "hold"),
    ONLY_WHEN: ("holds under a condition", "hold under a condition"),
    FAILS: ("does not hold", "do not hold"),
    UNDECIDED: ("is not decided", "are not decided"),
    UNMEASURED: ("is not measured yet", "are not measured yet"),
}
BLOCK = re.compile(r"<!-- headline -->.*?<!-- end of headline -->", re.DOTALL)


def lines(runs: Path = RUNS) -> list[str]:
    """The seven lines, as items of a Markdown list."""
    race, ledger = load("race", runs), cells(runs)
    grpo, ppo, groups = race["grpo"], race["ppo"], race["ppo-groups"]
    seeds = len({run.seed for run in grpo} & {run.seed for run in ppo})
    last = grpo[0].rows[-1]
    seconds = common_end(grpo, ppo, groups)

    def there(group: list[Run]):
        return bootstrap([at(run, "cpu_seconds", seconds) for run in group])

    gap = difference(grpo, ppo, lambda run: at(run, "cpu_seconds", seconds))
    reuse = load("reuse", runs)
    again = {label: bootstrap(list(map(final, group))) for label, group in reuse.items()}
    spent = {
        label: sum(run.rows[-1]["cpu_seconds"] for run in group) / len(group)
        for label, group in reuse.items()
    }
    soon = common_end(reuse["grpo"], reuse["ppo"])
    gap_soon = difference(reuse["grpo"], reuse["ppo"], lambda run: at(run, "cpu_seconds", soon))
    found = {word: [] for word in SAID}
    for claim in CLAIMS:
        found[claim.verdict(runs).word].append(claim.number)
    verdicts = "; ".join(
        f"{len(numbers)} {SAID[word][len(numbers) > 1]} ({', '.join(numbers)})"
        for word, numbers in found.items()
        if numbers
    )
    large = [cell for cell in ledger if cell["run"]["model"] == ledger[-1]["run"]["model"]]
    return [
        f"- **The race:** {seeds} seeds each, {last['samples']:,} samples, from the same start, "
        f"both tuned on one grid of learning rates, one update a batch. In brackets: 95% intervals "
        f"over seeds.",
        f"- **Same samples:** right answers GRPO {bootstrap(list(map(final, grpo)))}, PPO "
        f"{bootstrap(list(map(final, ppo)))}; GRPO minus PPO {difference(grpo, ppo, final)}.",
        f"- **Same processor time** ({seconds:.0f} s): GRPO {there(grpo)}, PPO {there(ppo)}, PPO "
        f"that samples in GRPO's groups {there(groups)}; GRPO minus PPO {gap}.",
        f"- **Processor time for the same samples:** GRPO saves "
        f"{processor_saving(grpo, ppo).percent()}; against PPO in GRPO's groups "
        f"{processor_saving(grpo, groups).percent()}.",
        f"- **Each batch used four times** ({len(reuse['grpo'])} seeds, "
        f"{reuse['grpo'][0].rows[-1]['samples']:,} samples, the policy's learning rate tuned "
        f"again): right answers GRPO {again['grpo']}, PPO {again['ppo']}; GRPO minus PPO "
        f"{difference(reuse['grpo'], reuse['ppo'], final)}, after the same processor time "
        f"({soon:.0f} s) {gap_soon}. With one update a batch they have {again['grpo-once']} and "
        f"{again['ppo-once']} there, in {spent['grpo-once'] / spent['grpo']:.0%} and "
        f"{spent['ppo-once'] / spent['ppo']:.0%} of the time.",
        f"- **Size:** {span(saving(ledger, 'trainable parameters'))} fewer trainable parameters, "
        f"{span(saving(ledger, 'resident parameters'))} fewer in memory with a reference; the "
        f"peak of a step's memory {span(saving(large, 'peak MB'))} smaller at "
        f"{large[0]['run']['model']}'s size.",
        f"- **Of {len(CLAIMS)} claims:** {verdicts}.",
    ]


def draw(runs: Path = RUNS) -> Figure:
    """The race over processor time, large, and over samples; below it the claims' verdicts."""
    race = load("race", runs)
    figure = Figure(figsize=(WIDEST, 6.4), layout="constrained")
    matplotlib.rcParams["svg.hashsalt"] = LOOK["svg.hashsalt"]
    places = figure.subplot_mosaic([["time", "samples"], ["claims", "claims"]],
                                   width_ratios=[1.7, 1], height_ratios=[1.9, 1])  # fmt: skip
    for name, x, title, label in (
        ("time", "cpu_seconds", "right answers over processor time", "processor seconds"),
        ("samples", "samples", "over samples", "samples"),
    ):
        curves(places[name], race, x)
        places[name].set(title=title, xlabel=label, ylim=(0, 1.0))
    places["time"].legend(fontsize=TITLE, frameon=False, loc="lower right")
    chips(places["claims"], runs)
    return figure


def chips(axes: Axes, runs: Path = RUNS) -> None:
    """The claims in two rows: sign and number on the verdict's colour, under it the claim."""
    columns = (len(CLAIMS) + 1) // 2
    axes.axis("off")
    axes.set(xlim=(0, columns), ylim=(2.05, -0.25))
    axes.set_title("what became of the claims", fontsize=TITLE)
    words = [claim.verdict(runs).word for claim in CLAIMS]
    for i, (claim, word) in enumerate(zip(CLAIMS, words, strict=True)):
        sign, colour = SIGNS[word]
        x, y = i % columns + 0.5, i // columns
        box = {"boxstyle": "round,pad=0.35", "facecolor": colour, "linewidth": 0}
        axes.text(x, y + 0.05, f"{sign} {claim.number}", fontsize=LABEL, color=PAPER, ha="center",
                  va="center", weight="bold", bbox=box)  # fmt: skip
        axes.text(x, y + 0.33, textwrap.fill(claim.short, 17), fontsize=TINY, ha="center", va="top",
                  color=INK, linespacing=1.1)  # fmt: skip
    said = [f"{SIGNS[word][0]} {word}" for word in SAID if word in words]
    axes.text(columns / 2, 2.05, "     ".join(said), fontsize=SMALL, ha="center", color=INK)


def curves(axes: Axes, race: dict[str, list[Run]], x: str) -> None:
    """Mean accuracy of both with its 95% band."""
    for label, name in NAMES.items():
        grid, intervals = band(race[label], x)
        color = MEANT[name]["color"]
        axes.plot(grid, [interval.mean for interval in intervals], label=name, markevery=5,
                  markersize=6, linewidth=2.2, **MEANT[name])  # fmt: skip
        axes.fill_between(
            grid, [i.low for i in intervals], [i.high for i in intervals], color=color, alpha=0.18,
            linewidth=0,
        )  # fmt: skip
    style(axes)
    axes.tick_params(labelsize=LABEL)
    axes.xaxis.label.set_fontsize(TITLE)
    axes.title.set_fontsize(TITLE + 1)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def block(runs: Path = RUNS) -> str:
    """What the README shows between the marks, marks included."""
    race = load("race", runs)
    words = (
        f"GRPO and PPO learn chain sums, {len(race['grpo'])} seeds each: right answers over "
        f"samples and over processor time, and what became of the claims"
    )
    picture = f"![{words}](data/runs/headline.png)"
    return "\n".join(["<!-- headline -->", picture, "", *lines(runs), "<!-- end of headline -->"])


def main() -> None:
    """Draw the picture and print the README's block."""
    parser = argparse.ArgumentParser(
        prog="python -m grpo_mini.experiments.headline", description=__doc__
    )
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder with the recorded runs")
    arguments = parser.parse_args()
    draw(arguments.runs).savefig(arguments.runs / "headline.png", dpi=110)
    print(block(arguments.runs))


if __name__ == "__main__":
    main()
