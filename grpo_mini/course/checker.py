"""Exercises that check themselves: right, wrong *because*, or not tried yet.

An answer is a function that the learner wrote. It may raise, loop for ever, change its inputs or
return anything at all: whatever it does becomes a card, never a traceback from in here.
"""

import ast
import contextlib
import ctypes
import inspect
import linecache
import math
import sys
import textwrap
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy
import torch
from torch import Tensor

from .cards import Card
from .memory import remember
from .mine import put

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
MOST_SHOWN = 300  # characters of a case's inputs in a card
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
        by_gradient: the gradient alone decides, the value may be any.
        seen: what is compared, made of the result and of the case's arguments after the call, for
            an answer that changes things; None compares the result.
        call: how an answer is asked, for one that has to be asked more than once: the answer and a
            case's arguments -> what is compared or judged.
        judge: for exercises with many right answers: the answer's result, as it was returned, and
            the case's arguments -> what is wrong, and what was seen, or None.
        reached: with a judge, what a right answer's result has reached, in words.
        prepare: what takes long and is none of the answer's time: a model's samples.
    """

    number: str
    title: str
    solution: Callable
    cases: Callable[[], list[dict]]
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, str, str]
    module: tuple[Callable, ...] = ()
    gradient_of: str | None = None
    by_gradient: bool = False
    seen: Callable[[object, dict], object] | None = None
    call: Callable[[Callable, dict], object] | None = None
    judge: Callable | None = None
    reached: Callable[[object], str] | None = None
    prepare: Callable[[], object] | None = None


def exercise(**parts) -> None:
    """Register an exercise."""
    entry = Exercise(**parts)
    EXERCISES[entry.number] = entry


def find(number: str | float) -> Exercise:
    """The exercise of that number; the error lists those that exist."""
    if str(number) not in EXERCISES:
        raise ValueError(f"there is no exercise {number!r}; there are: {', '.join(EXERCISES)}")
    return EXERCISES[str(number)]


# ---------------------------------------------------------------------------- running an answer


class _Timeout(BaseException):
    """Raised inside a learner's function that does not return; not caught by `except Exception`."""


@dataclass
class Result:
    """What an answer did with one case.

    Attributes:
        value: a copy of what it returned, without gradients, and of what it left behind.
        raw: what it returned.
        inputs: what it was called with.
        gradient: of its value by the exercise's ``gradient_of``.
        error: what went wrong, as the rest of a sentence that begins with "It".
        raised: the exception as text, without the line it came from.
    """

    value: object = None
    raw: object = None
    inputs: dict | None = None
    gradient: Tensor | None = None
    error: str | None = None
    raised: str | None = None


def _limited(function: Callable[[], None], seconds: float) -> bool:
    """Call ``function`` in a thread; True if it returned within ``seconds``.

    A thread cannot be killed. An exception thrown into it may be caught there, by a bare `except`
    inside a loop; so a second one is raised where that loop begins anew.
    """
    overdue = threading.Event()

    def trace(frame, _event, _argument):
        if "site-packages" in frame.f_code.co_filename:
            return None
        if overdue.is_set():
            line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
            if line.startswith(("try", "while", "for")):
                raise _Timeout
        return trace

    def quietly() -> None:
        sys.settrace(trace)
        with contextlib.suppress(_Timeout):
            function()

    thread = threading.Thread(target=quietly, daemon=True)
    thread.start()
    thread.join(seconds)
    if not thread.is_alive():
        return True
    overdue.set()
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident), ctypes.py_object(_Timeout)
    )
    thread.join(1.0)
    return False


def _inputs(case: dict) -> dict:
    """What a case passes on to the answer."""
    return {name: value for name, value in case.items() if name != "why"}


def _copy(value):
    """The value as it is now, without gradients."""
    if isinstance(value, Tensor):
        value = value.detach()
        return value.to_dense().clone() if value.is_sparse else value.clone()
    if isinstance(value, dict):
        return {name: _copy(part) for name, part in value.items()}
    return type(value)(map(_copy, value)) if type(value) in (list, tuple) else value


def same(a, b, tolerance: float = 1e-5) -> bool:
    """Equal values, types and shapes; floats within ``tolerance``, NaN equal to NaN."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.shape != b.shape or a.dtype != b.dtype or a.is_meta or b.is_meta:
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
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name], tolerance) for name in a)
    return type(a) is type(b) and a == b


def _called(answer: Callable, inputs: dict):
    """Call an answer by its arguments' names or, where it gives them others, by their order."""
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):
        return answer(**inputs)  # a builtin that does not say
    for arguments, named in (((), inputs), (tuple(inputs.values()), {})):
        try:
            signature.bind(*arguments, **named)
        except TypeError:
            continue
        return answer(*arguments, **named)
    raise TypeError(f"it takes {signature}, and is called with ({', '.join(inputs)})")


def _in_order(answer: Callable, names: tuple[str, ...], *values):
    """Call an answer with values in the order of its arguments."""
    return _called(answer, dict(zip(names, values, strict=True)))


def run(entry: Exercise, answer: Callable, seconds: float = SECONDS) -> list[Result]:
    """Results of an answer on all cases, up to the first that fails."""
    results: list[Result] = []
    if entry.prepare is not None and not _is_stub(answer):
        entry.prepare()

    def work() -> None:
        order = list(inspect.signature(entry.solution).parameters)
        for case in entry.cases():
            inputs = {name: case[name] for name in order}
            result = Result(inputs=inputs)
            results.append(result)
            before = {name: _copy(value) for name, value in inputs.items()}
            if entry.gradient_of is not None:
                inputs[entry.gradient_of] = inputs[entry.gradient_of].clone().requires_grad_()
            try:
                if entry.call is None or _is_stub(answer):
                    result.raw = _called(answer, inputs)
                else:
                    ask = partial(_in_order, answer, tuple(inputs))
                    result.raw = entry.call(ask, inputs)
                seen = result.raw if entry.seen is None else entry.seen(result.raw, inputs)
                result.value = _copy(seen)
                result.error = _gradient(entry, inputs, result)
            except _Timeout:
                raise
            except BaseException as error:  # `sys.exit()` too
                result.raised, where = _what_was_raised(error)
                text = result.raised if len(result.raised) < 200 else result.raised[:199] + "…"
                result.error = f"raised `{text}`{where}"
            changed = [
                name for name, value in inputs.items() if not same(_copy(value), before[name])
            ]
            if result.error is None and changed:
                result.error = f"changed its input `{changed[0]}`: work on a copy instead"
            if result.error is not None or result.raw is ... or result.raw is None:
                return

    if not _limited(work, seconds):
        results = results or [Result()]
        results[-1].error = f"did not return within {seconds:.0f} seconds: does a loop never end?"
    return results


def _gradient(entry: Exercise, inputs: dict, result: Result) -> str | None:
    """Differentiate the result, each of its entries with another weight; what is wrong if not."""
    parts = result.raw if isinstance(result.raw, list | tuple) else [result.raw]
    if entry.gradient_of is None or not all(isinstance(part, Tensor) for part in parts):
        return None
    source = inputs[entry.gradient_of]
    flowing = [part for part in parts if part.requires_grad]
    if len(flowing) == len(parts):
        flat = torch.cat([part.double().flatten() for part in parts])
        total = flat @ torch.linspace(1, 2, len(flat), dtype=flat.dtype)
        result.gradient = torch.autograd.grad(total, source, allow_unused=True)[0]
    if result.gradient is None:
        return (
            f"lets no gradient flow back to `{entry.gradient_of}`: a `.detach()`, `.item()` or "
            f"`torch.no_grad()` is in the way, or the result does not depend on it"
        )
    return None


def _what_was_raised(error: BaseException) -> tuple[str, str]:
    """The error, and the line of the learner's own code it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "grpo_mini" not in frame.filename]
    own = [f for f in own if "site-packages" not in f.filename and f.line]
    where = f" in the line `{own[-1].line}`" if own else ""
    first_line = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first_line}".removesuffix(": "), where


# ---------------------------------------------------------------------------- the verdict


def check(number: str | float, answer: Callable) -> Card:
    """Check an answer; the card says whether it is right, and if not, why.

    A right answer that is a piece of the algorithm goes into the learner's file.

    Raises:
        ValueError: there is no exercise of that number.
    """
    entry = find(number)
    title = f"Exercise {entry.number}, {entry.title}"
    if not callable(answer):
        return Card(
            "wrong", title, (f"Hand over the function itself, not {_short(answer)}, a "
                             f'`{type(answer).__name__}`: `check("{entry.number}", name)`',)
        )  # fmt: skip
    results = run(entry, answer)
    last = results[-1]
    if last.error is None and (last.raw is ... or (last.raw is None and _is_stub(answer))):
        lines = (f'Stuck? `hint("{entry.number}")` helps in three steps.',)
        return Card("not tried yet", title, lines)
    if last.error is None and last.raw is None:
        about = _about(entry.cases()[len(results) - 1])
        missing = "It returns nothing: is the `return` missing?"
        returns = len(results) > 1 or _has_return(answer)
        lines = ("Here it returns `None`." if returns else missing, about)
        return Card("wrong", title, tuple(filter(None, lines)))
    because = _verdict(entry, results)
    if because is None:
        remember(entry.number)
        agree = "The case agrees." if len(results) == 1 else f"All {len(results)} cases agree."
        if entry.reached is not None:
            agree = entry.reached(last.raw)
        return Card("right", title, (agree, *put(entry.number, answer, partial(is_right, entry))))
    return Card("wrong", title, tuple(filter(None, because)))


def is_right(entry: Exercise, answer: Callable) -> bool:
    """Whether an answer is right in all cases."""
    results = run(entry, answer)
    return results[-1].raw is not None and _verdict(entry, results) is None


def _definition(answer: Callable) -> ast.stmt | None:
    """The statement that defines an answer, if its source can be found."""
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(answer))).body[0]
    except (OSError, TypeError, ValueError, SyntaxError):
        return None


def _is_stub(answer: Callable) -> bool:
    """Whether nothing stands in the function but `...` or `pass`."""
    function = _definition(answer)
    if not isinstance(function, ast.FunctionDef):
        return False
    body = function.body[ast.get_docstring(function) is not None :]
    values = [getattr(statement, "value", None) for statement in body]
    return all(
        isinstance(statement, ast.Pass) or (isinstance(value, ast.Constant) and value.value is ...)
        for statement, value in zip(body, values, strict=True)
    )


def _has_return(answer: Callable) -> bool:
    """Whether something is returned somewhere in the function."""
    nodes = ast.walk(_definition(answer) or ast.Pass())
    return any(isinstance(node, ast.Return) and node.value is not None for node in nodes)


def _verdict(entry: Exercise, results: list[Result]) -> tuple[str, ...] | None:
    """Lines that say what is wrong; None if nothing is."""
    cases = entry.cases()
    last, about = results[-1], _about(cases[len(results) - 1])
    if last.error is not None:
        named = _named(entry, results) if last.raised is not None else ()
        return (*named, f"It {last.error}.", about)
    if entry.judge is not None:
        for case, result in zip(cases, results, strict=True):
            try:
                problem = entry.judge(result.raw, **result.inputs)
            except Exception as error:
                kind = type(result.raw).__name__
                problem = f"Nothing can be said about a `{kind}`: {_what_was_raised(error)[0]}."
            if problem is not None:
                problem = (problem,) if isinstance(problem, str) else problem
                # Who asks in a way of its own asks for more than the case.
                return problem if entry.call else (*problem, _about(case))
        return None
    expected = run(entry, entry.solution)
    for mine, right in zip(results, expected, strict=True):
        mine.value = _in_kind(mine.value, right.value, entry.gradient_of is not None)
    for case, mine, right in zip(cases, results, expected, strict=True):
        kind = _kind_differs(mine.value, right.value)
        if kind:
            return (*_named(entry, results), kind, _about(case))
        value_differs = not (entry.by_gradient or same(mine.value, right.value))
        if value_differs or not same(mine.gradient, right.gradient):
            named = _named(entry, results)
            return (*named, _difference(mine, right, entry.by_gradient), _about(case))
    return None


def _named(entry: Exercise, results: list[Result]) -> tuple[str, ...]:
    """What to say about the typical mistake that does the same; nothing if none does.

    The same values come first, then the same gradient, which other forms of a mistake have.
    """
    everything = _what_mistakes_do(entry.number)
    for mistake, others in everything:
        if _alike(results, others):
            return (mistake.because,)
    if entry.gradient_of is not None:
        right = run(entry, entry.solution)
        for mistake, others in everything:  # one whose gradient is right says nothing here
            if _alike(results, others, True) and not _alike(others, right, True):
                return (mistake.because,)
    return ()


@cache
def _what_mistakes_do(number: str) -> list[tuple[Mistake, list[Result]]]:
    """Each typical mistake of an exercise and what it does with the cases."""
    entry = find(number)
    return [(mistake, run(entry, mistake.answer)) for mistake in entry.mistakes]


def _alike(mine: list[Result], others: list[Result], by_gradient: bool = False) -> bool:
    """Whether two answers do the same, in values and gradients or in gradients alone."""
    if len(mine) != len(others):
        return False
    for a, b in zip(mine, others, strict=True):
        if a.raised != b.raised or (a.error is None) != (b.error is None):
            return False
        if by_gradient and a.gradient is None:
            return False
        if not by_gradient and not same(_in_kind(a.value, b.value), b.value):
            return False
        if not same(a.gradient, b.gradient):
            return False
    return True


def _in_kind(mine, right, flows: bool = False):
    """The answer's value in the type of the right one, where only the type of number differs.

    Only a tensor can be differentiated: where a gradient ``flows`` nothing else is made one.
    """
    if isinstance(right, Tensor):
        if not isinstance(mine, Tensor):
            if flows:
                return mine
            try:
                mine = torch.as_tensor(mine)
            except (TypeError, ValueError, RuntimeError, OverflowError):
                return mine
        if mine.is_meta or mine.is_quantized or mine.dtype == right.dtype:
            return mine
        if right.is_floating_point():
            return mine if mine.dtype == torch.bool or mine.is_complex() else mine.to(right.dtype)
        whole = mine.is_floating_point() and bool((mine == mine.round()).all())
        return mine.to(right.dtype) if whole or mine.dtype in INTEGERS else mine
    if isinstance(right, bool | int | float):
        if (
            isinstance(mine, Tensor | numpy.generic)
            and mine.shape == ()
            and not getattr(mine, "is_meta", False)
        ):
            mine = mine.item()
        if isinstance(mine, int | float) and not isinstance(right, bool):
            return float(mine) if isinstance(right, float) else mine + 0
        return mine
    if isinstance(right, list | tuple):
        if (
            isinstance(mine, Tensor | numpy.ndarray)
            and not getattr(mine, "is_meta", False)
            and mine.shape
        ):
            mine = list(mine)
        if isinstance(mine, list | tuple) and len(mine) == len(right):
            return [_in_kind(a, b, flows) for a, b in zip(mine, right, strict=True)]
    if isinstance(right, dict) and isinstance(mine, dict):
        return {name: _in_kind(mine[name], right[name]) for name in right if name in mine}
    return mine


INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def _kind_differs(mine, right, what: str = "It returns") -> str | None:
    """How type, shape or dtype differ; None if they do not."""
    kind = f"`{type(mine).__name__}`"
    kind = f"an {kind}" if kind[1] in "aeiou" else f"a {kind}"
    if isinstance(right, Tensor):
        size = f"of shape {list(right.shape)}" if right.dim() else "with a single number"
        if not isinstance(mine, Tensor):
            return f"{what} {kind}, not a tensor {size}."
        if mine.is_meta:
            return f"{what} a tensor on the device `meta`, which holds no numbers."
        if mine.shape != right.shape:
            return f"{what} shape {list(mine.shape)}, the result has shape {list(right.shape)}."
        if mine.dtype != right.dtype:
            return f"{what} `{mine.dtype}`, the result is `{right.dtype}`."
    elif isinstance(right, int | float) and not isinstance(right, bool):
        if isinstance(mine, Tensor):
            return f"{what} a tensor of shape {list(mine.shape)}, not a number."
        if not isinstance(mine, int | float):
            return f"{what} {kind}, not a number."
    elif isinstance(right, list | tuple):
        if not isinstance(mine, list | tuple):
            return f"{what} {kind}, not a {type(right).__name__} of {len(right)}."
        if len(mine) != len(right):
            values = "1 value" if len(mine) == 1 else f"{len(mine)} values"
            return f"{what} {values}, not {len(right)}."
        for i, (a, b) in enumerate(zip(mine, right, strict=True)):
            if differs := _kind_differs(a, b, f"At position {i} it returns"):
                return differs
    elif isinstance(right, dict):
        if not isinstance(mine, dict):
            return f"{what} {kind}, not a dictionary with {', '.join(map(repr, right))}."
        if missing := [name for name in right if name not in mine]:
            return f"{what} no {missing[0]!r}; it has {', '.join(map(repr, mine)) or 'nothing'}."
        for name in right:
            if differs := _kind_differs(mine[name], right[name], f"For {name!r} it returns"):
                return differs
    return None


def _difference(mine: Result, right: Result, by_gradient: bool = False) -> str:
    """The first place where value or gradient differ."""
    if by_gradient:
        return _where(mine.gradient, right.gradient, "In the gradient, at ", "Its gradient is ")
    if same(mine.value, right.value):
        what = "The value is right, but the gradient is not: "
        return _where(mine.gradient, right.gradient, f"{what}at ", f"{what}it is ")
    return _where(mine.value, right.value)


def _where(got, wanted, at: str = "At ", gives: str = "It gives ") -> str:
    """The first place where two results differ."""
    if isinstance(wanted, dict):
        agree = []
        for name in wanted:
            if not same(got[name], wanted[name]):
                so_far = f"{', '.join(agree)} agree{'s' * (len(agree) == 1)}. " if agree else ""
                part = f"`{name}`"
                return so_far + _where(
                    got[name], wanted[name],
                    f"Then {part} differs: at " if agree else f"{part}: at ",
                    f"Then {part} differs: it is " if agree else f"{part} is ",
                )  # fmt: skip
            agree.append(f"`{name}`")
    if isinstance(wanted, list | tuple):
        i = next(i for i, (a, b) in enumerate(zip(got, wanted, strict=True)) if not same(a, b))
        a, b, place = got[i], wanted[i], f"position {i}"
        if isinstance(b, Tensor):
            return _where(a, b, f"{at}{place}, ", f"{at}{place} it gives ")
    elif isinstance(wanted, Tensor) and wanted.dim():
        differs = ~torch.isclose(got.double(), wanted.double(), 1e-5, 1e-5, equal_nan=True)
        index = tuple(differs.nonzero()[0].tolist())
        a, b, place = got[index].item(), wanted[index].item(), f"index {list(index)}"
    else:
        a, b = (v.item() if isinstance(v, Tensor) else v for v in (got, wanted))
        return f"{gives}{_pair(a, b)}."
    return f"{at}{place} it gives {_pair(a, b)}."


def _pair(a, b) -> str:
    """Two values that differ, with as many digits as it takes to see it."""
    texts = _short(a), _short(b)
    return "{}, right is {}".format(*texts if texts[0] != texts[1] else (repr(a), repr(b)))


def _about(case: dict) -> str:
    """The inputs of a case, shortened; nothing if it has none."""
    if not _inputs(case):
        return ""
    shown = {name: _short(value) for name, value in _inputs(case).items()}
    if sum(map(len, shown.values())) > MOST_SHOWN:  # nobody reads that: shapes say enough
        shown |= {
            name: f"[{', '.join(map(str, value.shape))}]"
            for name, value in _inputs(case).items()
            if isinstance(value, Tensor)
        }
    inputs = ", ".join(f"{name}={text}" for name, text in shown.items())
    why = f" ({case['why']})" if "why" in case else ""
    return f"Seen with `{inputs}`{why}."


def _short(value, width: int = 160) -> str:
    """A value as a reader wants to see it in a sentence."""
    if isinstance(value, Tensor) and not value.is_meta:
        value = value.detach().tolist()
    if isinstance(value, list | tuple):
        inside = ", ".join(_short(part, width) for part in value[:40])
        text = f"[{inside}]" if isinstance(value, list) else f"({inside})"
    elif isinstance(value, int | float | str | dict | None):
        text = f"{value:.6g}" if isinstance(value, float) else repr(value)
    else:
        text = getattr(value, "__name__", type(value).__name__)
    return text if len(text) <= width else text[: width - 1] + "…"


# ---------------------------------------------------------------------------- help


_hints_given: dict[str, int] = {}


def hint(number: str | float) -> Card:
    """The next of three hints; each says more than the one before."""
    entry = find(number)
    number = entry.number
    given = min(_hints_given.get(number, 0) + 1, len(entry.hints))
    _hints_given[number] = given
    title = f"Hint {given} of {len(entry.hints)} for exercise {number}"
    return Card("note", title, entry.hints[:given])


def solution(number: str | float) -> Card:
    """A right answer, and the source of the module's function that does the same."""
    entry = find(number)
    code = textwrap.dedent(inspect.getsource(entry.solution))
    for function in entry.module:
        where = f"{function.__module__}.{function.__qualname__}"
        code += f"\n\n# In the course's module: {where}\n\n{inspect.getsource(function)}"
    return Card("note", f"Solution of exercise {entry.number}", (), code.rstrip())
