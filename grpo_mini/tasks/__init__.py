"""Tasks: prompts with a checkable answer, and the reward functions that check them.

A task is three small functions: one makes a problem, one writes a demonstration for the
supervised warm start, one pays rewards. Rewards have TRL's signature
``reward(completions, **columns) -> list[float]``, so they run unchanged in either trainer.
To add a task, write the three functions in a file of its own and put it into ``TASKS``.
"""

from .chain_sums import (
    CHAIN_SUMS,
    GRADED,
    SPREAD_SUMS,
    chain_sum_reward,
    graded_reward,
    make_chain_sum,
)
from .countdown import COUNTDOWN, countdown_reward
from .cups import CUPS_TASK
from .task import (
    MAX_RESPONSE_CHARACTERS,
    MOST_PROBLEMS,
    TAGS,
    Record,
    Task,
    completion_text,
    has_thought,
    is_held_out,
    is_right,
    parse_response,
)
from .words import WORDS, WORDS_GRADED, make_words, read_sentence, words_graded_reward, words_reward

TASKS = {
    task.name: task
    for task in (CHAIN_SUMS, SPREAD_SUMS, GRADED, COUNTDOWN, CUPS_TASK, WORDS, WORDS_GRADED)
}


def get_task(name: str) -> Task:
    """The task of that name; the error lists those that exist."""
    if name not in TASKS:
        raise ValueError(f"unknown task {name!r}; there are: {', '.join(TASKS)}")
    return TASKS[name]


__all__ = [
    "MAX_RESPONSE_CHARACTERS",
    "MOST_PROBLEMS",
    "TAGS",
    "TASKS",
    "Record",
    "Task",
    "chain_sum_reward",
    "completion_text",
    "countdown_reward",
    "get_task",
    "graded_reward",
    "has_thought",
    "is_held_out",
    "is_right",
    "make_chain_sum",
    "make_words",
    "parse_response",
    "read_sentence",
    "words_graded_reward",
    "words_reward",
]
