"""Recorded runs: one .jsonl file, a header line and a line a step, made by one command."""

import json
import platform
import shlex
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import matplotlib
import numpy
import torch
import transformers

from .checkpoints import atomic_write


def provenance() -> dict:
    """What made a run: command, versions, commit and kind of machine."""
    folder = Path(__file__).parent
    return {
        "command": shlex.join(["python", "-m", "grpo_mini", *sys.argv[1:]]),
        "commit": _git(folder, "rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git(folder, "status", "--porcelain", "--", str(folder))),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "numpy": numpy.__version__,
            "matplotlib": matplotlib.__version__,
        },
        "machine": f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads",
    }


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def write_run(path: str | Path, trainer) -> None:
    """Write a trainer's history, floats with six digits, behind a header that says its origin."""
    config = asdict(trainer.config)
    config["model_name"] = Path(config["model_name"]).name
    header = {"algorithm": type(trainer).__name__, "config": config, **provenance()}
    rows = [
        {name: float(f"{v:.6g}") if isinstance(v, float) else v for name, v in row.items()}
        for row in trainer.history
    ]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"run": header}), *map(json.dumps, rows)]
    atomic_write(Path(path), "\n".join(lines) + "\n")


def read_run(path: str | Path) -> tuple[dict, list[dict]]:
    """Header and history of a recorded run.

    Raises:
        ValueError: the file is not a recorded run, or was cut short.
    """
    lines = Path(path).read_text().splitlines()
    try:
        first, *rows = [json.loads(line) for line in lines]
        return first["run"], rows
    except (ValueError, KeyError) as error:
        raise ValueError(f"{path} is not a recorded run, or was cut short: {error!r}") from error
