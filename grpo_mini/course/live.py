"""Training in a notebook, with a figure that grows while it runs."""

import html
import time

from IPython.display import HTML, Image, display
from matplotlib.figure import Figure

from ..experiments.plots import style
from ..trainer import Trainer, TrainingInterrupted
from .cards import Card
from .figures import png

PANELS = {
    "reward_mean": "mean reward",
    "think_share": "share that thinks first",
    "length_mean": "mean length (tokens)",
}


def train_live(trainer: Trainer, steps: int, every: float = 1.0) -> list[dict]:
    """Train ``steps`` steps and redraw the curves about every ``every`` seconds.

    Interrupting the kernel stops after the running step; a card says so, and the notebook goes on
    with the model as it is then.

    Returns:
        The trainer's history.
    """
    status = display(HTML(progress_html(trainer, 0, steps)), display_id=True)
    picture = display(Image(training_picture(trainer)), display_id=True)
    first, start, drawn = trainer.step, time.perf_counter(), 0.0

    def redraw(row: dict) -> None:
        nonlocal drawn
        now, done = time.perf_counter(), trainer.step - first
        if now - drawn >= every or done == steps:
            drawn = now
            status.update(HTML(progress_html(trainer, done, steps, now - start)))
            picture.update(Image(training_picture(trainer)))

    try:
        return trainer.train(steps, on_step=redraw)
    except TrainingInterrupted:
        done = trainer.step - first
        line = "What follows shows the model as it is now. Run this cell again and it learns on."
        display(Card("note", f"Interrupted after {done} of {steps} steps", (line,)))
        return trainer.history


def reached(trainer: Trainer, steps: int) -> bool:
    """Whether a training was not interrupted before ``steps``; if it was, a card says so."""
    if trainer.step >= steps:
        return True
    line = "What the lesson says about its end was not compared with what came out."
    display(Card("note", f"The training stopped after {trainer.step} of {steps} steps", (line,)))
    return False


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


def training_picture(trainer: Trainer) -> bytes:
    """Reward, share of thinking and length over the steps so far, as PNG."""
    figure = Figure(figsize=(11, 2.8), layout="constrained")
    rows = [row for row in trainer.history if row["step"] > 0]
    for axes, (metric, title) in zip(figure.subplots(1, 3), PANELS.items(), strict=True):
        axes.plot([row["step"] for row in rows], [row[metric] for row in rows], color="#0072B2")
        axes.set(title=title, xlabel="step")
        if metric != "length_mean":
            axes.set_ylim(0, 1)
        style(axes)
    return png(figure, dpi=90)
