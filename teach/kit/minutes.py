"""How long the notebooks compute: python -m teach.kit.minutes [NAME...] writes teach/minutes.json.

A teacher plans by it: what a notebook takes in all, and which cells make a room wait. What counts
is the processor's time, because a clock also measures what else the machine had to do. Stored
outputs stay as they are, and notebooks that are not named keep the figures that they had.
"""

import json
import os
import time
from pathlib import Path

import nbformat

from tests.notebooks.refresh import asked_for, execute

RECORD = Path(__file__).parents[1] / "minutes.json"
LONG = 3.0  # processor seconds from which a cell is worth a word
# Run before a notebook's first cell and after its last one, in its kernel.
FIRST = """
import time as _time
_took = [0.0]  # of this cell, whose begin nobody saw
get_ipython().events.register("pre_run_cell", lambda info: _took.append(-_time.process_time()))
get_ipython().events.register("post_run_cell",
                              lambda result: _took.append(_took.pop() + _time.process_time()))
"""
LAST = "print(*_took[1:-1], _time.process_time())"  # without these two cells themselves


def measured(path: Path) -> dict:
    """Run a copy of a notebook and say how long it took.

    Returns:
        processor seconds of its kernel, imports included; seconds by the clock; and the cells that
        took ``LONG`` processor seconds or more, by id.
    """
    notebook = nbformat.read(path, as_version=4)
    ids = [cell.id for cell in notebook.cells if cell.cell_type == "code"]
    notebook.cells.insert(0, nbformat.v4.new_code_cell(FIRST))
    notebook.cells.append(nbformat.v4.new_code_cell(LAST))
    start = time.perf_counter()
    execute(notebook, path.parent)
    *each, total = map(float, notebook.cells[-1].outputs[0].text.split())
    return {
        "processor_seconds": round(total, 1),
        "seconds": round(time.perf_counter() - start, 1),
        "cells": {
            name: round(took, 1) for name, took in zip(ids, each, strict=True) if took >= LONG
        },
    }


def read() -> dict[str, dict]:
    """What is recorded, by notebook."""
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}


def main() -> None:
    """Measure, and write after each notebook."""
    for path in asked_for():
        # Before it starts: how many programs want a core, and how many cores there are.
        around = {"cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 1)}
        record = read() | {path.stem: measured(path) | around}
        text = json.dumps(dict(sorted(record.items())), indent=1)
        RECORD.write_text(text + "\n", encoding="utf-8")
        print(f"{path.stem}: {record[path.stem]['processor_seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
