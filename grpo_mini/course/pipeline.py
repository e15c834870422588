"""The pipeline, drawn: prompt -> G responses -> rewards -> advantages -> loss -> update.

One drawing for all notebooks; each opens with its own, where its part of the way is lit.
``python -m grpo_mini.course.pipeline`` writes them to ``notebooks/pictures``.
"""

import html
from collections.abc import Sequence
from pathlib import Path

import torch

from ..advantages import compute_relative_rewards
from ..experiments.look import GRPO, INK, MINUS, PAPER, PLUS, PPO, QUIET, SERIES, THOUGHT
from ..support.checkpoints import atomic_write
from .toy import TOY

PICTURES = Path(__file__).parents[2] / "notebooks" / "pictures"
STAGES = ("prompt", "responses", "rewards", "advantages", "loss", "update")
WIDTH, BOX, GAP, TOP, HIGH = 980, 136, 32, 36, 116
BELOW, CRITIC_HIGH = TOP + HIGH + 38, 58
# What each notebook is about, in words and in stages, and how the critic stands in it.
PLACES = {
    "00": ("all of it, once", STAGES, "absent"),
    "01": ("a policy, its responses, and what they are paid", STAGES[:3], "absent"),
    "02": ("from a reward to a step uphill", STAGES[3:], "absent"),
    "03": ("PPO: a critic says what was to be expected", STAGES[3:], "there"),
    "04": ("GRPO: the group says it, and the critic goes", STAGES[3:], "gone"),
    "05": ("advantages: baseline and scale", STAGES[3:4], "absent"),
    "06": ("two ways to an advantage, and their price", STAGES, "there"),
    "07": ("the details of the loss", STAGES[3:5], "absent"),
    "08": ("what goes wrong, and how it shows", STAGES, "absent"),
    "09": ("when the judge is a model, and biased", STAGES[2:3], "absent"),
    "10": ("the same way, with a larger model", STAGES, "absent"),
    "11": ("all of it, on a task of your own", STAGES, "absent"),
}
FADED = 0.65  # ink on paper stays at 4.5 to 1
TYPE = "font-family='system-ui, sans-serif'"
# Of the running example: what its responses were paid, and how long they think, in pixels.
REWARDS = TOY.rewards.tolist()
LENGTHS = [2 * max(text.find("</think>"), 0) for text in TOY.responses]


def text(x: float, y: float, words: str, size: int = 13, anchor: str = "middle", **more) -> str:
    """A line of text."""
    extra = "".join(f" {name.replace('_', '-')}='{value}'" for name, value in more.items())
    extra = extra if "fill" in more else f"{extra} fill='{INK}'"
    return (
        f"<text x='{x}' y='{y}' {TYPE} font-size='{size}' text-anchor='{anchor}'{extra}>"
        f"{html.escape(words)}</text>"
    )


def box(x: float, y: float, width: float, height: float, edge: str, lit: bool, dashed=False) -> str:
    """A box on paper; a lit one has a thick edge."""
    dashes = " stroke-dasharray='6 5'" if dashed else ""
    return (
        f"<rect x='{x}' y='{y}' width='{width}' height='{height}' rx='8' fill='{PAPER}' "
        f"stroke='{edge}' stroke-width='{4 if lit else 1.5}'{dashes}/>"
    )


def note(x: float, y: float, words: str, size: int, anchor: str = "middle", **more) -> str:
    """A line of text beside the boxes, on paper of its own: a dark page is no ground for ink."""
    wide = (0.66 if "font_weight" in more else 0.58) * size * len(words)
    left = x - {"middle": wide / 2, "end": wide - 5}[anchor]
    return (
        f"<rect x='{left:.0f}' y='{y - size}' width='{wide:.0f}' height='{size + 5}' rx='3' "
        f"fill='{PAPER}'/>" + text(x, y, words, size, anchor, fill=QUIET, **more)
    )


def bar(x: float, y: float, width: float, height: float, fill: str) -> str:
    """A filled rectangle."""
    return f"<rect x='{x}' y='{y}' width='{width}' height='{height}' fill='{fill}'/>"


def arrow(points: Sequence[tuple[float, float]], dashed: bool = False) -> str:
    """A line through ``points`` with a head at its end."""
    way = " ".join(f"{x},{y}" for x, y in points)
    dashes = " stroke-dasharray='6 5'" if dashed else ""
    return (
        f"<polyline points='{way}' fill='none' stroke='{QUIET}' stroke-width='2'{dashes} "
        f"marker-end='url(#head)'/>"
    )


def inside(stage: str, x: float, y: float) -> str:
    """What is seen in a stage's box, on the running example: four responses to one question."""
    middle, rows = x + BOX / 2, [y + 46 + 16 * i for i in range(4)]
    if stage == "prompt":
        return text(middle, y + 64, TOY.question, 15, font_weight="bold") + text(
            middle, y + 88, "asked G = 4 times", 12
        )
    if stage == "responses":
        return "".join(
            bar(x + 20, row - 6, thought, 11, THOUGHT)
            + bar(x + 24 + thought, row - 6, 26, 11, QUIET)
            for row, thought in zip(rows, LENGTHS, strict=True)
        )
    if stage == "rewards":
        return "".join(
            text(middle, row + 5, f"{'✓' if paid else '✗'}  {paid:.0f}", 14)
            for row, paid in zip(rows, REWARDS, strict=True)
        )
    if stage == "advantages":
        values = advantages()
        return bar(middle - 0.75, y + 36, 1.5, 64, INK) + "".join(
            bar(middle + min(value, 0) * 40, row - 6, abs(value) * 40, 11,
                PLUS if value > 0 else MINUS)
            for row, value in zip(rows, values, strict=True)
        )  # fmt: skip
    if stage == "loss":
        return text(middle, y + 62, "− A · log π", 15) + text(
            middle, y + 88, "clip, mask, mean", 12
        )
    return text(middle, y + 62, "θ ← θ − η ∇", 15) + text(middle, y + 88, "one step of Adam", 12)


def advantages() -> list[float]:
    """The example's, by the module, as shares of the largest."""
    found, _ = compute_relative_rewards(torch.tensor(REWARDS), 4)
    return (found / found.abs().max()).tolist()


def critic(how: str, x: float) -> str:
    """The critic under the advantages: there, or gone with what it took along."""
    if how == "absent":
        return ""
    gone = how == "gone"
    names = ("critic V, a second model", "GAE: λ, γ", "its own optimiser")
    left, width = x - 1.5 * BOX, (210, 120, 150)
    parts, at = [], left
    for name, wide in zip(names, width, strict=True):
        parts.append(box(at, BELOW, wide, CRITIC_HIGH - 18, PPO, False, dashed=gone))
        faded = {"opacity": FADED} if gone else {}
        parts.append(text(at + wide / 2, BELOW + 25, name, 13, **faded))
        at += wide + 14
    middle = x + BOX / 2
    parts.append(arrow([(middle, BELOW - 3), (middle, TOP + HIGH + 6)], dashed=gone))
    word = "GRPO needs none of this:" if gone else "only PPO has this:"
    return "".join(parts) + note(left - 14, BELOW + 25, word, 14, "end",
                                 font_weight="bold")  # fmt: skip


def drawing(notebook: str) -> str:
    """The SVG file of a notebook, ``"00"`` to ``"11"``."""
    about, lit, how = PLACES[notebook]
    height = (BELOW + CRITIC_HIGH if how != "absent" else TOP + HIGH + 30) + 4
    parts, x_of = [], {}
    for i, stage in enumerate(STAGES):
        x = x_of[stage] = 2 + i * (BOX + GAP)
        on = stage in lit
        parts.append(box(x, TOP, BOX, HIGH, SERIES[0] if on else QUIET, on))
        parts.append(f"<g opacity='{1 if on else FADED}'>")
        name = {"prompt": "prompt", "responses": "G responses"}.get(stage, stage)
        parts.append(text(x + BOX / 2, TOP + 24, name, 15, font_weight="bold"))
        parts.append(inside(stage, x, TOP) + "</g>")
        if i:
            parts.append(arrow([(x - GAP + 3, TOP + HIGH / 2), (x - 6, TOP + HIGH / 2)]))
    words = f"you are here: {about}"
    wide = 8.6 * len(words) + 28  # of the pill, whatever the type
    middle = (x_of[lit[0]] + x_of[lit[-1]] + BOX) / 2
    middle = min(max(middle, wide / 2 + 2), WIDTH - wide / 2 - 2)
    parts.append(
        f"<rect x='{middle - wide / 2:.0f}' y='2' width='{wide:.0f}' height='25' rx='12' "
        f"fill='{SERIES[0]}'/>" + text(middle, 20, words, 15, fill=PAPER, font_weight="bold")
    )
    parts.append(critic(how, x_of["advantages"]))
    if how == "gone":
        parts.append(text(x_of["advantages"] + BOX / 2, TOP + HIGH - 4, "r − group mean", 13,
                          fill=GRPO, font_weight="bold"))  # fmt: skip
    if how == "absent":
        y = TOP + HIGH + 18
        back = [
            (x_of["update"] + BOX / 2, TOP + HIGH + 4),
            (x_of["update"] + BOX / 2, y),
            (x_of["responses"] + BOX / 2, y),
            (x_of["responses"] + BOX / 2, TOP + HIGH + 6),
        ]
        parts.append(arrow(back))
        parts.append(
            note(
                (x_of["rewards"] + x_of["loss"] + BOX) / 2,
                y + 4,
                "the next responses come from the changed policy",
                12,
            )
        )
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' "
        f"height='{height}' role='img'><title>{html.escape(alternative(notebook))}</title>"
        f"<defs><marker id='head' markerWidth='7' markerHeight='8' refX='5' refY='4' orient='auto'>"
        f"<path d='M0,0 L6,4 L0,8 z' fill='{QUIET}'/></marker></defs>"
    )
    return head + "".join(parts) + "</svg>\n"


def alternative(notebook: str) -> str:
    """The drawing in words."""
    about, lit, how = PLACES[notebook]
    critic_ = {
        "absent": "",
        "there": " Below the advantages: the critic, GAE and an optimiser of its own, PPO's only.",
        "gone": " Below, faded: the critic, GAE and its optimiser, which GRPO does without.",
    }[how]
    return (
        f"Pipeline: prompt, G responses, rewards, advantages, loss, update. This notebook: {about} "
        f"({', '.join(lit)}).{critic_}"
    )


def main() -> None:
    """Write all drawings."""
    for notebook in PLACES:
        atomic_write(PICTURES / f"pipeline-{notebook}.svg", drawing(notebook))


if __name__ == "__main__":
    main()
