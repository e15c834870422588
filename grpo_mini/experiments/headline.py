"""The course's result in one picture and three sentences: python -m grpo_mini.experiments.headline.

It writes data/runs/headline.png and prints a block for the README, with its marks; a test compares
the README's block with what is computed.
"""

import argparse
import re
import textwrap
from itertools import chain
from math import ceil
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from .claims import CLAIMS, MARGIN
from .evidence import RACES
from .judging import (
    PPOS,
    c1,
    cells,
    processor_saving,
    rivals,
    saving,
    seeds_of,
    span,
    sparse_or_long,
    taught_by,
    without_idle,
)
from .look import (
    GRPO,
    INK,
    LABEL,
    LOOK,
    MEANT,
    PAPER,
    PPO,
    REFERENCE,
    RULE,
    SHADE,
    SMALL,
    TICK,
    TINY,
    TITLE,
    WIDEST,
    style,
)
from .record import read_lines
from .statistics import (
    RUNS,
    Interval,
    Run,
    at,
    band,
    bootstrap,
    common_end,
    difference,
    final,
    load,
)
from .verdicts import (
    FAILS,
    HOLDS,
    ONLY_WHEN,
    SAME,
    SIGNS,
    UNDECIDED,
    UNMEASURED,
    kind,
    listed,
)

NAMES = {"grpo": "GRPO", "ppo": "PPO", "ppo-groups": "PPO, in groups"}
SAID = {  # of one claim, of several
    HOLDS: ("holds", "hold"),
    ONLY_WHEN: ("holds under a condition", "hold under a condition"),
    FAILS: ("does not hold", "do not hold"),
    UNDECIDED: ("is not decided", "are not decided"),
    UNMEASURED: ("is not measured yet", "are not measured yet"),
}
BLOCK = re.compile(r"<!-- headline -->.*?<!-- end of headline -->", re.DOTALL)
Pair = tuple[list[Run], list[Run]]


def samples_and_seconds(runs: Path = RUNS) -> tuple[float, dict[str, dict[str, Interval]]]:
    """GRPO minus each PPO of the race: on the same samples, and after the same processor time.

    Returns:
        That time, up to which all of them go, and what is equal -> rival -> difference in the share
        of right answers.
    """
    pairs = rivals(runs)
    groups = [group for pair in pairs.values() for group in pair]
    seconds = common_end(*groups)
    short = {name: name.removeprefix("PPO ") for name in pairs}
    return seconds, {
        "the same samples": {short[n]: difference(*pair, final) for n, pair in pairs.items()},
        "the same processor time": {
            short[n]: difference(*pair, lambda run: at(run, "cpu_seconds", seconds))
            for n, pair in pairs.items()
        },
    }


def elsewhere(runs: Path = RUNS) -> dict[str, Interval]:
    """GRPO minus PPO on the same questions and samples, under other judges and on other tasks.

    Where neither learns, both are equal, and it says nothing: such a one is left out.
    """
    pairs = taught_by(runs) | {
        name: (grpo, ppo) for name, (ppo, grpo) in sparse_or_long(runs).items()
    }
    return {name: difference(*pair, final) for name, pair in without_idle(pairs).items()}


def sentences(runs: Path = RUNS) -> list[str]:
    """The main finding, its size and its limits, as items of a Markdown list."""
    pairs, (seconds, found) = rivals(runs), samples_and_seconds(runs)
    grpo, ppo = next(iter(pairs.values()))
    on_samples, on_time = found.values()
    together = processor_saving(grpo, pairs["PPO with GRPO's groups"][1]).percent()
    sure = {word: [name for name, interval in on_samples.items() if kind(interval) == word]
            for word in ("better", "worse")}  # fmt: skip
    apart = ceil(100 * max(max(-i.low, i.high) for i in on_samples.values()))
    lead = f"GRPO and every PPO end within {apart} points"
    if sure["worse"]:
        lead += f", PPO {listed(sure['worse'])} ahead"
    if sure["better"]:
        lead += f", GRPO ahead of PPO {listed(sure['better'])}"
    finding = {HOLDS: "GRPO loses to no PPO that was raced", FAILS: "a PPO does better"}.get(
        c1(runs).word, lead
    )
    saved = processor_saving(grpo, ppo).percent()
    sooner = {"better": "GRPO is ahead", "worse": "PPO is ahead"}
    ahead = {
        sooner.get(kind(interval), "nobody is ahead for sure") for interval in on_time.values()
    }
    ledger = cells(runs)
    large = [cell for cell in ledger if cell["run"]["model"] == ledger[-1]["run"]["model"]]
    start = next(line for line in read_lines(runs / "gradients.jsonl")
                 if (line["run"]["task"], line["run"]["step"]) == ("sums", 0))  # fmt: skip
    outside = {
        word: listed([f"where {name} ({interval})" for name, interval in elsewhere(runs).items()
                      if kind(interval) == word]) or "nowhere"
        for word in sooner
    }  # fmt: skip
    config = {"aggregation": "sequence"} | grpo[0].header["config"]
    shared = "" if PPOS["ppo-shared"] in pairs else ", which was not raced,"
    tiny, peak = ledger[0]["grpo"]["trainable parameters"], "peak MB"
    return [
        f"- **On the same samples {finding}:** after {grpo[0].rows[-1]['samples']:,} samples "
        f"{bootstrap(list(map(final, grpo)))} of GRPO's answers are right, and GRPO minus PPO is "
        f"{listed([f'{interval} {name}' for name, interval in on_samples.items()])} "
        f"({seeds_of(*chain(*pairs.values()))} each, 95% intervals, not corrected for their "
        f"number; {MARGIN} would matter).",
        f"- **In the same time {ahead.pop() if len(ahead) == 1 else 'it depends on the critic'}:** "
        f"when the fastest of GRPO's runs is through, after {seconds:.0f} s of processor time, "
        f"GRPO minus PPO is {listed(list(map(str, on_time.values())))}, in the same order. A step "
        f"without a critic takes {saved} less time here ({together} where PPO has the same "
        f"groups), and {span(saving(large, peak))} less memory at {large[0]['run']['model']}'s "
        f"size. Against a critic on the policy's own backbone{shared} it saves "
        f"{span(saving(ledger, 'seconds in all', 'ppo-shared'))} of the time, by length and group, "
        f"and {span(saving(large, peak, 'ppo-shared'))} of the memory.",
        f"- **Limits:** one model of {tiny:,} parameters; sums that are about equally hard, where "
        f"{start['between']:.0%} of the reward's variance lies between questions, so that a "
        f"baseline has little to predict; one reward, at the end; each batch used once, so that no "
        f"clip acts; a loss that is a mean "
        f"{'per response' if config['aggregation'] == 'sequence' else 'over all tokens'}. With "
        f"other rewards or tasks, and PPO asked GRPO's questions, GRPO is surely ahead "
        f"{outside['better']}, and PPO {outside['worse']}.",
    ]


def draw(runs: Path = RUNS, claims: bool = True) -> Figure:
    """The race over samples and over processor time, and where GRPO or PPO is ahead, and how far.

    Args:
        claims: whether the claims stand below it, with their verdicts.
    """
    race = load(RACES["sums"], runs)
    figure = Figure(figsize=(WIDEST, 7.6 if claims else 5.4), layout="constrained")
    matplotlib.rcParams["svg.hashsalt"] = LOOK["svg.hashsalt"]
    rows = [["samples", "forest"], ["time", "forest"]] + [["claims", "claims"]] * claims
    places = figure.subplot_mosaic(rows, width_ratios=[1, 1.25],
                                   height_ratios=[1, 1, 0.95][: len(rows)])  # fmt: skip
    for name, x, title, label in (
        ("samples", "samples", "right answers over samples", "samples"),
        ("time", "cpu_seconds", "over processor time", "seconds"),
    ):
        curves(places[name], race, x)
        places[name].set(title=title, xlabel=label, ylim=(0, 1.0))
    places["samples"].legend(fontsize=LABEL, frameon=False, loc="lower right")
    forest(places["forest"], samples_and_seconds(runs)[1], elsewhere(runs))
    if claims:
        chips(places["claims"], runs)
    return figure


def forest(axes: Axes, race: dict[str, dict[str, Interval]], other: dict[str, Interval]) -> None:
    """Rows of GRPO minus PPO: right of 0 GRPO is ahead; in the grey strip it does not matter."""
    groups = {f"{what}, PPO …": rows for what, rows in race.items()}
    groups |= {"PPO in GRPO's groups, where …": other}
    y, ticks = 0.0, {}
    axes.axvspan(-SAME, SAME, color=SHADE)
    axes.axvline(0, color=RULE, linewidth=1)
    for title, rows in groups.items():
        ticks[y] = title
        for name, interval in rows.items():
            y += 1
            ticks[y] = name
            colour = {"better": GRPO, "worse": PPO}.get(kind(interval), REFERENCE)
            axes.plot([interval.low, interval.high], [y, y], color=colour, linewidth=2.6)
            axes.plot(interval.mean, y, marker="o", markersize=7, color=colour,
                      markerfacecolor=PAPER if colour == REFERENCE else colour)  # fmt: skip
        y += 1.3
    style(axes)
    axes.grid(False)
    axes.set_yticks(list(ticks), list(ticks.values()), fontsize=SMALL)
    for label, title in zip(axes.get_yticklabels(), ticks.values(), strict=True):
        label.set_weight("bold" if title in groups else "normal")
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(y - 0.8, -0.6)
    axes.set_title(f"GRPO minus PPO, right answers (grey: ±{SAME})")
    axes.set_xlabel("PPO ahead   ←      →   GRPO ahead")


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
    """Mean accuracy with its 95% band, and without it for PPO in GRPO's groups."""
    for label, name in NAMES.items():
        grid, intervals = band(race[label], x)
        look, alone = MEANT[name.partition(",")[0]], "," not in name
        look = look if alone else look | {"linestyle": ":", "marker": "^"}
        axes.plot(grid, [interval.mean for interval in intervals], label=name, markevery=5,
                  markersize=5, linewidth=2, **look)  # fmt: skip
        if alone:
            axes.fill_between(grid, [i.low for i in intervals], [i.high for i in intervals],
                              color=look["color"], alpha=0.18, linewidth=0)  # fmt: skip
    style(axes)
    axes.tick_params(labelsize=TICK)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def counted(runs: Path = RUNS) -> str:
    """How many claims hold, and which."""
    found = {word: [] for word in SAID}
    for claim in CLAIMS:
        found[claim.verdict(runs).word].append(claim.number)
    return "; ".join(
        f"{len(numbers)} {SAID[word][len(numbers) > 1]} ({', '.join(numbers)})"
        for word, numbers in found.items()
        if numbers
    )


def block(runs: Path = RUNS) -> str:
    """What the README shows between the marks, marks included."""
    words = (
        f"GRPO and PPO learn chain sums: right answers over samples and over processor time; GRPO "
        f"minus PPO on the same samples, in the same time, and under other judges; and what became "
        f"of {len(CLAIMS)} claims"
    )
    lines = [f"![{words}](data/runs/headline.png)", "", *sentences(runs), "",
             f"Of {len(CLAIMS)} claims {counted(runs)}."]  # fmt: skip
    return "\n".join(["<!-- headline -->", *lines, "<!-- end of headline -->"])


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
