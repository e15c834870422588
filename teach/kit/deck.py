"""Slides in one file: arrow keys, notes for who speaks, light and dark, and paper."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .pages import frame, markdown


@dataclass(frozen=True)
class Slide:
    """One slide.

    Attributes:
        body: HTML; what has the class ``step`` waits for a further key.
        notes: HTML for who speaks.
        kind: a class of the slide, ``title`` for the first.
    """

    body: str
    notes: str = ""
    kind: str = ""


def read(text: str, question: Callable[[str], Slide]) -> list[Slide]:
    """Slides of a text file: ``---`` parts slides, ``|||`` columns, ``???`` comes before notes.

    Args:
        question: name -> the slide that stands for ``{{quiz name}}``.
    """
    slides = []
    for i, part in enumerate(text.strip().split("\n---\n")):
        if asked := re.fullmatch(r"\{\{quiz (.+)\}\}", part.strip()):
            slides.append(question(asked[1]))
            continue
        shown, _, notes = part.partition("\n???\n")
        heading, _, rest = shown.strip().partition("\n")
        columns = [markdown(column) for column in rest.split("\n|||\n")]
        body = columns[0]
        if len(columns) > 1:
            body = "".join(f"<div class='column'>{column}</div>" for column in columns)
            body = f"<div class='columns'>{body}</div>"
        slides.append(Slide(markdown(heading) + body, markdown(notes), "" if i else "title"))
    return slides


def page(title: str, slides: list[Slide]) -> str:
    """The whole file."""
    parts = []
    for number, slide in enumerate(slides, 1):
        notes = f"<aside class='notes'>{slide.notes}</aside>" if slide.notes else ""
        foot = f"<footer><span>{html.escape(title)}</span><span>{number} / {len(slides)}</span>"
        parts.append(
            f"<section class='slide {slide.kind}' id='{number}'><div class='body'>{slide.body}"
            f"</div>{notes}{foot}</footer></section>"
        )
    script = (Path(__file__).parent / "deck.js").read_text(encoding="utf-8")
    return frame(title, "deck.css", "\n".join(parts) + f"\n<script>\n{script}</script>")
