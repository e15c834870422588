"""The command line: ``python -m grpo_mini COMMAND --help``."""

import importlib
import sys
from collections.abc import Sequence

import torch

from .support.checkpoints import CheckpointError
from .support.rewards import RewardError
from .trainer import TrainingDivergedError

# Commands with a file of their own. All are loaded by name, and only when they are called.
OWN_FILE = {"cost", "demo", "experiment", "gpu-check", "gradients", "handover", "microscope",
            "preferences", "thinking"}  # fmt: skip
# What a user can mend: one line, not a traceback.
USERS = (ValueError, OSError, CheckpointError, RewardError, TrainingDivergedError,
         FloatingPointError, torch.OutOfMemoryError)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        0; 2 after an error that a user can mend, which is printed in one line; 130 after Ctrl-C.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    # A console that cannot write a character shows its code.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    file = argv[0].replace("-", "_") if argv and argv[0] in OWN_FILE else "commands"
    try:
        module = importlib.import_module(f"grpo_mini.experiments.{file}")
        module.main(argv[1:] if file != "commands" else argv)
    except USERS as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        print(f"stopped: {error or 'interrupted'}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
