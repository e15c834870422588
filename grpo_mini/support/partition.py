"""Dividing sequences into parts that are cheap to read together."""

from collections.abc import Sequence

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
    ranks, sizes = [rank[prompt] for prompt in prompts], list(map(len, prompts))
    order = sorted(range(len(lengths)), key=lambda row: (lengths[row], ranks[row]))
    # For the first n rows: how many tokens in all, and where their last part begins.
    cheapest = [(0, 0)]
    for end in range(1, len(order) + 1):
        choices, read, widest = [], set(), 0
        for begin in reversed(range(end)):
            read.add(ranks[order[begin]])  # once for all its samples
            widest = max(widest, sizes[order[begin]])
            tokens = (end - begin) * lengths[order[end - 1]] + len(read) * widest
            if tokens > max_tokens and choices:
                break
            choices.append((cheapest[begin][0] + tokens + a_pass, begin))
        cheapest.append(min(choices))
    parts, end = [], len(order)
    while end:
        begin = cheapest[end][1]
        parts.insert(0, sorted(order[begin:end]))
        end = begin
    return parts
