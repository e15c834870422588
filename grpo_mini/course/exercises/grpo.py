"""Exercises of notebook 04: relative rewards, leave-one-out, silent and incomplete groups, loss,
and the whole step."""

import torch

from ...advantages import compute_relative_rewards, silent_groups
from ...advantages import leave_one_out as module_leave_one_out
from ...losses import aggregate
from ...losses import clipped_surrogate as module_clipped_surrogate
from ..checker import Mistake, exercise
from ..mine import pieces as my
from .steps import ONLY_GRPO, faulty_grpo, mistakes, seen, toy
from .surrogates import clipped, mistaken_surrogates


def relative_rewards(rewards, group_size):
    groups = rewards.view(-1, group_size)
    relative = groups - groups.mean(dim=1, keepdim=True)
    relative = relative / (groups.std(dim=1, keepdim=True) + 1e-8)
    relative[(groups == groups[:, :1]).all(dim=1)] = 0.0
    return relative.flatten()


def _reward_cases():
    return [
        {"rewards": torch.tensor([1.0, 0.0, 0.0, 0.0]), "group_size": 4},
        {"rewards": torch.tensor([1.0, 0.0, 0.5, 0.25, 1.0, 0.75]), "group_size": 3},
        {"rewards": torch.tensor([3.0, 1.0, 0.0, 1.0, 7.0, 8.0]), "group_size": 2},
        {"rewards": torch.tensor([-2.0, 5.0, 9.0, 1.0, 2.0, 0.25, 0.5, 0.75, 0.0]).double(),
         "group_size": 3, "why": "as many groups as samples in each, float64"},
    ]  # fmt: skip


def _cases_with_silent_groups():
    # In a group by itself torch finds a small std, in one of several groups a std of 0.
    several = torch.tensor([0.3] * 8 + [0.1, 0.4] * 4 + [0.1] * 8 + [0.7] * 8)
    return [
        *_reward_cases(),
        {"rewards": torch.full((8,), 0.1), "group_size": 8, "why": "eight rewards of 0.1"},
        {"rewards": torch.full((3,), 0.9), "group_size": 3, "why": "three rewards of 0.9"},
        {"rewards": several, "group_size": 8, "why": "silent groups beside one that is not"},
        {"rewards": torch.tensor([0.0, 1e-4, 2.0, 2.0]), "group_size": 2,
         "why": "rewards that hardly differ"},
    ]  # fmt: skip


def _compared(compare, silent=True, flat=True):
    """An answer that compares the groups, a group a row, and sets the silent ones to 0."""

    def answer(rewards, group_size):
        groups = rewards.view(-1, group_size)
        relative = compare(groups)
        if silent:
            same = (groups == groups[:, :1]).all(dim=1, keepdim=True)
            relative = relative.masked_fill(same, 0.0)
        return relative.flatten() if flat else relative

    return answer


def _standard(groups, ddof=1, eps=1e-8):
    if groups.shape[1] == ddof:  # torch would warn of what is NaN
        return groups * float("nan")
    spread = groups.std(dim=1, keepdim=True, correction=ddof)
    return (groups - groups.mean(dim=1, keepdim=True)) / (spread + eps)


def _centred(groups):
    return groups - groups.mean(dim=1, keepdim=True)


def _others(groups):
    """The mean of the other rewards of the group."""
    return (groups.sum(dim=1, keepdim=True) - groups) / (groups.shape[1] - 1)


def _both(compare, because):
    """A mistake, and the same without the rule for silent groups."""
    more = " Besides, a group of equal rewards is not set to exactly 0."
    return Mistake(_compared(compare), because), Mistake(
        _compared(compare, silent=False), because + more
    )


def _zero_where(silent):
    """Other rules for silent groups: ``silent(groups)`` says which, [N, 1]."""
    return _compared(lambda groups: _standard(groups).masked_fill(silent(groups), 0.0), False)


def _one_by_one(standardized):
    """The same in a loop over the groups, where torch rounds in another way."""
    return lambda rewards, group_size: torch.cat(
        [standardized(group) for group in rewards.split(group_size)]
    )


def _all_or_none(rewards, group_size):
    if (rewards == rewards[0]).all():
        return torch.zeros_like(rewards)
    return _compared(_standard, silent=False)(rewards, group_size)


def _only_the_others(rewards, group_size):
    groups = rewards.view(-1, group_size)
    return _standard(groups)[~(groups == groups[:, :1]).all(dim=1)].flatten()


def _in_columns(rewards, group_size):
    """Groups taken across: every n-th reward."""
    return _standard(rewards.view(group_size, -1).t()).t().flatten()


exercise(
    number="4.1",
    title="relative rewards",
    solution=relative_rewards,
    cases=_cases_with_silent_groups,
    mistakes=(
        Mistake(
            _compared(_standard, silent=False),
            "Nearly. In a group of equal rewards rounding leaves a tiny residue, and dividing by "
            "a standard deviation of about 0 blows it up. Set such a group, whatever its rewards "
            "are, to exactly 0.",
        ),
        Mistake(
            _one_by_one(lambda group: (group - group.mean()) / (group.std() + 1e-8)),
            "Nearly. Where all rewards of a group are equal, rounding leaves a residue in "
            "reward - mean and even in the std, so `std == 0` would not find the group. Ask "
            "whether all rewards equal the first, and set it to exactly 0.",
        ),
        Mistake(
            _zero_where(lambda groups: groups.std(dim=1, keepdim=True) == 0),
            "`std == 0` does not find every silent group: for eight rewards of 0.1 rounding may "
            "leave a std of 8e-9. Compare the rewards: `groups == groups[:, :1]`.",
        ),
        Mistake(
            _all_or_none,
            "It asks whether the whole batch is equal. Each group is silent or not by itself.",
        ),
        Mistake(
            _only_the_others,
            "Silent groups are left out. Then the result no longer fits the responses: they stay, "
            "with 0.",
        ),
        *_both(
            lambda groups: _standard(groups, ddof=0),
            "The standard deviation divides by G here (ddof 0). TRL, verl and this course divide "
            "by G - 1, torch's default.",
        ),
        Mistake(
            _compared(_centred),
            "The group's mean is subtracted, but nothing is divided by its std.",
        ),
        *_both(
            lambda groups: (groups - groups.mean()) / (groups.std() + 1e-8),
            "Mean and std are those of the whole batch. A group is one prompt's samples, and is "
            "compared with itself only.",
        ),
        *_both(
            lambda groups: _centred(groups) / (groups.std() + 1e-8),
            "The std is that of the whole batch. Each group has its own: one prompt's samples are "
            "compared with themselves only.",
        ),
        *_both(
            lambda groups: (groups - groups.mean()) / (groups.std(dim=1, keepdim=True) + 1e-8),
            "The mean is that of the whole batch. The baseline is the group's own mean, `dim=1`.",
        ),
        *_both(
            lambda groups: _standard(groups.t()).t(),
            "`dim=0` goes down a column: it compares samples of different prompts. A group is a "
            "row, `dim=1`.",
        ),
        Mistake(
            _in_columns,
            "The groups are taken across: every n-th reward. The samples of one prompt are "
            "neighbours, so `view(-1, group_size)` has a group a row.",
        ),
        Mistake(
            lambda rewards, group_size: _standard(rewards.view(group_size, -1)).flatten(),
            "`view(group_size, -1)` makes group_size rows, not rows of group_size. It is "
            "`view(-1, group_size)`.",
        ),
        Mistake(
            lambda rewards, group_size: _compared(_standard)(rewards, len(rewards) // group_size),
            "`view(group_size, -1)` makes group_size rows, not rows of group_size: the wrong "
            "samples are compared. It is `view(-1, group_size)`.",
        ),
        Mistake(
            _compared(lambda groups: (groups - groups.mean(dim=1)) / (groups.std(dim=1) + 1e-8)),
            "The means are [N], and torch lines them up with the columns. `keepdim=True` makes "
            "them [N, 1], one a row.",
        ),
        Mistake(
            lambda rewards, group_size: _compared(_standard)(rewards, 4),
            "A group size of 4 is written into it. Use the argument `group_size`.",
        ),
        Mistake(
            lambda rewards, group_size: _compared(_standard)(rewards, 8),
            "A group size of 8 is written into it. Use the argument `group_size`.",
        ),
        *_both(
            lambda groups: _centred(groups) / (groups.var(dim=1, keepdim=True) + 1e-8),
            "This divides by the variance. Its root, the standard deviation, has the unit of the "
            "rewards, so that ten times the reward gives the same result.",
        ),
        Mistake(
            _compared(
                lambda groups: _centred(groups) / (groups.var(dim=1, keepdim=True) + 1e-8).sqrt()
            ),
            "The 1e-8 is added under the root, where it is 1e-4 to the std. Add it to the std.",
        ),
        *_both(
            lambda groups: _standard(groups, eps=0.0),
            "The 1e-8 is not added to the std, below the fraction: without it a std of 0 divides "
            "by 0.",
        ),
        *_both(
            lambda groups: _standard(groups, eps=1e-4),
            "This adds 1e-4 to the std, which is TRL's choice. Here it is 1e-8.",
        ),
        Mistake(
            _compared(lambda groups: _standard(groups, eps=1e-6)),
            "This adds 1e-6 to the std. Here it is 1e-8.",
        ),
        *_both(
            lambda groups: (
                groups - groups.mean(dim=1, keepdim=True) / (groups.std(dim=1, keepdim=True) + 1e-8)
            ),
            "Brackets are missing: only the mean is divided. First subtract, then divide.",
        ),
        *_both(
            lambda groups: groups / (groups.std(dim=1, keepdim=True) + 1e-8),
            "The group's mean is not subtracted: then every response with a reward is praised.",
        ),
        *_both(
            lambda groups: -_standard(groups),
            "The sign is reversed: reward minus mean.",
        ),
        Mistake(
            _compared(
                lambda groups: (
                    (groups - groups.median(dim=1, keepdim=True)[0])
                    / (groups.std(dim=1, keepdim=True) + 1e-8)
                )
            ),
            "The median is subtracted. The baseline is the group's mean.",
        ),
        *_both(
            lambda groups: (groups - _others(groups)) / (groups.std(dim=1, keepdim=True) + 1e-8),
            "The baseline leaves its own reward out: that is exercise 4.3. Here it is the mean of "
            "the whole group.",
        ),
        Mistake(
            _compared(
                lambda groups: (
                    (groups - groups.amin(dim=1, keepdim=True))
                    / (groups.amax(dim=1, keepdim=True) - groups.amin(dim=1, keepdim=True) + 1e-8)
                )
            ),
            "This scales each group to 0 ... 1. Then nothing is negative, and no response is "
            "discouraged.",
        ),
        Mistake(
            _compared(_standard, flat=False),
            "The result is still [number of groups, group size]. It is wanted as [B]: `flatten()`.",
        ),
        Mistake(
            lambda rewards, group_size: (
                _compared(_standard)(rewards, group_size),
                rewards.view(-1, group_size).mean(dim=1),
            ),
            "It returns two things. Only the relative rewards are asked for.",
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


def _plain(compare, flat=True):
    return _compared(compare, silent=False, flat=flat)


def _sum_of_others(groups):
    return groups.sum(dim=1, keepdim=True) - groups


exercise(
    number="4.3",
    title="leave-one-out",
    solution=leave_one_out,
    cases=_reward_cases,
    mistakes=(
        Mistake(
            _plain(_centred),
            "Its own reward is part of its baseline. That shrinks the expected gradient by "
            "(G - 1) / G; leave it out.",
        ),
        Mistake(
            _plain(lambda groups: groups - _sum_of_others(groups) / groups.shape[1]),
            "The sum of the others is divided by G, but there are only G - 1 of them.",
        ),
        Mistake(
            _plain(lambda groups: groups - _sum_of_others(groups)),
            "The sum of the others is subtracted. The baseline is their mean: divide by G - 1.",
        ),
        Mistake(
            _plain(lambda groups: groups - groups.sum(dim=1, keepdim=True) / (groups.shape[1] - 1)),
            "The whole group's sum is divided by G - 1, so its own reward is still in it. Subtract "
            "it from the sum first.",
        ),
        Mistake(
            _plain(
                lambda groups: (
                    groups - groups.sum(dim=1, keepdim=True) - groups / (groups.shape[1] - 1)
                )
            ),
            "Brackets are missing: (sum - own) / (G - 1) is the mean of the others.",
        ),
        Mistake(
            _plain(lambda groups: _centred(groups) * (groups.shape[1] - 1) / groups.shape[1]),
            "The factor is upside down. Leaving its own reward out makes the difference larger: "
            "times G / (G - 1).",
        ),
        Mistake(
            _plain(lambda groups: _centred(groups) / (groups.shape[1] - 1)),
            "Reward minus mean is divided by G - 1. Leaving its own reward out makes it larger: "
            "times G / (G - 1).",
        ),
        Mistake(
            _plain(lambda groups: _others(groups) - groups),
            "The sign is reversed: reward minus baseline.",
        ),
        Mistake(_plain(_others), "This is the baseline. Subtract it from the reward."),
        Mistake(
            _plain(lambda groups: groups + _others(groups)),
            "The baseline is added. Subtract it from the reward.",
        ),
        Mistake(
            _plain(lambda groups: groups - (groups.sum() - groups) / (groups.numel() - 1)),
            "The others are those of the whole batch. Other prompts' rewards say how hard *those* "
            "are: take its own group only.",
        ),
        Mistake(
            _plain(lambda groups: groups - groups.mean()),
            "The mean is that of the whole batch. The baseline is the mean of the *others* of the "
            "own group.",
        ),
        Mistake(
            _plain(lambda groups: groups - (groups.sum() - groups) / (groups.shape[1] - 1)),
            "The sum goes over the whole batch: `dim=1, keepdim=True` sums each group.",
        ),
        Mistake(
            _plain(lambda groups: groups - (groups.sum(dim=0) - groups) / (groups.shape[1] - 1)),
            "`dim=0` goes down a column: it takes the samples of other prompts. A group is a row, "
            "`dim=1`.",
        ),
        Mistake(
            lambda rewards, group_size: (
                rewards.view(group_size, -1)
                - (rewards.view(group_size, -1).sum(dim=0) - rewards.view(group_size, -1))
                / (group_size - 1)
            ).flatten(),
            "The groups are taken across: every n-th reward. Groups are neighbours, "
            "`view(-1, group_size)`.",
        ),
        Mistake(
            lambda rewards, group_size: (
                rewards.view(group_size, -1)
                - (
                    rewards.view(group_size, -1).sum(dim=1, keepdim=True)
                    - rewards.view(group_size, -1)
                )
                / (group_size - 1)
            ).flatten(),
            "`view(group_size, -1)` makes group_size rows, not rows of group_size. It is "
            "`view(-1, group_size)`.",
        ),
        Mistake(
            _plain(lambda groups: groups - (groups.sum(dim=1) - groups) / (groups.shape[1] - 1)),
            "The sums are [N], and torch lines them up with the columns. `keepdim=True` makes "
            "them [N, 1], one a row.",
        ),
        Mistake(
            _plain(
                lambda groups: (
                    (groups - groups.mean(dim=1)) * (groups.shape[1] / (groups.shape[1] - 1))
                )
            ),
            "The means are [N], and torch lines them up with the columns. `keepdim=True` makes "
            "them [N, 1], one a row.",
        ),
        Mistake(
            lambda rewards, group_size: leave_one_out(rewards, 4),
            "A group size of 4 is written into it. Use the argument `group_size`.",
        ),
        Mistake(
            _plain(lambda groups: groups - _sum_of_others(groups) / 3),
            "The sum of the others is divided by 3 whatever the group size. There are "
            "`group_size - 1` others.",
        ),
        Mistake(
            lambda rewards, group_size: leave_one_out(rewards, 8),
            "A group size of 8 is written into it. Use the argument `group_size`.",
        ),
        Mistake(
            _plain(
                lambda groups: (groups - _others(groups)) / (groups.std(dim=1, keepdim=True) + 1e-8)
            ),
            "It is divided by the std. Leave-one-out is the plain difference.",
        ),
        Mistake(
            _plain(_standard),
            "These are the relative rewards of 4.1, std and all. Here its own reward is left out "
            "of the mean, and nothing is divided by a std.",
        ),
        Mistake(
            _plain(lambda groups: groups - groups.roll(-1, dims=1)),
            "The baseline is the next sample alone. Take the mean of all the others.",
        ),
        Mistake(
            _plain(lambda groups: groups - groups.roll(1, dims=1)),
            "The baseline is the sample before, alone. Take the mean of all the others.",
        ),
        Mistake(
            _plain(lambda groups: groups - groups[:, :1]),
            "The baseline is the first sample alone. Take the mean of all the others.",
        ),
        Mistake(
            _plain(lambda groups: groups - groups[:, 1:].mean(dim=1, keepdim=True)),
            "The first sample is left out for all of them. Each sample leaves out itself.",
        ),
        Mistake(
            _plain(lambda groups: groups - _others(groups), flat=False),
            "The result is still [number of groups, group size]. It is wanted as [B]: `flatten()`.",
        ),
    ),
    hints=(
        "The baseline of a sample is the mean of the *other* rewards of its group.",
        "The sum of the others is the group's sum minus its own reward.",
        "There are G - 1 others.",
    ),
    module=(module_leave_one_out,),
)


def silent_probability(p, group_size):
    return p**group_size + (1 - p) ** group_size


exercise(
    number="4.2",
    title="how often a group is silent",
    solution=silent_probability,
    cases=lambda: [
        {"p": p, "group_size": g}
        for p, g in ((0.5, 2), (0.1, 8), (0.9, 4), (0.3, 3), (0.0, 4), (1.0, 16))
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
        Mistake(
            lambda p, group_size: 2 * p**group_size,
            "All wrong is counted as likely as all right. It has (1 - p) to the power of G.",
        ),
        Mistake(
            lambda p, group_size: 2 * (1 - p) ** group_size,
            "All right is counted as likely as all wrong. It has p to the power of G.",
        ),
        Mistake(
            lambda p, group_size: p ** (group_size - 1) + (1 - p) ** (group_size - 1),
            "The exponent is G: the first sample has to be right (or wrong) too, as each of them.",
        ),
        Mistake(
            lambda p, group_size: 0.5 ** (group_size - 1),
            "This is the chance at p = 1/2 only: the likelier one answer is, the more groups are "
            "silent.",
        ),
        Mistake(
            lambda p, group_size: 1 - p**group_size,
            "This is the chance that not all are right. Silent are the groups that are all right "
            "or all wrong.",
        ),
        Mistake(
            lambda p, group_size: 1 - (1 - p) ** group_size,
            "This is the chance that at least one is right. Silent are the groups that are all "
            "right or all wrong.",
        ),
        Mistake(
            lambda p, group_size: p**group_size + (1 - p**group_size),
            "It comes out as 1 for every p. All right is p**G, all wrong is (1 - p)**G: bracket "
            "first, then the power, then the sum.",
        ),
        Mistake(
            lambda p, group_size: p**group_size - (1 - p) ** group_size,
            "The second chance is subtracted. All right or all wrong: they add.",
        ),
        Mistake(
            lambda p, group_size: p * group_size + (1 - p) * group_size,
            "Chances of independent samples multiply: p to the power of G, not p times G.",
        ),
        Mistake(
            lambda p, group_size: group_size**p + group_size ** (1 - p),
            "Base and exponent are exchanged: G factors of p are p**G.",
        ),
        Mistake(
            lambda p, group_size: p**8 + (1 - p) ** 8,
            "A group size of 8 is written into it. Use the argument `group_size`.",
        ),
        Mistake(
            lambda p, group_size: p**4 + (1 - p) ** 4,
            "A group size of 4 is written into it. Use the argument `group_size`.",
        ),
        Mistake(
            lambda p, group_size: p**2 + (1 - p) ** 2,
            "This is the chance that two samples agree. A silent group has G that agree.",
        ),
        Mistake(
            lambda p, group_size: (p**2 + (1 - p) ** 2) ** (group_size - 1),
            "This multiplies the chances that neighbours agree. Those are not independent: a "
            "likely answer makes all of them agree at once.",
        ),
        Mistake(
            lambda p, group_size: max(p**group_size, (1 - p) ** group_size),
            "Only the likelier of the two is counted. All right or all wrong: they add.",
        ),
        Mistake(
            lambda p, group_size: (
                p**group_size + (1 - p) ** group_size - p**group_size * (1 - p) ** group_size
            ),
            "The product is subtracted as if both could happen together. No group is all right and "
            "all wrong: the chances just add.",
        ),
        Mistake(
            lambda p, group_size: (p**group_size + (1 - p) ** group_size) / 2,
            "This is the mean of the two chances. Both make a group silent: they add.",
        ),
        Mistake(
            lambda p, group_size: group_size * p * (1 - p) ** (group_size - 1),
            "This is the chance that exactly one is right. Silent are none and all.",
        ),
        Mistake(
            lambda p, group_size: p ^ group_size + (1 - p) ^ group_size,
            "`^` is no power in Python, but bitwise *xor*, and weaker than `+`. A power is "
            "`p**group_size`.",
        ),
        Mistake(
            lambda p, group_size: p ^ group_size,
            "`^` is no power in Python, but bitwise *xor*. A power is `p**group_size`.",
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


def _incomplete_cases():
    return [
        {"rewards": torch.arange(7.0), "texts": list("abcdefg"), "group_size": 3},
        {"rewards": torch.arange(4.0), "texts": list("abcd"), "group_size": 2, "why": "none is"},
        {"rewards": torch.tensor([0.5, 1.0, 0.0, 1.0, 0.5, 2.0]).double(),
         "texts": ["7", "12", "", "7", "9", "x"], "group_size": 4, "why": "two are left over"},
        {"rewards": torch.tensor([2.0, 0.5, 1.0, 0.0, 3.0]), "texts": ["5", "", "8", "1", "0"],
         "group_size": 3},
    ]  # fmt: skip


def _cut(rewards=lambda n, size: slice(n // size * size), texts=None):
    """An answer that cuts in another place, the texts in yet another."""
    texts = texts or rewards

    def answer(**inputs):
        n, size = len(inputs["rewards"]), inputs["group_size"]
        return inputs["rewards"][rewards(n, size)], inputs["texts"][texts(n, size)]

    return answer


def _whole(n, size):
    return slice(n // size * size)


def _everything(n, size):
    return slice(None)


exercise(
    number="4.4",
    title="cut off an incomplete group",
    solution=complete_groups,
    cases=_incomplete_cases,
    mistakes=(
        Mistake(
            _cut(_whole, _everything),
            "The rewards are cut, the texts are not. The last text has no reward, a list that goes "
            "on after it is shifted against its rewards, and nothing crashes.",
        ),
        Mistake(
            _cut(_everything, _whole),
            "The texts are cut, the rewards are not: the incomplete group still gets into the "
            "advantages.",
        ),
        Mistake(
            _cut(lambda n, size: slice(n % size, None)),
            "The cut is at the front. That shifts all groups: each now mixes two prompts.",
        ),
        Mistake(
            _cut(_whole, lambda n, size: slice(n % size, None)),
            "The rewards are cut at the end, the texts at the front: they no longer belong "
            "together.",
        ),
        Mistake(
            _cut(_everything),
            "Nothing is cut off. An incomplete group does not count: n // G rounds down.",
        ),
        Mistake(
            _cut(lambda n, size: slice(None, -(n % size))),
            "With nothing left over `[:-0]` is `[:0]`, and everything is gone. Count what stays, "
            "not what goes.",
        ),
        Mistake(
            _cut(lambda n, size: slice(None, -(n % size)), _everything),
            "The texts are not cut, and with nothing left over `[:-0]` is `[:0]`, so that all "
            "rewards are gone.",
        ),
        Mistake(
            _cut(lambda n, size: slice(None, -1)),
            "Always one sample is cut off. It can be any number from 0 to G - 1: n % G.",
        ),
        Mistake(
            _cut(lambda n, size: slice(None, -size)),
            "A whole group size is cut off, always. What is left over is n % G, and may be 0.",
        ),
        Mistake(
            _cut(lambda n, size: slice(None, n // size)),
            "n // G is the number of *groups*. Times G it is the number of samples that stay.",
        ),
        Mistake(
            _cut(lambda n, size: slice(None, n % size)),
            "n % G is the number of samples that go. It is used as the number that stay.",
        ),
        Mistake(
            _cut(lambda n, size: slice(None, size)),
            "Only the first group is kept. All complete groups stay.",
        ),
        Mistake(
            _cut(lambda n, size: slice(n // size * size, None)),
            "This is the incomplete group. It goes, the rest stays.",
        ),
        Mistake(
            _cut(lambda n, size: slice(None, round(n / size) * size)),
            "`round` rounds up from one half on, and then the incomplete group stays in. `//` "
            "rounds down.",
        ),
        Mistake(
            _cut(lambda n, size: slice(None, n // size * size - 1)),
            "One sample too many goes: a slice already ends before its second number.",
        ),
        Mistake(
            _cut(lambda n, size: slice(None, n // size * size + 1)),
            "One sample too many stays: a slice ends before its second number.",
        ),
        Mistake(
            _cut(lambda n, size: slice(None, (n // size - 1) * size)),
            "The last complete group goes too.",
        ),
        Mistake(
            _cut(lambda n, size: slice(None, n // 4 * 4)),
            "A group size of 4 is written into it. Use the argument `group_size`.",
        ),
        Mistake(
            _cut(lambda n, size: slice(None, n // 3 * 3)),
            "A group size of 3 is written into it. Use the argument `group_size`.",
        ),
        Mistake(
            _cut(lambda n, size: slice(None, n // 2 * 2)),
            "A group size of 2 is written into it. Use the argument `group_size`.",
        ),
        Mistake(
            lambda rewards, texts, group_size: rewards[: len(rewards) // group_size * group_size],
            "Only the rewards come back. The texts have to be cut in the same place, and returned "
            "as well.",
        ),
        Mistake(
            lambda rewards, texts, group_size: complete_groups(rewards, texts, group_size)[::-1],
            "The order is rewards, texts.",
        ),
        Mistake(
            lambda rewards, texts, group_size: (
                rewards[: len(rewards) // group_size * group_size].view(-1, group_size),
                texts[: len(rewards) // group_size * group_size],
            ),
            "The rewards come back as [number of groups, group size]. Wanted is [B'].",
        ),
        Mistake(
            lambda rewards, texts, group_size: (
                complete_groups(rewards, texts, group_size)[0],
                "".join(texts[: len(rewards) // group_size * group_size]),
            ),
            "The texts are joined to one. Each sample keeps its own.",
        ),
        Mistake(
            lambda rewards, texts, group_size: rewards[: len(rewards) / group_size * group_size],
            "`/` makes a fraction, and a slice needs a whole number. `//` divides and drops the "
            "rest.",
        ),
        Mistake(
            lambda rewards, texts, group_size: rewards.view(-1, group_size),
            "With samples left over the rewards do not fit into rows of group_size. First cut, "
            "then `view`.",
        ),
        Mistake(
            lambda rewards, texts, group_size: rewards.view(len(rewards) // group_size, group_size),
            "With samples left over there are more rewards than n // G rows of G hold. First cut, "
            "then `view`.",
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


def _loss_cases():
    old = torch.tensor([[-1.0, -2.0, -0.5, -1.5], [-0.5, -1.0, -3.0, -3.0]])
    moved = torch.tensor([[0.0, 0.4, -0.4, 0.1], [0.05, -0.4, 9.0, -9.0]])
    mask = torch.tensor([[1.0, 1, 1, 1], [1.0, 1, 0, 0]])
    three = torch.tensor([[-0.8, -2.5, -1.0], [-1.6, -0.4, -5.0], [-2.0, -5.0, -5.0]])
    steps = torch.tensor([[0.15, -0.25, 0.6], [-0.15, 0.5, 5.0], [-0.5, -5.0, 9.0]])
    whole = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0]])

    def case(log_probs, old_log_probs, advantages, mask, clip, **about):  # in the answer's order
        return {"log_probs": log_probs, "old_log_probs": old_log_probs,
                "advantages": torch.tensor(advantages, dtype=old_log_probs.dtype),
                "mask": mask, "clip": clip, **about}  # fmt: skip

    return [
        case(old.clone(), old, [1.5, -0.5], mask, 0.2),
        case(old + moved, old, [1.5, -0.5], mask, 0.2),
        case(three + steps, three, [-2.0, 0.7, 1.1], whole, 0.1,
             why="a mask of whole numbers, another clip, B = T"),
        case((old - moved).double(), old.double(), [0.4, 2.5], mask.double(), 0.45,
             why="float64, another clip"),
    ]  # fmt: skip


def _per_token(log_probs, old_log_probs, advantages, clip):
    return module_clipped_surrogate(log_probs, old_log_probs, advantages.unsqueeze(1), clip, clip)


def _averaged(mean):
    """An answer that is right per token: ``mean(per_token, mask)`` comes after it."""
    return lambda log_probs, old_log_probs, advantages, mask, clip: mean(
        _per_token(log_probs, old_log_probs, advantages, clip), mask
    )


def _each_token(loss, ratio=lambda new, old: torch.exp(new - old)):
    """An answer that is wrong per token, ``loss(ratio, A, clip)``, and averages rightly."""
    return lambda log_probs, old_log_probs, advantages, mask, clip: aggregate(
        loss(ratio(log_probs, old_log_probs), advantages.unsqueeze(1), clip), mask
    )


def _of_responses(total):
    """One ratio a response, of the sum or mean of its log-ratios."""

    def answer(log_probs, old_log_probs, advantages, mask, clip):
        moved = ((log_probs - old_log_probs) * mask).sum(dim=1)
        ratio = (moved if total else moved / mask.sum(dim=1)).exp()
        return clipped(ratio, advantages, clip).mean()

    return answer


def _masked_too_early(log_probs, old_log_probs, advantages, mask, clip):
    return _per_token(log_probs * mask, old_log_probs * mask, advantages, clip).mean()


def _masked_ratio(log_probs, old_log_probs, advantages, mask, clip):
    per_token = _per_token(log_probs * mask, old_log_probs * mask, advantages, clip)
    return (per_token.sum(dim=1) / mask.sum(dim=1)).mean()


def _flat_advantages(log_probs, old_log_probs, advantages, mask, clip):
    per_token = clipped(torch.exp(log_probs - old_log_probs), advantages, clip)
    return aggregate(per_token, mask)


exercise(
    number="4.5",
    title="the GRPO loss",
    solution=grpo_loss,
    cases=_loss_cases,
    gradient_of="log_probs",
    mistakes=(
        Mistake(
            _averaged(lambda x, mask: (x * mask).sum() / mask.sum()),
            "This is one mean over all tokens, DAPO's choice: long responses weigh more. The GRPO "
            "paper takes the mean of each response first.",
        ),
        Mistake(
            _averaged(lambda x, mask: x.mean()),
            "The mask is not used: padding is trained too.",
        ),
        Mistake(
            _averaged(lambda x, mask: (x * mask).mean()),
            "The mask cuts padding out of the sum, but it still counts in the number that the sum "
            "is divided by.",
        ),
        Mistake(
            _averaged(lambda x, mask: (x.sum(dim=1) / mask.sum(dim=1)).mean()),
            "It is divided by the number of real tokens, but padding is still in the sum. Multiply "
            "with the mask first.",
        ),
        Mistake(
            _averaged(lambda x, mask: (x * mask).sum(dim=1).mean()),
            "The tokens of a response are summed, not averaged.",
        ),
        Mistake(
            _averaged(lambda x, mask: (x * mask).sum()),
            "Everything is summed up. The size of the step would then depend on lengths and batch "
            "size.",
        ),
        Mistake(
            _averaged(lambda x, mask: ((x * mask).sum(dim=1) / mask.sum(dim=1)).sum()),
            "The responses are summed, not averaged: a larger batch would take a larger step.",
        ),
        Mistake(
            _averaged(lambda x, mask: (x * mask).sum(dim=1) / mask.sum(dim=1)),
            "This is one number a response. The loss is their mean.",
        ),
        Mistake(
            _averaged(lambda x, mask: ((x * mask).sum(dim=0) / mask.sum(dim=0)).mean()),
            "`dim=0` averages over the responses at each position. The mean of each response is "
            "`dim=1`.",
        ),
        Mistake(
            _averaged(lambda x, mask: ((x * mask).sum(dim=1) / mask.sum()).mean()),
            "Each response is divided by the number of *all* tokens. It is its own number, "
            "`mask.sum(dim=1)`.",
        ),
        Mistake(
            _averaged(lambda x, mask: x * mask),
            "This is the loss of each token. One number is wanted: the mean of each response, then "
            "the mean of those.",
        ),
        Mistake(
            _masked_too_early,
            "Masking the log-probs leaves padding with a ratio of 1, which counts as a token like "
            "any other. Mask the losses, and divide by the number of real tokens.",
        ),
        Mistake(
            _masked_ratio,
            "Masking the log-probs leaves padding with a ratio of 1, so minus the advantage is "
            "added for each. Mask the losses.",
        ),
        *mistaken_surrogates(_each_token),
        Mistake(
            _averaged(lambda x, mask: -aggregate(x, mask)),
            "The sign is reversed: this is the objective. The loss is minus it.",
        ),
        Mistake(
            _each_token(
                lambda r, A, clip: -torch.where(A > 0, -clipped(r, A, clip), clipped(r, -A, clip))
            ),
            "For negative advantages it takes the maximum. It is the minimum for both signs.",
        ),
        Mistake(
            _each_token(
                lambda r, A, clip: -torch.minimum(r * A, r.log().clamp(-clip, clip).exp() * A)
            ),
            "The log-ratio is clipped to ±clip. exp(clip) is not 1 + clip: clip the ratio itself.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, advantages, mask, clip: (
                -aggregate(log_probs * advantages.unsqueeze(1), mask)
            ),
            "This is REINFORCE: it has neither ratio nor clip, and is right for the first update "
            "only.",
        ),
        Mistake(
            _of_responses(total=False),
            "There is one ratio a response here, from its mean log-ratio: that is GSPO. GRPO clips "
            "each token by itself.",
        ),
        Mistake(
            _of_responses(total=True),
            "There is one ratio a response here, the product over its tokens. GRPO clips each "
            "token by itself.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, advantages, mask, clip: aggregate(
                _per_token(
                    log_probs,
                    old_log_probs,
                    (advantages - advantages.mean()) / (advantages.std() + 1e-8),
                    clip,
                ),
                mask,
            ),
            "The advantages are standardised over the batch. They are given as they are to be "
            "used.",
        ),
        Mistake(
            _flat_advantages,
            "The advantages [B] are lined up with the tokens. `advantages.unsqueeze(1)` is [B, 1], "
            "one a response.",
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


def grpo_step(policy, optimizer, rewards, old_log_probs, ref_log_probs, mask,
              group_size, clip, kl_coef, updates):  # fmt: skip
    advantages = my.relative_rewards(rewards, group_size)
    seen = {"advantages": advantages}
    for update in range(1, updates + 1):
        log_probs = policy()
        policy_loss = my.grpo_loss(log_probs, old_log_probs, advantages, mask, clip)
        k3 = my.kl_estimators(log_probs, ref_log_probs)[2]
        kl = ((k3 * mask).sum(dim=1) / mask.sum(dim=1)).mean()
        loss = policy_loss + kl_coef * kl
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen[update] = {"policy_loss": policy_loss, "kl": kl, "loss": loss}
    return seen


def _step_cases():
    mixed = [1.0, 0.0, 0.0, 0.5, 1.0, 1.0]
    return [
        {**toy(mixed, [4, 3, 1, 4, 2, 4], 0), "group_size": 3, "clip": 0.2, "kl_coef": 0.5,
         "updates": 2},
        {**toy([0.0, 2.0, 1.0, 1.0], [2, 5, 5, 3], 1), "group_size": 2, "clip": 0.1,
         "kl_coef": 0.2, "updates": 3, "why": "other group size, clip and weight, three updates"},
    ]  # fmt: skip


exercise(
    number="4.6",
    title="the GRPO step",
    solution=grpo_step,
    cases=_step_cases,
    seen=seen,
    mistakes=mistakes(faulty_grpo, ONLY_GRPO),
    hints=(
        "Once for the batch: the advantages, `my.relative_rewards`. Then, `updates` times: "
        "log-probs, the two terms of the loss, gradient, step.",
        "`my.grpo_loss` is the first term. The second is `my.kl_estimators(...)[2]`, k3 of each "
        "token, made one number as in 4.5: sum over a response's tokens by their number, then "
        "the mean.",
        "An update is `optimizer.zero_grad()`, `loss.backward()`, `optimizer.step()`; after it "
        "`seen[update] = {...}`. Ask `policy()` anew each time: it has moved.",
    ),
    module=(my.grpo_step,),
)
