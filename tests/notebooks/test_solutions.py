"""A copy of each notebook with every exercise solved runs through, and every check says right."""

import ast
import inspect
import re

import nbformat
import pytest

from grpo_mini.course.checker import find
from grpo_mini.course.live import REHEARSAL
from tests.notebooks.refresh import execute


class WithoutAssertions(ast.NodeTransformer):
    """What a whole training reaches is not what two steps of it reach."""

    def visit_Assert(self, node):  # noqa: N802
        return ast.Pass()


# What takes long -> the same, short.
SHORT = {
    r"(trainer\.train\()\d+": r"\g<1>2",
    r"steps=30\b": "steps=6",
    r"evaluate\(size=\d+\)": "evaluate(size=20)",
    r"for step in range\(20\)\]": "for step in range(2)]",
    r"problems\[-96:\]": "problems[-16:]",
    r"range\(20\), \{": "range(len(curve)), {",
}


def solved(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with the solutions in place of the stubs, and what takes long cut short.

    `test_it_learns` trains a file made of all solutions as long as a lesson does.
    """
    copy = nbformat.from_dict(notebook)
    for cell in copy.cells:
        if "exercise" in cell.metadata.get("tags", []):
            number = re.search(r'check\("([\d.]+)"', cell.source)[1]
            answer = inspect.getsource(find(number).solution)
            cell.source = f"{answer}\n\n{cell.source[cell.source.index('check(') :]}"
        elif cell.cell_type == "code":
            for long, short in SHORT.items():
                cell.source = re.sub(long, short, cell.source)
            if "assert " in cell.source:
                cell.source = ast.unparse(WithoutAssertions().visit(ast.parse(cell.source)))
    return copy


def test_every_check_of_a_solved_notebook_says_right(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("GRPO_MINI_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setenv("GRPO_MINI_MY_GRPO", str(tmp_path / "my_grpo.py"))
    monkeypatch.setenv(REHEARSAL, "2")
    copy = solved(notebook)
    exercises = [cell for cell in copy.cells if "exercise" in cell.metadata.get("tags", [])]
    if not exercises:
        pytest.skip("it has no exercise, and nbval runs it as it is")
    execute(copy)
    for cell in exercises:
        results = [o.data["text/plain"] for o in cell.outputs if "data" in o]
        assert results[-1].startswith("[right]"), cell.source
