"""The parts of the guide that are computed: minutes, promises, and where learners get stuck.

They stand in teach/guide.md between marks, so that it reads without a tool; ``make teach
ARGS=--write`` writes them anew, and a test compares.
"""

import re

from . import minutes, stored
from .solutions import ordered

MARKED = re.compile(r"(<!-- (minutes|notebook (\d\d)) -->\n).*?(<!-- end -->)", re.DOTALL)
SHOWN, ALIKE = 2, 8  # mistakes of an exercise; letters by which two are told apart


def promised() -> dict[str, tuple[str, str]]:
    """Minutes to read and solve, and to compute, as the table of notebooks/README.md has them."""
    text = (stored.NOTEBOOKS / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\d\d) [^|]*\|[^|]*\|[^|]*\| (\d+) \| (\d+) \|", text, re.MULTILINE)
    return {number: (read, compute) for number, read, compute in rows}


def minutes_table() -> str:
    """Minutes to teach (a third more than to read and solve alone), to do, and to compute."""
    lines = [
        "| notebook | to teach | to do alone | to compute, as promised | as measured "
        "| the longest waits |",
        "|---|---|---|---|---|---|",
    ]
    record, said = minutes.read(), promised()
    for path in sorted(stored.NOTEBOOKS.glob("*.ipynb")):
        number = path.stem[:2]
        read, compute = said.get(number, ("–", "–"))
        teach = str(5 * round(int(read) * 4 / 3 / 5)) if read != "–" else "–"
        found = record.get(path.stem)
        took, waits = "–", ""
        if found:
            took = f"{found['processor_seconds'] / 60:.1f}"
            longest = sorted(found["cells"].items(), key=lambda item: -item[1])[:3]
            waits = ", ".join(f"{seconds:.0f} s" for _, seconds in longest if seconds >= 10)
        lines.append(f"| {number} | {teach} | {read} | {compute} | {took} | {waits or '–'} |")
    return "\n".join(lines)


def promises(number: str) -> list[str]:
    """What a notebook says of itself: what one can do after it, and what one needs before."""
    opening = "\n".join(cell.source for cell in stored.cells(number).values())
    rows = dict(re.findall(r"^\| \*\*(You [^|]*)\*\* \| (.*) \|$", opening, re.MULTILINE))
    return [f"**{name}** {rows[name]}." for name in ("You will be able to", "You need to know")]


def about(number: str) -> str:
    """Outcomes, prerequisites, and the likeliest mistakes in the words of the cards."""
    lines = [line for promise in promises(number) for line in (promise, "")]
    lines += ["Likely mistakes, in the words of the checks:", ""]
    for entry in ordered():
        if entry.number.split(".")[0] == str(int(number)):
            # Of those that begin alike, one.
            because = list({m.because[:ALIKE]: m.because for m in entry.mistakes[::-1]}.values())
            because = because[: -SHOWN - 1 : -1]
            said = " ".join(f"“{text}”" for text in because)
            lines.append(f"- **{entry.number} {entry.title}.** {said}")
    if lines[-1] == "":
        lines[-2:] = ["Nothing is written here, so nothing is checked."]
    return "\n".join(lines)


def filled(text: str) -> str:
    """The guide with its marked parts computed."""

    def part(found: re.Match) -> str:
        made = minutes_table() if found[2] == "minutes" else about(found[3])
        return f"{found[1]}{made}\n{found[4]}"

    return MARKED.sub(part, text)
