"""Cards, sentences and figures as the notebooks show them, each also readable as plain text."""

import html
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass

from IPython.display import HTML, Markdown, display
from matplotlib.figure import Figure

from ..experiments import look

COLOURS = {
    "right": look.PLUS,
    "wrong": look.MINUS,
    "not tried yet": look.QUIET,
    "ok": look.PLUS,
    "problem": look.MINUS,
    "note": look.REFERENCE,
}


@dataclass(frozen=True)
class Card:
    """A small box with a title and a few lines of text.

    Attributes:
        status: "right", "wrong", "not tried yet", "ok", "problem", or "note", which is not shown.
        title: one line.
        lines: text as `marked` reads it.
        code: source to show under the lines, or None.
    """

    status: str
    title: str
    lines: tuple[str, ...] = ()
    code: str | None = None

    def __repr__(self) -> str:
        parts = [f"[{self.status}] {self.title}", *(f"  {line}" for line in self.lines)]
        if self.code is not None:
            parts += ["", self.code]
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        status = "" if self.status == "note" else self.status
        lines = "".join(f"<div>{marked(line)}</div>" for line in self.lines)
        code = ""
        if self.code is not None:
            style = "margin:8px 0 0 0;font-family:" + look.MONO
            code = f"<pre style='{style}'>{html.escape(self.code, quote=False)}</pre>"
        return (
            f"<div style='border-left:6px solid {COLOURS[self.status]};padding:6px 12px;"
            f"margin:4px 0;line-height:1.5'><b>{marked(self.title)}</b> "
            f"<b style='border-bottom:3px solid {COLOURS[self.status]}'>{status}</b>"
            f"{lines}{code}</div>"
        )


def marked(text: str) -> str:
    """A sentence as HTML: code between backticks, and *words between asterisks* emphasised."""
    parts = re.split(r"`([^`]*)`", html.escape(text, quote=False))
    stressed = r"(?<![\w*)])\*(\w[^*]*)\*(?![\w*])"
    parts[::2] = [re.sub(stressed, r"<em>\1</em>", part) for part in parts[::2]]
    parts[1::2] = [f"<code>{part}</code>" for part in parts[1::2]]
    return "".join(parts)


def source(*things: Callable) -> None:
    """Show the source of functions or classes."""
    for thing in things:
        where = f"{thing.__module__}.{thing.__qualname__}"
        display(Card("note", where, (), inspect.getsource(thing).rstrip()))


def say(text: str) -> None:
    """Print a sentence with computed numbers in it, as Markdown."""
    display(Markdown(text))


class Picture(HTML):
    """A figure on a page; where there is no page, its sentence."""

    def __init__(self, figure: Figure, sentence: str):
        super().__init__(look.picture_html(figure, sentence))
        self.sentence = sentence

    def __repr__(self) -> str:
        return f"[figure] {self.sentence}"


def show(figure: Figure, sentence: str) -> None:
    """Show a figure, and under it what it says, in words."""
    display(Picture(figure, sentence))
    display(Markdown(f"*In words:* {sentence}"))


def token_grid(rows: list[list[str]], masks: list[list[int]], ends: list[str]) -> HTML:
    """A batch [B, T] as text: a row a response, a cell a token, tinted where its mask is 1.

    Args:
        rows: tokens, as many in each row.
        masks: 1 for each token that belongs to its response.
        ends: tokens that end a response; they are framed where the mask is 1.
    """

    def cell(token: str, mask: int) -> str:
        style = (
            f"padding:2px;text-align:center;font-family:{look.MONO};border:1px solid {look.LINE}"
        )
        # An outline, since of a border that two cells share one cell's colour is drawn.
        style += ";outline:1px solid currentColor" if mask and token in ends else ""
        style += f";background:{look.tint(look.SERIES[0], 0.6)}" if mask else ";opacity:.85"
        return f"<td style='{style}'>{html.escape(token)}<br>{mask}</td>"

    lines = "".join(
        f"<tr><th style='padding-right:8px'>{i + 1}</th>{''.join(map(cell, row, mask))}</tr>"
        for i, (row, mask) in enumerate(zip(rows, masks, strict=True))
    )
    grid = f"<table style='border-collapse:collapse'>{lines}</table>"
    return HTML(f"<div style='overflow-x:auto'>{grid}</div>")


def table(rows: list[dict[str, object]]) -> HTML:
    """Rows with the same keys as a table; a column of numbers stands on the right under its name,
    floats have three digits."""

    def is_number(value: object) -> bool:
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        return plain or value == "–"  # which stands for a number

    sides = {
        name: "right" if all(is_number(row[name]) for row in rows) else "left" for name in rows[0]
    }

    def cell(name: str, value: object) -> str:
        # Adding 0.0 makes a plain 0 of -0.0, which depends on the machine.
        text = f"{round(value, 3) + 0.0:.3f}" if isinstance(value, float) else str(value)
        # A line may end behind a tag or a step of a thought, and never inside a sum.
        pieces = re.split(r"(?<=[;>])(?=\S)", text)
        shown = "<wbr>".join(html.escape(piece, quote=False) for piece in pieces)
        return f"<td style='text-align:{sides[name]}'>{shown}</td>"

    head = "".join(
        f"<th style='text-align:{side}'>{html.escape(name)}</th>" for name, side in sides.items()
    )
    body = "".join(f"<tr>{''.join(cell(name, row[name]) for name in sides)}</tr>" for row in rows)
    return HTML(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
