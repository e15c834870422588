"""The exact policy against autograd and against sampling."""

import torch

from grpo_mini.course import ExactPolicy

POLICY = ExactPolicy([0.5, 1.2, 0.0, -0.5, 0.8])
REWARDS = torch.tensor([1.0, 0.2, 0.0, 2.0, 0.5], dtype=torch.float64)


def test_gradient_and_scores_equal_autograd():
    logits = POLICY.logits.clone().requires_grad_()
    (logits.softmax(dim=0) @ REWARDS).backward()
    assert torch.allclose(POLICY.gradient(REWARDS), logits.grad)
    jacobian = torch.autograd.functional.jacobian(lambda z: z.log_softmax(dim=0), POLICY.logits)
    assert torch.allclose(POLICY.score_functions(), jacobian)


def test_kl_equals_torchs():
    other = ExactPolicy([0.0, 0.6, 0.6, 0.2, 0.4])
    theirs = torch.nn.functional.kl_div(other.log_probs, POLICY.log_probs, log_target=True,
                                        reduction="sum")  # fmt: skip
    assert torch.allclose(POLICY.kl(other), theirs)


def test_variance_equals_that_of_many_samples():
    drawn = torch.multinomial(
        POLICY.probs, 200_000, True, generator=torch.Generator().manual_seed(0)
    )
    samples = POLICY.estimates(REWARDS, 0.3)[drawn]
    measured = samples.var(dim=0).sum()
    assert abs(measured / POLICY.variance(REWARDS, 0.3) - 1) < 0.02


def test_the_group_mean_shrinks_the_gradient_by_its_own_share():
    exact = POLICY.gradient(REWARDS)
    found = POLICY.expected_group_gradient(REWARDS, 3, lambda r: r - r.mean())
    assert torch.allclose(found, exact * 2 / 3)
