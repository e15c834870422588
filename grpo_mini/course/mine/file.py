"""The file ``my_grpo.py``: where each exercise has its place, and how an answer gets there.

A place is what stands between two lines of dashes. The first says whose it is and, for an answer,
which text was put there, so that a change by hand is seen and left alone.
"""

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from ...support.checkpoints import atomic_write
from .source import NotPortable, portable

PLACE = re.compile(
    r"^# ---- (?P<number>\d+\.\d+) (?P<name>\w+)(?:: (?P<owner>.*))?\n"
    r"(?:(?P<body>(?:(?!# ----).*\n)*)# ---- end of (?P=number)\n)?",
    re.MULTILINE,
)
TEMPLATE = Path(__file__).with_name("template.py")


class FileError(ValueError):
    """``my_grpo.py`` cannot be used as it stands."""


@dataclass(frozen=True)
class Place:
    """One exercise's place in the file.

    Attributes:
        number, name: of the exercise and of its function.
        yours: whether the learner wrote what stands there, as an answer or by hand.
        written: mark of the text that was put there last.
        body: what stands there now.
    """

    number: str
    name: str
    yours: bool
    written: str
    body: str

    @property
    def by_hand(self) -> bool:
        """Whether it was changed since it was put there."""
        return _mark(self.body) != self.written


def path() -> Path:
    """Where the file is: next to the notebooks."""
    return Path(os.environ.get("GRPO_MINI_MY_GRPO", "my_grpo.py"))


def _mark(text: str) -> str:
    return hashlib.sha256(text.strip().encode()).hexdigest()[:8]


def _from_module(name: str) -> str:
    return f"from grpo_mini.course.mine.pieces import {name}"


def _filled(number: str, name: str, body: str, yours: bool) -> str:
    owner = f"yours ({_mark(body)})" if yours else "the module's, until you have solved it"
    return f"# ---- {number} {name}: {owner}\n{body.strip()}\n# ---- end of {number}\n"


def empty() -> str:
    """The file before anything is solved."""
    return PLACE.sub(
        lambda place: _filled(place["number"], place["name"], _from_module(place["name"]), False),
        TEMPLATE.read_text(encoding="utf-8"),
    )


def text() -> str:
    """The file as it is, or as it would begin."""
    try:
        return path().read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return empty()


def places(source: str) -> dict[str, Place]:
    """The places of a file by number."""
    found = {}
    for match in PLACE.finditer(source):
        if match["body"] is None:
            continue  # its end was taken out by hand
        number, name, body = match["number"], match["name"], match["body"].strip()
        mark = re.fullmatch(r"yours \((\w+)\)", match["owner"] or "")
        written = mark[1] if mark else _mark(_from_module(name))
        yours = mark is not None or _mark(body) != written
        found[number] = Place(number, name, yours, written, body)
    return found


PIECES = {number: place.name for number, place in places(empty()).items()}


def load(source: str, where: Path) -> ModuleType:
    """Run the file's definitions, not its training.

    Raises:
        FileError: it cannot be run.
    """
    module = ModuleType("my_grpo")
    module.__file__ = str(where)
    try:
        exec(compile(source, str(where), "exec"), vars(module))
    except Exception as error:
        line = getattr(error, "lineno", None)
        at = "" if line is None else f", line {line}"
        raise FileError(
            f"{where.name}{at}: {type(error).__name__}: {error}. Mend it there, or give the file "
            f"another name: then the module's pieces are used"
        ) from error
    return module


def put(number: str, answer: Callable, is_right: Callable[[Callable], bool]) -> tuple[str, ...]:
    """Put a right answer into the file; what there is to say about it.

    Nothing is lost: what was changed by hand stays, and an answer that is replaced goes to the end
    of ``my_grpo_earlier.py``. The answer is put there only if it is right there too.
    """
    if number not in PIECES:
        return ()
    name, file = PIECES[number], path().name
    if (getattr(answer, "__module__", None) or "").startswith("grpo_mini"):
        return ()  # the module's own function
    try:
        source = text()
        body = portable(name, answer, set(PLACE.sub("", source).splitlines()))
        place = places(source).get(number)
        if place is None:
            return (f"`{file}` has no place for {number} any more: it is left as it is.",)
        if place.written == _mark(body) and place.yours:
            by_hand = ", with what you have changed there" if place.by_hand else ""
            return (f"It stands in `{file}`{by_hand}.",)
        if place.by_hand:
            return (f"In `{file}` you have changed `{name}` by hand: that stays.",)
        new = PLACE.sub(
            lambda match: (
                _filled(number, name, body, True) if match["number"] == number else match[0]
            ),
            source,
        )
        if not is_right(getattr(load(new, path()), name)):
            return (f"In `{file}` it would not be right: does it use something of the notebook?",)
        if place.yours:
            earlier = path().with_name("my_grpo_earlier.py")
            with earlier.open("a", encoding="utf-8") as kept:
                kept.write(f"\n\n# {number} {name}\n\n{place.body}\n")
        atomic_write(path(), new)
    except NotPortable as error:
        return (f"It does not go into `{file}`: {error}.",)
    except (FileError, OSError) as error:
        return (f"It could not be put into `{file}`: {error}.",)
    mine = sum(place.yours for place in places(new).values())
    verb = "is" if mine == 1 else "are"
    return (f"It went into `{file}`: {mine} of its {len(PIECES)} pieces {verb} yours.",)
