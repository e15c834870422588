"""How the tests run: from any folder, and side by side."""

import os
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # what runs side by side gets one thread each
    os.environ["OMP_NUM_THREADS"] = "1"
# A learner's file and progress are no part of what is tested, and stay as they are.
os.environ["GRPO_MINI_MY_GRPO"] = str(Path(__file__).parent / "build" / "none" / "my_grpo.py")
os.environ["GRPO_MINI_PROGRESS"] = str(Path(__file__).parent / "build" / "none" / "progress.json")
os.environ["GRPO_MINI_CAPSTONE"] = str(Path(__file__).parent / "build" / "none" / "my_capstone")

from grpo_mini.machine.threads import lent_cores


def pytest_configure(config):
    """The file of nbval's patterns lies where it lies, not where the command was typed."""
    option = config.option
    option.nbval_sanitize_with = str(config.rootpath / option.nbval_sanitize_with)


def pytest_xdist_auto_num_workers() -> int:
    """A worker a core, and no more than memory is sure to be there for."""
    return min(lent_cores(), 4)
