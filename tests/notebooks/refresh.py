"""Run notebooks and store their outputs: python tests/notebooks/refresh.py [NAME...]"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def execute(notebook: nbformat.NotebookNode, folder: Path = NOTEBOOKS) -> None:
    """Run all cells in ``folder``; an error in a cell is raised here."""
    NotebookClient(
        notebook, timeout=1800, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()


def tidy(notebook: nbformat.NotebookNode) -> None:
    """Leave out what says nothing: when a cell ran, what the widgets looked like inside."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": kernel, "language_info": {"name": "python"}}
    )
    for cell in notebook.cells:
        kept = {name: cell.metadata[name] for name in ("tags",) if name in cell.metadata}
        if "hide-input" in kept.get("tags", []):  # the tag is Jupyter Book's, this is JupyterLab's
            kept["jupyter"] = {"source_hidden": True}
        cell.metadata = nbformat.from_dict(kept)
        for output in list(cell.get("outputs", [])):
            view = output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
            if view and "text/html" not in output.data:  # a progress bar, stuck at its start
                cell.outputs.remove(output)


def asked_for() -> Iterator[Path]:
    """Notebooks named on the command line, or all, to be run without a learner's own files.

    No rehearsal either: what is stored and what is measured are whole trainings.
    """
    os.environ.pop("GRPO_MINI_LIVE_STEPS", None)
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["GRPO_MINI_PROGRESS"] = os.devnull
    os.environ["GRPO_MINI_MY_GRPO"] = os.path.join(os.devnull, "my_grpo.py")
    os.environ["GRPO_MINI_CAPSTONE"] = os.path.join(tempfile.mkdtemp(), "my_capstone")
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if not sys.argv[1:] or any(name in path.stem for name in sys.argv[1:]):
            yield path


if __name__ == "__main__":
    for path in asked_for():
        start, notebook = time.perf_counter(), nbformat.read(path, as_version=4)
        execute(notebook)
        tidy(notebook)
        nbformat.write(notebook, path)
        print(f"{path.stem}: {time.perf_counter() - start:.0f} s")
