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
    folder = Path(__file__).parents[1]  # the package
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


def write_run(path: str | Path, trainer, **about) -> None:
    """Write a trainer's history behind a header that says its origin, extended by ``about``.

    Floats keep six digits. A ``.jsonl`` file has a line a step; a ``.json`` file has a list a
    metric, which is a third of the size.
    """
    path = Path(path)
    config = asdict(trainer.config)
    config["model_name"] = Path(config["model_name"]).name
    header = {"algorithm": type(trainer).__name__, "config": config, **about, **provenance()}
    rows = [
        {name: float(f"{v:.6g}") if isinstance(v, float) else v for name, v in row.items()}
        for row in trainer.history
    ]
    lines = [json.dumps({"run": header}), *map(json.dumps, rows)]
    if path.suffix == ".json":
        metrics = dict.fromkeys(name for row in rows for name in row)
        columns = {name: [row.get(name) for row in rows] for name in metrics}
        lines = [f'{{"run": {json.dumps(header)},', '"history": {']
        lines += [",\n".join(f"{json.dumps(n)}: {json.dumps(c)}" for n, c in columns.items()), "}}"]
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, "\n".join(lines) + "\n")


def read_run(path: str | Path) -> tuple[dict, list[dict]]:
    """Header and history of a recorded run.

    Raises:
        ValueError: the file is not a recorded run, or was cut short.
    """
    text = Path(path).read_text()
    try:
        if Path(path).suffix == ".json":
            whole = json.loads(text)
            names, columns = whole["history"].keys(), whole["history"].values()
            rows = [
                {n: v for n, v in zip(names, values, strict=True) if v is not None}
                for values in zip(*columns, strict=True)
            ]
            return whole["run"], rows
        first, *rows = [json.loads(line) for line in text.splitlines()]
        return first["run"], rows
    except (ValueError, KeyError) as error:
        raise ValueError(f"{path} is not a recorded run, or was cut short: {error!r}") from error
