"""Exercises of notebook 04: relative rewards, leave-one-out, silent and incomplete groups, loss."""

import torch

from ...advantages import compute_relative_rewards, silent_groups
from ...advantages import leave_one_out as module_leave_one_out
from ...losses import aggregate
from ...losses import clipped_surrogate as module_clipped_surrogate
from ..checker import Mistake, exercise


def relative_rewards(rewards, group_size):
    groups = rewards.view(-1, group_size)
    relative = groups - groups.mean(dim=1, keepdim=True)
    relative = relative / (groups.std(dim=1, keepdim=True) + 1e-8)
    relative[(groups == groups[:, :1]).all(dim=1)] = 0.0
    return relative.flatten()


def _without_silent_rule(rewards, group_size, ddof=1):
    groups = rewards.view(-1, group_size)
    relative = groups - groups.mean(dim=1, keepdim=True)
    return (relative / (groups.std(dim=1, keepdim=True, correction=ddof) + 1e-8)).flatten()


def _with_ddof_0(rewards, group_size):
    return compute_relative_rewards(rewards, group_size, ddof=0)[0]


def _centred(rewards, group_size):
    return compute_relative_rewards(rewards, group_size, normalize=False)[0]


def _reward_cases():
    return [
        {"rewards": torch.tensor([1.0, 0.0, 0.0, 0.0]), "group_size": 4},
        {"rewards": torch.tensor([1.0, 0.0, 0.5, 0.25, 1.0, 0.75]), "group_size": 3},
        {"rewards": torch.tensor([3.0, 1.0, 0.0, 1.0, 7.0, 8.0]), "group_size": 2},
    ]


def _cases_with_silent_groups():
    equal = torch.tensor([0.3] * 8 + [0.1] * 8 + [0.7] * 8)
    return [*_reward_cases(), {"rewards": equal, "group_size": 8, "why": "silent groups"}]


exercise(
    number="4.1",
    title="relative rewards",
    solution=relative_rewards,
    cases=_cases_with_silent_groups,
    mistakes=(
        Mistake(
            _without_silent_rule,
            "Nearly. In a group of equal rewards rounding leaves a tiny residue, and dividing by "
            "a standard deviation of about 0 blows it up. Set such a group to exactly 0.",
        ),
        Mistake(
            _with_ddof_0,
            "The standard deviation divides by G here (ddof 0). TRL, verl and this course divide "
            "by G - 1, torch's default.",
        ),
        Mistake(
            lambda rewards, group_size: _without_silent_rule(rewards, group_size, 0),
            "The standard deviation divides by G here (ddof 0), and a group of equal rewards is "
            "not set to exactly 0.",
        ),
        Mistake(_centred, "The group's mean is subtracted, but nothing is divided by its std."),
        Mistake(
            lambda rewards, group_size: _without_silent_rule(rewards, len(rewards)),
            "Mean and std are those of the whole batch. A group is one prompt's samples, and is "
            "compared with itself only.",
        ),
        Mistake(
            lambda rewards, group_size: (
                _without_silent_rule(rewards.view(group_size, -1).t().reshape(-1), group_size)
                .view(-1, group_size)
                .t()
                .reshape(-1)
            ),
            "The groups are taken across: every n-th reward. The samples of one prompt are "
            "neighbours, so `view(-1, group_size)` has a group a row.",
        ),
    ),
    hints=(
        "`rewards.view(-1, group_size)` has one group in each row.",
        "Subtract `mean(dim=1, keepdim=True)` and divide by `std(dim=1, keepdim=True) + 1e-8`.",
        "Then find the rows where all rewards equal the first, and set them to 0.",
    ),
    module=(compute_relative_rewards,),
)


def leave_one_out(rewards, group_size):
    groups = rewards.view(-1, group_size)
    others = (groups.sum(dim=1, keepdim=True) - groups) / (group_size - 1)
    return (groups - others).flatten()


exercise(
    number="4.3",
    title="leave-one-out",
    solution=leave_one_out,
    cases=_reward_cases,
    mistakes=(
        Mistake(
            _centred,
            "The own reward is part of its baseline. That shrinks the expected gradient by "
            "(G - 1) / G; leave it out.",
        ),
        Mistake(
            lambda rewards, group_size: _others_over_g(rewards, group_size),
            "The sum of the others is divided by G, but there are only G - 1 of them.",
        ),
        Mistake(
            lambda rewards, group_size: -leave_one_out(rewards, group_size),
            "The sign is turned round: reward minus baseline.",
        ),
        Mistake(
            lambda rewards, group_size: rewards - leave_one_out(rewards, group_size),
            "This is the baseline. Subtract it from the reward.",
        ),
    ),
    hints=(
        "The baseline of a sample is the mean of the *other* rewards of its group.",
        "The sum of the others is the group's sum minus the own reward.",
        "There are G - 1 others.",
    ),
    module=(module_leave_one_out,),
)


def _others_over_g(rewards, group_size):
    groups = rewards.view(-1, group_size)
    others = (groups.sum(dim=1, keepdim=True) - groups) / group_size
    return (groups - others).flatten()


def silent_probability(p, group_size):
    return p**group_size + (1 - p) ** group_size


exercise(
    number="4.2",
    title="how often a group is silent",
    solution=silent_probability,
    cases=lambda: [
        {"p": p, "group_size": g} for p, g in ((0.5, 2), (0.1, 8), (0.9, 4), (0.0, 4), (1.0, 16))
    ],
    mistakes=(
        Mistake(
            lambda p, group_size: (1 - p) ** group_size,
            "This counts the groups that are all wrong. A group that is all right is silent too.",
        ),
        Mistake(
            lambda p, group_size: p**group_size,
            "This counts the groups that are all right. A group that is all wrong is silent too.",
        ),
        Mistake(
            lambda p, group_size: 1 - p**group_size - (1 - p) ** group_size,
            "This is the share of groups that do teach something.",
        ),
        Mistake(
            lambda p, group_size: p**group_size * (1 - p) ** group_size,
            "All right *or* all wrong: the two chances add.",
        ),
    ),
    hints=(
        "A group teaches nothing if all its rewards are equal: all 1 or all 0.",
        "G independent samples are all right with probability p to the power of G.",
        "Add the probability that all are wrong.",
    ),
    module=(silent_groups,),
)


def complete_groups(rewards, texts, group_size):
    complete = len(rewards) // group_size * group_size
    return rewards[:complete], texts[:complete]


exercise(
    number="4.4",
    title="cut off an incomplete group",
    solution=complete_groups,
    cases=lambda: [
        {"rewards": torch.arange(7.0), "texts": list("abcdefg"), "group_size": 3},
        {"rewards": torch.arange(4.0), "texts": list("abcd"), "group_size": 2, "why": "none is"},
    ],
    mistakes=(
        Mistake(
            lambda rewards, texts, group_size: (
                rewards[: len(rewards) // group_size * group_size],
                texts,
            ),
            "The rewards are cut, the texts are not. From here on each belongs to the wrong one, "
            "and nothing crashes.",
        ),
        Mistake(
            lambda rewards, texts, group_size: (
                rewards[len(rewards) % group_size :],
                texts[len(texts) % group_size :],
            ),
            "The cut is at the front. That shifts all groups: each now mixes two prompts.",
        ),
        Mistake(
            lambda rewards, texts, group_size: (rewards, texts),
            "Nothing is cut off.",
        ),
    ),
    hints=(
        "How many complete groups are there? `//` divides and drops the rest.",
        "Times the group size, that is how many samples stay.",
        "Cut everything that has an entry a sample, and at the same place.",
    ),
)


def grpo_loss(log_probs, old_log_probs, advantages, mask, clip):
    ratio = torch.exp(log_probs - old_log_probs)
    clipped = ratio.clamp(1 - clip, 1 + clip)
    A = advantages.unsqueeze(1)
    per_token = -torch.minimum(ratio * A, clipped * A)
    per_response = (per_token * mask).sum(dim=1) / mask.sum(dim=1)
    return per_response.mean()


def _per_token(log_probs, old_log_probs, advantages, clip):
    return module_clipped_surrogate(log_probs, old_log_probs, advantages.unsqueeze(1), clip, clip)


def _loss_cases():
    old = torch.tensor([[-1.0, -2.0, -0.5, -1.5], [-0.5, -1.0, -3.0, -3.0]])
    moved = torch.tensor([[0.0, 0.4, -0.4, 0.1], [0.05, -0.4, 9.0, -9.0]])
    mask = torch.tensor([[1.0, 1, 1, 1], [1.0, 1, 0, 0]])
    common = {"old_log_probs": old, "mask": mask, "clip": 0.2}
    return [
        {"log_probs": old.clone(), "advantages": torch.tensor([1.5, -0.5]), **common},
        {"log_probs": old + moved, "advantages": torch.tensor([1.5, -0.5]), **common},
    ]


exercise(
    number="4.5",
    title="the GRPO loss",
    solution=grpo_loss,
    cases=_loss_cases,
    gradient_of="log_probs",
    mistakes=(
        Mistake(
            lambda log_probs, old_log_probs, advantages, mask, clip: aggregate(
                _per_token(log_probs, old_log_probs, advantages, clip), mask, "token"
            ),
            "This is one mean over all tokens, DAPO's choice: long responses weigh more. The GRPO "
            "paper takes the mean of each response first.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, advantages, mask, clip: _per_token(
                log_probs, old_log_probs, advantages, clip
            ).mean(),
            "The mask is not used: padding is trained too.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, advantages, mask, clip: (
                _per_token(log_probs, old_log_probs, advantages, clip) * mask
            ).mean(),
            "The mask cuts padding out of the sum, but it still counts in the number that the sum "
            "is divided by.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, advantages, mask, clip: aggregate(
                _per_token(log_probs, old_log_probs, advantages, 1e9), mask
            ),
            "Nothing is clipped.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, advantages, mask, clip: (
                -aggregate(_per_token(log_probs, old_log_probs, advantages, clip), mask)
            ),
            "The sign is turned round: this is the objective. The loss is minus it.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, advantages, mask, clip: (
                (_per_token(log_probs, old_log_probs, advantages, clip) * mask).sum(dim=1).mean()
            ),
            "The tokens of a response are summed, not averaged.",
        ),
    ),
    hints=(
        "Three stages: per token, per response, per batch.",
        "Per token it is the clipped surrogate of notebook 03, with one advantage a response: "
        "`advantages.unsqueeze(1)` is [B, 1].",
        "Per response: sum over its tokens (times mask) divided by how many it has. Then the mean.",
    ),
    module=(module_clipped_surrogate, aggregate),
)
