"""Rollout microscope: a recorded training, down to the single token."""

import html
import math
from pathlib import Path

import ipywidgets

from ...experiments.look import LINE, MINUS, MONO, PLUS, SMALL_TEXT, tint
from ...experiments.microscope import read_rollouts
from ...tasks.task import parse_response
from .base import Lab, choice, flag, slider

RECORDED = Path(__file__).parents[3] / "data" / "runs" / "microscope.jsonl"
STRONG = 0.5  # a change of the log-prob, in nats, that is tinted in full
STILL = 0.005  # a change so small is none: it would read as 0.00 or 0.01
END = "<|im_end|>"


class RolloutMicroscope(Lab):
    """Step, prompt and sample; tokens coloured by the change of their log-prob.

    Args:
        path: a file that ``python -m grpo_mini microscope`` wrote.

    Raises:
        ValueError: the file is no recorded run, or was cut short.
    """

    title = "Rollout microscope"
    question = "Predict: in a response that was wrong, does every token get less likely?"

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
            "numbers": flag("show changes as numbers", False),
        }

    def compute(self, state: dict) -> dict:
        """The chosen group, with the change of each token's log-prob in each of its samples."""
        group = self.rows[state["step"]][state["prompt"] - 1]
        samples, i = group["samples"], state["sample"] - 1
        changes = [changes_of(sample) for sample in samples]
        return {
            "question": group["question"],
            "answer": group["answer"],
            "rewards": [s["reward"] for s in samples],
            "advantages": [s["advantage"] for s in samples],
            "all_tokens": [s["tokens"] for s in samples],
            "all_changes": changes,
            "all_probabilities": [[math.exp(b) for b in s["before"]] for s in samples],
            "tokens": samples[i]["tokens"],
            "changes": changes[i],
            "probabilities": [math.exp(b) for b in samples[i]["before"]],
            "up": sum(change > STILL for change in changes[i]),
            "down": sum(change < -STILL for change in changes[i]),
            "sample": state["sample"],
            "step": state["step"],
            "numbers": state["numbers"],
        }

    def make_picture(self) -> ipywidgets.HTML:
        """Text, not an image: it can be selected, searched and enlarged."""
        return ipywidgets.HTML()

    def render(self) -> str:
        """The group's responses under each other."""
        return page(self.numbers)

    def static_picture(self, words: str) -> str:
        """The same."""
        return page(self.numbers)

    @staticmethod
    def sentence(numbers):
        i = numbers["sample"] - 1
        advantage, changes = numbers["advantages"][i], numbers["changes"]
        still = len(changes) - numbers["up"] - numbers["down"]
        most = max(range(len(changes)), key=lambda t: abs(changes[t]))
        text = (
            f"Step {numbers['step']}, sample {numbers['sample']}: reward "
            f"{numbers['rewards'][i]:.0f}, advantage {advantage:+.2f}. After the update "
            f"{numbers['up']} of its {len(changes)} tokens are more likely, {numbers['down']} less "
            f"and {still} as likely as before (within {STILL} nats). The largest change, that of "
            f"<code>{html.escape(numbers['tokens'][most])}</code>, is <b>{changes[most]:+.2f}</b> "
            f"nats, from a probability of {numbers['probabilities'][most]:.2f}."
        )
        if len(set(numbers["rewards"])) == 1:
            text += " The group is silent: nothing pulls on this response, and what moves its "
            text += "tokens are the other prompts of the step."
        return text


def changes_of(sample: dict) -> list[float]:
    """By how much the update changed each token's log-prob, in nats."""
    return [a - b for a, b in zip(sample["after"], sample["before"], strict=True)]


def page(numbers: dict) -> str:
    """The group as a table: a row a response, its tokens tinted by their change."""
    rows = "".join(row(numbers, i) for i in range(len(numbers["rewards"])))
    head = "".join(
        f"<th style='text-align:left;padding:2px 8px'>{name}</th>"
        for name in ("", "reward", "advantage", html.escape(numbers["question"]))
    )
    legend = (
        f"<span style='{token_style(STRONG)}'>more</span> "
        f"<span style='{token_style(-STRONG)}'>less</span> "
        f"<span style='{token_style(0.0)}'>as</span> likely after the update; rest the pointer on "
        f"a token for its numbers"
    )
    return (
        "<div class='grpo-tokens' style='overflow-x:auto'><table style='border-collapse:collapse'>"
        f"<tr>{head}</tr>"
        f"{rows}</table></div><div style='{SMALL_TEXT};margin:4px 8px'>{legend}</div>"
    )


def row(numbers: dict, i: int) -> str:
    """A response: its number, reward, advantage and tokens."""
    chosen = i + 1 == numbers["sample"]
    advantage, reward = numbers["advantages"][i], numbers["rewards"][i]
    share = abs(advantage) / max(1.0, *map(abs, numbers["advantages"]))
    colour, sign = (PLUS, "▲") if advantage > 0 else (MINUS, "▼") if advantage < 0 else (LINE, "·")
    bar = (
        f"<div style='background:{colour};height:4px;width:{round(56 * share)}px'></div>"
        f"{sign} {advantage:+.2f}"
    )
    tokens = "".join(
        token_html(token, change, probability, numbers["numbers"] and chosen)
        for token, change, probability in zip(
            numbers["all_tokens"][i], numbers["all_changes"][i], numbers["all_probabilities"][i],
            strict=True,
        )
    )  # fmt: skip
    cell = "text-align:left;padding:2px 8px;vertical-align:top;white-space:nowrap"
    edge = f"border-left:4px solid {'currentColor' if chosen else 'transparent'}"
    return (
        f"<tr style='{edge}'><td style='{cell}'>{i + 1}</td>"
        f"<td style='{cell}'>{'✓' if reward > 0 else '✗'} {reward:.0f}</td>"
        f"<td style='{cell}'>{bar}</td>"
        f"<td style='text-align:left;padding:2px 8px;font-family:{MONO};line-height:1.6'>{tokens}"
        "</td></tr>"
    )


def token_style(change: float) -> str:
    """Tint by sign and size; the line under it says the sign once more."""
    style = "padding:1px 1px"
    if abs(change) <= STILL:
        return style
    colour, line = (PLUS, "solid") if change > 0 else (MINUS, "dotted")
    strength = 0.15 + 0.85 * min(abs(change) / STRONG, 1.0)
    return f"{style};background:{tint(colour, strength)};border-bottom:2px {line} {colour}"


def token_html(token: str, change: float, probability: float, with_number: bool) -> str:
    """A token on its tint; its numbers on demand."""
    text = html.escape(token.replace(END, "end").replace("\n", "⏎"))
    number = ""
    if with_number:
        number = f"<br><span style='{SMALL_TEXT}'>{change:+.2f}</span>"
    box = "display:inline-block;text-align:center;" if with_number else ""
    title = f"probability {probability:.2f}, change {change:+.3f} nats"
    return f"<span title='{title}' style='{box}{token_style(change)}'>{text}{number}</span>"


def tour(rows: dict[int, list[dict]]) -> dict[str, dict]:
    """The five most telling moments of a recorded run, found in its numbers.

    Each shows what its name says: what is paid became more likely as a whole, what is punished
    less, and the response is a finished one.
    """
    places = [
        (step, p, s, group, sample)
        for step, groups in rows.items()
        for p, group in enumerate(groups, start=1)
        for s, sample in enumerate(group["samples"], start=1)
        if parse_response("".join(sample["tokens"]).removesuffix(END))
    ]

    def thinks(place) -> bool:
        return "<think>" in place[4]["tokens"]

    def moved(place) -> float:
        return sum(changes_of(place[4]))

    def best(name: str, candidates: list, key) -> dict[str, dict]:
        if not candidates:
            return {}
        step, prompt, sample, *_ = max(candidates, key=key)
        return {name: {"step": step, "prompt": prompt, "sample": sample}}

    silent = [p for p in places if len({s["reward"] for s in p[3]["samples"]}) == 1]
    praised = [p for p in places if p[4]["advantage"] > 0 and moved(p) > 0]
    blamed = [p for p in places if p[4]["advantage"] < 0 and moved(p) < 0]
    return {
        **best("thinking pays", [p for p in praised if thinks(p)], lambda p: p[4]["advantage"]),
        **best("a guess is punished", [p for p in blamed if not thinks(p)],
               lambda p: -moved(p)),
        **best("a lucky guess", [p for p in praised if not thinks(p) and p[4]["reward"] == 1],
               lambda p: p[4]["advantage"]),
        **best("a slip while thinking", [p for p in blamed if thinks(p) and p[4]["reward"] == 0],
               lambda p: -moved(p)),
        **best("a silent group", silent, lambda p: p[0]),
    }  # fmt: skip
