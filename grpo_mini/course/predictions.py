"""Predict first: commit to an answer, then the widget's own numbers give the verdict."""

import html
from collections.abc import Callable
from dataclasses import dataclass

import ipywidgets

from ..experiments.evidence import RACES
from ..experiments.judging import processor_saving
from ..experiments.microscope import read_rollouts
from ..experiments.statistics import RUNS, Run, at, difference, final, load
from .memory import remember
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
from .widgets.page import Shown


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


def nearest(figure: float, offered: tuple[float, ...]) -> int:
    """Which of the figures that the options name is closest."""
    return min(range(len(offered)), key=lambda i: abs(offered[i] - figure))


def _one_of_sixteen() -> tuple[int, str]:
    of_four, of_sixteen = (
        numbers(AdvantageMixer, group_size=size)["advantages"][0] for size in (4, 16)
    )
    return nearest(of_sixteen, (1.5, 3.75, 6.0)), (
        f"Of four it gets {of_four:.2f}, of sixteen {of_sixteen:.2f}; the most that a group of G "
        f"can give is (G - 1) over the root of G."
    )


def _overpaid() -> tuple[int, str]:
    before = numbers(AdvantageMixer, **AdvantageMixer.presets["two right"])["advantages"][1]
    paid = numbers(AdvantageMixer, **AdvantageMixer.presets["one overpaid"])["advantages"]
    right = 0 if paid[1] >= before else 1 if paid[1] > 0.01 else 2
    return right, (
        f"The honest one had {before:.2f} and now has {paid[1]:.2f}; the overpaid one has "
        f"{paid[0]:.2f}."
    )


def _mixed_baseline() -> tuple[int, str]:
    plain, mixed = (
        numbers(AdvantageMixer, baseline_weight=weight, **AdvantageMixer.presets["reward + 1"])[
            "advantages"
        ][1]
        for weight in (0.0, 0.5)
    )
    right = 2 if mixed > 0 else 0 if abs(mixed - plain) < 0.01 else 1
    return right, f"Without the mix it gets {plain:.2f}, with it {mixed:.3f}."


def _loudest() -> tuple[int, str]:
    pulls = numbers(NormalisationStack)["sums"]
    hard, medium = pulls["hard"], pulls["medium"]
    right = 1 if abs(hard - medium) < 0.01 * medium else 0 if hard > medium else 2
    return right, (
        f"Sizes summed over a group's eight advantages: hard {hard:.2f}, medium {medium:.2f}, easy "
        f"{pulls['easy']:.2f}."
    )


def _nine_of_twelve() -> tuple[int, str]:
    few, many = (
        numbers(NormalisationStack, batch=True, silent=silent)["factor"] for silent in (0, 9)
    )
    return nearest(many / few, (2.0, 4.0, 1.0)), (
        f"Standardising the batch multiplies them by {few:.2f} with no silent group, by {many:.2f} "
        f"with nine of twelve."
    )


def _larger_groups() -> tuple[int, str]:
    small, large = (numbers(GroupSize, p=0.1, group_size=size) for size in (4, 16))
    return compared(large["speaking"], small["speaking"]), (
        f"Silent are {small['silent']:.0%} of the groups of 4 and {large['silent']:.0%} of those "
        f"of 16; but that leaves {small['speaking']:.0f} of {small['prompts']} prompts, and "
        f"{large['speaking']:.0f} of {large['prompts']}."
    )


def _hard_pull() -> tuple[int, str]:
    pairs, many = (
        numbers(Difficulty, **Difficulty.presets["its pull"] | {"group_size": size})
        for size in (2, 32)
    )
    return nearest(many["pull"], (1 / 13, 1 / 5, 1.0)), (
        f"Its pull is {pairs['pull']:.2f} times that of the medium one in pairs and "
        f"{many['pull']:.2f} times in groups of 32; its weight {many['here'] / many['middle']:.2f} "
        f"times."
    )


def _anothers_length() -> tuple[int, str]:
    before, after = (numbers(Length, second=tokens)["token"] for tokens in (20, 40))
    weights = {mode: (before[mode][0], after[mode][0]) for mode in before}
    told = ", ".join(f"{mode} {old:.4f} and {new:.4f}" for mode, (old, new) in weights.items())
    old, new = weights["token"]
    return nearest(new / old, (0.58, 0.5, 1.0)), f"Before and after: {told}."


def _discounted() -> tuple[int, str]:
    found = numbers(GAEExplorer, **GAEExplorer.presets["discounted"])["advantages"]
    praised = [t + 1 for t, a in enumerate(found) if a > 0]
    right = 0 if len(praised) == len(found) else 1 if len(praised) > 4 else 2
    return (
        right,
        f"Praised: {len(praised)} of {len(found)}, token {' and token '.join(map(str, praised))}; "
        f"the first gets {found[0]:.2f}.",
    )


def _ahead(first: str, second: str, figure: Callable[[Run], float]) -> tuple[int, str]:
    race = load(RACES["sums"], RUNS)
    found = difference(race[first], race[second], figure)
    evidence = f"The difference is {found}, mean and 95% interval over seeds."
    return (0 if found.low > 0 else 2 if found.high < 0 else 1), evidence


def _same_seconds() -> tuple[int, str]:
    race = load(RACES["sums"], RUNS)
    seconds = min(run.rows[-1]["cpu_seconds"] for run in race["grpo"] + race["ppo"])
    right, evidence = _ahead("grpo", "ppo", lambda run: at(run, "cpu_seconds", seconds))
    return right, f"At {seconds:.0f} processor seconds: {evidence[0].lower()}{evidence[1:]}"


def _time_saved() -> tuple[int, str]:
    race = load(RACES["sums"], RUNS)
    saved = processor_saving(race["grpo"], race["ppo"])
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
        "Advantages are divided by the group's std (divisor G - 1). The only right response of "
        "four gets 1.5. The only right response of sixteen gets about …",
        ("1.5", "3.75", "6"),
        _one_of_sixteen,
        "The rarer the success, the larger its advantage, and the more samples there are, the "
        "rarer it can be. The std fixes the sum of a group's squares; how much of it a single "
        "response can hold grows with the group.",
    ),
    "5.B": Question(
        "Two of four responses are right and get 1, the others get 0. By a bug the judge pays the "
        "first one 3. The advantage of the other right response …",
        ("stays or rises", "shrinks, but stays positive", "is exactly 0"),
        _overpaid,
        "The mean is now 1, which is just what it was paid. In a group one wrong reward is an "
        "error in everybody's baseline.",
    ),
    "5.C": Question(
        "A generous judge pays each response to one question 1 more than it deserves: the right "
        "one 2, three wrong ones 1. Group mean and std as always, and then half of the group's "
        "mean reward is added to each advantage (weight of baseline 0.5). A wrong one's advantage "
        "is …",
        ("negative, as it was without the mix", "negative, but closer to 0", "positive"),
        _mixed_baseline,
        "Half of the mean reward of 1.25 comes on top of a relative reward of -0.5. The constant, "
        "which the group's mean had taken away, is back, and praises what is wrong.",
    ),
    "5.D": Question(
        "Group std, groups of 8: a hard question (1 of 8 right) and a medium one (4 of 8). In each "
        "group drop the signs of the eight advantages and add them up. The hard one's sum is …",
        ("larger", "the same", "smaller"),
        _loudest,
        "The std makes the sums of *squares* the same. Seven small advantages and a large one have "
        "a smaller sum of sizes than eight equal ones.",
    ),
    "5.E": Question(
        "Group std, then all advantages of the batch, those of silent groups too, are divided by "
        "their common std. At the start of a training none of twelve groups is silent, late in it "
        "nine are. By this second division the advantages of the three that speak become …",
        ("twice as large as at the start", "four times as large", "as large as at the start"),
        _nine_of_twelve,
        "With three quarters of zeros the variance is a quarter and the spread a half. So each "
        "group that speaks pulls twice as hard: a learning rate that rises without having been "
        "told to.",
    ),
    "5.F": Question(
        "256 samples a step: 64 prompts in groups of 4, or 16 prompts in groups of 16. Each prompt "
        "is solved one time in ten. From groups of 4 to groups of 16 the number of prompts a step "
        "whose group is not silent …",
        ("rises", "stays the same", "falls"),
        _larger_groups,
        "Fewer groups are silent, but there are four times fewer groups. What large groups buy is "
        "a quieter baseline, and more samples for each of the prompts that speak.",
    ),
    "5.G": Question(
        "Group std. Averaged over all its groups of 2, silent ones included, a question solved one "
        "time in fifty pulls a thirteenth as much as a medium one (p = 0.5). The std favours hard "
        "questions more, the larger the group. In groups of 32 it pulls, against a medium one in "
        "groups of 32, …",
        ("still about a thirteenth as much", "about a fifth as much", "about as much"),
        _hard_pull,
        "The std more than doubles its weight. But the pull is the weight times p(1-p), and that "
        "is thirteen times smaller: rarely is there a right answer to learn from. However large "
        "the group, the most that is left of it is the root, 0.28.",
    ),
    "5.H": Question(
        "A batch of two responses, one mean over all their tokens (token). Yours has 8 tokens and "
        "does not change, the other one grows from 20 tokens to 40. The weight of each token of "
        "yours …",
        ("falls to about 60%", "falls to 50%", "stays as it is"),
        _anothers_length,
        "All tokens share one weight, one over their number: 28 before, 48 after. Under the other "
        "two your tokens notice nothing. Which tokens count is fair under token; how long the step "
        "is depends on the company.",
    ),
    "5.I": Question(
        "A right response of 8 tokens, reward 1 with the last. The critic knows how likely the "
        "answer will be right, and says so before each token: 0.3 thrice, 0.7 thrice, 0.9 twice. "
        "gamma is 0.8, lambda 1. How many of the tokens get a positive advantage?",
        ("all 8", "5 to 7", "at most 4"),
        _discounted,
        "Seen from the first token the reward of 1 has shrunk to 0.8 to the power of 7, less than "
        "the chance that the critic had promised. A critic trained with the discount promises "
        "less; then early tokens are not blamed, but hear next to nothing of the reward. Language "
        "models are mostly trained with gamma 1.",
    ),
    "9.A": Question(
        "The judge adds 2 to every response of one prompt. Two of the six are right, four are "
        "wrong. The baseline is a critic that has not noticed yet. How many of the wrong ones get "
        "a positive advantage?",
        ("none", "two", "all four"),
        _new_offset,
        "The offset is not in the baseline, so it is taken for success. On average over many "
        "samples it cancels still; what it leaves is noise, until the critic has learned it.",
    ),
    "9.B": Question(
        "The judge pays one prompt in a unit three times as large. Group mean, but no division by "
        "the std. This prompt's advantages …",
        ("grow", "stay the same", "shrink"),
        _unscaled,
        "The mean takes away what is added, not what is multiplied. This prompt now pulls three "
        "times as hard as the others. With the std it would not.",
    ),
    "9.C": Question(
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
        "The notebook takes the two apart.",
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
        "A smaller lambda trusts the critic more: less noise in the gradient, and bias while the "
        "critic is wrong. What both leave of a difference in accuracy is this.",
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


def shared_questions() -> dict[str, Question]:
    """All that the notebooks ask, by number."""
    return QUESTIONS | RACE_QUESTIONS | ROLLOUT


class Prediction(Shown):
    """A question to commit to, before the numbers that answer it are looked at.

    Args:
        questions: where ``number`` is looked up; None: all that the notebooks share.
    """

    def __init__(self, number: str, questions: dict[str, Question] | None = None):
        self.remembered = questions is None
        questions = questions or shared_questions()
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
        if self.remembered:
            remember(self.number)
        right, evidence = self.question.verdict()
        hit = self.committed == right
        head = "Yes." if hit else f"Not quite: {self.question.options[right]}."
        self.answer.value = (
            f"<b>{html.escape(head)}</b> {html.escape(evidence)} {html.escape(self.question.why)}"
        )
        self.options.disabled = self.button.disabled = True
        return self.answer.value

    def static(self) -> tuple[str, str]:
        """The question, with its answer folded away."""
        right, evidence = self.question.verdict()
        chosen = "".join(f"<li>{html.escape(option)}</li>" for option in self.question.options)
        page = (
            f"<b>Question {self.number}.</b> {html.escape(self.question.text)}<ul>{chosen}</ul>"
            f"<details><summary>Answer</summary>{html.escape(self.question.options[right])}. "
            f"{html.escape(evidence)} {html.escape(self.question.why)}</details>"
        )
        return page, f"Question {self.number}. {self.question.text}"


def predict(number: str) -> Prediction:
    """Question ``number``: 5.x of the lab, 6.x of the race, 7.x of the rollouts, 9.x of judges."""
    return Prediction(number)
