"""Is this machine ready for the course? Each failure says what to do."""

import os
import platform
import shutil
import sys
import time
from pathlib import Path

import torch
import transformers

from ..grpo import GRPOConfig, GRPOTrainer
from ..machine import threads
from ..machine.device import default_device
from ..models import TINY_QWEN, load_policy
from .cards import Card

NEEDED_MB = 1500
BUSY = 0.75  # of a core: a computing thread that gets less shares it with other programs
STEPS = 40  # of notebook 00's training
GROWTH = 1.7  # responses grow: the mean step of a training takes so many times the first's time


def free_memory_mb() -> float | None:
    """Memory that a new process could take; None where the system does not tell."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="utf-8")
        line = next(line for line in text.splitlines() if line.startswith("MemAvailable"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20
    except (AttributeError, ValueError, OSError):
        return None


def training_seconds(model, tokenizer) -> float:
    """About how long notebook 00's training will take: a quarter of one step, measured."""
    config = GRPOConfig(prompts_per_step=8, train_problems=8, learning_rate=1e-12)
    trainer = GRPOTrainer(config, model=model, tokenizer=tokenizer)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        trainer.train_step(trainer.next_prompts())
        seconds.append(time.perf_counter() - start)
    return min(seconds) * 4 * GROWTH * STEPS


def in_words(seconds: float) -> str:
    """About half a minute, about 3 minutes."""
    if seconds < 45:
        return f"about {max(10 * round(seconds / 10), 10)} seconds"
    minutes = round(seconds / 60)
    return f"about {minutes} minutes" if minutes > 1 else "about a minute"


def processors(choice: threads.Threads, seconds: float | None) -> str:
    """What the machine lends, whether other programs take of it, and what to expect."""
    cores, lent = os.cpu_count() or 1, threads.lent_cores()
    line = f"device {default_device()}, {choice}"
    if lent < cores:
        line += f"; this machine has {cores} cores and lends {lent} of them"
    expect = "" if seconds is None else f" Notebook 00's training takes {in_words(seconds)} now."
    if choice.share < BUSY:
        return (
            f"BUSY: {line}. Other programs use the processors and leave {choice.share:.0%} of a "
            f"core to a program that computes: close them (video calls, other notebooks), or take "
            f"your time.{expect}"
        )
    return f"ok: {line}.{expect}"


def preflight(model: str | Path = TINY_QWEN) -> Card:
    """Check versions, processors, memory and the model, and say what to do about failures."""
    lines, problems = [], []

    def note(good: bool, what: str, advice: str) -> None:
        lines.append(f"{'ok' if good else 'PROBLEM'}: {what}")
        if not good:
            lines[-1] += f". {advice}"
            problems.append(what)

    version = platform.python_version()
    supported = (3, 11) <= sys.version_info[:2] < (3, 14)
    note(
        supported,
        f"Python {version}",
        "Use Python 3.11, 3.12 or 3.13: `make lab PYTHON=python3.12`",
    )
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    pinned = torch.__version__.startswith("2.13.") and transformers.__version__.startswith("5.23.")
    note(pinned, versions, "The course is tested with the pinned versions: run `make lab` again")
    memory = free_memory_mb()
    if memory is None:
        lines.append("ok: this system does not tell how much memory is free")
    else:
        note(
            memory >= NEEDED_MB,
            f"{memory:,.0f} MB of memory free",
            f"Training takes about {NEEDED_MB:,} MB: close other programs or kernels",
        )
    disk = shutil.disk_usage(".").free / 2**20
    note(disk > 200, f"{disk:,.0f} MB of disk free", "Make room for checkpoints and figures")
    choice, seconds = threads.choose(), None
    try:
        loaded = load_policy(model, device="cpu")
        offline = "without network" if Path(model).is_dir() else "from the hub or its cache"
        note(True, f"model {Path(model).name} loads, {offline}", "")
        if Path(model) == TINY_QWEN:
            seconds = training_seconds(*loaded)
    except (OSError, ValueError) as error:
        note(False, f"the model {str(model)!r} does not load", str(error))
    lines.append(processors(choice, seconds))
    if problems:
        return Card("problem", f"Preflight: {len(problems)} to mend", tuple(lines))
    busy = choice.share < BUSY
    return Card("ok", f"Preflight: {'ready, but busy' if busy else 'all is well'}", tuple(lines))
