"""The gradient microscope against exact enumeration: its twin on a policy of five tokens."""

import dataclasses
import json
from itertools import product

import pytest
import torch

from grpo_mini.__main__ import main as command
from grpo_mini.course.exact import ExactPolicy
from grpo_mini.experiments.gradients import (
    MOMENTS,
    REFERENCE,
    Gradients,
    Microscope,
    Sampled,
    Stopwatch,
    Watched,
    batch_gradients,
    best_constant,
    between_prompts,
    estimators,
    pairs_of,
    table_of,
    with_interval,
)
from grpo_mini.grpo import GRPOConfig
from grpo_mini.rollout import micro_batches

# Two prompts with a policy each, a response of one token, groups of two.
POLICIES = [ExactPolicy([0.3, 1.0, -0.5, 0.2, 0.0]), ExactPolicy([1.5, -1.0, 0.0, 0.4, 0.1])]
REWARDS = torch.tensor([[1.0, 0.0, 0.0, 0.5, 0.0], [0.0, 1.0, 1.0, 0.2, 0.0]]).double()
GROUP = 2
VALUES = torch.tensor([0.35, 0.15]).double()  # what a critic says, nearly right
EACH = estimators(["told"])
NAMES = [(name, "constant") for name in EACH]
TRUTH = ("critic, told", "constant")


def gradients_of(tokens: torch.Tensor) -> dict[tuple, torch.Tensor]:
    """The gradient by the logits of both policies, [10], of a batch: tokens [2 * GROUP]."""
    prompts = torch.arange(2).repeat_interleave(GROUP)
    batch = Sampled(
        REWARDS[prompts, tokens],
        torch.ones(2 * GROUP, 1),
        GROUP,
        {"told": VALUES[prompts].unsqueeze(1)},
    )
    scores = torch.stack([p.score_functions() for p in POLICIES])[prompts, tokens]
    found = {}
    for name, mean in NAMES:
        advantages = EACH[name](batch).squeeze(1).double()
        whole = torch.zeros(2, 5).double()
        whole.index_add_(0, prompts, advantages.unsqueeze(1) * scores)
        found[name, mean] = whole.flatten() / (2 * GROUP)
    return found


@pytest.fixture(scope="module")
def exact() -> dict[tuple, tuple[torch.Tensor, float]]:
    """Mean and noise of each estimator, by walking through all 625 batches."""
    first, squares = {}, {}
    for tokens in product(range(5), repeat=2 * GROUP):
        tokens = torch.tensor(tokens)
        chance = torch.cat([POLICIES[0].probs[tokens[:GROUP]], POLICIES[1].probs[tokens[GROUP:]]])
        chance = chance.prod()
        for name, gradient in gradients_of(tokens).items():
            first[name] = first.get(name, 0) + chance * gradient
            squares[name] = squares.get(name, 0) + chance * gradient.square().sum()
    return {name: (first[name], float(squares[name] - first[name].square().sum()))
            for name in first}  # fmt: skip


@pytest.fixture(scope="module")
def measured():
    """What the microscope sees in 2,000 sampled batches."""
    generator = torch.Generator().manual_seed(0)
    probs = torch.stack([p.probs for p in POLICIES])
    seen = Gradients(pairs_of(NAMES, TRUTH))
    for _ in range(2000):
        drawn = torch.multinomial(probs, GROUP, True, generator=generator).flatten()
        seen.add(gradients_of(drawn))
    return seen


def test_noise_length_and_direction_are_the_exact_ones(exact, measured):
    truth, usual = exact[TRUTH]
    usual = exact[REFERENCE, "constant"][1] / truth.square().sum()
    for row in table_of(measured, NAMES, TRUTH):
        if row["estimator"] == "best constant":
            continue
        mean, noise = exact[row["estimator"], row["mean"]]
        useful = mean @ truth / truth.norm()
        expected = {
            "noise": noise / useful**2,
            "relative": noise / useful**2 / usual,
            "length": useful / truth.norm(),
            "cosine": useful / mean.norm(),
        }
        for key, value in expected.items():
            found, low, high = row[key]
            wide = 1.6 * (high - low) / 2 + 1e-9  # dozens are looked at, all of them hold
            assert abs(found - float(value)) <= wide, (row["estimator"], key, found, value)
            assert (high - low) < 0.6 * abs(value) + 1e-6, "an interval that says nothing"


def test_the_best_constant_is_that_of_the_enumeration(exact, measured):
    # Of a batch of independent samples it is that of one: E[|s|^2 R] / E[|s|^2], summed.
    top = bottom = 0.0
    for policy, rewards in zip(POLICIES, REWARDS, strict=True):
        sizes = policy.score_functions().square().sum(dim=1)
        mean_score = policy.probs @ policy.score_functions()
        assert mean_score.abs().max() < 1e-12
        top += float(policy.probs @ (sizes * rewards))
        bottom += float(policy.probs @ sizes)
    every = measured.products()
    values = [best_constant(m, ("none", "constant"), ("ones", "constant")) for m in every]
    found, low, high = with_interval(values)
    assert abs(found - top / bottom) <= 1.3 * (high - low) / 2
    rows = {row["estimator"]: row for row in table_of(measured, NAMES, TRUTH)}
    assert rows["best constant"]["noise"][0] <= rows["none"]["noise"][0]
    assert rows["best constant"]["noise"][0] <= rows["batch mean"]["noise"][0] * 1.1


def test_what_is_known_to_be_unbiased_is(exact):
    truth = torch.cat(
        [p.gradient(r) for p, r in zip(POLICIES, REWARDS, strict=True)]
    ) / 2  # fmt: skip
    for name in (
        "none",
        REFERENCE,
        "critic, told",
        "critic and group, told",
        "V at the prompt, told",
    ):
        assert torch.allclose(exact[name, "constant"][0], truth, atol=1e-10), name
    for name, factor in (("group mean", (GROUP - 1) / GROUP),
                         ("batch mean", (2 * GROUP - 1) / (2 * GROUP))):  # fmt: skip
        assert torch.allclose(exact[name, "constant"][0], truth * factor, atol=1e-10), name
    # With groups of two the std is but a factor where rewards are 0 and 1; these are not.
    scaled = exact["group mean and std", "constant"][0] / truth
    assert scaled.max() - scaled.min() > 0.1, "the std is another objective"


# ---------------------------------------------------------------------------- on the tiny Qwen


@pytest.fixture(scope="module")
def microscope():
    options = {"prompts_per_step": 4, "group_size": 4, "max_new_tokens": 24, "threads": 1}
    microscope = Microscope(Watched(GRPOConfig(**options)))
    microscope.train(1)
    return microscope


def test_one_pass_gives_the_gradient_that_the_trainer_takes(microscope):
    trainer = microscope.trainer
    (rollout, rewards), *_ = microscope.fresh(1, "test")
    batch, _ = trainer.compute_advantages(rollout, rewards)
    ours = batch_gradients(trainer, rollout, {("own", "token"): batch.advantages}, Stopwatch())
    trainer.zero_grad()
    for rows in micro_batches(rollout, range(len(rollout)), 64):  # cut in another way
        trainer.compute_loss(batch.select(rows)).backward()
    theirs = torch.cat([p.grad.flatten() for p in trainer.policy.parameters()])
    trainer.zero_grad()
    assert theirs.norm() > 0
    assert torch.allclose(ours["own", "token"], theirs, atol=1e-6 * float(theirs.norm()) + 1e-7)


def test_every_estimator_is_told_apart_and_the_policy_stands_still(microscope, monkeypatch):
    monkeypatch.setattr("grpo_mini.experiments.gradients.FITTED_BATCHES", 2)
    before = [p.clone() for p in microscope.trainer.policy.parameters()]
    found = microscope.look(8)
    after = microscope.trainer.policy.parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    rows = {(row["estimator"], row["mean"]): row for row in found["rows"]}
    assert rows[REFERENCE, "token"]["relative"] == [1, 1, 1]
    apart = ["none", "batch mean", "critic, lagged", "critic, warmed up", "critic, fitted"]
    noises = [rows[name, "token"]["noise"][0] for name in (REFERENCE, *apart)]
    assert len(set(noises)) == len(noises)
    group, others = rows["group mean", "token"], rows[REFERENCE, "token"]
    # The same but for a factor: the own reward in the own baseline.
    assert group["noise"][0] == pytest.approx(others["noise"][0], rel=1e-3)
    assert group["length"][0] == pytest.approx(3 / 4, rel=1e-3)
    assert set(found["explained"]) == {"lagged", "warmed up", "head on the policy", "fitted"}
    assert -1 <= found["between"] <= 1 and all(s > 0 for s in found["seconds"].values())


def test_what_comes_of_going_on_is_the_same_as_of_writing_on(microscope, monkeypatch):
    trainer = microscope.trainer
    more = dataclasses.replace(trainer.config, prompts_per_step=24, max_new_tokens=48)
    monkeypatch.setattr(trainer, "config", more)
    found = microscope.along({"lagged": microscope.critics["lagged"]})
    assert len(set(map(len, found.values()))) == 1
    assert all(0 <= t < n for t, n in zip(found["token"], found["length"], strict=True))
    places = list(zip(found["token"], found["length"], found["truth"], strict=True))
    first = [share for t, _, share in places if t == 0]
    late = [share for t, n, share in places if t >= 2 * n // 3]
    assert 0.02 < sum(first) / len(first) < 0.7

    def open_still(shares: list[float]) -> float:
        return sum(share * (1 - share) for share in shares) / len(shares)

    assert open_still(late) < open_still(first) / 2, "most is decided by then"


def test_the_share_between_prompts_is_that_of_a_known_mixture():
    generator = torch.Generator().manual_seed(0)
    chances = torch.tensor([0.1, 0.9]).repeat(2000)
    rewards = (torch.rand(4000, 8, generator=generator) < chances.unsqueeze(1)).float()
    # Var of the chances 0.16, mean of p (1 - p) 0.09.
    assert between_prompts(rewards.flatten(), 8) == pytest.approx(0.16 / 0.25, abs=0.02)
    alike = (torch.rand(4000 * 8, generator=generator) < 0.3).float()
    assert between_prompts(alike, 8) == pytest.approx(0, abs=0.01)


def test_what_is_recorded_is_not_measured_again(tmp_path, capsys):
    out = tmp_path / "g.jsonl"
    lines = [{"run": {"task": "sums", "batches": 48, "seed": 0, "step": step}} for step in MOMENTS]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    out.write_text(text, encoding="utf-8")
    assert command(["gradients", "--out", str(out)]) == 0
    assert "has all of them" in capsys.readouterr().out
