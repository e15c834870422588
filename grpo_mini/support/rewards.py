"""Calling a reward function that somebody else wrote, and saying what is wrong with it."""

import math
from collections.abc import Callable


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
