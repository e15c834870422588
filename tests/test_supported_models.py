"""Each supported kind of model, tiny and with random weights, under both trainers.

Sampled log-probs are those of scoring and of a plain forward pass; training moves the weights; a
saved run goes on as if it had not been stopped, with and without a reference.
"""

import copy

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from grpo_mini.experiments.metrics import TIMING_METRICS
from grpo_mini.models import SUPPORTED, load_policy, load_tokenizer
from grpo_mini.rollout import disagreement, sample
from grpo_mini.trainer import Trainer
from tests.pieces import halves

SIZES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 48, "max_position_embeddings": 256,
}  # fmt: skip
MORE = {
    "qwen3": {"head_dim": 8},
    "gemma": {"head_dim": 8},
    "mistral": {"sliding_window": 8},  # shorter than prompt and response
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256},
    "smollm3": {"no_rope_layers": [1, 0]},
}
# Qwen2.5's larger models: an output of its own, wider than the tokenizer.
LAYOUTS = [*((kind, {}) for kind in SUPPORTED),
           ("qwen2", {"tie_word_embeddings": False, "vocab_size": 300})]  # fmt: skip


def build(kind: str, options: dict):
    tokenizer = load_tokenizer()
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        kind,
        **{
            "vocab_size": len(tokenizer),
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            **SIZES,
            **MORE.get(kind, {}),
            **options,
        },
    )
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():  # far enough from uniform that a wrong position would show
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter *= 10
    return model, tokenizer


PROMPTS = [[{"role": "user", "content": text}] for text in ("7+8=", "17+25+38+91+64=")]


@pytest.fixture(params=LAYOUTS, ids=lambda layout: "-".join([layout[0], *layout[1]]))
def layout(request):
    return build(*request.param)


def test_sampled_scored_and_plain_log_probs_agree(layout):
    model, tokenizer = layout
    generator = torch.Generator().manual_seed(0)
    rollout = sample(model.eval(), tokenizer, PROMPTS, 8, 24, generator=generator)
    assert rollout.entropy_BT[rollout.mask_BT.bool()].std() > 0.01, "uniform: nothing would show"
    assert disagreement(model, rollout, rows=16) < 1e-5


@pytest.mark.parametrize("kl_coef", [0.0, 0.1])
def test_it_trains_saves_and_goes_on_bit_for_bit(
    layout, algorithm, kl_coef, small_trainer, tmp_path
):
    def trainer() -> Trainer:
        model, tokenizer = load_policy(tmp_path / "start", device="cpu")
        return small_trainer(
            algorithm, halves, model=(model, tokenizer), kl_coef=kl_coef, max_new_tokens=8
        )

    for part in layout:
        part.save_pretrained(tmp_path / "start")
    straight, stopped = trainer(), trainer()
    before = {name: w.clone() for name, w in straight.policy.state_dict().items()}
    straight.train(2)
    moved = [not torch.equal(w, before[n]) for n, w in straight.policy.state_dict().items()]
    assert any(moved)
    stopped.train(1, tmp_path / "run", save_every=1)
    resumed = Trainer.load(tmp_path / "run", reward=halves)
    resumed.train(1)
    for role, model in straight.models().items():
        other = resumed.models()[role].state_dict()
        assert all(torch.equal(w, other[n]) for n, w in model.state_dict().items()), role
    for mine, other in zip(straight.history, resumed.history, strict=True):
        assert {k: v for k, v in mine.items() if k not in TIMING_METRICS} == {
            k: v for k, v in other.items() if k not in TIMING_METRICS
        }


def test_layers_computed_twice_give_the_same_to_the_last_digit(layout, algorithm, small_trainer):
    """Sliding windows, a layer without positions, GPT-2's own order of arguments, and a cache that
    each layer adds to."""
    model, tokenizer = layout
    found = []
    for twice in (False, True):
        given = copy.deepcopy(model), tokenizer
        trainer = small_trainer(
            algorithm, halves, model=given, kl_coef=0.1, max_new_tokens=8,
            gradient_checkpointing=twice,
        )  # fmt: skip
        trainer.train(2)
        rows = [
            {k: v for k, v in row.items() if k not in TIMING_METRICS} for row in trainer.history
        ]
        found.append((rows, {role: m.state_dict() for role, m in trainer.models().items()}))
    assert found[0][0] == found[1][0]
    for role, weights in found[0][1].items():
        assert all(torch.equal(w, found[1][1][role][n]) for n, w in weights.items()), role
