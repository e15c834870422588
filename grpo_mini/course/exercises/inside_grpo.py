"""Exercises of notebook 07: ratios and weights of variants, and a price for long responses."""

import torch

from ...experiments.variants import detached_surrogate, sequence_surrogate
from ..checker import Mistake, exercise


def overlong_punishment(completion_ids, limit, buffer):
    over = [len(ids) - (limit - buffer) for ids in completion_ids]
    return [-min(max(tokens / buffer, 0.0), 1.0) for tokens in over]


def _lengths(*lengths):
    return [list(range(length)) for length in lengths]


def _too_long(rule):
    """An answer by a rule of length, limit and buffer."""
    return lambda completion_ids, limit, buffer: [
        float(rule(len(ids), limit, buffer)) for ids in completion_ids
    ]


exercise(
    number="7.1",
    title="a price for what is too long",
    solution=overlong_punishment,
    cases=lambda: [
        {"completion_ids": _lengths(3, 12, 14, 16, 20), "limit": 20, "buffer": 8},
        {
            "completion_ids": _lengths(40, 25, 32, 31),
            "limit": 32,
            "buffer": 4,
            "why": "one is longer than the limit",
        },
    ],
    mistakes=(
        Mistake(
            _too_long(lambda n, limit, buffer: -(n > limit - buffer)),
            "It falls from 0 to -1 at once. *Soft* means that the price rises step by step over "
            "the buffer.",
        ),
        Mistake(
            _too_long(lambda n, limit, buffer: -(n >= limit)),
            "Nothing is punished before the limit is reached: a hard punishment, which comes as a "
            "surprise.",
        ),
        Mistake(
            _too_long(lambda n, limit, buffer: -max((n - limit + buffer) / buffer, 0)),
            "Beyond the limit it goes on falling. The largest punishment is -1.",
        ),
        Mistake(
            _too_long(lambda n, limit, buffer: -min(max((n - limit + buffer) / limit, 0), 1)),
            "Divided by the limit: at the limit it has to be -1, so divide by the buffer.",
        ),
        Mistake(
            _too_long(lambda n, limit, buffer: min(max((n - limit + buffer) / buffer, 0), 1)),
            "The sign: this pays for length.",
        ),
        Mistake(
            _too_long(lambda n, limit, buffer: max((limit - buffer - n) / buffer, -1)),
            "Short responses are paid for being short, and that is what the policy would learn. "
            "Below the buffer it is 0.",
        ),
        Mistake(
            _too_long(lambda n, limit, buffer: -min(max((n - limit) / buffer, 0), 1)),
            "The buffer lies behind the limit here, where no response can be. It is the last "
            "stretch *before* it.",
        ),
    ),
    hints=(
        "Up to `limit - buffer` tokens the punishment is 0, from `limit` on it is -1.",
        "In between it falls in a straight line: (length - (limit - buffer)) / buffer, negative.",
        "`-min(max(over / buffer, 0.0), 1.0)` for each response.",
    ),
)


def sequence_ratio(log_probs, old_log_probs, mask):
    log_ratio = ((log_probs - old_log_probs) * mask).sum(dim=1)
    return torch.exp(log_ratio / mask.sum(dim=1))


def _response_cases():
    old = torch.tensor([[-1.0, -2.0, -0.5, -0.5], [-0.3, -1.2, -2.0, -0.7]])
    moved = torch.tensor([[0.3, -0.1, 0.4, 0.0], [-0.2, 0.7, 0.0, 0.0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    padding = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.9, -3.0]])
    return [
        {"log_probs": old + moved, "old_log_probs": old, "mask": mask,
         "why": "what stands on the padding is 0"},
        {"log_probs": old + moved + padding, "old_log_probs": old, "mask": mask,
         "why": "something stands on the padding"},
    ]  # fmt: skip


def _of_all_columns(log_probs, old_log_probs, mask):
    return torch.exp(((log_probs - old_log_probs) * mask).mean(dim=1))


exercise(
    number="7.2",
    title="one ratio for a whole response",
    solution=sequence_ratio,
    cases=_response_cases,
    mistakes=(
        Mistake(
            lambda log_probs, old_log_probs, mask: torch.exp(
                ((log_probs - old_log_probs) * mask).sum(dim=1)
            ),
            "This is the ratio of the responses' probabilities, without the root: it grows or "
            "shrinks with every token. GSPO divides the log-ratio by the response's length.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, mask: (
                (torch.exp(log_probs - old_log_probs) * mask).sum(dim=1) / mask.sum(dim=1)
            ),
            "This is the arithmetic mean of the tokens' ratios. GSPO's is the geometric one: the "
            "mean is taken of the *logs*, and exp comes last.",
        ),
        Mistake(
            _of_all_columns,
            "Divided by the width of the batch: short responses come out closer to 1 than they "
            "are. Each is divided by its own length.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, mask: torch.exp(
                (log_probs - old_log_probs).mean(dim=1)
            ),
            "The mask is not in it: padding counts as response.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, mask: sequence_ratio(old_log_probs, log_probs, mask),
            "The ratio is upside down: it is new over old, exp(new - old).",
        ),
        Mistake(
            lambda log_probs, old_log_probs, mask: (
                ((log_probs - old_log_probs) * mask).sum(dim=1) / mask.sum(dim=1)
            ),
            "The exp is missing: this is the mean log-ratio, 0 where nothing has moved.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, mask: torch.exp(
                ((log_probs - old_log_probs) * mask).sum() / mask.sum()
            ).repeat(len(mask)),
            "One ratio for the whole batch. Each response has its own: sum along dim=1.",
        ),
    ),
    hints=(
        "A response's log-prob is the sum of its tokens'. So is the log of its ratio.",
        "The geometric mean of its tokens' ratios is exp of the mean of their logs.",
        "`((log_probs - old_log_probs) * mask).sum(dim=1) / mask.sum(dim=1)`, and `torch.exp` of "
        "that.",
    ),
    module=(sequence_surrogate,),
)


def cispo_loss(log_probs, old_log_probs, advantages, cap):
    weight = torch.exp(log_probs - old_log_probs).clamp(max=cap)
    return -weight.detach() * advantages * log_probs


def _token_cases():
    old = torch.full((2, 5), -1.0)
    moved = torch.tensor([0.0, 0.1, 0.6, -0.6, 2.0]).expand(2, 5)
    advantages = torch.tensor([[1.5], [-0.5]]).expand(2, 5).clone()
    return [
        {"log_probs": old + moved, "old_log_probs": old, "advantages": advantages, "cap": cap}
        for cap in (1.28, 5.0)
    ]


def _not_detached(log_probs, old_log_probs, advantages, cap):
    return -torch.exp(log_probs - old_log_probs).clamp(max=cap) * advantages * log_probs


def _clipped_ratio(log_probs, old_log_probs, advantages, cap):
    return -torch.exp(log_probs - old_log_probs).clamp(max=cap) * advantages


def _ppo(log_probs, old_log_probs, advantages, cap):
    ratio = torch.exp(log_probs - old_log_probs)
    return -torch.minimum(ratio * advantages, ratio.clamp(max=cap) * advantages)


exercise(
    number="7.3",
    title="a weight without a gradient",
    solution=cispo_loss,
    cases=_token_cases,
    gradient_of="log_probs",
    mistakes=(
        Mistake(
            _not_detached,
            "The weight has a gradient of its own: it is a number that says how much this token's "
            "log-prob counts. `.detach()` it.",
        ),
        Mistake(
            _clipped_ratio,
            "The log-prob is not in it: where the ratio is capped nothing is left that could have "
            "a gradient, and the token is dropped. That is what CISPO mends.",
        ),
        Mistake(
            _ppo,
            "This is PPO's surrogate: it has no gradient where the ratio has left the clip. CISPO "
            "multiplies the capped, detached ratio by A and by the log-prob.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, advantages, cap: cispo_loss(
                log_probs, old_log_probs, advantages, 1 + cap
            ),
            "The cap is the largest weight itself, and 1 is added to it here.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, advantages, cap: (
                -cispo_loss(log_probs, old_log_probs, advantages, cap)
            ),
            "The sign: a loss is minimised, so praise has to make it fall with the log-prob.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, advantages, cap: (
                -torch.exp(log_probs - old_log_probs).clamp(2 - cap, cap).detach()
                * advantages
                * log_probs
            ),
            "It is capped on both sides. A small ratio stays as small as it is: only too large a "
            "weight does harm.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, advantages, cap: (
                -torch.exp(log_probs - old_log_probs).detach() * advantages * log_probs
            ),
            "Nothing is capped: one token that has become much likelier can rule the batch.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, advantages, cap: (
                -torch.exp(log_probs.detach() - old_log_probs).mul(advantages).clamp(max=cap)
                * log_probs
            ),
            "The product is capped, advantage included. Cap the ratio, then multiply.",
        ),
    ),
    hints=(
        "It is REINFORCE, -A log pi, with a weight in front that the gradient does not see.",
        "The weight is the ratio, at most `cap`: `clamp(max=cap)`.",
        "`-weight.detach() * advantages * log_probs`.",
    ),
    module=(detached_surrogate,),
)


def truncated_weight(old_log_probs, sampler_log_probs, cap):
    return torch.exp(old_log_probs - sampler_log_probs).clamp(max=cap)


def _engine_cases():
    sampler = torch.tensor([[-1.0, -2.0, -0.5], [-3.0, -0.4, -6.0]])
    apart = torch.tensor([[0.0, 0.02, -0.4], [-1.5, 0.3, 3.0]])
    return [
        {"old_log_probs": sampler + apart, "sampler_log_probs": sampler, "cap": cap}
        for cap in (2.0, 3.0)
    ]


def _zeroed(old_log_probs, sampler_log_probs, cap):
    weight = torch.exp(old_log_probs - sampler_log_probs)
    return torch.where(weight > cap, 0.0, weight)


exercise(
    number="7.4",
    title="a weight for another sampler",
    solution=truncated_weight,
    cases=_engine_cases,
    mistakes=(
        Mistake(
            lambda old_log_probs, sampler_log_probs, cap: truncated_weight(
                sampler_log_probs, old_log_probs, cap
            ),
            "Upside down. What was drawn too often, by the sampler's measure, has to count less: "
            "old over sampler.",
        ),
        Mistake(
            lambda old_log_probs, sampler_log_probs, cap: torch.exp(
                old_log_probs - sampler_log_probs
            ),
            "Nothing is truncated: one token that the sampler held for nearly impossible rules the "
            "batch.",
        ),
        Mistake(
            _zeroed,
            "What is above the cap is dropped here. That is masking, another cure; truncation "
            "keeps the token, with the cap as its weight.",
        ),
        Mistake(
            lambda old_log_probs, sampler_log_probs, cap: torch.exp(
                old_log_probs - sampler_log_probs
            ).clamp(1 / cap, cap),
            "It is cut off at both ends. Small weights do no harm: only the upper end is.",
        ),
        Mistake(
            lambda old_log_probs, sampler_log_probs, cap: (old_log_probs - sampler_log_probs).clamp(
                max=cap
            ),
            "The exp is missing: a difference of log-probs is the log of the weight.",
        ),
        Mistake(
            lambda old_log_probs, sampler_log_probs, cap: torch.exp(
                (old_log_probs - sampler_log_probs).clamp(max=cap)
            ),
            "The cap is applied to the log. It limits the weight: exp first.",
        ),
    ),
    hints=(
        "Importance sampling: what was drawn from q and is meant for p counts p over q.",
        "Here q is the sampler and p the old policy, both given as log-probs.",
        "`torch.exp(old_log_probs - sampler_log_probs)`, and `clamp(max=cap)`.",
    ),
)
