"""What the course has stored: its notebooks' cells, by notebook and id."""

import html
import re
from functools import cache
from pathlib import Path

import nbformat

from .pictures import image

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
IN_WORDS = "*In words:* "


@cache
def cells(number: str) -> dict[str, nbformat.NotebookNode]:
    """The cells of a notebook, by id.

    Raises:
        ValueError: there is no such notebook; the message lists those that exist.
    """
    names = [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
    found = [name for name in names if name.startswith(number)]
    if len(found) != 1:
        raise ValueError(f"there is no notebook {number!r}; there are: {', '.join(names)}")
    notebook = nbformat.read(NOTEBOOKS / f"{found[0]}.ipynb", as_version=4)
    return {cell.id: cell for cell in notebook.cells}


def cell(place: str) -> nbformat.NotebookNode:
    """The cell of ``"04#4bcc0e2c"``.

    Raises:
        ValueError: there is no such cell.
    """
    number, _, name = place.partition("#")
    if name not in cells(number):
        raise ValueError(f"notebook {number} has no cell {name!r} any more: name another")
    return cells(number)[name]


def said(place: str, kind: str) -> list[str]:
    """What a cell's outputs hold in one format, ``text/html`` or ``text/markdown``."""
    outputs = (output.get("data", {}) for output in cell(place).get("outputs", []))
    return [output[kind] for output in outputs if kind in output]


def picture(place: str) -> str:
    """The first picture that a cell has stored, as an ``img``.

    Raises:
        ValueError: it has none.
    """
    for page in said(place, "text/html"):
        if found := re.search(r"<img [^>]*src='data:[^>]*>", page):
            source = re.search(r"src='([^']*)'", found[0])[1]
            alt = re.search(r"alt='([^']*)'", found[0])
            return image(source, html.unescape(alt[1]) if alt else "")
    raise ValueError(f"cell {place} has stored no picture")


def table(place: str) -> str:
    """The first table that a cell has stored.

    Raises:
        ValueError: it has none.
    """
    for page in said(place, "text/html"):
        if found := re.search(r"<table.*?</table>", page, re.DOTALL):
            return found[0]
    raise ValueError(f"cell {place} has stored no table")


def words(place: str) -> str:
    """The sentences that a cell says about its numbers, in Markdown.

    Raises:
        ValueError: it says none.
    """
    sentences = [text.removeprefix(IN_WORDS) for text in said(place, "text/markdown")]
    sentences = [text.strip("*") if text.startswith("*In") else text for text in sentences]
    if not sentences:
        raise ValueError(f"cell {place} says nothing in words")
    return "\n\n".join(sentences)


def formula(place: str, which: int = 1) -> str:
    """The formula number ``which`` of those that stand alone in a cell's text.

    Raises:
        ValueError: there are fewer.
    """
    found = re.findall(r"\$\$.+?\$\$", cell(place).source, re.DOTALL)
    if len(found) < which:
        raise ValueError(f"cell {place} has {len(found)} formulas that stand alone, not {which}")
    return found[which - 1]


def task(number: str) -> str:
    """What an exercise asks for: the text under its heading, in Markdown.

    Raises:
        ValueError: no notebook asks it.
    """
    for each in cells(f"{int(number.partition('.')[0]):02d}").values():
        heading = re.search(rf"^## Exercise {re.escape(number)}\b.*$", each.source, re.MULTILINE)
        if each.cell_type == "markdown" and heading:
            return each.source[heading.end() :].strip()
    raise ValueError(f"no notebook asks exercise {number}")
