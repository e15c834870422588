"""The output layer for some tokens at a time: memory in exchange for computing it twice.

The logits of a pass are its largest tensor where the vocabulary is large: 2,048 tokens of a Qwen2
make 1.2 GB in float32, and a loss and its gradient want them several times over. But what a loss
needs of them is one or two numbers a token. So they are made for a few tokens, read, thrown away,
and made again when the gradient comes by.
"""

from collections.abc import Callable
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import Module
from torch.nn.functional import linear
from transformers import PreTrainedModel

AT_ONCE = 1 << 23  # logits that are held together: 34 MB in float32, 55 tokens of a Qwen2
_PLAIN: "WeakKeyDictionary[Module, bool]" = WeakKeyDictionary()  # asked once an output layer
Read = Callable[[Tensor, Tensor], tuple[Tensor, Tensor | None]]


def logits_of(model: PreTrainedModel) -> Callable[..., Tensor]:
    """A causal language model as a function from inputs to logits [N, L, V]."""
    return lambda **inputs: model(**inputs).logits


def states_of(model: PreTrainedModel) -> Callable[..., Tensor]:
    """The same model as a function from inputs to what its output layer reads, [N, L, H]."""

    def forward(logits_to_keep: int = 0, **inputs) -> Tensor:
        return model.base_model(**inputs).last_hidden_state[:, -logits_to_keep:]

    return forward


def weight_for_chunks(model: PreTrainedModel, tokens: int) -> Tensor | None:
    """The output layer's weight [V, H], if so many tokens' logits are too many to hold at once.

    None too where the logits are more than this weight times the states: a bias, a scale, a soft
    cap. Asked of the model at some tokens, not read in its configuration.
    """
    layer = model.get_output_embeddings()
    if layer is None or tokens * len(layer.weight) <= AT_ONCE:
        return None
    if layer not in _PLAIN:
        _PLAIN[layer] = _is_all(model, layer)
    return layer.weight if _PLAIN[layer] else None


def _is_all(model: PreTrainedModel, layer: Module) -> bool:
    """Whether the logits are this layer's weight times the states, and nothing more."""
    some = {"input_ids": torch.arange(1, 9, device=model.device).unsqueeze(0)}  # 0 may be padding
    seen: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _, read, written: seen.extend((read[0], written)))
    with torch.no_grad():
        logits, states = model(**some, use_cache=False).logits, states_of(model)(**some)
    hook.remove()
    # What the layer writes are the logits, and what it reads are the states, up to rounding.
    is_all = getattr(layer, "bias", None) is None and torch.equal(seen[1].float(), logits.float())
    return is_all and torch.allclose(seen[0].float(), states.float(), rtol=0.01, atol=0.01)


def in_chunks(
    read: Read, states_BTH: Tensor, weight_VH: Tensor, tokens_BT: Tensor
) -> tuple[Tensor, Tensor | None]:
    """``read(logits, tokens)`` of all tokens, [B, T] each, and never all logits at once.

    Args:
        read: logits [N, V] and tokens [N] -> numbers [N], and more numbers [N] or None.
    """
    kind = states_BTH.device.type
    if torch.is_autocast_enabled(kind):
        states_BTH = states_BTH.to(torch.get_autocast_dtype(kind))
    found = _InChunks.apply(read, states_BTH.flatten(0, 1), weight_VH, tokens_BT.flatten())
    return tuple(None if numbers is None else numbers.view_as(tokens_BT) for numbers in found)


class _InChunks(torch.autograd.Function):
    """The gradient by hand for the matrix product, so that the weight's is added up in one place;
    of ``read`` by autograd, chunk by chunk."""

    @staticmethod
    def forward(ctx, read: Read, states_NH: Tensor, weight_VH: Tensor, tokens_N: Tensor):
        ctx.read = read
        ctx.save_for_backward(states_NH, weight_VH, tokens_N)
        weight = weight_VH.to(states_NH.dtype)
        parts = [read(linear(states_NH[part], weight), tokens_N[part])
                 for part in _chunks(len(tokens_N), len(weight))]  # fmt: skip
        return tuple(None if part[0] is None else torch.cat(part)
                     for part in zip(*parts, strict=True))  # fmt: skip

    @staticmethod
    @once_differentiable
    def backward(ctx, *pulls_N: Tensor | None):
        states_NH, weight_VH, tokens_N = ctx.saved_tensors
        weight, exact = weight_VH.to(states_NH.dtype), weight_VH.dtype
        states_grad = torch.empty_like(states_NH)
        weight_grad = torch.zeros_like(weight_VH) if ctx.needs_input_grad[2] else None
        for part in _chunks(len(tokens_N), len(weight)):
            logits = linear(states_NH[part], weight).requires_grad_()
            with torch.enable_grad():
                found = ctx.read(logits, tokens_N[part])
            wanted = [i for i, numbers in enumerate(found) if numbers is not None]
            (pull_NV,) = torch.autograd.grad(
                [found[i] for i in wanted], logits, [pulls_N[i][part] for i in wanted]
            )
            states_grad[part] = pull_NV @ weight
            if weight_grad is not None:  # a frozen layer wants none
                weight_grad.addmm_(pull_NV.T.to(exact), states_NH[part].to(exact))
        return None, states_grad, weight_grad, None


def _chunks(tokens: int, vocabulary: int) -> list[slice]:
    size = max(AT_ONCE // vocabulary, 1)
    return [slice(start, start + size) for start in range(0, tokens, size)]
