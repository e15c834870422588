"""Predict first: commit to an answer, then the widget's own numbers give the verdict."""

import html
from collections.abc import Callable
from dataclasses import dataclass

import ipywidgets

from ..experiments.judging import processor_saving
from ..experiments.microscope import read_rollouts
from ..experiments.statistics import RUNS, Run, at, difference, final, load
from .widgets import (
    AdvantageMixer,
    BiasLab,
    Difficulty,
    GAEExplorer,
    GroupSize,
    Length,
    NormalisationStack,
)
from .widgets.base import Lab
from .widgets.microscope import RECORDED
from .widgets.names import WORDS, named


def numbers(lab: type[Lab], **values) -> dict:
    """What a widget computes in its start state, with some controls moved."""
    start = {name: control.value for name, control in lab.make_controls().items()}
    return lab.compute(start | values)


def compared(new: float, old: float) -> int:
    """0 if ``new`` is larger than ``old``, 1 if they are the same to a hundredth, 2 if smaller."""
    if abs(new - old) <= 0.01 * abs(old):
        return 1
    return 0 if new > old else 2


@dataclass(frozen=True)
class Question:
    """A question whose right option is computed.

    Attributes:
        text: what is asked.
        options: possible answers.
        verdict: -> (index of the right option, the numbers that show it, in words).
        why: two sentences.
    """

    text: str
    options: tuple[str, ...]
    verdict: Callable[[], tuple[int, str]]
    why: str


def _one_right() -> tuple[int, str]:
    first, second = numbers(AdvantageMixer)["advantages"][:2]
    found = [(1.0, -1.0), (1.5, -0.5), (0.75, -0.25)]
    right = min(range(3), key=lambda i: abs(found[i][0] - first) + abs(found[i][1] - second))
    return right, f"The right response gets {first:.2f}, each wrong one {second:.2f}."


def _constant() -> tuple[int, str]:
    before = numbers(AdvantageMixer)["advantages"][0]
    after = numbers(AdvantageMixer, **AdvantageMixer.presets["reward + 1"])["advantages"][0]
    return compared(
        after, before
    ), f"The first advantage is {before:.2f} before and {after:.2f} after."


def _mixed_baseline() -> tuple[int, str]:
    options = {"scale": "none", "baseline_weight": 0.5}
    before = numbers(AdvantageMixer, **options)["advantages"][0]
    plus_one = AdvantageMixer.presets["reward + 1"]
    after = numbers(AdvantageMixer, **options, **plus_one)["advantages"][0]
    return compared(
        after, before
    ), f"The first advantage is {before:.2f} before and {after:.2f} after."


def _silent() -> tuple[int, str]:
    few = numbers(NormalisationStack, batch=True, silent=1)["factor"]
    many = numbers(NormalisationStack, batch=True, silent=9)["factor"]
    return compared(
        many, few
    ), f"The factor is {few:.2f} with one silent group and {many:.2f} with nine."


def _hard_groups() -> tuple[int, str]:
    share = numbers(GroupSize, p=0.1, group_size=4)["silent"]
    right = min(range(3), key=lambda i: abs((1 / 3, 1 / 2, 2 / 3)[i] - share))
    return right, f"{share:.1%} of the groups are silent."


def _pairs() -> tuple[int, str]:
    found = numbers(Difficulty, group_size=2, p=0.02)
    ratio = found["here"] / found["middle"]
    return compared(
        ratio, 1.0
    ), f"The hard prompt has {ratio:.2f} times the weight of the medium one."


def _long_response() -> tuple[int, str]:
    short, long = numbers(Length)["token"]["sequence"]
    evidence = f"A token of the long response weighs {long:.3f}, of the short one {short:.3f}."
    return compared(long, short), evidence


def _blind_critic() -> tuple[int, str]:
    advantages = numbers(GAEExplorer, lam=0.0, knowledge=0.0)["advantages"]
    learning = [t + 1 for t, a in enumerate(advantages) if abs(a) > 1e-6]
    right = 0 if len(learning) == len(advantages) else 1 if learning else 2
    return right, f"Tokens with an advantage other than 0: {learning}, of {len(advantages)}."


def _ahead(first: str, second: str, figure: Callable[[Run], float]) -> tuple[int, str]:
    race = load("race", RUNS)
    found = difference(race[first], race[second], figure)
    evidence = f"The difference is {found}, mean and 95% interval over seeds."
    return (0 if found.low > 0 else 2 if found.high < 0 else 1), evidence


def _same_seconds() -> tuple[int, str]:
    race = load("race", RUNS)
    seconds = min(run.rows[-1]["cpu_seconds"] for run in race["grpo"] + race["ppo"])
    right, evidence = _ahead("grpo", "ppo", lambda run: at(run, "cpu_seconds", seconds))
    return right, f"At {seconds:.0f} processor seconds: {evidence[0].lower()}{evidence[1:]}"


def _time_saved() -> tuple[int, str]:
    saved = processor_saving(load("race", RUNS), "ppo")
    right = 0 if saved.mean < 0.25 else 1 if saved.mean < 0.5 else 2
    return right, f"It saves {saved.percent()} of PPO's processor time."


SURELY = ("surely higher", "not surely different", "surely lower")


def _new_offset() -> tuple[int, str]:
    found = numbers(BiasLab, **BiasLab.presets["offset, critic"])
    praised = sum(a > 0 and r == 0 for a, r in zip(found["biased"], found["rewards"], strict=True))
    right = min(range(3), key=lambda i: abs((0, 2, 4)[i] - praised))
    lowest = min(found["biased"])
    return right, f"{praised} of them do; the lowest advantage of the group is {lowest:.2f}."


def _unscaled() -> tuple[int, str]:
    before = numbers(BiasLab, std=False)["biased"][0]
    after = numbers(BiasLab, **BiasLab.presets["scale, no std"])["biased"][0]
    return compared(
        after, before
    ), f"The first advantage is {before:.2f} before and {after:.2f} after."


def _length_bonus() -> tuple[int, str]:
    found = numbers(BiasLab, **BiasLab.presets["length bonus"])
    turned = found["turned"]
    right = min(range(3), key=lambda i: abs((0, 1, 3)[i] - len(turned)))
    return right, f"Responses on the wrong side of 0: {turned}."


QUESTIONS = {
    "5.A": Question(
        "Four responses, one of them right, rewards 1 and 0, divided by the group's std. Which "
        "advantages do the right one and the wrong ones get?",
        ("1 and -1", "1.5 and -0.5", "0.75 and -0.25"),
        _one_right,
        "The rare outcome is the surprising one, so it gets the large advantage. All four still "
        "sum to 0: one times 1.5 and three times -0.5.",
    ),
    "5.B": Question(
        "The judge gets generous and adds 1 to every reward of the group. The advantages …",
        ("rise", "stay the same", "fall"),
        _constant,
        "The group's mean rises by 1 too, and the difference stays. This is the bias that a group "
        "cancels.",
    ),
    "5.C": Question(
        "The same generous judge, no std, but now half of the baseline is mixed back in "
        "(weight of baseline 0.5). The advantages …",
        ("rise", "stay the same", "fall"),
        _mixed_baseline,
        "Mixing the mean back in means subtracting only half of it. The group is no longer blind "
        "to a constant: with weight 1 it is REINFORCE without a baseline.",
    ),
    "5.D": Question(
        "All advantages of the batch are standardised once more. More and more groups fall "
        "silent. The advantages of the other groups …",
        ("grow", "stay the same", "shrink"),
        _silent,
        "Silent groups are zeros; they make the batch's standard deviation small, and everything "
        "is divided by it. So the step size grows just when there is less to learn from.",
    ),
    "5.E": Question(
        "A prompt is solved one time in ten, and a group has 4 samples. Which share of the groups "
        "is silent?",
        ("about a third", "about half", "about two thirds"),
        _hard_groups,
        "All four wrong has the probability 0.9 to the power of 4. Hard prompts waste small "
        "groups.",
    ),
    "5.F": Question(
        "Groups of 2. Every prompt has a pull of its own, p(1-p). On top of that: does dividing by "
        "the std give a very hard prompt (solved one time in fifty) more, the same or less extra "
        "weight than one solved half of the time?",
        ("more", "the same", "less"),
        _pairs,
        "A pair that is not silent always has one right and one wrong response, so it looks the "
        "same for hard and easy prompts. The std's taste for hard prompts needs larger groups.",
    ),
    "5.G": Question(
        "A wrong response of 40 tokens and one of 8, mean per response first (the GRPO paper). A "
        "token of the long one is punished …",
        ("more", "the same", "less"),
        _long_response,
        "Each response has the same weight, shared out among its tokens. Long wrong answers get "
        "away cheaply, which Dr. GRPO (arXiv 2503.20783) blames for wrong responses that grow.",
    ),
    "5.H": Question(
        "PPO with lambda 0 and a critic that still says 0 everywhere. Which tokens learn from a "
        "reward at the end?",
        ("all of them", "only the last", "none"),
        _blind_critic,
        "With lambda 0 each token is judged by the critic's next value, and the critic knows "
        "nothing. Only the last token sees the reward itself.",
    ),
    "8.A": Question(
        "The judge adds 2 to every response of one prompt. Two of the six are right, four are "
        "wrong. The baseline is a critic that has not noticed yet. How many of the wrong ones get "
        "a positive advantage?",
        ("none", "two", "all four"),
        _new_offset,
        "The offset is not in the baseline, so it is taken for success. On average over many "
        "samples it cancels still; what it leaves is noise, until the critic has learned it.",
    ),
    "8.B": Question(
        "The judge pays one prompt in a unit three times as large. Group mean, but no division by "
        "the std. This prompt's advantages …",
        ("grow", "stay the same", "shrink"),
        _unscaled,
        "The mean takes away what is added, not what is multiplied. This prompt now pulls three "
        "times as hard as the others. With the std it would not.",
    ),
    "8.C": Question(
        "The judge pays 0.05 for each character on top. Group mean and std. How many of the six "
        "responses end on another side of 0 than they deserve?",
        ("none", "one", "three"),
        _length_bonus,
        "Two long wrong responses are praised and a short right one is blamed. The group cannot "
        "know which differences are deserved.",
    ),
}

# Their answers come from the recorded race, so they may change with it.
RACE_QUESTIONS = {
    "6.A": Question(
        "PPO (lambda 1, a sample a prompt) and GRPO have trained on the same number of samples. "
        "GRPO's accuracy is …",
        SURELY,
        lambda: _ahead("grpo", "ppo", final),
        "PPO learns its baseline, GRPO samples it, and pays for that with fewer prompts a step. "
        "Further below the two are taken apart.",
    ),
    "6.B": Question(
        "Which share of PPO's processor time does GRPO save on the same number of samples?",
        ("less than a quarter", "a quarter to a half", "more than a half"),
        _time_saved,
        "The critic is scored and updated. On top of that, GRPO reads each prompt once for its "
        "whole group and leaves silent groups out of the update.",
    ),
    "6.C": Question(
        "Both stop when the faster one has had all of its samples. GRPO's accuracy is then …",
        SURELY,
        _same_seconds,
        "Now the slower one has seen fewer samples. Whether that shows depends on where on its "
        "curve it stops: look at more than one place.",
    ),
    "6.D": Question(
        "PPO again, with lambda 1 and with 0.95. With 0.95 the accuracy at the end is …",
        SURELY,
        lambda: _ahead("ppo-lam0.95", "ppo", final),
        "A smaller lambda trusts the critic more: less noise, and bias while the critic is wrong. "
        "Responses are short here, so there is not much of either.",
    ),
}


def _moves() -> list[tuple[float, bool, list[float]]]:
    """Of each response in the recorded rollouts: advantage, is its group silent, changes."""
    groups = [group["samples"] for row in read_rollouts(RECORDED)[1].values() for group in row]
    return [
        (s["advantage"], len({other["reward"] for other in samples}) == 1,
         [a - b for a, b in zip(s["after"], s["before"], strict=True)])
        for samples in groups for s in samples
    ]  # fmt: skip


def _blamed() -> tuple[int, str]:
    changes = [c for advantage, _, moved in _moves() if advantage < 0 for c in moved]
    less, more = (sum(sign * c > 0 for c in changes) / len(changes) for sign in (-1, 1))
    far = [c for c in changes if abs(c) > 0.01]
    right = 0 if less == 1 else 1 if less > 0.5 else 2
    return (
        right,
        f"Of {len(changes):,} tokens with a negative advantage {less:.0%} became less likely and "
        f"{more:.0%} more; the others did not move in the fourth digit. Of the {len(far)} that "
        f"moved by more than 0.01 nats, {sum(c < 0 for c in far) / len(far):.0%} fell.",
    )


def _in_silence() -> tuple[int, str]:
    def mean(silent: bool) -> float:
        sizes = [abs(c) for _, is_silent, moved in _moves() if is_silent == silent for c in moved]
        return sum(sizes) / len(sizes)

    quiet, loud = mean(True), mean(False)
    right = 0 if quiet == 0 else 1 if quiet < loud / 2 else 2
    return (
        right,
        f"A token of a silent group moves by {quiet:.1g} nats on average, others by {loud:.1g}.",
    )


ROLLOUT = {
    "7.A": Question(
        "A response was wrong, so each of its tokens has the same negative advantage. After the "
        "update, how many of them are less likely than before?",
        ("all of them", "more than half, not all", "at most half"),
        _blamed,
        "The pull on a token fades as its probability nears 1, and most tokens of a response "
        "are certain: they only copy. And the right responses of the step praise many of the same "
        "tokens.",
    ),
    "7.B": Question(
        "A group is silent, all its advantages are 0. Compared with those of other groups, the "
        "log-probs of its tokens move …",
        ("not at all", "less than half as much", "half as much or more"),
        _in_silence,
        "Nothing pulls on them, but all responses share one set of weights, so the other "
        "groups' update moves them too. Late in training most silent groups are solved ones, "
        "whose tokens are nearly certain and hardly move.",
    ),
}


class Prediction:
    """A question to commit to, before the numbers that answer it are looked at.

    Args:
        questions: where ``number`` is looked up; None: all that the notebooks share.
    """

    def __init__(self, number: str, questions: dict[str, Question] | None = None):
        questions = questions or QUESTIONS | RACE_QUESTIONS | ROLLOUT
        if number not in questions:
            raise ValueError(f"there is no question {number!r}; there are: {', '.join(questions)}")
        self.number, self.question = number, questions[number]
        self.committed: int | None = None
        self.options = ipywidgets.RadioButtons(
            options=[(text, i) for i, text in enumerate(self.question.options)],
            index=None,
            layout=ipywidgets.Layout(width="auto"),
        )
        self.button = ipywidgets.Button(description="Commit", tooltip=f"commit to {number}")
        self.button.on_click(lambda _: self.commit())
        self.answer = ipywidgets.HTML()
        text = ipywidgets.HTML(f"<b>Question {number}.</b> {html.escape(self.question.text)}")
        self.answer.add_class(WORDS)
        self.view = named(ipywidgets.VBox([text, self.options, self.button, self.answer]))

    def commit(self, index: int | None = None) -> str:
        """Commit to an option, by default the chosen one; the verdict as text."""
        if index is not None:
            self.options.index = index
        if self.options.index is None:
            self.answer.value = "Choose first: a guess you commit to is worth ten you do not."
            return self.answer.value
        self.committed = self.options.index
        right, evidence = self.question.verdict()
        hit = self.committed == right
        head = "Yes." if hit else f"Not quite: {self.question.options[right]}."
        self.answer.value = (
            f"<b>{html.escape(head)}</b> {html.escape(evidence)} {html.escape(self.question.why)}"
        )
        self.options.disabled = self.button.disabled = True
        return self.answer.value

    def _repr_mimebundle_(self, **options) -> dict:
        """The live question, and for pages without a kernel the answer folded away."""
        right, evidence = self.question.verdict()
        chosen = "".join(f"<li>{html.escape(option)}</li>" for option in self.question.options)
        static = (
            f"<b>Question {self.number}.</b> {html.escape(self.question.text)}<ul>{chosen}</ul>"
            f"<details><summary>Answer</summary>{html.escape(self.question.options[right])}. "
            f"{html.escape(evidence)} {html.escape(self.question.why)}</details>"
        )
        bundle = self.view._repr_mimebundle_(**options)
        text = f"Question {self.number}. {self.question.text}"
        return {**bundle, "text/html": static, "text/plain": text}


def predict(number: str) -> Prediction:
    """Question ``number``: 5.x of the lab, 6.x of the race, 8.x of judges, M1 and M2."""
    return Prediction(number)
