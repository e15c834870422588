"""Judges with a known bias: what the verifier pays, distorted; for chain sums but for the last.

Each is a reward function. What is random in most of them is fixed by the text it concerns, so the
same response to the same prompt is always paid the same. `coin` and `now_and_then` draw lots anew
in each step, the same ones for the same step.
"""

import hashlib
import random
import re
from collections.abc import Callable

from ..tasks import chain_sum_reward, completion_text

Reward = Callable[..., list[float]]


def _uniform(text: str) -> float:
    """A number in [0, 1) that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def _question(prompt) -> str:
    return completion_text(prompt)


def constant(size: float) -> Reward:
    """The same for every response: there is nothing to learn."""

    def judge(completions, **columns) -> list[float]:
        return [size] * len(completions)

    return judge


def coin(chance: float) -> Reward:
    """1 or 0 by lot, whatever the response: noise, and nothing to learn."""

    def judge(completions, trainer_state, **columns) -> list[float]:
        rng = random.Random(f"coin/{trainer_state.global_step}")
        return [float(rng.random() < chance) for _ in completions]

    return judge


def _seen_digit(prompt) -> int:
    """The last digit of the question's first number: plain to see, and of no use for the sum."""
    return int(re.match(r"\d+", _question(prompt)).group()[-1])


def offset(size: float, visible: bool = False) -> Reward:
    """Some prompts are paid more than others, whatever the response: up to ``size`` more.

    How much depends on a hash of the question, which nobody can see in it, or on a digit of it.
    """

    def judge(prompts, completions, **columns) -> list[float]:
        paid = chain_sum_reward(completions, **columns)
        shares = [_seen_digit(p) / 9 if visible else _uniform(_question(p)) for p in prompts]
        return [r + size * share for r, share in zip(paid, shares, strict=True)]

    return judge


def scale(most: float) -> Reward:
    """Rewards of each prompt in a unit of its own, between 1 / ``most`` and ``most``."""

    def judge(prompts, completions, **columns) -> list[float]:
        paid = chain_sum_reward(completions, **columns)
        exponents = [2 * _uniform(_question(prompt)) - 1 for prompt in prompts]
        return [r * most**e for r, e in zip(paid, exponents, strict=True)]

    return judge


def length_bonus(per_character: float) -> Reward:
    """A right answer as always, and something for each character, right or wrong."""

    def judge(prompts, completions, **columns) -> list[float]:
        paid = chain_sum_reward(completions, **columns)
        lengths = [len(completion_text(completion)) for completion in completions]
        return [r + per_character * n for r, n in zip(paid, lengths, strict=True)]

    return judge


def flipped(share: float) -> Reward:
    """This share of the responses gets the opposite of what it earned."""

    def judge(prompts, completions, **columns) -> list[float]:
        paid = chain_sum_reward(completions, **columns)
        keys = [
            _question(p) + completion_text(c) for p, c in zip(prompts, completions, strict=True)
        ]
        return [1 - r if _uniform(key) < share else r for r, key in zip(paid, keys, strict=True)]

    return judge


def shifted(after: int, by: float) -> Reward:
    """From the step after the first ``after`` on, every reward is larger by the same amount."""

    def judge(completions, trainer_state, **columns) -> list[float]:
        paid = chain_sum_reward(completions, **columns)
        return [reward + by * (trainer_state.global_step >= after) for reward in paid]

    return judge


def rarely(share: float) -> Reward:
    """A right answer is paid for this share of the prompts only, by a hash of the question."""

    def judge(prompts, completions, **columns) -> list[float]:
        paid = chain_sum_reward(completions, **columns)
        return [r * (_uniform(_question(p)) < share) for r, p in zip(paid, prompts, strict=True)]

    return judge


def only_sevens(prompts, completions, **columns) -> list[float]:
    """A right answer is paid for one prompt in ten: those whose first number ends in 7."""
    paid = chain_sum_reward(completions, **columns)
    return [r * (_seen_digit(p) == 7) for r, p in zip(paid, prompts, strict=True)]


def now_and_then(share: float) -> Reward:
    """A right answer is paid with this chance, drawn anew for each response."""

    def judge(completions, trainer_state, **columns) -> list[float]:
        paid = chain_sum_reward(completions, **columns)
        rng = random.Random(f"now and then/{trainer_state.global_step}")
        return [r * (rng.random() < share) for r in paid]

    return judge


def by_count(completions, words, truncated=None, **columns) -> list[float]:
    """For *words*: 1 for the right number of pieces between white space, whatever they say."""
    truncated = [False] * len(completions) if truncated is None else truncated
    triples = zip(map(completion_text, completions), words, truncated, strict=True)
    return [float(len(text.split()) == number and not cut) for text, number, cut in triples]
