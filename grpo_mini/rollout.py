"""Rollouts: prompts -> sampled responses with their log-probs, and scoring them again.

B samples, P prompt tokens, T response tokens, V vocabulary entries. Only the temperature shapes
the distribution, no top-p or top-k: what is sampled from is what is scored. Either way a prompt is
read once, and its samples share what the model remembers of it (the key-value cache).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache

from .losses import entropy, token_log_probs
from .machine.last_layer import in_chunks, logits_of, states_of, weight_for_chunks
from .models import Model, Tokenizer, decode, encode_prompts, end_token_ids
from .support.partition import cheapest_parts, pass_cost
from .support.requirements import number


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
        texts: the responses as text, without their end token, but with a ``<think>`` that the
            prompt's chat template has opened for them.
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

    def token_ids(self) -> list[list[int]]:
        """Each response's tokens, without padding."""
        rows = zip(self.tokens_BT.tolist(), self.lengths_B.tolist(), strict=True)
        return [tokens[:length] for tokens, length in rows]


class Read(NamedTuple):
    """What a model made of the prompts, a row a sample.

    Attributes:
        last: output at the prompt's last token, [B, 1, ...].
        cache: keys and values of the prompt.
        seen_BP: 1 on the prompt's tokens, 0 on the padding left of them.
        position_B1: position of the prompt's last token.
    """

    last: Tensor
    cache: DynamicCache
    seen_BP: Tensor
    position_B1: Tensor


def read_prompts(forward: Callable[..., Tensor], model: Model, prompts: list[list[int]]) -> Read:
    """Read the prompts [B], each different one only once.

    Args:
        forward: the model's inputs -> logits [N, L, V], or another output a position.
        model: whose configuration and device count.
    """
    rank = {prompt: i for i, prompt in enumerate(dict.fromkeys(map(tuple, prompts)))}
    width = max(map(len, rank))
    # Padding on the left, so that each response begins right of its prompt.
    tokens = [[0] * (width - len(prompt)) + list(prompt) for prompt in rank]
    seen = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in rank]
    seen = torch.tensor(seen, device=model.device)
    positions = (seen.cumsum(dim=1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)
    outputs = forward(
        input_ids=torch.tensor(tokens, device=model.device),
        attention_mask=seen,
        position_ids=positions,
        past_key_values=cache,
        logits_to_keep=1,
    )
    index = torch.tensor([rank[tuple(prompt)] for prompt in prompts], device=model.device)
    # index_select throughout: the gradient of tensor[index] adds up in no fixed order on a CPU.
    cache.reorder_cache(index)
    outputs, seen, positions = (t.index_select(0, index) for t in (outputs, seen, positions))
    return Read(outputs, cache, seen, positions[:, -1:])


def sample(
    model: Model,
    tokenizer: Tokenizer,
    prompts: Sequence,
    samples_per_prompt: int = 1,
    max_new_tokens: int = 64,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
    template: dict | None = None,
) -> Rollout:
    """Sample ``samples_per_prompt`` responses to each prompt; those of one prompt are neighbours.

    A row leaves the batch with its end token, so that short responses do not pay for long ones.

    Args:
        template: further arguments of the chat template.

    Raises:
        ValueError: as `encode_prompts`; a number that is not above 0.
        FloatingPointError: the model's log-probs are not finite.
    """
    number("samples_per_prompt", samples_per_prompt, 1, whole=True)
    number("max_new_tokens", max_new_tokens, 1, whole=True)
    number("temperature", temperature, 0, above=True)
    window = getattr(model.config, "max_position_embeddings", None) or 1 << 30
    encoded = encode_prompts(tokenizer, prompts, window - max_new_tokens, template)
    encoded = [prompt for prompt in encoded for _ in range(samples_per_prompt)]
    end_ids = torch.tensor(end_token_ids(model, tokenizer), device=model.device)
    forward = logits_of(model)

    size = (len(encoded), max_new_tokens)
    tokens_BT = torch.full(size, tokenizer.pad_token_id, device=model.device)
    log_probs_BT = torch.zeros(size, device=model.device)
    entropy_BT = torch.zeros(size, device=model.device)
    lengths_B = torch.full(size[:1], max_new_tokens, device=model.device)
    truncated_B = torch.ones(size[:1], dtype=torch.bool, device=model.device)
    active = torch.arange(len(encoded), device=model.device)  # the rows that still write

    with torch.inference_mode():  # what it fills was made outside, and may enter a loss later
        logits, cache, seen, position = read_prompts(forward, model, encoded)
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
                cache.reorder_cache(kept)
                active, chosen, seen, position = (
                    tensor[kept] for tensor in (active, chosen, seen, position)
                )
            seen = torch.cat([seen, torch.ones_like(chosen)], dim=1)
            position = position + 1
            logits = forward(
                input_ids=chosen, attention_mask=seen, position_ids=position, past_key_values=cache
            )

    if not log_probs_BT.isfinite().all():
        raise FloatingPointError(
            f"{type(model).__name__} gives log-probs that are NaN or infinite: its weights are "
            f"damaged, or its products too large for their dtype"
        )
    length = int(lengths_B.max())
    mask_BT = (torch.arange(length, device=model.device) < lengths_B.unsqueeze(1)).long()
    written_B = lengths_B - (~truncated_B).long()  # the end token is no text
    rows = zip(tokens_BT.tolist(), written_B.tolist(), strict=True)
    return Rollout(
        prompts=encoded,
        tokens_BT=tokens_BT[:, :length],
        mask_BT=mask_BT,
        log_probs_BT=log_probs_BT[:, :length],
        entropy_BT=entropy_BT[:, :length],
        truncated_B=truncated_B,
        texts=decode(tokenizer, encoded, [tokens[:n] for tokens, n in rows]),
    )


def outputs_per_token(forward: Callable[..., Tensor], model: Model, rollout: Rollout) -> Tensor:
    """What ``forward`` says where each response token was chosen, [B, T, ...], with gradients.

    That is one position to the left of the token: the first is chosen at the prompt's end.
    """
    last, cache, seen, position = read_prompts(forward, model, rollout.prompts)
    before_BT = rollout.tokens_BT[:, :-1]
    if before_BT.shape[1] == 0:
        return last
    # Padding on the right needs no mask: in a causal model no token sees what comes after it.
    rest = forward(
        input_ids=before_BT,
        attention_mask=torch.cat([seen, torch.ones_like(before_BT)], dim=1),
        position_ids=position + 1 + torch.arange(before_BT.shape[1], device=model.device),
        past_key_values=cache,
    )
    return torch.cat([last, rest], dim=1)


def score(
    model: Model, rollout: Rollout, temperature: float = 1.0, with_entropy: bool = False
) -> tuple[Tensor, Tensor | None]:
    """Log-probs of the responses under ``model``, with gradients, and the entropy if asked for.

    Where the vocabulary is large, the logits are made for a few tokens at a time.

    Returns:
        log_probs [B, T] and entropy [B, T] or None; on padding both hold something finite that
        the mask has to cut out.
    """

    def read(logits: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        log_probs = token_log_probs(logits, tokens, temperature)
        return log_probs, entropy(logits, temperature) if with_entropy else None

    weight = weight_for_chunks(model, rollout.tokens_BT.numel())
    if weight is None:
        return read(outputs_per_token(logits_of(model), model, rollout), rollout.tokens_BT)
    states = outputs_per_token(states_of(model), model, rollout)
    return in_chunks(read, states, weight, rollout.tokens_BT)


@torch.no_grad()
def disagreement(model: Model, rollout: Rollout, temperature: float = 1.0, rows: int = 4) -> float:
    """How far sampled log-probs are from scored ones and from a plain forward pass, in nats.

    The largest of the means over a sample's tokens, of the first ``rows`` samples: about 1e-6 in
    float32, 0.01 in bfloat16. More means that the model reads a text in another way when it reads
    it in parts: a cache that is not the whole of its memory, dropout, positions of its own.
    """
    largest = 0.0
    part = rollout.select(torch.arange(min(rows, len(rollout)), device=rollout.tokens_BT.device))
    scored_BT, _ = score(model, part, temperature)
    for i, (prompt, response) in enumerate(zip(part.prompts, part.token_ids(), strict=True)):
        tokens = torch.tensor([prompt + response], device=model.device)
        logits = model(input_ids=tokens, use_cache=False).logits[:, len(prompt) - 1 : -1]
        plain = token_log_probs(logits, tokens[:, len(prompt) :], temperature)[0]
        for log_probs in (part.log_probs_BT[i], scored_BT[i]):
            gap = (log_probs[: len(response)] - plain).abs().mean().item()
            largest = gap if gap != gap else max(largest, gap)  # NaN is the largest of all
    return largest


def micro_batches(rollout: Rollout, rows: Sequence[int], max_tokens: int) -> list[Tensor]:
    """Split ``rows`` into parts of similar length, of at most ``max_tokens`` tokens if they can."""
    lengths = rollout.lengths_B[list(rows)].tolist()
    prompts = [tuple(rollout.prompts[row]) for row in rows]
    device = rollout.tokens_BT.device
    parts = cheapest_parts(lengths, prompts, max_tokens, pass_cost(device.type))
    return [torch.tensor([rows[i] for i in part], device=device) for part in parts]


def _draw(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    """One token a row from softmax(logits / temperature), [N, 1]: where the cumulative
    probability passes a uniform number. One random number a row, not one a vocabulary entry."""
    cumulative = (logits.float() / temperature).softmax(dim=-1).cumsum(dim=-1)
    uniform = torch.rand(len(logits), 1, generator=generator, device=logits.device)
    # Scaled by the last entry, which rounding keeps from being exactly 1.
    return torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True).clamp(
        max=logits.shape[-1] - 1
    )
