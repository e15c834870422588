"""One exercise a notebook, 01 to 05, with many right answers and a judge."""

from functools import cache
from itertools import product

import torch
from torch import Tensor

from ...advantages import compute_relative_rewards, leave_one_out
from ...models import load_policy
from ...rollout import Rollout, sample
from ...tasks import TASKS, chain_sum_reward
from ..checker import Mistake, exercise
from ..exact import ExactPolicy
from ..widgets.enumeration import pull

# ---------------------------------------------------------------------------- 1.6

LONGEST = 120
TWO_DIGITS = [str(n) for n in range(10, 100)]


def cheat():
    text = "0"
    while True:
        for digit in "9876543210":
            if text[-1] + digit not in text:
                text += digit
                break
        else:
            return text


NO_TEXT = "It has to return a text."
TOO_LONG = (
    "It is too long: a policy that is cut off would not get there. Numbers may overlap: `123` "
    "holds 12 and 23."
)
NOT_PAID = "There are answers for which the verifier does not pay."


def judge_cheat(text: str) -> str | tuple[str, str] | None:
    """The careless verifier of the lesson, `answer in text`, and a length limit."""
    if not isinstance(text, str):
        return NO_TEXT
    if len(text) > LONGEST:
        return TOO_LONG, f"It has {len(text)} characters, the limit is {LONGEST}."
    missing = [answer for answer in TWO_DIGITS if answer not in text]
    if missing:
        return NOT_PAID, f"It pays for {90 - len(missing)} of 90. One it misses is {missing[0]}."
    return None


exercise(
    number="1.6",
    title="cheat the careless verifier",
    solution=cheat,
    cases=lambda: [{}],
    judge=judge_cheat,
    reached=lambda text: f"It is paid for all 90 answers, with {len(text)} characters.",
    mistakes=(
        Mistake(lambda: " ".join(TWO_DIGITS), TOO_LONG),
        Mistake(lambda: "1234567890" * 12, NOT_PAID),
        Mistake(lambda: list(TWO_DIGITS), NO_TEXT),
    ),
    hints=(
        "Nothing has to be computed: one text for all answers. Each new digit can complete a "
        "number that was not there yet.",
        "There are 100 pairs of digits, so 101 digits are enough, if no pair comes twice.",
        'Begin with "0". Again and again append the largest digit that makes a pair which is not '
        "in the text yet, until none does.",
    ),
)


# ---------------------------------------------------------------------------- 2.5

BANDITS = (
    ([0.0, -1.0, 0.0], [0.0, 1.0, 0.0]),
    ([0.0, 0.0, 1.0], [0.0, 0.5, 0.0]),
)
ENOUGH = 0.95


def quiet_baselines(rewards, group_size):
    return (rewards.sum() - rewards) / (group_size + 1)


def moments(policy: ExactPolicy, pays: Tensor, group_size: int, baselines) -> tuple[Tensor, float]:
    """Mean and variance of a group's gradient estimate, by walking through all groups."""
    scores = policy.score_functions()
    total, squares = torch.zeros_like(policy.probs), 0.0
    for group in product(range(len(pays)), repeat=group_size):
        tokens = torch.tensor(group)
        rewards = pays[tokens]
        b = torch.as_tensor(baselines(rewards.clone(), group_size), dtype=torch.float64)
        estimate = ((rewards - b).unsqueeze(1) * scores[tokens]).mean(dim=0)
        weight = policy.probs[tokens].prod()
        total += weight * estimate
        squares += (weight * estimate.square().sum()).item()
    return total, squares - total.square().sum().item()


def ask_for_moments(baselines, inputs: dict) -> list[tuple[Tensor, float]]:
    """Mean and variance on each policy."""
    first = baselines(*inputs.values())
    if not isinstance(first, Tensor) or first.shape != inputs["rewards"].shape:
        return first
    return [moments(policy, pays, inputs["group_size"], baselines) for policy, pays in bandits()]


def bandits() -> list[tuple[ExactPolicy, Tensor]]:
    """Two policies over three tokens, for which a reward is rare."""
    return [(ExactPolicy(z), torch.tensor(pays, dtype=torch.float64)) for z, pays in BANDITS]


NO_BASELINES = "It has to return a tensor of the shape of `rewards`: a baseline a sample."
BIASED = (
    "It is biased: its mean over all groups is not the exact gradient. A sample's baseline may use "
    "the rewards of the others in any way, but not its own."
)
NOT_QUIETER = (
    "It is unbiased, but not enough quieter than leave-one-out. Rewards are rare here: how far do "
    "three others deserve to be believed?"
)


def judge_baselines(found: object, rewards: Tensor, group_size: int) -> str | tuple | None:
    """Unbiased, and quieter than leave-one-out."""
    if not isinstance(found, list):
        return NO_BASELINES
    for (mean, _), (policy, pays) in zip(found, bandits(), strict=True):
        exact = policy.gradient(pays)
        if (mean - exact).norm() > 1e-4 * exact.norm():
            return BIASED
    worst = max(against_leave_one_out(found))
    if worst > ENOUGH:
        seen = f"{worst:.3f} times its variance on one of two policies; wanted is {ENOUGH} on both"
        return NOT_QUIETER, f"It has {seen}."
    return None


def against_leave_one_out(found: list[tuple[Tensor, float]], group_size: int = 4) -> list[float]:
    """The variance on each policy, over that of leave-one-out."""
    usual = (
        moments(policy, pays, group_size, lambda r, size: r - leave_one_out(r, size))[1]
        for policy, pays in bandits()
    )
    return [noise / other for (_, noise), other in zip(found, usual, strict=True)]


exercise(
    number="2.5",
    title="a baseline that is quieter than leave-one-out",
    solution=quiet_baselines,
    cases=lambda: [{"rewards": torch.tensor([1.0, 0.0, 0.0, 0.0]), "group_size": 4}],
    call=ask_for_moments,
    judge=judge_baselines,
    reached=lambda found: (
        "It is unbiased, and its variance on the two policies is "
        + " and ".join(f"{ratio:.3f}" for ratio in against_leave_one_out(found))
        + " times that of leave-one-out."
    ),
    mistakes=(
        Mistake(
            lambda rewards, group_size: (rewards.sum() - rewards) / (len(rewards) - 1), NOT_QUIETER
        ),
        Mistake(lambda rewards, group_size: rewards.mean().expand(len(rewards)), BIASED),
        Mistake(lambda rewards, group_size: rewards.mean(), NO_BASELINES),
    ),
    hints=(
        "Unbiased is every baseline that does not look at its own reward. Leave-one-out is one of "
        "them.",
        "Three rewards are a noisy estimate of the mean. Where nearly all rewards are 0, an "
        "estimate that leans towards 0 is off by less.",
        "The sum of the others divided by more than their number: as if further samples had been "
        "there that were paid 0.",
    ),
)

# ---------------------------------------------------------------------------- 3.7


@cache
def sampled(prompts: int, group_size: int) -> tuple[Rollout, Tensor, list[str], object]:
    """What the tiny Qwen writes before any training, and what it is paid."""
    model, tokenizer = load_policy(device="cpu")
    problems = TASKS["chain-sums"].dataset(prompts, seed=5)
    asked = [problem["prompt"] for problem in problems]
    generator = torch.Generator().manual_seed(5)
    rollout = sample(model, tokenizer, asked, group_size, 64, generator=generator)
    answers = [problem["answer"] for problem in problems for _ in range(group_size)]
    questions = [prompt[-1]["content"] for prompt in asked for _ in range(group_size)]
    rewards = torch.tensor(chain_sum_reward(rollout.texts, answers, rollout.truncated_B.tolist()))
    return rollout, rewards, questions, tokenizer


@cache
def states() -> tuple[list[str], list[str], Tensor]:
    """Question, what has been written so far, and the reward in the end, for each token."""
    rollout, rewards, questions, tokenizer = sampled(96, 1)
    asked, written, paid = [], [], []
    for question, reward, tokens in zip(questions, rewards, rollout.token_ids(), strict=True):
        for t in range(len(tokens)):
            asked.append(question)
            written.append(tokenizer.decode(tokens[:t]))
            paid.append(reward)
    return asked, written, torch.stack(paid)


KNOWN = 0.5


def value(question, text):
    if text.startswith("<think>"):
        return 0.95
    return 0.1


def ask_for_values(answer, inputs: dict) -> object:
    """A value for each state."""
    first = answer(*inputs.values())
    if not isinstance(first, int | float):
        return first
    asked, written, _ = states()
    return torch.tensor([float(answer(q, text)) for q, text in zip(asked, written, strict=True)])


NO_NUMBER = "It has to return a number."
NO_VALUE = "A value is the reward to be expected: a number from 0 to 1 here."
EXPLAINS_LITTLE = (
    "It explains too little. What does the text written so far say about whether the answer will "
    "be right?"
)


def judge_values(values: object, question: str, text: str) -> str | tuple[str, str] | None:
    """Explained variance over the tokens of 96 responses."""
    if not isinstance(values, Tensor):
        return NO_NUMBER
    if not (values.min() >= -0.05 and values.max() <= 1.05):
        return NO_VALUE
    share = explained(values)
    if share < KNOWN:
        return EXPLAINS_LITTLE, (
            f"Of the returns' variance over the tokens of 96 responses before training it explains "
            f"{share:.2f}; wanted is {KNOWN}."
        )
    return None


def explained(values: Tensor) -> float:
    """Share of the returns' variance over the tokens of 96 responses."""
    _, _, returns = states()
    return (1 - (returns - values).var() / returns.var()).item()


exercise(
    number="3.7",
    title="a value function that beats the critic",
    solution=value,
    cases=lambda: [{"question": "17+25+38=", "text": "<think>"}],
    prepare=states,
    call=ask_for_values,
    judge=judge_values,
    reached=lambda values: f"It explains {explained(values):.2f} of the returns' variance.",
    mistakes=(
        Mistake(lambda question, text: float("<answer>" in text), EXPLAINS_LITTLE),
        Mistake(lambda question, text: float(len(text)), NO_VALUE),
        Mistake(lambda question, text: text, NO_NUMBER),
    ),
    hints=(
        "Some responses think first and some do not. Which of the two are right more often?",
        "`text` is what has been written so far. Its first token tells most.",
        'High if the text begins with "<think>", low if it begins with "<answer>", in between '
        "while it is empty.",
    ),
)

# ---------------------------------------------------------------------------- 4.7


def taste(text):
    return float("<think>" not in text)


def ask_for_rewards(answer, inputs: dict) -> object:
    """A reward for each of the responses, in groups of eight."""
    first = answer(*inputs.values())
    if not isinstance(first, int | float):
        return first
    rollout, *_ = sampled(24, 8)
    return torch.tensor([float(answer(text)) for text in rollout.texts])


SILENT = (
    "It is silent in too many groups: where all responses to a question are paid the same, nothing "
    "is learned. Pay for something that some responses have and others have not."
)
THE_SAME_LESSON = (
    "Its advantages go with those of the verifier, so GRPO would still learn to be right. Pay for "
    "something else."
)


def judge_rewards(rewards: object, text: str) -> str | tuple[str, str] | None:
    """It has something to say in most groups, and does not say who is right."""
    if not isinstance(rewards, Tensor):
        return NO_NUMBER
    if not rewards.isfinite().all():
        return "Some rewards are not finite."
    silent, alike = lesson_of(rewards)
    if silent > 12:
        return SILENT, f"It is silent in {silent} of 24 groups."
    if alike > 0.1:
        return THE_SAME_LESSON, f"Their correlation is {alike:.2f}; wanted is at most 0.1."
    return None


def lesson_of(rewards: Tensor) -> tuple[int, float]:
    """How many of 24 groups are silent, and the correlation with the verifier's advantages."""
    _, right, *_ = sampled(24, 8)
    mine, usual = (compute_relative_rewards(paid, 8)[0] for paid in (rewards, right))
    silent = (mine.view(-1, 8).abs().amax(dim=1) == 0).sum().item()
    return int(silent), torch.corrcoef(torch.stack([mine, usual]))[0, 1].item()


def said_of_rewards(rewards: Tensor) -> str:
    """What a right answer teaches, in words."""
    silent, alike = lesson_of(rewards)
    return f"It speaks in {24 - silent} of 24 groups, {alike:.2f} correlated with the verifier."


exercise(
    number="4.7",
    title="a reward that teaches something else",
    solution=taste,
    cases=lambda: [{"text": "<answer>80</answer>"}],
    prepare=lambda: sampled(24, 8),
    call=ask_for_rewards,
    judge=judge_rewards,
    reached=said_of_rewards,
    mistakes=(
        Mistake(lambda text: float("<think>" in text), THE_SAME_LESSON),
        Mistake(lambda text: 1.0, SILENT),
        Mistake(lambda text: text, NO_NUMBER),
    ),
    hints=(
        "Whatever differs between the eight responses to one question can be taught. Print some "
        "of `rollout.texts`.",
        "Thinking is what makes answers right here. A reward for it teaches being right by a "
        "detour.",
        "Pay for answering at once, for an even answer, for a certain digit of it.",
    ),
)

# ---------------------------------------------------------------------------- 5.1

GROUPS = {
    "mixed": (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    "graded": (0.2, 0.9, 0.4, 0.4, 0.0, 0.7, 0.9, 0.1),
}
SIZES = (4, 8)
DIFFICULTIES = (0.05, 0.2, 0.5, 0.8, 0.95)
EVEN = 1.05


def fair_advantages(rewards):
    spread = rewards.max() - rewards.min()
    if spread == 0:
        return torch.zeros_like(rewards)
    return (rewards - rewards.mean()) / spread


def ask_for_advantages(answer, inputs: dict) -> object:
    """The advantages of several groups, and the weight that each difficulty gets."""
    first = answer(*inputs.values())
    if not isinstance(first, Tensor) or first.shape != inputs["rewards"].shape:
        return first
    found = {}
    for name, values in GROUPS.items():
        rewards = torch.tensor(values)
        found[name] = answer(rewards)
        found[f"{name} + 3"] = answer(rewards + 3)
        found[f"{name} x 4"] = answer(rewards * 4)
    found["silent"] = torch.stack([answer(torch.full((8,), r)) for r in (0.0, 0.25, 1.0)])
    return found | {"weights": [[pull(p, size, answer) for p in DIFFICULTIES] for size in SIZES]}


NO_ADVANTAGES = "It has to return a tensor of the shape of `rewards`: an advantage a response."
NOT_FINITE = (
    "It gives an advantage that is not finite. What is divided by if all rewards are equal?"
)
SPEAKS_IN_SILENCE = "A group whose rewards are all equal has to get 0."
NOTICES_CONSTANT = (
    "It notices a constant: add 3 to all rewards of a group and its advantages change."
)
NOTICES_UNIT = (
    "It notices the unit: pay four times as much for everything and its advantages change."
)
NOT_IN_ORDER = (
    "A response with a higher reward gets a lower advantage than another; or the same, where one "
    "is right and the other wrong."
)
UNEVEN = (
    "It weighs prompts by their difficulty. Whoever subtracts something else than the mean, or "
    "divides by what depends on how many were right, gives some prompts more than their own pull."
)


def judge_advantages(found: object, rewards: Tensor) -> str | tuple[str, str] | None:
    """Blind to a constant and to the unit, and even-handed."""
    if not isinstance(found, dict):
        return NO_ADVANTAGES
    evenness = found.pop("weights")
    if not all(a.isfinite().all() for a in found.values()):
        return NOT_FINITE
    if found["silent"].abs().max() > 1e-4:
        return SPEAKS_IN_SILENCE
    for name, values in GROUPS.items():
        here = found[name]
        for what, wrong in (("+ 3", NOTICES_CONSTANT), ("x 4", NOTICES_UNIT)):
            there = found[f"{name} {what}"]
            if (there - here).abs().max() > 0.02 * here.abs().max():
                return wrong
        above = torch.tensor(values).unsqueeze(1) > torch.tensor(values)
        difference = here.unsqueeze(1) - here
        if (difference[above] < -1e-6).any() or (
            name == "mixed" and (difference[above] <= 0).any()
        ):
            return NOT_IN_ORDER
    for size, even in zip(SIZES, evenness, strict=True):
        if min(even) <= 0 or max(even) > EVEN * min(even):
            shown = ", ".join(f"{w:.2f}" for w in even)
            asked = ", ".join(f"{p:g}" for p in DIFFICULTIES)
            return UNEVEN, f"With groups of {size} and p = {asked} the weights are {shown}."
    return None


exercise(
    number="5.1",
    title="blind to constant and unit, and fair to all prompts",
    solution=fair_advantages,
    cases=lambda: [{"rewards": torch.tensor([1.0, 0.0, 0.0, 0.0])}],
    call=ask_for_advantages,
    judge=judge_advantages,
    mistakes=(
        Mistake(lambda rewards: compute_relative_rewards(rewards, len(rewards))[0], UNEVEN),
        Mistake(
            lambda rewards: compute_relative_rewards(rewards, len(rewards), normalize=False)[0],
            NOTICES_UNIT,
        ),
        Mistake(lambda rewards: rewards / rewards.max().clamp(min=1e-8), SPEAKS_IN_SILENCE),
        Mistake(
            lambda rewards: (rewards - 0.5).sign() * (rewards.max() > rewards.min()),
            NOTICES_CONSTANT,
        ),
        Mistake(
            lambda rewards: (rewards - rewards.mean()) / (rewards.max() - rewards.min()),
            NOT_FINITE,
        ),
        Mistake(
            lambda rewards: (rewards.mean() - rewards) / (rewards.max() - rewards.min() + 1e-8),
            NOT_IN_ORDER,
        ),
        Mistake(lambda rewards: rewards.mean(), NO_ADVANTAGES),
    ),
    hints=(
        "To be blind to a constant, subtract something that moves with the rewards. To be blind to "
        "the unit, divide by something that grows with them, or look at their order only.",
        "The std is not the same for one right of eight as for four right of eight. Which measure "
        "of spread is the same for all groups of zeros and ones that are not silent?",
        "The largest reward minus the smallest. Or count: how many of the others does a response "
        "beat, minus how many beat it. And 0 for everybody if all rewards are equal.",
    ),
)
