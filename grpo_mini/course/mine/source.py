"""A function's source with all that it needs, so that it stands by itself in another file."""

import ast
import builtins
import dis
import inspect
import re
import textwrap
import types
from collections.abc import Callable, Iterator

from . import pieces

PLAIN = (type(None), bool, int, float, complex, str, bytes)


class NotPortable(ValueError):
    """A function cannot be taken out of the notebook; the message says why."""


def portable(name: str, answer: Callable, given: set[str]) -> str:
    """Source that defines ``name`` as the learner's function: its imports, its helpers, itself.

    Imports that are ``given`` there are left out, and so are functions of other exercises, which
    have a place of their own there.

    Raises:
        NotPortable: it is not a function written with ``def``, or needs something that cannot be
            written down.
    """
    imports: dict[str, None] = {}
    parts: dict[str, str] = {}
    _collect(answer, name, imports, parts)
    source = "\n\n\n".join(parts.values())
    if answer.__name__ != name:
        source += f"\n\n\n{name} = {answer.__name__}"
    source = re.sub(rf"\bmy\.({'|'.join(pieces.__all__)})\b", r"\1", source)
    return "\n".join([*sorted(set(imports) - given), "", "", source]).strip()


def _collect(function: Callable, name: str, imports: dict, parts: dict) -> None:
    if not isinstance(function, types.FunctionType) or function.__name__ == "<lambda>":
        raise NotPortable("only a function that is written with `def` can go there")
    if function.__closure__:
        raise NotPortable(
            f"`{function.__name__}` uses `{function.__code__.co_freevars[0]}` of the function "
            f"around it: hand it over as an argument"
        )
    try:
        source = textwrap.dedent(inspect.getsource(function)).strip()
    except (OSError, TypeError):
        raise NotPortable(f"the source of `{function.__name__}` cannot be found") from None
    parts[function.__name__] = ""  # its place, also if a helper calls it
    for used in dict.fromkeys([*_globals_of(function.__code__), *_names_of_the_head(source)]):
        if used in function.__globals__ and used not in parts and used != "my":
            _need(used, function.__globals__[used], name, imports, parts)
    parts.pop(function.__name__)
    parts[function.__name__] = source


def _globals_of(code: types.CodeType) -> Iterator[str]:
    """Names that code looks up globally, those of the functions inside it too.

    ``co_names`` would not do: it holds attributes as well, such as the ``mean`` of ``x.mean()``.
    """
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield step.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _globals_of(constant)


def _names_of_the_head(source: str) -> Iterator[str]:
    """Names in decorators, defaults and annotations, which are looked up where it is defined."""
    function = ast.parse(source).body[0]
    for part in (*function.decorator_list, function.args, function.returns):
        for node in ast.walk(part) if part is not None else ():
            if isinstance(node, ast.Name):
                yield node.id


def _need(used: str, value: object, name: str, imports: dict, parts: dict) -> None:
    """Note down what ``used`` stands for."""
    if used in pieces.__all__ and used != name:
        return
    if getattr(builtins, used, None) is value and value is not None:
        return
    home, own = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if isinstance(value, types.ModuleType):
        imports["import " + own + ("" if own == used else f" as {used}")] = None
    elif isinstance(value, types.FunctionType) and home == "__main__":
        _collect(value, name, imports, parts)
    elif home not in (None, "__main__") and own is not None:
        imports[f"from {home} import {own}" + ("" if own == used else f" as {used}")] = None
    elif _is_plain(value):
        parts[used] = f"{used} = {value!r}"
    else:
        raise NotPortable(
            f"it uses `{used}` of the notebook, a `{type(value).__name__}`: make that inside the "
            f"function, or hand it over"
        )


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, [*value, *value.values()]))
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_plain, value))
    return isinstance(value, PLAIN)
