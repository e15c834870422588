"""Recorded runs: one .jsonl file an experiment, a run a line, each with what made it.

A line is ``{"run": header, "history": {metric: [a value a step]}}``; null stands where a metric
was not measured. The header holds configuration, command, versions, commit and kind of machine.
"""

import hashlib
import json
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import matplotlib
import numpy
import torch
import transformers
from filelock import FileLock

from ..support.checkpoints import atomic_write

REPOSITORY = Path(__file__).parents[2]


def portable(word: str) -> str:
    """A word of a command without the place that this machine keeps things in.

    A path inside the repository becomes relative to it, of any other absolute path the last part
    is left.
    """
    path = Path(word)
    if not path.is_absolute():
        return word
    inside = path.is_relative_to(REPOSITORY)
    return path.relative_to(REPOSITORY).as_posix() if inside else path.name


def provenance(threads: int | None = None) -> dict:
    """What made a run: command, versions, commit and kind of machine."""
    package = REPOSITORY / "grpo_mini"
    words = map(portable, ["python", "-m", "grpo_mini", *sys.argv[1:]])
    in_notebook = Path(sys.argv[0]).stem == "ipykernel_launcher"
    threads = threads or torch.get_num_threads()
    return {
        "command": "a notebook" if in_notebook else shlex.join(words),
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--", str(package))),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "numpy": numpy.__version__,
            "matplotlib": matplotlib.__version__,
        },
        "machine": f"{platform.system()} {platform.machine()}",
        "threads": threads,
    }


def _git(*arguments: str) -> str | None:
    command = ["git", *arguments]
    try:
        done = subprocess.run(
            command, cwd=REPOSITORY, capture_output=True, text=True, encoding="utf-8"
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def portable_config(trainer) -> dict:
    """A trainer's configuration, with the model's name in place of its path."""
    config = asdict(trainer.config)
    for name in ("model_name", "critic_model_name"):
        if config.get(name) is not None and Path(config[name]).expanduser().is_dir():
            config[name] = Path(config[name]).name
    return config


def identity(line: dict) -> tuple:
    """What tells a run from the others of its file: setting and seed, or all its configuration."""
    run = line["run"]
    config = "" if "setting" in run else json.dumps(run["config"], sort_keys=True)
    return run.get("setting") or run["algorithm"], run["config"]["seed"], config


def write_run(path: str | Path, trainer, **about) -> None:
    """Add a trainer's history to a file of runs, in place of the same run if it is there.

    Floats keep six digits. Several processes may write to one file.

    Args:
        about: more for the header: experiment, setting, examples.
    """
    header = {
        "algorithm": type(trainer).__name__,
        "config": portable_config(trainer),
        **about,
        **provenance(trainer.threads),
    }
    metrics = dict.fromkeys(name for row in trainer.history for name in row)
    history = {name: [_short(row.get(name)) for row in trainer.history] for name in metrics}
    add_line(path, {"run": header, "history": history})


def _short(value):
    return float(f"{value:.6g}") if isinstance(value, float) else value


def add_line(path: str | Path, line: dict, key: Callable[[dict], tuple] = identity) -> None:
    """Add a line to a file, or replace the one with the same key; lines are sorted by it."""
    path = Path(path).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    with FileLock(Path(tempfile.gettempdir()) / f"grpo-mini-{name}.lock"):
        old = read_lines(path) if path.exists() else []
        lines = sorted([each for each in old if key(each) != key(line)] + [line], key=key)
        atomic_write(path, "".join(json.dumps(each) + "\n" for each in lines))


def read_lines(path: str | Path) -> list[dict]:
    """The lines of a file of records.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is no record of a run, or was cut short.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"there are no recorded runs in {path}")
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        damaged = not lines or any("run" not in line for line in lines)
    except (ValueError, TypeError):
        damaged = True
    if damaged:
        raise ValueError(f"{path} holds no recorded runs, or was cut short")
    return lines


def read_runs(path: str | Path) -> list[tuple[dict, list[dict]]]:
    """Header and rows of each run of a file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no recorded runs, or was cut short.
    """
    runs = []
    for line in read_lines(path):
        columns = line.get("history", {})
        if len({len(column) for column in columns.values()}) != 1:
            raise ValueError(f"{path} holds no histories, or metrics of different lengths")
        rows = [
            {name: value for name, value in zip(columns, values, strict=True) if value is not None}
            for values in zip(*columns.values(), strict=True)
        ]
        runs.append((line["run"], rows))
    return runs


def require_writable(path: Path) -> None:
    """Refuse a file that cannot be written, before the work whose result it is to hold.

    Raises:
        ValueError: it is a folder, or its folder cannot be written.
    """
    path = path.expanduser()
    if path.is_dir():
        raise ValueError(f"{path} is a folder; a file is wanted")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.draft")
        draft.write_text("", encoding="utf-8")
        draft.unlink()
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror or error}") from error
