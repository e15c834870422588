"""Exercises that check themselves: right, wrong *because*, or not tried yet.

An answer is a function that the learner wrote. It may raise, loop for ever, change its inputs or
return anything at all: whatever it does becomes a card, never a traceback from in here.
"""

import contextlib
import ctypes
import inspect
import json
import math
import os
import textwrap
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..support.checkpoints import atomic_write
from .cards import Card

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SECONDS = 5.0  # for all cases of an exercise together
EXERCISES: dict[str, "Exercise"] = {}  # filled by `exercise`, which the package's start calls


@dataclass(frozen=True)
class Mistake:
    """A typical wrong answer, and what to tell somebody whose answer gives the same values."""

    answer: Callable
    because: str


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        number: notebook and position, "4.1".
        title: what is to be written.
        solution: a right answer, as short as a learner's.
        cases: makes fresh keyword arguments, a dict a case; "why" says what the case is about and
            is not passed on.
        mistakes: typical wrong answers, the likeliest first.
        hints: three steps of help, each says more.
        module: the functions of the course's module that do the same.
        gradient_of: name of the argument in which the gradient has to be right too.
        judge: for exercises with many right answers: the answer's result -> what is wrong or None.
    """

    number: str
    title: str
    solution: Callable
    cases: Callable[[], list[dict]]
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, str, str]
    module: tuple[Callable, ...] = ()
    gradient_of: str | None = None
    judge: Callable | None = None


def exercise(**parts) -> None:
    """Register an exercise."""
    entry = Exercise(**parts)
    EXERCISES[entry.number] = entry


def find(number: str) -> Exercise:
    """The exercise of that number; the error lists those that exist."""
    if number not in EXERCISES:
        raise ValueError(f"there is no exercise {number!r}; there are: {', '.join(EXERCISES)}")
    return EXERCISES[number]


# ---------------------------------------------------------------------------- running an answer


class _Timeout(BaseException):
    """Raised inside a learner's function that does not return; not caught by `except Exception`."""


@dataclass
class Result:
    """What an answer did with one case."""

    value: object = None
    gradient: Tensor | None = None
    error: str | None = None


def _limited(function: Callable[[], None], seconds: float) -> bool:
    """Call ``function`` in a thread; True if it returned within ``seconds``."""

    def quietly() -> None:
        with contextlib.suppress(_Timeout):
            function()

    thread = threading.Thread(target=quietly, daemon=True)
    thread.start()
    thread.join(seconds)
    if not thread.is_alive():
        return True
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident), ctypes.py_object(_Timeout)
    )
    thread.join(1.0)
    return False


def _inputs(case: dict) -> dict:
    """What a case passes on to the answer."""
    return {name: value for name, value in case.items() if name != "why"}


def _copy(value):
    if isinstance(value, Tensor):
        return value.clone()
    return type(value)(map(_copy, value)) if isinstance(value, list | tuple) else value


def same(a, b, tolerance: float = 1e-5) -> bool:
    """Equal values, types and shapes; floats within ``tolerance``, NaN equal to NaN."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        if not a.is_floating_point():
            return torch.equal(a, b)
        return torch.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)
    if isinstance(a, bool | str) or isinstance(b, bool | str) or a is None or b is None:
        return type(a) is type(b) and a == b
    if isinstance(a, int | float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance) or (a != a and b != b)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and a == b


def run(entry: Exercise, answer: Callable, seconds: float = SECONDS) -> list[Result]:
    """Results of an answer on all cases, up to the first that fails."""
    results: list[Result] = []

    def work() -> None:
        for case in entry.cases():
            result = Result()
            results.append(result)
            inputs = _inputs(case)
            before = {name: _copy(value) for name, value in inputs.items()}
            if entry.gradient_of is not None:
                inputs[entry.gradient_of] = inputs[entry.gradient_of].clone().requires_grad_()
            try:
                result.value = answer(**inputs)
                result.error = _gradient(entry, inputs, result)
            except Exception as error:
                result.error = _what_was_raised(error)
            changed = [
                name for name, value in inputs.items() if not same(_plain(value), before[name])
            ]
            if result.error is None and changed:
                result.error = f"changed its input `{changed[0]}`: work on a copy instead"
            if result.error is not None or result.value is ... or result.value is None:
                return

    if not _limited(work, seconds):
        results = results or [Result()]
        results[-1].error = f"did not return within {seconds:.0f} seconds: does a loop never end?"
    return results


def _plain(value):
    return value.detach() if isinstance(value, Tensor) else value


def _gradient(entry: Exercise, inputs: dict, result: Result) -> str | None:
    """Differentiate the sum of the result; what is wrong if that is not possible."""
    if entry.gradient_of is None or not isinstance(result.value, Tensor):
        return None
    source = inputs[entry.gradient_of]
    if result.value.requires_grad:
        result.gradient = torch.autograd.grad(result.value.sum(), source, allow_unused=True)[0]
        result.value = result.value.detach()
    if result.gradient is None:
        return (
            f"no gradient flows from the result back to `{entry.gradient_of}`: is there a "
            f"`.detach()`, `.item()` or `torch.no_grad()` in the way?"
        )
    return None


def _what_was_raised(error: Exception) -> str:
    """The error, and the line of the learner's own code it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "grpo_mini" not in frame.filename]
    own = [f for f in own if "site-packages" not in f.filename and f.line]
    where = f" in the line `{own[-1].line}`" if own else ""
    first_line = (str(error).splitlines() or [""])[0]
    return f"raised `{type(error).__name__}: {first_line}`{where}"


# ---------------------------------------------------------------------------- the verdict


def check(number: str, answer: Callable) -> Card:
    """Check an answer; the card says whether it is right, and if not, why.

    Raises:
        ValueError: there is no exercise of that number.
    """
    entry = find(number)
    title = f"Exercise {number}, {entry.title}"
    if not callable(answer):
        return Card(
            "wrong", title, (f"Hand over the function itself, not {_short(answer)}, a "
                             f'`{type(answer).__name__}`: `check("{number}", name)`',)
        )  # fmt: skip
    results = run(entry, answer)
    if results[-1].error is None and (results[-1].value is ... or results[-1].value is None):
        if results[-1].value is None and len(results) > 1:
            return Card("wrong", title, ("For one of the cases it returns nothing.",))
        if results[-1].value is None and not _is_stub(answer):
            return Card("wrong", title, ("It returns nothing: is the `return` missing?",))
        lines = (f'Stuck? `hint("{number}")` helps in three steps.',)
        return Card("not tried yet", title, lines)
    because = _verdict(entry, results)
    if because is None:
        _remember(number)
        return Card("right", title, (f"All {len(entry.cases())} cases agree.",))
    return Card("wrong", title, because)


def _is_stub(answer: Callable) -> bool:
    try:
        return "..." in inspect.getsource(answer)
    except (OSError, TypeError):
        return False


def _verdict(entry: Exercise, results: list[Result]) -> tuple[str, ...] | None:
    """Lines that say what is wrong; None if nothing is."""
    if results[-1].error is not None:
        return (f"It {results[-1].error}.",)
    cases = entry.cases()
    if entry.judge is not None:
        for case, result in zip(cases, results, strict=True):
            problem = entry.judge(result.value, **_inputs(case))
            if problem is not None:
                return (problem,)
        return None
    expected = run(entry, entry.solution)
    for i, (mine, right) in enumerate(zip(results, expected, strict=True)):
        kind = _kind_differs(mine.value, right.value)
        if kind:
            return (kind, _about(cases[i]))
        value_differs = not same(mine.value, right.value)
        if value_differs or not same(mine.gradient, right.gradient):
            for mistake in entry.mistakes:
                if _alike(results, run(entry, mistake.answer)):
                    return (mistake.because, _difference(mine, right), _about(cases[i]))
            return (_difference(mine, right), _about(cases[i]))
    return None


def _alike(mine: list[Result], others: list[Result]) -> bool:
    return len(mine) == len(others) and all(
        a.error == b.error and same(a.value, b.value) and same(a.gradient, b.gradient)
        for a, b in zip(mine, others, strict=True)
    )


def _kind_differs(mine, right) -> str | None:
    """How type, shape or dtype differ; None if they do not."""
    if isinstance(right, Tensor):
        if not isinstance(mine, Tensor):
            return (
                f"It returns a `{type(mine).__name__}`, not a tensor of shape {list(right.shape)}."
            )
        if mine.shape != right.shape:
            return f"It returns shape {list(mine.shape)}, the result has shape {list(right.shape)}."
        if mine.dtype != right.dtype:
            return f"It returns `{mine.dtype}`, the result is `{right.dtype}`."
    elif isinstance(right, int | float):
        if isinstance(mine, Tensor):
            return "It returns a tensor, not a plain number: `.item()` makes one of it."
        if not isinstance(mine, int | float):
            return f"It returns a `{type(mine).__name__}`, not a number."
    elif isinstance(right, list | tuple):
        if not isinstance(mine, list | tuple):
            return f"It returns a `{type(mine).__name__}`, not a list of {len(right)}."
        if len(mine) != len(right):
            return f"It returns {len(mine)} values, not {len(right)}."
    return None


def _difference(mine: Result, right: Result) -> str:
    """The first place where value or gradient differ."""
    if same(mine.value, right.value):
        got, wanted = mine.gradient, right.gradient
        what = "The value is right, but the gradient is not: at "
    else:
        got, wanted, what = mine.value, right.value, "At "
    if not isinstance(wanted, Tensor):
        if isinstance(wanted, list | tuple):
            i = next(i for i, (a, b) in enumerate(zip(got, wanted, strict=True)) if not same(a, b))
            return f"{what}position {i} it gives {_short(got[i])}, right is {_short(wanted[i])}."
        return f"It gives {_short(got)}, right is {_short(wanted)}."
    if wanted.dim() == 0:
        where = "the only entry"
        a, b = got, wanted
    else:
        differs = ~torch.isclose(got.double(), wanted.double(), 1e-5, 1e-5, equal_nan=True)
        index = tuple(differs.nonzero()[0].tolist())
        where, a, b = f"index {list(index)}", got[index], wanted[index]
    return f"{what}{where} it gives {_short(a.item())}, right is {_short(b.item())}."


def _about(case: dict) -> str:
    """The inputs of a case, shortened."""
    inputs = ", ".join(f"{name}={_short(value)}" for name, value in _inputs(case).items())
    why = f" ({case['why']})" if "why" in case else ""
    return f"Seen with `{inputs}`{why}."


def _short(value, width: int = 160) -> str:
    if isinstance(value, Tensor):
        value = [[round(x, 3) for x in row] for row in value.tolist()] if value.dim() == 2 else (
            [round(x, 3) for x in value.tolist()] if value.dim() == 1 else value.tolist()
        )  # fmt: skip
    text = f"{value:.6g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= width else text[: width - 1] + "…"


# ---------------------------------------------------------------------------- help


_hints_given: dict[str, int] = {}


def hint(number: str) -> Card:
    """The next of three hints; each says more than the one before."""
    entry = find(number)
    given = min(_hints_given.get(number, 0) + 1, len(entry.hints))
    _hints_given[number] = given
    title = f"Hint {given} of {len(entry.hints)} for exercise {number}"
    return Card("note", title, entry.hints[:given])


def solution(number: str) -> Card:
    """A right answer, and the source of the module's function that does the same."""
    entry = find(number)
    code = textwrap.dedent(inspect.getsource(entry.solution))
    for function in entry.module:
        where = f"{function.__module__}.{function.__qualname__}"
        code += f"\n\n# In the course's module: {where}\n\n{inspect.getsource(function)}"
    return Card("note", f"Solution of exercise {number}", (), code.rstrip())


# ---------------------------------------------------------------------------- progress


_solved: set[str] = set()  # in this session


def _file() -> Path:
    """Where solved exercises are remembered, next to the notebooks."""
    return Path(os.environ.get("GRPO_MINI_PROGRESS", ".progress.json"))


def _remembered() -> set[str]:
    try:
        return set(json.loads(_file().read_text(encoding="utf-8"))) & set(EXERCISES)
    except (OSError, ValueError, TypeError):
        return set()  # none yet, or a damaged file: nothing that could not be solved again


def _remember(number: str) -> None:
    _solved.add(number)
    try:
        atomic_write(_file(), json.dumps(sorted(_remembered() | _solved)))
    except OSError:
        pass  # a read-only folder: this session still remembers


def progress() -> Card:
    """What is solved and what is left, notebook by notebook, of the notebooks that are there."""
    there = {str(int(path.name[:2])) for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")}
    numbers = sorted(n for n in EXERCISES if n.split(".")[0] in there)
    done = (_remembered() | _solved) & set(numbers)
    lines = []
    for notebook in sorted({number.split(".")[0] for number in numbers}, key=int):
        mine = [n for n in numbers if n.split(".")[0] == notebook]
        marks = "  ".join(f"{n} {'✓' if n in done else '○'}" for n in mine)
        lines.append(f"Notebook {int(notebook):02d}: {marks}")
    status = "right" if len(done) == len(numbers) else "note"
    return Card(status, f"{len(done)} of {len(numbers)} exercises solved", tuple(lines))
