"""Loading models: what is found, what is refused, and what the error says to do."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from grpo_mini.models import (
    TINY_QWEN,
    Critic,
    count_parameters,
    frozen_copy,
    load_policy,
    load_tokenizer,
)
from grpo_mini.tasks import TAGS


def test_the_tiny_qwen_is_a_real_qwen(tiny):
    model, tokenizer = tiny
    assert type(model).__name__ == "Qwen2ForCausalLM"
    assert 0.7e6 < count_parameters(model) < 0.9e6
    assert tokenizer.pad_token == "<|endoftext|>" and tokenizer.eos_token == "<|im_end|>"


def test_one_token_a_character_and_the_tags_survive_decoding(tiny):
    _, tokenizer = tiny
    text = "<think>17+25=42</think><answer>42</answer>"
    tokens = tokenizer(text + "<|im_end|>").input_ids
    assert len(tokens) == len("17+25=42") + len("42") + len(TAGS) + 1
    assert tokenizer.decode(tokens, skip_special_tokens=True) == text


def test_the_chat_template_costs_three_tokens(tiny):
    messages = [{"role": "user", "content": "1+2="}]
    text = tiny[1].apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert text == "<|im_start|>1+2=<|im_end|><|im_start|>"


def test_a_folder_loads_and_gives_the_same_logits(tiny, tmp_path):
    model, tokenizer = tiny
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again, _ = load_policy(tmp_path, device="cpu")
    tokens = torch.tensor([[1, 2, 3]])
    assert torch.equal(again(tokens).logits, model(tokens).logits)


def test_a_frozen_copy_shares_nothing_and_never_trains(tiny):
    copy = frozen_copy(tiny[0])
    assert not any(p.requires_grad for p in copy.parameters())
    shared = {p.data_ptr() for p in tiny[0].parameters()}
    assert not shared & {p.data_ptr() for p in copy.parameters()}


def test_the_critic_is_the_backbone_and_a_head_at_exactly_zero():
    critic = Critic.from_pretrained(TINY_QWEN, device="cpu")
    assert (critic(input_ids=torch.randint(0, 200, (2, 7))) == 0).all()
    embeddings = load_file(TINY_QWEN / "model.safetensors")["model.embed_tokens.weight"]
    assert torch.equal(critic.backbone.embed_tokens.weight, embeddings)


def test_an_unknown_model_says_where_it_looked_and_what_to_do(tmp_path):
    """In a process of its own, with the hub switched off before anything is imported."""
    code = "from grpo_mini.models import load_policy; load_policy('Qwen/Qwen2.5-0.5B-Instruct')"
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        encoding="utf-8",
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("FileNotFoundError: cannot load the model 'Qwen/Qwen2.5-0.5B-Instruct'")
    assert str(tmp_path / "hub") in last
    assert "hf download Qwen/Qwen2.5-0.5B-Instruct --local-dir" in last


def test_a_folder_without_safetensors_is_refused(tiny, tmp_path):
    shutil.copytree(TINY_QWEN, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    torch.save(tiny[0].state_dict(), tmp_path / "model" / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match="no model that can be loaded from safetensors"):
        load_policy(tmp_path / "model")


def copy_without(token: str, folder: Path) -> Path:
    """The tiny Qwen, its tokenizer robbed of a special token."""
    shutil.copytree(TINY_QWEN, folder)
    path = folder / "tokenizer_config.json"
    path.write_text(
        json.dumps(json.loads(path.read_text(encoding="utf-8")) | {token: None}), encoding="utf-8"
    )
    return folder


def test_a_tokenizer_without_end_token_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has no end token"):
        load_tokenizer(copy_without("eos_token", tmp_path / "model"))


def test_a_tokenizer_without_pad_token_pads_with_its_end_token(tmp_path):
    tokenizer = load_tokenizer(copy_without("pad_token", tmp_path / "model"))
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
