"""Exercises of notebook 08: what suspects, guilty or innocent, got wrong, put right."""

import copy
from functools import cache

import torch

from ...advantages import silent_groups
from ...models import Critic, encode_prompts, frozen_copy, load_tokenizer
from ..checker import Mistake, exercise

tokenizer_of_the_course = cache(load_tokenizer)


def prompt_text(question, tokenizer):
    messages = [{"role": "user", "content": question}]
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)


def _closed(question, tokenizer):
    messages = [{"role": "user", "content": question}]
    return tokenizer.apply_chat_template(messages, add_generation_prompt=False, tokenize=False)


exercise(
    number="8.1",
    title="what the policy reads",
    solution=prompt_text,
    cases=lambda: [
        {"question": question, "tokenizer": tokenizer_of_the_course()}
        for question in ("17+25+38=", "1+2+3+4=")
    ],
    mistakes=(
        Mistake(
            lambda question, tokenizer: question,
            "This is the bare text, the bug itself. A chat model has learned to answer what stands "
            "between its template's tokens, and nothing else.",
        ),
        Mistake(
            _closed,
            "The generation prompt is missing: the message is closed, but nothing opens the "
            "answer.",
        ),
        Mistake(
            lambda question, tokenizer: prompt_text(prompt_text(question, tokenizer), tokenizer),
            "The template is applied twice: the model reads a message about a message.",
        ),
        Mistake(
            lambda question, tokenizer: (
                f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
            ),
            "This is another Qwen's template, written by hand. Each model brings its own: ask its "
            "tokenizer.",
        ),
    ),
    hints=(
        "A chat message is a dict with a `role` and a `content`; the user asks.",
        "`tokenizer.apply_chat_template(messages, ...)` knows the model's own template.",
        "`add_generation_prompt=True` opens the answer, `tokenize=False` returns text.",
    ),
    module=(encode_prompts,),
)


def hush_silent_groups(relative, rewards, group_size):
    groups = rewards.view(-1, group_size)
    silent = (groups == groups[:, :1]).all(dim=1)
    return relative.masked_fill(silent.repeat_interleave(group_size), 0.0)


def _hushed_where(condition):
    """A wrong rule for silence: ``condition(groups)`` -> which groups."""

    def answer(relative, rewards, group_size):
        silent = condition(rewards.view(-1, group_size))
        return relative.masked_fill(silent.repeat_interleave(group_size), 0.0)

    return answer


def _silent_cases():
    """With a silent group's residue written down: what rounding leaves depends on the machine."""
    rewards = torch.tensor([0.3, 0.3, 0.3, 1.0, 0.3, 0.3, 0.3, 0.3, 1.0, 1.0, 1.0, 1.0])
    relative = torch.tensor([-0.5, -0.5, -0.5, 1.5] + [0.7071] * 4 + [-0.9] * 4)
    nearly = torch.tensor([0.5, 0.5, 0.5, 0.501, 0.0, 0.0, 0.0, 0.0])
    return [
        {"relative": relative, "rewards": rewards, "group_size": 4},
        {
            "relative": torch.tensor([-0.5, -0.5, -0.5, 1.5] + [0.0] * 4),
            "rewards": nearly,
            "group_size": 4,
            "why": "nearly equal is not equal",
        },
    ]


exercise(
    number="8.2",
    title="hush the silent groups",
    solution=hush_silent_groups,
    cases=_silent_cases,
    mistakes=(
        Mistake(
            lambda relative, rewards, group_size: relative.clone(),
            "Nothing is hushed, the bug itself: what rounding left of a silent group is a "
            "full-sized advantage.",
        ),
        Mistake(
            _hushed_where(lambda groups: (groups == 0).all(dim=1) | (groups == 1).all(dim=1)),
            "Only groups that are all right or all wrong are hushed. Equal rewards are silent "
            "whatever their value.",
        ),
        Mistake(
            _hushed_where(lambda groups: groups.std(dim=1) < 0.01),
            "Groups that are nearly equal are hushed too. They do say who was better; only equal "
            "rewards say nothing.",
        ),
        Mistake(
            lambda relative, rewards, group_size: relative.masked_fill(
                (rewards.view(-1, group_size) == rewards.view(-1, group_size)[:, :1]).flatten(), 0.0
            ),
            "Single samples are hushed, those that equal the first of their group. A group is "
            "silent if *all* of them do.",
        ),
    ),
    hints=(
        "`rewards.view(-1, group_size)` has a group in each row.",
        "A row is silent if all its rewards equal its first one: compare with `groups[:, :1]`, "
        "then `.all(dim=1)`.",
        "`silent.repeat_interleave(group_size)` says it for each sample; `masked_fill` sets those "
        "to 0.",
    ),
    module=(silent_groups,),
)


def compare_then_drop(rewards, truncated, group_size):
    groups = rewards.view(-1, group_size)
    relative = (groups - groups.mean(dim=1, keepdim=True)).flatten()
    return relative[~truncated]


def _drop_then_compare(rewards, truncated, group_size):
    groups = rewards[~truncated].view(-1, group_size)
    return (groups - groups.mean(dim=1, keepdim=True)).flatten()


def _mean_of_the_kept(rewards, truncated, group_size):
    groups = rewards.masked_fill(truncated, torch.nan).view(-1, group_size)
    return (groups - groups.nanmean(dim=1, keepdim=True)).flatten()[~truncated]


def _cut_off_cases():
    rewards = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0])
    truncated = torch.tensor([False, True, True, False, False, True, False, False])
    few = torch.tensor([False, True, False, False, False, False, False, True])
    return [
        {"rewards": rewards, "truncated": truncated | few, "group_size": 2},
        {
            "rewards": torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 0.0]),
            "truncated": torch.tensor([False, True, False, False, False, True]),
            "group_size": 2,
        },
    ]


exercise(
    number="8.3",
    title="compare first, throw away after",
    solution=compare_then_drop,
    cases=_cut_off_cases,
    mistakes=(
        Mistake(
            _drop_then_compare,
            "Thrown away first, the bug itself: everything after the first cut-off response moves "
            "up, into the group of another prompt.",
        ),
        Mistake(
            _mean_of_the_kept,
            "The groups are right, but their mean leaves the cut-off responses out. They were "
            "attempts at the same prompt, and failed.",
        ),
        Mistake(
            lambda rewards, truncated, group_size: rewards[~truncated],
            "Nothing is compared: these are the rewards of those that are left.",
        ),
    ),
    hints=(
        "As long as no row is missing, `view(-1, group_size)` has one prompt in each row.",
        "Subtract the mean of each row, cut-off responses included, and flatten.",
        "Only then throw away: `relative[~truncated]`.",
    ),
)


def value_head(hidden_size):
    head = torch.nn.Linear(hidden_size, 1)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    return head


NOT_A_HEAD = "It has to return a `torch.nn.Linear` from `hidden_size` numbers to one."
RANDOM_WEIGHT = (
    "Its weight is not 0, the bug itself: before it has seen a reward the critic has opinions, "
    "and the policy is trained on them."
)
RANDOM_BIAS = "The weight is 0, the bias is not: every state starts with the same wrong value."
FROZEN_HEAD = "It starts at 0 and stays there: its parameters have no gradient."


def _judge_head(head, hidden_size):
    if not isinstance(head, torch.nn.Linear) or head.weight.shape != (1, hidden_size):
        return NOT_A_HEAD
    if head.weight.abs().max() > 0:
        return RANDOM_WEIGHT
    if head.bias is not None and head.bias.abs().max() > 0:
        return RANDOM_BIAS
    return None if all(p.requires_grad for p in head.parameters()) else FROZEN_HEAD


def _random_weight(hidden_size):
    head = value_head(hidden_size)
    torch.nn.init.normal_(head.weight)
    return head


def _random_bias(hidden_size):
    head = value_head(hidden_size)
    torch.nn.init.ones_(head.bias)
    return head


exercise(
    number="8.4",
    title="a critic that begins without opinions",
    solution=value_head,
    cases=lambda: [{"hidden_size": 8}, {"hidden_size": 3}],
    judge=_judge_head,
    mistakes=(
        Mistake(_random_weight, RANDOM_WEIGHT),
        Mistake(_random_bias, RANDOM_BIAS),
        Mistake(lambda hidden_size: value_head(hidden_size).requires_grad_(False), FROZEN_HEAD),
        Mistake(lambda hidden_size: torch.zeros(1, hidden_size), NOT_A_HEAD),
    ),
    hints=(
        "`torch.nn.Linear(hidden_size, 1)` starts with small random numbers.",
        "`torch.nn.init.zeros_` sets a parameter to 0 in place.",
        "There are two: `weight` and `bias`.",
    ),
    module=(Critic,),
)


def frozen_reference(policy):
    reference = copy.deepcopy(policy)
    return reference.requires_grad_(False)


NOT_A_MODEL = "It has to return a model, something that can be called as the policy is."
MOVES_ALONG = (
    "The reference moved when the policy was trained, the bug itself: they share their weights, so "
    "the KL between them is 0 for ever, and the penalty holds nobody."
)
SAYS_SOMETHING_ELSE = "It says something else than the policy did when it was asked for."
STILL_TRAINS = (
    "It stays where it is as long as nobody asks: its parameters still want gradients, which cost "
    "memory, and an optimiser that is handed all parameters would move it. Switch them off."
)
POLICY_FROZEN = "Now the policy wants no gradients: it cannot learn any more. Freeze the copy."


def _watched(answer, inputs):
    """The reference, and what it said before and after the policy was trained."""
    policy, states = inputs["policy"], torch.tensor([[1.0, -2.0, 0.5], [0.0, 1.0, 3.0]])
    with torch.no_grad():
        wanted, reference = policy(states), answer(policy)
        if not isinstance(reference, torch.nn.Module):
            return None, reference
        first = reference(states)
        for parameter in policy.parameters():
            parameter.add_(0.5)
        return (wanted, first, reference(states)), reference


def _judge_reference(result, policy):
    said, reference = result
    if said is None:
        return NOT_A_MODEL
    wanted, first, later = said
    if not torch.equal(first, later):
        return MOVES_ALONG
    if not torch.equal(wanted, first):
        return SAYS_SOMETHING_ELSE
    if not all(parameter.requires_grad for parameter in policy.parameters()):
        return POLICY_FROZEN
    return STILL_TRAINS if any(p.requires_grad for p in reference.parameters()) else None


def _policies():
    torch.manual_seed(0)
    layers = torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)
    return [{"policy": torch.nn.Linear(3, 2)}, {"policy": torch.nn.Sequential(*layers)}]


def _freezes_the_policy(policy):
    reference = copy.deepcopy(policy)
    policy.requires_grad_(False)
    return reference


def _starts_anew(policy):
    reference = copy.deepcopy(policy)
    for parameter in reference.parameters():
        torch.nn.init.zeros_(parameter)
    return reference.requires_grad_(False)


exercise(
    number="8.5",
    title="a reference that stays",
    solution=frozen_reference,
    cases=_policies,
    call=_watched,
    judge=_judge_reference,
    mistakes=(
        Mistake(lambda policy: policy, MOVES_ALONG),
        Mistake(copy.deepcopy, STILL_TRAINS),
        Mistake(_freezes_the_policy, POLICY_FROZEN),
        Mistake(_starts_anew, SAYS_SOMETHING_ELSE),
        Mistake(lambda policy: policy.state_dict(), NOT_A_MODEL),
    ),
    hints=(
        "A second name for the same model is the same model, and a shallow copy has the same "
        "weights.",
        "`copy.deepcopy` copies the weights, too.",
        "`requires_grad_(False)` switches the gradients of a whole model off, and returns it.",
    ),
    module=(frozen_copy,),
)
