"""Exercises of notebook 07: the line that was wrong in each run of the bug zoo."""

from functools import cache

import torch

from ...advantages import silent_groups
from ...losses import clipped_surrogate, kl_penalty, token_log_probs
from ...models import Critic, encode_prompts, load_tokenizer
from ...rollout import Rollout
from ..checker import Mistake, exercise

tokenizer_of_the_course = cache(load_tokenizer)


def prompt_text(question, tokenizer):
    messages = [{"role": "user", "content": question}]
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)


def _closed(question, tokenizer):
    messages = [{"role": "user", "content": question}]
    return tokenizer.apply_chat_template(messages, add_generation_prompt=False, tokenize=False)


exercise(
    number="7.1",
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


def scored_log_probs(logits, tokens, temperature):
    log_probs = torch.log_softmax(logits / temperature, dim=-1)
    return log_probs.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)


def _chosen(values, tokens):
    return values.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)


def _logit_cases():
    logits = torch.tensor([[[2.0, 0.5, -1.0], [0.0, 3.0, 1.0]], [[1.0, 1.0, 0.0], [4.0, 0.0, 2.0]]])
    tokens = torch.tensor([[0, 2], [1, 0]])
    return [
        {"logits": logits, "tokens": tokens, "temperature": 1.5},
        {"logits": logits, "tokens": tokens, "temperature": 0.5},
    ]


exercise(
    number="7.2",
    title="score as you have sampled",
    solution=scored_log_probs,
    cases=_logit_cases,
    mistakes=(
        Mistake(
            lambda logits, tokens, temperature: scored_log_probs(logits, tokens, 1.0),
            "The temperature is not used, the bug itself: these are log-probs of a policy that "
            "has not sampled the tokens.",
        ),
        Mistake(
            lambda logits, tokens, temperature: scored_log_probs(logits, tokens, 1.0) / temperature,
            "The log-probs are divided, after the softmax. Their exp no longer sums to 1: divide "
            "the logits.",
        ),
        Mistake(
            lambda logits, tokens, temperature: scored_log_probs(logits, tokens, 1 / temperature),
            "The logits are multiplied by the temperature. A temperature above 1 has to make the "
            "distribution flatter: divide.",
        ),
        Mistake(
            lambda logits, tokens, temperature: _chosen(logits / temperature, tokens),
            "These are scaled logits. A log-prob is a logit minus the logsumexp of its row.",
        ),
    ),
    hints=(
        "The sampler drew from softmax(logits / temperature). Score under the same distribution.",
        "`torch.log_softmax(..., dim=-1)` gives the log-prob of each vocabulary entry.",
        "`gather(-1, tokens.unsqueeze(-1)).squeeze(-1)` picks the sampled ones.",
    ),
    module=(token_log_probs,),
)


def response_mask(tokens, end_id):
    is_end = (tokens == end_id).long()
    ends_before = is_end.cumsum(dim=1) - is_end
    return (ends_before == 0).long()


def _up_to_argmax(tokens, end_id):
    first = (tokens == end_id).long().argmax(dim=1, keepdim=True)
    return (torch.arange(tokens.shape[1]) <= first).long()


def _end_cases():
    tokens = torch.tensor([[5, 6, 9, 0, 0], [5, 6, 7, 8, 6], [9, 0, 0, 0, 0]])
    return [
        {"tokens": tokens, "end_id": 9},
        {
            "tokens": torch.tensor([[5, 9, 9, 9], [5, 6, 7, 9]]),
            "end_id": 9,
            "why": "padded with the end token itself",
        },
    ]


exercise(
    number="7.3",
    title="a mask that teaches to stop",
    solution=response_mask,
    cases=_end_cases,
    mistakes=(
        Mistake(
            lambda tokens, end_id: ((tokens == end_id).cumsum(dim=1) == 0).long(),
            "The end token itself is outside the mask, the bug itself: no response is ever "
            "praised for stopping.",
        ),
        Mistake(
            lambda tokens, end_id: (tokens != end_id).long(),
            "Every end token is outside the mask, and what is not an end token is inside: "
            "padding too.",
        ),
        Mistake(
            lambda tokens, end_id: torch.ones_like(tokens),
            "Padding is inside the mask. The response is over with its first end token.",
        ),
        Mistake(
            _up_to_argmax,
            "A response that was cut off has no end token, and there `argmax` says 0: all but its "
            "first token are lost.",
        ),
    ),
    hints=(
        "A token counts if no end token stands before it.",
        "`(tokens == end_id).long().cumsum(dim=1)` counts the end tokens up to and including here.",
        "Take off the token's own: what is left counts those before it, and has to be 0.",
    ),
    module=(Rollout,),
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
    number="7.4",
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
    rewards = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0])
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
    number="7.5",
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


def clipped_both_ways(log_probs, old_log_probs, advantages, clip_low, clip_high):
    ratio = torch.exp(log_probs - old_log_probs)
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    return -torch.minimum(ratio * advantages, clipped * advantages)


def _maximum(log_probs, old_log_probs, advantages, clip_low, clip_high):
    ratio = torch.exp(log_probs - old_log_probs)
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    return -torch.maximum(ratio * advantages, clipped * advantages)


def _inverted_below_zero(log_probs, old_log_probs, advantages, clip_low, clip_high):
    inputs = (log_probs, old_log_probs, advantages, clip_low, clip_high)
    return torch.where(advantages < 0, _maximum(*inputs), clipped_both_ways(*inputs))


def _clip_cases():
    old = torch.full((2, 5), -1.0)
    moved = torch.tensor([0.0, 0.1, 0.6, -0.6, 0.22]).expand(2, 5)
    advantages = torch.tensor([[1.0], [-1.0]]).expand(2, 5).clone()
    limits = {"clip_low": 0.2, "clip_high": 0.28}
    return [
        {"log_probs": old + moved, "old_log_probs": old, "advantages": advantages, **limits},
    ]


exercise(
    number="7.6",
    title="the clip, right way round, with two limits",
    solution=clipped_both_ways,
    cases=_clip_cases,
    gradient_of="log_probs",
    mistakes=(
        Mistake(
            _inverted_below_zero,
            "For negative advantages it takes the maximum, the bug itself: a token that has become "
            "unlikely enough is pushed on, and one that became likelier is not brought back.",
        ),
        Mistake(
            _maximum,
            "It takes the maximum for both signs: what moved too far is pushed on.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, advantages, clip_low, clip_high: clipped_both_ways(
                log_probs, old_log_probs, advantages, clip_low, clip_low
            ),
            "The lower limit stands on both sides. The upper one is `1 + clip_high`.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, advantages, clip_low, clip_high: clipped_both_ways(
                log_probs, old_log_probs, advantages, clip_high, clip_low
            ),
            "The two limits are exchanged.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, advantages, clip_low, clip_high: (
                -torch.exp(log_probs - old_log_probs) * advantages
            ),
            "Nothing is clipped.",
        ),
    ),
    hints=(
        "It is exercise 3.2, with one limit below and another above.",
        "`ratio.clamp(1 - clip_low, 1 + clip_high)`, and both ratios times the advantages.",
        "The smaller of the two products, whatever the advantage's sign; the loss is minus it.",
    ),
    module=(clipped_surrogate,),
)


def leash(log_probs, ref_log_probs):
    difference = ref_log_probs - log_probs
    return torch.exp(difference) - 1 - difference


exercise(
    number="7.7",
    title="a penalty that pulls",
    solution=leash,
    cases=lambda: [
        {
            "log_probs": torch.tensor([[-1.0, -2.0, -0.5]]),
            "ref_log_probs": torch.tensor([[-1.5, -1.0, -0.5]]),
        }
    ],
    gradient_of="log_probs",
    mistakes=(
        Mistake(
            lambda log_probs, ref_log_probs: kl_penalty(log_probs, ref_log_probs, "k1"),
            "This is k1, the bug itself: its value is right on average, but its gradient is that "
            "of log pi. The reference is not even in it.",
        ),
        Mistake(
            lambda log_probs, ref_log_probs: kl_penalty(log_probs, ref_log_probs, "k2"),
            "This is k2. It pulls as well, on average along the gradient of KL(pi || ref); asked "
            "for is k3.",
        ),
        Mistake(
            lambda log_probs, ref_log_probs: kl_penalty(-log_probs, -ref_log_probs, "k3"),
            "The difference is reversed: d is log ref minus log pi, because the samples come "
            "from pi.",
        ),
        Mistake(
            lambda log_probs, ref_log_probs: -kl_penalty(log_probs, ref_log_probs, "k3"),
            "The sign is reversed: this rewards the policy for running away.",
        ),
    ),
    hints=(
        "Start from d, the log-prob of the reference minus that of the policy.",
        "k3 is exp(d) - 1 - d: 0 where the two agree, and above 0 on either side.",
        "Let the gradient through: no `detach`.",
    ),
    module=(kl_penalty,),
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
    number="7.8",
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
