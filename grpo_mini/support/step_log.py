"""Where a training's steps go: the history, a file, and a progress bar or a callback."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from tqdm.auto import tqdm

from .checkpoints import atomic_write


class StepLog:
    """A row a step, and a progress bar until ``with`` ends, unless ``on_step`` takes its place.

    Args:
        history: the trainer's own list of rows; new ones are appended to it.
        folder: where ``log.jsonl``, a line a step, goes; None writes nothing.
        title, steps: name and length of the progress bar.
        on_step: called with each row.
    """

    def __init__(
        self,
        history: list[dict],
        folder: str | Path | None,
        title: str,
        steps: int,
        on_step: Callable[[dict], None] | None,
    ):
        self.history, self.on_step, self.file = history, on_step, None
        self.remarks: list[str] = []
        if folder is not None:
            self.file = Path(folder) / "log.jsonl"
            atomic_write(self.file, "".join(json.dumps(row) + "\n" for row in history))

        hidden = on_step is not None
        self.progress = tqdm(
            total=steps, desc=title, unit="step", dynamic_ncols=True, disable=hidden
        )

    def __enter__(self) -> "StepLog":
        return self

    def __exit__(self, *error) -> None:
        self.progress.close()

    def write(self, row: dict) -> None:
        """Add a row to history and file."""
        self.history.append(row)
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    def show(self, row: dict) -> None:
        """Move the progress bar on, or call ``on_step``."""
        self.progress.update()
        self.progress.set_postfix(
            reward=f"{row['reward_mean']:.2f}", length=f"{row['length_mean']:.0f}"
        )
        if self.on_step is not None:
            self.on_step(row)

    def say(self, remark: str) -> None:
        """A line for the reader, above the progress bar; `remarks` keeps it in any case."""
        self.remarks.append(remark)
        if self.on_step is None:
            self.progress.write(remark, file=sys.stderr)
