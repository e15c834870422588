"""The output layer in chunks: the same numbers and gradients, and never all logits at once."""

import os
import subprocess
import sys

import pytest
import torch
from transformers import (
    CohereConfig,
    CohereForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from grpo_mini.experiments.forecast import WITHOUT_MODEL, Geometry, forecast, peak
from grpo_mini.losses import entropy, token_log_probs
from grpo_mini.machine import last_layer
from grpo_mini.machine.last_layer import in_chunks, weight_for_chunks
from grpo_mini.models import load_policy
from grpo_mini.rollout import sample, score
from grpo_mini.tasks import TASKS

VOCABULARY = 263  # the tiny Qwen's


@pytest.fixture
def few_at_once(monkeypatch):
    """Seven tokens' logits at a time, where the tiny Qwen would have all of them."""
    monkeypatch.setattr(last_layer, "AT_ONCE", 7 * VOCABULARY + 1)


@pytest.fixture(scope="module")
def rollout(tiny):
    prompts = [record["prompt"] for record in TASKS["chain-sums"].dataset(6, seed=4)]
    return sample(*tiny, prompts, 3, 40, generator=torch.Generator().manual_seed(0))


def scored(rollout, with_entropy: bool = True, autocast: bool = False) -> tuple:
    """Log-probs, entropy, and the gradients of a mixture of both."""
    model, _ = load_policy(device="cpu")
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        log_probs, spread = score(model, rollout, 1.3, with_entropy)
    pull = torch.linspace(-1, 1, log_probs.numel()).view_as(log_probs)
    total = (log_probs * pull).sum() + (0 if spread is None else (spread * pull.flip(0)).sum())
    total.backward()
    return log_probs, spread, [parameter.grad for parameter in model.parameters()]


@pytest.mark.parametrize("with_entropy", [False, True])
def test_chunks_give_the_same_numbers_and_gradients(rollout, with_entropy, monkeypatch):
    whole = scored(rollout, with_entropy)
    monkeypatch.setattr(last_layer, "AT_ONCE", 7 * VOCABULARY + 1)
    parts = scored(rollout, with_entropy)
    torch.testing.assert_close(parts[:2], whole[:2], rtol=1e-5, atol=2e-5)
    for ours, theirs in zip(parts[2], whole[2], strict=True):
        assert (ours - theirs).norm() < 1e-5 * theirs.norm()
    assert not torch.equal(parts[2][0], whole[2][0])  # another order of sums: it went another way


def test_chunks_agree_under_autocast_as_closely_as_bfloat16_does(rollout, monkeypatch):
    whole = scored(rollout, autocast=True)
    monkeypatch.setattr(last_layer, "AT_ONCE", 7 * VOCABULARY + 1)
    parts = scored(rollout, autocast=True)
    torch.testing.assert_close(parts[0], whole[0], rtol=0, atol=0.05)
    a, b = (torch.cat([g.flatten() for g in found[2]]) for found in (parts, whole))
    assert torch.nn.functional.cosine_similarity(a, b, dim=0) > 0.999


def test_no_more_logits_than_allowed_are_held_together(few_at_once):
    held = []

    def read(logits, tokens):
        held.append(logits.numel())
        return token_log_probs(logits, tokens), None

    states = torch.randn(3, 10, 8, requires_grad=True)
    weight = torch.randn(VOCABULARY, 8, requires_grad=True)
    log_probs, nothing = in_chunks(read, states, weight, torch.randint(VOCABULARY, (3, 10)))
    assert log_probs.shape == (3, 10) and nothing is None
    log_probs.sum().backward()
    assert max(held) <= last_layer.AT_ONCE
    assert sum(held) == 2 * 30 * VOCABULARY  # once in each direction
    assert states.grad.shape == states.shape and weight.grad.shape == weight.shape


def test_a_frozen_output_layer_gets_no_gradient(few_at_once):
    states, weight = torch.randn(2, 10, 8, requires_grad=True), torch.randn(VOCABULARY, 8)
    tokens = torch.randint(VOCABULARY, (2, 10))
    found, _ = in_chunks(lambda logits, chosen: (entropy(logits), None), states, weight, tokens)
    found.sum().backward()
    assert weight.grad is None and states.grad.abs().sum() > 0


def test_a_vocabulary_larger_than_a_chunk_goes_token_by_token(monkeypatch):
    monkeypatch.setattr(last_layer, "AT_ONCE", 100)
    states, weight = torch.randn(1, 5, 8), torch.randn(VOCABULARY, 8)
    tokens = torch.randint(VOCABULARY, (1, 5))
    found, _ = in_chunks(lambda x, t: (token_log_probs(x, t), None), states, weight, tokens)
    torch.testing.assert_close(found, token_log_probs(states @ weight.T, tokens))


SMALL = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
    "num_key_value_heads": 1, "vocab_size": VOCABULARY, "head_dim": 8,
}  # fmt: skip


def test_a_model_whose_logits_are_more_than_a_product_is_read_whole(few_at_once):
    """Gemma 2 and others cap or scale their logits; an output layer may have a bias."""
    torch.manual_seed(0)
    plain = Qwen2ForCausalLM(Qwen2Config(**SMALL)).eval()
    assert weight_for_chunks(plain, 100) is plain.get_output_embeddings().weight
    assert weight_for_chunks(plain, 7) is None  # few enough to hold
    capped = Gemma2ForCausalLM(Gemma2Config(**SMALL, final_logit_softcapping=0.5)).eval()
    assert weight_for_chunks(capped, 100) is None
    cohere = CohereForCausalLM(CohereConfig(**SMALL, logit_scale=0.5)).eval()
    assert weight_for_chunks(cohere, 100) is None
    biased = Qwen2ForCausalLM(Qwen2Config(**SMALL)).eval()
    biased.lm_head = torch.nn.Linear(16, VOCABULARY)
    assert weight_for_chunks(biased, 100) is None


def test_a_step_of_either_trainer_is_the_same(algorithm, small_trainer, monkeypatch):
    rows = []
    for at_once in (last_layer.AT_ONCE, 7 * VOCABULARY + 1):
        monkeypatch.setattr(last_layer, "AT_ONCE", at_once)
        trainer = small_trainer(algorithm, entropy_coef=0.01, kl_coef=0.01, threads=1)
        rows.append(trainer.train(2, on_step=lambda row: None)[-1])
    for name in ("policy_loss", "grad_norm", "log_prob_distance", "kl", "reward_mean"):
        assert rows[1][name] == pytest.approx(rows[0][name], rel=1e-3, abs=1e-6), name


# Qwen2-0.5B's geometry with a quarter of every width, and of the vocabulary, in a pass of half as
# many tokens: what is held on top keeps its proportions.
QUARTER = {
    "vocab_size": 37984, "hidden_size": 224, "num_hidden_layers": 24, "num_attention_heads": 14,
    "num_key_value_heads": 2, "intermediate_size": 1216, "tie_word_embeddings": True,
}  # fmt: skip
SAMPLES, LENGTH, PROMPT = 16, 64, 16
# Layers computed twice make and free many small tensors. glibc would keep holes between them.
NO_HOLES = {"MALLOC_MMAP_THRESHOLD_": str(1 << 18)}
MEASURE = f"""
import sys, torch
from grpo_mini.experiments.cost import tensor_bytes
from grpo_mini.experiments.warmstart import build_model, build_tokenizer
from grpo_mini.machine import last_layer
from grpo_mini.machine.device import peak_memory_mb
from grpo_mini.machine.recompute import recomputed
from grpo_mini.rollout import Rollout, score

last_layer.AT_ONCE, twice = int(sys.argv[1]), sys.argv[2] == "True"
before = peak_memory_mb(torch.device("cpu"))
model = build_model(build_tokenizer(), **{QUARTER}).eval()
tokens = torch.randint(263, ({SAMPLES}, {LENGTH}))
prompts = [[row // 8] * {PROMPT} for row in range({SAMPLES})]
nothing = torch.zeros(tokens.shape)
rollout = Rollout(prompts, tokens, torch.ones_like(tokens), nothing, nothing,
                  torch.ones({SAMPLES}).bool(), [""] * {SAMPLES})
with recomputed([model], twice):
    score(model, rollout)[0].sum().backward()
held = 2 * tensor_bytes(model.parameters()) / 2**20  # weights and gradients
peak = peak_memory_mb(torch.device("cpu"))
print(peak, peak - before - held)
"""


@pytest.fixture(scope="module")
def measured():
    """A pass's peak and what of it is on top, MB: all logits at once, in chunks of 55 tokens, and
    layers computed twice too."""
    found = []
    for at_once, twice in ((1 << 40, False), (1 << 21, False), (1 << 21, True)):
        command = [sys.executable, "-c", MEASURE, str(at_once), str(twice)]
        env = os.environ | {"OMP_NUM_THREADS": "1"} | (NO_HOLES if twice else {})
        done = subprocess.run(
            command, capture_output=True, text=True,
            encoding="utf-8", check=True, env=env,
        )  # fmt: skip
        found.append([float(number) for number in done.stdout.split()])
    return found


def test_a_pass_holds_less_above_weights_and_gradients(measured):
    """Most of the rest is activations, in float32; products in bfloat16 halve those."""
    whole, chunked, twice = (above for _, above in measured)
    assert 0 < chunked <= 0.75 * whole
    assert 0 < twice <= 0.2 * whole


def test_the_forecast_knows_of_chunks_and_of_layers_computed_twice(measured):
    geometry = Geometry(224, 24, 1216, 32, 37984)
    ways = ((None, False), (1 << 21, False), (1 << 21, True))
    for (measured_peak, _), (at_once, checkpointing) in zip(measured, ways, strict=True):
        step = forecast(
            geometry, samples=SAMPLES, group=8, prompt=PROMPT, response=LENGTH,
            reference=False, at_once=at_once, checkpointing=checkpointing,
        )  # fmt: skip
        total = WITHOUT_MODEL + peak(step)[1] - step["update"]["Adam"]
        assert total / 2**20 == pytest.approx(measured_peak, rel=0.15)
