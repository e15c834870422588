"""Is this machine ready for the course? Each failure says what to do."""

import os
import platform
import shutil
import sys
from pathlib import Path

import torch
import transformers

from ..machine.device import default_device
from ..models import TINY_QWEN, load_policy
from .cards import Card

NEEDED_MB = 1500


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


def preflight(model: str | Path = TINY_QWEN) -> Card:
    """Check versions, device, threads, memory and the model, and say what to do about failures."""
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
    threads = torch.get_num_threads()
    note(threads >= 1, f"device {default_device()}, {threads} threads", "")
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
    try:
        load_policy(model, device="cpu")
        offline = "without network" if Path(model).is_dir() else "from the hub or its cache"
        note(True, f"model {Path(model).name} loads, {offline}", "")
    except (OSError, ValueError) as error:
        note(False, f"the model {str(model)!r} does not load", str(error))
    if problems:
        return Card("problem", f"Preflight: {len(problems)} to mend", tuple(lines))
    return Card("ok", "Preflight: all is well", tuple(lines))
