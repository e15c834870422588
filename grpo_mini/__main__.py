"""The command line: ``python -m grpo_mini COMMAND --help``."""

import importlib
import sys
from collections.abc import Sequence

from .support.checkpoints import CheckpointError
from .trainer import TrainingDivergedError

# Commands with a file of their own. All are loaded by name, and only when they are called.
OWN_FILE = {"demo", "cost", "experiment", "microscope", "preferences"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; errors that a user can mend are one line, not a traceback."""
    argv = list(sys.argv[1:] if argv is None else argv)
    file = argv[0] if argv and argv[0] in OWN_FILE else "commands"
    try:
        module = importlib.import_module(f"grpo_mini.experiments.{file}")
        module.main(argv[1:] if file in OWN_FILE else argv)
    except (ValueError, FileNotFoundError, CheckpointError, TrainingDivergedError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
