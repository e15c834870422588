"""The bug zoo as a game: a case is opened, evidence is bought, somebody is accused.

What is wrong is shown only when a case is closed, by the right accusation or by giving up. Nothing
of it is on the page before: a stored notebook holds the brief and the line-up alone.
"""

import html
from collections.abc import Sequence
from pathlib import Path

import ipywidgets
import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...experiments.look import LOOK, MEANT, MONO, STYLE, TICK, picture_html, style
from ...experiments.statistics import RUNS, curve, final
from .. import cases
from ..cards import Card, table
from ..cases import (
    BRIEF,
    CASES,
    EVIDENCE,
    FULL,
    LEAST,
    NAMES,
    OPTIONS,
    PIECE,
    SUSPECTS,
    WRONG,
    twins,
)
from ..memory import remember
from .names import WORDS, named
from .page import Shown

__all__ = ["CASES", "debrief", "open_case", "rules", "score", "twins"]

_files: dict[str, "CaseFile"] = {}  # a case keeps its evidence and its points while the kernel runs


def picture(letter: str, metrics: Sequence[str], runs: Path = RUNS) -> Figure:
    """Curves of both twins, a panel a metric."""
    sick, healthy = twins(letter, runs)
    figure = Figure(figsize=(4.3 * len(metrics), 2.5), layout="constrained")
    for axes, metric in zip(figure.subplots(1, len(metrics), squeeze=False).flat, metrics,
                            strict=True):  # fmt: skip
        for run, look, name in (
            (healthy, MEANT["right"], "healthy twin"),
            (sick, MEANT["wrong"], f"case {letter}"),
        ):
            steps, values = curve(run, "step", metric)
            every = 5 if len(values) > 10 else 1  # what is measured seldom shows where
            axes.plot(steps, values, label=name, linewidth=2, markersize=4, markevery=every,
                      **look)  # fmt: skip
        axes.set(title=NAMES[metric], xlabel="step")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if metric in cases.WIDE:
            axes.set_yscale("symlog", linthresh=1)
        style(axes)
    figure.axes[0].legend(fontsize=TICK, frameon=False)
    return figure


def in_words(letter: str, metrics: Sequence[str], runs: Path = RUNS) -> str:
    """The curves' first and last values, and whether step 1 differs by the rule."""
    sick, healthy = twins(letter, runs)
    parts = []
    for metric in metrics:
        a, b = (curve(run, "step", metric)[1] for run in (sick, healthy))
        first = "before training" if metric == "eval_accuracy" else "in step 1"
        mark = " (differs)" if first == "in step 1" and cases.differs(a[0], b[0]) else ""
        parts.append(
            f"{NAMES[metric]} {first}: {a[0]:.3g}, the twin {b[0]:.3g}{mark}; at the end: "
            f"{a[-1]:.3g} and {b[-1]:.3g}"
        )
    return ". ".join(part[0].upper() + part[1:] for part in parts) + "."


def figure_html(letter: str, metrics: Sequence[str], runs: Path = RUNS) -> str:
    """The curves as a picture, and under it what they say."""
    words = in_words(letter, metrics, runs)
    with matplotlib.rc_context(LOOK):
        return f"{picture_html(picture(letter, metrics, runs), words)}<div>{words}</div>"


def evidence_html(letter: str, piece: str, runs: Path = RUNS) -> str:
    """One piece of evidence."""
    if piece == cases.RESPONSES:
        sick, healthy = twins(letter, runs)
        rows = []
        for (question, a), (_, b) in zip(
            healthy.header["examples"], sick.header["examples"], strict=True
        ):
            rows += [{"question": question, "": "healthy twin", "response": a},
                     {"question": "", "": f"case {letter}", "response": b}]  # fmt: skip
        return table(rows).data
    if piece == OPTIONS:
        rows = [{"option": k, "both": v} for k, v in cases.options_of(letter, runs).items()]
        return table(rows).data
    return figure_html(letter, EVIDENCE[piece], runs)


def solution_html(letter: str, runs: Path = RUNS) -> str:
    """The wrong lines, where they were published, and what tells them from the runner-up."""
    case, runner_up = CASES[letter], CASES[letter].lineup[0]
    sick, healthy = twins(letter, runs)
    published = case.published
    proof = " ".join(cases.speaks_against(runner_up, letter, runs))
    code = html.escape(cases.wrong_lines(letter), quote=False)
    parts = {
        "It was": SUSPECTS[case.sick].text,
        "Why": case.why,
        "Not the runner-up": f"<i>{SUSPECTS[runner_up].text}</i>: {html.escape(proof)}",
        "Published": f"<a href='{published.address}'>{published.where}</a>. {published.said}",
        "The end": f"right answers {final(sick):.2f}, the twin {final(healthy):.2f}",
    }
    return (
        "".join(f"<div><b>{name}:</b> {text}</div>" for name, text in parts.items())
        + f"<div><b>All that is different:</b></div><pre style='font-family:{MONO}'>{code}</pre>"
    )


class CaseFile(Shown):
    """One case: its brief, evidence to buy, a line-up to accuse from.

    Attributes:
        bought: the pieces of evidence, in the order in which they were bought.
        accused: the suspects accused so far.
        closed: None while it is open, then whether it was solved.
    """

    def __init__(self, letter: str, runs: Path = RUNS):
        self.letter, self.runs = letter, runs
        self.bought: list[str] = []
        self.accused: list[str] = []
        self.closed: bool | None = None
        self.offered = list(cases.offered(letter, runs))
        self.buttons = {}
        for piece in self.offered:
            button = ipywidgets.Button(
                description=f"{piece} (-{PIECE})",
                tooltip=f"case {letter}, evidence: {piece}, costs {PIECE}",
                layout=ipywidgets.Layout(width="auto"),
            )
            button.on_click(lambda _, piece=piece: self.buy(piece))
            self.buttons[piece] = button
        self.suspects = ipywidgets.RadioButtons(
            options=[(SUSPECTS[name].text, name) for name in CASES[letter].suspects()],
            index=None,
            layout=ipywidgets.Layout(width="auto"),
        )
        self.accuse_button = ipywidgets.Button(
            description="Accuse", tooltip=f"case {letter}: accuse the chosen suspect"
        )
        self.accuse_button.on_click(lambda _: self.accuse())
        self.give_up_button = ipywidgets.Button(
            description="Give up", tooltip=f"case {letter}: close it for 0 points"
        )
        self.give_up_button.on_click(lambda _: self.close(False))
        self.found, self.verdict = ipywidgets.VBox([]), ipywidgets.HTML(self.standing())
        self.verdict.add_class(WORDS)
        wrap = ipywidgets.Layout(flex_flow="row wrap")
        self.view = named(
            ipywidgets.VBox(
                [
                    ipywidgets.HTML(STYLE + self.brief()),
                    ipywidgets.HTML("<b>Evidence</b>"),
                    ipywidgets.Box(list(self.buttons.values()), layout=wrap),
                    self.found,
                    ipywidgets.HTML("<b>Who did it?</b>"),
                    self.suspects,
                    ipywidgets.Box([self.accuse_button, self.give_up_button], layout=wrap),
                    self.verdict,
                ]
            )
        )

    def brief(self) -> str:
        """What everybody sees."""
        return f"<div><b>Case {self.letter}</b></div>{figure_html(self.letter, BRIEF, self.runs)}"

    def points(self) -> int:
        """What the case is worth, if it is solved now or was."""
        wrong = sum(name != CASES[self.letter].sick for name in self.accused)
        return cases.points(len(self.bought), wrong, self.closed is not False)

    def standing(self) -> str:
        """What is left to win, or what was won."""
        if self.closed is None:
            return f"Solved now, the case is worth {self.points()} of {FULL} points."
        return f"The case is closed: <b>{self.points()} of {FULL}</b> points."

    def buy(self, piece: str) -> None:
        """Look at a piece of evidence; it costs once, and nothing when the case is closed.

        Raises:
            ValueError: the case has no such piece.
        """
        if piece not in self.buttons:
            raise ValueError(f"no evidence {piece!r}; there is: {', '.join(self.offered)}")
        if self.buttons[piece].disabled:
            return
        self.buttons[piece].disabled = True
        if self.closed is None:
            self.bought.append(piece)
            self.verdict.value = self.standing()
        shown = ipywidgets.HTML(f"<b>{piece}</b>{evidence_html(self.letter, piece, self.runs)}")
        self.found.children = [*self.found.children, shown]

    def accuse(self, name: str | None = None) -> str:
        """Accuse a suspect, by default the chosen one; what is said then.

        A wrong accusation costs, and says what speaks against it; the case stays open.
        """
        if self.closed is not None:
            return self.verdict.value
        if name is not None:
            self.suspects.value = name
        if self.suspects.index is None:
            self.verdict.value = f"Choose a suspect first. {self.standing()}"
        elif self.suspects.value == CASES[self.letter].sick:
            self.accused.append(self.suspects.value)
            self.close(True)
        else:
            again = self.suspects.value in self.accused  # the same mistake is paid once
            if not again:
                self.accused.append(self.suspects.value)
            why = " ".join(cases.speaks_against(self.suspects.value, self.letter, self.runs))
            self.verdict.value = f"<b>No.</b> {html.escape(why)} {self.standing()}"
        return self.verdict.value

    def close(self, solved: bool) -> None:
        """Show what was wrong. From here on evidence is free."""
        if self.closed is not None:
            return
        self.closed = solved
        remember(f"8.{self.letter}")
        for control in (self.suspects, self.accuse_button, self.give_up_button):
            control.disabled = True
        for piece, button in self.buttons.items():
            button.description = piece
        head = "<b>Yes.</b>" if solved else "<b>Given up.</b>"
        self.verdict.value = f"{head} {self.standing()}{solution_html(self.letter, self.runs)}"

    def static(self) -> tuple[str, str]:
        """The case's brief and its line-up."""
        lineup = "".join(
            f"<li>{SUSPECTS[name].text}</li>" for name in CASES[self.letter].suspects()
        )
        page = (
            f"{self.brief()}<div>Evidence to be had, {PIECE} point each: "
            f"{'; '.join(self.offered)}. Who did it?</div><ul>{lineup}</ul>"
            "<div><i>Run this cell to open the case.</i></div>"
        )
        return page, f"Case {self.letter}. {in_words(self.letter, BRIEF, self.runs)}"


def open_case(letter: str) -> CaseFile:
    """The case's file; asked for again, the same one with what was found so far."""
    if letter not in _files:
        _files[letter] = CaseFile(letter)
    return _files[letter]


def score() -> Card:
    """Points so far, case by case."""
    closed = {letter: file for letter, file in _files.items() if file.closed is not None}
    won = sum(file.points() for file in closed.values())
    lines = [
        f"Case {letter}: {file.points()} of {FULL} points, {len(file.bought)} of "
        f"{len(file.offered)} pieces of evidence, {'solved' if file.closed else 'given up'}"
        for letter, file in sorted(closed.items())
    ]
    lines.append(f"Open: {', '.join(letter for letter in CASES if letter not in closed) or 'none'}")
    title = f"{won} of {FULL * len(closed)} points in {len(closed)} of {len(CASES)} cases"
    return Card("right" if len(closed) == len(CASES) else "note", title, tuple(lines))


def rules() -> Card:
    """How points are counted."""
    return Card(
        "note",
        f"A solved case is worth {FULL} points",
        (
            f"Each piece of evidence costs {PIECE}, each wrong accusation {WRONG}; a case that is "
            f"solved in the end brings at least {LEAST}.",
            "Giving up closes a case for 0 points and shows what was wrong.",
        ),
    )


def debrief():
    """What betrayed each closed case, and what the bug cost; nothing of those still open."""
    rows = []
    for letter, case in CASES.items():
        file = _files.get(letter)
        if file is None or file.closed is None:
            rows.append({"case": letter, "it was": "still open"} | dict.fromkeys(
                ("betrayed by", "sick", "healthy", "has to be", "accuracy lost"), "–"))  # fmt: skip
            continue
        sick, healthy = cases.first_step(letter, file.runs)
        ends = [final(run) for run in twins(letter, file.runs)]
        rows.append({
            "case": letter, "it was": SUSPECTS[case.sick].text, "betrayed by": NAMES[case.sign],
            "sick": sick[case.sign], "healthy": healthy[case.sign],
            "has to be": case.known or "not known", "accuracy lost": ends[1] - ends[0],
        })  # fmt: skip
    return table(rows)
