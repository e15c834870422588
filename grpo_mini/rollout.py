"""Rollouts: prompts -> sampled responses with their log-probs, and scoring them again.

B samples, P prompt tokens, T response tokens, V vocabulary entries. Only the temperature shapes
the distribution, no top-p or top-k: what is sampled from is what is scored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from transformers import DynamicCache

from .losses import entropy, token_log_probs
from .models import Model, Tokenizer, end_token_ids


@dataclass
class Rollout:
    """What the policy said, one row a sample.

    Attributes:
        prompts: token ids of each row's prompt, unpadded.
        tokens_BT: response tokens, padded on the right.
        mask_BT: 1 on each response token, up to and including the end token; 0 on padding.
        log_probs_BT: log pi(token) when it was sampled; 0 on padding.
        truncated_B: True where the response reached the limit without an end token.
        texts: the responses as text, without special tokens.
    """

    prompts: list[list[int]]
    tokens_BT: Tensor
    mask_BT: Tensor
    log_probs_BT: Tensor
    truncated_B: Tensor
    texts: list[str]

    def __len__(self) -> int:
        return len(self.prompts)

    def first(self, count: int) -> "Rollout":
        """The first ``count`` samples, cut off in every field alike."""
        return Rollout(**{field.name: getattr(self, field.name)[:count] for field in fields(self)})

    @property
    def lengths_B(self) -> Tensor:
        """Response length of each sample in tokens."""
        return self.mask_BT.sum(dim=1)


def encode_prompts(tokenizer: Tokenizer, prompts: Sequence, limit: int) -> list[list[int]]:
    """Token ids of each prompt; chat messages go through the tokenizer's chat template.

    Raises:
        ValueError: an empty prompt, more than ``limit`` tokens, or chat messages for a tokenizer
            that has no chat template.
    """
    encoded = []
    for index, prompt in enumerate(prompts):
        if not isinstance(prompt, str):
            if tokenizer.chat_template is None:
                raise ValueError(
                    f"prompt {index} is a list of chat messages, but the tokenizer has no chat "
                    f"template; give the prompt as text, or use a chat model"
                )
            if not any(str(message["content"]).strip() for message in prompt):
                raise ValueError(f"prompt {index} is empty: {prompt!r}")
            prompt = tokenizer.apply_chat_template(
                prompt, add_generation_prompt=True, tokenize=False
            )
        # The template has written the special tokens already; plain text gets none either.
        tokens = tokenizer(prompt, add_special_tokens=False).input_ids
        if not tokens or not prompt.strip():
            raise ValueError(f"prompt {index} is empty: {prompt!r}")
        if len(tokens) > limit:
            raise ValueError(
                f"prompt {index} has {len(tokens)} tokens, but the model's window leaves room for "
                f"{limit} before the response: {prompt[:60]!r}…"
            )
        encoded.append(tokens)
    return encoded


def _left_padded(rows: list[list[int]], pad: int, device) -> tuple[Tensor, Tensor]:
    """Rows -> tokens [N, P] and mask [N, P], padding on the left, where generation needs it."""
    width = max(map(len, rows))
    tokens = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    return tokens, mask


@torch.no_grad()
def sample(
    model: Model,
    tokenizer: Tokenizer,
    prompts: Sequence,
    samples_per_prompt: int = 1,
    max_new_tokens: int = 64,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> Rollout:
    """Sample ``samples_per_prompt`` responses to each prompt; those of one prompt are neighbours.

    Each prompt is read once and its cache repeated for its samples. A row leaves the batch with
    its end token, so that short responses do not pay for long ones.

    Raises:
        ValueError: as `encode_prompts`; a temperature that is not above 0.
    """
    window = getattr(model.config, "max_position_embeddings", 1 << 30)
    encoded = encode_prompts(tokenizer, prompts, limit=window - max_new_tokens)
    end_ids = torch.tensor(end_token_ids(model, tokenizer), device=model.device)
    pad = tokenizer.pad_token_id

    prompt_tokens, seen = _left_padded(encoded, pad, model.device)
    cache = DynamicCache(config=model.config)
    positions = (seen.cumsum(dim=1) - 1).clamp(min=0)  # the padding on the left counts for nothing
    logits = model(
        input_ids=prompt_tokens,
        attention_mask=seen,
        position_ids=positions,
        past_key_values=cache,
        logits_to_keep=1,
    ).logits
    cache.batch_repeat_interleave(samples_per_prompt)
    logits, seen, positions = (
        tensor.repeat_interleave(samples_per_prompt, dim=0)
        for tensor in (logits, seen, positions[:, -1:])
    )

    number = len(encoded) * samples_per_prompt
    tokens_BT = torch.full((number, max_new_tokens), pad, device=model.device)
    log_probs_BT = torch.zeros(number, max_new_tokens, device=model.device)
    mask_BT = torch.zeros_like(tokens_BT)
    truncated_B = torch.ones(number, dtype=torch.bool, device=model.device)
    active = torch.arange(number, device=model.device)  # rows that still write

    for t in range(max_new_tokens):
        probabilities = (logits[:, -1].float() / temperature).softmax(dim=-1)
        chosen = torch.multinomial(probabilities, 1, generator=generator)
        tokens_BT[active, t] = chosen.squeeze(1)
        log_probs_BT[active, t] = token_log_probs(logits, chosen, temperature).squeeze(1)
        mask_BT[active, t] = 1

        going_on = ~torch.isin(chosen.squeeze(1), end_ids)
        truncated_B[active[~going_on]] = False
        if t == max_new_tokens - 1 or not going_on.any():
            break
        if not going_on.all():
            kept = going_on.nonzero().squeeze(1)
            cache.batch_select_indices(kept)
            active, chosen, seen, positions = (
                tensor[kept] for tensor in (active, chosen, seen, positions)
            )
        seen = torch.cat([seen, torch.ones_like(chosen)], dim=1)
        positions = positions + 1
        logits = model(
            input_ids=chosen,
            attention_mask=seen,
            position_ids=positions,
            past_key_values=cache,
        ).logits

    length = int(mask_BT.sum(dim=1).max())
    rows = [row[:n] for row, n in zip(tokens_BT.tolist(), mask_BT.sum(dim=1).tolist(), strict=True)]
    return Rollout(
        prompts=[prompt for prompt in encoded for _ in range(samples_per_prompt)],
        tokens_BT=tokens_BT[:, :length],
        mask_BT=mask_BT[:, :length],
        log_probs_BT=log_probs_BT[:, :length],
        truncated_B=truncated_B,
        texts=tokenizer.batch_decode(rows, skip_special_tokens=True),
    )
