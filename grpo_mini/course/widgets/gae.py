"""GAE explorer: gamma, lambda and a critic that errs; GRPO's flat advantage for comparison."""

import torch

from ...advantages import gae
from ...experiments.look import TICK
from ..figures import cells
from .base import Lab, slider
from .looks import axes_of, names_below, names_beside

TOKENS = 8
TRUE_VALUES = (0.3, 0.3, 0.3, 0.7, 0.7, 0.7, 0.9, 0.9)
ERRORS = (0.5, -0.8, 0.3, 0.9, -0.6, -0.2, 0.7, -0.4)


class GAEExplorer(Lab):
    """Advantages of the tokens of one response."""

    title = "GAE explorer"
    question = "Predict: the critic says 0 everywhere and lambda is 0. Which tokens learn?"
    height = 3.4
    presets = {
        "reward minus V": {"lam": 1.0},
        "one step ahead": {"lam": 0.0},
        "critic knows nothing": {"lam": 0.0, "knowledge": 0.0},
        "critic errs": {"lam": 0.0, "error": 0.5},
        "discounted": {"gamma": 0.8, "lam": 1.0},
    }

    @staticmethod
    def make_controls():
        return {
            "gamma": slider("gamma", 1.0, 0.5, 1.0, 0.01),
            "lam": slider("lambda", 0.95, 0.0, 1.0, 0.01),
            "knowledge": slider("what the critic knows", 1.0, 0.0, 1.0, 0.1),
            "error": slider("error of the critic", 0.0, 0.0, 1.0, 0.05),
            "reward": slider("reward at the end", 1.0, -1.0, 1.0, 0.1),
            "baseline": slider("GRPO: group mean", 0.5, 0.0, 1.0, 0.05),
        }

    @staticmethod
    def compute(state):
        values = state["knowledge"] * torch.tensor([TRUE_VALUES])
        values = values + state["error"] * torch.tensor([ERRORS])
        rewards = torch.zeros(1, TOKENS)
        rewards[0, -1] = state["reward"]
        mask = torch.ones(1, TOKENS)
        advantages, _ = gae(rewards, values, mask, state["gamma"], state["lam"])
        return {
            "values": values[0].tolist(),
            "advantages": advantages[0].tolist(),
            "flat": [state["reward"] - state["baseline"]] * TOKENS,
            "lam": state["lam"],
        }

    @staticmethod
    def draw(figure, numbers):
        (axes,) = axes_of(figure, left=0.15, bottom=0.1)
        axes.spines[:].set_visible(False)
        rows = {
            "V": numbers["values"],
            "A, PPO (GAE)": numbers["advantages"],
            "A, GRPO": numbers["flat"],
        }
        cells(axes, list(rows.values()))
        names_below(axes, [f"token {t + 1}" for t in range(TOKENS)], size=TICK)
        names_beside(axes, list(rows))
        axes.set_title("values and advantages, token by token")

    @staticmethod
    def sentence(numbers):
        advantages = numbers["advantages"]
        best = max(range(TOKENS), key=lambda t: abs(advantages[t]))
        spread = max(advantages) - min(advantages)
        return (
            f"With lambda = {numbers['lam']:.2f} token {best + 1} has the largest advantage in "
            f"size, <b>{advantages[best]:.2f}</b>; highest and lowest differ by {spread:.2f}. "
            f"Praised are <b>{sum(a > 0 for a in advantages)} of {TOKENS}</b> tokens. "
            f"GRPO gives each token {numbers['flat'][0]:.2f}."
        )
