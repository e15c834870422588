"""The interval of a share, and what rewards are on average."""

import math

from torch import Tensor


def wilson_interval(right: int, number: int, z: float = 1.96) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927); unlike the normal one it works near 0 and 1."""
    share = right / number
    centre = share + z**2 / (2 * number)
    margin = z * math.sqrt(share * (1 - share) / number + z**2 / (4 * number**2))
    scale = 1 + z**2 / number
    return max(centre - margin, 0.0) / scale, min((centre + margin) / scale, 1.0)


def mean_and_spread(rewards_B: Tensor) -> tuple[float, float]:
    """Mean and standard deviation of the samples that were scored; exactly 0 if all are equal."""
    paid = rewards_B[~rewards_B.isnan()]
    if len(paid) == 0:
        return 0.0, 0.0
    differ = bool((paid != paid[0]).any())
    return paid.mean().item(), paid.std(correction=0).item() if differ else 0.0
