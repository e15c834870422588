"""The recorded training of a real chat model, experiment `real`, as notebook 10 reads it."""

import re
from collections.abc import Sequence
from pathlib import Path

from ..experiments.judges import by_count
from ..experiments.statistics import RUNS, Interval, Run, bootstrap, load
from ..tasks.words import words_reward

__all__ = ["PAID", "judged", "recorded", "right"]

# What pays in each setting, in words.
PAID = {
    "grpo": "GRPO, the verifier pays",
    "ppo": "PPO, the verifier pays",
    "grpo-by-count": "GRPO, only the count pays",
}
QUESTION = re.compile(r"about an? (\w+) \w+ the (\w+) with exactly (\d+) words")


def recorded(runs: Path = RUNS) -> dict[str, list[Run]]:
    """Runs by setting; none where nobody has made them yet."""
    try:
        found = load("real", runs)
    except FileNotFoundError:
        return {}
    return {setting: found[setting] for setting in PAID if setting in found}


def right(runs: Sequence[Run], which: int) -> Interval:
    """Share of right answers in the first measurement (0) or the last (-1), with its interval.

    Of one seed: over the problems. Of several: over the seeds.
    """
    rows = [run.evaluations()[which] for run in runs]
    if len(rows) == 1:
        return Interval(*(rows[0][f"eval_{name}"] for name in ("accuracy", "low", "high")))
    return bootstrap([row["eval_accuracy"] for row in rows]).within(0, 1)


def judged(pairs: Sequence[tuple[str, str]]) -> list[dict]:
    """Recorded questions and responses: what the count pays for them, and what the verifier does.

    Raises:
        ValueError: a question is not one of *words*.
    """
    rows = []
    for question, response in pairs:
        asked = QUESTION.search(question)
        if asked is None:
            raise ValueError(f"no question of the task words: {question!r}")
        thing, place, number = asked.groups()
        (count,) = by_count([response], [int(number)])
        (honest,) = words_reward([response], [[thing, place]], [int(number)])
        rows.append({"about": f"{thing}, {place}", "words": int(number), "response": response,
                     "count pays": int(count), "verifier pays": int(honest)})  # fmt: skip
    return rows
