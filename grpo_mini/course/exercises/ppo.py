"""Exercises of notebook 03: GAE, clipped surrogate, KL estimators, explained variance, the step."""

import torch

from ...advantages import gae as module_gae
from ...advantages import standardize
from ...losses import clipped_surrogate as module_clipped_surrogate
from ...losses import kl_penalty
from ..checker import Mistake, exercise
from ..mine import pieces as my
from .steps import ONLY_PPO, faulty_ppo, mistakes, seen, toy
from .surrogates import clipped, mistaken_surrogates


def gae(rewards, values, mask, gamma, lam):
    advantages = torch.zeros_like(values)
    next_value = next_advantage = torch.zeros_like(values[:, 0])
    for t in reversed(range(values.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        advantages[:, t] = mask[:, t] * (delta + gamma * lam * next_advantage)
        next_value, next_advantage = mask[:, t] * values[:, t], advantages[:, t]
    return advantages


def _gae_cases():
    rewards = torch.tensor([[0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0]])
    values = torch.tensor([[0.2, 0.4, 0.5, 0.9], [0.6, 0.7, 5.0, 5.0]])
    mask = torch.tensor([[1.0, 1, 1, 1], [1.0, 1, 0, 0]])
    common = {"rewards": rewards, "values": values, "mask": mask}
    square = {
        "rewards": torch.tensor([[0.5, -1.0, 2.0], [1.0, 0.0, 0.0], [0.3, -0.4, 0.0]]),
        "values": torch.tensor([[-0.3, 0.8, -1.1], [0.4, 9.0, -9.0], [0.2, -0.6, 9.0]]),
        "mask": torch.tensor([[1, 1, 1], [1, 0, 0], [1, 1, 0]]),
    }
    return [
        {**common, "gamma": 1.0, "lam": 1.0},
        {**common, "gamma": 0.9, "lam": 0.8},
        {**common, "gamma": 1.0, "lam": 0.0, "why": "lam = 0: one step ahead only"},
        {**square, "gamma": 0.95, "lam": 0.5, "why": "a mask of whole numbers, B = T"},
    ]


def _following(values):
    """The value of the token after each; 0 after the last column."""
    return torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], dim=1)


def _deltas(rewards, values, mask, gamma):
    return rewards + gamma * _following(values * mask) - values


def _summed(deltas, mask, decay):
    """Advantages of given deltas: the recursion alone."""
    advantages, later = torch.zeros_like(deltas), torch.zeros_like(deltas[:, 0])
    for t in reversed(range(deltas.shape[1])):
        later = mask[:, t] * (deltas[:, t] + decay * later)
        advantages[:, t] = later
    return advantages


def _handed_on_whole(rewards, values, mask, gamma, lam):
    advantages, later = torch.zeros_like(mask), torch.zeros_like(values[:, 0])
    for t, deltas in reversed(list(enumerate(_deltas(rewards, values, mask, gamma).t()))):
        advantages[:, t] = mask[:, t] * (deltas + gamma * lam * later)
        later = advantages[:, t]
    return advantages


def _a_column_a_response(rewards, values, mask, gamma, lam):
    n = len(values)
    advantages = torch.zeros_like(values)
    advantages[:, :n] = gae(rewards[:, :n], values[:, :n], mask[:, :n], gamma, lam)
    return advantages


def _without_the_last(rewards, values, mask, gamma, lam):
    deltas = _deltas(rewards, values, mask, gamma)
    deltas[:, -1] = 0
    return _summed(deltas, mask, gamma * lam)


def _plainly_standardized(rewards, values, mask, gamma, lam):
    advantages = gae(rewards, values, mask, gamma, lam)
    return (advantages - advantages.mean()) / (advantages.std() + 1e-8)


exercise(
    number="3.1",
    title="generalised advantage estimation",
    solution=gae,
    cases=_gae_cases,
    mistakes=(
        Mistake(
            lambda r, v, m, gamma, lam: gae(r, v, torch.ones_like(m), gamma, lam),
            "The mask is not used: padding gets advantages too, and below lambda 1 or gamma 1 they "
            "flow back into the response.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: m * gae(r, v, torch.ones_like(m), gamma, lam),
            "Masking the result is too late: values of padding have already flowed back into the "
            "response. Mask inside the loop.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: _summed(r + gamma * _following(v) - v, m, gamma * lam),
            "The next advantage is masked, the next value is not: the delta of a response's last "
            "token contains a value of padding. After the last token V is 0.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: (
                m * _summed(_deltas(r, v, m, gamma), torch.ones_like(m), gamma * lam)
            ),
            "The next value is masked, the next advantage is not: the deltas of padding flow back "
            "into the response. After the last token A is 0.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: gae(r, v, m, gamma, 0.0),
            "These are the deltas alone. The advantages of later tokens, times gamma * lam, are "
            "missing.",
        ),
        Mistake(lambda r, v, m, gamma, lam: gae(r, v, m, gamma, 1.0), "lam is not used."),
        Mistake(lambda r, v, m, gamma, lam: gae(r, v, m, 1.0, lam), "gamma is not used."),
        Mistake(
            lambda r, v, m, gamma, lam: _summed(_deltas(r, v, m, 1.0), m, gamma * lam),
            "gamma is missing in delta: the next value is discounted too.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: _summed(_deltas(r, v, m, gamma), m, lam),
            "gamma is in delta but not in the sum: the next advantage counts gamma * lam, not lam.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: _summed(_deltas(r, v, m, gamma), m, 1.0),
            "The deltas are added up unweighted. Each later one counts gamma * lam times as much "
            "as the one before it.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: gae(r, torch.zeros_like(v), m, gamma, lam),
            "The values are not in it: these are sums of discounted rewards.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: gae(r, v, m, gamma, lam) + v * m,
            "These are the returns, advantage plus value: what the critic learns from. The policy "
            "needs the advantages.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: _summed(r - v, m, gamma * lam),
            "The next value is missing in delta: it compares the outlook after the token, "
            "r + gamma * V(next), with the one before it.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: _summed(gamma * _following(v * m) - v, m, gamma * lam),
            "The rewards are not in it: without them nothing says how the response turned out.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: _summed(r + gamma * v - _following(v * m), m, gamma * lam),
            "The two values of delta are exchanged: gamma belongs to the next value, and the "
            "token's own is subtracted.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: -gae(r, v, m, gamma, lam),
            "The sign is reversed: an advantage is what came out minus what was expected.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: _summed(
                _deltas(r, v, m, gamma).flip(1), m.flip(1), gamma * lam
            ).flip(1),
            "The sum runs forwards: each token gets the errors of the tokens before it. It is "
            "to be praised for what came after it.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: gae(r.flip(1), v.flip(1), m.flip(1), gamma, lam).flip(1),
            "The loop runs forwards, so what it calls next is the token before. Go through the "
            "tokens from the last to the first.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: gae(r, v, m, gamma, lam).flip(1),
            "The right numbers in reverse order: a list that is filled from the last token on "
            "has to be turned round at the end.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: gae(r, v, m, gamma, lam).t(),
            "The axes are exchanged: this is [T, B]. `torch.stack(columns, dim=1)` puts the tokens "
            "in the second one.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: _summed(
                r + gamma * torch.cat([(v * m)[:, 1:], (v * m)[:, -1:]], dim=1) - v,
                m,
                gamma * lam,
            ),
            "In the last column the token's own value stands for the next one. The response is "
            "over there: V after it is 0.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: _summed(
                r + gamma * torch.cat([v[:, 1:], v[:, -1:]], dim=1) - v, m, gamma * lam
            ),
            "Delta looks past the end of the response: in the last column the token's own value "
            "stands for the next one, elsewhere a value of padding. There V is 0.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: _summed(
                r + gamma * (v * m).roll(-1, dims=1) - v, m, gamma * lam
            ),
            "`roll` is a ring: after the last column comes the first again. After the last token V "
            "is 0.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: v[:, v.shape[1]],
            "There is no column after the last one. After it V and A are 0, so begin the loop with "
            "`next_value` and `next_advantage` of zeros.",
        ),
        Mistake(
            _without_the_last,
            "The last column is left out. Its next value and next advantage are 0, but its delta, "
            "reward minus value, is not.",
        ),
        Mistake(
            _a_column_a_response,
            "The loop runs over the first B columns: `len(values)` is the number of responses. "
            "There are T = `values.shape[1]` tokens.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: (
                m
                * (_deltas(r, v, m, gamma) + gamma * lam * _following(m * _deltas(r, v, m, gamma)))
            ),
            "Only the next delta is added. The next *advantage* contains all later ones.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: gae(r, v, m, gamma, lam).to(m.dtype),
            "The advantages are cut to whole numbers: `zeros_like(mask)` has the mask's type, and "
            "masks are often of whole numbers. Take `zeros_like(values)`.",
        ),
        Mistake(
            _handed_on_whole,
            "The advantages are cut to whole numbers before the token before gets them: "
            "`zeros_like(mask)` has the mask's type. Take `zeros_like(values)`.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: standardize(gae(r, v, m, gamma, lam), m),
            "They are standardised over the batch. That is a later step, and would hide here what "
            "each token is worth.",
        ),
        Mistake(
            _plainly_standardized,
            "They are standardised over the batch, padding included. That is a later step, and "
            "one for real tokens only.",
        ),
        Mistake(
            lambda r, v, m, gamma, lam: (
                gae(r, v, m, gamma, lam),
                gae(r, v, m, gamma, lam) + v * m,
            ),
            "It returns advantages and returns. Only the advantages are asked for.",
        ),
    ),
    hints=(
        "Go backwards: the last token first. After it, value and advantage are 0.",
        "delta = reward + gamma * next value - value; advantage = delta + gamma * lam * next "
        "advantage.",
        "Multiply by the mask what is handed on to the token before: next value and next "
        "advantage. So padding hands on 0.",
    ),
    module=(module_gae,),
)


def clipped_surrogate(log_probs, old_log_probs, advantages, clip):
    ratio = torch.exp(log_probs - old_log_probs)
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratio * advantages, clipped * advantages)


def _clip_cases():
    old = torch.full((2, 4), -1.0)
    moved = torch.tensor([[0.0, 0.1, 0.5, -0.5], [0.0, 0.1, 0.5, -0.5]])
    advantages = torch.tensor([[1.0], [-1.0]]).expand(2, 4).clone()
    first = {"log_probs": old + moved, "old_log_probs": old, "advantages": advantages, "clip": 0.2}
    old = torch.tensor([[-0.7, -2.0, -1.2], [-3.0, -4.0, -0.9], [-2.5, -1.0, -6.0]]).double()
    moved = torch.tensor([[0.05, 0.3, -0.3], [2.5, -0.15, 0.15], [-0.05, -3.0, 0.5]]).double()
    advantages = torch.tensor([[2.0, -0.5, 3.0], [-1.5, -2.0, 0.7], [-0.4, 0.8, 0.0]]).double()
    square = {"log_probs": old + moved, "old_log_probs": old, "advantages": advantages, "clip": 0.1}
    wide = {
        "log_probs": torch.tensor([[-0.75, -1.25, -1.5, -0.2]]),
        "old_log_probs": torch.tensor([[-1.0, -1.0, -1.0, -1.0]]),
        "advantages": torch.tensor([[0.6, -0.6, -1.2, 1.2]]),
        "clip": 0.3,
    }
    return [first, {**square, "why": "another clip, float64, B = T"}, wide]


def _of_the_ratio(loss, ratio=lambda new, old: torch.exp(new - old)):
    """An answer that goes wrong after the ratio, or in it."""
    return lambda log_probs, old_log_probs, advantages, clip: loss(
        ratio(log_probs, old_log_probs), advantages, clip
    )


def _wrong_side(ratio, A, clip):
    low, high = -clipped(ratio, A, clip), clipped(ratio, -A, clip)
    return -torch.where(A > 0, low, high)


def _log_ratio_clipped(log_probs, old_log_probs, advantages, clip):
    moved = log_probs - old_log_probs
    near = moved.clamp(-clip, clip)
    return -torch.minimum(moved.exp() * advantages, near.exp() * advantages)


def _clipped_too_early(log_probs, old_log_probs, advantages, clip):
    moved = log_probs - old_log_probs
    near = moved.clamp(1 - clip, 1 + clip)
    return -torch.minimum(moved.exp() * advantages, near.exp() * advantages)


exercise(
    number="3.2",
    title="the clipped surrogate",
    solution=clipped_surrogate,
    cases=_clip_cases,
    gradient_of="log_probs",
    mistakes=(
        Mistake(
            _of_the_ratio(_wrong_side),
            "For negative advantages it takes the maximum. It is the minimum for both signs; the "
            "maximum turns the trust region inside out and pushes on without limit.",
        ),
        *mistaken_surrogates(_of_the_ratio),
        Mistake(
            _of_the_ratio(lambda r, A, clip: r.clamp(1 - clip, 1 + clip) * A),
            "The minus sign is missing, and outside the clip a token never gets a gradient, not "
            "even one that has to come back: the minimum with the unclipped product is missing.",
        ),
        Mistake(
            _of_the_ratio(lambda r, A, clip: -clipped(r, A, clip)),
            "The sign is reversed: this is the objective. The loss is minus it.",
        ),
        Mistake(
            _of_the_ratio(clipped, lambda new, old: new.exp() - old.exp()),
            "This is the difference of the probabilities, not their ratio.",
        ),
        Mistake(
            _of_the_ratio(lambda r, A, clip: -(r * A).clamp(1 - clip, 1 + clip)),
            "The product is clipped, and nothing else is there. Clip the ratio, multiply, and take "
            "the minimum with the unclipped product.",
        ),
        Mistake(
            _of_the_ratio(lambda r, A, clip: -torch.minimum(r * A, r.clamp(max=1 + clip) * A)),
            "Only the upper limit is there. With a negative advantage the lower one, 1 - clip, "
            "ends the push.",
        ),
        Mistake(
            _of_the_ratio(lambda r, A, clip: -torch.minimum(r * A, r.clamp(min=1 - clip) * A)),
            "Only the lower limit is there. With a positive advantage the upper one, 1 + clip, "
            "ends the push.",
        ),
        Mistake(
            _of_the_ratio(
                lambda r, A, clip: -torch.minimum(r * A, r.clamp(1 + clip, 1 - clip) * A)
            ),
            "The limits of `clamp` are exchanged: it takes the lower one first. As it stands every "
            "ratio becomes 1 - clip.",
        ),
        Mistake(
            _log_ratio_clipped,
            "The log-ratio is clipped to ±clip. exp(clip) is not 1 + clip: clip the ratio itself.",
        ),
        Mistake(
            _clipped_too_early,
            "The difference of the log-probs is clipped to 1 ± clip. Clip the ratio: first exp, "
            "then `clamp`.",
        ),
        Mistake(
            _of_the_ratio(lambda r, A, clip: -torch.minimum(r * A, r.clamp(1 - clip, 1 + clip))),
            "The clipped ratio is not multiplied with the advantage. The minimum compares two "
            "products.",
        ),
        Mistake(
            _of_the_ratio(lambda r, A, clip: -torch.minimum(r, r.clamp(1 - clip, 1 + clip) * A)),
            "The unclipped ratio is not multiplied with the advantage. The minimum compares two "
            "products.",
        ),
        Mistake(
            _of_the_ratio(
                lambda r, A, clip: -torch.minimum(r.detach() * A, r.clamp(1 - clip, 1 + clip) * A)
            ),
            "The unclipped ratio is detached: where it is the smaller one the gradient is lost.",
        ),
        Mistake(
            _of_the_ratio(lambda r, A, clip: -r * A, lambda new, old: new),
            "This is REINFORCE, log-prob times advantage: ratio and clip are missing. It is right "
            "for the first update only.",
        ),
        Mistake(
            _of_the_ratio(lambda r, A, clip: clipped(r, A, clip).mean()),
            "This is the mean. The loss is wanted for each token, [B, T]: the mean must leave out "
            "padding, and there are several ways to take it.",
        ),
        Mistake(
            _of_the_ratio(lambda r, A, clip: -(-clipped(r, A, clip)).mean(dim=1)),
            "This is one mean a response. The loss is wanted for each token, [B, T].",
        ),
        Mistake(
            _of_the_ratio(lambda r, A, clip: clipped(r, A, clip).sum()),
            "This is the sum. The loss is wanted for each token, [B, T].",
        ),
    ),
    hints=(
        "The ratio of two probabilities is the exp of the difference of their logs.",
        "`ratio.clamp(1 - clip, 1 + clip)` is the second ratio. Multiply both with the advantages.",
        "The smaller of the two products is the objective, whatever the sign. The loss is minus "
        "it.",
    ),
    module=(module_clipped_surrogate,),
)


def kl_estimators(log_probs, ref_log_probs):
    difference = ref_log_probs - log_probs
    k1 = -difference
    k2 = difference**2 / 2
    k3 = torch.exp(difference) - 1 - difference
    return k1, k2, k3


def _kl_cases():
    return [
        {
            "log_probs": torch.tensor([-1.0, -2.0, -0.5, -3.0]),
            "ref_log_probs": torch.tensor([-1.5, -1.0, -0.5, -2.9]),
        },
        {
            "log_probs": torch.tensor([[-0.3, -5.0], [-7.0, -0.1]]).double(),
            "ref_log_probs": torch.tensor([[-4.3, -1.0], [-2.0, -0.7]]).double(),
            "why": "far from the reference, [2, 2], float64",
        },
    ]


def _kl(d=lambda log_probs, ref_log_probs: ref_log_probs - log_probs, **changed):
    """The right answer but for d, or for some estimators as functions of d."""

    def answer(log_probs, ref_log_probs):
        x = d(log_probs, ref_log_probs)
        right = {"k1": -x, "k2": x**2 / 2, "k3": x.exp() - 1 - x}
        return tuple(changed[k](x) if k in changed else right[k] for k in right)

    return answer


def _each_as(change):
    """All three, changed afterwards."""
    return lambda log_probs, ref_log_probs: change(*kl_estimators(log_probs, ref_log_probs))


exercise(
    number="3.3",
    title="k1, k2 and k3",
    solution=kl_estimators,
    cases=_kl_cases,
    gradient_of="log_probs",
    mistakes=(
        Mistake(
            _kl(lambda log_probs, ref_log_probs: log_probs - ref_log_probs),
            "The two policies are exchanged. d is log ref minus log pi, and the samples come from "
            "pi.",
        ),
        Mistake(
            _kl(k3=lambda d: torch.exp(-d) - 1 + d),
            "In k3 the sign of d is turned round. With samples of pi its mean is then no longer "
            "the KL.",
        ),
        Mistake(
            _kl(k1=lambda d: d),
            "k1 has the wrong sign: it is log pi minus log ref.",
        ),
        Mistake(_kl(k2=lambda d: d**2), "k2 lacks its factor of one half."),
        Mistake(
            _kl(k3=lambda d: d.exp() - d),
            "One of them is off by a constant: the gradients are right, the values are not. All "
            "are 0 where the two policies agree, k3 through its -1.",
        ),
        Mistake(
            _kl(k3=lambda d: d.exp() - 1),
            "k3 lacks its -d. Without it k3 can be negative, and its mean is 0 whatever the "
            "policies are.",
        ),
        Mistake(
            _kl(k3=lambda d: d.exp()),
            "k3 is only the ratio here. Its -1 and -d are missing.",
        ),
        Mistake(
            _kl(k3=lambda d: d.exp() - 1 + d),
            "In k3 the last sign is wrong: minus d. With it k3 is never negative.",
        ),
        Mistake(
            _kl(k3=lambda d: torch.exp(-d) - 1 - d),
            "k3 takes the ratio upside down: exp(d) is ref over pi.",
        ),
        Mistake(
            _kl(k3=lambda d: 1 + d - d.exp()),
            "k3 has the wrong sign: as it stands it is never positive, and a KL is never negative.",
        ),
        Mistake(
            _kl(k3=lambda d: torch.exp(d - 1) - d),
            "In k3 the -1 stands inside the exp. It is exp(d), and then minus 1.",
        ),
        Mistake(
            _kl(k3=lambda d: d + d**2 / 2 - d),
            "k3 is cut to its first terms, which is k2. Far from the reference exp(d) differs.",
        ),
        Mistake(
            _kl(k2=lambda d: d / 2),
            "In k2 the square is missing.",
        ),
        Mistake(
            _kl(k2=lambda d: (d / 2) ** 2),
            "In k2 the half is squared too: it is (d squared) / 2.",
        ),
        Mistake(
            _kl(k2=lambda d: -(d**2) / 2),
            "k2 has the wrong sign: a square over 2 is never negative.",
        ),
        Mistake(
            _kl(k2=lambda d: 0.5 * d.abs()),
            "k2 takes the absolute value. It is the square of d, over 2.",
        ),
        Mistake(
            _kl(k1=lambda d: d.abs()),
            "k1 is made positive. One token's k1 may be negative; only the mean of many is a KL.",
        ),
        Mistake(
            _kl(lambda log_probs, ref_log_probs: ref_log_probs.exp() - log_probs.exp()),
            "d is the difference of the probabilities here. It is that of their logs, and those "
            "are what you are given.",
        ),
        Mistake(
            _kl(lambda log_probs, ref_log_probs: ref_log_probs.log() - log_probs.log()),
            "The inputs are logs already. The log of a negative number is NaN.",
        ),
        Mistake(
            _kl(lambda log_probs, ref_log_probs: (ref_log_probs / log_probs).log()),
            "d is the log of a quotient of log-probs. The inputs are logs already: the log of the "
            "ratio is their difference.",
        ),
        Mistake(
            _kl(lambda log_probs, ref_log_probs: (ref_log_probs - log_probs).exp()),
            "d is the ratio of the probabilities here. It is the *log* of the ratio.",
        ),
        Mistake(
            _kl(lambda log_probs, ref_log_probs: ref_log_probs / log_probs),
            "d divides the log-probs. The log of a ratio is the difference of the logs.",
        ),
        Mistake(
            lambda log_probs, ref_log_probs: tuple(
                log_probs.exp() * k for k in kl_estimators(log_probs, ref_log_probs)
            ),
            "Each is weighted with the token's probability. Sampling has already done that: likely "
            "tokens turn up more often.",
        ),
        Mistake(
            _each_as(lambda k1, k2, k3: (k1.mean(), k2.mean(), k3.mean())),
            "These are the means. Each estimator is wanted for each token: which tokens count is "
            "the mask's business.",
        ),
        Mistake(
            _each_as(lambda *each: tuple(k.mean().item() for k in each)),
            "These are the means, as plain numbers. Each estimator is wanted for each token, and "
            "with its gradient: it may become part of a loss.",
        ),
        Mistake(
            _each_as(lambda k1, k2, k3: (k1.sum(), k2.sum(), k3.sum())),
            "These are the sums. Each estimator is wanted for each token.",
        ),
        Mistake(
            _each_as(lambda k1, k2, k3: (k1.sum(-1), k2.sum(-1), k3.sum(-1))),
            "The last axis is summed up. Each estimator is wanted for each token, whatever the "
            "shape.",
        ),
        Mistake(_each_as(lambda k1, k2, k3: (k3, k2, k1)), "The order is k1, k2, k3."),
        Mistake(
            _each_as(lambda k1, k2, k3: k3),
            "This is k3 alone. All three are wanted, as a tuple.",
        ),
        Mistake(
            _each_as(lambda k1, k2, k3: k1 + k2 + k3),
            "The three are added up. Each is an estimate of its own: return a tuple.",
        ),
    ),
    hints=(
        "All three are functions of d = log ref - log pi.",
        "k1 = -d, k2 = d squared over 2.",
        "k3 = exp(d) - 1 - d, which is never negative.",
    ),
    module=(kl_penalty,),
)


def expected_gradient(logits, penalty):
    logits = logits.clone().requires_grad_()
    log_probs = logits.log_softmax(dim=0)
    probs = log_probs.exp().detach()
    return torch.autograd.grad((probs * penalty(log_probs)).sum(), logits)[0]


def _penalty_cases():
    ref = torch.tensor([0.3, -0.2, 0.8]).log_softmax(dim=0)
    other = torch.tensor([2.0, 0.1, -1.0, -3.0, 0.4]).double().log_softmax(dim=0)

    def k2(log_probs):
        return kl_penalty(log_probs, ref, "k2")

    def k3(log_probs):
        return kl_penalty(log_probs, ref, "k3")

    def k3_of_five(log_probs):
        return kl_penalty(log_probs, other, "k3")

    def k1_of_five(log_probs):
        return kl_penalty(log_probs, other, "k1")

    # Logits of its own for each case: an answer may leave a gradient in `logits.grad`.
    return [
        {"logits": torch.tensor([1.0, 0.0, -1.0]), "penalty": k2},
        {"logits": torch.tensor([1.0, 0.0, -1.0]), "penalty": k3},
        {"logits": torch.tensor([-2.0, 3.0, 0.5, 0.0, 1.0]).double(), "penalty": k3_of_five,
         "why": "five tokens, float64"},
        {"logits": torch.tensor([0.2, -0.4, 0.0, 1.5, -1.0]).double(), "penalty": k1_of_five,
         "why": "k1: the expected gradient is 0"},
    ]  # fmt: skip


def _differentiated(loss, by="logits"):
    """The gradient of ``loss(log_probs, penalty)`` by the logits, or by the log-probs."""

    def answer(logits, penalty):
        logits = logits.clone().requires_grad_()
        log_probs = logits.log_softmax(dim=0)
        return torch.autograd.grad(
            loss(log_probs, penalty), logits if by == "logits" else log_probs
        )[0]

    return answer


def _of_raw_logits(logits, penalty):
    logits = logits.clone().requires_grad_()
    weights = logits.softmax(dim=0).detach()
    return torch.autograd.grad((weights * penalty(logits)).sum(), logits)[0]


def _of_raw_logits_throughout(logits, penalty):
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad((logits.exp().detach() * penalty(logits)).sum(), logits)[0]


def _not_in_the_graph(logits, penalty):
    log_probs = logits.clone().requires_grad_().log_softmax(dim=0)
    loss = (log_probs.exp().detach() * penalty(log_probs)).sum()
    return torch.autograd.grad(loss, logits.clone().requires_grad_())[0]


def _weighted_afterwards(logits, penalty):
    return logits.softmax(dim=0) * _differentiated(lambda lp, f: f(lp).sum())(logits, penalty)


exercise(
    number="3.4",
    title="the expected gradient of a penalty",
    solution=expected_gradient,
    cases=_penalty_cases,
    mistakes=(
        Mistake(
            _differentiated(lambda lp, f: (lp.exp() * f(lp)).sum()),
            "The gradient also flows through the probabilities that weigh the tokens. Samples are "
            "drawn, not differentiated: `detach` the weights.",
        ),
        Mistake(
            _differentiated(lambda lp, f: f(lp).mean()),
            "Each token counts the same here. A sample is token a with probability pi(a).",
        ),
        Mistake(
            _differentiated(lambda lp, f: f(lp).sum()),
            "The penalties are summed without weights. A sample is token a with probability pi(a), "
            "so pi(a) weighs its penalty.",
        ),
        Mistake(
            _differentiated(lambda lp, f: (lp.exp() * f(lp)).mean()),
            "The gradient also flows through the weights, and the weighted sum is divided by V. "
            "`detach` the weights; they sum to 1 already.",
        ),
        Mistake(
            _differentiated(lambda lp, f: (lp.exp().detach() * f(lp)).mean()),
            "The weighted penalties are divided by V. The probabilities sum to 1 already: an "
            "expectation is the weighted *sum*.",
        ),
        Mistake(
            _differentiated(lambda lp, f: (lp.exp().detach() * f(lp)).sum(), by="log_probs"),
            "This is the derivative by the log-probs. By the logits it goes on through the "
            "softmax, where one logit moves all log-probs.",
        ),
        Mistake(
            _differentiated(lambda lp, f: (lp.exp() * f(lp)).sum(), by="log_probs"),
            "This is the derivative by the log-probs, and it also flows through the weights. "
            "Differentiate by the logits, and `detach` the weights.",
        ),
        Mistake(
            _differentiated(lambda lp, f: f(lp).sum(), by="log_probs"),
            "This is the derivative by the log-probs, of a sum without weights. Weigh with "
            "pi(a), and differentiate by the logits.",
        ),
        Mistake(
            _differentiated(lambda lp, f: (lp.exp() * f(lp).detach()).sum()),
            "The penalty is held fixed here, and the drawing differentiated: that is "
            "REINFORCE, with the penalty in the reward. Here it is the other way round.",
        ),
        Mistake(
            _differentiated(lambda lp, f: -(lp.exp().detach() * f(lp)).sum()),
            "The sign is reversed: the gradient of the penalty, not of minus the penalty.",
        ),
        Mistake(
            _weighted_afterwards,
            "The finished gradient is multiplied with the probabilities. They weigh each token's "
            "penalty, before the derivative by the logits is taken.",
        ),
        Mistake(
            _differentiated(lambda lp, f: (lp.detach() * f(lp)).sum()),
            "The weights are log-probs. The probability of a token is their exp.",
        ),
        Mistake(
            _differentiated(lambda lp, f: (lp.exp().detach() * f(lp.exp())).sum()),
            "`penalty` gets the probabilities. It takes log-probs.",
        ),
        Mistake(
            _of_raw_logits,
            "`penalty` gets the logits. It takes log-probs: `logits.log_softmax(dim=0)`.",
        ),
        Mistake(
            _of_raw_logits_throughout,
            "The logits are taken for log-probs: their exps do not sum to 1. "
            "`logits.log_softmax(dim=0)` comes first.",
        ),
        Mistake(
            _differentiated(lambda lp, f: f(lp)[lp.argmax()]),
            "This takes the likeliest token alone. The expectation is over all tokens, each with "
            "its probability.",
        ),
        Mistake(
            lambda logits, penalty: (
                logits.softmax(dim=0) * penalty(logits.log_softmax(dim=0))
            ).sum(),
            "This is the expected penalty, one number. Wanted is its gradient, one number a logit.",
        ),
        Mistake(
            lambda logits, penalty: logits.softmax(dim=0) * penalty(logits.log_softmax(dim=0)),
            "These are the weighted penalties; nothing is differentiated.",
        ),
        Mistake(
            lambda logits, penalty: (expected_gradient(logits, penalty),),
            "`torch.autograd.grad` returns a tuple, with one gradient for each thing it "
            "differentiates by: take its `[0]`.",
        ),
        Mistake(
            lambda logits, penalty: penalty(logits.log_softmax(dim=0)).sum().backward(),
            "What is differentiated does not depend on anything with `requires_grad`. Begin with "
            "`logits.clone().requires_grad_()`, and detach the weights only.",
        ),
        Mistake(
            _not_in_the_graph,
            "The loss was not made from the very tensor that it is differentiated by. Call "
            "`requires_grad_()` first, and make everything from that tensor.",
        ),
        Mistake(
            lambda logits, penalty: torch.autograd.grad(
                penalty(logits.clone().requires_grad_().log_softmax(dim=0)).sum(), logits
            ),
            "The tensor that it differentiates by has no `requires_grad`. Give the clone that does "
            "a name, and differentiate by that.",
        ),
        Mistake(
            _differentiated(lambda lp, f: lp.exp().detach() * f(lp)),
            "Only a single number can be differentiated like this: sum the weighted penalties "
            "first.",
        ),
        Mistake(
            lambda logits, penalty: logits.log_softmax(dim=1),
            "`logits` is [V], one axis only: `dim=0`.",
        ),
        Mistake(
            _differentiated(lambda lp, f: f(lp[0])),
            "`penalty` takes the log-probs of all tokens at once, [V]. Call it once, and weigh "
            "what it returns.",
        ),
    ),
    hints=(
        "Training draws token a with probability pi(a) and differentiates its penalty.",
        "So the expectation is the gradient of the sum of pi(a) * penalty(a), where pi(a) is only "
        "a weight.",
        "`log_probs.exp().detach()` are the weights; `torch.autograd.grad(loss, logits)[0]` is the "
        "gradient.",
    ),
)


def explained_variance(returns, values):
    return (1 - (returns - values).var() / returns.var()).item()


def _explained_cases():
    returns = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0])
    wide = torch.tensor([3.0, -2.0, 0.5, 10.0]).double()
    return [
        {"returns": returns, "values": torch.tensor([0.1, 0.8, 0.7, 0.3, 0.9])},
        {"returns": returns, "values": torch.full((5,), 0.4), "why": "a critic that knows nothing"},
        {"returns": returns, "values": 1 - returns, "why": "a critic that is always wrong"},
        {"returns": returns, "values": returns + 2.0, "why": "off by a constant"},
        {"returns": returns, "values": 0.5 * returns, "why": "half of each return"},
        {"returns": wide, "values": torch.tensor([2.5, 0.0, 1.0, 4.0]).double(),
         "why": "returns that are not 0 and 1, float64"},
    ]  # fmt: skip


exercise(
    number="3.5",
    title="explained variance",
    solution=explained_variance,
    cases=_explained_cases,
    mistakes=(
        Mistake(
            lambda returns, values: (
                1 - (returns - values).square().mean() / returns.var(correction=0)
            ).item(),
            "This takes the mean squared error. Explained variance forgives a constant: it asks "
            "for the variance of the error.",
        ),
        Mistake(
            lambda returns, values: (1 - (returns - values).square().mean() / returns.var()).item(),
            "This takes the mean squared error, which counts a constant offset too and divides by "
            "n, not n - 1. Take `(returns - values).var()`.",
        ),
        Mistake(
            lambda returns, values: (1 - (returns - values).square().sum() / returns.var()).item(),
            "This takes the sum of the squared errors: it grows with the number of returns, the "
            "variance does not.",
        ),
        Mistake(
            lambda returns, values: (returns - values).square().mean().item(),
            "This is the critic's loss, the mean squared error. It does not say how much there was "
            "to explain.",
        ),
        Mistake(
            lambda returns, values: ((returns - values).var() / returns.var()).item(),
            "This is the share that is *not* explained.",
        ),
        Mistake(
            lambda returns, values: (values.var() / returns.var()).item(),
            "How much the values vary says nothing about whether they are right.",
        ),
        Mistake(
            lambda returns, values: (1 - values.var() / returns.var()).item(),
            "It compares the variance of the values. What is not explained is the *error*: "
            "returns - values.",
        ),
        Mistake(
            lambda returns, values: (1 - (returns + values).var() / returns.var()).item(),
            "The error is returns *minus* values.",
        ),
        Mistake(
            lambda returns, values: (1 - (returns - values).var() / values.var()).item(),
            "It divides by the variance of the values. What there is to explain is the variance of "
            "the returns.",
        ),
        Mistake(
            lambda returns, values: (1 - returns.var() / (returns - values).var()).item(),
            "The fraction is upside down: variance of the error over variance of the returns.",
        ),
        Mistake(
            lambda returns, values: (
                torch.nan_to_num(torch.corrcoef(torch.stack([returns, values]))[0, 1]).item() ** 2
            ),
            "A squared correlation also praises a critic that is always wrong.",
        ),
        Mistake(
            lambda returns, values: (
                torch.corrcoef(torch.stack([returns, values]))[0, 1].item() ** 2
            ),
            "A squared correlation also praises a critic that is always wrong, and a constant one "
            "makes it NaN.",
        ),
        Mistake(
            lambda returns, values: torch.corrcoef(torch.stack([returns, values]))[0, 1].item(),
            "A correlation does not see the scale: half of each return would be perfect. And a "
            "constant critic makes it NaN.",
        ),
        Mistake(
            lambda returns, values: (
                torch.cov(torch.stack([returns, values]))[0, 1] / returns.var()
            ).item(),
            "A covariance says how far the values move along with the returns, not how far off "
            "they are: twice each return would get 2.",
        ),
        Mistake(
            lambda returns, values: (
                1 - (returns - values).var() / returns.var(correction=0)
            ).item(),
            "The variance of the returns divides by n, that of the error by n - 1. Divide both by "
            "the same.",
        ),
        Mistake(
            lambda returns, values: (
                1 - (returns - values).var(correction=0) / returns.var()
            ).item(),
            "The variance of the error divides by n, that of the returns by n - 1. Divide both by "
            "the same.",
        ),
        Mistake(
            lambda returns, values: (1 - (returns - values).std() / returns.std()).item(),
            "These are standard deviations. Variances add up to a whole, their roots do not.",
        ),
        Mistake(
            lambda returns, values: (
                1 - (returns - values).abs().mean() / (returns - returns.mean()).abs().mean()
            ).item(),
            "These are mean absolute deviations. A variance is made of squares.",
        ),
        Mistake(
            lambda returns, values: ((1 - (returns - values).var()) / returns.var()).item(),
            "The brackets are wrong: first divide the two variances, then subtract from 1.",
        ),
        Mistake(
            lambda returns, values: (1 - (returns - values).var()).item(),
            "It is not divided by the variance of the returns. A share needs the whole.",
        ),
        Mistake(
            lambda returns, values: (returns.var() - (returns - values).var()).item(),
            "This is the explained variance in the returns' unit squared. Divided by their "
            "variance it is a share.",
        ),
        Mistake(
            lambda returns, values: max(0.0, explained_variance(returns, values)),
            "It is cut off at 0. Below 0 a critic is worse than a constant, and that has to show.",
        ),
        Mistake(
            lambda returns, values: abs(explained_variance(returns, values)),
            "The sign is lost. Below 0 a critic is worse than a constant, and that has to show.",
        ),
        Mistake(
            lambda returns, values: -explained_variance(returns, values),
            "The sign is reversed: 1 is a perfect critic.",
        ),
        Mistake(
            lambda returns, values: 100 * explained_variance(returns, values),
            "This is in percent. A perfect critic gets 1.",
        ),
        Mistake(
            lambda returns, values: 1 - (returns - values) / returns.var(),
            "The error itself is divided. Take its variance, which is one number.",
        ),
        Mistake(
            lambda returns, values: (1 - (returns.mean() - values.mean()) / returns.var()).item(),
            "This compares the means. A critic can be right on average and know nothing.",
        ),
    ),
    hints=(
        "What the critic does not explain is its error: returns - values.",
        "Compare the variance of the error with the variance of the returns.",
        "1 for a perfect critic, 0 for a constant one, below 0 for a harmful one.",
    ),
)


def ppo_step(policy, critic, optimizer, rewards, old_log_probs, ref_log_probs, mask,
             gamma, lam, clip, kl_coef, vf_coef, updates):  # fmt: skip
    values = critic().detach() * mask
    paid = torch.zeros_like(values)
    paid[torch.arange(len(rewards)), mask.sum(dim=1).long() - 1] = rewards
    advantages = my.gae(paid, values, mask, gamma, lam)
    returns = advantages + values
    advantages = standardize(advantages, mask)
    seen = {"advantages": advantages, "returns": returns}
    for update in range(1, updates + 1):
        log_probs = policy()
        surrogate = my.clipped_surrogate(log_probs, old_log_probs, advantages, clip)
        k3 = my.kl_estimators(log_probs, ref_log_probs)[2]
        errors = (critic() - returns) ** 2
        policy_loss, kl, value_loss = (
            (x * mask).sum() / mask.sum() for x in (surrogate, k3, errors)
        )
        loss = policy_loss + kl_coef * kl + vf_coef * value_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen[update] = {"policy_loss": policy_loss, "kl": kl, "value_loss": value_loss,
                        "loss": loss}  # fmt: skip
    return seen


def _step_cases():
    first = toy([1.0, 0.0, 1.0, 0.0], [4, 3, 1, 4], 2, with_critic=True)
    second = toy([0.5, 2.0, 0.0], [2, 5, 4], 3, with_critic=True)
    return [
        {**first, "gamma": 0.9, "lam": 0.8, "clip": 0.2, "kl_coef": 0.5, "vf_coef": 0.3,
         "updates": 2},
        {**second, "gamma": 0.95, "lam": 0.5, "clip": 0.1, "kl_coef": 0.2, "vf_coef": 0.6,
         "updates": 3, "why": "other settings, three updates"},
    ]  # fmt: skip


exercise(
    number="3.6",
    title="the PPO step",
    solution=ppo_step,
    cases=_step_cases,
    seen=seen,
    mistakes=mistakes(faulty_ppo, ONLY_PPO),
    hints=(
        "Once for the batch: values without gradient, the reward at each response's last token, "
        "`my.gae`, returns = advantages + values, and then `standardize(advantages, mask)`.",
        "`updates` times: `my.clipped_surrogate` with `policy()`, `my.kl_estimators(...)[2]`, and "
        "the squared error of `critic()` to the returns, each as one mean over real tokens: "
        "`(x * mask).sum() / mask.sum()`.",
        "The loss is the first plus `kl_coef` times the second plus `vf_coef` times the third. "
        "Then `optimizer.zero_grad()`, `loss.backward()`, `optimizer.step()`, and "
        "`seen[update] = {...}`.",
    ),
    module=(my.ppo_step,),
)
