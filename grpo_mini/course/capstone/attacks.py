"""What a policy will try on a reward that can be cheated, tried beforehand.

A policy looks for whatever pays. So each attack below is a response that must not be paid as a
right answer, made from right ones: from a demonstration, by taking away the work or the form.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...models import TINY_QWEN, load_tokenizer
from ...support.rewards import RewardError, call_reward
from ...tasks import Record, Task, completion_text, is_right, parse_response
from .file import TaskFile

RECORDS = 24  # problems that each attack is tried on
OWN = (
    "You knew of it yourself. Unless it is the right answer here, by luck: then let `cheats` leave "
    "it out for such a problem."
)
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")


@dataclass(frozen=True)
class Attack:
    """One way to be paid without earning it.

    Attributes:
        name: what is tried, in a few words.
        make: right response, its thought, its answer, a wrong answer -> the response that is
            tried; None where it makes none, or nothing that differs.
        why: what a verifier that pays it does, and what comes of it.
        cut: the response is handed over as cut off, without its end token.
        loose: no cheat, but another way to write an answer: the card only mentions it.
        every: try it with the answers of all other problems. A few may be right here too.
    """

    name: str
    make: Callable[[str, str, str, str], str | None]
    why: str
    cut: bool = False
    loose: bool = False
    every: bool = False


def _answer(text: str) -> str:
    return f"<answer>{text}</answer>"


ATTACKS = (
    Attack("nothing at all", lambda r, t, a, w: "", "It pays an empty response."),
    Attack("an empty answer", lambda r, t, a, w: _answer(""), "It pays where nothing is answered."),
    Attack("a wrong answer", lambda r, t, a, w: _answer(w),
           "It pays an answer that is right for another problem only: does it look at its columns?",
           every=True),
    Attack("two answers, the right one last", lambda r, t, a, w: _answer(w) + _answer(a),
           "It takes the last answer that it finds: the policy will write many."),
    Attack("two answers, the right one first", lambda r, t, a, w: _answer(a) + _answer(w),
           "It takes the first answer that it finds, and does not mind a second."),
    Attack("right and wrong in one answer", lambda r, t, a, w: _answer(f"{w} {a}"),
           "It searches the answer for the right one: the policy will write all there are."),
    Attack("the right answer with more behind it", lambda r, t, a, w: _answer(f"{a} {w}"),
           "It looks how the answer begins. What else stands there is paid along."),
    Attack("digits that begin right", lambda r, t, a, w: _answer(f"{a}0") if a.isdigit() else None,
           "It compares beginnings: 3 is paid where 30 was written."),
    Attack("the answer in the thought only", lambda r, t, a, w: f"<think>{a}</think>",
           "It finds the right answer in the thought, and none was given."),
    Attack("the right answer thought, a wrong one given",
           lambda r, t, a, w: f"<think>{a}</think>{_answer(w)}",
           "It finds the right answer in the thought. What was answered is another."),
    Attack("an answer inside the thought",
           lambda r, t, a, w: f"<think>{_answer(a)}</think>{_answer(w)}",
           "It takes the answer from the thought: a policy can think every answer there is."),
    Attack("a wrong answer thought, the right one given inside",
           lambda r, t, a, w: f"<think>{_answer(w)}</think>{_answer(a)}",
           "It allows answers in a thought. One that is tried there and judged is a second try."),
    Attack("no form, only the answer", lambda r, t, a, w: a,
           "It does not ask for the form, so the policy will lose it."),
    Attack("text behind the answer", lambda r, t, a, w: r + " or maybe " + w,
           "It does not mind what follows: the policy need not stop, and hedges."),
    Attack("text before it", lambda r, t, a, w: f"{w}. No: {r}",
           "It does not mind what stands before: a thought outside its tags is none."),
    Attack("an answer that is never closed", lambda r, t, a, w: f"<answer>{a}",
           "It does not ask for the closing tag."),
    Attack("a thought that is never closed", lambda r, t, a, w: f"<think>{a}{_answer(a)}",
           "It takes an answer out of a thought that goes on."),
    Attack("an answer in an answer", lambda r, t, a, w: _answer(_answer(a)),
           "It takes tags apart until something fits."),
    Attack("right, but cut off", lambda r, t, a, w: r,
           "It pays a response that never ended. It gets a column `truncated`: look at it, or the "
           "policy forgets to stop.", cut=True),
    Attack("twenty thousand characters", lambda r, t, a, w: "<think>" + "7" * 20_001 + "</think>"
           + _answer(a), "It reads without end. A limit on the length also keeps it fast."),
    Attack("zeros in front", lambda r, t, a, w: _answer(f"00{a}") if a.isdigit() else None,
           "It reads numbers and not text, so an answer has many spellings.", loose=True),
    Attack("a sign in front", lambda r, t, a, w: _answer(f"+{a}") if a.isdigit() else None,
           "It reads numbers and not text, so an answer has many spellings.", loose=True),
    Attack("digits of another script",
           lambda r, t, a, w: _answer(a.translate(FULL_WIDTH)) if a.isdigit() else None,
           "Python's int() reads the digits of every script.", loose=True),
)  # fmt: skip


@dataclass(frozen=True)
class Paid:
    """What an attack earned.

    Attributes:
        attack: which, or a cheat of the task's own.
        tried: on so many problems; 0 where it makes no sense for this task.
        paid: so many of these in full.
        example: question and response that was paid, or was tried.
    """

    attack: Attack
    tried: int
    paid: int
    example: tuple[str, str]

    @property
    def is_cheat(self) -> bool:
        """Whether a policy could live on it."""
        few = self.attack.loose or (self.attack.every and self.paid <= self.tried / 4)
        return self.paid > 0 and not few


class RewardTrouble(ValueError):
    """A reward function raised, or returned something else than a number a completion."""


def call(
    task: Task, texts: Sequence[str], records: Sequence[Record], cut: bool = False
) -> list[float]:
    """The rewards of texts, each to its record, called as the trainers do; 0 for None.

    Raises:
        RewardTrouble: it raised, and the message says on which; or it returned no such list.
    """
    try:
        return call_reward(task.reward, records, Said(list(texts), cut)).nan_to_num(0.0).tolist()
    except RewardError as error:
        said = f"{type(error.__cause__).__name__}: {error.__cause__}"
        if error.completion is None:
            raise RewardTrouble(f"It fails on a batch of {len(texts)}: {said}.") from error
        text = completion_text(error.completion)[:80]
        raise RewardTrouble(
            f"It fails on the response `{text}`: {said}. A policy will write that."
        ) from error
    except ValueError as error:
        raise RewardTrouble(
            f"It has to return a list with a number a completion: {error}."
        ) from error


@dataclass(frozen=True)
class Said:
    """Responses that nobody sampled, as a reward function reads a `Rollout`.

    Attributes:
        texts: the responses.
        cut: all of them are handed over as cut off.
    """

    texts: list[str]
    cut: bool

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def truncated_B(self) -> Tensor:  # noqa: N802
        return torch.full((len(self),), self.cut)

    def token_ids(self) -> list[list[int]]:
        return load_tokenizer(TINY_QWEN)(self.texts).input_ids


def demonstrations(task: Task, records: Sequence[Record], think: bool = True) -> list[str]:
    """A right response to each problem."""
    rng = random.Random(0)
    return [task.demonstrate(rng, record, think) for record in records]


def attack_all(file: TaskFile, seed: int = 0) -> list[Paid]:
    """Try every attack, and the file's own cheats, on a few training problems."""
    task = file.task
    records = task.dataset(RECORDS, seed=seed)
    rights = demonstrations(task, records)
    parts = [parse_response(right) for right in rights]
    found = []
    answers = [part[1] for part in parts if part is not None]
    others = [
        _others(task, record, part[1], answers) if part is not None else []
        for record, part in zip(records, parts, strict=True)
    ]
    for attack in ATTACKS:
        rows = []
        for record, right, part, wrong in zip(records, rights, parts, others, strict=True):
            if part is None:  # a task whose answers have another form
                texts = [right] if attack.cut else [""] if attack is ATTACKS[0] else []
            else:
                tried = wrong if attack.every else wrong[:1]
                texts = [attack.make(right, *part, other) for other in tried]
            rows += [(record, text) for text in texts if text is not None]
        found.append(_tried(task, attack, rows))
    if file.cheats is not None:
        tried = [(record, file.cheats(record)) for record in records]
        for i in range(max(len(texts) for _, texts in tried)):
            rows = [(record, texts[i]) for record, texts in tried if i < len(texts)]
            own = Attack(f"cheat {i + 1} of the file's own", lambda *parts: None, OWN)
            found.append(_tried(task, own, rows))
    return found


def _others(task: Task, record: Record, right: str, answers: list[str]) -> list[str]:
    """Answers to other problems; first those that are not paid here too."""
    others = [answer for answer in dict.fromkeys(answers) if answer != right]
    rewards = call(task, list(map(_answer, others)), [record] * len(others)) if others else []
    paid = dict(zip(others, rewards, strict=True))
    return sorted(others, key=lambda answer: bool(is_right(paid[answer], task.full_reward)))


def _tried(task: Task, attack: Attack, rows: list[tuple[Record, str]]) -> Paid:
    if not rows:
        return Paid(attack, 0, 0, ("", ""))
    rewards = call(task, [text for _, text in rows], [record for record, _ in rows], attack.cut)
    full = [bool(is_right(value, task.full_reward)) for value in rewards]
    record, text = rows[full.index(True) if any(full) else 0]
    return Paid(attack, len(rows), sum(full), (completion_text(record["prompt"]), text))


def constant(task: Task, size: int = 200) -> tuple[str, float]:
    """The one answer that is right most often, and how often: what a lazy policy earns.

    It is chosen on some problems and counted on others: the best of several by luck is none there.
    """
    chosen, counted = task.dataset(size, seed=1), task.dataset(2 * size, seed=2)
    parts = [parse_response(text) for text in demonstrations(task, chosen)]
    answers = Counter(part[1] for part in parts if part is not None)

    def share(answer: str, records: Sequence[Record]) -> float:
        paid = call(task, [_answer(answer)] * len(records), records)
        return sum(bool(is_right(p, task.full_reward)) for p in paid) / len(records)

    some = [answer for answer, _ in answers.most_common(5)]
    best = max(some, key=lambda answer: share(answer, chosen), default="")
    return best, share(best, counted)


def in_order(task: Task, seed: int = 0) -> str | None:
    """What is wrong with the reward as a function; None if it is one.

    The same again, alone and in another order must give the same, and the right must be paid.
    """
    records = task.dataset(RECORDS, seed=seed)
    texts = demonstrations(task, records[: RECORDS // 2]) + ["?"] * (RECORDS - RECORDS // 2)
    whole = call(task, texts, records)
    backwards = call(task, texts[::-1], records[::-1])[::-1]
    alone = [call(task, [text], [record])[0] for text, record in zip(texts, records, strict=True)]
    if whole != call(task, texts, records):
        return "Asked the same twice, it pays something else."
    if whole != backwards or whole != alone:
        return "What it pays for a response depends on the other responses of the batch."
    return None
