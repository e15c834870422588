"""The bug zoo as a clinic: an unnamed recorded run beside its healthy twin, and a diagnosis.

The twins share start policy, seed, prompts and options; one line of code differs. Until the first
update they have even sampled the same responses, so whatever differs in step 1 is the bug's doing.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from IPython.display import HTML, display
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..experiments.look import MEANT, TICK, style
from ..experiments.statistics import RUNS, Run, load
from .cards import Card, say, show, table
from .predictions import Prediction, Question

__all__ = ["CASES", "NAMES", "SUSPECTS", "diagnose", "examine", "series", "source", "twins"]

NAMES = {
    "eval_accuracy": "right answers, held out",
    "reward_mean": "mean reward in training",
    "length_mean": "response length (tokens)",
    "truncated_share": "cut-off responses",
    "think_share": "share that thinks first",
    "entropy": "entropy (nats)",
    "grad_norm": "length of the gradient",
    "clip_fraction": "share of clipped tokens",
    "log_prob_distance": "|re-scored - sampled| log-prob",
    "silent_group_share": "silent groups",
    "relative_reward_mean": "mean relative reward",
    "relative_reward_std": "spread of relative rewards",
    "policy_loss": "policy loss",
    "kl": "KL to the start policy",
    "explained_variance": "explained variance of the critic",
    "value_loss": "loss of the critic",
}
WIDE = {"explained_variance", "value_loss"}  # their range needs a logarithm beyond 1
COMMON = ("reward_mean", "eval_accuracy", "length_mean", "entropy")


@dataclass(frozen=True)
class Case:
    """A patient.

    Attributes:
        sick, healthy: settings of the experiment "zoo".
        panels: two metrics shown beside the four common ones.
        sign: the metric that betrays the bug.
        step: the step at which ``sign`` is read.
        why: two sentences.
        known: what ``sign`` has to be then, where that is known without a twin.
    """

    sick: str
    healthy: str
    panels: tuple[str, str]
    sign: str
    step: int
    why: str
    known: str = ""


SUSPECTS = {  # in no order; two are never guilty
    "k1-loss": "k1 stands in the loss as the KL penalty",
    "no-end-token": "the end token is masked out of the loss",
    "cut-off-paid": "cut-off responses are paid like finished ones",
    "inverted-clip": "the clip takes the maximum where the advantage is negative",
    "random-value-head": "the critic's head starts at random",
    "no-template": "the prompt goes in without its chat template",
    "shifted-groups": "cut-off responses are thrown away before the groups are formed",
    "moving-reference": "the KL penalty's reference is trained along with the policy",
    "other-temperature": "tokens are scored at another temperature than they were sampled at",
    "shouting-silence": "silent groups are not set to exactly 0",
}

CASES = {
    "A": Case(
        "no-template", "healthy", ("silent_group_share", "think_share"), "reward_mean", 1,
        "The policy continues a bare text that it has never been trained on, and is hardly ever "
        "paid. Silent groups make no update: look at a prompt and a response before you look at "
        "an algorithm.",
        "the start's accuracy",
    ),
    "B": Case(
        "other-temperature", "healthy-hot", ("log_prob_distance", "clip_fraction"),
        "log_prob_distance", 1,
        "Before the first update sampler and scorer are the same policy, so their log-probs have "
        "to agree up to rounding. They do not, so every ratio is wrong and part of the tokens is "
        "clipped at once.",
        "0",
    ),
    "C": Case(
        "no-end-token", "healthy", ("policy_loss", "truncated_share"), "policy_loss", 1,
        "On-policy, with the mean per response, the loss is minus the mean advantage, which is 0. "
        "Here it is not: the token weights of a response no longer sum to 1.",
        "0",
    ),
    "D": Case(
        "shouting-silence", "healthy-form", ("relative_reward_mean", "relative_reward_std"),
        "relative_reward_mean", 1,
        "Inside a group the relative rewards sum to 0, whatever the rewards. Here they do not. "
        "Eight rewards of 0.3 have a mean that rounding puts off by a last bit, and a standard "
        "deviation of almost 0: divided by it, the last bit becomes an advantage of about 1, in a "
        "group in which nobody was better. (Eight rewards of 0 or of 1 have an exact mean.)",
        "0",
    ),
    "E": Case(
        "shifted-groups", "healthy-short", ("truncated_share", "silent_group_share"),
        "silent_group_share", 1,
        "After the first cut-off response a group holds samples of two prompts, and those seldom "
        "agree: there are too few silent groups. Praise and blame go by which prompt was easy.",
    ),
    "F": Case(
        "inverted-clip", "healthy-again", ("policy_loss", "clip_fraction"),
        "policy_loss", 1,
        "The maximum lets the loss collect gains that the clip is there to refuse, so it falls "
        "much further within a batch, and blamed tokens are pushed on without limit. With one "
        "update a batch nothing would show: all ratios are 1.",
    ),
    "G": Case(
        "k1-loss", "k3-loss", ("kl", "grad_norm"), "grad_norm", 1,
        "In step 1 policy and reference are the same, so a penalty that pulls towards the "
        "reference has no gradient yet. That of k1 is the gradient of log pi, with no reference in "
        "it: noise, no leash, and with a mean per response even a pull towards longer ones.",
    ),
    "H": Case(
        "random-value-head", "healthy-ppo", ("explained_variance", "value_loss"),
        "explained_variance", 1,
        "Explained variance far below 0 means that the critic's values are worse than none. The "
        "first advantages are the noise of its head.",
        "0 or more",
    ),
}  # fmt: skip


def twins(letter: str, runs: Path = RUNS) -> tuple[Run, Run]:
    """The sick run and the healthy one."""
    if letter not in CASES:
        raise ValueError(f"there is no run {letter!r}; there are: {', '.join(CASES)}")
    zoo, case = load("zoo", runs), CASES[letter]
    for setting in (case.sick, case.healthy):
        if setting not in zoo:
            raise FileNotFoundError(
                f"{runs / 'zoo'} has no run {setting!r}; "
                f"python -m grpo_mini experiment zoo --resume --out {runs} makes it"
            )
    return zoo[case.sick][0], zoo[case.healthy][0]


def series(run: Run, metric: str) -> tuple[list[int], list[float]]:
    """Steps and values of a metric."""
    rows = [row for row in run.rows if metric in row]
    return [row["step"] for row in rows], [row[metric] for row in rows]


def picture(letter: str, runs: Path = RUNS) -> Figure:
    """Six curves of both runs."""
    sick, healthy = twins(letter, runs)
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    for axes, metric in zip(figure.subplots(2, 3).flat, COMMON + CASES[letter].panels, strict=True):
        for run, look, name in (
            (healthy, MEANT["right"], "healthy"),
            (sick, MEANT["wrong"], f"run {letter}"),
        ):
            axes.plot(*series(run, metric), label=name, linewidth=2, markersize=4, markevery=5,
                      **look)  # fmt: skip
        axes.set(title=NAMES[metric], xlabel="step")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if metric in WIDE:
            axes.set_yscale("symlog", linthresh=1)
        style(axes)
    figure.axes[0].legend(fontsize=TICK, frameon=False)
    return figure


def source(*things: Callable) -> None:
    """Show the source of functions or classes."""
    for thing in things:
        where = f"{thing.__module__}.{thing.__qualname__}"
        display(Card("note", where, (), inspect.getsource(thing).rstrip()))


def examine(letter: str, runs: Path = RUNS) -> None:
    """Show both runs' curves, in words where they end, step 1 and the responses."""
    sick, healthy = twins(letter, runs)

    def end(metric: str) -> str:
        return f"{series(sick, metric)[1][-1]:.2f} (healthy: {series(healthy, metric)[1][-1]:.2f})"

    show(
        picture(letter, runs),
        f"After {sick.rows[-1]['step']} steps run {letter} has a mean reward of "
        f"{end('reward_mean')}, held-out accuracy {end('eval_accuracy')}, entropy "
        f"{end('entropy')}; its responses are {end('length_mean')} tokens long.",
    )
    say("What differs in step 1:")
    display(first_step(letter, runs))
    say("What they write after the last step:")
    display(responses(letter, runs))


def first_step(letter: str, runs: Path = RUNS) -> HTML:
    """The metrics of step 1 that differ, as a table.

    What is a product of rounding alone in both runs, below 1e-5, counts as the same.
    """
    sick, healthy = ({row["step"]: row for row in run.rows}[1] for run in twins(letter, runs))
    rows = [
        {"metric": NAMES[name], "healthy": healthy[name], f"run {letter}": sick[name]}
        for name in NAMES
        if name in sick and name in healthy
        and abs(sick[name] - healthy[name]) > 1e-5 + 1e-3 * abs(healthy[name])
    ]  # fmt: skip
    return table(rows or [{"metric": "none differs in step 1"}])


def responses(letter: str, runs: Path = RUNS) -> HTML:
    """What each run writes to four prompts after its training, as a table."""
    sick, healthy = twins(letter, runs)
    rows = []
    for (question, a), (_, b) in zip(
        healthy.header["examples"], sick.header["examples"], strict=True
    ):
        rows += [{"question": question, "": "healthy", "response": a},
                 {"question": "", "": f"run {letter}", "response": b}]  # fmt: skip
    return table(rows)


def _verdict(letter: str, runs: Path) -> tuple[int, str]:
    case = CASES[letter]
    pair = twins(letter, runs)
    a, b = (dict(zip(*series(run, case.sign), strict=True))[case.step] for run in pair)
    right = list(SUSPECTS).index(pair[0].header["setting"])
    return right, f"In step {case.step}: {NAMES[case.sign]} {a:.2g}, in the healthy run {b:.2g}."


def diagnose(letter: str, runs: Path = RUNS) -> Prediction:
    """Which line is wrong in run ``letter``?"""
    twins(letter, runs)
    question = Question(
        f"What is wrong in run {letter}?",
        tuple(SUSPECTS.values()),
        partial(_verdict, letter, runs),
        CASES[letter].why,
    )
    return Prediction(letter, {letter: question})
