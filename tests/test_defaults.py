"""Right by default: aggregation, the floor, the KL's place, and metrics true to their names."""

import copy
from dataclasses import replace

import pytest
import torch

from grpo_mini.advantages import (
    FLOOR,
    compare_scored,
    compute_relative_rewards,
    standardize,
)
from grpo_mini.experiments import zoo
from grpo_mini.experiments.variants import VariantConfig, VariantTrainer
from grpo_mini.grpo import GRPOConfig
from grpo_mini.losses import kl_penalty
from grpo_mini.models import load_policy
from grpo_mini.ppo import PPOConfig
from grpo_mini.tasks import TASKS
from grpo_mini.trainer import evaluate
from tests.pieces import halves


def constant(completions, **columns) -> list[float]:
    return [1.0] * len(completions)


def weights(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten().clone() for p in model.parameters()])


def test_both_take_one_mean_over_all_tokens():
    assert GRPOConfig().aggregation == PPOConfig().aggregation == "token"


# ---------------------------------------------------------------------------- the floor


def test_below_the_floor_values_are_centred_and_nothing_more():
    small = torch.tensor([0.01, 0.03, -0.02, 0.0])
    assert torch.equal(standardize(small), small - small.mean())
    large = torch.tensor([1.0, 0.0, 0.0, 1.0])
    assert standardize(large).std(correction=0).item() == pytest.approx(1)
    assert standardize(small, floor=0.0).std(correction=0).item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("spread", [0.99, 1.01])
def test_the_floor_is_where_it_says(spread):
    values = torch.tensor([-1.0, 1.0]) * spread * FLOOR
    scaled = standardize(values).abs().max().item()
    assert scaled == pytest.approx(1 if spread > 1 else spread * FLOOR, rel=1e-4)


def test_the_floor_looks_at_what_the_mask_keeps():
    values = torch.tensor([[0.01, 50.0], [-0.01, 70.0]])
    found = standardize(values, torch.tensor([[1, 0], [1, 0]]))
    assert torch.allclose(found, torch.tensor([[0.01, 0.0], [-0.01, 0.0]]))


# ---------------------------------------------------------------------------- nothing to learn


def test_where_all_rewards_are_equal_only_the_critic_learns(small_trainer):
    """Though Adam remembers a direction, and the critic knows nothing yet."""
    paid = [halves, constant]
    trainer = small_trainer("ppo", reward=lambda **columns: paid[trainer.step](**columns))
    trainer.train(1)
    policy, critic = weights(trainer.policy), weights(trainer.critic)
    metrics = trainer.train(1)[-1]
    assert torch.equal(weights(trainer.policy), policy)
    assert not torch.equal(weights(trainer.critic), critic)
    assert metrics["advantage_std"] == 0 and metrics["grad_norm"] == 0
    assert metrics["value_loss"] > 0


def test_without_it_ppo_steps_on_what_the_critic_does_not_know(small_trainer):
    trainer = small_trainer("ppo", reward=constant, skip_equal_rewards=False)
    trainer.train(2)
    policy = weights(trainer.policy)
    trainer.train(1)
    assert not torch.equal(weights(trainer.policy), policy)


def test_a_group_that_has_nothing_to_compare_makes_no_step(small_trainer):
    paid = [halves, constant]
    trainer = small_trainer(reward=lambda **columns: paid[trainer.step](**columns))
    trainer.train(1)
    policy = weights(trainer.policy)
    trainer.train(1)
    assert torch.equal(weights(trainer.policy), policy)


# ---------------------------------------------------------------------------- KL in the reward


@pytest.fixture
def moved(small_trainer):
    """A trainer whose policy is no longer its reference."""

    def make(algorithm, **options):
        trainer = small_trainer(algorithm, max_new_tokens=30, kl_coef=0.3, **options)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in trainer.policy.parameters():
                parameter += 0.03 * torch.randn(parameter.shape, generator=generator)
        rollout = trainer.generate_responses(trainer.next_prompts())
        return trainer, rollout

    return make


def test_ppo_pays_the_kl_token_by_token(moved):
    """gamma = lam = 1 and V = 0: what is still to come, the KL of later tokens included."""
    trainer, rollout = moved("ppo", kl_in_reward=True, standardize_advantages=False)
    rewards_B = torch.rand(len(rollout))
    batch, metrics = trainer.compute_advantages(rollout, rewards_B)
    with torch.no_grad():
        ref_log_probs, _ = trainer.compute_log_probs(rollout, trainer.reference)
    kl = kl_penalty(rollout.log_probs_BT, ref_log_probs, "k1") * rollout.mask_BT
    to_come = kl.flip(1).cumsum(dim=1).flip(1)
    expected = (rewards_B.unsqueeze(1) - 0.3 * to_come) * rollout.mask_BT
    assert kl.abs().sum() > 0.1
    assert torch.allclose(batch.advantages, expected, atol=1e-4)
    assert batch.ref_log_probs is None, "it is paid once, not twice"
    assert metrics["kl"] == pytest.approx((kl.sum() / rollout.mask_BT.sum()).item(), abs=1e-5)


def test_grpo_compares_the_kl_inside_the_group_and_never_divides_it(moved):
    trainer, rollout = moved("grpo", kl_in_reward=True)
    rewards_B = torch.tensor([1.0, 0, 0, 1] + [1.0] * 4 + [0.0] * 8)
    batch, metrics = trainer.compute_advantages(rollout, rewards_B)
    with torch.no_grad():
        ref_log_probs, _ = trainer.compute_log_probs(rollout, trainer.reference)
    kl = (kl_penalty(rollout.log_probs_BT, ref_log_probs, "k1") * rollout.mask_BT).sum(dim=1)
    costs = 0.3 * (kl.view(4, 4) - kl.view(4, 4).mean(dim=1, keepdim=True)).flatten()
    silent = batch.advantages[4:, 0]
    assert torch.allclose(silent, -costs[4:], atol=1e-4), "a silent group pays its KL, unscaled"
    assert metrics["silent_group_share"] == 0.75
    assert batch.ref_log_probs is None


def test_where_the_kl_stands_a_training_goes_through(small_trainer, algorithm):
    row = small_trainer(algorithm, halves, kl_coef=0.1, kl_in_reward=True).train(2)[-1]
    assert row["kl"] != 0 and row["grad_norm"] > 0


# ---------------------------------------------------------------------------- the surrogate's mask


def batch_after_a_step(trainer):
    """A batch whose tokens have moved by up to 0.6 nats, half of them towards what is clipped."""
    rollout = trainer.generate_responses(trainer.next_prompts())
    batch, _ = trainer.compute_advantages(rollout, torch.rand(len(rollout)))
    generator = torch.Generator().manual_seed(0)
    shift = 0.6 * (2 * torch.rand(rollout.tokens_BT.shape, generator=generator) - 1)
    log_probs = (rollout.log_probs_BT + shift).requires_grad_()
    trainer._sums.clear()
    trainer.compute_policy_loss(batch, log_probs, None)
    share = trainer._sums["clipped"] / trainer._sums["tokens"]
    return batch, log_probs.detach(), rollout.mask_BT.bool(), share


def test_clip_fraction_counts_what_the_clip_stops(small_trainer):
    batch, log_probs, inside, share = batch_after_a_step(small_trainer(max_new_tokens=40))
    ratio = (log_probs - batch.rollout.log_probs_BT).exp()
    too_far = (ratio > 1.2) & (batch.advantages > 0) | (ratio < 0.8) & (batch.advantages < 0)
    assert share == pytest.approx(too_far[inside].float().mean().item()) and share > 0.1


def variant(small_trainer, **options) -> VariantTrainer:
    config = small_trainer().config
    common = {"prompts_per_step": 4, "group_size": 4, "train_problems": 64, "device": "cpu"}
    assert config.prompts_per_step == 4
    return VariantTrainer(VariantConfig(max_new_tokens=40, **common, **options))


def test_clip_fraction_of_gspo_is_that_of_whole_responses(small_trainer):
    trainer = variant(small_trainer, importance="sequence", clip_low=3e-4, clip_high=4e-4)
    batch, log_probs, inside, share = batch_after_a_step(trainer)
    moved = (log_probs - batch.rollout.log_probs_BT) * inside
    ratio = (moved.sum(dim=1) / inside.sum(dim=1)).exp().unsqueeze(1)
    stopped = (ratio > 1 + 4e-4) & (batch.advantages > 0)
    stopped |= (ratio < 1 - 3e-4) & (batch.advantages < 0)
    expected = (stopped & inside).sum() / inside.sum()
    assert share == pytest.approx(expected.item()) and share > 0.2


def test_cispo_stops_nothing(small_trainer):
    trainer = variant(small_trainer, importance="detached", clip_low=1.0, clip_high=0.1)
    assert batch_after_a_step(trainer)[-1] == 0


def test_an_inverted_clip_shows_in_its_own_metric(small_trainer):
    trainer = zoo.InvertedClip(replace(small_trainer().config, max_new_tokens=40))
    batch, log_probs, inside, share = batch_after_a_step(trainer)
    ratio = (log_probs - batch.rollout.log_probs_BT).exp()
    stopped = (ratio > 1.2) & (batch.advantages != 0)
    too_far = stopped & (batch.advantages > 0) | (ratio < 0.8) & (batch.advantages < 0)
    assert share == pytest.approx(stopped[inside].float().mean().item())
    assert not torch.equal(stopped & inside, too_far & inside)


# ---------------------------------------------------------------------------- accuracy, gaps


def test_accuracy_does_not_rest_on_a_reward_of_exactly_1(tiny, small_trainer, monkeypatch):
    config, problems = small_trainer().config, TASKS["chain-sums"].dataset(8, seed=0)
    for paid, full, right in (
        (1 - 1e-7, 1.0, 1.0),
        (0.999, 1.0, 0.0),
        (2.0, 2.0, 1.0),
        (3.0, 2.0, 1.0),
    ):
        found = evaluate(*tiny, problems, lambda completions, p=paid, **c: [p] * len(completions),
                         config, full_reward=full)  # fmt: skip
        assert found["eval_accuracy"] == right, paid
    twice = replace(TASKS["chain-sums"], full_reward=2.0)
    trainer = small_trainer()
    trainer.task = replace(twice, reward=lambda completions, **c: [2.0] * len(completions))
    assert trainer.evaluate(size=4)["eval_accuracy"] == 1.0


NAN = float("nan")


def test_a_group_is_compared_among_its_scored_samples():
    """Two of eight were scored: their spread is that of two, and nobody else is pushed."""
    rewards = torch.tensor([1.0, 0.0] + [NAN] * 6 + [0.1] * 7 + [NAN] + [NAN] * 8 + [2.0])
    found, baselines = compare_scored(rewards, 8, compute_relative_rewards)
    pair, _ = compute_relative_rewards(torch.tensor([1.0, 0.0]), 2)
    assert found.tolist() == pytest.approx(pair.tolist() + [0.0] * 22)
    assert baselines.tolist() == pytest.approx([0.5, 0.1, 0.0])


def test_without_gaps_the_comparison_of_the_scored_is_the_usual_one():
    rewards = torch.rand(24)
    for found, usual in zip(
        compare_scored(rewards, 8, compute_relative_rewards),
        compute_relative_rewards(rewards, 8),
        strict=True,
    ):
        assert torch.equal(found, usual)


def test_what_was_not_scored_makes_no_group_loud(small_trainer):
    """Equal rewards and gaps are silent, and the metrics are those of what was scored."""
    trainer = small_trainer("grpo")
    rollout = trainer.generate_responses(trainer.next_prompts())
    rewards = torch.tensor([0.1, NAN, 0.1, 0.1] + [NAN] * 4 + [1.0, NAN, NAN, NAN] + [1.0, 0, 0, 0])
    batch, metrics = trainer.compute_advantages(rollout, rewards)
    assert metrics["silent_group_share"] == 0.75
    assert not batch.advantages[:12].any() and batch.advantages[12:].any()
    scored = rewards[rewards.isfinite()]
    assert metrics["raw_reward_mean"] == pytest.approx(scored.mean().item())
    assert metrics["raw_reward_std"] == pytest.approx(scored.std(correction=0).item())


def test_a_batch_that_nothing_scores_makes_no_step(small_trainer, algorithm):
    paid = [halves, lambda completions, **columns: [None] * len(completions)]
    trainer = small_trainer(algorithm, lambda **columns: paid[trainer.step](**columns))
    trainer.train(1)
    before = [weights(model) for model in trainer.models().values()]
    trainer.train(1)
    for model, was in zip(trainer.models().values(), before, strict=True):
        assert torch.equal(weights(model), was)


def test_one_sample_is_no_batch_of_equal_rewards(small_trainer):
    trainer = small_trainer(
        "ppo", prompts_per_step=1, samples_per_prompt=1, standardize_advantages=False
    )
    rollout = trainer.generate_responses(trainer.next_prompts())
    batch, _ = trainer.compute_advantages(rollout, torch.tensor([1.0]))
    assert batch.advantages.any()


def test_the_trainer_does_not_change_the_model_it_was_handed_before_it_trains(tiny, small_trainer):
    model, tokenizer = load_policy(device="cpu")
    before = copy.deepcopy(model.state_dict())
    trainer = small_trainer(model=(model, tokenizer))
    trainer.evaluate(size=4)
    assert all(torch.equal(w, before[n]) for n, w in trainer.policy.state_dict().items())
