"""Bias lab: a judge that errs in a known way, and what is left of it in the advantages."""

import torch

from ...advantages import compute_relative_rewards
from ...experiments.look import LABEL, REFERENCE, SERIES, TINY
from .base import Lab, choice, flag, slider
from .looks import axes_of, bars_at, bars_with_numbers, names_below, zero_line

TRUE = (1.0, 1.0, 0.0, 0.0, 0.0, 0.0)  # what the verifier pays the group
LENGTHS = (14, 44, 10, 38, 12, 56)  # characters of the responses
BASELINES = ("group mean", "critic V")
NOTHING = 1e-6


def advantages_of(rewards: torch.Tensor, state: dict) -> torch.Tensor:
    """Advantages [G] of a group under the chosen baseline, divided by its std if wanted."""
    centred, mean = compute_relative_rewards(rewards, len(rewards), normalize=False)
    result = compute_relative_rewards(rewards, len(rewards))[0] if state["std"] else centred
    if state["baseline"] == "group mean":
        return result
    # The critic's V in place of the mean. The scale is the module's: normalised over centred.
    loud = centred != 0
    factor = (result[loud] / centred[loud]).mean() if loud.any() else torch.tensor(1.0)
    return factor * (rewards - state["value"])


class BiasLab(Lab):
    """Six responses, two of them right; a bias on top; the advantages side by side."""

    title = "Bias lab"
    question = (
        "Predict: the judge adds 2 to every response of this prompt. Which advantages change, "
        "with the group's mean and with a critic that does not know it yet?"
    )
    presets = {
        "offset": {"offset": 2.0},
        "offset, critic": {"offset": 2.0, "baseline": "critic V"},
        "scale": {"scale": 3.0},
        "scale, no std": {"scale": 3.0, "std": False},
        "length bonus": {"per_character": 0.05},
        "one flipped": {"flipped": 1},
        "everything": {"offset": 2.0, "scale": 3.0, "per_character": 0.05, "flipped": 1},
    }

    @staticmethod
    def make_controls():
        return {
            "offset": slider("offset of the prompt", 0.0, -3.0, 3.0, 0.1),
            "scale": slider("scale of the prompt", 1.0, 0.2, 5.0, 0.1),
            "per_character": slider("bonus a character", 0.0, -0.05, 0.05, 0.002),
            "flipped": slider("flip response (0: no)", 0, 0, len(TRUE), 1),
            "noise": slider("noise", 0.0, 0.0, 1.0, 0.05),
            "baseline": choice("baseline", "group mean", BASELINES),
            "value": slider("critic V", 0.3, 0.0, 3.0, 0.1),
            "std": flag("divide by group std", True),
        }

    @staticmethod
    def idle(state):
        why = "counts only if it is the baseline"
        return {} if state["baseline"] == "critic V" else {"value": why}

    @staticmethod
    def compute(state):
        true = torch.tensor(TRUE)
        seen = true.clone()
        if state["flipped"]:
            seen[state["flipped"] - 1] = 1 - seen[state["flipped"] - 1]
        noise = torch.randn(len(TRUE), generator=torch.Generator().manual_seed(2))
        seen = seen + state["per_character"] * torch.tensor(LENGTHS) + state["noise"] * noise
        seen = state["scale"] * seen + state["offset"]
        fair, biased = advantages_of(true, state), advantages_of(seen, state)
        signs = torch.where(biased.abs() < NOTHING, 0.0, biased.sign())
        return {
            "rewards": true.tolist(),
            "paid": seen.tolist(),
            "fair": fair.tolist(),
            "biased": biased.tolist(),
            "largest": (biased - fair).abs().max().item(),
            "turned": [i + 1 for i in range(len(TRUE)) if signs[i] != fair[i].sign()],
            # Pairs that the verifier tells apart and the judge orders otherwise.
            "swapped": [
                (i + 1, j + 1)
                for i in range(len(TRUE))
                for j in range(len(TRUE))
                if TRUE[i] > TRUE[j] and seen[i] <= seen[j] + NOTHING
            ],
            "baseline": state["baseline"],
        }

    @staticmethod
    def draw(figure, numbers):
        left, right = axes_of(figure, 2)
        turned = [number - 1 for number in numbers["turned"]]
        for axes, title, fair, biased, marked in (
            (left, "rewards: true (grey) and paid", numbers["rewards"], numbers["paid"], ()),
            (right, "advantages: fair (grey), biased", numbers["fair"], numbers["biased"],
             turned),
        ):  # fmt: skip
            places = [x - 0.2 for x in range(len(fair))]
            bars_at(axes, places, fair, 0.38, REFERENCE)
            # Only the judge's bars bear their numbers: two beside each other are a blur.
            places = [x + 0.2 for x in range(len(biased))]
            bars_with_numbers(axes, places, biased, 0.38, size=TINY, color=SERIES[1], hatch="//")
            zero_line(axes)
            axes.set_title(title)
            axes.margins(y=0.25)
            names_below(axes, [f"{i + 1} ({n})" for i, n in enumerate(LENGTHS)], marked=marked)
        figure.text(0.53, 0.02, "response (its characters)", ha="center", fontsize=LABEL)

    @staticmethod
    def sentence(numbers):
        turned, swapped = numbers["turned"], numbers["swapped"]
        paid = f"Response 1 earns {numbers['rewards'][0]:.2f} and is paid {numbers['paid'][0]:.2f}."
        if numbers["paid"] == numbers["rewards"]:
            return (
                f"{paid} This judge has no bias yet, and the advantages are those of the verifier."
            )
        if numbers["largest"] < 1e-4:
            return (
                f"{paid} With the {numbers['baseline']} the advantages are <b>those of the "
                f"verifier</b>: of the judge's bias nothing is left."
            )
        signs = "No response changes sides"
        if turned:
            signs = f"Responses on another side of 0 than they deserve: <b>{_list(turned)}</b>"
        order = "each right response still stands above each wrong one"
        if swapped:
            pairs = [f"{i} not above {j}" for i, j in swapped]
            order = f"the order is wrong in {len(pairs)} of 8 pairs ({_list(pairs[:3])}" + (
                " …)" if len(pairs) > 3 else ")"
            )
        return (
            f"{paid} With the {numbers['baseline']} the advantages differ by up to "
            f"<b>{numbers['largest']:.2f}</b>. {signs}; {order}."
        )


def _list(names: list) -> str:
    return ", ".join(map(str, names))
