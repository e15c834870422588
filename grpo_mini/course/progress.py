"""The card that shows how far a learner has come."""

from collections.abc import Iterable

from .cards import Card
from .cases import CASES
from .checker import EXERCISES, NOTEBOOKS
from .memory import remembered
from .predictions import shared_questions


def progress() -> Card:
    """What is done and what is left, notebook by notebook, of the notebooks that are there.

    A prediction counts when it was committed to, right or wrong; a case of the bug zoo when it is
    closed, solved or not.
    """
    there = {str(int(path.name[:2])) for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")}

    def of(numbers: Iterable[str], notebooks: set[str]) -> list[str]:
        return sorted(n for n in numbers if n.split(".")[0] in notebooks)

    done = remembered()
    exercises, predictions = of(EXERCISES, there), of(shared_questions(), there)
    closed, lines = {f"8.{letter}" for letter in CASES}, []
    for notebook in sorted(there, key=int):
        marks = [f"{n} {'✓' if n in done else '○'}" for n in of(exercises, {notebook})]
        asked = of(predictions, {notebook})
        if asked:
            marks.append(f"predictions {len(done & set(asked))} of {len(asked)}")
        if notebook == "8":
            marks.append(f"cases closed {len(done & closed)} of {len(closed)}")
        if marks:
            lines.append(f"Notebook {int(notebook):02d}: {'  '.join(marks)}")
    solved, predicted = len(done & set(exercises)), len(done & set(predictions))
    title = f"{solved} of {len(exercises)} exercises solved"
    if predictions:
        title += f", {predicted} of {len(predictions)} predictions made"
    all_done = (solved, predicted) == (len(exercises), len(predictions)) and closed <= done
    return Card("right" if all_done else "note", title, tuple(lines))
