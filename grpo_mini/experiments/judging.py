"""How each claim is judged: from the recorded runs to a verdict, a function a claim.

No figure and no verdict is written down here. Where a claim says several things, `every` says which
intervals are widened. Runs are compared without pairing.
"""

import ast
import inspect
import random
import re
import statistics as plain
from collections.abc import Callable
from functools import partial
from itertools import chain
from math import exp, inf, log
from pathlib import Path
from types import SimpleNamespace

import torch

from .. import grpo as grpo_file
from .. import ppo as ppo_file
from ..advantages import compute_relative_rewards
from ..tasks import TASKS
from .evidence import NOT_YET_RECORDED, RACES
from .judges import Reward, length_bonus, offset, scale, shifted
from .record import read_lines
from .statistics import (
    RUNS,
    TARGET,
    Interval,
    Run,
    area,
    bootstrap,
    collapsed,
    contrast,
    difference,
    drop,
    final,
    load,
    reached,
)
from .verdicts import (
    FAILS,
    HOLDS,
    ONLY_WHEN,
    SAME,
    UNDECIDED,
    Verdict,
    all_of,
    better,
    every,
    inside,
    listed,
    no_gain,
    not_worse,
    sign_test,
)

RISE = 0.1  # of accuracy: what a training has to bring before one speaks of learning
MATTERS = 0.05  # of memory or time
EXACT = 1e-4  # what a relative reward may change by rounding


def seeds_of(*groups: list[Run]) -> str:
    """How many seeds these have."""
    numbers = sorted({len(group) for group in groups})
    return f"{' to '.join(map(str, dict.fromkeys((numbers[0], numbers[-1]))))} seeds"


def each(found: dict[str, Interval]) -> str:
    """Names with their intervals."""
    return "; ".join(f"{name}: {interval}" for name, interval in found.items())


def gain(run: Run) -> float:
    """Accuracy at the end minus accuracy before training."""
    return final(run) - run.evaluations()[0]["eval_accuracy"]


def mean_of(run: Run, metric: str, first: int = 1, last: float = inf) -> float:
    """Mean of a metric over the steps from ``first`` to ``last``."""
    return plain.mean(
        row[metric] for row in run.rows if metric in row and first <= row["step"] <= last
    )


PPOS = {
    "ppo": "PPO with a sample a prompt",
    "ppo-groups": "PPO with GRPO's groups",
    "ppo-lam0.95": "PPO with lambda 0.95 in place of 1",
    "ppo-warm": "PPO with a critic that was warmed up",
    "ppo-taught": "PPO with four updates of the critic a step",
    "ppo-shared": "PPO with a critic on its own backbone",
}


def rivals(runs: Path, *only: str) -> dict[str, tuple[list[Run], list[Run]]]:
    """GRPO's runs and those of each PPO of each race, by the names that sentences use.

    Args:
        only: of the settings; none: all.
    """
    found = {}
    for task, experiment in RACES.items():
        race = load(experiment, runs)
        where = f" on {task}" if len(RACES) > 1 else ""
        for label in only or [label for label in PPOS if label in race] or ["ppo"]:
            found[PPOS[label] + where] = race["grpo"], race[label]
    return found


# ---------------------------------------------------------------------------- accuracy


def minus(first: list[Run], second: list[Run], figure) -> Callable[[int], Interval]:
    """A difference, as `every` asks for it."""
    return lambda comparisons: difference(first, second, figure, comparisons)


def c1(runs: Path) -> Verdict:
    pairs = rivals(runs)
    races = [load(experiment, runs) for experiment in RACES.values()]
    risen = [bootstrap([gain(run) for run in race["grpo"]]) for race in races]
    words, against = every(
        {name: minus(grpo, ppo, final) for name, (grpo, ppo) in pairs.items()}, not_worse
    )
    if min(interval.low for interval in risen) > RISE and set(words.values()) == {HOLDS}:
        word = HOLDS
    else:
        stays = min(interval.high for interval in risen) < RISE
        word = FAILS if stays or FAILS in words.values() else UNDECIDED
    return Verdict(
        word,
        f"Without a critic accuracy rises by {listed(list(map(str, risen)))}. At the end, GRPO "
        f"minus: {each(against)} ({seeds_of(*chain(*pairs.values()))}"
        f", {races[0]['grpo'][0].rows[-1]['samples']:,} samples).",
        tuple(RACES.values()),
    )


def c8(runs: Path) -> Verdict:
    pairs = rivals(runs, "ppo", "ppo-groups")
    words, found = every(
        {name: minus(grpo, ppo, area) for name, (grpo, ppo) in pairs.items()}, better
    )
    word, condition = all_of(words, "the rival is", together=True)
    medians = {"GRPO": [], **{name: [] for name in pairs}}
    for name, (grpo, ppo) in pairs.items():
        medians["GRPO"] = [reached(run) for run in grpo]
        medians[name] = [reached(run) for run in ppo]
    needed = ", ".join(
        f"{name} {f'{median:,.0f}' if (median := plain.median(places)) < inf else 'never'}"
        for name, places in medians.items()
    )
    return Verdict(
        word,
        f"Mean accuracy over the same samples, GRPO minus: {each(found)}. Median number of samples "
        f"to {TARGET:.0%}: {needed} ({seeds_of(*chain(*pairs.values()))}).",
        tuple(RACES.values()),
        condition,
    )


# ---------------------------------------------------------------------------- price


def cells(runs: Path = RUNS) -> list[dict]:
    """The cost ledger's cells, small models and short responses first."""
    ledger = runs / "cost.jsonl"
    if not ledger.exists():
        raise FileNotFoundError(f"no cost ledger: python -m grpo_mini cost --ledger {ledger}")
    found = read_lines(ledger)
    keys = ("max_new_tokens", "group_size")
    return sorted(
        found,
        key=lambda c: (c["grpo"]["trainable parameters"], *(c["run"][key] for key in keys)),
    )


def saving(ledger: list[dict], figure: str, other: str = "ppo") -> list[float]:
    """What GRPO saves of ``figure`` in each cell."""
    return [1 - cell["grpo"][figure] / cell[other][figure] for cell in ledger]


def span(values: list[float]) -> str:
    """From the least to the most, in percent."""
    low, high = f"{min(values):.0%}", f"{max(values):.0%}"
    return low if low == high else f"{low} to {high}"


def c2(runs: Path) -> Verdict:
    ledger = cells(runs)
    trainable, resident = (saving(ledger, f"{kind} parameters") for kind in
                           ("trainable", "resident"))  # fmt: skip
    shared = saving(ledger, "trainable parameters", "ppo-shared")
    # A reward model of the policy's size is resident in both.
    judged = [
        1 - (cell["grpo"]["resident parameters"] + cell["grpo"]["trainable parameters"])
        / (cell["ppo"]["resident parameters"] + cell["grpo"]["trainable parameters"])
        for cell in ledger
    ]  # fmt: skip
    kinds = {
        "trainable parameters": trainable,
        "resident ones with a reference": resident,
        "those of a critic on the policy's backbone": shared,
    }
    words = {
        name: HOLDS if all(abs(value - 0.5) < 0.02 for value in values) else FAILS
        for name, values in kinds.items()
    }
    word, condition = all_of(words, "it counts")
    return Verdict(
        word,
        f"{span(trainable)} fewer trainable parameters (and, where no reference is held, resident "
        f"ones). With a reference {span(resident)} fewer resident ones, with a reward model too "
        f"{span(judged)}; against a value head on the policy's own backbone {max(shared):.1%}. "
        f"Counted, so without an interval.",
        ("cost",),
        condition,
    )


def processor_saving(grpo: list[Run], ppo: list[Run], comparisons: int = 1) -> Interval:
    """Share of the processor time that GRPO saves on the same number of samples."""

    def worked(run: Run) -> float:
        return log(run.rows[-1]["cpu_seconds"] / run.rows[-1]["samples"])

    ratio = difference(grpo, ppo, worked, comparisons)
    return Interval(1 - exp(ratio.mean), 1 - exp(ratio.high), 1 - exp(ratio.low))


def c3(runs: Path) -> Verdict:
    ledger = cells(runs)
    saved = saving(ledger, "seconds in all")
    shared = saving(ledger, "seconds in all", "ppo-shared")
    low, high = 0.3 - MATTERS, 0.4 + MATTERS
    smaller, larger = sum(value < low for value in saved), sum(value > high for value in saved)
    right = len(ledger) - smaller - larger
    pairs = rivals(runs, "ppo", "ppo-groups")
    words, found = every(
        {name: partial(processor_saving, *pair) for name, pair in pairs.items()},
        lambda interval: inside(interval, low, high),
    )
    parts = [HOLDS] * right + [FAILS] * (smaller + larger) + [*words.values()]
    word, _ = all_of({str(i): part for i, part in enumerate(parts)}, "")
    raced = "; ".join(f"{name} {interval.percent()}" for name, interval in found.items())
    # A prompt with G samples costs GRPO G times what PPO pays for it with one.
    prompts = [
        cell["run"]["group_size"] * (1 - value) for cell, value in zip(ledger, saved, strict=True)
    ]
    return Verdict(
        word,
        f"On the same number of samples {span(saved)} less over group sizes, response lengths and "
        f"models (of {len(ledger)} cells {smaller} below 25% and {larger} above 45%); against a "
        f"shared backbone {span(shared)}. In the race, processor time saved, against: {raced} "
        f"({seeds_of(*chain(*pairs.values()))}). On the same number "
        f"of prompts GRPO takes {min(prompts):.1f} to {max(prompts):.1f} times as long as PPO with "
        f"one sample.",
        ("cost", *RACES.values()),
        f"read off {right} of {len(ledger)} cells ({larger} save more, {smaller} less) and "
        f"{[*words.values()].count(HOLDS)} of {len(words)} races",
    )


def c4(runs: Path) -> Verdict:
    ledger = cells(runs)
    kinds = ("weights", "gradients", "optimiser state", "peak")
    own = {kind: saving(ledger, f"{kind} MB") for kind in kinds}
    # At the tiny model's size the process itself is most of the peak.
    size = ledger[-1]["run"]["model"]
    large = [cell for cell in ledger if cell["run"]["model"] == size]
    shared = saving(large, "peak MB", "ppo-shared")
    word, condition = all_of(
        {
            "a backbone of its own": HOLDS
            if min(map(min, own.values())) > 0 else FAILS,
            "the one of the policy": HOLDS if min(shared) > MATTERS else FAILS,
        },
        "the critic has",
    )  # fmt: skip
    return Verdict(
        word,
        f"Weights {span(own['weights'])} less, gradients {span(own['gradients'])}, optimiser state "
        f"{span(own['optimiser state'])}. The peak of a whole step, the process included, "
        f"{span(own['peak'])} over all cells and {span(saving(large, 'peak MB'))} at {size}'s "
        f"size; there against a shared backbone {span(shared)}. Measured in main memory.",
        ("cost",),
        condition,
    )


# ---------------------------------------------------------------------------- biased judges


def harm(judges: dict[str, list[Run]], algorithm: str, bias: str) -> Interval:
    """Final accuracy under a biased judge minus that under the fair one."""
    found = difference(judges[f"{algorithm}-{bias}"], judges[f"{algorithm}-fair"], final)
    return found.within(-1, 1)


def taught_by(runs: Path) -> dict[str, tuple[list[Run], list[Run]]]:
    """GRPO's and PPO's runs under each judge of "judges", by the names that sentences use."""
    judges = load("judges", runs)
    names = {
        "fair": "rewards are right or wrong",
        "offset": "some questions have higher rewards",
        "scale": "each question has a reward scale",
        "shifted": "all rewards rise halfway",
        "flipped": "one reward in five is flipped",
        "length": "length is rewarded too",
    }
    return {name: (judges[f"grpo-{kind}"], judges[f"ppo-{kind}"]) for kind, name in names.items()}


def without_idle(
    pairs: dict[str, tuple[list[Run], list[Run]]],
) -> dict[str, tuple[list[Run], list[Run]]]:
    """Those where at least one of the two learns: two flat curves are equal, and say nothing."""
    return {
        name: pair
        for name, pair in pairs.items()
        if max(plain.mean(map(gain, group)) for group in pair) >= SAME
    }


def moved_by(judge: Reward) -> float:
    """Largest change that a biased judge makes to a relative reward, std of the group included.

    Sixty-four groups of eight responses of two lengths, in which one to seven are right.
    """
    task, rng, largest = TASKS["chain-sums"], random.Random(0), 0.0
    for i, record in enumerate(task.dataset(64, seed=0)):
        wrong = record | {"answer": str(int(record["answer"]) + 1)}
        texts = [
            task.demonstrate(rng, record if k <= i % 7 else wrong, think=k % 2 == 0)
            for k in range(8)
        ]
        columns = {"prompts": [record["prompt"]] * 8, "answer": [record["answer"]] * 8,
                   "trainer_state": SimpleNamespace(global_step=0)}  # fmt: skip
        paid = [torch.tensor(reward(completions=texts, **columns), dtype=torch.float64)
                for reward in (task.reward, judge)]  # fmt: skip
        fair, biased = (compute_relative_rewards(rewards, 8)[0] for rewards in paid)
        largest = max(largest, float((biased - fair).abs().max()))
    return largest


def c5(runs: Path) -> Verdict:
    judges = load("judges", runs)
    biases = {
        "an offset of the prompt": ("offset", offset(4.0)),
        "a unit of the prompt": ("scale", scale(8.0)),
        "a bonus for length": ("length", length_bonus(0.02)),
    }
    moved = {name: moved_by(judge) for name, (_, judge) in biases.items()}
    words = {name: HOLDS if change < EXACT else FAILS for name, change in moved.items()}
    word, condition = all_of(words, "the bias is")
    trained = "; ".join(
        f"{name}: GRPO {harm(judges, 'grpo', label)}, PPO {harm(judges, 'ppo', label)}"
        for name, (label, _) in biases.items()
    )
    lost = ", ".join(
        f"{sum(map(collapsed, judges[f'{algorithm}-length']))} {algorithm.upper()}"
        for algorithm in ("grpo", "ppo")
    )
    return Verdict(
        word,
        "Largest change of a relative reward, the group's std included: "
        + "; ".join(f"{name} {change:.1g}" for name, change in moved.items())
        + f". In training, change of the final accuracy against a fair judge: {trained}. Collapsed "
        f"under the bonus for length: {lost}. (Noise is no bias: with one reward in five flipped, "
        f"GRPO {harm(judges, 'grpo', 'flipped')}, PPO {harm(judges, 'ppo', 'flipped')}.) "
        f"{seeds_of(judges['grpo-fair'], judges['ppo-fair'])}.",
        ("judges",),
        condition,
    )


def c7(runs: Path) -> Verdict:
    judges = load("judges", runs)
    grpo, ppo = harm(judges, "grpo", "shifted"), harm(judges, "ppo", "shifted")
    errors = [bootstrap([mean_of(run, "value_loss", *steps) for run in judges["ppo-shifted"]])
              for steps in ((11, 15), (16, 20), (26, 30))]  # fmt: skip
    moved = moved_by(shifted(after=0, by=4.0))
    return Verdict(
        HOLDS if moved < EXACT and not_worse(grpo) != FAILS else FAILS,
        f"A constant added to all rewards changes a relative reward by {moved:.1g}. When every "
        f"reward rises by 4 in the middle of the training, final accuracy changes by "
        f"{grpo} under GRPO and by {ppo} under PPO. Its critic's squared error is {errors[0]} in "
        f"the five steps before, {errors[1]} in the five after, {errors[2]} in the last five "
        f"({seeds_of(judges['grpo-shifted'], judges['ppo-shifted'])}).",
        ("judges",),
    )


def c11(runs: Path) -> Verdict:
    judges = load("judges", runs)
    ends = {name: list(map(final, judges[name]))
            for name in ("grpo-scale", "grpo-fair", "centred-scale", "centred-fair")}  # fmt: skip
    standardised = [(1.0, ends["grpo-scale"]), (-1.0, ends["grpo-fair"])]
    centred = [(1.0, ends["centred-scale"]), (-1.0, ends["centred-fair"])]
    spared = contrast(standardised + [(-weight, values) for weight, values in centred])
    return Verdict(
        better(spared),
        f"With rewards in units that differ up to 64-fold from prompt to prompt, final accuracy "
        f"changes by {contrast(standardised)} with the group's standard deviation and by "
        f"{contrast(centred)} without: it spares {spared} "
        f"({seeds_of(judges['grpo-scale'], judges['centred-scale'])}).",
        ("judges",),
    )


# ---------------------------------------------------------------------------- stability


def known_by_critic(run: Run) -> float:
    """Share of the returns' variance that the critic knows: its mean over all steps."""
    return mean_of(run, "explained_variance")


def known_by_group(run: Run) -> float:
    """Share of the rewards' variance that the mean of the others of the group knows.

    For a run without normalisation: leaving its own reward out makes each relative reward larger
    by G / (G - 1).
    """
    size = run.header["config"]["group_size"]
    rows = [row for row in run.rows if row.get("raw_reward_std")]
    return plain.mean(
        1 - (size / (size - 1) * row["relative_reward_std"] / row["raw_reward_std"]) ** 2
        for row in rows
    )


def endured(run: Run) -> float:
    """Accuracy at the end, 0 if it diverged."""
    return 0.0 if "diverged" in run.header else final(run)


def c6(runs: Path) -> Verdict:
    stability, judges = load("stability", runs), load("judges", runs)
    pairs = rivals(runs, "ppo")
    rates = [name.removeprefix("grpo-") for name in stability if name.startswith("grpo-")]
    both = {rate: stability[f"grpo-{rate}"] + stability[f"ppo-{rate}"] for rate in rates}
    # Where every run of both collapses, all end at 0: equal, and it says nothing.
    alive = [rate for rate in rates if not all(map(collapsed, both[rate]))]
    weights = {"grpo": 1 / len(alive or rates), "ppo": -1 / len(alive or rates)}
    figures = {
        "what the baseline knows of the reward": [
            (1.0, list(map(known_by_group, judges["centred-fair"]))),
            (-1.0, list(map(known_by_critic, judges["ppo-fair"]))),
        ],
        "accuracy at raised learning rates": [
            (weight, list(map(endured, stability[f"{algorithm}-{rate}"])))
            for algorithm, weight in weights.items()
            for rate in alive or rates
        ],
        "the drop after the best measurement": [
            (sign / len(pairs), list(map(drop, group)))
            for pair in pairs.values()
            for sign, group in zip((-1, 1), pair, strict=True)
        ],
    }
    words, found = every(
        {name: partial(contrast, groups, 10_000, 0) for name, groups in figures.items()}, better
    )
    known, raised, drops = found.values()
    if not alive:
        words["accuracy at raised learning rates"] = UNDECIDED
    fallen = {
        algorithm: {(run.seed, rate) for rate in rates for run in stability[f"{algorithm}-{rate}"]
                    if collapsed(run)}
        for algorithm in ("grpo", "ppo")
    }  # fmt: skip
    only = [len(fallen["grpo"] - fallen["ppo"]), len(fallen["ppo"] - fallen["grpo"])]
    word, condition = all_of(words, "it is about", together=True)
    raced = seeds_of(*chain(*pairs.values()))
    return Verdict(
        word,
        f"Share of the rewards' variance that the baseline knows, mean of the others of the group "
        f"minus critic, which also sees what is written so far: {known}. Final accuracy at "
        f"{len(alive)} of {len(rates)} raised learning rates (at the others all collapse), GRPO "
        f"minus PPO: {raised}; of {len(both[rates[0]]) // 2 * len(rates)} runs each, "
        f"{len(fallen['grpo'])} and {len(fallen['ppo'])} collapsed (sign test p = "
        f"{sign_test(*only):.2f}). Drop from the best to the last measurement at the tuned rate, "
        f"PPO minus GRPO: {drops} ({seeds_of(*stability.values())}; race: {raced}).",
        ("judges", "stability", *RACES.values()),
        condition,
    )


# ---------------------------------------------------------------------------- groups


def noise_of_mean(race: dict[str, list[Run]], size: int) -> float:
    """Root mean square error of a group's mean at the start, over the held-out problems."""
    rates = [c / run.header["samples_at_end"] for run in race["start"] for c in run.header["right"]]
    return (plain.mean(p * (1 - p) for p in rates) / size) ** 0.5


def c9(runs: Path) -> Verdict:
    groups, race = load("group-size", runs), load(RACES["sums"], runs)
    sizes = sorted(int(name[1:]) for name in groups)
    words, against = every(
        {f"G = {size}": minus(groups[f"G{size}"], groups["G4"], final) for size in sizes
         if size != 4},
        no_gain,
    )  # fmt: skip
    steadier = contrast(
        [(sign / 2, [mean_of(run, "silent_group_share") for run in groups[f"G{size}"]])
         for size, sign in ((2, 1), (4, 1), (8, -1), (16, -1))]
    )  # fmt: skip
    if set(words.values()) == {HOLDS}:
        best_is_four = HOLDS
    else:
        best_is_four = FAILS if FAILS in words.values() else UNDECIDED
    word, condition = all_of(
        {"large groups being steadier": better(steadier), "4 being the size": best_is_four},
        "it is about",
    )
    noise = ", ".join(f"{noise_of_mean(race, g):.2f} at {g}" for g in (2, 4, 8, 16))
    return Verdict(
        word,
        f"Share of silent groups, sizes 2 and 4 minus 8 and 16: {steadier}. Noise of the group's "
        f"mean at the start, from the measured chances to solve: {noise}. Final accuracy on the "
        f"same number of samples, minus that at G = 4: {each(against)} "
        f"({seeds_of(*groups.values())}).",
        ("group-size", RACES["sums"]),
        condition,
    )


def c10(runs: Path) -> Verdict:
    lost = {n: n - len(compute_relative_rewards(torch.rand(n), 4)[0]) for n in (8, 9, 10, 11)}
    cut = all(loss == n % 4 for n, loss in lost.items())
    return Verdict(
        ONLY_WHEN if cut else FAILS,
        f"Of 8, 9, 10 and 11 rewards in groups of 4, {listed(list(map(str, lost.values())))} are "
        f"lost. Where each prompt is sampled G times, as here, a batch is always whole.",
        (),
        "groups are cut from a batch of another size",
    )


def c12(runs: Path) -> Verdict:
    race = load(RACES["sums"], runs)
    means = {
        "relative rewards": [abs(row["relative_reward_mean"]) for run in race["grpo"]
                             for row in run.rows if "relative_reward_mean" in row],
        "PPO's standardised advantages": [abs(row["advantage_mean"]) for run in race["ppo"]
                                          for row in run.rows if "advantage_mean" in row],
    }  # fmt: skip
    largest = ", ".join(f"{name} {max(values):.0e}" for name, values in means.items())
    return Verdict(
        HOLDS if max(map(max, means.values())) < EXACT else FAILS,
        f"Largest absolute mean of {sum(map(len, means.values())):,} steps: {largest}.",
        (RACES["sums"],),
    )


# ---------------------------------------------------------------------------- which one?


def statements(module) -> int:
    """How many statements a file has, docstrings not counted."""
    nodes = [node for node in ast.walk(ast.parse(inspect.getsource(module)))
             if isinstance(node, ast.stmt)]  # fmt: skip
    texts = [node for node in nodes if isinstance(node, ast.Expr)]
    return len(nodes) - sum(isinstance(node.value, ast.Constant) for node in texts)


def c13(runs: Path) -> Verdict:
    reasons = {"memory (C4)": c4, "samples (C8)": c8, "a biased judge (C5)": c5}
    saved = saving(cells(runs), "seconds in all")
    raced = [processor_saving(*pair) for pair in rivals(runs, "ppo", "ppo-groups").values()]
    saves = min(saved) > MATTERS and all(interval.low > MATTERS for interval in raced)
    written = {"grpo.py": statements(grpo_file), "ppo.py": statements(ppo_file)}
    words = {
        "time": HOLDS if saves else FAILS,
        **{name: judge(runs).word for name, judge in reasons.items()},
        "a simple loop": HOLDS if written["grpo.py"] < written["ppo.py"] else FAILS,
    }
    word, condition = all_of(words, "the reason is")
    return Verdict(
        word,
        "; ".join(f"{name}: {verdict}" for name, verdict in words.items())
        + f" (time saved {span(saved)} in the cost ledger; grpo.py has {written['grpo.py']} "
        f"statements, ppo.py {written['ppo.py']}).",
        ("cost", *RACES.values(), "judges"),
        condition + (", each under its own condition" if ONLY_WHEN in words.values() else ""),
    )


def sparse_or_long(runs: Path) -> dict[str, tuple[list[Run], list[Run]]]:
    """PPO's and GRPO's runs where rewards are rare or far away, by the names sentences use."""
    horizon, found = load("horizon", runs), {}
    for label in horizon:
        algorithm, kind = label.split("-")
        if algorithm == "grpo" and kind != "rare":
            found[f"sums of {kind[0]} terms"] = horizon[f"ppo-{kind}"], horizon[label]
    if "sparse" in NOT_YET_RECORDED:  # the first edition's, which a group cancels by question
        found["one question in ten is rewarded"] = horizon["ppo-rare"], horizon["grpo-rare"]
        return found
    sparse = load("sparse", runs)
    names = {
        "hidden": "one question in ten is rewarded, by a hidden mark",
        "visible": "one question in ten is rewarded, by a visible mark",
        "response": "one right answer in ten is rewarded",
    }
    return found | {
        name: (sparse[f"ppo-{kind}"], sparse[f"grpo-{kind}"]) for kind, name in names.items()
    }


def c14(runs: Path) -> Verdict:
    race = load(RACES["sums"], runs)
    pairs = {re.sub("(.*) is rewarded", r"rewards for \1", name): pair
             for name, pair in sparse_or_long(runs).items()}  # fmt: skip
    idle = [name for name in pairs if name not in without_idle(pairs)]
    words, found = every({name: minus(*pair, final) for name, pair in pairs.items()}, better)
    words |= dict.fromkeys(idle, UNDECIDED)
    known = bootstrap([mean_of(run, "explained_variance", 11) for run in race["ppo"]])
    words["a value estimate"] = better(known)
    word, condition = all_of(words, "the point is")
    nobody = f" Neither learns: {listed(idle)}." if idle else ""
    recorded = () if "sparse" in NOT_YET_RECORDED else ("sparse",)
    return Verdict(
        word,
        f"Final accuracy, PPO in GRPO's groups minus GRPO: {each(found)} "
        f"({seeds_of(*chain(*pairs.values()))}).{nobody} After ten steps the critic of the race "
        f"explains {known} of the returns' variance. PPO has lambda 1 here, and every reward comes "
        f"with the last token: credit per token and delay inside a response were not put to the "
        f"test.",
        ("horizon", *recorded, RACES["sums"]),
        condition,
    )
