"""KL estimators: value, noise and expected gradient of k1, k2 and k3 on three tokens."""

import torch

from ...experiments.look import REFERENCE, RULE, SERIES, TICK, TINY
from ...losses import KL_ESTIMATORS, kl_penalty
from ..exact import ExactPolicy
from .base import Lab, slider
from .looks import axes_of, bars_with_numbers, names_below, numbers_beside

TARGETS = ("KL(pi||ref)", "KL(ref||pi)")


def gradient(logits: torch.Tensor, function) -> torch.Tensor:
    """Derivative of ``function(log_probs)`` by the logits."""
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(function(logits.log_softmax(dim=0)), logits)[0]


class KLEstimators(Lab):
    """Good at the value is not good as a loss."""

    title = "KL estimators"
    question = "Predict: which of k1, k2, k3, used as a loss, has no effect at all?"
    presets = {
        "nearly equal": {"pi_1": 0.1, "pi_2": 0.0, "ref_1": 0.0, "ref_2": 0.1},
        "far apart": {"pi_1": 3.0, "pi_2": -1.0, "ref_1": -2.0, "ref_2": 1.0},
        "equal": {"pi_1": 0.5, "pi_2": 0.0, "ref_1": 0.5, "ref_2": 0.0},
    }

    @staticmethod
    def make_controls():
        return {
            "pi_1": slider("pi: logit of token 1", 1.0, -3.0, 3.0, 0.1),
            "pi_2": slider("pi: logit of token 2", 0.0, -3.0, 3.0, 0.1),
            "ref_1": slider("ref: logit of token 1", -0.5, -3.0, 3.0, 0.1),
            "ref_2": slider("ref: logit of token 2", 0.5, -3.0, 3.0, 0.1),
        }

    @staticmethod
    def compute(state):
        pi = ExactPolicy([state["pi_1"], state["pi_2"], 0.0])
        ref = ExactPolicy([state["ref_1"], state["ref_2"], 0.0])
        wanted = {
            TARGETS[0]: gradient(pi.logits, lambda lp: lp.exp() @ (lp - ref.log_probs)),
            TARGETS[1]: gradient(pi.logits, lambda lp: ref.probs @ (ref.log_probs - lp)),
        }
        numbers = {"true": pi.kl(ref).item(), "mean": {}, "noise": {}, "gradient": {}}
        for name in KL_ESTIMATORS:
            k = kl_penalty(pi.log_probs, ref.log_probs, name)
            mean = pi.probs @ k
            numbers["mean"][name] = mean.item()
            numbers["noise"][name] = (pi.probs @ (k - mean).square()).sqrt().item()
            numbers["gradient"][name] = gradient(
                pi.logits, lambda lp, n=name: pi.probs @ kl_penalty(lp, ref.log_probs, n)
            ).tolist()
        numbers["gradient"] |= {name: g.tolist() for name, g in wanted.items()}
        numbers["probs"] = (pi.probs.tolist(), ref.probs.tolist())
        return numbers

    @staticmethod
    def draw(figure, numbers):
        first, second, third = axes_of(figure, 3)
        for i, (colour, hatch) in enumerate(((SERIES[0], ""), (REFERENCE, "//"))):
            places = [x - 0.2 + 0.4 * i for x in range(3)]
            bars_with_numbers(first, places, numbers["probs"][i], 0.38, size=TINY,
                              color=colour, hatch=hatch)  # fmt: skip
        names_below(first, ["token 1", "2", "3"], size=TICK)
        first.set(title="pi, ref (hatched)", ylim=(0, 1))
        means = list(numbers["mean"].values())
        second.errorbar(range(3), means, list(numbers["noise"].values()), fmt="o", color=SERIES[1],
                        capsize=6, markersize=9)  # fmt: skip
        second.axhline(numbers["true"], color=RULE, linestyle=":")
        names_below(second, list(KL_ESTIMATORS), size=TICK)
        second.set_title("value ± std (dotted: KL)")
        numbers_beside(second)
        norms = [sum(x * x for x in g) ** 0.5 for g in numbers["gradient"].values()]
        bars_with_numbers(third, range(5), norms, color=[SERIES[1]] * 3 + [SERIES[0], REFERENCE])
        names_below(third, [*KL_ESTIMATORS, "KL\npi||ref", "KL\nref||pi"], size=TINY)
        third.set_title("length of gradient")
        third.set_ylim(0, 1.2 * max(*norms, 0.01))

    @staticmethod
    def sentence(numbers):
        mean = numbers["mean"]
        return (
            f"KL(pi||ref) is <b>{numbers['true']:.3f}</b>. On average k1 gives {mean['k1']:.3f}, "
            f"k2 {mean['k2']:.3f}, k3 {mean['k3']:.3f}. As a loss k1 pulls with "
            f"{_length(numbers, 'k1'):.3f}, k2 like KL(pi||ref) with {_length(numbers, 'k2'):.3f}, "
            f"k3 like KL(ref||pi) with {_length(numbers, 'k3'):.3f}."
        )


def _length(numbers: dict, name: str) -> float:
    return sum(x * x for x in numbers["gradient"][name]) ** 0.5
