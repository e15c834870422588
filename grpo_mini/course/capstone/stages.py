"""What each stage of the capstone checks, and the card that says so.

A card says "ok" or "problem" where a rule decides, and the rule stands in it. What only a reader
can judge it leaves open.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

import torch
from torch import Tensor

from ...experiments.judging import gain
from ...experiments.statistics import Interval, Run, final, welch
from ...experiments.verdicts import kind
from ...models import TINY_QWEN, load_tokenizer
from ...tasks import Task, has_thought, is_right
from ...trainer import TrainerConfig
from ..cards import Card
from .attacks import Paid, RewardTrouble, call, demonstrations

LONGEST = 160  # tokens of a demonstration: more trains slowly
MUCH = 0.5  # of the reward for an answer that never looks at the question
SILENT, EASY, RARE = 0.75, 0.9, 0.02
GROWN = 0.05  # a change of a share over a training that is no noise of its steps
SAID = {  # of GRPO against PPO, by the interval of their difference
    "better": "GRPO is better",
    "worse": "PPO is better",
    "no difference seen": "they are as good as each other",
    "unclear": "these seeds do not decide",
}
LOST = SAID | {"better": "GRPO lost less", "worse": "PPO lost less"}  # where neither gained


# ---------------------------------------------------------------------------- 1: the task


def examples(task: Task, number: int = 4) -> list[dict]:
    """A few problems, each answered at once and with thinking."""
    rng = random.Random(1)
    records = task.dataset(number, seed=1)
    return [
        {"question": record["prompt"][-1]["content"],
         "at once": task.demonstrate(rng, record, False),
         "with thinking": task.demonstrate(rng, record, True)}
        for record in records
    ]  # fmt: skip


def task_card(task: Task) -> Card:
    """Enough problems, the same ones each time, and demonstrations that are right."""
    size = TrainerConfig.train_problems
    try:
        records = task.dataset(size, seed=0)
        exam = task.dataset(500, seed=0, held_out=True)
    except ValueError as error:
        return Card("problem", "Too few problems", (
            f"{error}. A training wants {size:,} different ones and 500 of one in sixteen that it "
            "never sees. Which side a question falls on is decided by its numbers, in any order; "
            "if there are letters in it, by its words alone: then write the question without "
            "letters, or make words up. Questions without either are all on one side.",
        ))  # fmt: skip
    lines, some = [], records[:200] + exam[:50]
    if records[:50] != task.dataset(50, seed=0):
        lines.append("The same seed makes other problems each time: draw from `rng` alone.")
    for think in (False, True):
        texts = demonstrations(task, some, think)
        try:
            rewards = call(task, texts, some)
        except RewardTrouble as error:
            return Card("problem", "The reward fails on a demonstration", (str(error),))
        pairs = zip(rewards, texts, some, strict=True)
        wrong = [(text, record) for paid, text, record in pairs
                 if not is_right(paid, task.full_reward)]  # fmt: skip
        if wrong:
            text, record = wrong[0]
            lines.append(f"{len(wrong)} of {len(some)} demonstrations are not paid in full: "
                         f"`{record['prompt'][-1]['content']}` `{text}`.")  # fmt: skip
        odd = [text for text in texts if has_thought(text) != think]
        if odd:
            word = "no thought" if think else "a thought"
            lines.append(f"With think={think} a demonstration has {word}: `{odd[0]}`.")
    tokenizer = load_tokenizer(TINY_QWEN)
    longest = max(map(len, tokenizer(demonstrations(task, some)).input_ids))
    if longest > LONGEST:
        lines.append(f"The longest demonstration has {longest} tokens: up to {LONGEST} train in "
                     f"minutes. Shorten the thought, or the problem.")  # fmt: skip
    if lines:
        return Card("problem", "The task is not sound yet", tuple(lines))
    return Card("ok", "The task is sound", (
        f"{size:,} different problems and an exam of 500; {2 * len(some)} demonstrations, each "
        f"paid in full; at most {longest} tokens.",))  # fmt: skip


# ---------------------------------------------------------------------------- 2: the reward


def reward_card(
    found: Sequence[Paid], lazy: tuple[str, float], trouble: str | None, own_cheats: bool
) -> Card:
    """Which attacks were paid, and what a lazy answer earns."""
    lines = [] if trouble is None else [trouble]
    cheats = [paid for paid in found if paid.is_cheat]
    lines += [f"`{paid.attack.name}` is paid, {paid.paid} of {paid.tried} times, such as "
              f"`{paid.example[1][:48]}` to `{paid.example[0][:48]}`. {paid.attack.why}"
              for paid in cheats]  # fmt: skip
    answer, share = lazy
    if share > MUCH:
        lines.append(f"Whoever always answers `{answer}` is right in {share:.0%}: a policy will. "
                     f"Make other problems: the reward cannot help it.")  # fmt: skip
    bad = bool(lines)
    tried = sum(paid.tried > 0 for paid in found)
    if not bad:
        lines.append(f"{tried} kinds of attack, {sum(paid.tried for paid in found):,} responses: "
                     f"none that a policy could live on was paid.")  # fmt: skip
    if 0.01 <= share <= MUCH:
        lines.append(f"The best answer that never looks at the question, `{answer}`, is right in "
                     f"{share:.0%}. What a training gains counts from there.")  # fmt: skip
    for paid in found:
        if paid.paid and not paid.is_cheat:
            lines.append(f"`{paid.attack.name}` is paid {paid.paid} times of {paid.tried}: "
                         + ("there may be several right answers." if paid.attack.every else
                            f"no cheat, but mind it. {paid.attack.why}"))  # fmt: skip
    if not own_cheats:
        lines.append("The file has no `cheats(record)`. What could a policy try on this task?")
    if bad:
        title = "The reward can be cheated" if cheats else "The reward is not sound yet"
        return Card("problem", title, tuple(lines))
    if not own_cheats:
        return Card("note", "No attack was paid, and none of your own was tried", tuple(lines))
    return Card("ok", "No attack was paid", tuple(lines))


# ---------------------------------------------------------------------------- 3: the start


@dataclass(frozen=True)
class Start:
    """What the warm-started model does before any reward.

    Attributes:
        right, thinks, silent, cut: shares, of the responses and of the groups.
        right_thinking, right_else: shares of right ones among those that think, and the others.
        gap: their difference, with its interval over questions.
        questions, texts, rewards: one response to each of a few questions.
        slips: of a few wrong thoughts the question, the demonstration, the response, and how many
            characters they have in common from the beginning.
    """

    right: float
    thinks: float
    silent: float
    cut: float
    right_thinking: float
    right_else: float
    gap: Interval
    questions: list[str]
    texts: list[str]
    rewards: list[float]
    slips: list[tuple[str, str, str, int]] = field(default_factory=list)


def gap_of(counts_A4: Tensor, draws: int = 2000) -> Interval:
    """How much more often a response is right if it thinks, with a 95% interval.

    By the bootstrap over questions, since the responses to one are right or wrong together.

    Args:
        counts_A4: for each question its right thinking responses, all thinking ones, its right
            other ones, all others.
    """

    def gap(sums: Tensor) -> Tensor:
        return sums[..., 0] / sums[..., 1] - sums[..., 2] / sums[..., 3]

    counts_A4, generator = counts_A4.double(), torch.Generator().manual_seed(0)
    rows = torch.randint(len(counts_A4), (draws, len(counts_A4)), generator=generator)
    again = gap(counts_A4[rows].sum(1))
    again = again[again.isfinite()]  # a draw without a single thought says nothing
    mean = gap(counts_A4.sum(0)).item()
    if mean != mean or len(again) < draws / 2:
        return Interval(0.0, -1.0, 1.0)
    return Interval(mean, *again.quantile(torch.tensor([0.025, 0.975]).double()).tolist())


def start_card(start: Start) -> Card:
    """Is there anything to learn from here?"""
    lines = [
        f"{start.right:.0%} right; {start.thinks:.0%} think first.",
        f"{1 - start.silent:.0%} of the groups have something to compare.",
    ]
    if 0 < start.thinks < 1:
        lines.append(f"Of those that think {start.right_thinking:.0%} are right, of the others "
                     f"{start.right_else:.0%}.")  # fmt: skip
    wrong = []
    if start.right > EASY:
        wrong.append(f"More than {EASY:.0%} are right already: make the problems harder.")
    elif start.silent > SILENT:
        wrong.append(f"More than {SILENT:.0%} of the groups are silent, and next to nothing is "
                     f"right: make the problems easier, or imitate for longer.")  # fmt: skip
    if start.thinks < RARE:
        wrong.append("Hardly any response thinks: what never happens cannot be praised.")
    if start.cut > 0.1:
        wrong.append(f"{start.cut:.0%} are cut off: does a demonstration end?")
    if wrong:
        return Card("problem", "There is little to learn from here", tuple(wrong + lines))
    said = "Whether thinking pays here, these do not decide"
    if start.gap.low > 0:
        said = "Thinking pays here: expect it to spread"
    if start.gap.high < 0:
        said = "Thinking costs right answers here: expect it to vanish"
    if 0 < start.thinks < 1:
        lines.append(f"{said} (right if it thinks minus right if not: {start.gap}).")
    return Card("ok", "There is something to learn", tuple(lines))


# ---------------------------------------------------------------------------- 4: one training


def exam_card(before: dict, after: dict, size: int) -> Card:
    """Right answers of one exam after and before: more than the luck of its draws?

    Two shares of ``size`` responses each; the interval of their difference is Newcombe's (1998),
    made of Wilson's for each, so that none of many is not taken for never.
    """
    a, b = after["eval_accuracy"], before["eval_accuracy"]
    below = math.hypot(a - after["eval_low"], before["eval_high"] - b)
    above = math.hypot(after["eval_high"] - a, b - before["eval_low"])
    gain = Interval(a - b, a - b - below, a - b + above)
    lines = (f"Right before {b:.2f}, after {a:.2f}: gain {gain}, with the luck of an exam of "
             f"{size} in it, and not that of the seed.",
             f"Thinks first before {before['eval_think_share']:.0%}, "
             f"after {after['eval_think_share']:.0%}.")  # fmt: skip
    if gain.low > 0:
        return Card("ok", "It learned more than the luck of the exam", lines)
    word = "It got worse" if gain.high < 0 else "No more than the luck of the exam"
    return Card("note", word, lines)


# ---------------------------------------------------------------------------- 5: the diagnosis


def signs(history: Sequence[dict]) -> list[str]:
    """What the metrics of a training say, a sentence a sign: first against last fifth of it."""
    fifth = max(len(history) // 5, 1)
    first, last = history[:fifth], history[-fifth:]

    def moved(metric: str) -> tuple[float, float]:
        return tuple(fmean(row[metric] for row in rows) for rows in (first, last))

    found = []
    for metric, name in (("reward_mean", "The mean reward"), ("think_share", "Thinking")):
        a, b = moved(metric)
        verb = "rises" if b > a + GROWN else "falls" if b < a - GROWN else "stays"
        found.append(f"{name} {verb}, from {a:.2f} to {b:.2f}.")
    gained = moved("reward_mean")[1] > moved("reward_mean")[0] + GROWN
    short, long = moved("length_mean")
    if long > 1.3 * short:
        word = ", and it pays" if gained else " although it does not pay: look at some"
        found.append(f"Responses grow from {short:.0f} to {long:.0f} tokens{word}.")
    if long < short / 1.3:
        found.append(f"Responses shrink from {short:.0f} to {long:.0f} tokens.")
    if "silent_group_share" in history[0]:
        a, b = moved("silent_group_share")
        if b > SILENT:
            word = "There never was much" if a > SILENT else "There is next to nothing left"
            found.append(f"Silent groups: {a:.0%}, then {b:.0%}. {word} to compare.")
    if (cut := moved("truncated_share")[1]) > 0.1:
        found.append(f"{cut:.0%} are cut off at the end: `max_new_tokens`, or a policy that does "
                     f"not stop.")  # fmt: skip
    a, b = moved("entropy")
    if b < 0.2 * a:
        found.append(f"Entropy falls from {a:.2f} to {b:.2f} nats: exploration is nearly over.")
    norms = sorted(row["grad_norm"] for row in history)
    longer = norms[-1] / max(norms[len(norms) // 2], 0.01)
    if longer > 10:
        found.append(f"One gradient is {longer:.0f} times as long as the middle one: a step went "
                     f"wrong, or nearly.")  # fmt: skip
    if max(row["log_prob_distance"] for row in history) > 0.05:
        found.append("Sampled and scored log-probs differ: that is a bug.")
    return found


def diagnosis_card(history: Sequence[dict], words: str) -> Card:
    """The metrics' signs beside the learner's own sentence, which a reader judges."""
    own = words.strip()
    if not own:
        return Card("not tried yet", "Your diagnosis", (
            "What did the policy learn, how does it show, and what would have shown if it had not? "
            "Write it into DIAGNOSIS; then this card shows what the metrics say.",))  # fmt: skip
    return Card("note", "Your diagnosis, and the metrics", (f"You: {own}", *signs(history)))


# ---------------------------------------------------------------------------- 6: three seeds


def gain_of(runs: Sequence[Run]) -> Interval:
    """`gain` over seeds, by Student, and with the luck of the start's exam.

    All seeds begin with the same exam of one model. What it was wrong by is in each gain alike,
    so that no spread over seeds shows it.
    """
    found, start = welch(list(map(gain, runs))), runs[0].evaluations()[0]
    luck = (start["eval_high"] - start["eval_low"]) / 2
    half = ((found.high - found.mean) ** 2 + luck**2) ** 0.5
    return Interval(found.mean, found.mean - half, found.mean + half)


def thinks(run: Run) -> tuple[float, float]:
    """Share that thinks first, at the start and at the end."""
    shares = [row["eval_think_share"] for row in run.evaluations()]
    return shares[0], shares[-1]


def comparison_card(runs: dict[str, list[Run]]) -> Card:
    """Gain of each over its start, and one against the other, by Student and Welch."""
    if min(len(runs[name]) for name in ("grpo", "ppo")) < 2:
        seeds = [f"{name.upper()} gains {gain(run):.2f} from seed {run.seed}."
                 for name in ("grpo", "ppo") for run in runs[name]]  # fmt: skip
        return Card("note", "One seed is an anecdote: no interval yet", tuple(seeds))
    gains = {name: gain_of(runs[name]) for name in ("grpo", "ppo")}
    difference = welch(*[list(map(final, runs[name])) for name in ("grpo", "ppo")])
    number = len(runs["grpo"])
    lines = [f"{name.upper()} gains {found} over {len(runs[name])} seeds."
             for name, found in gains.items()]  # fmt: skip
    idle = max(final(run) for name in gains for run in runs[name]) < RARE
    words = LOST if max(found.mean for found in gains.values()) < 0 else SAID
    said = "neither learned, so it says nothing of the two" if idle else words[kind(difference)]
    lines.append(f"GRPO minus PPO at the end: {difference}: {said} (3 points would matter).")
    for name in ("grpo", "ppo"):
        starts, ends = zip(*map(thinks, runs[name]), strict=True)
        a, b = fmean(starts), fmean(ends)
        word = (
            "learned to think" if b > max(0.5, a) else "dropped thinking" if b < a / 2 else "thinks"
        )
        each = ", ".join(f"{end:.0%}" for end in ends)
        lines.append(f"{name.upper()} {word}: {a:.0%} at the start, {b:.0%} at the end ({each}).")
    if gains["grpo"].low > 0:
        return Card("ok", "GRPO learned more than luck", tuple(lines))
    if gains["grpo"].high < 0:
        return Card("note", "GRPO is worse than its start", tuple(lines))
    return Card("note", f"With {number} seeds GRPO's gain cannot be told from luck", tuple(lines))
