"""How long the notebooks compute: python -m teach.kit.minutes [NAME...] writes teach/minutes.json.

A teacher plans by it: what a notebook takes in all, and which cells make a room wait. Stored
outputs stay as they are, and notebooks that are not named keep the figures that they had.
"""

import json
import os
import sys
import time
from datetime import datetime
from pathlib import Path

import nbformat
from nbclient import NotebookClient

TEACH = Path(__file__).parents[1]
NOTEBOOKS = TEACH.parent / "notebooks"
RECORD = TEACH / "minutes.json"
LONG = 3.0  # seconds from which a cell is worth a word
PROCESSOR = "import time as _time; print(_time.process_time())"


def measured(path: Path) -> dict:
    """Run a copy of a notebook and say how long it took.

    Returns:
        seconds by the clock and of the processor, starting the kernel included, and the cells that
        took ``LONG`` or more, by id.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(PROCESSOR, id="processor"))
    start = time.perf_counter()
    NotebookClient(
        notebook, timeout=3600, kernel_name="python3", record_timing=True,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()  # fmt: skip
    seconds = time.perf_counter() - start
    return {
        "seconds": round(seconds, 1),
        "processor_seconds": round(float(notebook.cells[-1].outputs[0].text), 1),
        "cells": {cell.id: took for cell in notebook.cells if (took := duration(cell)) >= LONG},
    }


def duration(cell: nbformat.NotebookNode) -> float:
    """Seconds that a cell ran, as its kernel's messages say; 0 for text."""
    times = cell.metadata.get("execution", {})
    if "iopub.execute_input" not in times:
        return 0.0
    first, last = (
        datetime.fromisoformat(times[name].replace("Z", "+00:00"))
        for name in ("iopub.execute_input", "shell.execute_reply")
    )
    return round((last - first).total_seconds(), 1)


def read() -> dict[str, dict]:
    """What is recorded, by notebook."""
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}


def main() -> None:
    """Measure, and write after each notebook."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "GRPO_MINI_PROGRESS": os.devnull}
    os.environ["GRPO_MINI_MY_GRPO"] = os.path.join(os.devnull, "my_grpo.py")
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if sys.argv[1:] and not any(name in path.stem for name in sys.argv[1:]):
            continue
        # Before it starts: how many other programs wanted a core, and how many cores there are.
        around = {"cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 1)}
        record = read() | {path.stem: measured(path) | around}
        text = json.dumps(dict(sorted(record.items())), indent=1)
        RECORD.write_text(text + "\n", encoding="utf-8")
        print(f"{path.stem}: {record[path.stem]['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
