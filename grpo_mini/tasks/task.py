"""What a task is, and the form that every answer has to have."""

import hashlib
import random
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from numbers import Integral

from ..support.requirements import number

TAGS = ("<think>", "</think>", "<answer>", "</answer>")
MAX_RESPONSE_CHARACTERS = 20_000  # a longer response is wrong, whatever it says
HELD_OUT_SHARE = 16  # one problem in this many is never trained on
MOST_PROBLEMS = 1_000_000
ANSWER_FORM = (
    "First think inside <think></think>, then write only {} inside <answer></answer>. "
    "Write nothing after that."
)

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
        full_reward: what a right answer is paid, at least.
        has_form: True for a response in the right form, whatever it answers.
        examples_think: do examples in the prompt show thinking, as the instructions ask?
    """

    name: str
    make_problem: Callable[[random.Random], Record]
    demonstrate: Callable[[random.Random, Record, bool], str]
    reward: Callable[..., list[float]]
    instructions: str
    full_reward: float = 1.0
    has_form: Callable[[str], bool] = lambda text: parse_response(text) is not None
    examples_think: bool = True

    def dataset(
        self,
        size: int,
        seed: int,
        held_out: bool = False,
        instructions: bool = False,
        examples: int = 0,
    ) -> list[Record]:
        """Make ``size`` different problems, the same ones for the same seed.

        Training problems and held-out problems never overlap, not even with the numbers in
        another order: which side a problem falls on depends on the problem alone.

        Args:
            instructions: begin each prompt with a system message.
            examples: show so many answered problems before the question.
        """
        number("size", size, 1, MOST_PROBLEMS, whole=True)
        number("examples", examples, 0, MOST_PROBLEMS, whole=True)
        rng = random.Random(f"{self.name}/examples")
        shown = self._draw(rng, examples, held_out=False)
        before = [{"role": "system", "content": self.instructions}] if instructions else []
        for record in shown.values():
            answer = self.demonstrate(rng, record, self.examples_think)
            before += [*record["prompt"], {"role": "assistant", "content": answer}]
        rng = random.Random(f"{self.name}/{seed}/{held_out}")
        records = list(self._draw(rng, size, held_out, without=shown).values())
        return [record | {"prompt": before + record["prompt"]} for record in records]

    def _draw(
        self, rng: random.Random, size: int, held_out: bool, without: Collection[str] = ()
    ) -> dict[str, Record]:
        """So many different problems of one side, by question."""
        records: dict[str, Record] = {}
        for _ in range(200 * size):
            record = self.make_problem(rng)
            question = record["prompt"][-1]["content"]
            taken = question in records or question in without
            if is_held_out(question) == held_out and not taken:
                records[question] = record
                if len(records) == size:
                    break
        if len(records) < size:
            raise ValueError(f"task {self.name!r} has too few different problems for size={size}")
        return records


def is_held_out(question: str) -> bool:
    """True if a problem belongs to the held-out side, decided by its numbers in any order.

    Where it is asked in words, they decide alone: what a held-out sentence is about is never
    trained on, whatever its length.
    """
    parts = re.findall(r"[A-Za-z]+", question) or re.findall(r"[0-9]+", question)
    return hashlib.sha256(",".join(sorted(parts)).encode()).digest()[0] % HELD_OUT_SHARE == 0


def is_right(reward, full_reward: float = 1.0):
    """True where a reward, or each of a tensor of them, is a right answer's, up to rounding."""
    return reward >= full_reward - 1e-6


def completion_text(completion: str | Sequence[dict]) -> str:
    """The text of a completion: itself, or the content of its last chat message."""
    return completion if isinstance(completion, str) else completion[-1]["content"]


def split_thought(text: str) -> tuple[str, str] | None:
    """The thought that a response begins with, if any, and the rest; None if it never ends."""
    if len(text) > MAX_RESPONSE_CHARACTERS:
        return None
    thought, rest = "", text.strip()
    if rest.startswith("<think>"):
        thought, closing_tag, rest = rest.removeprefix("<think>").partition("</think>")
        if not closing_tag:
            return None
    return thought, rest.strip()


def parse_response(text: str) -> tuple[str, str] | None:
    """Split a response into its thought and its answer; None unless its form is exactly right.

    The form is ``<answer>…</answer>``, optionally after one ``<think>…</think>``, and nothing
    else. A second answer, an answer inside the thought, an open tag or text around the two parts
    all make the response invalid: each is a way to collect the reward without earning it.
    """
    parts = split_thought(text)
    if parts is None:
        return None
    thought, rest = parts
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


def given_answers(completions: Sequence, truncated: Sequence[bool] | None) -> list[str | None]:
    """The answer of each completion; None where the form is wrong or the end token never came.

    Our trainers pass the column ``truncated``. TRL does not: there it counts as never.
    """
    truncated = [False] * len(completions) if truncated is None else truncated
    parsed = [parse_response(completion_text(completion)) for completion in completions]
    pairs = zip(parsed, truncated, strict=True)
    return [parts[1] if parts and not cut else None for parts, cut in pairs]


def as_text(answers: Sequence[str | int]) -> list[str]:
    """Right answers as they are written: a data set may hold them as text or as whole numbers."""
    for i, answer in enumerate(answers):
        if isinstance(answer, bool) or not isinstance(answer, str | Integral):
            raise ValueError(f"answer {i} must be text or a whole number, got {answer!r}")
    return list(map(str, answers))
