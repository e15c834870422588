"""What typically goes wrong with the clipped surrogate, in 3.2 by itself and in 4.5 in the loss."""

from collections.abc import Callable

import torch

from ..checker import Mistake


def clipped(ratio, A, clip):
    """The loss per token, right."""
    return -torch.minimum(ratio * A, ratio.clamp(1 - clip, 1 + clip) * A)


# What it says, the loss of a ratio, and the ratio where that is wrong too.
WRONG = (
    (
        "It comes out as minus the *maximum* of the two products (`min(-x, -y)` is "
        "that too). Minus the minimum is the larger of the two losses.",
        lambda r, A, clip: -torch.maximum(r * A, r.clamp(1 - clip, 1 + clip) * A),
    ),
    (
        "It comes out as plus the maximum of the two products (`-min(-x, -y)` is that "
        "too). The minus sign belongs in front of the minimum, once.",
        lambda r, A, clip: torch.maximum(r * A, r.clamp(1 - clip, 1 + clip) * A),
    ),
    (
        "Outside the clip a token never gets a gradient here, not even one that moved "
        "the wrong way and has to come back. The minimum with the unclipped product "
        "keeps that.",
        lambda r, A, clip: -r.clamp(1 - clip, 1 + clip) * A,
    ),
    (
        "Nothing is clipped: the policy gains by moving on, however far it already is "
        "from the one that sampled.",
        lambda r, A, clip: -r * A,
    ),
    (
        "The ratio is upside down: it is new over old, exp(new - old).",
        clipped,
        lambda new, old: torch.exp(old - new),
    ),
    (
        "The exp is missing: a difference of log-probs is the log of the ratio. Where "
        "nothing has moved it is 0, and the ratio is 1.",
        clipped,
        lambda new, old: new - old,
    ),
    (
        "This divides log-probs. The ratio is one of probabilities: exp(new - old).",
        clipped,
        lambda new, old: new / old,
    ),
    (
        "The old policy is not in it: the ratio says how far the policy has moved *from* it.",
        clipped,
        lambda new, old: new.exp(),
    ),
    (
        "The product is clipped, advantage included. Clip the ratio, then multiply: "
        "only the ratio is near 1.",
        lambda r, A, clip: -torch.minimum(r * A, (r * A).clamp(1 - clip, 1 + clip)),
    ),
    (
        "0.2 is written into it. Use the argument `clip`: PPO and DAPO set it differently.",
        lambda r, A, clip: clipped(r, A, 0.2),
    ),
    (
        "The limits are -clip and clip. A ratio that has not moved is 1, so they are "
        "1 - clip and 1 + clip.",
        lambda r, A, clip: -torch.minimum(r * A, r.clamp(-clip, clip) * A),
    ),
    (
        "The advantages are not in it: every token is pushed up, good or bad.",
        lambda r, A, clip: -torch.minimum(r, r.clamp(1 - clip, 1 + clip)),
    ),
    (
        "Python's `min`, `max` and `if` want one truth value, and each token has its "
        "own. `torch.minimum`, `clamp` and `torch.where` go token by token.",
        lambda r, A, clip: -min(r * A, r.clamp(1 - clip, 1 + clip) * A),
    ),
)


def mistaken_surrogates(answer: Callable) -> tuple[Mistake, ...]:
    """Each as a mistake of the exercise that makes an answer of a loss and, maybe, a ratio."""
    return tuple(Mistake(answer(*parts), because) for because, *parts in WRONG)
