"""Rewards -> advantages: every way to say how good a response was, as pure tensor functions.

Shapes: B samples, T response tokens, G = group_size. The samples of one group are neighbours.
"""

from collections.abc import Callable
from math import inf

import torch
from torch import Tensor

# Rewards of 0 and 1 spread this little where fewer than one response in a hundred differs.
FLOOR = 0.1


def _grouped(rewards_B: Tensor, group_size: int, unscored: bool = False) -> Tensor:
    """View rewards [B] as [B // G, G], without an incomplete last group.

    Args:
        unscored: whether NaN may stand for samples that no reward function applied to.

    Raises:
        ValueError: not one-dimensional, group_size below 2, no complete group, NaN or infinite.
    """
    if not isinstance(rewards_B, Tensor) or rewards_B.dim() != 1:
        seen = list(rewards_B.shape) if isinstance(rewards_B, Tensor) else type(rewards_B).__name__
        raise ValueError(f"rewards must be a tensor of shape [B], got {seen}")
    if not isinstance(group_size, int) or group_size < 2:
        raise ValueError(
            f"group_size must be at least 2, got {group_size}: a group of one is its own mean, "
            f"so its relative reward would always be 0"
        )
    if len(rewards_B) < group_size:
        raise ValueError(
            f"group_size={group_size} needs at least {group_size} rewards, got {len(rewards_B)}"
        )
    bad = (~torch.isfinite(rewards_B) & ~(rewards_B.isnan() & unscored)).nonzero().flatten()
    if len(bad):
        raise ValueError(f"reward {bad[0]} is {rewards_B[bad[0]].item()}; rewards must be finite")
    complete = len(rewards_B) // group_size * group_size
    rewards = rewards_B[:complete]
    return (rewards if rewards.is_floating_point() else rewards.float()).view(-1, group_size)


def silent_groups(rewards_B: Tensor, group_size: int) -> Tensor:
    """True for each group [B // G] whose rewards are all equal: it has nothing to teach.

    NaN marks a sample that was not scored; a group with fewer than two others is silent.
    """
    groups = _grouped(rewards_B, group_size, unscored=True)
    return ~(groups.nan_to_num(inf).amin(dim=1) < groups.nan_to_num(-inf).amax(dim=1))


def compare_scored(
    rewards_B: Tensor, group_size: int, compare: Callable[[Tensor, int], tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    """``compare`` each group among the samples that were scored; NaN marks those that were not.

    An unscored sample gets 0 and moves nobody's mean or spread. A group with fewer than two scored
    samples has nothing to compare.

    Returns:
        As ``compare``, which is `compute_relative_rewards` with its options.
    """
    groups = rewards_B[: len(rewards_B) // group_size * group_size].view(-1, group_size)
    relative, baselines = torch.zeros_like(groups), groups.nanmean(dim=1).nan_to_num(0.0)
    for i, scored in enumerate(~groups.isnan()):
        if scored.sum() > 1:
            found, baselines[i : i + 1] = compare(groups[i, scored], int(scored.sum()))
            relative[i, scored] = found
    return relative.flatten(), baselines


def compute_relative_rewards(
    rewards_B: Tensor,
    group_size: int,
    normalize: bool = True,
    ddof: int = 1,
    eps: float = 1e-8,
    relative_reward_weight: float = 1.0,
    baseline_reward_weight: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Compare each reward with the mean of its group (GRPO, arXiv 2402.03300, section 4.1.2).

    Args:
        rewards_B: rewards [B], in the caller's unit; a group is ``group_size`` neighbours.
        normalize: divide by the group's standard deviation + eps; False is Dr. GRPO's choice.
        ddof: 1 divides the squared deviations by G - 1 (TRL, verl), 0 by G.
        relative_reward_weight, baseline_reward_weight: the result is ``relative_reward_weight *
            relative + baseline_reward_weight * baseline``. With w for the second weight (and 1
            for the first, normalize=False) this is the shrunken baseline (1 - w) * mean.

    Returns:
        Relative rewards [B'], where B' leaves out an incomplete last group, and the group means
        [B' // G]. A silent group, all rewards equal, has relative reward exactly 0 before the mix.

    Raises:
        ValueError: not [B], group_size below 2 or above B, NaN or infinite rewards, ddof that
            leaves nothing to divide by.
    """
    rewards = _grouped(rewards_B, group_size)
    if normalize and not (isinstance(ddof, int) and 0 <= ddof < group_size):
        raise ValueError(f"ddof must be between 0 and group_size - 1, got {ddof}")
    baselines = rewards.mean(dim=1, keepdim=True)
    relative = rewards - baselines
    if normalize:
        relative = relative / (rewards.std(dim=1, keepdim=True, correction=ddof) + eps)
    # Rounding leaves a residue in the mean of equal rewards; divided by eps it would shout.
    silent = silent_groups(rewards_B, group_size).unsqueeze(1)
    relative = relative.masked_fill(silent, 0.0)
    mixed = relative_reward_weight * relative + baseline_reward_weight * baselines
    return mixed.flatten(), baselines.flatten()


def leave_one_out(rewards_B: Tensor, group_size: int) -> Tensor:
    """Reward minus the mean of the *other* rewards of the group, [B'] (RLOO, arXiv 2402.14740).

    Equal to G / (G - 1) times the centred reward, and unbiased: no reward is in its own baseline.

    Raises:
        ValueError: as `compute_relative_rewards`.
    """
    relative, _ = compute_relative_rewards(rewards_B, group_size, normalize=False)
    return relative * group_size / (group_size - 1)


def standardize(
    advantages: Tensor, mask: Tensor | None = None, eps: float = 1e-8, floor: float = FLOOR
) -> Tensor:
    """Shift and scale to mean 0 and standard deviation 1 over the batch (ddof 0).

    Args:
        advantages: any shape.
        mask: the same shape; where it is 0 the value counts for nothing and becomes 0.
        floor: below this standard deviation, in the rewards' unit, there is little to compare, and
            the values are only centred: divided by it, a critic's small errors would shout as loud
            as rewards. The default suits rewards of about 1; 0 divides whatever the spread.

    Returns:
        The same shape. Equal advantages give exactly 0.

    Raises:
        ValueError: a mask of another shape.
    """
    if not isinstance(advantages, Tensor):
        raise ValueError(f"advantages must be a tensor, got a {type(advantages).__name__}")
    if mask is not None and mask.shape != advantages.shape:
        shapes = f"{list(mask.shape)} for advantages {list(advantages.shape)}"
        raise ValueError(f"the mask must have the advantages' shape, got {shapes}")
    keep = torch.ones_like(advantages, dtype=torch.bool) if mask is None else mask.bool()
    kept = advantages[keep]
    if len(kept) == 0 or (kept == kept[0]).all():
        return torch.zeros_like(advantages)
    centred, spread = advantages - kept.mean(), kept.std(correction=0)
    standardized = centred / (spread + eps) if spread >= floor else centred
    return standardized.masked_fill(~keep, 0.0)


def gae(
    rewards_BT: Tensor, values_BT: Tensor, mask_BT: Tensor, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation per token (arXiv 1506.02438, equation 16).

    delta_t = r_t + gamma * V_{t+1} - V_t and A_t = delta_t + gamma * lam * A_{t+1}, where both
    V and A are 0 after the last token. With gamma = lam = 1 and one reward R at the end, every
    token's advantage is R - V_t. ``mask_BT`` is 1 on every response token, padding on the right.

    Returns:
        Advantages and returns (advantages + values), both [B, T] and 0 on padding.
    """
    for name, value in (("gamma", gamma), ("lam", lam)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be between 0 and 1, got {value}")
    if not rewards_BT.shape == values_BT.shape == mask_BT.shape or mask_BT.dim() != 2:
        shapes = [list(tensor.shape) for tensor in (rewards_BT, values_BT, mask_BT)]
        raise ValueError(f"rewards, values and mask must have one shape [B, T], got {shapes}")
    padding = mask_BT == 0
    values, rewards = values_BT.masked_fill(padding, 0), rewards_BT.masked_fill(padding, 0)
    advantages = torch.zeros_like(values)
    next_value = next_advantage = torch.zeros_like(values[:, 0])
    for t in reversed(range(values.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        advantages[:, t] = delta + gamma * lam * next_advantage
        advantages[:, t].masked_fill_(padding[:, t], 0)
        next_value, next_advantage = values[:, t], advantages[:, t]
    return advantages, advantages + values
