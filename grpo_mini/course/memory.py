"""What a learner has done, remembered in a file next to the notebooks."""

import json
import os
from pathlib import Path

from ..support.checkpoints import atomic_write

_done: set[str] = set()  # in this session


def _file() -> Path:
    return Path(os.environ.get("GRPO_MINI_PROGRESS", ".progress.json"))


def remembered() -> set[str]:
    """Numbers of what was solved ("4.2") and predicted ("5.A"), now and in earlier sessions."""
    try:
        return {str(number) for number in json.loads(_file().read_text(encoding="utf-8"))} | _done
    except (OSError, ValueError, TypeError):
        return set(_done)  # none yet, or a damaged file: nothing that could not be done again


def remember(number: str) -> None:
    """Add a number."""
    _done.add(number)
    try:
        atomic_write(_file(), json.dumps(sorted(remembered())))
    except OSError:
        pass  # a read-only folder: this session still remembers
