"""Slides, quiz, solutions and sheets as single files in build/teach/: make teach.

With --write the tables of teach/guide.md that are computed are written anew.
"""

import argparse
import html
from pathlib import Path

from . import deck, guide, quiz, solutions
from .pages import frame, markdown

TEACH = Path(__file__).parents[1]
LECTURES = {
    "policy-gradient-to-ppo": "From the policy gradient to PPO",
    "grpo": "GRPO: what if the group is the critic?",
    "evidence": "PPO or GRPO: what the evidence says",
}
SHEETS = {
    "guide": ("Guide for who teaches", TEACH / "guide.md"),
    "timetables": ("Timetables", TEACH / "timetables.md"),
    "room": ("The room", TEACH / "room.md"),
    "print": ("Sheets to print", TEACH / "print.md"),
}


def sheet(title: str, body: str, kind: str = "") -> str:
    """A page to read and to print, in one file; what has the kind ``forms`` is written on."""
    return frame(title, "sheet.css", body, kind)


def pages() -> dict[str, str]:
    """All files by name."""
    made = {}
    for name, title in LECTURES.items():
        text = (TEACH / "slides" / f"{name}.md").read_text(encoding="utf-8")
        made[f"{name}.html"] = deck.page(title, deck.read(text, quiz.named))
    made["quiz.html"] = deck.page("Quiz", quiz.slides())
    made["solutions.html"] = sheet("Solutions", solutions.body())
    for name, (title, path) in SHEETS.items():
        text = path.read_text(encoding="utf-8")
        for other in SHEETS.values():  # what is a text there is a page here
            text = text.replace(f"]({other[1].name}", f"]({other[1].stem}.html")
        made[f"{name}.html"] = sheet(title, markdown(text), "forms" if name == "print" else "")
    titles = LECTURES | {name: title for name, (title, _) in SHEETS.items()}
    titles |= {"quiz": "Quiz", "solutions": "Solutions"}
    links = "".join(f"<li><a href='{n}.html'>{html.escape(t)}</a></li>" for n, t in titles.items())
    made["index.html"] = sheet("For a room", f"<h1>For a room</h1><ul>{links}</ul>")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m teach.kit", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=TEACH.parent / "build" / "teach")
    parser.add_argument("--write", action="store_true", help="also write the guide's tables anew")
    options = parser.parse_args()
    if options.write:
        path = TEACH / "guide.md"
        path.write_text(guide.filled(path.read_text(encoding="utf-8")), encoding="utf-8")
    options.out.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (options.out / name).write_text(text, encoding="utf-8")
        print(f"{options.out / name}: {len(text) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
