"""The one page at the end: what was asked, tried, found, on which versions and seeds."""

import html
from datetime import date
from pathlib import Path

from matplotlib.figure import Figure

from ...experiments import look
from ...experiments.record import provenance
from ...experiments.statistics import Run
from ...support.checkpoints import atomic_write
from .. import figures
from ..cards import Card
from .project import Project
from .stages import thinks

# stage, points, what full points need. The first four are decided by a card, as far as it goes.
RUBRIC = (
    ("task", 3, "a task of one's own, with a working that is worth showing; its card says ok"),
    ("reward", 4, "no attack is paid; three cheats of one's own that fit the task, and why"),
    ("start", 2, "silence and chance at the start are named; a prediction stands before the run"),
    ("training", 2, "trained on one's own pieces; gain with its interval, read rightly"),
    (
        "diagnosis",
        4,
        "what was learned, by which metrics it shows, what would have shown otherwise",
    ),
    ("comparison", 3, "the rule stands before the run; interval and verdict fit; limits are named"),
    ("report", 2, "one page that can be followed and repeated; the next experiment is named"),
)
CSS = f"""
body{{font-family:system-ui,sans-serif;line-height:1.45;max-width:52rem;margin:1.5rem auto;
padding:0 1rem;color:{look.INK};background:{look.PAPER}}}
h1{{margin:0}} h2{{{look.LARGE_TEXT};margin:.9rem 0 .2rem}} table{{border-collapse:collapse}}
td,th{{text-align:left;padding:.1rem .7rem .1rem 0;vertical-align:top}}
img{{max-width:100%;height:auto}} .small{{{look.SMALL_TEXT}}}
@media print{{body{{margin:0;max-width:none;{look.SMALL_TEXT}}}}}
"""


def race_figure(runs: dict[str, list[Run]], name: str) -> tuple[Figure, str]:
    """Reward and thinking over samples, a line a seed, with the exams as marks; and it in words."""
    figure, (left, right) = figures.panels(2)
    for axes, metric, exam, title in (
        (left, "reward_mean", "eval_accuracy", f"{name}: mean reward; marks: right in the exam"),
        (right, "think_share", "eval_think_share", "thinks first"),
    ):
        for algorithm, group in runs.items():
            look = figures.look_of(algorithm.upper(), 0)
            for run in group:
                rows = [row for row in run.rows if metric in row]
                label = algorithm.upper() if run is group[0] else None
                x, y = ([row[key] for row in rows] for key in ("samples", metric))
                axes.plot(x, y, linewidth=1.2, label=label, **look | {"marker": ""})
                x, y = ([row[key] for row in run.evaluations()] for key in ("samples", exam))
                axes.plot(x, y, markersize=7, **look | {"linestyle": ""})
        axes.set(title=title, xlabel="samples", ylim=(-0.03, 1.03))
        axes.legend(fontsize=figures.SMALL, frameon=False)
    said = []
    for algorithm, group in runs.items():
        exams = [run.evaluations() for run in group]
        ends = ", ".join(f"{rows[-1]['eval_accuracy']:.2f}" for rows in exams)
        share = sum(thinks(run)[1] for run in group) / len(group)
        said.append(
            f"{algorithm.upper()} goes from {exams[0][0]['eval_accuracy']:.2f} right in the exam "
            f"to {ends}, and thinks in {share:.0%} at the end"
        )
    return figure, f"A line a seed. {'; '.join(said)}."


def rubric_rows(cards: dict[str, Card]) -> list[dict]:
    """The rubric with what the cards say; points are the teacher's.

    A start from which little can be learned costs none, if it was named and a prediction stood.
    """
    words = {"ok": "met", "problem": "not met", "note": "to read", "not tried yet": "missing"}
    if "start" in cards:
        cards = cards | {"start": cards.get("expected", Card("not tried yet", "", ()))}
    return [
        {"stage": stage, "full points for": what,
         "card": words[cards[stage].status] if stage in cards else "–", "points": f"__ of {most}"}
        for stage, most, what in RUBRIC
    ]  # fmt: skip


def write_report(project: Project, name: str, words: dict[str, str]) -> Path:
    """Write the page into the project's folder; open it in a browser, print it, hand it in.

    Args:
        name: whose it is.
        words: what the learner has written, by heading; an empty one is marked as missing.
    """
    sections = [_card(stage, card) for stage, card in project.cards.items()]
    sections += [
        _section(title, said.strip() or "(not written yet)") for title, said in words.items()
    ]
    runs = project.runs
    figure, sentence = race_figure(runs, project.task.name)
    made = provenance()
    headers = [run.header for group in runs.values() for run in group]
    seeds = {label: [run.seed for run in group] for label, group in runs.items()}
    config = headers[0]["config"]
    shown = ("prompts_per_step", "group_size", "learning_rate", "max_new_tokens")
    facts = {
        "task file": f"{project.file.name} {project.file.mark}".strip(),
        "start": ", ".join(
            f"{k} {v}" for k, v in project.about_start.items() if k in ("steps", "minutes")
        )
        or project.start.name,
        "seeds": "; ".join(
            f"{label.upper()} {', '.join(map(str, s))}" for label, s in seeds.items()
        ),
        "GRPO": ", ".join(f"{key} {config[key]}" for key in shown if key in config),
        "runs made by": f"commit {(headers[0].get('commit') or 'unknown')[:12]}, "
        + ", ".join(f"{k} {v}" for k, v in headers[0]["versions"].items()),
        "page made by": f"commit {(made['commit'] or 'unknown')[:12]}, "
        + ", ".join(f"{k} {v}" for k, v in made["versions"].items()),
    }
    rubric = rubric_rows(project.cards)
    page = (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Capstone: "
        f"{html.escape(project.task.name)}</title><style>{CSS}</style>"
        f"<h1>Capstone: {html.escape(project.task.name)}</h1>"
        f"<div>{html.escape(name)}, {date.today().isoformat()}</div>"
        + "".join(sections)
        + f"<h2>Runs</h2>{look.picture_html(figure, sentence)}<div>{html.escape(sentence)}</div>"
        + "<h2>To make it again</h2>" + _table([{"": k, " ": v} for k, v in facts.items()])
        + f"<details><summary>{html.escape(project.file.name)}</summary><pre class='small'>"
        + f"{html.escape(project.file.source)}</pre></details>"
        + "<h2>Rubric</h2>" + _table(rubric) + "</html>\n"
    )  # fmt: skip
    path = project.folder / "report.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, page)
    return path


def _section(title: str, text: str) -> str:
    return f"<h2>{html.escape(title)}</h2><div>{html.escape(text)}</div>"


def _card(stage: str, card: Card) -> str:
    lines = "".join(f"<div>{html.escape(line.replace('`', ''))}</div>" for line in card.lines)
    return (
        f"<h2>{html.escape(stage)}: {html.escape(card.title)}</h2><div class='small'>{lines}</div>"
    )


def _table(rows: list[dict]) -> str:
    head = "".join(f"<th>{html.escape(key)}</th>" for key in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row.values()) + "</tr>"
        for row in rows
    )
    return f"<table class='small'><tr>{head}</tr>{body}</table>"
