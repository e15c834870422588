"""The ledger of claims as the notebook shows it: claim, figures, rule, literature, verdict."""

import html
import re
from pathlib import Path

from IPython.display import HTML

from ..experiments.claims import CLAIMS, Claim
from ..experiments.look import TEXT, tint
from ..experiments.record import read_lines
from ..experiments.statistics import RUNS
from ..experiments.verdicts import SIGNS, WORDS, Verdict
from .cards import table

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


def editions(runs: Path = RUNS) -> HTML:
    """How many verdicts are the first edition's, and why the others are not."""
    words = {claim: claim.verdict(runs).word for claim in CLAIMS}
    same = [claim.number for claim, word in words.items() if word == claim.first]
    rows = [
        {"claim": f"{claim.number} {claim.short}", "first edition": claim.first, "second": word,
         "why": claim.changed}
        for claim, word in words.items() if word != claim.first
    ]  # fmt: skip
    head = f"<p>{len(same)} of {len(CLAIMS)} verdicts are the same: {', '.join(same)}.</p>"
    return HTML(head + table(rows).data if rows else head)


def chips(runs: Path = RUNS) -> HTML:
    """A chip a claim: sign, number and claim on the verdict's tint, a link to its row."""
    parts = []
    for claim in CLAIMS:
        word = claim.verdict(runs).word
        sign, colour = SIGNS[word]
        parts.append(
            f"<a href='#claim-{claim.number}' title='{html.escape(word)}' "
            f"style='color:{TEXT};text-decoration:none;padding:4px 10px;border-radius:14px;"
            f"border:2px solid {colour};background:{tint(colour, 0.4)}'>{sign} "
            f"<b>{claim.number}</b> {html.escape(claim.short)}</a>"
        )
    said = ", ".join(f"{SIGNS[word][0]} {word}" for word in WORDS)
    style = "display:flex;flex-wrap:wrap;gap:6px;line-height:1.4"
    return HTML(f"<div style='{style}'>{''.join(parts)}</div><div>{said}</div>")


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
        f"<b id='claim-{claim.number}'>{claim.number}</b> {html.escape(claim.text, quote=False)}",
        f"{html.escape(verdict.measured, quote=False)} {sources(verdict, runs, link)}"
        f"<details><summary>rule</summary>{html.escape(claim.rule, quote=False)}</details>",
        elsewhere,
        f"<span style='border-bottom:3px solid {colour}'>{sign}</span> {word}",
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
