"""A linter for the notebooks: the form that each lesson keeps, and what is stored."""

import re
import statistics
from pathlib import Path

from grpo_mini.course.checker import EXERCISES, find
from grpo_mini.course.pipeline import alternative, drawing

find("1.1")  # registers all
HEAD = ("You will be able to", "You need to know", "Minutes", "All is well when")


def text_of(cell) -> str:
    """What a cell's outputs say, without pictures."""
    parts = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        parts += [output.get("text", ""), data.get("text/plain", ""), data.get("text/markdown", "")]
    return "\n".join(parts)


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def seen(notebook) -> list:
    """The code cells that are not folded: what a reader reads."""
    return [c for c in code_cells(notebook) if "hide-input" not in c.metadata.get("tags", [])]


def lines_of(cell) -> int:
    """Lines of code, without blank ones, comments and those that hold only a piece of text."""
    lines = [line.strip() for line in cell.source.splitlines()]
    return sum(bool(line) and not re.fullmatch(r'#.*|f?"[^"]*"', line) for line in lines)


def opening(notebook) -> str:
    """The first text. A notebook that starts with its answer says the rest right after that."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return "\n".join(texts[: 1 if HEAD[0] in texts[0] else 2])


def test_the_notebooks_are_there_in_order():
    names = [p.stem for p in sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))]
    assert [name[:2] for name in names] == [f"{i:02d}" for i in range(len(names))]
    assert len(names) >= 6


def test_it_opens_with_objectives_prerequisites_and_minutes(notebook, path):
    first = opening(notebook)
    assert notebook.cells[0].source.startswith(f"# {path.stem[:2]} ")
    for heading in HEAD:
        assert f"**{heading}**" in first, heading
    minutes = re.search(r"\*\*Minutes\*\* \| (\d+ to read.*\d+ to compute.*) \|", first)[1]
    table = (path.parent / "README.md").read_text(encoding="utf-8")
    promised = re.search(rf"\({path.name}\).*?(\| [^|]+ \| [^|]+ \|)$", table, re.MULTILINE)[1]
    assert sorted(re.findall(r"\d+", minutes)) == sorted(re.findall(r"\d+", promised))


def test_it_closes_with_recap_questions_and_what_comes_next(notebook):
    last = notebook.cells[-1].source
    assert last.index("## Recap") < last.index("## Questions") < last.index("## Next")
    assert last.count("<details><summary>") == last.count("</details>") >= 3
    # Such a line is HTML, in which JupyterLab reads no Markdown.
    summaries = re.findall(r"<summary>(.*?)</summary>", last)
    assert not [line for line in summaries if "`" in line or "**" in line]
    assert code_cells(notebook)[-1].source == 'print("All is well.")'
    assert "All is well." in text_of(code_cells(notebook)[-1])


def test_code_cells_are_short(notebook, path):
    lengths = [lines_of(cell) for cell in code_cells(notebook)]
    assert max(lengths) <= (12 if path.stem < "06" else 15)
    assert statistics.median(lengths) <= 10


def test_there_is_more_to_read_than_to_skip(notebook, path):
    words = sum(len(c.source.split()) for c in notebook.cells if c.cell_type == "markdown")
    if path.stem < "06":
        assert 60 <= words / len(seen(notebook)) <= 120


def test_imports_plots_and_assertions_are_folded(notebook):
    """A page is prose, algorithm, picture; what is folded is so for a tool and for JupyterLab."""
    for cell in code_cells(notebook):
        folded = "hide-input" in cell.metadata.get("tags", [])
        assert cell.metadata.get("jupyter", {}) == ({"source_hidden": True} if folded else {})
        aside = re.match(r"(import|from) |assert |figure, ", cell.source)
        assert folded or not (aside or "show(figure" in cell.source), cell.source
        assert not (folded and "MODEL = " in cell.source), "the reader chooses the model"


def test_it_opens_with_its_place_in_the_pipeline(notebook, path):
    """One drawing, made by code; in words for those who do not see it."""
    number = path.stem[:2]
    assert f"![{alternative(number)}](pictures/pipeline-{number}.svg)" in opening(notebook)
    stored = (path.parent / "pictures" / f"pipeline-{number}.svg").read_text(encoding="utf-8")
    assert stored == drawing(number), "python -m grpo_mini.course.pipeline"


def test_every_figure_says_in_words_what_it_shows(notebook):
    for i, cell in enumerate(notebook.cells):
        pages = [output.get("data", {}).get("text/html", "") for output in cell.get("outputs", [])]
        if any("<img class='grpo-picture'" in page for page in pages) and "show(" in cell.source:
            if "train_live(" in cell.source:  # a figure that grows: the lesson goes on about it
                assert notebook.cells[i + 1].cell_type == "markdown"
            else:
                assert "*In words:*" in text_of(cell), cell.source


def test_what_is_stored_is_no_rehearsal(notebook):
    """Their whole length: a rehearsed training has not learned what the lesson says."""
    for cell in code_cells(notebook):
        assert "A rehearsal: " not in text_of(cell), cell.source


def test_the_end_of_a_training_is_compared_only_where_it_was_reached(notebook):
    """A reader may stop a training, and the notebook goes on."""
    codes = [cell.source for cell in code_cells(notebook)]
    for i, code in enumerate(codes):
        for trainer, steps in re.findall(r"train_live\((\w+), (\w+)\)", code):
            assert any(f"reached({trainer}, {steps})" in later for later in codes[i:]), code


def test_figures_in_prose_are_computed(notebook):
    """Markdown holds no measured number: no decimal, no percentage, outside code and formulas."""
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        prose = re.sub(r"\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|\]\([^)]*\)", "", cell.source, flags=re.S)
        prose = re.sub(r"arXiv\s+\d{4}\.\d{5}", "", prose)
        for number in EXERCISES:
            prose = re.sub(rf"(?<![\d.]){re.escape(number)}(?![\d.]*\d)", "", prose)
        found = re.findall(r"\d+\.\d+|\d+\s?%", prose)
        assert not found, f"{found} in: {cell.source[:80]}"


def test_no_paragraph_turns_into_a_list(notebook):
    """A line that happens to begin with ``1. `` ends its paragraph and begins a list."""
    item = re.compile(r"\s*(\d+[.)]|[-+*])\s")
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for paragraph in re.split(r"\n\s*\n", cell.source):
                lines = paragraph.splitlines()
                if not item.match(lines[0]):
                    assert not any(map(item.match, lines)), paragraph


def test_each_exercise_has_its_stub_and_its_check(notebook, path):
    number = str(int(path.stem[:2]))
    wanted = {entry for entry in EXERCISES if entry.split(".")[0] == number}
    found = set()
    for cell in code_cells(notebook):
        if "exercise" not in cell.metadata.get("tags", []):
            assert "check(" not in cell.source
            continue
        name, checked = re.search(r'check\("([\d.]+)", (\w+)\)', cell.source).groups()
        function = EXERCISES[name].solution.__name__
        assert checked == function
        assert f"def {function}(" in cell.source and "return ..." in cell.source
        assert f"[not tried yet] Exercise {name}" in text_of(cell)
        found.add(name)
    assert found == wanted


def test_it_was_run_and_stored_without_error(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1)), "run it top to bottom: make notebooks"
    for cell in code_cells(notebook):
        assert not any(output.output_type == "error" for output in cell.outputs)
        assert not any(output.get("name") == "stderr" for output in cell.outputs), cell.source


def test_it_is_stored_small_with_ids_and_without_widget_state(notebook, path):
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert "widgets" not in notebook.metadata
    assert path.stat().st_size < 1_000_000


def test_code_fits_the_page_and_holds_no_words_for_tools(notebook):
    """nbval is told by a cell's tags, ruff by pyproject.toml: a reader sees neither."""
    for cell in notebook.cells:
        assert not re.search(r"NBVAL|# (fmt|noqa)", cell.source), cell.source
    for cell in code_cells(notebook):
        assert all(len(line) <= 96 for line in cell.source.splitlines()), cell.source
        tags = {"exercise", "nbval-ignore-output", "hide-input"}
        assert set(cell.metadata.get("tags", [])) <= tags


def test_ignored_outputs_are_followed_by_an_assertion(notebook):
    """What nbval does not compare is asserted with a margin, before the notebook ends."""
    sources = [cell.source for cell in code_cells(notebook)]
    tags = [cell.metadata.get("tags", []) for cell in code_cells(notebook)]
    ignored = [i for i, t in enumerate(tags) if "nbval-ignore-output" in t]
    trained = [i for i in ignored if "train" in sources[i] or "curve" in sources[i]]
    for i in trained:
        assert any("assert" in source for source in sources[i:])
