"""Training in a notebook, watched: curves, and the same questions' answers as they change."""

import html
import os
import time
from collections.abc import Sequence

from IPython.display import HTML, display
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..experiments import look
from ..experiments.thinking import Answer, answers, in_words, questions_of
from ..tasks.task import is_right
from ..trainer import Trainer, TrainingInterrupted
from .cards import Card


class Watch:
    """What is seen of a training from now on, as HTML that fits one screen.

    Args:
        trainer: its history grows while it trains.
        steps: how many are to come: the curves' axis ends there from the start.
    """

    def __init__(self, trainer: Trainer, steps: int):
        self.trainer, self.first, self.last = trainer, trainer.step, trainer.step + steps
        self.asked = questions_of(trainer)
        self.before: list[Answer] = []
        self.ask()

    def ask(self) -> None:
        """Ask the questions again: takes as long as eight responses."""
        self.now, self.asked_at = answers(self.trainer, self.asked), self.trainer.step
        self.before = self.before or self.now

    @property
    def rows(self) -> list[dict]:
        """The steps since it began to watch."""
        return [row for row in self.trainer.history if row["step"] > self.first]

    def html(self) -> str:
        """Curves beside answers."""
        return (
            "<div style='display:flex;flex-wrap:wrap;gap:16px;align-items:flex-start'>"
            f"<div style='flex:0 1 340px'>{self.curves()}</div>"
            f"<div style='flex:1 1 480px;overflow-x:auto'>{self.answers()}</div></div>"
        )

    def curves(self) -> str:
        """Reward and share of thinking above, length below."""
        rows = self.rows
        figure = Figure(figsize=(3.5, 4.2), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        for axes, metric, name, colour, line in (
            (above, "reward_mean", "mean reward", look.PLUS, "-"),
            (above, "think_share", "share that thinks first", look.THOUGHT, "--"),
            (below, "length_mean", "mean length (tokens)", look.SERIES[0], "-"),
        ):
            values = [row[metric] for row in rows]
            axes.plot([row["step"] for row in rows], values, line, color=colour, linewidth=2.2,
                      marker="o", markevery=[-1] if rows else None, label=name)  # fmt: skip
            look.style(axes)
        rewards = [0, 1, *(row["reward_mean"] for row in rows)]
        above.set(xlim=(self.first, self.last), ylim=(min(rewards), max(rewards)))
        longest = max((row["length_mean"] for row in rows), default=0)
        below.set(ylim=(0, max(40, 1.1 * longest)), xlabel="step")
        below.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        for axes in (above, below):
            axes.legend(loc="lower right", frameon=False, fontsize=look.SMALL)
        return look.picture_html(figure, self.in_words())

    def in_words(self) -> str:
        """The curves in words."""
        if not self.rows:
            return f"Curves of {self.last - self.first} steps to come: none taken yet."
        last = self.rows[-1]
        return (
            f"At step {last['step']} of {self.last}: mean reward {last['reward_mean']:.2f}, "
            f"{last['think_share']:.0%} think first, {last['length_mean']:.0f} tokens on average."
        )

    def answers(self) -> str:
        """The questions with what the model says to them now, and how it was before."""
        if not self.asked:
            return ""
        head = f"<b>Step {self.asked_at}: {in_words(self.now)}.</b>"
        if self.asked_at > self.first:
            head += f" Before: {in_words(self.before)}."
        rows = "".join(map(answer_row, self.now))
        return (
            f"<div>{head} The same {len(self.asked)} questions each time; a "
            f"{thought_html('thought')} is tinted.</div>"
            f"<table style='border-collapse:collapse'>{rows}</table>"
        )


def thought_html(text: str) -> str:
    """Text on the tint of what is thought."""
    tint = look.tint(look.THOUGHT, 0.7)
    return f"<span style='background:{tint};padding:1px 3px'>{html.escape(text)}</span>"


def answer_row(answer: Answer) -> str:
    """Mark, question, thought and answer as a row of a table."""
    thought, said = answer.parts
    colour = look.PLUS if answer.right else look.MINUS
    mark, word = ("✓", "right") if answer.right else ("✗", "wrong")
    cell = (
        f"<td style='text-align:left;padding:2px 6px;white-space:nowrap;font-family:{look.MONO}'>"
    )
    question = f"{cell}{html.escape(answer.question)}</td>" if answer.question else ""
    shown = (thought_html(thought) + " ") if thought else ""
    return (
        f"<tr><td style='text-align:left;padding:2px 6px;white-space:nowrap'>"
        f"<b style='border-bottom:3px solid {colour}'>{mark}</b> "
        f"{word}</td>{question}{cell}{shown}<b>{html.escape(said)}</b></td></tr>"
    )


def responses(
    texts: Sequence[str], rewards: Sequence[float], questions: Sequence[str] | None = None
) -> HTML:
    """Responses with their thoughts tinted; those paid 1 are marked right, all others wrong.

    Args:
        questions: what each of them answers, where they are not all to the same.
    """
    rows = zip(questions or [""] * len(texts), texts, rewards, strict=True)
    found = [Answer(question, text, bool(is_right(paid))) for question, text, paid in rows]
    return HTML(
        f"<table style='border-collapse:collapse'>{''.join(map(answer_row, found))}</table>"
    )


REHEARSAL = "GRPO_MINI_LIVE_STEPS"
NOT_COMPARED = "What the lesson says about its end was not compared with what came out."


def rehearsed(steps: int) -> int:
    """``steps``, or fewer: no more than the environment's GRPO_MINI_LIVE_STEPS, where it is set.

    For tests and whoever prepares a room: whether every page runs shows without waiting for what
    each training learns.

    Raises:
        ValueError: what is set is no whole number from 1.
    """
    most = os.environ.get(REHEARSAL, "").strip()
    if not most:
        return steps
    if not most.isascii() or not most.isdigit() or int(most) < 1:
        raise ValueError(
            f"{REHEARSAL} is {most!r}: set it to the most steps that a training in a notebook may "
            "take, a whole number from 1, or unset it"
        )
    return min(steps, int(most))


def train_live(trainer: Trainer, steps: int, every: float = 1.5) -> list[dict]:
    """Train ``steps`` steps and show what changes, about every ``every`` seconds.

    Interrupting the kernel stops after the running step; a card says so, and the notebook goes on
    with the model as it is then. In a rehearsal (`rehearsed`) it takes fewer, and says so.

    Returns:
        The trainer's history.
    """
    asked, steps = steps, rehearsed(steps)
    if steps < asked:
        title = f"A rehearsal: {steps} of {asked} steps, as {REHEARSAL} says"
        display(Card("note", title, (NOT_COMPARED,)))
    watch = Watch(trainer, steps)
    status = display(HTML(progress_html(trainer, 0, steps)), display_id=True)
    picture = display(HTML(watch.html()), display_id=True)
    first, start, drawn = trainer.step, time.perf_counter(), 0.0

    def redraw(row: dict) -> None:
        nonlocal drawn
        now, done = time.perf_counter(), trainer.step - first
        if now - drawn >= every or done == steps:
            watch.ask()
            status.update(HTML(progress_html(trainer, done, steps, now - start)))
            picture.update(HTML(watch.html()))
            drawn = time.perf_counter()

    try:
        return trainer.train(steps, on_step=redraw)
    except TrainingInterrupted:
        done = trainer.step - first
        line = "What follows shows the model as it is now. Run this cell again and it learns on."
        display(Card("note", f"Interrupted after {done} of {steps} steps", (line,)))
        return trainer.history


def reached(trainer: Trainer, steps: int) -> bool:
    """Whether a training took ``steps``; if it was interrupted before, a card says so."""
    done = trainer.step >= steps
    if not done and rehearsed(steps) == steps:  # a rehearsal has said so before
        title = f"The training stopped after {trainer.step} of {steps} steps"
        display(Card("note", title, (NOT_COMPARED,)))
    return done


def progress_html(trainer: Trainer, done: int, steps: int, seconds: float | None = None) -> str:
    """A progress bar with its numbers in words."""
    name = type(trainer).__name__.removesuffix("Trainer")
    took = "" if seconds is None else f", {seconds:.0f} s"
    if seconds and 0 < done < steps:
        took += f", about {seconds / done * (steps - done):.0f} s to go"
    remark = html.escape(trainer.remarks[-1]) if trainer.remarks else ""
    return (
        f"<div>{name}: step {done} of {steps}{took}</div><div>{remark}</div>"
        f"<progress value='{done}' max='{steps}' style='width:60%' "
        f"aria-label='training progress'></progress>"
    )
