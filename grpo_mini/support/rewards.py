"""Calling a reward function that somebody else wrote, and saying what is wrong with it."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def prompt_of(record: dict | str | list) -> str | list:
    """The prompt of a record; a bare prompt is its own."""
    return record["prompt"] if isinstance(record, dict) else record


def call_reward(reward: Callable[..., list[float]], batch_prompts: Sequence, rollout) -> Tensor:
    """Call a reward function in TRL's way and check what comes back, float32 [B].

    Args:
        batch_prompts: records or bare prompts, each answered by equally many neighbours of the
            rollout. A record's other columns are handed on, one entry a response.

    Raises:
        RuntimeError, ValueError: as `checked_rewards`.
    """
    columns: dict[str, list] = defaultdict(list)
    repeats = len(rollout) // len(batch_prompts)
    for i, (text, cut) in enumerate(zip(rollout.texts, rollout.truncated_B.tolist(), strict=True)):
        record = batch_prompts[i // repeats]
        prompt = prompt_of(record)
        is_chat = not isinstance(prompt, str)
        columns["prompts"].append(prompt)
        columns["completions"].append([{"role": "assistant", "content": text}] if is_chat else text)
        columns["truncated"].append(cut)
        for name, value in record.items() if isinstance(record, dict) else ():
            if name != "prompt":
                columns[name].append(value)
    return torch.tensor(checked_rewards(reward, columns))


def checked_rewards(reward: Callable[..., list[float]], columns: dict[str, list]) -> list[float]:
    """``reward(**columns)``, one finite number a completion.

    Raises:
        RuntimeError: it raised; the message quotes the prompt and the completion.
        ValueError: it returned the wrong number of rewards, or one that is not finite.
    """

    def where(i: int) -> str:
        return f"prompt {columns['prompts'][i]!r}, completion {columns['completions'][i]!r}"

    number = len(columns["completions"])
    try:
        rewards = [float(value) for value in reward(**columns)]
    except Exception as error:
        for i in range(number):  # find the one it fails on
            try:
                reward(**{name: values[i : i + 1] for name, values in columns.items()})
            except Exception:
                message = f"the reward function failed on {where(i)}: {error!r}"
                raise RuntimeError(message) from error
        raise RuntimeError(f"the reward function failed on the batch: {error!r}") from error
    if len(rewards) != number:
        raise ValueError(
            f"the reward function returned {len(rewards)} rewards for {number} completions"
        )
    for i, value in enumerate(rewards):
        if not math.isfinite(value):
            raise ValueError(
                f"the reward function returned {value} for {where(i)}; rewards must be finite"
            )
    return rewards
