"""Exercises of notebook 03: GAE, the clipped surrogate, KL estimators, explained variance."""

import torch

from ...advantages import gae as module_gae
from ...losses import clipped_surrogate as module_clipped_surrogate
from ...losses import kl_penalty
from ..checker import Mistake, exercise


def gae(rewards, values, mask, gamma, lam):
    advantages = torch.zeros_like(values)
    next_value = next_advantage = torch.zeros(len(values))
    for t in reversed(range(values.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        advantages[:, t] = mask[:, t] * (delta + gamma * lam * next_advantage)
        next_value, next_advantage = mask[:, t] * values[:, t], advantages[:, t]
    return advantages


def _gae_cases():
    rewards = torch.tensor([[0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0]])
    values = torch.tensor([[0.2, 0.4, 0.5, 0.9], [0.6, 0.7, 5.0, 5.0]])
    mask = torch.tensor([[1.0, 1, 1, 1], [1.0, 1, 0, 0]])
    common = {"rewards": rewards, "values": values, "mask": mask}
    return [
        {**common, "gamma": 1.0, "lam": 1.0},
        {**common, "gamma": 0.9, "lam": 0.8},
        {**common, "gamma": 1.0, "lam": 0.0, "why": "lam = 0: one step ahead only"},
    ]


exercise(
    number="3.1",
    title="generalised advantage estimation",
    solution=gae,
    cases=_gae_cases,
    mistakes=(
        Mistake(
            lambda rewards, values, mask, gamma, lam: gae(
                rewards, values, torch.ones_like(mask), gamma, lam
            ),
            "The mask is not used: values of padding flow back into the response.",
        ),
        Mistake(
            lambda rewards, values, mask, gamma, lam: (
                mask * gae(rewards, values, torch.ones_like(mask), gamma, lam)
            ),
            "Masking the result is too late: values of padding have already flowed back into the "
            "response. Mask inside the loop.",
        ),
        Mistake(
            lambda rewards, values, mask, gamma, lam: gae(rewards, values, mask, gamma, 0.0),
            "These are the deltas alone. The advantages of later tokens, times gamma * lam, are "
            "missing.",
        ),
        Mistake(
            lambda rewards, values, mask, gamma, lam: gae(rewards, values, mask, gamma, 1.0),
            "lam is not used.",
        ),
        Mistake(
            lambda rewards, values, mask, gamma, lam: gae(rewards, values, mask, 1.0, lam),
            "gamma is not used.",
        ),
        Mistake(
            lambda rewards, values, mask, gamma, lam: gae(
                rewards, torch.zeros_like(values), mask, gamma, lam
            ),
            "The values are not in it: these are discounted returns.",
        ),
    ),
    hints=(
        "Go backwards: the last token first. After it, value and advantage are 0.",
        "delta = reward + gamma * next value - value; advantage = delta + gamma * lam * next "
        "advantage.",
        "Multiply by the mask what is handed on to the token before: next value and next "
        "advantage. So padding hands on 0.",
    ),
    module=(module_gae,),
)


def clipped_surrogate(log_probs, old_log_probs, advantages, clip):
    ratio = torch.exp(log_probs - old_log_probs)
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratio * advantages, clipped * advantages)


def _clip_cases():
    old = torch.full((2, 4), -1.0)
    moved = torch.tensor([[0.0, 0.1, 0.5, -0.5], [0.0, 0.1, 0.5, -0.5]])
    advantages = torch.tensor([[1.0], [-1.0]]).expand(2, 4).clone()
    return [{"log_probs": old + moved, "old_log_probs": old, "advantages": advantages, "clip": 0.2}]


def _wrong_side(log_probs, old_log_probs, advantages, clip):
    ratio = torch.exp(log_probs - old_log_probs)
    clipped = ratio.clamp(1 - clip, 1 + clip)
    low = torch.minimum(ratio * advantages, clipped * advantages)
    high = torch.maximum(ratio * advantages, clipped * advantages)
    return -torch.where(advantages > 0, low, high)


exercise(
    number="3.2",
    title="the clipped surrogate",
    solution=clipped_surrogate,
    cases=_clip_cases,
    gradient_of="log_probs",
    mistakes=(
        Mistake(
            _wrong_side,
            "For negative advantages it takes the maximum. It is the minimum for both signs; the "
            "maximum turns the trust region inside out and pushes on without limit.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, advantages, clip: (
                -torch.exp(log_probs - old_log_probs).clamp(1 - clip, 1 + clip) * advantages
            ),
            "Only the clipped term is there. Without the minimum a token that moved the wrong way "
            "gets no gradient to bring it back.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, advantages, clip: (
                -torch.exp(log_probs - old_log_probs) * advantages
            ),
            "Nothing is clipped.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, advantages, clip: (
                -clipped_surrogate(log_probs, old_log_probs, advantages, clip)
            ),
            "The sign is turned round: this is the objective. The loss is minus it.",
        ),
        Mistake(
            lambda log_probs, old_log_probs, advantages, clip: clipped_surrogate(
                old_log_probs, log_probs, advantages, clip
            ),
            "The ratio is upside down: new over old.",
        ),
    ),
    hints=(
        "The ratio of two probabilities is the exp of the difference of their logs.",
        "`ratio.clamp(1 - clip, 1 + clip)` is the second ratio. Multiply both with the advantages.",
        "The smaller of the two products is the objective, whatever the sign. The loss is minus "
        "it.",
    ),
    module=(module_clipped_surrogate,),
)


def kl_estimators(log_probs, ref_log_probs):
    difference = ref_log_probs - log_probs
    k1 = -difference
    k2 = difference**2 / 2
    k3 = torch.exp(difference) - 1 - difference
    return k1, k2, k3


def _flipped(log_probs, ref_log_probs):
    return kl_estimators(ref_log_probs, log_probs)


def _kl_cases():
    return [
        {
            "log_probs": torch.tensor([-1.0, -2.0, -0.5]),
            "ref_log_probs": torch.tensor([-1.5, -1.0, -0.5]),
        }
    ]


exercise(
    number="3.3",
    title="k1, k2 and k3",
    solution=kl_estimators,
    cases=_kl_cases,
    mistakes=(
        Mistake(
            _flipped,
            "The two policies are exchanged. d is log ref minus log pi, and the samples come from "
            "pi.",
        ),
        Mistake(
            lambda log_probs, ref_log_probs: (
                *kl_estimators(log_probs, ref_log_probs)[:2],
                _flipped(log_probs, ref_log_probs)[2],
            ),
            "In k3 the sign of d is turned round.",
        ),
        Mistake(
            lambda log_probs, ref_log_probs: (
                _flipped(log_probs, ref_log_probs)[0],
                *kl_estimators(log_probs, ref_log_probs)[1:],
            ),
            "k1 has the wrong sign: it is log pi minus log ref.",
        ),
        Mistake(
            lambda log_probs, ref_log_probs: (
                kl_estimators(log_probs, ref_log_probs)[0],
                (ref_log_probs - log_probs) ** 2,
                kl_estimators(log_probs, ref_log_probs)[2],
            ),
            "k2 lacks its factor of one half.",
        ),
    ),
    hints=(
        "All three are functions of d = log ref - log pi.",
        "k1 = -d, k2 = d squared over 2.",
        "k3 = exp(d) - 1 - d, which is never negative.",
    ),
    module=(kl_penalty,),
)


def expected_gradient(logits, penalty):
    logits = logits.clone().requires_grad_()
    log_probs = logits.log_softmax(dim=0)
    probs = log_probs.exp().detach()
    return torch.autograd.grad((probs * penalty(log_probs)).sum(), logits)[0]


def _through_the_probs(logits, penalty):
    logits = logits.clone().requires_grad_()
    log_probs = logits.log_softmax(dim=0)
    return torch.autograd.grad((log_probs.exp() * penalty(log_probs)).sum(), logits)[0]


def _one_a_token(logits, penalty):
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(penalty(logits.log_softmax(dim=0)).mean(), logits)[0]


def _penalty_cases():
    ref = torch.tensor([0.3, -0.2, 0.8]).log_softmax(dim=0)
    logits = torch.tensor([1.0, 0.0, -1.0])

    def k2(log_probs):
        return kl_penalty(log_probs, ref, "k2")

    def k3(log_probs):
        return kl_penalty(log_probs, ref, "k3")

    return [{"logits": logits, "penalty": k2}, {"logits": logits, "penalty": k3}]


exercise(
    number="3.4",
    title="the expected gradient of a penalty",
    solution=expected_gradient,
    cases=_penalty_cases,
    mistakes=(
        Mistake(
            _through_the_probs,
            "The gradient also flows through the probabilities that weigh the tokens. Samples are "
            "drawn, not differentiated: `detach` the weights.",
        ),
        Mistake(
            _one_a_token,
            "Each token counts the same here. A sample is token a with probability pi(a).",
        ),
    ),
    hints=(
        "Training draws token a with probability pi(a) and differentiates its penalty.",
        "So the expectation is the gradient of the sum of pi(a) * penalty(a), where pi(a) is only "
        "a weight.",
        "`log_probs.exp().detach()` are the weights; `torch.autograd.grad(loss, logits)[0]` is the "
        "gradient.",
    ),
)


def explained_variance(returns, values):
    return (1 - (returns - values).var() / returns.var()).item()


def _explained_cases():
    returns = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0])
    return [
        {"returns": returns, "values": torch.tensor([0.1, 0.8, 0.7, 0.3, 0.9])},
        {"returns": returns, "values": torch.full((5,), 0.4), "why": "a critic that knows nothing"},
        {"returns": returns, "values": 1 - returns, "why": "a critic that is always wrong"},
        {"returns": returns, "values": returns + 2.0, "why": "off by a constant"},
        {"returns": returns, "values": 0.5 * returns, "why": "half of each return"},
    ]


exercise(
    number="3.5",
    title="explained variance",
    solution=explained_variance,
    cases=_explained_cases,
    mistakes=(
        Mistake(
            lambda returns, values: (
                1 - (returns - values).square().mean() / returns.var(correction=0)
            ).item(),
            "This takes the mean squared error. Explained variance forgives a constant: it asks "
            "for the variance of the error.",
        ),
        Mistake(
            lambda returns, values: ((returns - values).var() / returns.var()).item(),
            "This is the share that is *not* explained.",
        ),
        Mistake(
            lambda returns, values: (values.var() / returns.var()).item(),
            "How much the values vary says nothing about whether they are right.",
        ),
        Mistake(
            lambda returns, values: (
                torch.nan_to_num(torch.corrcoef(torch.stack([returns, values]))[0, 1]).item() ** 2
            ),
            "A squared correlation also praises a critic that is always wrong.",
        ),
    ),
    hints=(
        "What the critic does not explain is its error: returns - values.",
        "Compare the variance of the error with the variance of the returns.",
        "1 for a perfect critic, 0 for a constant one, below 0 for a harmful one.",
    ),
)
