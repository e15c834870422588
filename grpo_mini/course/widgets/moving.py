"""Moving distribution: five tokens that REINFORCE, PPO or GRPO moves, step by step."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from ...advantages import compute_relative_rewards, standardize
from ...experiments.look import INK, MINUS, PLUS, QUIET, REFERENCE, SERIES
from .base import Lab, choice, slider
from .looks import axes_of, bars_with_numbers, names_below, numbers_below, numbers_beside

LOGITS = (0.5, 1.2, 0.0, -0.5, 0.8)
REWARDS = torch.tensor([1.0, 0.2, 0.0, 2.0, 0.5])  # of the tokens a to e
NAMES = "abcde"
STEPS = 60
LEARNS = 0.3  # how much of its error PPO's critic, here one number, mends in a step
METHODS = ("REINFORCE", "PPO", "GRPO")


def push(probs: Tensor, drawn: Tensor, advantages: Tensor) -> Tensor:
    """The estimate of the gradient by the logits: the mean of A * (one-hot - probs), [V].

    Args:
        probs: [V] of the policy.
        drawn: [G] tokens.
        advantages: [G] of these.
    """
    scores = torch.nn.functional.one_hot(drawn, len(probs)) - probs
    return (advantages.to(probs).unsqueeze(1) * scores).mean(dim=0)


def advantages_of(method: str, rewards: Tensor, baseline: float, critic: float) -> Tensor:
    """Advantages of a step's samples [G], as each algorithm has them."""
    if method == "GRPO":
        return compute_relative_rewards(rewards, len(rewards))[0]
    if method == "PPO":
        return standardize(rewards - critic)
    return rewards - baseline


@lru_cache(64)
def walk(
    method: str, baseline: float, size: int, rate: float, seed: int, steps: int = STEPS
) -> list[dict]:
    """A training of ``steps`` steps of ``size`` samples each, from the same start.

    Returns:
        A row a moment, the last one after all steps: the policy's probabilities, its expected
        reward, what the step there draws, its advantages, and how it changes the probabilities.
    """
    logits, generator = torch.tensor(LOGITS), torch.Generator().manual_seed(seed)
    critic, rows = 0.5, []
    for _ in range(steps + 1):
        probs = logits.softmax(dim=0)
        drawn = torch.multinomial(probs, size, True, generator=generator)
        rewards = REWARDS[drawn]
        advantages = advantages_of(method, rewards, baseline, critic)
        logits = logits + rate * push(probs, drawn, advantages)
        rows.append({
            "probs": probs.tolist(),
            "drawn": drawn.tolist(),
            "advantages": advantages.tolist(),
            "change": (logits.softmax(dim=0) - probs).tolist(),
            "reward": (probs @ REWARDS).item(),
        })  # fmt: skip
        critic += LEARNS * (rewards.mean().item() - critic)
    return rows


class MovingDistribution(Lab):
    """Watch a policy move, and what pushes it."""

    title = "Moving distribution"
    question = "Predict: without a baseline, can a token that pays little become likelier at first?"
    presets = {
        "no baseline": {"method": "REINFORCE", "baseline": 0.0, "step": 10},
        "a good baseline": {"method": "REINFORCE", "baseline": 0.5, "step": 10},
        "baseline too high": {"method": "REINFORCE", "baseline": 2.5, "step": 10},
        "PPO, its critic": {"method": "PPO", "step": 10},
        "GRPO, groups of 4": {"method": "GRPO", "step": 10},
        "GRPO, at the end": {"method": "GRPO", "step": STEPS},
    }
    height = 3.0

    @staticmethod
    def make_controls():
        return {
            "method": choice("algorithm", "REINFORCE", METHODS),
            "step": slider("step", 0, 0, STEPS, 1),
            "baseline": slider("baseline b", 0.0, -0.5, 3.0, 0.1),
            "size": slider("samples a step G", 4, 2, 16, 1),
            "rate": slider("learning rate", 0.5, 0.1, 2.0, 0.1),
            "seed": slider("draw number", 1, 1, 20, 1),
        }

    @staticmethod
    def idle(state):
        own = {"PPO": "its critic is the baseline", "GRPO": "the group's mean is the baseline"}
        return {} if state["method"] == "REINFORCE" else {"baseline": own[state["method"]]}

    @staticmethod
    def compute(state):
        method = state["method"]
        baseline = state["baseline"] if method == "REINFORCE" else 0.0
        rows = walk(method, baseline, state["size"], state["rate"], state["seed"])
        now = rows[state["step"]]
        return {
            "method": method,
            "step": state["step"],
            "rewards": [row["reward"] for row in rows],
            "start": rows[0]["probs"],
            "alike": len({REWARDS[token].item() for token in now["drawn"]}) == 1,
            "still": max(abs(change) for change in now["change"]) < 1e-6,
            **{name: now[name] for name in ("probs", "drawn", "change")},
        }

    @staticmethod
    def draw(figure, numbers):
        left, right = axes_of(figure, 2)
        still, probs = numbers["still"], numbers["probs"]
        left.bar(range(5), numbers["start"], 0.8, fill=False, edgecolor=QUIET, linestyle=":")
        bars_with_numbers(left, range(5), probs, 0.62, color=REFERENCE if still else SERIES[0])
        for place, (now, change) in enumerate(zip(probs, numbers["change"], strict=True)):
            if abs(change) >= 0.005:
                left.annotate(
                    "", (place + 0.37, now + change), (place + 0.37, now),
                    arrowprops={"arrowstyle": "-|>", "linewidth": 2.2,
                                "color": PLUS if change > 0 else MINUS},
                )  # fmt: skip
        names_below(
            left, [f"{n}\npays {r:g}" for n, r in zip(NAMES, REWARDS.tolist(), strict=True)]
        )
        left.set(title="policy; arrows: this step", ylim=(0, 1.18), xlim=(-0.6, 4.8))
        step, rewards = numbers["step"], numbers["rewards"]
        right.plot(range(step + 1), rewards[: step + 1], color=SERIES[0], linewidth=2.5)
        right.plot([step], [rewards[step]], "o", color=INK, markersize=8)
        right.axhline(2, color=QUIET, linestyle=":")
        right.set(
            title="expected reward J (dotted: the most)", xlim=(-1, STEPS + 1), ylim=(0, 2.15)
        )
        numbers_below(right, "step")
        numbers_beside(right)

    @staticmethod
    def sentence(numbers):
        step, probs = numbers["step"], numbers["probs"]
        best = max(range(5), key=probs.__getitem__)
        drawn = _listed(numbers["drawn"])
        text = (
            f"After {step} steps of {numbers['method']} the likeliest token is {NAMES[best]} with "
            f"<b>{probs[best]:.2f}</b> (at the start {numbers['start'][best]:.2f}), and J is "
            f"<b>{numbers['rewards'][step]:.2f}</b> (at the start {numbers['rewards'][0]:.2f}). "
            f"The step from here draws {drawn}"
        )
        if numbers["still"]:
            silent = numbers["alike"] and numbers["method"] == "GRPO"
            why = "all earn the same: the group is silent" if silent else "their pushes cancel"
            return f"{text}; {why}, and nothing moves."
        change = numbers["change"]
        up, down = max(range(5), key=change.__getitem__), min(range(5), key=change.__getitem__)
        return (
            f"{text}. It moves {NAMES[up]} by {change[up]:+.2f} and {NAMES[down]} by "
            f"{change[down]:+.2f}."
        )


def _listed(drawn: Sequence[int]) -> str:
    """What was drawn, "3 x a, d", in the order of the tokens."""
    counts = [(NAMES[token], drawn.count(token)) for token in range(5)]
    return ", ".join(f"{n} x {name}" if n > 1 else name for name, n in counts if n)
