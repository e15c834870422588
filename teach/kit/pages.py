"""Text files become pages: Markdown with formulas, and braces that name what the course holds.

``{{picture 02#fe07b3b4-p}}`` is the picture that a notebook's cell has stored, and
``{{final race grpo}}`` a number that is computed from the recorded runs; `BLOCKS` and `NUMBERS`
list what can be named. So a slide cannot say what the course no longer says: a name that is gone is
an error.

markdown-it and its formulas come with jupytext anyway; latex2mathml turns a formula into MathML,
which browsers draw themselves. The slides of nbconvert, reveal.js and Marp load scripts and fonts
from another host or a folder beside them; here a file is all there is.
"""

import html
import inspect
import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from grpo_mini.course import noise
from grpo_mini.course.cards import marked
from grpo_mini.course.checker import EXERCISES
from grpo_mini.course.lesson_diff import show_diff
from grpo_mini.course.pipeline import alternative, drawing
from grpo_mini.experiments import headline
from grpo_mini.experiments.claims import CLAIMS
from grpo_mini.experiments.judging import processor_saving
from grpo_mini.experiments.statistics import bootstrap, difference, final, load
from grpo_mini.experiments.verdicts import ONLY_WHEN, SIGNS

from . import stored
from .pictures import encoded

NAMED = re.compile(r"\{\{([^{}]+)\}\}")


# ---------------------------------------------------------------------------- what can be named


def code(source: str) -> str:
    return f"<pre><code>{html.escape(source.rstrip(), quote=False)}</code></pre>"


def source_of(name: str) -> str:
    """The source of ``module:function`` of the course, without its docstring."""
    module, _, function = name.partition(":")
    found = getattr(import_module(f"grpo_mini.{module}"), function)
    return code(re.sub(r'\n\s*""".*?"""', "", inspect.getsource(found), count=1, flags=re.DOTALL))


def mistakes_of(number: str, *which: str) -> str:
    """Known mistakes of an exercise, by place: what its card says about each."""
    because = list(dict.fromkeys(mistake.because for mistake in EXERCISES[number].mistakes))
    items = "".join(f"<li>{marked(because[int(place) - 1])}</li>" for place in which)
    return f"<ul>{items}</ul>"


def claims_table(*numbers: str) -> str:
    """Claims of the document with what became of them."""
    rows = ""
    for claim in CLAIMS:
        if claim.number in numbers:
            word = claim.verdict().word
            said = "holds under a condition" if word == ONLY_WHEN else word
            rows += (
                f"<tr><td>{claim.number}</td><td>{marked(claim.text)}</td>"
                f"<td>{SIGNS[word][0]} {said}</td></tr>"
            )
    return f"<table><tbody>{rows}</tbody></table>"


def noise_table(*names: str) -> str:
    """Noise of the gradient by baseline, at each recorded moment; underscores are blanks."""
    moments = noise.moments("sums")
    head = "".join(f"<th>step {moment['run']['step']}</th>" for moment in moments)
    rows = ""
    for name in (each.replace("_", " ") for each in names):
        found = "".join(f"<td align='right'>{noise.noise(m)[name]}</td>" for m in moments)
        rows += f"<tr><td>{name}</td>{found}</tr>"
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"


BLOCKS: dict[str, Callable[..., str]] = {
    "picture": lambda place: f"<figure>{stored.picture(place)}</figure>",
    "table": stored.table,
    "words": lambda place: markdown(stored.words(place)),
    "formula": lambda place, which="1": markdown(stored.formula(place, int(which))),
    "file": lambda name, *alt: f"<figure>{encoded(stored.ROOT / name, ' '.join(alt))}</figure>",
    "drawing": lambda number: f"<figure>{encoded(drawing(number), alternative(number))}</figure>",
    "source": source_of,
    "solution": lambda number: code(inspect.getsource(EXERCISES[number].solution)),
    "mistakes": mistakes_of,
    "task": lambda number: markdown(stored.task(number)),
    "diff": lambda *names: show_diff(*names).data,
    "claims": claims_table,
    "noise": noise_table,
}
NUMBERS: dict[str, Callable[..., str]] = {
    "final": lambda name, label: str(bootstrap([final(run) for run in load(name)[label]])),
    "start": lambda name, label: f"{load(name)[label][0].evaluations()[0]['eval_accuracy']:.2f}",
    "minus": lambda name, a, b: str(difference(load(name)[a], load(name)[b], final)),
    "saves": lambda name, a, b: processor_saving(load(name)[a], load(name)[b]).percent(),
    "seeds": lambda name, label: str(len(load(name)[label])),
    "samples": lambda name, label: f"{load(name)[label][0].rows[-1]['samples']:,}",
    "headline": lambda which: headline.sentences()[int(which) - 1].removeprefix("- "),
    "lead": lambda which: re.search(r"\*\*(.+?):?\*\*", headline.sentences()[int(which) - 1])[1],
    "counted": lambda: headline.counted(),
    "exercises": lambda: str(len(EXERCISES)),
}


@cache
def named(words: str) -> str:
    """What stands for a pair of braces.

    Raises:
        ValueError: nothing has that name, or what it names is gone; the message says which.
    """
    name, *arguments = words.split()
    makers = BLOCKS | NUMBERS
    if name not in makers:
        raise ValueError(f"nothing is called {name!r}; there are: {', '.join(makers)}")
    try:
        return makers[name](*arguments)
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"{{{{{words}}}}} names nothing: {error}") from error


def frame(title: str, style: str, body: str, kind: str = "") -> str:
    """A page in one file, with a style sheet of this folder in it."""
    css = (Path(__file__).parent / style).read_text(encoding="utf-8")
    return (
        "<!doctype html>\n<html lang='en'>\n<head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{html.escape(title)}</title>\n<style>\n{css}</style></head>\n"
        f"<body class='{kind}'>\n{body}\n</body>\n</html>\n"
    )


# ---------------------------------------------------------------------------- Markdown


def mathml(text: str, options: dict) -> str:
    return convert(text, display="block" if options["display_mode"] else "inline")


READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
READER.use(dollarmath_plugin, renderer=mathml, double_inline=True)


def markdown(text: str) -> str:
    """Markdown as HTML; a pair of braces is replaced by what it names."""
    blocks: list[str] = []

    def filled(found: re.Match) -> str:
        words = found[1].strip()
        if words.split()[0] in NUMBERS:
            return named(words)
        blocks.append(named(words))
        return f"\n<div id='block-{len(blocks) - 1}'></div>\n"

    page = READER.render(NAMED.sub(filled, text))
    for i, block in enumerate(blocks):
        page = page.replace(f"<div id='block-{i}'></div>", block)
    return page
