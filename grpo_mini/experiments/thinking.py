"""A training watched: how the answers to the same eight questions change, step by step.

``python -m grpo_mini thinking`` records one, and draws the animation that opens the README: nothing
in it is invented, every line is what the model said at that step.
"""

import argparse
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from tqdm.auto import tqdm

from ..grpo import GRPOConfig, GRPOTrainer
from ..models import encode_prompts
from ..rollout import logits_of, read_prompts, sample
from ..support.checkpoints import atomic_write
from ..support.rewards import call_reward, prompt_of
from ..tasks.task import has_thought, is_right, parse_response, split_thought
from ..trainer import Trainer
from .look import (
    INK,
    LABEL,
    MINUS,
    PAPER,
    PIXELS,
    PLUS,
    QUIET,
    TEXT_WIDTH,
    THOUGHT,
    TICK,
    TITLE,
    png,
    style,
)
from .options import Parser, whole
from .record import portable_config, provenance, require_writable

NUMBER = 8  # questions
MOST_TOKENS = 10_000  # of a prompt


@dataclass(frozen=True)
class Answer:
    """What a model said to a question.

    Attributes:
        question: its text.
        text: the response as it was sampled.
        right: whether it was paid in full.
    """

    question: str
    text: str
    right: bool

    @property
    def thinks(self) -> bool:
        """Whether it thinks first."""
        return has_thought(self.text)

    @property
    def parts(self) -> tuple[str, str]:
        """The thought and the answer, without their tags; what has another form keeps them."""
        begun = split_thought(self.text) if self.thinks else None
        return parse_response(self.text) or begun or ("", self.text)


def questions_of(trainer: Trainer, number: int = NUMBER) -> list:
    """The first problems that the trainer is measured on; none where it does not know any."""
    if trainer.eval_dataset is not None:
        return list(trainer.eval_dataset[:number])
    return [] if trainer.own_data else list(trainer.problems(True, number, 0))


def answers(trainer: Trainer, records: list) -> list[Answer]:
    """One response to each, by the same random numbers each time: what changes is the policy."""
    if not records:
        return []
    config, own = trainer.config, trainer.eval_dataset is not None
    generator = torch.Generator(trainer.policy.device).manual_seed(0)
    with trainer.autocast():
        rollout = sample(
            trainer.policy, trainer.tokenizer, [prompt_of(record) for record in records], 1,
            config.max_new_tokens, config.temperature, generator, config.chat_template_kwargs,
        )  # fmt: skip
    reward, weights = (
        (trainer.reward, config.reward_weights) if own else (trainer.task.reward, None)
    )
    full = 1.0 if own else trainer.task.full_reward
    rewards = call_reward(reward, records, rollout, weights, trainer.step).tolist()
    return [
        Answer(question_text(prompt_of(record)), text, bool(is_right(paid, full)))
        for record, text, paid in zip(records, rollout.texts, rewards, strict=True)
    ]


@torch.no_grad()
def first_tokens(trainer: Trainer, records: list) -> list[tuple[float, float]]:
    """How likely each response begins with ``<think>`` and with ``<answer>``, at temperature 1."""
    policy, tokenizer = trainer.policy, trainer.tokenizer
    prompts = encode_prompts(tokenizer, [prompt_of(record) for record in records], MOST_TOKENS)
    with trainer.autocast():
        logits = read_prompts(logits_of(policy), policy, prompts).last[:, -1].float()
    probs = logits.softmax(dim=-1)[:, tokenizer.convert_tokens_to_ids(["<think>", "<answer>"])]
    return [tuple(row) for row in probs.tolist()]


def question_text(prompt: str | list[dict]) -> str:
    """The text of a prompt: itself, or the content of its last message."""
    return prompt if isinstance(prompt, str) else str(prompt[-1]["content"])


def in_words(found: Sequence[Answer]) -> str:
    """How many are right, and how many think first."""
    right, think = (sum(getattr(a, name) for a in found) for name in ("right", "thinks"))
    return f"{right} of {len(found)} right, {think} of {len(found)} think first"


def record(steps: int, every: int, seed: int) -> tuple[dict, list[dict]]:
    """Train, and ask every few steps.

    Returns:
        A header, and a row a moment: step, mean reward and share of thinking of that step's
        rollout (none at step 0), the chances of the questions' first tokens, and the answers.
    """
    trainer = GRPOTrainer(GRPOConfig(seed=seed))
    asked = questions_of(trainer)
    rows = [{"step": 0, "first": first_tokens(trainer, asked), "answers": answers(trainer, asked)}]
    for step in tqdm(range(1, steps + 1), desc="recording", unit="step"):
        (*_, last) = trainer.train(1, on_step=lambda row: None)
        row = {"step": step, "reward": last["reward_mean"], "thinks": last["think_share"]}
        row["first"] = first_tokens(trainer, asked)
        if step % every == 0 or step == steps:
            row["answers"] = answers(trainer, asked)
        rows.append(row)
    header = {"algorithm": "GRPOTrainer", "config": portable_config(trainer)}
    return header | provenance(trainer.threads), rows


def write(path: Path, header: dict, rows: list[dict]) -> None:
    """A line for the header, and one a moment."""
    lines = [{"run": header}]
    for row in rows:
        line = {"step": row["step"]}
        line |= {name: round(row[name], 4) for name in ("reward", "thinks") if name in row}
        line["first"] = [[round(chance, 4) for chance in pair] for pair in row["first"]]
        if "answers" in row:
            line["answers"] = [asdict(answer) for answer in row["answers"]]
        lines.append(line)
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    atomic_write(path, text)


def read(path: Path) -> list[dict]:
    """The moments of a recorded training."""
    _, *lines = path.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    for row in rows:
        if "answers" in row:
            row["answers"] = [Answer(**answer) for answer in row["answers"]]
    return rows


def draw_curves(axes: Axes, rows: list[dict], last: int) -> None:
    """Reward and share of thinking so far, on axes that never move."""
    seen = [row for row in rows if "reward" in row]
    for name, word, colour, line in (
        ("thinks", "thinks first", THOUGHT, "--"),
        ("reward", "right", PLUS, "-"),
    ):
        x, y = [row["step"] for row in seen], [row[name] for row in seen]
        axes.plot(x, y, line, color=colour, linewidth=2.5, label=word,
                  marker="o", markevery=[-1] if x else None, markersize=7)  # fmt: skip
    axes.set(
        xlim=(0, last + 1), ylim=(0, 1.02), xlabel="training step", title="of 256 responses a step"
    )
    axes.legend(loc="upper left", frameon=False, fontsize=TICK, handlelength=3)
    style(axes)


def draw_answers(axes: Axes, found: Sequence[Answer], step: int) -> None:
    """A row a question: mark, question, thought on its tint, answer. All in characters."""
    columns = 67
    axes.set(xlim=(0, columns), ylim=(len(found) - 0.3, -1.3))
    axes.axis("off")
    axes.text(
        0,
        -0.9,
        f"step {step}, eight unseen questions: {in_words(found)}",
        fontsize=TITLE,
        color=INK,
        weight="bold",
    )
    type_ = {"family": "monospace", "va": "center", "parse_math": False}
    size = axes.get_window_extent().width / columns / TEXT_WIDTH / PIXELS * 72
    for y, answer in enumerate(found):
        thought, said = answer.parts
        mark, colour = ("✓", PLUS) if answer.right else ("✗", MINUS)
        axes.text(0, y, mark, fontsize=LABEL, color=colour, weight="bold", va="center")
        axes.text(2.5, y, answer.question, fontsize=size, color=QUIET, **type_)
        place = 19
        if thought:
            box = {"facecolor": THOUGHT, "alpha": 0.3, "linewidth": 0, "pad": 2.5}
            axes.text(place, y, thought, fontsize=size, color=INK, bbox=box, **type_)
            place += len(thought) + 1.5
        axes.text(place, y, said[:18], fontsize=size, color=INK, weight="bold", **type_)


def frame(rows: list[dict], last: int) -> Figure:
    """The picture at the moment of the last of ``rows``."""
    figure = Figure(figsize=(10.4, 3.6), dpi=PIXELS, facecolor=PAPER)
    left = figure.add_axes((0.055, 0.15, 0.25, 0.72))
    right = figure.add_axes((0.335, 0.03, 0.66, 0.94))
    draw_curves(left, rows, last)
    now = next(row for row in reversed(rows) if "answers" in row)
    draw_answers(right, now["answers"], now["step"])
    return figure


def animate(rows: list[dict], path: Path) -> None:
    """All moments with answers as an animated GIF; the last one stays."""
    moments = [i for i, row in enumerate(rows) if "answers" in row]
    pictures = []
    for i in moments:
        figure = frame(rows[: i + 1], rows[-1]["step"])
        pictures.append(Image.open(io.BytesIO(png(figure, scale=1, colours=128))))
    durations = [1600] + [450] * (len(pictures) - 2) + [5000]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=durations, loop=0)


def main(argv: Sequence[str]) -> None:
    """Record, unless the record is there, and draw."""
    parser = Parser(
        prog="python -m grpo_mini thinking",
        description="Record a training's answers to eight questions, and draw them as a GIF.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--steps", type=whole(1), default=40, help="training steps")
    parser.add_argument("--every", type=whole(1), default=2, help="ask every so many steps")
    parser.add_argument("--seed", type=whole(0), default=0, help="of problems and sampling")
    parser.add_argument("--out", type=Path, default=Path("runs/thinking.jsonl"), help="the record")
    parser.add_argument("--gif", type=Path, default=Path("runs/thinking.gif"), help="the picture")
    arguments = parser.parse_args(argv)
    require_writable(arguments.out)
    require_writable(arguments.gif)
    if not arguments.out.exists():
        write(arguments.out, *record(arguments.steps, arguments.every, arguments.seed))
    rows = read(arguments.out)
    animate(rows, arguments.gif)
    print(f"from {in_words(rows[0]['answers'])} to {in_words(rows[-1]['answers'])}")
    print(f"{arguments.out}, {arguments.gif}")
