"""Training board: start, pause or take one step, and watch the curves while the kernel is free."""

import html
import threading

import ipywidgets

from ...trainer import Trainer
from ..live import progress_html, training_picture
from .names import WORDS, named


class TrainingBoard:
    """Train ``trainer`` from the page; nothing runs until a button is pressed.

    Training goes on in a thread of its own, a step at a time, so that other cells can run. Pause
    stops after the running step.

    Args:
        trainer: any trainer; its history grows while the board trains.
        steps: where the board stops by itself.
    """

    def __init__(self, trainer: Trainer, steps: int = 40):
        self.trainer, self.goal = trainer, trainer.step + steps
        self.first = trainer.step
        self._go_on = threading.Event()
        self._thread: threading.Thread | None = None
        self.buttons = {}
        for name, action in (
            ("Start", self.start),
            ("Pause", self.pause),
            ("One step", self.one_step),
        ):
            button = ipywidgets.Button(description=name, tooltip=name)
            button.on_click(lambda _, action=action: action())
            self.buttons[name] = button
        self.status = ipywidgets.HTML()
        self.picture = ipywidgets.Image(format="png")
        row = ipywidgets.HBox(list(self.buttons.values()))
        head = ipywidgets.HTML("<b>Training board</b>")
        self.status.add_class(WORDS)
        self.view = named(ipywidgets.VBox([head, row, self.status, self.picture]))
        self._show()

    @property
    def running(self) -> bool:
        """True while a step is being taken."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Train until the goal or until `pause`."""
        self._run(forever=True)

    def one_step(self) -> None:
        """Take a single step."""
        self._run(forever=False)

    def pause(self) -> None:
        """Stop after the running step."""
        self._go_on.clear()

    def wait(self, seconds: float = 60.0) -> None:
        """Wait until the board stands still: for scripts and tests."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self, forever: bool) -> None:
        if self.running or self.trainer.step >= self.goal:
            return
        self._go_on.set() if forever else self._go_on.clear()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            while self.trainer.step < self.goal:
                self.trainer.train(1, on_step=lambda row: self._show())
                if not self._go_on.is_set():
                    break
        except Exception as error:  # the thread has nobody to tell but the page
            self.status.value = f"<b>Stopped:</b> {html.escape(repr(error))}"
        finally:
            self._go_on.clear()

    def _show(self) -> None:
        done, last = self.trainer.step - self.first, self.trainer.history[-1:]
        reward = f", reward {last[0]['reward_mean']:.2f}" if done else ""
        self.status.value = progress_html(self.trainer, done, self.goal - self.first) + reward
        self.picture.value = training_picture(self.trainer)

    def _repr_mimebundle_(self, **options) -> dict:
        """The live board; a page without a kernel says what it would be."""
        text = (
            "Training board: run this notebook in JupyterLab to start, pause and step a training."
        )
        bundle = self.view._repr_mimebundle_(**options)
        return {**bundle, "text/html": f"<i>{text}</i>", "text/plain": text}
