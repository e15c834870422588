"""Calling reward functions that somebody else wrote, as TRL calls them, and saying what is wrong.

A reward function gets keyword arguments, each a list with an entry a completion: ``prompts``,
``completions``, ``completion_ids``, ``truncated`` and the data set's columns; and besides
``trainer_state``, whose ``global_step`` counts the batches so far. (TRL's ``log_extra`` and
``log_metric`` are there too, and keep nothing.) It returns a list of numbers, None where it does
not apply. It may be a coroutine function. Several are added up, with weights.
"""

import asyncio
import copy
import hashlib
import inspect
import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

Reward = Callable[..., Sequence[float | None]]
# What our trainers or TRL's put beside the columns of a data set.
RESERVED = ("prompts", "completion", "completions", "completion_ids", "truncated", "trainer_state",
            "log_extra", "log_metric", "environments")  # fmt: skip


class RewardError(RuntimeError):
    """A reward function raised.

    Attributes:
        completion: the one it raises on; None if only all together make it raise.
    """

    def __init__(self, message: str, completion: str | list | None = None):
        super().__init__(message)
        self.completion = completion


@dataclass(frozen=True)
class TrainerState:
    """What a reward function may know about the training."""

    global_step: int


def prompt_of(record: dict | str | list) -> str | list:
    """The prompt of a record; a bare prompt is its own."""
    return record["prompt"] if isinstance(record, dict) else record


def checked_dataset(dataset: Sequence) -> Sequence:
    """The data set, if it is a list of records with a ``prompt`` and the same columns each.

    Raises:
        ValueError: it is not; the message names the record.
    """
    whole = hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")
    if isinstance(dataset, str | bytes | dict) or not whole:
        raise ValueError(
            f"a data set is a list of records, each a dictionary with a 'prompt' and the columns "
            f"that the reward reads; got {_kind(dataset)} {str(dataset)[:80]!r}. A .jsonl file: "
            f"[json.loads(line) for line in open(path, encoding='utf-8')]"
        )
    columns = None
    for i in range(len(dataset)):
        record = dataset[i]
        if isinstance(record, str | list):
            record = {"prompt": record}
        if not isinstance(record, dict) or "prompt" not in record:
            seen = sorted(record) if isinstance(record, dict) else _kind(record)
            raise ValueError(f"record {i} of the data set has no 'prompt'; it has: {seen}")
        columns = set(record) if columns is None else columns
        if taken := sorted(set(record) & set(RESERVED)):
            raise ValueError(
                f"record {i} has a column {taken[0]!r}, a name that reward functions get from the "
                f"trainer: rename the column"
            )
        if set(record) != columns:
            name = sorted(set(record) ^ columns)[0]
            raise ValueError(f"column {name!r} is not in every record: see record 0 and record {i}")
    return dataset


def fingerprint(dataset: Sequence) -> str:
    """A checksum of a data set's content."""
    checksum = hashlib.sha256()
    for i in range(len(dataset)):
        checksum.update(json.dumps(dataset[i], sort_keys=True, default=repr).encode())
    return checksum.hexdigest()[:16]


def reward_functions(reward: Reward | Sequence[Reward]) -> list[Reward]:
    """One reward function, or several, as a list.

    Raises:
        ValueError: it is none.
    """
    functions = list(reward) if isinstance(reward, list | tuple) else [reward]
    if not functions or not all(map(callable, functions)):
        raise ValueError(f"reward must be a function or a list of functions, got {reward!r}")
    return functions


def name_of(reward: Reward) -> str:
    """Module and name of a reward function: what a checkpoint remembers of it."""
    while hasattr(reward, "func"):  # functools.partial
        reward = reward.func
    named = reward if hasattr(reward, "__qualname__") else type(reward)
    return f"{named.__module__}.{named.__qualname__}"


def call_reward(
    reward: Reward | Sequence[Reward],
    batch_prompts: Sequence,
    rollout,
    weights: Sequence[float] | None = None,
    step: int = 0,
) -> Tensor:
    """Call the reward functions and check what comes back; their weighted sum, float32 [B].

    Args:
        batch_prompts: records or bare prompts, each answered by equally many neighbours of the
            rollout. A record's other columns are handed on, one copy a response.
        weights: of the functions in the sum; None: 1 each.
        step: batches trained on so far, for ``trainer_state``.

    Returns:
        The rewards; NaN where every function returned None.

    Raises:
        RewardError: a function raised; the message quotes prompt and completion.
        ValueError: a function returned no list, the wrong number of rewards, or one that is not a
            finite number; or a record lacks a column that others have.
    """
    repeats = len(rollout) // len(batch_prompts)
    records = [batch_prompts[i // repeats] for i in range(len(rollout))]
    records = [r if isinstance(r, dict) else {"prompt": r} for r in records]
    columns = {name: [record[name] for record in records]
               for name in checked_dataset(records)[0] if name != "prompt"}  # fmt: skip
    columns["prompts"] = [record["prompt"] for record in records]
    columns["completions"] = [
        text if isinstance(prompt, str) else [{"role": "assistant", "content": text}]
        for prompt, text in zip(columns["prompts"], rollout.texts, strict=True)
    ]
    columns["completion_ids"] = rollout.token_ids()
    columns["truncated"] = rollout.truncated_B.tolist()
    functions = reward_functions(reward)
    paid = torch.tensor(_paid(functions, columns, TrainerState(step)))  # [functions, B]
    weights = torch.ones(len(paid)) if weights is None else torch.tensor(weights)
    total = (paid * weights.unsqueeze(1)).nansum(dim=0)
    return total.masked_fill(paid.isnan().all(dim=0), math.nan)


def _paid(functions: list[Reward], columns: dict[str, list], state: TrainerState) -> list[list]:
    """What each function pays for each completion; NaN for None."""

    def ask(function: Reward, rows: slice = slice(None)):
        # A deep copy of each entry: nothing a function does to its arguments reaches another
        # sample, another function or the data set.
        own = {name: [copy.deepcopy(value) for value in values[rows]]
               for name, values in columns.items()}  # fmt: skip
        return function(**own, trainer_state=state, log_extra=_ignore, log_metric=_ignore)

    def answers(asked: list) -> list:
        """Coroutines run side by side, in a thread of their own: notebooks have a running loop."""

        async def gathered() -> list:
            return await asyncio.gather(*waiting)

        waiting = [answer for answer in asked if inspect.isawaitable(answer)]
        if not waiting:
            return asked
        with ThreadPoolExecutor(1) as pool:
            done = iter(pool.submit(asyncio.run, gathered()).result())
        return [next(done) if inspect.isawaitable(answer) else answer for answer in asked]

    try:
        returned = answers([ask(function) for function in functions])
    except Exception as error:
        for i in range(len(columns["completions"])):  # find the one it fails on
            try:
                answers([ask(function, slice(i, i + 1)) for function in functions])
            except Exception:
                message = f"the reward function failed on {_where(columns, i)}: {error!r}"
                raise RewardError(message, columns["completions"][i]) from error
        raise RewardError(f"the reward function failed on the batch: {error!r}") from error
    return [_checked(rewards, columns) for rewards in returned]


def _checked(rewards: object, columns: dict[str, list]) -> list[float]:
    """One finite number a completion, or NaN for None."""
    if isinstance(rewards, Tensor) or type(rewards).__module__ == "numpy":
        rewards = rewards.tolist()
    if not isinstance(rewards, list | tuple):
        raise ValueError(f"the reward function must return a list of numbers, got {_kind(rewards)}")
    number = len(columns["completions"])
    if len(rewards) != number:
        raise ValueError(
            f"the reward function returned {len(rewards)} rewards for {number} completions"
        )
    for i, value in enumerate(rewards):
        if value is None:
            continue
        if isinstance(value, str | bytes) or not hasattr(value, "__float__"):
            raise ValueError(
                f"the reward function returned {value!r} for {_where(columns, i)}; rewards must "
                f"be numbers, or None where it does not apply"
            )
        if not abs(value) < 3e38:  # float32's largest
            raise ValueError(
                f"the reward function returned {value} for {_where(columns, i)}; rewards must be "
                f"finite"
            )
    return [math.nan if value is None else float(value) for value in rewards]


def _ignore(name: str, value: object) -> None:
    """What a reward function would log."""


def _where(columns: dict[str, list], i: int) -> str:
    return f"prompt {columns['prompts'][i]!r}, completion {columns['completions'][i]!r}"


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"
