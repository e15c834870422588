"""How each claim is judged: from the recorded runs to a verdict, a function a claim.

No figure and no verdict is written down here. Where a verdict looks at several intervals, each is
widened so that all of them together hold the truth in 95% of the cases.
"""

import ast
import inspect
import random
import statistics as plain
from math import inf
from pathlib import Path

import torch

from .. import grpo as grpo_file
from .. import ppo as ppo_file
from ..advantages import compute_relative_rewards
from ..tasks import TASKS
from .judges import Reward, length_bonus, offset, scale
from .record import read_lines
from .statistics import (
    RUNS,
    TARGET,
    Interval,
    Run,
    area,
    bootstrap,
    collapsed,
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
    inside,
    listed,
    not_worse,
    sign_test,
)


def seeds_of(*groups: list[Run]) -> str:
    """How many seeds all of these have."""
    common = set.intersection(*({run.seed for run in group} for group in groups))
    return f"{len(common)} seeds"


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


def ppos(race: dict[str, list[Run]]) -> dict[str, str]:
    """PPO's settings of the race, by the names that sentences use."""
    names = {
        "ppo": "PPO with a sample a prompt",
        "ppo-groups": "PPO with GRPO's groups",
        "ppo-lam0.95": "PPO with lambda 0.95",
    }
    return {label: name for label, name in names.items() if label in race}


# ---------------------------------------------------------------------------- accuracy


def c1(runs: Path) -> Verdict:
    race = load("race", runs)
    risen = bootstrap([gain(run) for run in race["grpo"]])
    others = ppos(race)
    against = {
        name: difference(race["grpo"], race[label], final, comparisons=len(others))
        for label, name in others.items()
    }
    words = {not_worse(interval) for interval in against.values()}
    if risen.low > 2 * SAME and words == {HOLDS}:
        word = HOLDS
    else:
        word = FAILS if risen.high < 2 * SAME or FAILS in words else UNDECIDED
    return Verdict(
        word,
        f"Without a critic accuracy rises by {risen}. At the end, GRPO minus: {each(against)} "
        f"({seeds_of(race['grpo'], *(race[label] for label in others))}, "
        f"{race['grpo'][0].rows[-1]['samples']:,} samples).",
        ("race",),
    )


def c8(runs: Path) -> Verdict:
    race = load("race", runs)
    others = {label: name for label, name in ppos(race).items() if label in ("ppo", "ppo-groups")}
    found = {
        name: difference(race["grpo"], race[label], area, comparisons=len(others))
        for label, name in others.items()
    }
    word, condition = all_of({name: better(gain) for name, gain in found.items()},
                             "the rival is")  # fmt: skip
    medians = {
        label: plain.median(reached(run) for run in race[label]) for label in ("grpo", *others)
    }
    needed = ", ".join(
        f"{ppos(race).get(label, 'GRPO')} {f'{median:,.0f}' if median < inf else 'never'}"
        for label, median in medians.items()
    )
    return Verdict(
        word,
        f"Mean accuracy over the same samples, GRPO minus: {each(found)}. Median number of samples "
        f"to {TARGET:.0%}: {needed} ({seeds_of(race['grpo'], race['ppo'])}).",
        ("race",),
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


def processor_saving(race: dict[str, list[Run]], label: str, comparisons: int = 1) -> Interval:
    """Share of the processor time that GRPO saves on the same number of samples."""

    def worked(run: Run) -> float:
        return run.rows[-1]["cpu_seconds"] / run.rows[-1]["samples"]

    others = {run.seed: worked(run) for run in race[label]}
    return bootstrap(
        [1 - worked(run) / others[run.seed] for run in race["grpo"] if run.seed in others],
        comparisons=comparisons,
    )


def c3(runs: Path) -> Verdict:
    ledger = cells(runs)
    saved = saving(ledger, "seconds in all")
    shared = saving(ledger, "seconds in all", "ppo-shared")
    low, high = 0.3 - 0.05, 0.4 + 0.05
    smaller, larger = sum(value < low for value in saved), sum(value > high for value in saved)
    right = len(ledger) - smaller - larger
    race = load("race", runs)
    others = {n: name for n, name in ppos(race).items() if n in ("ppo", "ppo-groups")}
    found = {n: processor_saving(race, n, len(others)) for n in others}
    words = [inside(interval, low, high) for interval in found.values()]
    every = [HOLDS] * right + [FAILS] * (smaller + larger) + words
    raced = "; ".join(f"{others[n]} {interval.percent()}" for n, interval in found.items())
    word, _ = all_of({str(i): each for i, each in enumerate(every)}, "")
    # A prompt with G samples costs GRPO G times what PPO pays for it with one.
    prompts = [
        cell["run"]["group_size"] * (1 - value) for cell, value in zip(ledger, saved, strict=True)
    ]
    return Verdict(
        word,
        f"On the same number of samples {span(saved)} less over group sizes, response lengths and "
        f"models (of {len(ledger)} cells {smaller} below 25% and {larger} above 45%); against a "
        f"shared backbone {span(shared)}. In the race, processor time saved, against: {raced} "
        f"({seeds_of(race['grpo'], race['ppo'])}). On the same number of prompts GRPO takes "
        f"{min(prompts):.1f} to {max(prompts):.1f} times as long as PPO with one sample.",
        ("cost", "race"),
        f"read off {right} of {len(ledger)} cells ({larger} save more, {smaller} less) and "
        f"{words.count(HOLDS)} of {len(words)} races",
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
            "the one of the policy": HOLDS if min(shared) > SAME else FAILS,
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
        columns = {"prompts": [record["prompt"]] * 8, "answer": [record["answer"]] * 8}
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
    words = {name: HOLDS if change < 1e-4 else FAILS for name, change in moved.items()}
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
    return Verdict(
        not_worse(grpo),
        f"When every reward rises by 4 in the middle of the training, final accuracy changes by "
        f"{grpo} under GRPO and by {ppo} under PPO. Its critic's squared error is {errors[0]} in "
        f"the five steps before, {errors[1]} in the five after, {errors[2]} in the last five "
        f"({seeds_of(judges['grpo-shifted'], judges['ppo-shifted'])}).",
        ("judges",),
    )


def c11(runs: Path) -> Verdict:
    judges = load("judges", runs)
    names = ("grpo-scale", "grpo-fair", "centred-scale", "centred-fair")
    ends = {name: {run.seed: final(run) for run in judges[name]} for name in names}
    seeds = sorted(set.intersection(*map(set, ends.values())))
    scaled, fair, centred_scaled, centred_fair = (
        [ends[name][seed] for seed in seeds] for name in names
    )
    standardised = [a - b for a, b in zip(scaled, fair, strict=True)]
    centred = [a - b for a, b in zip(centred_scaled, centred_fair, strict=True)]
    spared = bootstrap([a - b for a, b in zip(standardised, centred, strict=True)])
    return Verdict(
        better(spared),
        f"With rewards in units that differ up to 64-fold from prompt to prompt, final accuracy "
        f"changes by {bootstrap(standardised)} with the group's standard deviation and by "
        f"{bootstrap(centred)} without: it spares {spared} ({len(seeds)} seeds).",
        ("judges",),
    )


# ---------------------------------------------------------------------------- stability


def known_by_critic(run: Run) -> float:
    """Share of the returns' variance that the critic knows: its mean over all steps."""
    return mean_of(run, "explained_variance")


def known_by_group(run: Run) -> float:
    """Share of the rewards' variance that the mean of the others of the group knows.

    For a run without normalisation: leaving the own reward out makes each relative reward larger
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
    stability, race, judges = (load(name, runs) for name in ("stability", "race", "judges"))
    critics = {run.seed: known_by_critic(run) for run in judges["ppo-fair"]}
    known = bootstrap([known_by_group(run) - critics[run.seed] for run in judges["centred-fair"]
                       if run.seed in critics], comparisons=3)  # fmt: skip
    rates = [name.removeprefix("grpo-") for name in stability if name.startswith("grpo-")]
    pairs = {rate: stability[f"grpo-{rate}"] + stability[f"ppo-{rate}"] for rate in rates}
    # Where every run of both collapses, all end at 0: equal, and it says nothing.
    alive = [rate for rate in rates if not all(map(collapsed, pairs[rate]))]
    by_rate = [
        {run.seed: endured(run) - other for run in stability[f"grpo-{rate}"]
         for other in [endured(o) for o in stability[f"ppo-{rate}"] if o.seed == run.seed]}
        for rate in alive or rates
    ]  # fmt: skip
    seeds = sorted(set.intersection(*map(set, by_rate)))
    raised = bootstrap([plain.mean(d[seed] for d in by_rate) for seed in seeds], comparisons=3)
    drops = difference(race["ppo"], race["grpo"], drop, comparisons=3)
    fallen = {
        algorithm: {(run.seed, rate) for rate in rates for run in stability[f"{algorithm}-{rate}"]
                    if collapsed(run)}
        for algorithm in ("grpo", "ppo")
    }  # fmt: skip
    only = [len(fallen["grpo"] - fallen["ppo"]), len(fallen["ppo"] - fallen["grpo"])]
    word, condition = all_of(
        {
            "what the baseline knows of the reward": better(known),
            "accuracy at raised learning rates": better(raised) if alive else UNDECIDED,
            "the drop after the best measurement": better(drops),
        },
        "it is about",
    )
    return Verdict(
        word,
        f"Share of the rewards' variance that the baseline knows, mean of the others of the group "
        f"minus critic, which also sees what is written so far: {known}. Final accuracy at "
        f"{len(alive)} of {len(rates)} raised learning rates (at the others all collapse), GRPO "
        f"minus PPO: {raised}; of {len(rates) * len(seeds)} runs each, {len(fallen['grpo'])} and "
        f"{len(fallen['ppo'])} collapsed (sign test p = {sign_test(*only):.2f}). Drop from the "
        f"best to the last measurement at the tuned rate, PPO minus GRPO: {drops} "
        f"({len(seeds)} seeds; race: {seeds_of(race['grpo'], race['ppo'])}).",
        ("judges", "stability", "race"),
        condition,
    )


# ---------------------------------------------------------------------------- groups


def noise_of_mean(race: dict[str, list[Run]], size: int) -> float:
    """Root mean square error of a group's mean at the start, over the held-out problems."""
    rates = [c / run.header["samples_at_end"] for run in race["start"] for c in run.header["right"]]
    return (plain.mean(p * (1 - p) for p in rates) / size) ** 0.5


def c9(runs: Path) -> Verdict:
    groups, race = load("group-size", runs), load("race", runs)
    sizes = sorted(int(name[1:]) for name in groups)
    four = groups["G4"]
    others = [size for size in sizes if size != 4]
    against = {
        f"G = {size}": difference(groups[f"G{size}"], four, final, comparisons=len(others))
        for size in others
    }
    silence = {size: {run.seed: mean_of(run, "silent_group_share") for run in groups[f"G{size}"]}
               for size in (2, 4, 8, 16)}  # fmt: skip
    seeds = sorted(set.intersection(*map(set, silence.values())))
    steadier = bootstrap(
        [plain.mean(silence[g][s] for g in (2, 4)) - plain.mean(silence[g][s] for g in (8, 16))
         for s in seeds]
    )  # fmt: skip
    if all(interval.high < SAME for interval in against.values()):
        best_is_four = HOLDS
    else:
        best_is_four = FAILS if any(i.low > 0 for i in against.values()) else UNDECIDED
    word, condition = all_of(
        {"large groups being steadier": better(steadier), "4 being the size": best_is_four},
        "it is about",
    )
    noise = ", ".join(f"{noise_of_mean(race, g):.2f} at {g}" for g in (2, 4, 8, 16))
    return Verdict(
        word,
        f"Share of silent groups, sizes 2 and 4 minus 8 and 16: {steadier}. Noise of the group's "
        f"mean at the start, from the measured chances to solve: {noise}. Final accuracy on the "
        f"same number of samples, minus that at G = 4: {each(against)} ({len(seeds)} seeds).",
        ("group-size", "race"),
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
    race = load("race", runs)
    means = {
        "relative rewards": [abs(row["relative_reward_mean"]) for run in race["grpo"]
                             for row in run.rows if "relative_reward_mean" in row],
        "PPO's standardised advantages": [abs(row["advantage_mean"]) for run in race["ppo"]
                                          for row in run.rows if "advantage_mean" in row],
    }  # fmt: skip
    largest = ", ".join(f"{name} {max(values):.0e}" for name, values in means.items())
    return Verdict(
        HOLDS if max(map(max, means.values())) < 1e-4 else FAILS,
        f"Largest absolute mean of {sum(map(len, means.values())):,} steps: {largest}.",
        ("race",),
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
    race, saved = load("race", runs), saving(cells(runs), "seconds in all")
    raced = [processor_saving(race, label, 2) for label in ("ppo", "ppo-groups")]
    saves = min(saved) > SAME and all(interval.low > SAME for interval in raced)
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
        ("cost", "race", "judges"),
        condition + (", each under its own condition" if ONLY_WHEN in words.values() else ""),
    )


def c14(runs: Path) -> Verdict:
    horizon, race = load("horizon", runs), load("race", runs)
    kinds = [name.removeprefix("grpo-") for name in horizon if name.startswith("grpo-")]
    found, parts, idle = {}, {}, []
    for kind in kinds:
        name = "rewards paid one time in ten" if kind == "rare" else f"sums of {kind[0]} terms"
        grpo, ppo = horizon[f"grpo-{kind}"], horizon[f"ppo-{kind}"]
        found[name] = difference(ppo, grpo, final, comparisons=len(kinds))
        if max(plain.mean(map(gain, group)) for group in (grpo, ppo)) < SAME:
            idle.append(name)  # nobody learns: equal, and it says nothing
            parts[name] = UNDECIDED
        else:
            parts[name] = better(found[name])
    known = bootstrap([mean_of(run, "explained_variance", 11) for run in race["ppo"]])
    parts["a value estimate"] = better(known)
    word, condition = all_of(parts, "the point is")
    nobody = f" Neither learns: {listed(idle)}." if idle else ""
    return Verdict(
        word,
        f"Final accuracy, PPO minus GRPO: {each(found)} "
        f"({seeds_of(*horizon.values())}).{nobody} After ten steps the critic of the race explains "
        f"{known} of the returns' variance. PPO has lambda 1 here, and every reward comes with the "
        f"last token: credit per token and delay inside a response were not put to the test.",
        ("horizon", "race"),
        condition,
    )
