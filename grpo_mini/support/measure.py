"""The interval of a share."""

import math


def wilson_interval(right: int, number: int, z: float = 1.96) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927); unlike the normal one it works near 0 and 1."""
    share = right / number
    centre = share + z**2 / (2 * number)
    margin = z * math.sqrt(share * (1 - share) / number + z**2 / (4 * number**2))
    scale = 1 + z**2 / number
    return max(centre - margin, 0.0) / scale, min((centre + margin) / scale, 1.0)
