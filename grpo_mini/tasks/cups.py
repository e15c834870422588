"""Cups, ``3:12,45,13=``: a ball lies under cup 3, then cups 1 and 2 change places, then 4 and 5, …

Where is it at the end? Thinking means following the ball: ``12:3;45:3;13:1``.
"""

import random
from itertools import combinations

from .task import ANSWER_FORM, Record, Task, as_text, given_answers

CUPS = 5
PAIRS = [f"{a}{b}" for a, b in combinations(range(1, CUPS + 1), 2)]
FEWEST, MOST = 4, 6  # changes of places, each pair at most once


def moved(place: str, pair: str) -> str:
    """Where the ball is after a change of places."""
    return pair.replace(place, "") if place in pair else place


def make_cups(rng: random.Random) -> Record:
    """Where the ball lies, and four to six pairs. No letters: see `is_held_out`."""
    place, pairs = str(rng.randint(1, CUPS)), rng.sample(PAIRS, rng.randint(FEWEST, MOST))
    question = f"{place}:{','.join(pairs)}="
    for pair in pairs:
        place = moved(place, pair)
    return {"prompt": [{"role": "user", "content": question}], "answer": place}


def demonstrate_cups(rng: random.Random, record: Record, think: bool) -> str:
    """The place alone, or after each change of places where the ball is by now."""
    answer = f"<answer>{record['answer']}</answer>"
    if not think:
        return answer
    place, _, pairs = record["prompt"][-1]["content"].rstrip("=").partition(":")
    lines = []
    for pair in pairs.split(","):
        place = moved(place, pair)
        lines.append(f"{pair}:{place}")
    return f"<think>{';'.join(lines)}</think>{answer}"


def cups_reward(completions, answer, truncated=None, **columns) -> list[float]:
    """1 if the answer is the ball's place, else 0."""
    pairs = zip(given_answers(completions, truncated), as_text(answer), strict=True)
    return [float(text == right) for text, right in pairs]


def cheats(record: Record) -> list[str]:
    """Responses that would like to be paid: all cups at once, and a cup that is none."""
    wrong = str(int(record["answer"]) % CUPS + 1)
    all_cups = "".join(map(str, range(1, CUPS + 1)))
    said = [all_cups, "1 or 2 or 3 or 4 or 5", f"not {wrong}", wrong, f"{wrong}→{record['answer']}"]
    return [f"<answer>{text}</answer>" for text in said]


CUPS_TASK = Task(
    "cups",
    make_cups,
    demonstrate_cups,
    cups_reward,
    "A ball lies under the cup before the colon. Then pairs of cups change places. Say under which "
    "cup it is at the end. " + ANSWER_FORM.format("the number of the cup"),
)
