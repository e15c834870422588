"""Gradient checkpointing: a layer's activations are thrown away and made again for the gradient.

What a backward pass needs of a forward pass, some thirty numbers a token for each number of the
hidden state, is most of an update's memory. Computed twice, each layer leaves behind what it was
given and no more (Chen et al., arXiv 1604.06174): a third more computing in the update, and the
same result to the last digit.

transformers' own way takes the cache away and works in train mode. Here a prompt is read once for
all of its responses, through the cache, and models train in eval mode.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import partial

import torch
from torch.nn import Module
from torch.utils.checkpoint import checkpoint
from transformers import Cache
from transformers.modeling_layers import GradientCheckpointingLayer


@contextmanager
def recomputed(models: Iterable[Module], wanted: bool = True) -> Iterator[None]:
    """Inside, passes of these models with gradients compute each layer twice, if that is wanted.

    Raises:
        ValueError: a model is not made of layers that transformers could checkpoint.
    """
    found = [layer for model in models for layer in _layers(model)] if wanted else []
    layers = dict.fromkeys(found)  # a critic may stand on the policy's own
    try:
        for layer in layers:
            layer.forward = partial(_twice, layer.forward)
        yield
    finally:
        for layer in layers:
            vars(layer).pop("forward", None)  # what its class says shows again


def _layers(model: Module) -> list[Module]:
    layers = [part for part in model.modules() if isinstance(part, GradientCheckpointingLayer)]
    if not layers:
        raise ValueError(
            f"gradient_checkpointing needs a model made of transformers' layers, and "
            f"{type(model).__name__} has none: set it to False, and take a smaller "
            f"micro_batch_tokens to save memory"
        )
    return layers


def _twice(forward, *arguments, **named):
    """A layer's forward pass, in which autograd keeps what goes in and nothing of what is inside.

    The layer adds to the cache. So each of the two times it gets a copy of what the cache held
    before, with the same tensors, and the first copy's layers become the cache's own.
    """
    if not torch.is_grad_enabled():
        return forward(*arguments, **named)
    caches = [given for given in (*arguments, *named.values()) if isinstance(given, Cache)]
    before = [list(cache.layers) for cache in caches]

    def run():
        own = [copy(cache) for cache in caches]
        for cache, layers in zip(own, before, strict=True):
            cache.layers = [copy(layer) for layer in layers]

        def instead(given):
            return next((new for old, new in zip(caches, own, strict=True) if given is old), given)

        result = forward(*map(instead, arguments), **{n: instead(g) for n, g in named.items()})
        return result, [cache.layers for cache in own]

    result, after = checkpoint(run, use_reentrant=False, preserve_rng_state=False)
    for cache, layers in zip(caches, after, strict=True):
        cache.layers[:] = layers
    return result
