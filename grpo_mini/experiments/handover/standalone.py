"""Functions of the course as source that stands by itself, in a folder without the course."""

import ast
import importlib
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

COURSE = __name__.split(".")[0]


def standalone(*functions: Callable, imports: Sequence[str] = ()) -> str:
    """The source of functions with all that they need of the course: imports first, helpers next.

    Args:
        imports: lines that stand with those of the functions.

    Raises:
        ValueError: something is defined in a way that cannot be read from its file.
    """
    imports: dict[str, None] = dict.fromkeys(imports)
    parts: dict[str, str] = {}
    for function in functions:
        _add(function.__module__, function.__name__, imports, parts)
    lines = sorted(imports, key=lambda line: (line.startswith("from"), line))
    sources = dict.fromkeys(parts.values())  # X, Y = ... stands once
    return "\n".join(lines) + "\n\n\n" + "\n\n\n".join(sources) + "\n"


def _add(module: str, name: str, imports: dict[str, None], parts: dict[str, str]) -> None:
    if name in parts:
        return
    source, definitions, imported = _read(module)
    if name in imported:
        origin, own, line = imported[name]
        if origin.split(".")[0] == COURSE:
            _add(origin, own, imports, parts)
        else:
            imports[line] = None
        return
    parts[name] = ""  # its place is taken, also if a helper calls it
    for node in definitions[name]:
        used = [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
        for other in dict.fromkeys(used):
            if other in definitions or other in imported:
                _add(module, other, imports, parts)
            elif hasattr(sys.modules[module], other) and not other.startswith("__"):
                raise ValueError(f"{other} of {module} cannot be taken out of its file")
    del parts[name]
    parts[name] = "\n".join(ast.get_source_segment(source, node) for node in definitions[name])


@cache
def _read(module: str) -> tuple[str, dict[str, list[ast.stmt]], dict[str, tuple[str, str, str]]]:
    """A file's source, what it defines at its top level, and what each imported name stands for."""
    path = Path(importlib.import_module(module).__file__)
    source = path.read_text(encoding="utf-8")
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    definitions: dict[str, list[ast.stmt]] = {}
    imported: dict[str, tuple[str, str, str]] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                line = f"import {ast.unparse(alias)}"
                imported[alias.asname or alias.name] = (alias.name, "", line)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level]
            parents = above if node.level else []
            origin = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                line = f"from {origin} import {ast.unparse(alias)}"
                imported[alias.asname or alias.name] = (origin, alias.name, line)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            definitions.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.Assign):
            for target in node.targets:  # X = ..., X, Y = ..., and X[key] = ... after them
                for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                    owner = part.value if isinstance(part, ast.Subscript) else part
                    if isinstance(owner, ast.Name):
                        definitions.setdefault(owner.id, []).append(node)
    return source, definitions, imported
