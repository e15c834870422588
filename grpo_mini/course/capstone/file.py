"""The learner's task file: where it is, how it begins, and reading it."""

import ast
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from ...tasks import TASKS, Record, Task, cups
from ..cards import Card

COURSE = frozenset(TASKS)  # names that are taken
Cheats = Callable[[Record], list[str]]


class TaskFileError(ValueError):
    """A task file cannot be used as it stands."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the sentence, without the way to it."""
        return [f"{type(self).__name__}: {self}"]


@dataclass(frozen=True)
class TaskFile:
    """A task with what its author knows about it.

    Attributes:
        task: problems, demonstrations, reward.
        cheats: record -> responses that must earn nothing; None: the file has no such function.
        name: the file's.
        mark: changes with what the file does; not with comments, docstrings and its cheats.
        source: its text.
    """

    task: Task
    cheats: Cheats | None
    name: str
    mark: str
    source: str


def folder() -> Path:
    """Where a learner's warm start, runs and report are kept: next to the notebooks."""
    return Path(os.environ.get("GRPO_MINI_CAPSTONE", "my_capstone"))


def begin(name: str = "my_task.py") -> Card:
    """Put a working task file next to the notebooks, to be made into another; never over one."""
    path = Path(name)
    if path.exists():
        return Card("note", f"{name} is there already", ("It stays as it is.",))
    text = Path(cups.__file__).read_text(encoding="utf-8")
    text = text.replace("from .task import", "from grpo_mini.tasks.task import")
    text = re.sub(r'Task\(\n    "cups"', 'Task(\n    "my-task"', text)
    path.write_text(text, encoding="utf-8")
    lines = (
        "It is the course's worked example. Open it, and make it yours from top to bottom: "
        "problem, demonstration, reward, cheats, and a name of its own, the first argument of "
        "`Task`.",
    )
    return Card("ok", f"{name} is there", lines)


def read(path: str | Path) -> TaskFile:
    """Read a task file and make its task known to the trainers by name.

    Raises:
        TaskFileError: it is not there, cannot be run, or holds no task, two, or one with a name of
            the course; the message says what to do.
    """
    path = Path(path)
    if not path.is_file():
        raise TaskFileError(f'{path} is not there: begin("{path.name}") puts one there')
    source, module = path.read_text(encoding="utf-8"), ModuleType(path.stem)
    module.__file__ = str(path)
    try:
        exec(compile(source, str(path), "exec"), vars(module))
    except Exception as error:
        raise TaskFileError(
            f"{path.name}{_line(error, path)}: {type(error).__name__}: {error}"
        ) from error
    tasks = [value for value in vars(module).values() if isinstance(value, Task)]
    if len(tasks) != 1:
        raise TaskFileError(
            f"{path.name} holds {len(tasks)} tasks, one is wanted: TASK = Task(name, make_problem, "
            f"demonstrate, reward, instructions)"
        )
    if tasks[0].name in COURSE:
        raise TaskFileError(
            f"{path.name}: the course has a task {tasks[0].name!r} already; give yours another name"
        )
    TASKS[tasks[0].name] = tasks[0]
    return TaskFile(tasks[0], vars(module).get("cheats"), path.name, _mark(source), source)


def of_the_course(name: str) -> TaskFile:
    """A task of the course as if a learner had brought it."""
    own = cups.cheats if name == "cups" else None
    path = Path(cups.__file__).with_name(f"{name.replace('-', '_')}.py")
    source = path.read_text(encoding="utf-8")
    return TaskFile(TASKS[name], own, f"grpo_mini/tasks/{path.name}", "", source)


def _mark(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body.pop(0)
    tree.body = [node for node in tree.body if getattr(node, "name", "") != "cheats"]
    return sha256(ast.dump(tree).encode()).hexdigest()[:8]


def _line(error: Exception, path: Path) -> str:
    """ ", line 12" of the file where it went wrong."""
    number, trace = getattr(error, "lineno", None), error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            number = trace.tb_lineno
        trace = trace.tb_next
    return "" if number is None else f", line {number}"
