"""What each choice of baseline, scale and mean notices, and what it changes; all of it computed."""

import torch

from .predictions import numbers
from .widgets import AdvantageMixer, Length, NormalisationStack
from .widgets.enumeration import pull as pull_of
from .widgets.mixer import advantages_of

SIZE = 8
HARD, MEDIUM = 0.1, 0.5
CHOICES = {
    "no baseline": {"baseline": "none", "scale": "none"},
    "a critic's value": {"baseline": "critic V", "scale": "none"},
    "mean of the batch": {"baseline": "batch mean", "scale": "none"},
    "mean of the group": {"scale": "none"},
    "leave-one-out": {"baseline": "leave-one-out", "scale": "none"},
    "half of the mean mixed back, no std": {"scale": "none", "baseline_weight": 0.5},
    "mean and std of the group": {},
}


def pull(p: float, options: dict) -> float:
    """What a choice leaves of the true gradient; the batch's other group stays as it is."""
    state = {name: control.value for name, control in AdvantageMixer.make_controls().items()}
    neighbours = (torch.arange(SIZE) % 4 != 3).float()
    return pull_of(p, SIZE, lambda rewards: advantages_of(rewards, neighbours, state | options))


def changed(hard: float, medium: float) -> str:
    """What a choice changes, by the pull that it leaves of a hard and of a medium prompt."""
    if abs(hard - medium) > 0.01 * medium:
        return "which prompts count"
    return "the noise" if abs(medium - 1) < 0.01 else "the noise and the length of the step"


def choices() -> list[dict]:
    """A row for each choice of baseline and scale, for groups of eight."""

    def row(name: str, hard: float | str, medium: float | str, changes: str, **options) -> dict:
        shown = numbers(AdvantageMixer, **options)
        return {
            "choice": name,
            "notices a constant": "no" if shown["ignores_shift"] else "yes",
            "notices the unit": "no" if shown["ignores_scale"] else "yes",
            f"weight, p = {HARD}": hard,
            f"weight, p = {MEDIUM}": medium,
            "changes": changes,
        }

    rows = []
    for name, options in CHOICES.items():
        hard, medium = (round(pull(p, options), 5) for p in (HARD, MEDIUM))
        rows.append(row(name, hard, medium, changed(hard, medium), **options))
    few, many = (
        numbers(NormalisationStack, batch=True, silent=silent)["factor"] for silent in (0, 9)
    )
    changes = f"the length of the step: x {few:.2f} with no silent group, x {many:.2f} with nine"
    rows.append(row("… and std of the batch", "–", "–", f"{changes} of twelve", batch=True))
    return rows


def means() -> list[dict]:
    """A row for each aggregation: what eight tokens more do to the weight of one of my tokens."""
    before, mine, theirs = (
        numbers(Length, first=first, second=second)["token"]
        for first, second in ((8, 40), (16, 40), (8, 48))
    )
    rows = []
    for mode in before:
        own, others = (after[mode][0] / before[mode][0] for after in (mine, theirs))
        if abs(own - others) > 0.01:
            what = "which tokens count: those of long responses less"
        else:
            what = "the length of the step, with the batch's tokens" if own < 0.99 else "nothing"
        rows.append(
            {"aggregation": mode, "my response grows": own, "another grows": others,
             "changes": what}
        )  # fmt: skip
    return rows
