"""The table that notebook 05 ends with, against formulas and a random walk."""

import pytest
import torch

from grpo_mini.course.choices import CHOICES, changed, choices, means, pull
from grpo_mini.course.widgets.enumeration import weight
from grpo_mini.course.widgets.mixer import advantages_of

ROWS = {row["choice"]: row for row in choices()}


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_pull_is_the_formulas(p):
    assert pull(p, CHOICES["no baseline"]) == pytest.approx(1, abs=1e-5)
    assert pull(p, CHOICES["leave-one-out"]) == pytest.approx(1, abs=1e-5)
    assert pull(p, CHOICES["mean of the group"]) == pytest.approx(7 / 8, abs=1e-5)
    assert pull(p, CHOICES["half of the mean mixed back, no std"]) == pytest.approx(
        15 / 16, abs=1e-5
    )
    # Our w_G is with ddof 0; the mixer divides by the std with ddof 1.
    std = weight(p, 8, True) * (7 / 8) ** 0.5
    assert pull(p, CHOICES["mean and std of the group"]) == pytest.approx(std, rel=1e-4)


def test_the_pull_of_a_mean_over_the_batch_agrees_with_sampling():
    p, generator = 0.3, torch.Generator().manual_seed(1)
    state = {"baseline": "batch mean", "scale": "none", "relative_weight": 1.0,
             "baseline_weight": 0.0, "batch": False, "value": 0.5}  # fmt: skip
    neighbours, found = (torch.arange(8) % 4 != 3).float(), []
    for _ in range(4000):
        rewards = (torch.rand(8, generator=generator) < p).float()
        found.append((advantages_of(rewards, neighbours, state) * (rewards - p)).mean())
    sampled = torch.stack(found).mean().item() / (p * (1 - p))
    assert pull(p, CHOICES["mean of the batch"]) == pytest.approx(sampled, abs=0.05)


@pytest.mark.parametrize(
    ("choice", "constant", "unit", "changes"),
    [
        ("no baseline", "yes", "yes", "the noise"),
        ("a critic's value", "yes", "yes", "the noise"),
        ("mean of the batch", "yes", "yes", "the noise and the length of the step"),
        ("mean of the group", "no", "yes", "the noise and the length of the step"),
        ("leave-one-out", "no", "yes", "the noise"),
        (
            "half of the mean mixed back, no std",
            "yes",
            "yes",
            "the noise and the length of the step",
        ),
        ("mean and std of the group", "no", "no", "which prompts count"),
    ],
)
def test_each_choice_notices_and_changes_what_theory_says(choice, constant, unit, changes):
    row = ROWS[choice]
    found = row["notices a constant"], row["notices the unit"], row["changes"]
    assert found == (constant, unit, changes)


def test_the_three_means():
    rows = {row["aggregation"]: row for row in means()}
    own = {mode: row["my response grows"] for mode, row in rows.items()}
    others = {mode: row["another grows"] for mode, row in rows.items()}
    assert own == pytest.approx({"sequence": 1 / 2, "token": 48 / 56, "constant": 1})
    assert others == pytest.approx({"sequence": 1, "token": 48 / 56, "constant": 1})
    assert "long responses less" in rows["sequence"]["changes"]
    assert rows["constant"]["changes"] == "nothing"


def test_what_is_changed_is_read_off_the_pulls():
    assert changed(1.0, 1.0) == "the noise"
    assert changed(0.5, 0.5) == "the noise and the length of the step"
    assert changed(1.0, 0.9) == changed(0.9, 1.0) == "which prompts count"
