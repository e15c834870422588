"""The source's claims C1 to C14, each with a verdict computed from the recorded runs.

No figure and no verdict is written down here: change the runs, and the ledger changes.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from ..advantages import compute_relative_rewards
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

HOLDS, ONLY_WHEN, FAILS = "holds", "holds only when", "does not hold"
UNDECIDED, UNMEASURED = "not decided", "not measured yet"
SAME = 0.05  # a difference in accuracy whose whole interval is smaller than this is none


@dataclass(frozen=True)
class Verdict:
    """What became of a claim.

    Attributes:
        word: one of the five above.
        measured: the figures with their intervals.
        files: folders below ``data/runs`` that the figures come from.
        condition: what "holds only when" goes on with.
    """

    word: str
    measured: str
    files: tuple[str, ...]
    condition: str = ""

    def __str__(self) -> str:
        return f"{self.word} {self.condition}" if self.word == ONLY_WHEN else self.word


@dataclass(frozen=True)
class Claim:
    """A claim of the source, what others found, and how it is judged here."""

    number: str
    text: str
    literature: str
    judge: Callable[[Path], Verdict]

    def verdict(self, runs: Path = RUNS) -> Verdict:
        """The verdict on the recorded runs."""
        try:
            return self.judge(runs)
        except (FileNotFoundError, KeyError) as error:
            return Verdict(UNMEASURED, str(error), ())


def seeds_of(*groups: list[Run]) -> str:
    """How many seeds stand behind a figure."""
    numbers = sorted({len(group) for group in groups})
    return f"{'-'.join(map(str, numbers))} seeds"


def compared(found: Interval) -> str:
    """In a word: more, less, the same, or unclear."""
    if found.low > 0:
        return "more"
    if found.high < 0:
        return "less"
    return "the same" if -SAME < found.low and found.high < SAME else "unclear"


def cells(runs: Path) -> list[dict]:
    """The cost ledger's cells."""
    files = sorted((runs / "cost").glob("*.json"))
    if not files:
        raise FileNotFoundError("no cost ledger: python -m grpo_mini cost --ledger data/runs/cost")
    return [json.loads(path.read_text()) for path in files]


def c1(runs: Path) -> Verdict:
    race = load("race", runs)
    grpo, ppo = race["grpo"], race["ppo"]
    gain = bootstrap([final(run) - run.evaluations()[0]["eval_accuracy"] for run in grpo])
    against = difference(grpo, ppo, final)
    word = (
        HOLDS if gain.low > 0.1 and against.low > -SAME else FAILS if gain.high < 0 else UNDECIDED
    )
    return Verdict(
        word,
        f"Without a critic accuracy rises by {gain}; at the end it differs from PPO's by {against} "
        f"({seeds_of(grpo, ppo)}, {grpo[0].rows[-1]['samples']:,} samples).",
        ("race",),
    )


def c2(runs: Path) -> Verdict:
    ledger = cells(runs)
    shares = {
        what: [1 - cell["grpo"][f"{what} parameters"] / cell["ppo"][f"{what} parameters"]
               for cell in ledger]
        for what in ("trainable", "resident")
    }  # fmt: skip
    shared = [1 - c["grpo"]["trainable parameters"] / c["ppo-shared"]["trainable parameters"]
              for c in ledger]  # fmt: skip
    # A reward model of the policy's size is resident in both.
    judged = [
        1 - (cell["grpo"]["resident parameters"] + cell["grpo"]["trainable parameters"])
        / (cell["ppo"]["resident parameters"] + cell["grpo"]["trainable parameters"])
        for cell in ledger
    ]  # fmt: skip
    trainable, resident = min(shares["trainable"]), min(shares["resident"])
    right = abs(trainable - 0.5) < 0.01
    return Verdict(
        ONLY_WHEN if right and abs(resident - 0.5) > 0.05 else HOLDS if right else FAILS,
        f"{trainable:.0%} fewer trainable parameters. Of the resident ones, with the reference, "
        f"{resident:.0%}; with a "
        f"reward model too, {min(judged):.0%}; against a value head on the policy's own trunk, "
        f"{max(shared):.1%}. Counted, so without an interval.",
        ("cost",),
        "trainable parameters are counted and the critic is as large as the policy",
    )


def saving(ledger: list[dict], figure: str, other: str = "ppo") -> list[float]:
    """What GRPO saves of ``figure`` in each cell."""
    return [1 - cell["grpo"][figure] / cell[other][figure] for cell in ledger]


def c3(runs: Path) -> Verdict:
    ledger = cells(runs)
    saved = saving(ledger, "seconds in all")
    shared = saving(ledger, "seconds in all", "ppo-shared")
    inside = [0.3 <= value <= 0.4 for value in saved]
    word = HOLDS if all(inside) else FAILS if max(saved) < 0.3 else ONLY_WHEN
    # A prompt with G samples costs GRPO G times what PPO pays for it with one.
    prompts = [
        cell["run"]["group_size"] * (1 - value) for cell, value in zip(ledger, saved, strict=True)
    ]
    return Verdict(
        word,
        f"At the same number of samples {min(saved):.0%} to {max(saved):.0%} over group sizes, "
        f"response lengths and models ({sum(inside)} of {len(ledger)} cells inside 30 to 40%); "
        f"against a shared trunk {min(shared):.0%} to {max(shared):.0%}. At the same number of "
        f"prompts GRPO takes {min(prompts):.1f} to {max(prompts):.1f} times as long as PPO with "
        f"one sample.",
        ("cost",),
        "sampling and update happen to take their shares of time so; the saving is no constant",
    )


def c4(runs: Path) -> Verdict:
    ledger = cells(runs)
    parts = {part: saving(ledger, f"{part} MB") for part in ("weights", "gradients", "peak")}
    # At the tiny model's size the process itself is most of the peak.
    large = [cell for cell in ledger if cell["run"]["model"] != "tiny"] or ledger
    peak = saving(large, "peak MB")
    word = HOLDS if min(min(values) for values in parts.values()) > 0 else ONLY_WHEN
    return Verdict(
        word,
        f"Weights {min(parts['weights']):.0%} less, gradients and optimiser state "
        f"{min(parts['gradients']):.0%} less, the peak of a whole step {min(peak):.0%} to "
        f"{max(peak):.0%} less at {large[-1]['run']['model']}'s size. Against a shared trunk: "
        f"{min(saving(large, 'peak MB', 'ppo-shared')):.0%} to "
        f"{max(saving(large, 'peak MB', 'ppo-shared')):.0%}.",
        ("cost",),
        "the critic has a backbone of its own",
    )


def harm(judges: dict[str, list[Run]], algorithm: str, bias: str) -> Interval:
    """Final accuracy under a biased judge minus that under the fair one."""
    return difference(judges[f"{algorithm}-{bias}"], judges[f"{algorithm}-fair"], final)


def c5(runs: Path) -> Verdict:
    judges = load("judges", runs)
    biases = ("offset", "scale", "length", "flipped")
    found = {bias: (harm(judges, "grpo", bias), harm(judges, "ppo", bias)) for bias in biases}
    kept = [bias for bias, (grpo, _) in found.items() if grpo.low > -SAME]
    hurt = [bias for bias, (grpo, _) in found.items() if grpo.high < 0]
    word = (
        HOLDS if len(kept) == 4 else FAILS if "offset" in hurt else ONLY_WHEN if hurt else UNDECIDED
    )
    figures = "; ".join(f"{bias}: GRPO {grpo}, PPO {ppo}" for bias, (grpo, ppo) in found.items())
    return Verdict(
        word,
        f"Change of the final accuracy against a fair judge: {figures} "
        f"({seeds_of(*judges.values())}).",
        ("judges",),
        f"the bias is one of: {', '.join(kept)}; not under: {', '.join(hurt)}",
    )


def c6(runs: Path) -> Verdict:
    stability, race = load("stability", runs), load("race", runs)
    shares = {name: (sum(map(collapsed, group)), len(group)) for name, group in stability.items()}
    fallen = {
        algorithm: sum(n for name, (n, _) in shares.items() if name.startswith(algorithm))
        for algorithm in ("grpo", "ppo")
    }
    drops = difference(race["grpo"], race["ppo"], drop)
    each = ", ".join(f"{name} {n} of {of}" for name, (n, of) in sorted(shares.items()))
    if fallen["grpo"] == fallen["ppo"]:
        word = UNDECIDED
    else:
        word = HOLDS if fallen["grpo"] < fallen["ppo"] and drops.high < SAME else FAILS
    return Verdict(
        word,
        f"Collapsed runs at raised learning rates: {each}. Drop from the best to the last "
        f"measurement at the tuned rate, GRPO minus PPO: {drops} ({seeds_of(race['grpo'])}).",
        ("stability", "race"),
    )


def c7(runs: Path) -> Verdict:
    judges = load("judges", runs)
    grpo, ppo = harm(judges, "grpo", "shifted"), harm(judges, "ppo", "shifted")
    word = HOLDS if grpo.low > -SAME else FAILS if grpo.high < 0 else UNDECIDED
    return Verdict(
        word,
        f"When every reward rises by 4 in the middle of the training, final accuracy changes by "
        f"{grpo} under GRPO and by {ppo} under PPO ({seeds_of(judges['grpo-shifted'])}).",
        ("judges",),
    )


def c8(runs: Path) -> Verdict:
    race = load("race", runs)
    found = difference(race["grpo"], race["ppo"], area)
    groups = difference(race["grpo"], race["ppo-groups"], area)
    each = {name: [reached(run) for run in race[name]] for name in ("grpo", "ppo")}
    medians = {name: sorted(values)[len(values) // 2] for name, values in each.items()}
    word = {"more": HOLDS, "less": FAILS, "the same": FAILS, "unclear": UNDECIDED}[compared(found)]
    return Verdict(
        word,
        f"Mean accuracy over the same samples, GRPO minus PPO: {found}; minus PPO with GRPO's "
        f"groups: {groups}. Median samples to {TARGET:.0%}: GRPO {medians['grpo']:,.0f}, PPO "
        f"{medians['ppo']:,.0f} ({seeds_of(race['grpo'], race['ppo'])}).",
        ("race",),
    )


def c9(runs: Path) -> Verdict:
    groups = load("group-size", runs)
    four = groups["G4"]
    against = {
        name: difference(group, four, final) for name, group in groups.items() if name != "G4"
    }
    better = [name for name, found in against.items() if found.low > 0]
    figures = "; ".join(f"{name}: {found}" for name, found in sorted(
        against.items(), key=lambda pair: int(pair[0][1:])))  # fmt: skip
    return Verdict(
        FAILS if better else HOLDS if all(f.high < SAME for f in against.values()) else UNDECIDED,
        f"Final accuracy at the same number of samples, minus that of groups of 4: {figures} "
        f"({seeds_of(*groups.values())}).",
        ("group-size",),
    )


def c10(runs: Path) -> Verdict:
    lost = {n: n - len(compute_relative_rewards(torch.rand(n), 4)[0]) for n in (8, 9, 10, 11)}
    whole = all(loss == n % 4 for n, loss in lost.items())
    return Verdict(
        ONLY_WHEN if whole else FAILS,
        "Of 8, 9, 10 and 11 rewards in groups of 4, "
        f"{', '.join(map(str, lost.values()))} are lost. Where each prompt is sampled G times, as "
        f"here, a batch is always whole.",
        (),
        "groups are cut from a batch of other size",
    )


def c11(runs: Path) -> Verdict:
    judges = load("judges", runs)
    with_std = harm(judges, "grpo", "scale")
    centred = difference(judges["centred-scale"], judges["centred-fair"], final)
    gained = difference(judges["grpo-scale"], judges["centred-scale"], final)
    word = HOLDS if gained.low > 0 else FAILS if gained.high < SAME else UNDECIDED
    return Verdict(
        word,
        f"With rewards in units that differ 64-fold from prompt to prompt, final accuracy changes "
        f"by {with_std} with the group's standard deviation and by {centred} without; with minus "
        f"without: {gained} ({seeds_of(judges['grpo-scale'])}).",
        ("judges",),
    )


def c12(runs: Path) -> Verdict:
    race = load("race", runs)
    rows = [row for run in race["grpo"] for row in run.rows if "relative_reward_mean" in row]
    means = [abs(row["relative_reward_mean"]) for row in rows]
    ppo = [abs(row["advantage_mean"]) for run in race["ppo"] for row in run.rows
           if "advantage_mean" in row]  # fmt: skip
    return Verdict(
        HOLDS if max(*means, *ppo) < 1e-4 else FAILS,
        f"Largest absolute mean over {len(means):,} steps: relative rewards {max(means):.0e}, "
        f"PPO's standardised advantages {max(ppo):.0e}.",
        ("race",),
    )


def c13(runs: Path) -> Verdict:
    parts = {"compute": c3(runs).word, "samples": c8(runs).word, "a biased judge": c5(runs).word}
    good = [name for name, word in parts.items() if word in (HOLDS, ONLY_WHEN)]
    return Verdict(
        HOLDS if all(word == HOLDS for word in parts.values()) else ONLY_WHEN if good else FAILS,
        "Reason by reason: "
        + "; ".join(f"{name} ({number}) {word}" for (name, word), number in
                    zip(parts.items(), ("C3", "C8", "C5"), strict=True)) + ".",
        ("cost", "race", "judges"),
        f"the reason is {' or '.join(good)}",
    )  # fmt: skip


def c14(runs: Path) -> Verdict:
    horizon = load("horizon", runs)
    kinds = [name.removeprefix("grpo-") for name in horizon if name.startswith("grpo-")]
    found = {
        kind: difference(horizon[f"ppo-{kind}"], horizon[f"grpo-{kind}"], final) for kind in kinds
    }
    better = [kind for kind, interval in found.items() if interval.low > 0]
    worse = [kind for kind, interval in found.items() if interval.high < 0]
    word = ONLY_WHEN if better else FAILS if worse else UNDECIDED
    figures = "; ".join(f"{kind}: {interval}" for kind, interval in found.items())
    return Verdict(
        word,
        f"Final accuracy, PPO minus GRPO, for sums of so many terms and for rewards "
        f"paid one time in ten: {figures} ({seeds_of(*horizon.values())}).",
        ("horizon",),
        f"the task is one of: {', '.join(better)}",
    )


CLAIMS = (
    Claim("C1", "No critic is needed: the group mean is enough of a baseline to learn.",
          "GRPO, 2402.03300, and most reasoning models since.", c1),
    Claim("C2", "About 50% fewer model parameters.",
          "Follows from the sizes: -50% trainable, -33% resident, -25% with a reward model.", c2),
    Claim("C3", "About 30-40% less training time.",
          "A public PPO log of Qwen2.5-0.5B on GSM8K spends 33.5% of a step on the critic.", c3),
    Claim("C4", "Less GPU memory.",
          "ReMax, 2310.10505, another method without a critic: -46% at 7B.", c4),
    Claim("C5", "Comparing inside a group removes a reward model's systematic bias.",
          "Derived: an offset per prompt cancels; what depends on the response does not.", c5),
    Claim("C6", "The group mean is more reliable than a learned value; training is more stable.",
          "Mixed: R1, 2501.12948v2, for GRPO against lambda 0.95; Search-R1, 2503.09516, and VAPO, "
          "2504.05118, against.", c6),
    Claim("C7", "The baseline adapts by itself when the reward distribution shifts.",
          "Derived: a constant in a group cancels exactly.", c7),
    Claim("C8", "Better sample efficiency: every sample learns from the others of its group.",
          "No matched comparison at this size was found in public.", c8),
    Claim("C9", "Small groups are noisier, large ones steadier but lose detail; start with 4.",
          "2510.00977: groups of 2 keep 97.6% of what 16 reach; 2603.01162: most differences are "
          "insignificant over five seeds.", c9),
    Claim("C10", "A batch that is no multiple of the group size loses data.",
          "True of the source's code by construction.", c10),
    Claim("C11", "Standardising inside the group reduces the effect of reward variance.",
          "Derived: a positive factor per prompt cancels. With 0/1 rewards it weighs hard prompts "
          "more, Dr. GRPO, 2503.20783.", c11),
    Claim("C12", "The mean of relative rewards and of standardised advantages is near 0.",
          "By construction.", c12),
    Claim("C13", "Choose GRPO when compute or samples are short, the judge is biased, or a simple "
          "loop matters.",
          "Follows from C3, C5 and C8.", c13),
    Claim("C14", "Choose PPO when a value estimate is wanted, rewards are sparse or delayed, or "
          "credit per token is needed.",
          "VAPO, 2504.05118, beats DAPO with a pre-trained critic.", c14),
)  # fmt: skip
