"""Every exercise for who teaches: what it asks, hints, an answer, and what goes wrong."""

import html
import inspect
import textwrap

from grpo_mini.course.cards import marked
from grpo_mini.course.checker import EXERCISES, Exercise

from . import stored
from .pages import code, markdown


def ordered() -> list[Exercise]:
    """All exercises in the order of the notebooks."""
    return sorted(EXERCISES.values(), key=lambda entry: tuple(map(int, entry.number.split("."))))


def entry_of(exercise: Exercise) -> str:
    hints = "".join(f"<li>{marked(text)}</li>" for text in exercise.hints)
    mistakes = dict.fromkeys(mistake.because for mistake in exercise.mistakes)
    wrong = "".join(f"<li>{marked(text)}</li>" for text in mistakes)
    same = ", ".join(
        f"<code>{function.__module__}.{function.__qualname__}</code>"
        for function in exercise.module
    )
    return (
        f"<section id='{exercise.number}'><h2>{exercise.number} {html.escape(exercise.title)}</h2>"
        f"{markdown(stored.task(exercise.number))}"
        f"<h3>An answer</h3>{code(textwrap.dedent(inspect.getsource(exercise.solution)))}"
        + (f"<p>The course's own: {same}</p>" if same else "")
        + f"<h3>Hints, in this order</h3><ol>{hints}</ol>"
        f"<details open><summary>What the check knows to go wrong ({len(mistakes)})</summary>"
        f"<ul>{wrong}</ul></details></section>"
    )


def body() -> str:
    """The page, without its frame."""
    links = " · ".join(f"<a href='#{e.number}'>{e.number}</a>" for e in ordered())
    intro = (
        "<h1>Solutions</h1><p>For who teaches. A learner has the same behind "
        "<code>hint</code> and <code>solution</code>. Other answers are right too: ask the check."
        "</p>"
    )
    return f"{intro}<nav>{links}</nav>" + "".join(map(entry_of, ordered()))
