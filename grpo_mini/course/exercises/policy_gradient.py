"""Exercises of notebook 02: the exact gradient, REINFORCE, baselines."""

import torch

from ..checker import Mistake, exercise
from ..exact import ExactPolicy

PROBS = ([0.1, 0.2, 0.3, 0.25, 0.15], [0.7, 0.1, 0.1, 0.05, 0.05])
REWARDS = ([1.0, 0.0, 0.0, 2.0, 0.5], [3.0, 1.0, -1.0, 0.0, 4.0])


def exact_gradient(probs, rewards):
    expected_reward = probs @ rewards
    return probs * (rewards - expected_reward)


def _policy_cases():
    pairs = zip(PROBS, REWARDS, strict=True)
    return [{"probs": torch.tensor(p), "rewards": torch.tensor(r)} for p, r in pairs]


exercise(
    number="2.1",
    title="the exact gradient of a softmax policy",
    solution=exact_gradient,
    cases=_policy_cases,
    mistakes=(
        Mistake(
            lambda probs, rewards: probs * rewards,
            "The softmax is missing: raising one logit lowers the probability of all other "
            "tokens. That is what subtracting J does.",
        ),
        Mistake(
            lambda probs, rewards: rewards - probs @ rewards,
            "Each component has to be weighted with the token's own probability.",
        ),
        Mistake(
            lambda probs, rewards: probs * (rewards - rewards.mean()),
            "J is the mean under the policy, not the plain mean over the tokens.",
        ),
        Mistake(
            lambda probs, rewards: probs * (1 - probs) * rewards,
            "These are the diagonal terms only. A token's logit moves the other probabilities too.",
        ),
        Mistake(
            lambda probs, rewards: -exact_gradient(probs, rewards),
            "The sign is turned round: this goes downhill.",
        ),
    ),
    hints=(
        "Write J = sum of p(a) r(a) and differentiate p(a) = exp(z_a) / sum exp(z) by z_b.",
        "dp(a)/dz_b is p(a)(1 - p(a)) for a = b, and -p(a)p(b) for the others.",
        "Collect the terms: p(b) times (r(b) minus the sum of p(a) r(a)).",
    ),
    module=(ExactPolicy.gradient,),
)


def reinforce_loss(log_probs, advantages):
    return -(advantages * log_probs).mean()


def _reinforce_cases():
    return [
        {
            "log_probs": torch.tensor([-12.0, -3.5, -7.25, -1.0]),
            "advantages": torch.tensor([1.0, -0.5, -0.5, 0.25]),
        }
    ]


exercise(
    number="2.3",
    title="the REINFORCE loss",
    solution=reinforce_loss,
    cases=_reinforce_cases,
    gradient_of="log_probs",
    mistakes=(
        Mistake(
            lambda log_probs, advantages: (advantages * log_probs).mean(),
            "The sign is turned round. An optimiser goes downhill, so the loss is minus what "
            "should grow.",
        ),
        Mistake(
            lambda log_probs, advantages: -(advantages * log_probs).sum(),
            "This is the sum. With the mean the step size does not depend on the batch size.",
        ),
        Mistake(
            lambda log_probs, advantages: -advantages.mean() * log_probs.mean(),
            "The two means are taken apart. Each advantage belongs to its own response.",
        ),
        Mistake(
            lambda log_probs, advantages: -(advantages * log_probs.exp()).mean(),
            "These are probabilities. The policy gradient has the *log*-prob: that is what makes "
            "up for rare responses being sampled rarely.",
        ),
    ),
    hints=(
        "The gradient wanted is the mean of advantage times the gradient of the log-prob.",
        "So the thing to differentiate is the mean of advantage times log-prob.",
        "And a minus sign, since optimisers minimise.",
    ),
)


def best_baseline(probs, rewards):
    scores = torch.eye(len(probs)) - probs
    weights = probs * scores.square().sum(dim=1)
    return (weights @ rewards / weights.sum()).item()


exercise(
    number="2.2",
    title="the best constant baseline",
    solution=best_baseline,
    cases=_policy_cases,
    mistakes=(
        Mistake(
            lambda probs, rewards: (probs @ rewards).item(),
            "This is the expected reward: a good baseline, but not the best. Tokens with a long "
            "score function make more noise and count for more.",
        ),
        Mistake(lambda probs, rewards: rewards.mean().item(), "The policy is not in it at all."),
        Mistake(
            lambda probs, rewards: _weighted_by_length(probs, rewards),
            "The weights are the squared lengths of the score functions, not the lengths.",
        ),
        Mistake(
            lambda probs, rewards: _without_probs(probs, rewards),
            "The squared lengths have to be weighted with the probabilities: it is an expectation.",
        ),
        Mistake(lambda probs, rewards: 0.0, "That is no baseline."),
    ),
    hints=(
        "Write the variance as a function of b. The mean does not depend on b, so only the second "
        "moment counts: E[(r - b)^2 |score|^2].",
        "Its derivative by b is zero where E[(r - b) |score|^2] is zero.",
        "So b is a mean of the rewards with the weights p(a) |score(a)|^2, where score(a) is "
        "one-hot minus probs: row a of `torch.eye(len(probs)) - probs`.",
    ),
)


def _weighted_by_length(probs, rewards):
    weights = probs * (torch.eye(len(probs)) - probs).norm(dim=1)
    return (weights @ rewards / weights.sum()).item()


def _without_probs(probs, rewards):
    weights = (torch.eye(len(probs)) - probs).square().sum(dim=1)
    return (weights @ rewards / weights.sum()).item()


def zero_loss_advantages(log_probs):
    advantages = torch.zeros_like(log_probs)
    advantages[0], advantages[1] = log_probs[1], -log_probs[0]
    return advantages


NO_GRADIENT = (
    "All advantages are 0: the loss is 0, but so is the gradient. Find some that are not 0 and "
    "still cancel in the loss."
)
NOT_ZERO = (
    "The loss is not 0. Choose two advantages so that their products with the log-probs cancel: "
    "advantages that only sum to 0 are not enough when the log-probs differ."
)


def _judge_zero_loss(advantages, log_probs):
    if not isinstance(advantages, torch.Tensor) or advantages.shape != log_probs.shape:
        return f"It has to return a tensor of shape {list(log_probs.shape)}, like the log-probs."
    if not torch.isfinite(advantages).all():
        return "Some advantages are not finite."
    if advantages.abs().max() < 1e-3:
        return NO_GRADIENT
    loss = -(advantages * log_probs).mean().item()
    return NOT_ZERO if abs(loss) > 1e-5 * float(advantages.abs().max()) else None


exercise(
    number="2.4",
    title="a loss of 0 that still teaches",
    solution=zero_loss_advantages,
    cases=lambda: [
        {"log_probs": torch.tensor([-12.0, -3.5, -7.25, -1.0])},
        {"log_probs": torch.tensor([-1.5, -0.25, -30.0])},
    ],
    judge=_judge_zero_loss,
    mistakes=(
        Mistake(lambda log_probs: torch.zeros_like(log_probs), NO_GRADIENT),
        Mistake(lambda log_probs: log_probs - log_probs.mean(), NOT_ZERO),
    ),
    hints=(
        "The loss is a sum of products. Two products can cancel each other.",
        "Leave all advantages at 0 but the first two, a and b, and solve a * l0 + b * l1 = 0.",
        "a = l1 and b = -l0 does it.",
    ),
)
