"""Exercises of notebook 09: preference loss, where to read a score, biases and what is left."""

import torch
from torch.nn.functional import logsigmoid

from ...losses import preference_loss as module_preference_loss
from ...models import RewardModel
from ..checker import Mistake, exercise


def preference_loss(chosen, rejected):
    return -torch.nn.functional.logsigmoid(chosen - rejected).mean()


exercise(
    number="9.1",
    title="the Bradley-Terry loss",
    solution=preference_loss,
    cases=lambda: [
        {"chosen": torch.tensor([1.5, -1.0, 0.5]), "rejected": torch.tensor([0.5, 1.0, 0.5])},
        {
            "chosen": torch.tensor([-200.0, 150.0]),
            "rejected": torch.tensor([0.0, -50.0]),
            "why": "large differences",
        },
    ],
    gradient_of="chosen",
    mistakes=(
        Mistake(
            lambda chosen, rejected: -torch.sigmoid(chosen - rejected).log().mean(),
            "Nearly. For a large negative difference the sigmoid is exactly 0 in float32, and its "
            "logarithm is minus infinity. `logsigmoid` computes both in one step.",
        ),
        Mistake(
            lambda chosen, rejected: -logsigmoid(rejected - chosen).mean(),
            "The difference is reversed: this teaches the model to prefer what was rejected.",
        ),
        Mistake(
            lambda chosen, rejected: logsigmoid(chosen - rejected).mean(),
            "The minus is missing: this is the log-likelihood. A loss is minus it.",
        ),
        Mistake(
            lambda chosen, rejected: -torch.sigmoid(chosen - rejected).mean(),
            "The logarithm is missing. Without it a pair that is badly wrong pulls hardly at all.",
        ),
        Mistake(
            lambda chosen, rejected: -logsigmoid(chosen - rejected).sum(),
            "This is the sum over the pairs. Take the mean, or the step size grows with the batch.",
        ),
        Mistake(
            lambda chosen, rejected: -(logsigmoid(chosen) + logsigmoid(-rejected)).mean(),
            "The sigmoid is taken of each score by itself, as if there were an absolute good and "
            "bad. A preference says something about the difference only.",
        ),
    ),
    hints=(
        "The model's probability that the chosen response wins is sigmoid(chosen - rejected).",
        "The loss of a pair is minus the logarithm of that probability; of a batch, the mean.",
        "`torch.nn.functional.logsigmoid` stays finite where `sigmoid(...).log()` does not.",
    ),
    module=(module_preference_loss,),
)


def end_scores(per_token, mask):
    last = mask.sum(dim=1) - 1
    return per_token.gather(1, last.unsqueeze(1)).squeeze(1)


exercise(
    number="9.2",
    title="the score at the end token",
    solution=end_scores,
    cases=lambda: [
        {
            "per_token": torch.tensor(
                [[0.5, 1.0, -2.0, 4.0], [3.0, -1.0, 7.0, 9.0], [0.25, 6.0, 1.5, 8.0]]
            ),
            "mask": torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]]),
        }
    ],
    gradient_of="per_token",
    mistakes=(
        Mistake(
            lambda per_token, mask: per_token[:, -1],
            "This is the last column: for a shorter row that is padding, where the model was never "
            "asked anything.",
        ),
        Mistake(
            lambda per_token, mask: per_token.gather(1, mask.sum(1, keepdim=True) - 2).squeeze(1),
            "One too far to the left: there the end token itself has not been read yet.",
        ),
        Mistake(
            lambda per_token, mask: (per_token * mask).sum(dim=1) / mask.sum(dim=1),
            "This is the mean over all tokens. Only at the end has the model read the whole "
            "response.",
        ),
        Mistake(
            lambda per_token, mask: (per_token * mask).sum(dim=1),
            "This is the sum over all tokens: long responses would be paid for being long.",
        ),
        Mistake(
            lambda per_token, mask: per_token[:, 0],
            "This is the first column: a causal model has read nothing but the first token there.",
        ),
    ),
    hints=(
        "Rows are padded on the right, so the end token is the last one whose mask is 1.",
        "`mask.sum(dim=1) - 1` is its place in each row.",
        "`per_token.gather(1, places.unsqueeze(1))` picks one entry a row; `.squeeze(1)` it.",
    ),
    module=(RewardModel._read,),
)


def survives(bias, std):
    return bias in ("length bonus", "flipped reward") or (bias == "scale" and not std)


BIASES = ("offset", "scale", "length bonus", "flipped reward")

exercise(
    number="9.3",
    title="which bias survives the group",
    solution=survives,
    cases=lambda: [{"bias": bias, "std": std} for std in (True, False) for bias in BIASES],
    mistakes=(
        Mistake(
            lambda bias, std: False,
            "You trust the group too far. A bias that differs from response to response is a "
            "difference inside the group, and to the group that is what quality looks like.",
        ),
        Mistake(
            lambda bias, std: True,
            "You trust the group too little. What is the same for all responses of a prompt is in "
            "their mean as well.",
        ),
        Mistake(
            lambda bias, std: bias != "offset",
            "Divided by the group's std, a scale of the prompt cancels: both grow alike.",
        ),
        Mistake(
            lambda bias, std: bias not in ("offset", "scale"),
            "Without the std a scale of the prompt stays: this prompt simply counts for more.",
        ),
        Mistake(
            lambda bias, std: bias == "flipped reward" or (bias == "scale" and not std),
            "A length bonus is not the same for all: it pays the longer responses of the group.",
        ),
        Mistake(
            lambda bias, std: bias == "length bonus" or (bias == "scale" and not std),
            "One flipped reward stays: no mean knows which of the rewards is the wrong one.",
        ),
    ),
    hints=(
        "Ask of each bias: is it the same for all responses of the prompt, or does it depend on "
        "the response?",
        "Subtracting the group's mean removes what is added to all, dividing by the std what "
        "multiplies all.",
        "Two of the four depend on the response. One of the others needs the std to go away.",
    ),
)


def without_length(rewards, lengths):
    longer = lengths - lengths.mean()
    slope = (longer * rewards).sum() / longer.square().sum().clamp(min=1e-8)
    return rewards - slope * longer


def _slope(rewards, lengths):
    longer = lengths - lengths.mean()
    return (longer * rewards).sum() / longer.square().sum().clamp(min=1e-8)


def _unguarded(rewards, lengths):
    longer = lengths - lengths.mean()
    return rewards - (longer * rewards).sum() / longer.square().sum() * longer


def _through_zero(rewards, lengths):
    return rewards - (lengths * rewards).sum() / lengths.square().sum() * lengths


exercise(
    number="9.4",
    title="take the length out of the rewards",
    solution=without_length,
    cases=lambda: [
        {
            "rewards": torch.tensor([1.4, 0.6, 0.9, 2.0]),
            "lengths": torch.tensor([20.0, 30.0, 15.0, 50.0]),
        },
        {
            "rewards": torch.tensor([1.0, 0.0, 1.0]),
            "lengths": torch.tensor([12.0, 12.0, 12.0]),
            "why": "equal lengths",
        },
    ],
    mistakes=(
        Mistake(
            _unguarded,
            "Nearly. If all lengths are equal this is 0 divided by 0, and one NaN ends the "
            "training. Keep the divisor above 0.",
        ),
        Mistake(
            _through_zero,
            "The line goes through 0 because the lengths are not centred: then it takes away part "
            "of the rewards' mean as well.",
        ),
        Mistake(
            lambda rewards, lengths: rewards - _slope(rewards, lengths) * lengths,
            "The slope is right, but what is subtracted is not centred: the mean reward changes.",
        ),
        Mistake(
            lambda rewards, lengths: without_length(rewards, lengths) - rewards.mean(),
            "The mean reward is gone too. Only what goes with the length is to be taken away.",
        ),
        Mistake(
            lambda rewards, lengths: (
                rewards + _slope(rewards, lengths) * (lengths - lengths.mean())
            ),
            "The sign is reversed: the length now counts twice.",
        ),
        Mistake(
            lambda rewards, lengths: rewards / lengths,
            "This is the reward a character: it turns the preference for long responses into one "
            "for short ones.",
        ),
    ),
    hints=(
        "Fit a straight line, reward against length, and subtract what the line adds to or takes "
        "from the mean.",
        "With `longer = lengths - lengths.mean()` the slope is `(longer * rewards).sum()` divided "
        "by `longer.square().sum()`.",
        "Subtract `slope * longer`. If all lengths are equal that has to be 0, not NaN: "
        "`.clamp(min=1e-8)`.",
    ),
)
