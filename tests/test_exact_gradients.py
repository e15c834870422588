"""What the estimators teach *on average*, without any sampling noise.

The policy is a softmax over five tokens, a response is one token, and the batch is one group. That
is small enough to visit every possible group: an expectation is then a finite sum, and each claim
about a gradient becomes an equality in float64. The true gradients come from differentiating the
true expectations, which use no function of `grpo_mini`.
"""

from itertools import product

import pytest
import torch

from grpo_mini.advantages import compute_relative_rewards, leave_one_out
from grpo_mini.losses import aggregate, clipped_surrogate, kl_penalty, token_log_probs

LOGITS = torch.tensor([0.3, -1.2, 0.8, 0.0, -0.4], dtype=torch.float64)
REF_LOGITS = torch.tensor([-0.5, 0.7, 0.2, 0.9, -1.0], dtype=torch.float64)
REWARDS = torch.tensor([1.0, 0.0, 0.5, 3.0, -1.0], dtype=torch.float64)
TOKENS = range(5)


def gradient_at(logits, function):
    """Gradient of ``function(logits)`` by the logits."""
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(function(logits), logits)[0]


def true_gradient_of_expected_reward():
    return gradient_at(LOGITS, lambda logits: (logits.softmax(0) * REWARDS).sum())


def loss_of(logits, responses, advantages):
    """GRPO's loss of one group of one-token responses, on-policy."""
    responses = torch.tensor(responses).view(-1, 1)
    log_probs = token_log_probs(logits.expand(len(responses), 1, 5), responses)
    per_token = clipped_surrogate(log_probs, log_probs.detach(), advantages.view(-1, 1))
    return aggregate(per_token, torch.ones_like(per_token))


def expected_ascent(estimate_advantages, group_size):
    """Minus the loss's gradient, averaged over all 5**G groups with their probabilities."""
    probabilities = LOGITS.softmax(0)
    total = torch.zeros_like(LOGITS)
    for group in product(TOKENS, repeat=group_size):
        advantages = estimate_advantages(REWARDS[list(group)], group_size)
        gradient = gradient_at(LOGITS, lambda x, g=group, a=advantages: loss_of(x, g, a))
        total -= probabilities[list(group)].prod() * gradient
    return total


def mixed(weight):
    """The source's mix: centred reward plus ``weight`` times the group mean."""
    return lambda rewards, group_size: compute_relative_rewards(
        rewards, group_size, normalize=False, baseline_reward_weight=weight
    )[0]


centred = mixed(0.0)


# --------------------------------------------------------------------------- expected reward


@pytest.mark.parametrize("group_size", [2, 3])
def test_the_group_mean_as_baseline_shrinks_the_gradient_by_g_minus_1_over_g(group_size):
    expected = (group_size - 1) / group_size * true_gradient_of_expected_reward()
    torch.testing.assert_close(expected_ascent(centred, group_size), expected)


@pytest.mark.parametrize("group_size", [2, 3])
def test_leaving_one_out_gives_the_true_gradient(group_size):
    expected = true_gradient_of_expected_reward()
    torch.testing.assert_close(expected_ascent(leave_one_out, group_size), expected)


@pytest.mark.parametrize("group_size", [2, 3])
@pytest.mark.parametrize("weight", [0.25, 1.0])
def test_the_mix_shrinks_the_gradient_by_1_minus_one_gth_of_1_minus_w(weight, group_size):
    expected = (1 - (1 - weight) / group_size) * true_gradient_of_expected_reward()
    torch.testing.assert_close(expected_ascent(mixed(weight), group_size), expected)


def test_dividing_by_the_standard_deviation_follows_another_direction():
    """Not a multiple of the true gradient any more: the objective itself has changed."""
    found = expected_ascent(lambda rewards, size: compute_relative_rewards(rewards, size)[0], 3)
    cosine = torch.cosine_similarity(found, true_gradient_of_expected_reward(), dim=0)
    assert 0.5 < cosine < 0.99


def test_on_policy_the_loss_is_0_and_its_gradient_is_not():
    group = (0, 1, 2, 3)
    advantages = centred(REWARDS[list(group)], 4)
    assert loss_of(LOGITS, group, advantages).item() == pytest.approx(0, abs=1e-15)
    gradient = gradient_at(LOGITS, lambda logits: loss_of(logits, group, advantages))
    assert gradient.norm() > 0.1


def test_a_silent_group_has_no_gradient_at_all():
    group = (2, 2, 2)
    advantages = centred(REWARDS[list(group)], 3)
    gradient = gradient_at(LOGITS, lambda logits: loss_of(logits, group, advantages))
    assert gradient.tolist() == [0.0] * 5


# --------------------------------------------------------------------------------------- KL


def kl(logits, other_logits):
    """KL(softmax(logits) || softmax(other_logits)), the exact sum over the five tokens."""
    log_p, log_q = logits.log_softmax(0), other_logits.log_softmax(0)
    return (log_p.exp() * (log_p - log_q)).sum()


def penalties(logits, estimator):
    """The penalty of each of the five tokens, [5]."""
    tokens = torch.tensor(TOKENS).view(1, 5)
    log_probs = token_log_probs(logits.expand(1, 5, 5), tokens)
    ref_log_probs = token_log_probs(REF_LOGITS.expand(1, 5, 5), tokens)
    return kl_penalty(log_probs, ref_log_probs, estimator)[0]


def expected_penalty(estimator):
    return (LOGITS.softmax(0) * penalties(LOGITS, estimator)).sum()


def expected_penalty_gradient(estimator):
    """What training sees: tokens are sampled first, then the penalty alone is differentiated."""
    weights = LOGITS.softmax(0)
    return gradient_at(LOGITS, lambda logits: (weights * penalties(logits, estimator)).sum())


@pytest.mark.parametrize("estimator", ["k1", "k3"])
def test_the_value_of_k1_and_k3_is_unbiased(estimator):
    torch.testing.assert_close(expected_penalty(estimator), kl(LOGITS, REF_LOGITS))


def test_the_value_of_k2_is_biased():
    assert abs(expected_penalty("k2") - kl(LOGITS, REF_LOGITS)) > 0.01


def test_as_a_loss_k1_pulls_nowhere_on_average():
    found = expected_penalty_gradient("k1")
    torch.testing.assert_close(found, torch.zeros_like(LOGITS), rtol=0, atol=1e-15)


def test_as_a_loss_k2_follows_the_kl_from_policy_to_reference():
    expected = gradient_at(LOGITS, lambda logits: kl(logits, REF_LOGITS))
    torch.testing.assert_close(expected_penalty_gradient("k2"), expected)


def test_as_a_loss_k3_follows_the_kl_from_reference_to_policy():
    expected = gradient_at(LOGITS, lambda logits: kl(REF_LOGITS, logits))
    torch.testing.assert_close(expected_penalty_gradient("k3"), expected)
    assert (expected - gradient_at(LOGITS, lambda logits: kl(logits, REF_LOGITS))).norm() > 0.1


def test_as_a_loss_k3_times_the_ratio_follows_the_kl_from_policy_to_reference():
    """The ratio is 1 on-policy, but it is differentiated too (arXiv 2512.02556; TRL's default)."""
    weights = LOGITS.softmax(0)

    def weighted_penalty(logits):
        ratio = logits.softmax(0) / weights
        return (weights * ratio * penalties(logits, "k3")).sum()

    expected = gradient_at(LOGITS, lambda logits: kl(logits, REF_LOGITS))
    torch.testing.assert_close(gradient_at(LOGITS, weighted_penalty), expected)


# ---------------------------------------------------------------------------- KL in the reward


@pytest.mark.parametrize("group_size", [2, 3])
def test_kl_paid_in_the_reward_pulls_as_the_kl_itself(group_size):
    """k1 as a loss pulls nowhere; subtracted from the reward it is the whole KL(policy || ref)."""
    coefficient = 0.7

    def objective(logits):
        log_probs, ref = logits.log_softmax(0), REF_LOGITS.log_softmax(0)
        return (log_probs.exp() * (REWARDS - coefficient * (log_probs - ref))).sum()

    costs = coefficient * kl_penalty(LOGITS.log_softmax(0), REF_LOGITS.log_softmax(0), "k1")
    probabilities, total = LOGITS.softmax(0), torch.zeros_like(LOGITS)
    for group in product(TOKENS, repeat=group_size):
        rows = list(group)
        # As the trainer does it: what was paid and what the KL costs, compared one by one.
        advantages = centred(REWARDS[rows], group_size) - centred(costs[rows], group_size)
        gradient = gradient_at(LOGITS, lambda x, g=group, a=advantages: loss_of(x, g, a))
        total -= probabilities[rows].prod() * gradient
    expected = gradient_at(LOGITS, objective) * (group_size - 1) / group_size
    assert torch.allclose(total, expected, atol=1e-12)
    without = gradient_at(LOGITS, lambda x: (x.softmax(0) * REWARDS).sum())
    assert not torch.allclose(total * group_size / (group_size - 1), without, atol=0.01)
