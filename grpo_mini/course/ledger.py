"""The ledger of claims as the notebook shows it: claim, figures, rule, literature, verdict."""

import html
import re
from pathlib import Path

from IPython.display import HTML

from ..experiments.claims import CLAIMS, Claim
from ..experiments.record import read_lines
from ..experiments.statistics import RUNS
from ..experiments.verdicts import SIGNS, Verdict

ARXIV = re.compile(r"\b\d{4}\.\d{5}(v\d+)?\b")


def ledger(runs: Path = RUNS, link: str = "../data/runs") -> HTML:
    """All claims with their verdicts on ``runs``.

    Args:
        link: where the page finds the recorded runs.
    """
    head = "".join(
        f"<th style='text-align:left'>{name}</th>"
        for name in ("claim", "measured here", "elsewhere", "verdict")
    )
    body = "".join(row(claim, claim.verdict(runs), runs, link) for claim in CLAIMS)
    return HTML(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def row(claim: Claim, verdict: Verdict, runs: Path, link: str) -> str:
    """One claim as a row of the table."""
    sign, colour = SIGNS[verdict.word]
    written = html.escape(str(verdict), quote=False)
    word = written.replace(verdict.word, f"<b>{verdict.word}</b>", 1)
    elsewhere = ARXIV.sub(
        lambda found: f"<a href='https://arxiv.org/abs/{found[0]}'>{found[0]}</a>",
        html.escape(claim.literature, quote=False),
    )
    cells = (
        f"<b>{claim.number}</b> {html.escape(claim.text, quote=False)}",
        f"{html.escape(verdict.measured, quote=False)} {sources(verdict, runs, link)}"
        f"<details><summary>rule</summary>{html.escape(claim.rule, quote=False)}</details>",
        elsewhere,
        f"<span style='color:{colour}'>{sign}</span> {word}",
    )
    style = "text-align:left;vertical-align:top"
    return "<tr>" + "".join(f"<td style='{style}'>{cell}</td>" for cell in cells) + "</tr>"


def sources(verdict: Verdict, runs: Path, link: str) -> str:
    """Links to the files that the figures come from, and how many runs each has."""
    links = [
        f"<a href='{link}/{name}.jsonl'>{name}</a> ({len(read_lines(runs / f'{name}.jsonl'))} runs)"
        for name in verdict.files
    ]
    return f"From {', '.join(links)}." if links else ""
