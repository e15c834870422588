"""Log-probs and advantages -> losses: each formula against its definition, and its gradient."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical

from grpo_mini.losses import (
    AGGREGATIONS,
    KL_ESTIMATORS,
    aggregate,
    clipped_surrogate,
    entropy,
    kl_penalty,
    preference_loss,
    token_log_probs,
    token_weights,
    value_loss,
)

NAN = float("nan")
quick = settings(max_examples=60, deadline=None)


def random_logits(seed=0, size=(3, 4, 7), dtype=torch.float64):
    """Logits [B, T, V] and one token [B, T] at each position."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(*size, generator=generator, dtype=torch.float64)
    return logits.to(dtype), torch.randint(size[-1], size[:-1], generator=generator)


# ----------------------------------------------------------------------- log-probs and entropy


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_log_probs_and_entropy_are_those_of_the_tempered_categorical_distribution(temperature):
    logits, tokens = random_logits()
    logits.requires_grad_()
    policy = Categorical(logits=logits / temperature)
    for ours, torchs in (
        (token_log_probs(logits, tokens, temperature), policy.log_prob(tokens)),
        (entropy(logits, temperature), policy.entropy()),
    ):
        torch.testing.assert_close(ours, torchs)
        gradients = [
            torch.autograd.grad(x.sum(), logits, retain_graph=True) for x in (ours, torchs)
        ]
        torch.testing.assert_close(*gradients)


def test_the_default_temperature_is_1():
    logits, tokens = random_logits()
    assert torch.equal(token_log_probs(logits, tokens), token_log_probs(logits, tokens, 1.0))
    assert torch.equal(entropy(logits), entropy(logits, 1.0))


def test_equal_logits_give_the_entropy_log_v_at_every_temperature():
    for temperature in (0.1, 1.0, 10.0):
        assert entropy(torch.zeros(1, 1, 8), temperature).item() == pytest.approx(math.log(8))


def test_a_low_temperature_sharpens_and_a_high_one_flattens():
    logits, _ = random_logits()
    cold, warm, hot = (entropy(logits, temperature) for temperature in (0.5, 1.0, 2.0))
    assert (cold < warm).all() and (warm < hot).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_half_precision_logits_are_scored_in_float32(dtype, temperature):
    logits, tokens = random_logits(dtype=dtype)
    for score in (
        lambda x: token_log_probs(x, tokens, temperature),
        lambda x: entropy(x, temperature),
    ):
        scored = score(logits)
        assert scored.dtype == torch.float32
        torch.testing.assert_close(scored, score(logits.float()), rtol=0, atol=0)


def test_float64_logits_are_scored_in_float64():
    logits, tokens = random_logits()
    assert token_log_probs(logits, tokens).dtype == entropy(logits).dtype == torch.float64


def test_huge_logits_do_not_overflow():
    logits = torch.tensor([[[1e4, 0.0, -1e4]]])
    assert token_log_probs(logits, torch.tensor([[0]])).item() == 0
    assert token_log_probs(logits, torch.tensor([[1]])).item() == -1e4
    assert entropy(logits).item() == 0


def test_the_gradient_of_a_log_prob_is_one_hot_minus_probabilities_over_temperature():
    logits, tokens = random_logits()
    logits.requires_grad_()
    token_log_probs(logits, tokens, temperature=0.5).sum().backward()
    probabilities = (logits.detach() / 0.5).softmax(dim=-1)
    one_hot = torch.nn.functional.one_hot(tokens, logits.shape[-1])
    torch.testing.assert_close(logits.grad, (one_hot - probabilities) / 0.5)


@pytest.mark.parametrize("temperature", [0.0, -1.0, NAN])
def test_the_temperature_must_be_above_0(temperature):
    logits, tokens = random_logits()
    with pytest.raises(ValueError, match=f"temperature must be above 0, got {temperature}"):
        token_log_probs(logits, tokens, temperature)
    with pytest.raises(ValueError, match=f"temperature must be above 0, got {temperature}"):
        entropy(logits, temperature)


# --------------------------------------------------------------------------- clipped surrogate


def loss_and_gradient(ratio, advantage, **clip):
    """Loss of one token whose ratio is ``ratio``, and its gradient by the log-prob."""
    log_probs = torch.tensor([[math.log(ratio)]], dtype=torch.float64, requires_grad=True)
    old_log_probs = torch.zeros(1, 1, dtype=torch.float64)
    advantages = torch.tensor([[advantage]], dtype=torch.float64)
    loss = clipped_surrogate(log_probs, old_log_probs, advantages, **clip)
    loss.sum().backward()
    return loss.item(), log_probs.grad.item()


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "gradient"),
    [
        # The step went too far in the wanted direction: the loss is flat.
        pytest.param(1.5, +2.0, -1.28 * 2, 0.0, id="good token, already much likelier: clipped"),
        pytest.param(0.5, -2.0, +0.8 * 2, 0.0, id="bad token, already much rarer: clipped"),
        # The step went in the wrong direction: the pull back is in full force.
        pytest.param(0.5, +2.0, -0.5 * 2, -0.5 * 2, id="good token became rarer: not clipped"),
        pytest.param(1.5, -2.0, +1.5 * 2, +1.5 * 2, id="bad token became likelier: not clipped"),
        # Inside the trust region: the policy gradient, weighted by the ratio.
        pytest.param(1.1, +2.0, -1.1 * 2, -1.1 * 2, id="good token, inside"),
        pytest.param(1.1, -2.0, +1.1 * 2, +1.1 * 2, id="bad token, inside"),
        pytest.param(0.9, +2.0, -0.9 * 2, -0.9 * 2, id="good token, inside, below 1"),
        pytest.param(0.9, -2.0, +0.9 * 2, +0.9 * 2, id="bad token, inside, below 1"),
        pytest.param(1.0, +2.0, -2.0, -2.0, id="good token, on-policy"),
        pytest.param(1.0, -2.0, +2.0, +2.0, id="bad token, on-policy"),
        pytest.param(1.5, 0.0, 0.0, 0.0, id="no advantage"),
    ],
)
def test_clipped_surrogate_in_every_cell(ratio, advantage, loss, gradient):
    found = loss_and_gradient(ratio, advantage, clip_low=0.2, clip_high=0.28)
    assert found == pytest.approx((loss, gradient))


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss"), [(3.0, 1.0, -1.2), (0.1, -1.0, 0.8)], ids=["high", "low"]
)
def test_the_default_clip_is_two_tenths_on_either_side(ratio, advantage, loss):
    assert loss_and_gradient(ratio, advantage) == pytest.approx((loss, 0.0))


def test_the_clipped_loss_is_never_below_the_plain_one():
    """It is a pessimistic bound: minus the minimum, for good and for bad tokens."""
    for ratio in (0.1, 0.7, 0.9, 1.0, 1.1, 1.3, 10.0):
        for advantage in (-1.0, 1.0):
            assert loss_and_gradient(ratio, advantage)[0] >= -ratio * advantage - 1e-12


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "gradient"),
    [
        pytest.param(5.0, +2.0, -1.2 * 2, 0.0, id="good token, far likelier: clipped as ever"),
        pytest.param(0.1, +2.0, -0.1 * 2, -0.1 * 2, id="good token, far rarer: as ever"),
        pytest.param(0.1, -2.0, +0.8 * 2, 0.0, id="bad token, far rarer: clipped as ever"),
        pytest.param(5.0, -2.0, +3.0 * 2, 0.0, id="bad token, beyond c: flat"),
        pytest.param(2.9, -2.0, +2.9 * 2, +2.9 * 2, id="bad token, not yet at c: pulled back"),
        pytest.param(5.0, 0.0, 0.0, 0.0, id="no advantage"),
    ],
)
def test_the_dual_clip_limits_only_bad_tokens_that_became_much_likelier(
    ratio, advantage, loss, gradient
):
    found = loss_and_gradient(ratio, advantage, dual_clip=3.0)
    assert found == pytest.approx((loss, gradient))


@quick
@given(st.floats(0.05, 20), st.floats(-3, 3), st.floats(1.01, 10))
def test_the_dual_clip_is_equation_5(ratio, advantage, bound):
    """In plain Python; and without it there is no bound."""
    plain = min(ratio * advantage, min(max(ratio, 0.8), 1.2) * advantage)
    expected = max(plain, bound * advantage) if advantage < 0 else plain
    loss, gradient = loss_and_gradient(ratio, advantage, dual_clip=bound)
    assert loss == pytest.approx(-expected)
    assert loss_and_gradient(ratio, advantage)[0] == pytest.approx(-plain)
    if advantage < 0 and ratio > bound + 1e-6 and ratio > 0.8:
        assert gradient == 0.0


@pytest.mark.parametrize("bound", [1.0, 0.5, -3.0, NAN])
def test_the_dual_clip_must_be_above_1(bound):
    with pytest.raises(ValueError, match=f"dual_clip must be above 1, got {bound}"):
        clipped_surrogate(torch.zeros(1, 1), torch.zeros(1, 1), torch.ones(1, 1), dual_clip=bound)


def test_one_advantage_a_response_counts_for_each_of_its_tokens():
    log_probs, old_log_probs = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    advantages = torch.tensor([[1.0], [-2.0], [0.5]])
    torch.testing.assert_close(
        clipped_surrogate(log_probs, old_log_probs, advantages),
        clipped_surrogate(log_probs, old_log_probs, advantages.expand(3, 5)),
    )


# ----------------------------------------------------------------------------------------- KL


@pytest.mark.parametrize(
    ("estimator", "twice_as_likely", "half_as_likely"),
    [
        ("k1", math.log(2), -math.log(2)),
        ("k2", math.log(2) ** 2 / 2, math.log(2) ** 2 / 2),
        ("k3", 0.5 - 1 + math.log(2), 2 - 1 - math.log(2)),
    ],
)
def test_kl_penalty_of_a_token_twice_and_half_as_likely_as_under_the_reference(
    estimator, twice_as_likely, half_as_likely
):
    log_probs, ref_log_probs = torch.tensor([[0.4, 0.2]]).log(), torch.tensor([[0.2, 0.4]]).log()
    penalty = kl_penalty(log_probs, ref_log_probs, estimator)
    assert penalty[0].tolist() == pytest.approx([twice_as_likely, half_as_likely])


def test_k3_is_the_default():
    log_probs, ref_log_probs = torch.tensor([[-0.3]]), torch.tensor([[-2.0]])
    assert kl_penalty(log_probs, ref_log_probs) == kl_penalty(log_probs, ref_log_probs, "k3")


@pytest.mark.parametrize("estimator", KL_ESTIMATORS)
def test_the_penalty_is_0_where_policy_and_reference_agree(estimator):
    log_probs = torch.tensor([[-0.1, -2.0, -30.0]])
    assert kl_penalty(log_probs, log_probs, estimator).tolist() == [[0.0, 0.0, 0.0]]


@quick
@given(st.floats(-8, 8))
def test_k2_and_k3_are_never_negative(difference):
    log_probs = torch.tensor([[difference]])
    for estimator in ("k2", "k3"):
        assert kl_penalty(log_probs, torch.zeros(1, 1), estimator).item() >= 0


def test_k3_keeps_its_digits_near_0():
    """exp(d) - 1 - d would lose all of them in float32, where it is d**2 / 2 to first order."""
    penalty = kl_penalty(torch.tensor([[-1e-3]]), torch.zeros(1, 1)).item()
    assert penalty == pytest.approx(1e-3**2 / 2 + 1e-3**3 / 6, rel=1e-3)


def test_summed_over_a_response_only_k1_as_a_reward_has_the_whole_gradient():
    """Two tokens of three kinds, all nine responses: what each estimator leaves out."""
    torch.manual_seed(0)
    first, then = torch.randn(3).double(), torch.randn(3, 3).double()
    ref_first, ref_then = (torch.randn_like(each).log_softmax(-1) for each in (first, then))
    first.requires_grad_(), then.requires_grad_()
    one, two = first.log_softmax(-1), then.log_softmax(-1)
    log_probs = torch.stack([one.unsqueeze(1).expand(3, 3), two], dim=-1).reshape(9, 2)
    reference = torch.stack([ref_first.unsqueeze(1).expand(3, 3), ref_then], -1).reshape(9, 2)
    whole, ref_whole = log_probs.sum(dim=1), reference.sum(dim=1)
    chance = whole.detach().exp()

    def gradient(value):
        found = torch.autograd.grad(value, (first, then), retain_graph=True)
        return torch.cat([each.flatten() for each in found])

    forward = gradient((whole.exp() * (whole - ref_whole)).sum())
    reverse = gradient((ref_whole.exp() * (ref_whole - whole)).sum())
    as_loss = {
        name: gradient((chance * kl_penalty(log_probs, reference, name).sum(dim=1)).sum())
        for name in KL_ESTIMATORS
    }
    paid = kl_penalty(log_probs, reference, "k1").sum(dim=1).detach()
    assert as_loss["k1"].abs().max() < 1e-12
    assert torch.allclose(gradient((chance * paid * whole).sum()), forward)
    for name, meant in (("k2", forward), ("k3", reverse)):
        apart = (as_loss[name] - meant).abs()
        assert apart.max() > 0.01, name
    # k2 forgets what the first token changes later, k3 reads prefixes of the policy.
    assert torch.allclose(as_loss["k2"][3:], forward[3:])
    assert torch.allclose(as_loss["k3"][:3], reverse[:3])


def test_an_unknown_estimator_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown KL estimator 'k4'; there are: k1, k2, k3"):
        kl_penalty(torch.zeros(1, 1), torch.zeros(1, 1), "k4")


# --------------------------------------------------------------------------------- value loss


def test_value_loss_is_the_squared_error():
    loss = value_loss(torch.tensor([[1.0, 3.0]]), torch.tensor([[2.0, 1.0]]))
    assert loss.tolist() == [[1.0, 4.0]]


@pytest.mark.parametrize(
    ("value", "loss", "gradient"),
    [
        # The value was 0, the return is 2, and the critic may move by 0.5.
        pytest.param(0.25, 1.75**2, -2 * 1.75, id="inside the clip"),
        pytest.param(1.0, 1.5**2, 0.0, id="moved too far towards the return: flat"),
        pytest.param(-1.0, 3.0**2, -2 * 3.0, id="moved too far away: pulled back in full"),
        pytest.param(4.0, 2.0**2, 2 * 2.0, id="overshot: pulled back in full"),
    ],
)
def test_value_loss_with_clip_takes_the_larger_of_two_errors(value, loss, gradient):
    values = torch.tensor([[value]], requires_grad=True)
    found = value_loss(values, torch.tensor([[2.0]]), torch.zeros(1, 1), clip=0.5)
    found.sum().backward()
    assert (found.item(), values.grad.item()) == pytest.approx((loss, gradient))


def test_old_values_without_clip_change_nothing():
    values, returns = torch.tensor([[1.0]]), torch.tensor([[3.0]])
    assert value_loss(values, returns, old_values=torch.zeros(1, 1)).item() == 4.0


def test_old_values_of_one_response_are_not_stretched_over_the_tokens():
    """[B] where [B, T] was meant would pass, where B is T."""
    with pytest.raises(ValueError, match="old_values must have the shape of values"):
        value_loss(torch.zeros(3, 3), torch.zeros(3, 3), old_values=torch.zeros(3), clip=0.5)


def test_clipping_the_value_loss_needs_the_old_values():
    with pytest.raises(ValueError, match="value_loss with clip needs old_values"):
        value_loss(torch.zeros(1, 1), torch.zeros(1, 1), clip=0.5)


# -------------------------------------------------------------------------------- aggregation


@st.composite
def batches(draw):
    """Losses per token and a right-padded mask, both [B, T], with responses of 0 to T tokens."""
    size = (draw(st.integers(1, 5)), draw(st.integers(1, 6)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    per_token = torch.randn(*size, generator=generator, dtype=torch.float64)
    lengths = torch.randint(0, size[1] + 1, (size[0], 1), generator=generator)
    return per_token, (torch.arange(size[1]) < lengths).double()


def aggregate_in_plain_python(per_token, mask, mode, length):
    """The three formulas on lists of lists, a response without tokens counting as 0."""
    pairs = zip(per_token.tolist(), mask.tolist(), strict=True)
    responses = [[x for x, m in zip(*pair, strict=True) if m] for pair in pairs]
    all_tokens = sum(responses, [])
    if mode == "sequence":
        means = [sum(response) / len(response) if response else 0.0 for response in responses]
        return sum(means) / len(means)
    if mode == "token":
        return sum(all_tokens) / len(all_tokens) if all_tokens else 0.0
    return sum(all_tokens) / (len(responses) * length)


@pytest.mark.parametrize("mode", AGGREGATIONS)
@quick
@given(batches(), st.integers(1, 100))
def test_aggregate_is_its_definition_in_plain_python(mode, batch, length):
    per_token, mask = batch
    expected = aggregate_in_plain_python(per_token, mask, mode, length)
    assert aggregate(per_token, mask, mode, length).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("mode", "loss"), [("sequence", 3.0), ("token", 2.0), ("constant", 1.0)])
def test_a_short_and_a_long_response_weigh_differently_in_each_mode(mode, loss):
    per_token = torch.tensor([[5.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0]])
    mask = torch.tensor([[1, 0, 0, 0], [1, 1, 1, 0]])
    assert aggregate(per_token, mask, mode, length=4).item() == pytest.approx(loss)


def test_sequence_is_the_default_mode():
    per_token, mask = torch.tensor([[5.0, 0.0], [1.0, 2.0]]), torch.tensor([[1, 0], [1, 1]])
    assert aggregate(per_token, mask).item() == 3.25
    assert torch.equal(token_weights(mask), token_weights(mask, "sequence"))


@pytest.mark.parametrize("mode", AGGREGATIONS)
@quick
@given(batches(), st.sampled_from([1e6, NAN, float("inf")]))
def test_padding_has_no_influence_on_the_aggregate_or_its_gradient(mode, batch, padding):
    clean, mask = batch
    padded = clean.masked_fill(mask == 0, padding)
    results = []
    for per_token in (clean, padded):
        per_token = per_token.clone().requires_grad_()
        loss = aggregate(per_token, mask, mode, length=6)
        loss.backward()
        results.append((loss.item(), per_token.grad))
    assert results[0][0] == results[1][0]
    assert torch.equal(results[0][1], results[1][1])
    assert torch.equal(results[1][1], token_weights(mask, mode, length=6))
    assert (results[1][1][mask == 0] == 0).all()


@pytest.mark.parametrize("mode", AGGREGATIONS)
@quick
@given(batches(), st.integers(1, 5), st.randoms(use_true_random=False))
def test_micro_batches_weighted_by_token_weights_sum_to_the_undivided_loss(
    mode, batch, size, random
):
    per_token, mask = batch
    weights = token_weights(mask, mode, length=6)
    order = random.sample(range(len(mask)), len(mask))
    parts = [order[start : start + size] for start in range(0, len(order), size)]
    total = sum((per_token[part] * weights[part]).sum() for part in parts)
    torch.testing.assert_close(total, aggregate(per_token, mask, mode, length=6))


def test_means_of_micro_batches_would_not_give_the_token_loss():
    per_token = torch.tensor([[5.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    mask = torch.tensor([[1, 0, 0], [1, 1, 1]])
    whole = aggregate(per_token, mask, "token").item()
    means = [aggregate(per_token[i : i + 1], mask[i : i + 1], "token").item() for i in (0, 1)]
    assert whole == 2.0 and sum(means) / 2 == 3.0


@pytest.mark.parametrize("mode", AGGREGATIONS)
@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float32])
def test_the_mask_may_be_boolean_integer_or_floating_point(mode, dtype):
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    per_token = torch.tensor([[1.0, 2.0, NAN], [4.0, NAN, NAN]])
    expected = aggregate_in_plain_python(per_token, mask, mode, 5)
    loss = aggregate(per_token, mask.to(dtype), mode, 5)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected)


@pytest.mark.parametrize("mode", AGGREGATIONS)
def test_a_batch_without_any_response_token_costs_nothing(mode):
    assert aggregate(torch.full((2, 3), NAN), torch.zeros(2, 3), mode, length=3).item() == 0.0


@pytest.mark.parametrize("length", [None, 0, -1])
@pytest.mark.parametrize("function", [lambda m, *a: aggregate(m, m, *a), token_weights])
def test_mode_constant_needs_a_length(function, length):
    with pytest.raises(ValueError, match=f"mode 'constant' needs length, .* got {length}"):
        function(torch.ones(1, 2), "constant", length)


@pytest.mark.parametrize("function", [lambda m, *a: aggregate(m, m, *a), token_weights])
def test_an_unknown_mode_is_refused_with_the_known_ones(function):
    with pytest.raises(
        ValueError, match="unknown aggregation 'mean'; there are: sequence, token, constant"
    ):
        function(torch.ones(1, 2), "mean")


# ----------------------------------------------------------------------- preferences


def test_the_preference_loss_is_minus_the_log_likelihood_of_the_choices():
    chosen = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64, requires_grad=True)
    rejected = torch.tensor([0.5, 1.0, 0.5], dtype=torch.float64, requires_grad=True)
    loss = preference_loss(chosen, rejected)
    wins = [1 / (1 + math.exp(-d)) for d in (1.5, -2.0, 0.0)]
    assert loss.item() == pytest.approx(-sum(map(math.log, wins)) / 3)
    up, down = torch.autograd.grad(loss, (chosen, rejected))
    # The pull is the surprise: the chance that the model gave to the other outcome.
    assert up.tolist() == pytest.approx([-(1 - p) / 3 for p in wins])
    assert torch.equal(up, -down)


def test_the_preference_loss_sees_differences_only():
    chosen, rejected = torch.tensor([1.0, -2.0]), torch.tensor([0.0, 3.0])
    offset = torch.tensor([7.0, -4.0])  # one for each prompt
    assert preference_loss(chosen + offset, rejected + offset).item() == pytest.approx(
        preference_loss(chosen, rejected).item()
    )


@pytest.mark.parametrize("margin", [200.0, -200.0, 1e4, -1e4])
def test_the_preference_loss_stays_finite_for_large_margins(margin):
    chosen = torch.tensor([margin], requires_grad=True)
    loss = preference_loss(chosen, torch.zeros(1))
    (pull,) = torch.autograd.grad(loss, chosen)
    assert loss.item() == pytest.approx(max(0.0, -margin), abs=1e-6)
    assert pull.item() == (0.0 if margin > 0 else -1.0)
