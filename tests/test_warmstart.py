"""The warm start: what it imitates, and that it can be made again."""

import math
import random

import torch

from grpo_mini.experiments.warmstart import (
    build_model,
    build_tokenizer,
    demonstration_batch,
    imitation_loss,
    warm_start,
)
from grpo_mini.tasks import TASKS, is_held_out

TASK = TASKS["chain-sums"]


def test_the_same_seed_gives_the_same_weights():
    first, _ = warm_start(TASK, steps=3, batch_size=16, seed=5)
    again, _ = warm_start(TASK, steps=3, batch_size=16, seed=5)
    other, _ = warm_start(TASK, steps=3, batch_size=16, seed=6)
    weights = [model.model.layers[0].mlp.up_proj.weight for model in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_loss_falls():
    rng, tokenizer = random.Random(0), build_tokenizer()
    torch.manual_seed(0)
    model = build_model(tokenizer)
    pairs = demonstration_batch(TASK, tokenizer, rng, 64, 0.5)
    tokens = sum(len(response) for _, response in pairs)
    before = imitation_loss(model, pairs).item() / tokens
    assert abs(before - math.log(len(tokenizer))) < 0.5, "random weights know nothing"
    trained, _ = warm_start(TASK, steps=25, batch_size=32)
    assert imitation_loss(trained, pairs).item() / tokens < 0.7 * before


def test_prompt_and_padding_carry_no_loss():
    rng, tokenizer = random.Random(0), build_tokenizer()
    model = build_model(tokenizer)
    pairs = demonstration_batch(TASK, tokenizer, rng, 6, 0.5)
    together = imitation_loss(model, pairs).item()
    alone = sum(imitation_loss(model, [pair]).item() for pair in pairs)
    assert abs(together - alone) < 1e-3 * alone


def test_demonstrations_end_with_the_end_token_and_are_not_held_out():
    tokenizer = build_tokenizer()
    pairs = demonstration_batch(TASK, tokenizer, random.Random(1), 50, 0.5)
    for prompt, response in pairs:
        assert response[-1] == tokenizer.eos_token_id
        assert not is_held_out(tokenizer.decode(prompt, skip_special_tokens=True))
    thinking = sum(tokenizer.convert_tokens_to_ids("<think>") in response for _, response in pairs)
    assert 10 < thinking < 40


def test_the_tokenizer_is_the_same_after_saving(tmp_path):
    """Saved and loaded, the tokenizer encodes as before."""
    tokenizer = build_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    from transformers import AutoTokenizer

    again = AutoTokenizer.from_pretrained(tmp_path)
    text = "<|im_start|>1+2=<|im_end|><|im_start|><think>é３</think><answer>3</answer><|im_end|>"
    assert again(text).input_ids == tokenizer(text).input_ids
    assert again.decode(again(text).input_ids) == text
