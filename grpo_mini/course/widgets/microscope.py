"""Rollout microscope: a recorded training, down to the single token."""

import html
import math
from pathlib import Path

from ...experiments.microscope import read_rollouts
from .base import Lab, choice, flag, slider
from .looks import DOWN, GREY, UP

RECORDED = Path(__file__).parents[3] / "data" / "runs" / "microscope.jsonl"
STRONG = 0.5  # a change of the log-prob, in nats, that is painted in full colour
PER_LINE = 15


class RolloutMicroscope(Lab):
    """Step, prompt and sample; tokens coloured by the change of their log-prob.

    Args:
        path: a file that ``python -m grpo_mini microscope`` wrote.

    Raises:
        ValueError: the file is no recorded run, or was cut short.
    """

    title = "Rollout microscope"
    question = "Predict: in a response that was wrong, does every token get less likely?"
    height = 4.6

    def __init__(self, path: str | Path = RECORDED):
        _, self.rows = read_rollouts(path)
        self.presets = tour(self.rows)
        super().__init__()

    def make_controls(self):
        steps = sorted(self.rows)
        groups = self.rows[steps[0]]
        return {
            "step": choice("step", steps[0], steps),
            "prompt": slider("prompt", 1, 1, len(groups), 1),
            "sample": slider("sample", 1, 1, len(groups[0]["samples"]), 1),
            "numbers": flag("show the change as a number", False),
        }

    def compute(self, state: dict) -> dict:
        """The chosen group and sample, with the change of each token's log-prob."""
        group = self.rows[state["step"]][state["prompt"] - 1]
        sample = group["samples"][state["sample"] - 1]
        changes = [a - b for a, b in zip(sample["after"], sample["before"], strict=True)]
        return {
            "question": group["question"],
            "answer": group["answer"],
            "rewards": [s["reward"] for s in group["samples"]],
            "advantages": [s["advantage"] for s in group["samples"]],
            "tokens": sample["tokens"],
            "changes": changes,
            "probabilities": [math.exp(b) for b in sample["before"]],
            "sample": state["sample"],
            "step": state["step"],
            "numbers": state["numbers"],
        }

    @staticmethod
    def draw(figure, numbers):
        figure.subplots_adjust(left=0.06, right=0.99, top=0.92, bottom=0.08, hspace=0.35)
        top, below = figure.subplots(2, 1, height_ratios=[1, 2])
        for i, (reward, advantage) in enumerate(
            zip(numbers["rewards"], numbers["advantages"], strict=True), start=1
        ):
            colour, hatch = (UP, "") if advantage >= 0 else (DOWN, "//")
            top.bar(i, advantage, color=colour, hatch=hatch, edgecolor="white")
            chosen = i == numbers["sample"]
            top.annotate(f"r={reward:.0f}", (i, 0), xytext=(0, -13 if advantage >= 0 else 5),
                         textcoords="offset points", ha="center", fontsize=10,
                         weight="bold" if chosen else "normal")  # fmt: skip
            if chosen:
                top.axvspan(i - 0.48, i + 0.48, color="0.9", zorder=0)
        top.axhline(0, color="0.3", linewidth=1)
        top.set_xticks([])
        top.margins(y=0.3)
        top.spines[["top", "right", "bottom"]].set_visible(False)
        number = len(numbers["rewards"])
        top.set_title(f"{numbers['question']}   advantages of the {number} samples", fontsize=12)
        below.set(xlim=(0, PER_LINE), ylim=(-5, 0.2))
        below.axis("off")
        for i, (token, change) in enumerate(
            zip(numbers["tokens"], numbers["changes"], strict=True)
        ):
            x, y = i % PER_LINE + 0.5, -(i // PER_LINE) - 0.45
            strength = min(abs(change) / STRONG, 1.0)
            colour = UP if change >= 0 else DOWN
            text = token.replace("<|im_end|>", "end")
            size = 11 if len(text) < 4 else 8 if len(text) < 8 else 6.2
            below.text(x, y, text, ha="center", va="center", fontsize=size,
                       family="monospace", bbox={"boxstyle": "round,pad=0.35", "linewidth": 0,
                       "facecolor": colour, "alpha": 0.08 + 0.6 * strength})  # fmt: skip
            mark = f"{change:+.2f}" if numbers["numbers"] else ("▲" if change >= 0 else "▼")
            below.text(x, y - 0.42, mark, ha="center", va="center", fontsize=8, color=GREY)

    @staticmethod
    def sentence(numbers):
        i = numbers["sample"] - 1
        advantage = numbers["advantages"][i]
        if advantage == 0 and len(set(numbers["rewards"])) == 1:
            verdict = "The group is silent: nothing pulls on this response, and what moves its "
            verdict += "tokens are the other prompts of the step."
        else:
            up = sum(change > 0 for change in numbers["changes"])
            most = max(range(len(numbers["changes"])), key=lambda t: abs(numbers["changes"][t]))
            verdict = (
                f"After the update {up} of its {len(numbers['changes'])} tokens are more likely. "
                "The largest change is that of "
                f"<code>{html.escape(numbers['tokens'][most])}</code>, "
                f"<b>{numbers['changes'][most]:+.2f}</b> nats, from a probability of "
                f"{numbers['probabilities'][most]:.2f}."
            )
        return (
            f"Step {numbers['step']}, sample {numbers['sample']}: reward "
            f"{numbers['rewards'][i]:.0f}, advantage {advantage:+.2f}. {verdict}"
        )


def tour(rows: dict[int, list[dict]]) -> dict[str, dict]:
    """The five most telling moments of a recorded run, found in its numbers."""
    places = [
        (step, p, s, group, sample)
        for step, groups in rows.items()
        for p, group in enumerate(groups, start=1)
        for s, sample in enumerate(group["samples"], start=1)
    ]

    def thinks(place) -> bool:
        return "<think>" in place[4]["tokens"]

    def best(name: str, candidates: list, key) -> dict[str, dict]:
        if not candidates:
            return {}
        step, prompt, sample, *_ = max(candidates, key=key)
        return {name: {"step": step, "prompt": prompt, "sample": sample}}

    loud = [place for place in places if place[4]["advantage"] != 0]
    silent = [p for p in places if len({s["reward"] for s in p[3]["samples"]}) == 1]
    return {
        **best("thinking pays", [p for p in loud if thinks(p)], lambda p: p[4]["advantage"]),
        **best("a guess is punished", [p for p in loud if not thinks(p)],
               lambda p: -p[4]["advantage"]),
        **best("a lucky guess", [p for p in loud if not thinks(p) and p[4]["reward"] == 1],
               lambda p: p[4]["advantage"]),
        **best("a slip while thinking", [p for p in loud if thinks(p) and p[4]["reward"] == 0],
               lambda p: -p[4]["advantage"]),
        **best("a silent group", silent, lambda p: p[0]),
    }  # fmt: skip
