"""Log-probs and advantages -> losses: one short pure function a formula.

Shapes: B samples, T response tokens (padded on the right), V vocabulary entries. Everything is
computed in float32 or better, whatever the model's dtype, because ratios of log-probs near 1 are
what the algorithms are about.
"""

from math import inf

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

AGGREGATIONS = ("sequence", "token", "constant")
KL_ESTIMATORS = ("k1", "k2", "k3")


def _scaled(logits: Tensor, temperature: float) -> Tensor:
    """Logits / temperature, in at least float32."""
    _require_tensors(logits=logits)
    if not isinstance(temperature, int | float) or not 0 < temperature < inf:
        raise ValueError(f"temperature must be above 0, got {temperature!r}")
    logits = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    return logits if temperature == 1.0 else logits / temperature


def _require_tensors(**tensors: Tensor) -> None:
    """Refuse lists, arrays and numbers."""
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise ValueError(f"{name} must be a tensor, got a {type(tensor).__name__}")


def _require_at_least_0(**limits: float) -> None:
    for name, value in limits.items():
        if not value >= 0:
            raise ValueError(f"{name} must be at least 0, got {value}")


def _require_alike(name: str, like: Tensor, **tensors: Tensor) -> None:
    """Refuse tensors that would be stretched along a wrong axis: [B] where [B, 1] was meant.

    Raises:
        ValueError: no tensor, another number of axes than ``like``, or a size that is neither its
            nor 1.
    """
    _require_tensors(**{name: like}, **tensors)
    for other, tensor in tensors.items():
        sizes = zip(tensor.shape, like.shape, strict=False)
        if tensor.dim() != like.dim() or any(a not in (1, b) for a, b in sizes):
            raise ValueError(
                f"{other} must have the shape of {name}, {list(like.shape)}, or 1 in place of a "
                f"size; got {list(tensor.shape)}"
            )


def token_log_probs(logits_BTV: Tensor, tokens_BT: Tensor, temperature: float = 1.0) -> Tensor:
    """log pi(token) under softmax(logits / temperature), [B, T].

    The temperature has to be the one the tokens were sampled with: otherwise the ratio of new to
    old probabilities is wrong from the first token on.
    """
    logits = _scaled(logits_BTV, temperature)
    _require_tensors(tokens=tokens_BT)
    if tokens_BT.shape != logits.shape[:-1]:
        shapes = f"{list(tokens_BT.shape)} for logits {list(logits.shape)}"
        raise ValueError(f"tokens must have the logits' shape without V, got {shapes}")
    chosen = logits.gather(-1, tokens_BT.unsqueeze(-1)).squeeze(-1)
    return chosen - logits.logsumexp(dim=-1)


def entropy(logits_BTV: Tensor, temperature: float = 1.0) -> Tensor:
    """Entropy of softmax(logits / temperature) at each position, in nats, [B, T].

    It is the expectation over the whole vocabulary, not -log pi of the token that was sampled.
    """
    logits = _scaled(logits_BTV, temperature)
    return logits.logsumexp(dim=-1) - (logits.softmax(dim=-1) * logits).sum(dim=-1)


def clipped_surrogate(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    dual_clip: float | None = None,
) -> Tensor:
    """-min(ratio * A, clip(ratio, 1 - clip_low, 1 + clip_high) * A), per token [B, T].

    The minimum, for positive and negative advantages alike (PPO, arXiv 1707.06347, equation 7);
    two limits instead of one are DAPO's (arXiv 2503.14476, equation 10). With ``dual_clip`` c a
    bad token's objective is at least c * A, so that one with a huge ratio cannot rule the batch
    (arXiv 1912.09729, equation 5).

    Args:
        log_probs, old_log_probs: [B, T], of the policy now and of the policy that sampled.
        advantages: [B, T], or [B, 1] for one advantage a response.

    Raises:
        ValueError: ``dual_clip`` is not above 1; it would flatten tokens that have not moved. Or
            a shape does not fit: advantages [B] would weigh tokens, not responses.
    """
    _require_alike("log_probs", log_probs, old_log_probs=old_log_probs, advantages=advantages)
    _require_at_least_0(clip_low=clip_low, clip_high=clip_high)
    if dual_clip is not None and not dual_clip > 1:
        raise ValueError(f"dual_clip must be above 1, got {dual_clip}")
    ratio = torch.exp(log_probs - old_log_probs)
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    objective = torch.minimum(ratio * advantages, clipped * advantages)
    if dual_clip is not None:
        bounded = torch.maximum(objective, dual_clip * advantages)
        objective = torch.where(advantages < 0, bounded, objective)
    return -objective


def kl_penalty(log_probs: Tensor, ref_log_probs: Tensor, estimator: str = "k3") -> Tensor:
    """Estimate KL(pi || ref) from samples of pi, per token [B, T], in nats.

    ``k1`` = -d, ``k2`` = d**2 / 2, ``k3`` = exp(d) - 1 - d with d = log ref - log pi (Schulman,
    "Approximating KL divergence", 2020). As values k1 and k3 are unbiased. As losses they differ:
    on-policy, at a given prefix, the expected gradient of k1 is 0, k2 gives that of KL(pi || ref),
    and k3 gives that of KL(ref || pi) (arXiv 2506.09477). Summed over a response k1's is still 0,
    but k2 and k3 leave out how a token changes what comes after it; only k1 as a reward has the
    whole gradient. With a mean over a response's tokens even k1 as a loss is left with one, which
    pulls on the length.
    """
    _require_alike("log_probs", log_probs, ref_log_probs=ref_log_probs)
    difference = ref_log_probs - log_probs
    if estimator == "k1":
        return -difference
    if estimator == "k2":
        return difference**2 / 2
    if estimator == "k3":
        return torch.expm1(difference) - difference
    raise ValueError(f"unknown KL estimator {estimator!r}; there are: {', '.join(KL_ESTIMATORS)}")


def value_loss(
    values: Tensor, returns: Tensor, old_values: Tensor | None = None, clip: float | None = None
) -> Tensor:
    """Squared error of the critic, (V - return)**2, per token [B, T].

    With ``clip`` the critic may move at most ``clip`` from ``old_values`` and the larger of the
    two errors counts (PPO's reference implementation; arXiv 2005.12729).
    """
    old = values if old_values is None else old_values
    _require_alike("values", values, returns=returns, old_values=old)
    error = (values - returns) ** 2
    if clip is None:
        return error
    _require_at_least_0(clip=clip)
    if old_values is None:
        raise ValueError("value_loss with clip needs old_values, the values before the update")
    clipped = old + (values - old).clamp(-clip, clip)
    return torch.maximum(error, (clipped - returns) ** 2)


def preference_loss(chosen: Tensor, rejected: Tensor) -> Tensor:
    """-log sigmoid(chosen - rejected), the mean over pairs: scores [N], [N] -> scalar.

    The Bradley-Terry model says that the chosen response wins with probability sigmoid(difference
    of the scores); this is minus the log-likelihood (InstructGPT, arXiv 2203.02155, equation 1).
    """
    _require_alike("chosen", chosen, rejected=rejected)
    # Not log(sigmoid(x)): in float32 that sigmoid is exactly 0 from x = -104 on.
    return -logsigmoid(chosen - rejected).mean()


def token_weights(mask_BT: Tensor, mode: str = "sequence", length: int | None = None) -> Tensor:
    """What each token weighs in the batch's loss, [B, T]; 0 on padding.

    Weights of the *whole* batch let micro-batches be summed to exactly the undivided loss: means
    of micro-batches would not, because responses differ in length.
    """
    _require_tensors(mask=mask_BT)
    if mask_BT.dim() != 2:
        raise ValueError(f"the mask must have shape [B, T], got {list(mask_BT.shape)}")
    mask = mask_BT.to(torch.float32) if not mask_BT.is_floating_point() else mask_BT
    batch_size = mask.shape[0]
    if mode == "sequence":
        return mask / mask.sum(dim=1, keepdim=True).clamp(min=1) / batch_size
    if mode == "token":
        return mask / mask.sum().clamp(min=1)
    if mode == "constant":
        if not isinstance(length, int) or length < 1:
            raise ValueError(f"mode 'constant' needs length, the longest response; got {length}")
        return mask / (batch_size * length)
    raise ValueError(f"unknown aggregation {mode!r}; there are: {', '.join(AGGREGATIONS)}")


def aggregate(
    per_token_BT: Tensor, mask_BT: Tensor, mode: str = "sequence", length: int | None = None
) -> Tensor:
    """Per-token losses -> one number.

    ``sequence``: mean over samples of the mean over each one's tokens (GRPO, arXiv 2402.03300).
    ``token``: one mean over all tokens of the batch, as TRL and verl do it (DAPO, arXiv 2503.14476,
    equation 8, writes the mean over one question's group).
    ``constant``: sum / (B * length), no division by a response's own length (Dr. GRPO, arXiv
    2503.20783).
    """
    return weighted_sum(per_token_BT, mask_BT, token_weights(mask_BT, mode, length))


def weighted_sum(per_token_BT: Tensor, mask_BT: Tensor, weights_BT: Tensor) -> Tensor:
    """Sum of weight * value over the tokens inside the mask.

    Padding is cut out, not multiplied by 0: a NaN there would survive the product.
    """
    _require_alike("the per-token losses", per_token_BT, mask=mask_BT, weights=weights_BT)
    return (per_token_BT.masked_fill(mask_BT == 0, 0) * weights_BT).sum()
