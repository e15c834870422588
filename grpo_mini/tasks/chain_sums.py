"""Chain sums, ``17+25+38=``: the course's main task. Thinking means writing the running sums."""

import random
import re
from functools import partial

from .task import ANSWER_FORM, Record, Task, as_text, given_answers


def make_chain_sum(rng: random.Random, fewest: int = 3, most: int = 5) -> Record:
    """``17+25+38=``: three to five terms between 1 and 99."""
    terms = [rng.randint(1, 99) for _ in range(rng.randint(fewest, most))]
    question = "+".join(map(str, terms)) + "="
    return {"prompt": [{"role": "user", "content": question}], "answer": str(sum(terms))}


def demonstrate_chain_sum(rng: random.Random, record: Record, think: bool) -> str:
    """The answer alone, or the running sums first: ``17+25=42;42+38=80``."""
    answer = f"<answer>{record['answer']}</answer>"
    if not think:
        return answer
    terms = [int(term) for term in record["prompt"][-1]["content"].rstrip("=").split("+")]
    lines, total = [], terms[0]
    for term in terms[1:]:
        lines.append(f"{total}+{term}={total + term}")
        total += term
    return f"<think>{';'.join(lines)}</think>{answer}"


def chain_sum_reward(completions, answer, truncated=None, **columns) -> list[float]:
    """1 if the answer is the sum, written in plain ASCII digits, else 0.

    Text is compared, not numbers: "+89", "089", "8 9" and digits of other scripts are wrong.
    """
    pairs = zip(given_answers(completions, truncated), as_text(answer), strict=True)
    return [float(text == right) for text, right in pairs]


def graded_reward(completions, answer, truncated=None, **columns) -> list[float]:
    """Partial credit for a chain sum: 1 minus a tenth for each unit of error, at least 0."""
    rewards = []
    for text, right in zip(given_answers(completions, truncated), as_text(answer), strict=True):
        is_number = text is not None and re.fullmatch(r"0|[1-9][0-9]{0,8}", text)
        error = abs(int(text) - int(right)) if is_number else 10
        rewards.append(max(0, 10 - error) / 10)
    return rewards


TASK = (make_chain_sum, demonstrate_chain_sum)
INSTRUCTIONS = "Compute the sum. " + ANSWER_FORM.format("the number")
CHAIN_SUMS = Task("chain-sums", *TASK, chain_sum_reward, INSTRUCTIONS)
# Two terms are easy and nine are hard, so prompts differ in what may be expected of them.
SPREAD_SUMS = Task(
    "spread-sums",
    partial(make_chain_sum, fewest=2, most=9),
    demonstrate_chain_sum,
    chain_sum_reward,
    INSTRUCTIONS,
)
GRADED = Task("graded", *TASK, graded_reward, INSTRUCTIONS)
