"""One visual language: nothing that is drawn has a colour or a size of its own."""

import ast
import io
import json
import re
from itertools import combinations
from pathlib import Path

import matplotlib
import pytest
from matplotlib.colors import to_hex, to_rgb
from PIL import Image

from grpo_mini.course import figures
from grpo_mini.experiments import look

ROOT = Path(__file__).parents[1]
OWN = {"look.py"}
DRAWN = [p for p in sorted((ROOT / "grpo_mini").rglob("*.py")) if p.name not in OWN]
COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b|#[0-9a-fA-F]{3}\b|\brgba?\(|\bhsl")
WORDS = {"black", "white", "red", "green", "blue", "orange", "purple", "grey", "gray", "yellow"}
ASKS = {"color", "c", "facecolor", "edgecolor", "markeredgecolor", "markerfacecolor", "ecolor"}
SIZES = {"fontsize", "labelsize"}


def strings(tree: ast.AST):
    """All pieces of text that are no docstring."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and ast.get_docstring(node, clean=False) is not None
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def own_looks(source: str) -> list[str]:
    """Colours and sizes of type that a piece of code brings along."""
    tree, found = ast.parse(source), []
    found += [text for text in strings(tree) if COLOUR.search(text)]
    found += [text for text in strings(tree) if re.search(r"font-size:\s*\d", text)]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        for keyword in node.keywords:
            value = keyword.value
            if not isinstance(value, ast.Constant):
                continue
            own_colour = keyword.arg in ASKS and isinstance(value.value, str)
            own_size = keyword.arg in SIZES and isinstance(value.value, int | float)
            if own_colour or own_size:
                found.append(ast.unparse(node)[:80])
    return found


@pytest.mark.parametrize("path", DRAWN, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_has_a_colour_or_a_size_of_its_own(path):
    assert own_looks(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_no_cell_has_either(path):
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            assert own_looks("".join(cell["source"])) == []


@pytest.mark.parametrize(
    "code",
    ["f(color='0.5')", "plot(x, c='red')", "x = '#0072B2'", "text(0, 0, 'a', fontsize=7)",
     "s = f'<b style=\"font-size:9px\">'", "s = '<i style=\"color:rgba(0,0,0,.5)\">'"],
)  # fmt: skip
def test_one_that_had_would_be_found(code):
    assert own_looks(code)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * p for weight, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """As WCAG 2 has it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_lines_stand_out_from_the_paper_and_text_more_so():
    paper = "#FFFFFF"
    for colour in (look.GRPO, look.PPO, look.REFERENCE, look.PLUS, look.MINUS, look.OPEN):
        assert contrast(colour, paper) >= 3, colour
    for colour in (look.INK, look.RULE, look.QUIET):
        assert contrast(colour, paper) >= 4.5, colour


def test_the_algorithms_colours_mean_nothing_else():
    assert {look.GRPO, look.PPO}.isdisjoint(
        {look.PLUS, look.MINUS, look.OPEN, look.THOUGHT, look.REFERENCE, *look.SERIES}
    )
    assert look.look_of("GRPO", 3)["color"] == look.GRPO
    assert look.look_of("something", 1)["color"] == look.SERIES[1]
    several = [look.look_of(name, i) for i, name in enumerate(("PPO, one", "PPO, four"))]
    assert {one["color"] for one in several} == {look.PPO}
    assert several[0]["marker"] != several[1]["marker"]


def test_two_factors_are_drawn_as_two():
    looks = look.looks_of(["GRPO, four", "PPO, four", "GRPO, one", "PPO, one"])
    for part, keys in ((0, ("color", "marker")), (1, ("linestyle",))):
        for one, other in combinations(looks, 2):
            same = one.split(", ")[part] == other.split(", ")[part]
            assert all((looks[one][key] == looks[other][key]) == same for key in keys), (one, other)
    for names in (["GRPO", "PPO"], ["GRPO, four", "PPO, four", "GRPO, one"], ["a, b", "c, d"], []):
        assert look.looks_of(names) == {n: look.look_of(n, i) for i, n in enumerate(names)}


def test_text_stays_readable_on_every_tint_in_both_themes():
    """The strongest tint over white and over JupyterLab's dark page, under its text's colours."""

    def over(colour: str, page: str) -> str:
        alpha = int(colour[7:9], 16) / 255
        mixed = [
            round(alpha * int(colour[i : i + 2], 16) + (1 - alpha) * int(page[i : i + 2], 16))
            for i in (1, 3, 5)
        ]
        return "#" + "".join(f"{part:02x}" for part in mixed)

    for colour in (look.PLUS, look.MINUS, look.THOUGHT, look.OPEN, look.GRPO, look.PPO):
        tinted = look.tint(colour, 1.0)
        assert contrast(over(tinted, "#FFFFFF"), "#212121") >= 4.5, colour
        assert contrast(over(tinted, "#111111"), "#FFFFFF") >= 4.5, colour
    assert look.tint(look.PLUS, 5.0) == look.tint(look.PLUS, 1.0)
    assert look.tint(look.PLUS, 0.0).endswith("00")


def turned(colour: str) -> str:
    """What a dark theme makes of a picture's colour (Filter Effects Module Level 1)."""
    assert "filter:invert(.9) hue-rotate(180deg)" in look.STYLE
    red, green, blue = (0.9 - 0.8 * part for part in to_rgb(colour))
    parts = (
        -0.574 * red + 1.430 * green + 0.144 * blue,
        0.426 * red + 0.430 * green + 0.144 * blue,
        0.426 * red + 1.430 * green - 0.856 * blue,
    )
    return to_hex([min(max(part, 0.0), 1.0) for part in parts])


def test_a_dark_theme_turns_black_to_white_and_leaves_hues():
    for before, after in (("#000000", 0.9), ("#FFFFFF", 0.1)):
        assert to_rgb(turned(before)) == pytest.approx([after] * 3, abs=0.01)
    red, green, blue = to_rgb(turned(look.PLUS))
    assert green > blue > red


def test_ink_is_read_on_every_cell_of_a_heat_strip_in_both_themes():
    for i in range(figures.SIGNED.N):
        cell = to_hex(figures.SIGNED(i))
        assert contrast(look.INK, cell) >= 4.5, cell
        assert contrast(turned(look.INK), turned(cell)) >= 4.5, cell
    for colour in (look.INK, look.RULE, look.QUIET):
        assert contrast(turned(colour), turned("#FFFFFF")) >= 4.5, colour


def test_paper_grid_and_series_keep_their_colours_in_a_stored_picture():
    """48 colours are few: a grid that takes the tint of a line beside it is a faint pink one."""
    series = {"right": [i / 30 for i in range(30)], "wrong": [0.3] * 30}
    with matplotlib.rc_context(look.LOOK):  # as the notebooks do
        figure, (axes,) = figures.panels()
        figures.lines(axes, range(30), series, "a title", "step", "share")
        picture = Image.open(io.BytesIO(look.png(figure)))
    kept = {to_hex([part / 255 for part in rgb]) for _, rgb in picture.convert("RGB").getcolors()}
    assert picture.mode == "P" and len(kept) <= 48
    assert kept >= {colour.lower() for colour in ("#FFFFFF", look.GRID, look.PLUS, look.MINUS)}
