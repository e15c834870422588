"""Training board: play, pause, take one step, go back, and watch while the kernel is free."""

import contextvars
import copy
import html
import threading
import weakref

import ipywidgets

from ...machine.random import random_states, set_random_states
from ...trainer import Trainer
from ..live import Watch, progress_html
from .names import WORDS, named
from .page import Shown

BOARDS: "weakref.WeakKeyDictionary[Trainer, TrainingBoard]" = weakref.WeakKeyDictionary()
PLAY, PAUSE, ONE_STEP, RESET = "Play", "Pause", "One step", "Reset"
ICONS = {PLAY: "play", PAUSE: "pause", ONE_STEP: "step-forward", RESET: "undo"}


class TrainingBoard(Shown):
    """Train ``trainer`` from the page; nothing runs until a button is pressed.

    Training goes on in a thread of its own, a step at a time, so that other cells can run. A press
    during a step counts when that step is done: Pause rests, One step takes one more, Play goes on,
    Reset goes back to where the board began.

    Args:
        trainer: any trainer; its history grows while the board trains. A board that rests gives its
            trainer up to a later board.
        steps: where the board stops by itself.

    Raises:
        ValueError: another board is training this trainer.
    """

    def __init__(self, trainer: Trainer, steps: int = 40):
        other = BOARDS.get(trainer)
        if other is not None and other.running:
            raise ValueError(
                "another board is training this trainer: pause that one, or give this one a "
                "trainer of its own"
            )
        if other is not None:
            other.retire()
        BOARDS[trainer] = self
        self.trainer, self.first, self.goal = trainer, trainer.step, trainer.step + steps
        self._begin = _state(trainer)
        self._wish, self._trouble, self._retired = PAUSE, "", False
        self._lock, self._showing = threading.Lock(), threading.Lock()
        self._thread: threading.Thread | None = None
        self.buttons = {
            name: ipywidgets.Button(description=name, icon=ICONS[name]) for name in ICONS
        }
        for name, button in self.buttons.items():
            button.on_click(lambda _, name=name: self.press(name))
        self.status, self.picture = ipywidgets.HTML(), ipywidgets.HTML()
        self.status.add_class(WORDS)
        self.watch = Watch(trainer, steps)
        head = ipywidgets.HTML("<b>Training board</b>")
        row = ipywidgets.HBox(list(self.buttons.values()))
        self.view = named(ipywidgets.VBox([head, row, self.status, self.picture]))
        self._show()

    @property
    def running(self) -> bool:
        """True while it trains, or has something left to do."""
        with self._lock:
            return self._thread is not None

    @property
    def state(self) -> str:
        """What the board is doing, in words."""
        if self._retired:
            return "another board has this trainer now"
        if self._thread is not None:
            return {
                PLAY: "training",
                PAUSE: "pausing after this step",
                ONE_STEP: "taking one step",
                RESET: "going back to the start",
            }[self._wish]
        if self.trainer.step >= self.goal:
            return "done"
        return "paused" if self.trainer.step > self.first else "ready: press Play"

    def press(self, name: str) -> None:
        """Press the button of that name."""
        with self._lock:
            if self._retired:
                return
            self._wish, self._trouble = name, ""
            if self._thread is None and name != PAUSE:
                context = contextvars.copy_context()  # what it shows is an answer to this press
                self._thread = threading.Thread(target=context.run, args=[self._work], daemon=True)
                self._thread.start()
        self._show_state()

    def wait(self, seconds: float = 60.0) -> None:
        """Wait until the board rests: for scripts and tests."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def retire(self) -> None:
        """Leave the trainer to another board."""
        self._retired = True
        self._show_state()

    def _next(self) -> str | None:
        """What to do now; None to rest, which is then decided."""
        with self._lock:
            wish = self._wish
            if wish == PAUSE or (wish != RESET and self.trainer.step >= self.goal):
                self._wish, self._thread = PAUSE, None
                return None
            if wish != PLAY:
                self._wish = PAUSE
            return wish

    def _work(self) -> None:
        while (wish := self._next()) is not None:
            try:
                if wish == RESET:
                    _go_back(self.trainer, self._begin)
                    self.watch.before = []
                else:
                    self.trainer.train(1, on_step=lambda row: None)
                self.watch.ask()
                self._show()
            except Exception as error:  # the thread has nobody to tell but the page
                with self._lock:
                    self._wish = PAUSE
                    self._trouble = f"{type(error).__name__}: {error}"
        self._show_state()

    def _show(self) -> None:
        self.picture.value = self.watch.html()
        self._show_state()

    def _show_state(self) -> None:
        """One at a time: who shows last shows what is, not what was when it began."""
        with self._showing:
            done, steps = self.trainer.step - self.first, self.goal - self.first
            state = f"<b>Stopped.</b> {html.escape(self._trouble)}" if self._trouble else self.state
            self.status.value = (
                f"<div><b>{state}</b></div>{progress_html(self.trainer, done, steps)}"
            )
            rests, ended = self._thread is None, done >= steps
            idle = {
                PLAY: "it has taken all its steps: Reset goes back" if ended else "",
                ONE_STEP: "it has taken all its steps: Reset goes back" if ended else "",
                PAUSE: "nothing runs" if rests else "",
                RESET: "it is at its start" if rests and not done else "",
            }
            if not rests and self._wish == PLAY:
                idle[PLAY] = "it is training"
            for name, button in self.buttons.items():
                why = self.state if self._retired else idle[name]
                button.disabled, button.tooltip = bool(why), f"{name}: {why}" if why else name
                # ipykernel 7 hands a press to the thread that last told the button something, and
                # two threads may overtake each other: so all buttons are told, by one.
                button.send_state("disabled")

    def static(self) -> tuple[str, str]:
        """The board at its start."""
        text = "Training board: run this cell in JupyterLab to play, pause and step a training."
        return f"<b>Training board</b>{self.watch.html()}<i>{text}</i>", text


def _state(trainer: Trainer) -> dict:
    """All that a step changes, as a copy."""
    return copy.deepcopy({
        "models": {role: model.state_dict() for role, model in trainer.models().items()},
        "optimizers": {role: o.state_dict() for role, o in trainer.optimizers().items()},
        "generator": trainer.generator.get_state(),
        "random": random_states(),
        "history": trainer.history,
        "step": trainer.step,
    })  # fmt: skip


def _go_back(trainer: Trainer, state: dict) -> None:
    """Make ``trainer`` what it was at `_state`."""
    state = copy.deepcopy(state)
    for role, model in trainer.models().items():
        model.load_state_dict(state["models"][role])
    for role, optimizer in trainer.optimizers().items():
        optimizer.load_state_dict(state["optimizers"][role])
    trainer.generator.set_state(state["generator"])
    set_random_states(state["random"])
    trainer.history, trainer.step = state["history"], state["step"]
