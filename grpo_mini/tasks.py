"""Tasks: prompts with a checkable answer, and the reward functions that check them.

A task is three small functions: one makes a problem, one writes a demonstration for the
supervised warm start, one pays rewards. Rewards have TRL's signature
``reward(completions, **columns) -> list[float]``, so they run unchanged in either trainer.
To add a task, write the three functions and put them into ``TASKS``.
"""

import hashlib
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .support.arithmetic import evaluate_expression, random_expression

TAGS = ("<think>", "</think>", "<answer>", "</answer>")
MAX_RESPONSE_CHARACTERS = 20_000  # a longer response is wrong, whatever it says
HELD_OUT_SHARE = 16  # one problem in this many is never trained on

Record = dict  # {"prompt": chat messages, and the columns that the task's reward reads}


@dataclass(frozen=True)
class Task:
    """What the trainers need to know about a task.

    Attributes:
        name: what the command line and the configurations call it.
        make_problem: random source -> record with a ``prompt`` and the reward's columns.
        demonstrate: (random source, record, with thinking?) -> a right response, as text.
        reward: ``(completions, **columns) -> list[float]``, 1.0 for a right answer.
        instructions: system message for a model that was not warm-started on the task.
    """

    name: str
    make_problem: Callable[[random.Random], Record]
    demonstrate: Callable[[random.Random, Record, bool], str]
    reward: Callable[..., list[float]]
    instructions: str

    def dataset(
        self, size: int, seed: int, held_out: bool = False, instructions: bool = False
    ) -> list[Record]:
        """Make ``size`` different problems, the same ones for the same seed.

        Training problems and held-out problems never overlap, not even with the numbers in
        another order: which side a problem falls on depends on the problem alone.
        """
        if size < 1:
            raise ValueError(f"size must be at least 1, got {size}")
        rng = random.Random(f"{self.name}/{seed}/{held_out}")
        records: dict[str, Record] = {}
        for _ in range(200 * size):
            record = self.make_problem(rng)
            question = record["prompt"][-1]["content"]
            if is_held_out(question) == held_out and question not in records:
                if instructions:
                    system = {"role": "system", "content": self.instructions}
                    record["prompt"] = [system, *record["prompt"]]
                records[question] = record
                if len(records) == size:
                    return list(records.values())
        raise ValueError(f"task {self.name!r} has too few different problems for size={size}")


def is_held_out(question: str) -> bool:
    """True if a problem belongs to the held-out side, decided by its numbers in any order."""
    numbers = ",".join(sorted(re.findall(r"[0-9]+", question)))
    return hashlib.sha256(numbers.encode()).digest()[0] % HELD_OUT_SHARE == 0


def completion_text(completion: str | Sequence[dict]) -> str:
    """The text of a completion: itself, or the content of its last chat message."""
    return completion if isinstance(completion, str) else completion[-1]["content"]


def parse_response(text: str) -> tuple[str, str] | None:
    """Split a response into its thought and its answer; None unless its form is exactly right.

    The form is ``<answer>…</answer>``, optionally after one ``<think>…</think>``, and nothing
    else. A second answer, an answer inside the thought, an open tag or text around the two parts
    all make the response invalid: each is a way to collect the reward without earning it.
    """
    if len(text) > MAX_RESPONSE_CHARACTERS:
        return None
    thought, rest = "", text.strip()
    if rest.startswith("<think>"):
        thought, closing_tag, rest = rest.removeprefix("<think>").partition("</think>")
        if not closing_tag:
            return None
    rest = rest.strip()
    if not (rest.startswith("<answer>") and rest.endswith("</answer>")):
        return None
    answer = rest.removeprefix("<answer>").removesuffix("</answer>")
    if any(tag in thought or tag in answer for tag in TAGS):
        return None
    return thought, answer.strip()


def has_thought(completion: str | Sequence[dict]) -> bool:
    """True if the completion writes a thought that is not empty and closes it."""
    text = completion_text(completion).strip()
    thought, closing_tag, _ = text.removeprefix("<think>").partition("</think>")
    return text.startswith("<think>") and bool(closing_tag) and bool(thought.strip())


def _answers(completions: Sequence, truncated: Sequence[bool] | None) -> list[str | None]:
    """The answer of each completion; None where the form is wrong or the end token never came.

    Our trainers pass the column ``truncated``. TRL does not: there it counts as never.
    """
    truncated = [False] * len(completions) if truncated is None else truncated
    parsed = [parse_response(completion_text(completion)) for completion in completions]
    pairs = zip(parsed, truncated, strict=True)
    return [parts[1] if parts and not cut else None for parts, cut in pairs]


# ---------------------------------------------------------------------------- chain sums


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
    given = _answers(completions, truncated)
    return [float(text == right) for text, right in zip(given, answer, strict=True)]


def graded_reward(completions, answer, truncated=None, **columns) -> list[float]:
    """Partial credit for a chain sum: 1 minus a tenth for each unit of error, at least 0."""
    rewards = []
    for text, right in zip(_answers(completions, truncated), answer, strict=True):
        is_number = text is not None and re.fullmatch(r"0|[1-9][0-9]{0,8}", text)
        error = abs(int(text) - int(right)) if is_number else 10
        rewards.append(max(0, 10 - error) / 10)
    return rewards


# ---------------------------------------------------------------------------- Countdown


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
    for text, given, goal in zip(_answers(completions, truncated), numbers, target, strict=True):
        result = evaluate_expression(text) if text is not None else None
        right = result is not None and result[0] == goal and Counter(result[1]) <= Counter(given)
        rewards.append(float(right))
    return rewards


ANSWER_FORM = (
    "First think inside <think></think>, then write only {} inside <answer></answer>. "
    "Write nothing after that."
)
CHAIN_SUM_INSTRUCTIONS = "Compute the sum. " + ANSWER_FORM.format("the number")
COUNTDOWN_INSTRUCTIONS = (
    "Reach the number right of the = sign from the numbers left of it with + - * / and brackets, "
    "using each at most once. " + ANSWER_FORM.format("the expression")
)

CHAIN_SUM = (make_chain_sum, demonstrate_chain_sum)
COUNTDOWN = (make_countdown, demonstrate_countdown)
TASKS = {
    "chain-sums": Task("chain-sums", *CHAIN_SUM, chain_sum_reward, CHAIN_SUM_INSTRUCTIONS),
    "graded": Task("graded", *CHAIN_SUM, graded_reward, CHAIN_SUM_INSTRUCTIONS),
    "countdown": Task("countdown", *COUNTDOWN, countdown_reward, COUNTDOWN_INSTRUCTIONS),
}


def get_task(name: str) -> Task:
    """The task of that name; the error lists those that exist."""
    if name not in TASKS:
        raise ValueError(f"unknown task {name!r}; there are: {', '.join(TASKS)}")
    return TASKS[name]
