"""Dividing sequences into parts that are cheap to read together."""

from collections.abc import Sequence

import numpy

# A forward and backward pass takes so many tokens' time before its first token, by kind of device.
# A GPU's pass is its launches: `make gpu-check` measures the figure.
PASS_COST = {"cpu": 256, "cuda": 8192, "mps": 2048}


def pass_cost(device_type: str) -> int:
    """What a pass costs on a kind of device, in tokens; a figure, not a measurement of this
    machine, so that the same run is divided in the same way wherever it goes on."""
    return PASS_COST.get(device_type, PASS_COST["cuda"])


def cheapest_parts(
    lengths: Sequence[int], prompts: Sequence[tuple[int, ...]], max_tokens: int, a_pass: int
) -> list[list[int]]:
    """Divide rows into parts of at most ``max_tokens`` tokens, padding included.

    Sorted by length, where to cut follows from the cheapest division of all shorter rows: the one
    with the fewest tokens in all, where each part costs ``a_pass`` more. A row that is longer than
    ``max_tokens`` makes a part of its own.

    Args:
        lengths: of each row's response, padded to the longest of its part.
        prompts: of each row; equal ones of a part are read once, padded to the longest.
        a_pass: what each part costs besides its tokens, in tokens.

    Returns:
        The indices of each part's rows, in order.
    """
    rank = {prompt: i for i, prompt in enumerate(sorted(set(prompts)))}
    order = sorted(range(len(lengths)), key=lambda row: (lengths[row], rank[prompts[row]]))
    sizes = numpy.array([len(prompts[row]) for row in order])
    # Where each row's prompt comes next: read backwards, it is new if that is past the part's end.
    following, seen = numpy.full(len(order), len(order)), {}
    for place in reversed(range(len(order))):
        following[place] = seen.get(prompts[order[place]], len(order))
        seen[prompts[order[place]]] = place
    # For the first n rows: how many tokens in all, and where their last part begins.
    cheapest, begins = numpy.zeros(len(order) + 1, dtype=int), [0]
    for end in range(1, len(order) + 1):
        read = numpy.cumsum(following[:end][::-1] >= end)  # once for all its samples
        widest = numpy.maximum.accumulate(sizes[:end][::-1])
        tokens = (numpy.arange(1, end + 1) * lengths[order[end - 1]] + read * widest)[::-1]
        first = min(numpy.searchsorted(-tokens, -max_tokens), end - 1)  # tokens fall with begin
        costs = cheapest[first:end] + tokens[first:] + a_pass
        begins.append(first + int(costs.argmin()))
        cheapest[end] = costs.min()
    parts, end = [], len(order)
    while end:
        begin = begins[end]
        parts.insert(0, sorted(order[begin:end]))
        end = begin
    return parts
