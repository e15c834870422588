"""Rewards -> advantages: each formula against its definition, its symmetries and its errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grpo_mini.advantages import (
    compute_relative_rewards,
    gae,
    leave_one_out,
    silent_groups,
    standardize,
)

NAN = float("nan")
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
INTEGERS = (torch.int64, torch.bool)

quick = settings(max_examples=60, deadline=None)
group_sizes = st.integers(2, 8)
# Multiples of 1/8: sums of them are exact, so that a shift cannot make two rewards equal.
eighths = st.integers(-80, 80).map(lambda n: n / 8)


@st.composite
def batches(draw):
    """Rewards of one to four complete groups in float64, and their group size."""
    group_size = draw(group_sizes)
    count = draw(st.integers(1, 4)) * group_size
    rewards = draw(st.lists(eighths, min_size=count, max_size=count))
    return torch.tensor(rewards, dtype=torch.float64), group_size


def relative(rewards, group_size, **options):
    return compute_relative_rewards(rewards, group_size, **options)[0]


# ------------------------------------------------------------------------ one example by hand

REWARDS = torch.tensor([1.0, 0.0, 0.0, 1.0, 2.0, 4.0, 6.0, 8.0], dtype=torch.float64)


def test_relative_rewards_and_baselines_of_two_groups():
    advantages, baselines = compute_relative_rewards(REWARDS, 4, normalize=False)
    assert advantages.tolist() == [0.5, -0.5, -0.5, 0.5, -3.0, -1.0, 1.0, 3.0]
    assert baselines.tolist() == [0.5, 5.0]


@pytest.mark.parametrize(
    ("ddof", "first_std", "second_std"),
    [(0, math.sqrt(1 / 4), math.sqrt(20 / 4)), (1, math.sqrt(1 / 3), math.sqrt(20 / 3))],
)
def test_ddof_chooses_between_dividing_by_g_and_by_g_minus_1(ddof, first_std, second_std):
    expected = torch.tensor([0.5, -0.5, -0.5, 0.5, -3.0, -1.0, 1.0, 3.0], dtype=torch.float64)
    expected /= torch.tensor([first_std] * 4 + [second_std] * 4, dtype=torch.float64)
    torch.testing.assert_close(relative(REWARDS, 4, ddof=ddof, eps=0.0), expected)


def test_the_defaults_are_normalize_with_ddof_1_and_eps_1e_8():
    spelt_out = relative(REWARDS, 4, normalize=True, ddof=1, eps=1e-8)
    assert torch.equal(relative(REWARDS, 4), spelt_out)
    assert not torch.equal(relative(REWARDS, 4), relative(REWARDS, 4, eps=0.0))


def test_eps_is_added_to_the_standard_deviation_and_not_to_the_variance():
    rewards = torch.tensor([0.0, 2.0], dtype=torch.float64)  # mean 1, standard deviation 1
    assert relative(rewards, 2, ddof=0, eps=0.5).tolist() == [-1 / 1.5, 1 / 1.5]


def test_group_means_stay_in_their_own_group():
    first, second = REWARDS[:4], REWARDS[4:]
    apart = torch.cat([relative(first, 4), relative(second, 4)])
    assert torch.equal(relative(REWARDS, 4), apart)


# --------------------------------------------------------------------------------- symmetries


@quick
@given(batches(), eighths)
def test_a_constant_added_to_all_rewards_changes_nothing(batch, constant):
    rewards, group_size = batch
    for normalize in (True, False):
        torch.testing.assert_close(
            relative(rewards + constant, group_size, normalize=normalize),
            relative(rewards, group_size, normalize=normalize),
        )


@quick
@given(batches(), st.floats(0.01, 100))
def test_a_positive_scale_changes_nothing_with_std_and_scales_without(batch, scale):
    rewards, group_size = batch
    torch.testing.assert_close(
        relative(scale * rewards, group_size, eps=0.0), relative(rewards, group_size, eps=0.0)
    )
    torch.testing.assert_close(
        relative(scale * rewards, group_size, normalize=False),
        scale * relative(rewards, group_size, normalize=False),
    )


@quick
@given(batches(), st.randoms(use_true_random=False))
def test_the_order_inside_a_group_does_not_matter(batch, random):
    rewards, group_size = batch
    starts = range(0, len(rewards), group_size)
    shuffled = [random.sample(range(start, start + group_size), group_size) for start in starts]
    order = torch.tensor(shuffled).flatten()
    advantages, baselines = compute_relative_rewards(rewards, group_size)
    permuted, permuted_baselines = compute_relative_rewards(rewards[order], group_size)
    torch.testing.assert_close(permuted, advantages[order])
    torch.testing.assert_close(permuted_baselines, baselines)


@quick
@given(batches(), st.sampled_from([0, 1]))
def test_each_group_has_mean_0_and_unless_silent_standard_deviation_1(batch, ddof):
    rewards, group_size = batch
    groups = relative(rewards, group_size, ddof=ddof, eps=0.0).view(-1, group_size)
    torch.testing.assert_close(groups.mean(dim=1), torch.zeros_like(groups[:, 0]))
    expected = 1.0 - silent_groups(rewards, group_size).double()
    torch.testing.assert_close(groups.std(dim=1, correction=ddof), expected)


@pytest.mark.parametrize("group_size", [2, 4, 16])
def test_one_success_in_a_group_gets_the_largest_possible_advantage(group_size):
    rewards = torch.zeros(group_size, dtype=torch.float64)
    rewards[0] = 1.0
    largest = [relative(rewards, group_size, ddof=ddof, eps=0.0).max().item() for ddof in (0, 1)]
    assert largest == pytest.approx(
        [math.sqrt(group_size - 1), (group_size - 1) / math.sqrt(group_size)]
    )


# ------------------------------------------------------------------------------ silent groups


@quick
@given(st.floats(-1000, 1000), group_sizes, st.sampled_from(DTYPES + INTEGERS))
def test_a_silent_group_gets_exactly_0(value, group_size, dtype):
    value = int(value) if dtype in INTEGERS else value
    rewards = torch.full((group_size,), value).to(dtype)
    assert silent_groups(rewards, group_size).tolist() == [True]
    for normalize in (True, False):
        for ddof in (0, 1):
            advantages = relative(rewards, group_size, normalize=normalize, ddof=ddof)
            assert advantages.tolist() == [0.0] * group_size
    assert leave_one_out(rewards, group_size).tolist() == [0.0] * group_size


def test_eight_rewards_of_three_tenths_are_silent_although_their_mean_is_not_three_tenths():
    rewards = torch.full((8,), 0.3)
    residue = (rewards - rewards.mean()) / (rewards.std() + 1e-9)
    assert relative(rewards, 8, eps=1e-9).tolist() == [0.0] * 8
    assert residue.abs().max() > 0.5, "the trap is gone: choose another example"


def test_only_the_silent_group_is_silenced():
    rewards = torch.tensor([1.0, 1.0, 0.0, 1.0])
    assert silent_groups(rewards, 2).tolist() == [True, False]
    assert relative(rewards, 2, normalize=False).tolist() == [0.0, 0.0, -0.5, 0.5]


def test_a_sample_that_was_not_scored_makes_no_group_speak():
    nan, inf = float("nan"), float("inf")
    rewards = torch.tensor([1.0, nan, 1.0, 0.0, nan, 1.0, nan, nan, 2.0, nan, nan, nan])
    assert silent_groups(rewards, 3).tolist() == [True, False, True, True]
    with pytest.raises(ValueError, match="reward 2 is inf"):
        silent_groups(torch.tensor([nan, 1.0, inf, 0.0]), 2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_two_rewards_one_rounding_step_apart_are_not_silent(dtype):
    one = torch.ones(1, dtype=dtype)
    rewards = torch.cat([one, one + torch.finfo(dtype).eps])
    assert silent_groups(rewards, 2).tolist() == [False]


def test_right_and_wrong_as_booleans_or_integers_count_as_1_and_0():
    verdicts = [True, False, False, True]
    expected = compute_relative_rewards(torch.tensor(verdicts, dtype=torch.float32), 4)
    for dtype in INTEGERS:
        found = compute_relative_rewards(torch.tensor(verdicts, dtype=dtype), 4)
        assert [x.tolist() for x in found] == [x.tolist() for x in expected]
        assert found[0].dtype == torch.float32


@pytest.mark.parametrize("dtype", DTYPES)
def test_floating_point_rewards_keep_their_dtype(dtype):
    advantages, baselines = compute_relative_rewards(REWARDS.to(dtype), 4)
    assert advantages.dtype == baselines.dtype == dtype


# --------------------------------------------------------------------------- incomplete group


@quick
@given(batches(), st.data())
def test_an_incomplete_last_group_is_cut_off(batch, data):
    rewards, group_size = batch
    rest = data.draw(st.lists(eighths, max_size=group_size - 1))
    longer = torch.cat([rewards, torch.tensor(rest, dtype=torch.float64)])
    advantages, baselines = compute_relative_rewards(longer, group_size)
    assert len(advantages) == len(rewards)
    assert len(baselines) == len(rewards) // group_size
    assert torch.equal(advantages, relative(rewards, group_size))
    assert torch.equal(leave_one_out(longer, group_size), leave_one_out(rewards, group_size))
    assert len(silent_groups(longer, group_size)) == len(baselines)


# ------------------------------------------------------------------------------------ the mix


@quick
@given(batches(), eighths, eighths)
def test_the_mix_adds_the_weighted_baseline_to_the_weighted_relative_reward(batch, a, b):
    rewards, group_size = batch
    advantages, baselines = compute_relative_rewards(rewards, group_size)
    mixed, same_baselines = compute_relative_rewards(
        rewards, group_size, relative_reward_weight=a, baseline_reward_weight=b
    )
    torch.testing.assert_close(mixed, a * advantages + b * baselines.repeat_interleave(group_size))
    assert torch.equal(same_baselines, baselines)


@quick
@given(batches(), st.floats(0, 1))
def test_without_std_the_mix_is_a_shrunken_baseline(batch, weight):
    rewards, group_size = batch
    mixed, baselines = compute_relative_rewards(
        rewards, group_size, normalize=False, baseline_reward_weight=weight
    )
    shrunken = (1 - weight) * baselines.repeat_interleave(group_size)
    torch.testing.assert_close(mixed, rewards - shrunken)


def test_a_silent_group_is_0_before_the_mix_and_not_after_it():
    mixed = relative(torch.ones(4), 4, baseline_reward_weight=0.25)
    assert mixed.tolist() == [0.25] * 4


# ------------------------------------------------------------------------------ leave one out


@quick
@given(batches())
def test_leave_one_out_is_the_reward_minus_the_mean_of_the_others(batch):
    rewards, group_size = batch
    expected = []
    for start in range(0, len(rewards), group_size):
        group = rewards[start : start + group_size].tolist()
        for i, reward in enumerate(group):
            others = group[:i] + group[i + 1 :]
            expected.append(reward - sum(others) / len(others))
    expected = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(leave_one_out(rewards, group_size), expected)


@quick
@given(batches())
def test_leave_one_out_is_g_over_g_minus_1_times_the_centred_reward(batch):
    rewards, group_size = batch
    groups = rewards.view(-1, group_size)
    centred = (groups - groups.mean(dim=1, keepdim=True)).flatten()
    torch.testing.assert_close(
        leave_one_out(rewards, group_size), centred * group_size / (group_size - 1)
    )


# -------------------------------------------------------------------------------- standardize


def test_standardize_gives_mean_0_and_standard_deviation_1_over_the_whole_batch():
    standardized = standardize(REWARDS.view(2, 4), eps=0.0)
    assert standardized.shape == (2, 4)
    assert standardized.mean().item() == pytest.approx(0)
    assert standardized.std(correction=0).item() == pytest.approx(1)


def test_standardize_adds_eps_to_the_standard_deviation():
    assert standardize(torch.tensor([0.0, 2.0]), eps=1.0).tolist() == [-0.5, 0.5]


@pytest.mark.parametrize("padding", [0.0, 1e6, NAN, float("inf")])
@pytest.mark.parametrize("mask_dtype", [torch.bool, torch.int64, torch.float32])
def test_standardize_ignores_padding_and_sets_it_to_0(padding, mask_dtype):
    advantages = torch.tensor([[1.0, 2.0, padding], [6.0, padding, padding]])
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]]).to(mask_dtype)
    standardized = standardize(advantages, mask)
    kept = standardize(torch.tensor([1.0, 2.0, 6.0])).tolist()
    assert standardized.tolist() == [[kept[0], kept[1], 0.0], [kept[2], 0.0, 0.0]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_standardize_gives_exactly_0_for_equal_advantages(dtype):
    equal = torch.full((8,), 0.3, dtype=dtype)
    assert standardize(equal, eps=1e-9).tolist() == [0.0] * 8
    assert standardize(equal, mask=torch.zeros(8)).tolist() == [0.0] * 8


@pytest.mark.parametrize(("silent", "total"), [(0, 4), (1, 4), (3, 4), (15, 16)])
def test_standardising_the_batch_after_the_groups_only_multiplies_by_the_share_of_silence(
    silent, total
):
    """Each group that is not silent has variance 1 already, so the batch's variance is 1 - f."""
    generator = torch.Generator().manual_seed(0)
    rewards = torch.randn(total, 4, generator=generator, dtype=torch.float64)
    rewards[:silent] = 1.0
    advantages = relative(rewards.flatten(), 4, ddof=0, eps=0.0)
    factor = 1 / math.sqrt(1 - silent / total)
    torch.testing.assert_close(standardize(advantages, eps=0.0), factor * advantages)


# ---------------------------------------------------------------------------------------- GAE


@st.composite
def episodes(draw):
    """Rewards, values and a right-padded mask [B, T], every response at least one token long."""
    size = (draw(st.integers(1, 4)), draw(st.integers(1, 6)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    rewards, values = torch.randn(2, *size, generator=generator, dtype=torch.float64)
    lengths = torch.randint(1, size[1] + 1, (size[0], 1), generator=generator)
    return rewards, values, (torch.arange(size[1]) < lengths).double()


def gae_as_double_sum(rewards, values, length, gamma, lam):
    """A_t = sum over l of (gamma * lam)**l * delta_{t+l}, of one response without padding."""
    values = values[:length].tolist() + [0.0]
    deltas = [rewards[t].item() + gamma * values[t + 1] - values[t] for t in range(length)]
    return [
        sum((gamma * lam) ** (later - t) * deltas[later] for later in range(t, length))
        for t in range(length)
    ]


@quick
@given(episodes(), st.floats(0, 1), st.floats(0, 1))
def test_gae_is_its_definition_as_a_double_sum(episode, gamma, lam):
    rewards, values, mask = episode
    advantages, returns = gae(rewards, values, mask, gamma, lam)
    expected = torch.zeros_like(rewards)
    for row, length in enumerate(mask.sum(dim=1).int().tolist()):
        defined = gae_as_double_sum(rewards[row], values[row], length, gamma, lam)
        expected[row, :length] = torch.tensor(defined, dtype=torch.float64)
    torch.testing.assert_close(advantages, expected)
    torch.testing.assert_close(returns, (advantages + values) * mask)


@quick
@given(episodes(), st.floats(0, 1), st.floats(0, 1), st.sampled_from([1e6, NAN]))
def test_padding_has_no_influence_on_gae(episode, gamma, lam, padding):
    rewards, values, mask = episode
    noisy = [tensor.masked_fill(mask == 0, padding) for tensor in (rewards, values)]
    for clean, padded in zip(
        gae(rewards, values, mask, gamma, lam), gae(*noisy, mask, gamma, lam), strict=True
    ):
        assert torch.equal(padded, clean)
        assert (padded[mask == 0] == 0).all()


@quick
@given(episodes(), st.floats(-5, 5))
def test_with_gamma_and_lam_1_the_advantage_is_the_final_reward_minus_the_value(episode, reward):
    _, values, mask = episode
    last = (mask.cumsum(dim=1) == mask.sum(dim=1, keepdim=True)) & (mask == 1)
    advantages, returns = gae(reward * last.double(), values, mask, gamma=1.0, lam=1.0)
    torch.testing.assert_close(advantages, (reward - values) * mask)
    torch.testing.assert_close(returns, reward * mask)


def test_with_lam_0_the_advantage_is_the_one_step_error():
    rewards, values = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.5, 0.25, 0.75]])
    advantages, _ = gae(rewards, values, torch.ones(1, 3), gamma=0.5, lam=0.0)
    assert advantages.tolist() == [[0.5 * 0.25 - 0.5, 0.5 * 0.75 - 0.25, 1 - 0.75]]


@pytest.mark.parametrize("mask_dtype", [torch.bool, torch.int64])
def test_gae_takes_any_mask_dtype_and_leaves_its_inputs_alone(mask_dtype):
    rewards, values = torch.tensor([[0.0, 1.0, NAN]]), torch.tensor([[0.5, 0.25, NAN]])
    before = rewards.clone(), values.clone()
    advantages, _ = gae(rewards, values, torch.tensor([[1, 1, 0]]).to(mask_dtype), 1.0, 1.0)
    assert advantages.tolist() == [[0.5, 0.75, 0.0]]
    for now, then in zip((rewards, values), before, strict=True):
        torch.testing.assert_close(now, then, equal_nan=True, rtol=0, atol=0)


# ------------------------------------------------------------------------------------- errors

GROUPED = [compute_relative_rewards, leave_one_out, silent_groups]


@pytest.mark.parametrize("function", GROUPED)
def test_rewards_must_be_one_dimensional(function):
    with pytest.raises(ValueError, match=r"rewards must be a tensor of shape \[B\], got \[2, 4\]"):
        function(torch.zeros(2, 4), 4)


@pytest.mark.parametrize("function", GROUPED)
@pytest.mark.parametrize("group_size", [1, 0, -4])
def test_a_group_needs_at_least_two_samples(function, group_size):
    with pytest.raises(ValueError, match=f"group_size must be at least 2, got {group_size}: "):
        function(torch.zeros(4), group_size)


@pytest.mark.parametrize("function", GROUPED)
@pytest.mark.parametrize("count", [0, 3])
def test_a_batch_needs_at_least_one_complete_group(function, count):
    with pytest.raises(ValueError, match=f"group_size=4 needs at least 4 rewards, got {count}"):
        function(torch.zeros(count), 4)


@pytest.mark.parametrize("function", GROUPED)
@pytest.mark.parametrize("value", [NAN, float("inf"), float("-inf")])
def test_rewards_must_be_finite(function, value):
    if function is silent_groups and value != value:
        pytest.skip("there it marks a sample that was not scored")
    with pytest.raises(ValueError, match=rf"reward 2 is {value}; rewards must be finite"):
        function(torch.tensor([0.0, 1.0, value, 0.0]), 2)


def test_gae_needs_three_tensors_of_one_shape():
    with pytest.raises(
        ValueError, match=r"one shape \[B, T\], got \[\[2, 3\], \[2, 1\], \[2, 3\]\]"
    ):
        gae(torch.zeros(2, 3), torch.zeros(2, 1), torch.ones(2, 3), 1.0, 1.0)


@pytest.mark.parametrize("ddof", [-1, 4, 5])
def test_ddof_has_to_leave_something_to_divide_by(ddof):
    with pytest.raises(ValueError, match=f"ddof must be between 0 and group_size - 1, got {ddof}"):
        compute_relative_rewards(torch.rand(8), 4, ddof=ddof)
