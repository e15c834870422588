"""Countdown, ``3,5,8=29``: reach a number from others. A search, with many right answers."""

import random
from collections import Counter
from fractions import Fraction

from .arithmetic import evaluate_expression, random_expression
from .task import ANSWER_FORM, Record, Task, given_answers


def make_countdown(rng: random.Random) -> Record:
    """``3,5,8=29``: reach the target; each number may be used once, none has to be."""
    while True:
        numbers = [rng.randint(1, 20) for _ in range(3)]
        target, _ = evaluate_expression(random_expression(rng, numbers))
        if target <= 99 and target not in numbers:
            question = f"{','.join(map(str, numbers))}={target}"
            prompt = [{"role": "user", "content": question}]
            return {"prompt": prompt, "numbers": numbers, "target": int(target)}


def demonstrate_countdown(rng: random.Random, record: Record, think: bool) -> str:
    """A solution alone, or after up to three attempts that failed: ``(3+5)+8=16;(3*8)+5=29``."""
    attempts = []
    while True:
        expression = random_expression(rng, record["numbers"])
        value, _ = evaluate_expression(expression)
        attempts.append(f"{expression}={value}")
        if value == record["target"]:
            answer = f"<answer>{expression}</answer>"
            return f"<think>{';'.join(attempts[-4:])}</think>{answer}" if think else answer


def countdown_reward(completions, numbers, target, truncated=None, **columns) -> list[float]:
    """1 if the expression has the target's value and uses no number more often than given."""
    rewards = []
    for text, given, goal in zip(
        given_answers(completions, truncated), numbers, target, strict=True
    ):
        result = evaluate_expression(text) if text is not None else None
        right = result is not None and result[0] == Fraction(goal)
        right = right and Counter(result[1]) <= Counter(map(int, given))
        rewards.append(float(right))
    return rewards


COUNTDOWN = Task(
    "countdown",
    make_countdown,
    demonstrate_countdown,
    countdown_reward,
    "Reach the number right of the = sign from the numbers left of it with + - * / and brackets, "
    "using each at most once. " + ANSWER_FORM.format("the expression"),
)
