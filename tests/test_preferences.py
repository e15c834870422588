"""Preference pairs are what the command makes, and a reward model learns from them."""

import json
import random

import pytest
import torch

from grpo_mini.__main__ import main
from grpo_mini.experiments.preferences import PREFERENCES, choose, read_pairs, same_style
from grpo_mini.experiments.reward_model import (
    LearnedConfig,
    LearnedTrainer,
    agreement,
    margins,
    train_judge,
)
from grpo_mini.models import RewardModel
from grpo_mini.tasks import chain_sum_reward, has_thought, is_held_out

LINES = PREFERENCES.read_text(encoding="utf-8").splitlines(keepends=True)
PAIRS = [json.loads(line) for line in LINES]


def test_the_command_makes_the_shipped_pairs_again(tmp_path, capsys):
    """The first problems, byte for byte; all of them take a minute."""
    out = tmp_path / "pairs.jsonl"
    assert main(["preferences", "--out", str(out), "--problems", "40"]) == 0
    made = out.read_text(encoding="utf-8").splitlines(keepends=True)
    assert f"{len(made)} pairs from 40 problems" in capsys.readouterr().out
    assert 40 < len(made) < 80
    assert made == LINES[: len(made)]


def test_each_pair_is_a_right_and_a_wrong_response_to_a_training_problem():
    for pair in PAIRS:
        answer = str(sum(map(int, pair["prompt"].rstrip("=").split("+"))))
        assert chain_sum_reward([pair["chosen"], pair["rejected"]], [answer] * 2) == [1.0, 0.0]
        assert pair["thinks"] == [has_thought(pair["chosen"]), has_thought(pair["rejected"])]
        assert not is_held_out(pair["prompt"])


def test_no_problem_is_in_both_parts():
    parts = {part: {p["prompt"] for p in PAIRS if p["part"] == part} for part in ("train", "test")}
    assert not parts["train"] & parts["test"]
    assert 0.15 < len(parts["test"]) / (len(parts["train"]) + len(parts["test"])) < 0.25
    assert PREFERENCES.stat().st_size < 400_000


def test_read_pairs_has_trls_columns():
    pairs = read_pairs("test")
    assert len(pairs) == sum(pair["part"] == "test" for pair in PAIRS)
    first = next(pair for pair in PAIRS if pair["part"] == "test")
    assert pairs[0]["prompt"] == [{"role": "user", "content": first["prompt"]}]
    assert pairs[0]["rejected"] == [{"role": "assistant", "content": first["rejected"]}]


def test_without_a_right_or_a_wrong_response_there_is_no_pair():
    rng = random.Random(0)
    assert choose([("a", 1.0), ("b", 1.0)], rng) == [] == choose([("a", 0.0)], rng)
    thought = "<think>1</think><answer>1</answer>"
    assert choose([("a", 1.0), (thought, 0.0)], rng) == [("a", thought)]


def test_scores_come_in_the_order_of_the_responses(tiny):
    """More rows than are read together, the long ones first."""
    judge = RewardModel.from_pretrained(device="cpu", tokenizer=tiny[1])
    with torch.no_grad():
        judge.head.weight.normal_(generator=torch.Generator().manual_seed(0))
    texts = [f"<answer>{'7' * n}</answer>" for n in reversed(range(1, 41))]
    prompts = [[{"role": "user", "content": "1+2="}]] * len(texts)
    together = judge(prompts, texts)
    for i in (0, 7, 39):
        assert together[i] == pytest.approx(judge(prompts[:1], [texts[i]])[0], abs=1e-3)
    assert len({round(score, 3) for score in together}) > 30


def test_training_raises_the_agreement_and_is_deterministic():
    torch.set_num_threads(1)
    pairs = [p for p in read_pairs("train") if p["thinks"] == [True, False]][:24]
    losses = []
    judge = train_judge(pairs, 10, on_step=lambda step, judge, loss: losses.append(loss))
    assert losses[0] == pytest.approx(0.6931, abs=1e-3), "the head starts at 0: a coin"
    assert losses[-1] < 0.9 * losses[0]
    assert (margins(judge, pairs) > 0).float().mean() > 0.9
    again = train_judge(pairs, 10)
    assert torch.equal(margins(judge, pairs), margins(again, pairs))


def test_agreement_counts_pairs_inside_groups():
    scores = torch.tensor([3.0, 2.0, 1.0, 0.0, 9.0, 9.0, 0.0, 5.0])
    truth = torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    # First group: 3 above 2 and 0, 1 above 0 but not above 2. The second has no right response.
    assert agreement(scores, truth, 4) == pytest.approx(3 / 4)
    assert agreement(-scores, truth, 4) == pytest.approx(1 / 4)
    assert agreement(scores, truth * 0, 4) != agreement(scores, truth * 0, 4)  # NaN


def test_the_learned_judge_pays_and_the_verifier_watches(monkeypatch):
    seen = {}

    def trained(pairs, steps, seed, model):
        seen.update(pairs=pairs, steps=steps, seed=seed)
        return lambda completions, **columns: [float(len(c[-1]["content"])) for c in completions]

    monkeypatch.setattr("grpo_mini.experiments.reward_model.train_judge", trained)
    small = {"prompts_per_step": 4, "group_size": 4, "max_new_tokens": 16, "train_problems": 64}
    config = LearnedConfig(pairs=7, balanced=True, judge_steps=3, seed=5, device="cpu", **small)
    trainer = LearnedTrainer(config)
    assert len(seen["pairs"]) == 7 and all(map(same_style, seen["pairs"]))
    assert (seen["steps"], seen["seed"]) == (3, 5)
    row = trainer.train(1, on_step=lambda row: None)[-1]
    assert row["reward_mean"] > 10 and 0 <= row["verified_mean"] <= 1
