"""One exercise a notebook, 01 to 04, with many right answers and a judge."""

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
    worst = 0.0
    for (mean, noise), (policy, pays) in zip(found, bandits(), strict=True):
        exact = policy.gradient(pays)
        if (mean - exact).norm() > 1e-4 * exact.norm():
            return BIASED
        usual = moments(policy, pays, group_size, lambda r, size: r - leave_one_out(r, size))[1]
        worst = max(worst, noise / usual)
    if worst > ENOUGH:
        seen = f"{worst:.3f} times its variance on one of two policies; wanted is {ENOUGH} on both"
        return NOT_QUIETER, f"It has {seen}."
    return None


exercise(
    number="2.5",
    title="a baseline that is quieter than leave-one-out",
    solution=quiet_baselines,
    cases=lambda: [{"rewards": torch.tensor([1.0, 0.0, 0.0, 0.0]), "group_size": 4}],
    call=ask_for_moments,
    judge=judge_baselines,
    mistakes=(
        Mistake(
            lambda rewards, group_size: (rewards.sum() - rewards) / (len(rewards) - 1), NOT_QUIETER
        ),
        Mistake(lambda rewards, group_size: rewards.mean().expand(len(rewards)), BIASED),
        Mistake(lambda rewards, group_size: rewards.mean(), NO_BASELINES),
    ),
    hints=(
        "Unbiased is every baseline that does not look at the own reward. Leave-one-out is one of "
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
    _, _, returns = states()
    share = (1 - (returns - values).var() / returns.var()).item()
    if share < KNOWN:
        return EXPLAINS_LITTLE, (
            f"Of the returns' variance over the tokens of 96 responses before training it explains "
            f"{share:.2f}; wanted is {KNOWN}."
        )
    return None


exercise(
    number="3.7",
    title="a value function that beats the critic",
    solution=value,
    cases=lambda: [{"question": "17+25+38=", "text": "<think>"}],
    call=ask_for_values,
    judge=judge_values,
    mistakes=(
        Mistake(lambda question, text: float("<answer>" in text), EXPLAINS_LITTLE),
        Mistake(lambda question, text: float(len(text)), NO_VALUE),
        Mistake(lambda question, text: text, NO_NUMBER),
    ),
    hints=(
        "The largest difference there is was measured in notebook 00: which responses are right?",
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
    _, right, *_ = sampled(24, 8)
    mine, usual = (compute_relative_rewards(paid, 8)[0] for paid in (rewards, right))
    silent = (mine.view(-1, 8).abs().amax(dim=1) == 0).sum().item()
    if silent > 12:
        return SILENT, f"It is silent in {silent} of 24 groups."
    alike = torch.corrcoef(torch.stack([mine, usual]))[0, 1].item()
    if alike > 0.1:
        return THE_SAME_LESSON, f"Their correlation is {alike:.2f}; wanted is at most 0.1."
    return None


exercise(
    number="4.7",
    title="a reward that teaches something else",
    solution=taste,
    cases=lambda: [{"text": "<answer>80</answer>"}],
    call=ask_for_rewards,
    judge=judge_rewards,
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
        "Pay for answering at once, for an even answer, for a certain digit.",
    ),
)
