"""Rollouts: prompts -> sampled responses with their log-probs, and scoring them again.

B samples, P prompt tokens, T response tokens, V vocabulary entries. Only the temperature shapes
the distribution, no top-p or top-k: what is sampled from is what is scored.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from .losses import entropy, token_log_probs
from .models import Model, Tokenizer, encode_prompts, end_token_ids, right_padded


@dataclass
class Rollout:
    """What the policy said, one row a sample.

    Attributes:
        prompts: token ids of each row's prompt, unpadded.
        tokens_BT: response tokens, padded on the right.
        mask_BT: 1 on each response token, up to and including the end token; 0 on padding.
        log_probs_BT: log pi(token) when it was sampled; 0 on padding.
        entropy_BT: entropy of the distribution each token was drawn from, in nats; 0 on padding.
        truncated_B: True where the response reached the limit without an end token.
        texts: the responses as text, without their end token.
    """

    prompts: list[list[int]]
    tokens_BT: Tensor
    mask_BT: Tensor
    log_probs_BT: Tensor
    entropy_BT: Tensor
    truncated_B: Tensor
    texts: list[str]

    def __len__(self) -> int:
        return len(self.prompts)

    def select(self, rows: Tensor) -> "Rollout":
        """The samples ``rows``, in every field alike, cut to the longest of them."""
        length = int(self.lengths_B[rows].max()) if len(rows) else 0
        return Rollout(
            prompts=[self.prompts[row] for row in rows.tolist()],
            tokens_BT=self.tokens_BT[rows, :length],
            mask_BT=self.mask_BT[rows, :length],
            log_probs_BT=self.log_probs_BT[rows, :length],
            entropy_BT=self.entropy_BT[rows, :length],
            truncated_B=self.truncated_B[rows],
            texts=[self.texts[row] for row in rows.tolist()],
        )

    @property
    def lengths_B(self) -> Tensor:
        """Response length of each sample in tokens."""
        return self.mask_BT.sum(dim=1)


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
    entropy_BT = torch.zeros_like(log_probs_BT)
    lengths_B = torch.full((number,), max_new_tokens, device=model.device)
    truncated_B = torch.ones(number, dtype=torch.bool, device=model.device)
    active = torch.arange(number, device=model.device)  # the rows that still write

    for t in range(max_new_tokens):
        chosen = _draw(logits[:, -1], temperature, generator)
        tokens_BT[active, t] = chosen.squeeze(1)
        log_probs_BT[active, t] = token_log_probs(logits, chosen, temperature).squeeze(1)
        entropy_BT[active, t] = entropy(logits, temperature).squeeze(1)

        going_on = ~torch.isin(chosen.squeeze(1), end_ids)
        ended = active[~going_on]
        lengths_B[ended] = t + 1
        truncated_B[ended] = False
        if t == max_new_tokens - 1 or len(ended) == len(active):
            break
        if len(ended):
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

    length = int(lengths_B.max())
    mask_BT = (torch.arange(length, device=model.device) < lengths_B.unsqueeze(1)).long()
    # The end token is no text. Any other special token stays visible: if decoding dropped them,
    # "8<|im_start|>9" would be paid as 89.
    written_B = lengths_B - (~truncated_B).long()
    rows = zip(tokens_BT.tolist(), written_B.tolist(), strict=True)
    return Rollout(
        prompts=[prompt for prompt in encoded for _ in range(samples_per_prompt)],
        tokens_BT=tokens_BT[:, :length],
        mask_BT=mask_BT,
        log_probs_BT=log_probs_BT[:, :length],
        entropy_BT=entropy_BT[:, :length],
        truncated_B=truncated_B,
        texts=tokenizer.batch_decode([row[:n] for row, n in rows]),
    )


def score(
    model: Model, rollout: Rollout, temperature: float = 1.0, with_entropy: bool = False
) -> tuple[Tensor, Tensor | None]:
    """Log-probs of the responses under ``model``, with gradients, and the entropy if asked for.

    Returns:
        log_probs [B, T] and entropy [B, T] or None; on padding both hold something finite that
        the mask has to cut out.
    """
    tokens_BL, starts_B = join(rollout, model.config.pad_token_id or 0)
    kept = tokens_BL.shape[1] - int(starts_B.min())  # no logits for the prompts
    logits = model(input_ids=tokens_BL[:, :-1], logits_to_keep=kept, use_cache=False).logits
    log_probs = token_log_probs(logits, tokens_BL[:, -kept:], temperature)
    starts_B = starts_B - starts_B.min()
    aligned = align(log_probs, starts_B, rollout)
    return aligned, align(entropy(logits, temperature), starts_B, rollout) if with_entropy else None


def join(rollout: Rollout, pad: int) -> tuple[Tensor, Tensor]:
    """Prompt and response in one row, tokens [B, L], and where each response starts, [B]."""
    device, responses = rollout.tokens_BT.device, rollout.tokens_BT.tolist()
    lengths = rollout.lengths_B.tolist()
    rows = [
        prompt + response[:n]
        for prompt, response, n in zip(rollout.prompts, responses, lengths, strict=True)
    ]
    return right_padded(rows, pad, device), torch.tensor(
        [len(prompt) for prompt in rollout.prompts], device=device
    )


def align(per_position: Tensor, starts_B: Tensor, rollout: Rollout) -> Tensor:
    """Move each row of [B, K] to the left, so that its response begins in column 0: [B, T]."""
    columns = torch.arange(rollout.tokens_BT.shape[1], device=per_position.device)
    index = starts_B.unsqueeze(1) + columns
    return per_position.gather(1, index.clamp(max=per_position.shape[1] - 1))


def _draw(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    """One token a row from softmax(logits / temperature), [N, 1]: where the cumulative
    probability passes a uniform number. One random number a row, not one a vocabulary entry."""
    cumulative = (logits.float() / temperature).softmax(dim=-1).cumsum(dim=-1)
    uniform = torch.rand(len(logits), 1, generator=generator, device=logits.device)
    # Scaled by the last entry, which rounding keeps from being exactly 1.
    return torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True).clamp(
        max=logits.shape[-1] - 1
    )
