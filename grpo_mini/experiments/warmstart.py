"""The supervised warm start: from random weights to a policy that sometimes thinks.

Reinforcement learning can only strengthen what the policy already does now and then. So the tiny
Qwen first imitates demonstrations, most of them the bare answer and some with thinking. What is
left to learn from rewards is that thinking pays.
"""

import random
from pathlib import Path

import torch
from tokenizers import AddedToken, pre_tokenizers
from torch.nn.functional import cross_entropy
from tqdm.auto import tqdm
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2TokenizerFast

from ..models import Model, Tokenizer, load_model, right_padded
from ..tasks import TAGS, Task, is_held_out

THINK_SHARE = 0.19  # of the demonstrations at the end, and so of the policy's responses

# The roles are told apart by their order, user first, and cost no tokens.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['content'] }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>{% endif %}"
)


def build_tokenizer() -> Tokenizer:
    """Qwen's tokenizer without merges: one token per byte, and the same special tokens.

    The thinking and answer tags are ordinary added tokens, as in Qwen3: decoding keeps them.
    """
    bytes_as_text = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Qwen2TokenizerFast(
        vocab={character: index for index, character in enumerate(bytes_as_text)},
        merges=[],
        unk_token=None,
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>"],
        chat_template=CHAT_TEMPLATE,
    )
    tokenizer.add_tokens([AddedToken(tag, normalized=False, special=False) for tag in TAGS])
    return tokenizer


def build_model(tokenizer: Tokenizer, **geometry) -> Model:
    """A `Qwen2ForCausalLM` with random weights; ``geometry`` overrides the tiny defaults."""
    config = Qwen2Config(
        **{
            "vocab_size": len(tokenizer),
            "hidden_size": 128,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "intermediate_size": 384,
            "max_position_embeddings": 512,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            **geometry,
        }
    )
    return Qwen2ForCausalLM(config)


def demonstration_batch(
    task: Task, tokenizer: Tokenizer, rng: random.Random, size: int, think_share: float
) -> list[tuple[list[int], list[int]]]:
    """``size`` pairs of prompt tokens and response tokens, the response with its end token."""
    pairs = []
    while len(pairs) < size:
        record = task.make_problem(rng)
        if is_held_out(record["prompt"][-1]["content"]):
            continue
        think = rng.random() < think_share
        response = task.demonstrate(rng, record, think) + tokenizer.eos_token
        prompt = tokenizer.apply_chat_template(
            record["prompt"], add_generation_prompt=True, tokenize=False
        )
        pairs.append((tokenizer(prompt).input_ids, tokenizer(response).input_ids))
    return pairs


def imitation_loss(model: Model, pairs: list[tuple[list[int], list[int]]]) -> torch.Tensor:
    """Sum of -log pi(response token) over the batch; prompt and padding carry no loss."""
    rows = [prompt + response for prompt, response in pairs]
    tokens = right_padded(rows, model.config.pad_token_id, model.device)
    rows = [[-100] * len(prompt) + response for prompt, response in pairs]
    labels = right_padded(rows, -100, model.device)
    # Padded on the right, a causal model needs no mask: no token sees the padding after it.
    logits = model(input_ids=tokens[:, :-1], use_cache=False).logits
    return cross_entropy(logits.flatten(0, 1).float(), labels[:, 1:].flatten(), reduction="sum")


def warm_start(
    task: Task,
    steps: int = 1400,
    batch_size: int = 128,
    learning_rate: float = 2e-3,
    think_share: float = THINK_SHARE,
    seed: int = 0,
    start: Path | None = None,
) -> tuple[Model, Tokenizer]:
    """Train a tiny Qwen on demonstrations; the same seed, the same weights.

    Half of the demonstrations think, so that the skill is there; in the last fifth only
    ``think_share`` of them do, which sets how often the policy thinks of its own accord.

    Args:
        start: a model that goes on learning; None begins with random weights.
    """
    torch.manual_seed(seed)
    rng = random.Random(f"warm start/{task.name}/{seed}")
    tokenizer = build_tokenizer()
    model = build_model(tokenizer) if start is None else load_model(start, "cpu")
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.01, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=steps, pct_start=min(0.05, 50 / steps)
    )
    progress = tqdm(range(steps), desc=f"warm start on {task.name}", unit="step")
    for step in progress:
        share = 0.5 if step < 0.8 * steps else think_share
        pairs = demonstration_batch(task, tokenizer, rng, batch_size, share)
        pairs.sort(key=lambda pair: len(pair[0]) + len(pair[1]))  # halves of similar length
        number_of_tokens = sum(len(response) for _, response in pairs)
        total = 0.0
        for half in (pairs[: batch_size // 2], pairs[batch_size // 2 :]):
            loss = imitation_loss(model, half) / number_of_tokens
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        progress.set_postfix(loss=f"{total:.3f}")
    return model.eval(), tokenizer
