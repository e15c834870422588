"""The course as pages: complete, found by searching, read in light and dark, and asking no host."""

import html
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from grpo_mini.course.widgets.page import plain
from tests.browser.chromium import sync_api, watched_page

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = ["index.html", "notebooks/README.html", *(f"notebooks/{p.stem}.html" for p in NOTEBOOKS)]
pytest.importorskip("sphinx_book_theme", reason="needs make site's: pip install '.[site]'")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Built by the command of make site, as on a code host, which names the repository."""
    folder = tmp_path_factory.mktemp("pages")
    (command,) = re.findall(r"-m sphinx .*", (ROOT / "Makefile").read_text(encoding="utf-8"))
    command = command.replace("$(ARGS)", "").replace("build/", f"{folder}/")
    done = subprocess.run(
        [sys.executable, *shlex.split(command)], cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"GITHUB_REPOSITORY": "someone/course", "GITHUB_REF_NAME": "trunk"},
        encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture
def page(site, browser):
    """A page of the folder, opened from the disk; ``page.asked`` holds what it asked a host for."""
    page = watched_page(browser)
    page.show = lambda name: page.goto((site / name).as_uri())
    yield page
    assert page.asked == []
    assert page.errors == []
    page.close()


def cells(path: Path, kind: str) -> list:
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == kind]


def words(text: str) -> set[str]:
    return set(re.findall(r"[\w.]+\w", text))


def formulas(path: Path) -> int:
    """How many formulas a notebook's text has, and what its outputs say in Markdown."""
    texts = [c.source for c in cells(path, "markdown")]
    outputs = [o.get("data", {}) for c in cells(path, "code") for o in c.outputs]
    texts += [o["text/markdown"] for o in outputs if "text/markdown" in o]
    texts = [re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.S) for text in texts]
    return sum(len(re.findall(r"\$\$.+?\$\$|\$[^$]+\$", text, flags=re.S)) for text in texts)


def test_there_is_a_page_for_each_notebook_and_all_are_small(site):
    assert not [name for name in PAGES if not (site / name).exists()]
    assert sum(p.stat().st_size for p in site.rglob("*") if p.is_file()) < 30e6


def test_no_link_leads_nowhere(site):
    for name in PAGES:
        text = (site / name).read_text(encoding="utf-8")
        names = set(re.findall(r"\bid=[\"']([^\"']+)", text))
        for link in re.findall(r"(?:href|src)=[\"']([^\"']*)[\"']", text):
            path, place = re.fullmatch(r"([^?#]*)(?:\?[^#]*)?#?(.*)", html.unescape(link)).groups()
            if re.match(r"https?:|data:", link):
                continue
            assert (site / name).parent.joinpath(path).exists(), f"{name}: {link}"
            assert path or not place or place in names, f"{name}: {link}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_all_there(page, path):
    """Whatever the page asks another host for, the fixture counts."""
    page.show(f"notebooks/{path.stem}.html")
    titles = [cells(path, "markdown")[0].source.splitlines()[0][2:] for path in NOTEBOOKS]
    assert page.locator(".bd-sidebar-primary .bd-links a").all_inner_texts()[2:] == titles
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    missing = "all => all.filter(i => !i.naturalWidth || !i.alt).map(i => i.src.slice(0, 99))"
    assert page.locator(".bd-article img").evaluate_all(missing) == []

    sizes = page.locator("math").evaluate_all(
        "all => all.map(m => [m.getBoundingClientRect().height, m.textContent])"
    )
    assert len(sizes) == formulas(path)
    assert not [text for height, text in sizes if height < 8 or re.search(r"[\\$]", text)]

    folded = page.locator("details.hide")
    tagged = [c for c in cells(path, "code") if "hide-input" in c.metadata.get("tags", [])]
    assert folded.count() == len(tagged) > 0
    code = folded.first.locator(".cell_input")
    sync_api.expect(code).to_be_hidden()
    folded.first.locator("summary").click()
    sync_api.expect(code).to_be_visible()

    widgets = [
        o.data for c in cells(path, "code") for o in c.outputs
        if "run this cell" in plain(o.get("data", {}).get("text/html", "")).lower()
    ]  # fmt: skip
    boxes = page.locator(".text_html", has_text="run this cell")
    assert boxes.count() == len(widgets)
    for i, widget in enumerate(widgets):
        assert words(boxes.nth(i).inner_text()) >= words(plain(widget["text/plain"]))
        sync_api.expect(boxes.nth(i).locator("img, table").first).to_be_visible()


def test_the_glossary_is_whole(page):
    page.show("notebooks/README.html")
    text = (
        (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8").partition("## Glossary")[2]
    )
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert page.locator("#glossary tbody tr").count() == len(rows) > 30


@pytest.mark.parametrize(("words", "found"), [("leave-one-out", "04 GRPO"), ("优势", "The course")])
def test_the_search_finds_a_word(page, words, found):
    page.show("index.html")
    page.get_by_role("button", name="Search").first.click()
    page.locator("input[type=search]:visible").fill(words)
    page.keyboard.press("Enter")
    results = page.locator("#search-results li", has_text=found)
    sync_api.expect(results.first).to_be_visible(timeout=30_000)
    results.first.locator("a").first.click()
    sync_api.expect(page.locator(".bd-article h1")).to_contain_text(found)
    # From a disk a browser lets no page read another, so the excerpts beside the results stay away.
    assert set(page.errors) <= {"Failed to fetch"}
    page.errors.clear()


def brightness(page, selector: str, what: str) -> float:
    """Of the first such element's colour, from 0 to 255; of nothing but the page, where clear."""
    colour = page.locator(selector).first.evaluate(f"e => getComputedStyle(e).{what}")
    red, green, blue, *clear = map(float, re.findall(r"[\d.]+", colour))
    assert clear != [0.0], f"{selector} is clear"
    return (red + green + blue) / 3


def test_the_dark_theme_is_dark_and_turns_its_pictures(page):
    page.show(f"notebooks/{NOTEBOOKS[0].stem}.html")
    assert brightness(page, "body", "backgroundColor") > 240
    assert (
        page.locator(".bd-article img").first.evaluate("e => getComputedStyle(e).filter") == "none"
    )
    page.get_by_role("button", name="Color mode").click()
    page.get_by_role("button", name="Dark").click()
    assert brightness(page, "body", "backgroundColor") < 40
    assert brightness(page, ".text_html", "color") > 180
    clear = "e => getComputedStyle(e).backgroundColor"
    assert page.locator(".text_html").first.evaluate(clear) == "rgba(0, 0, 0, 0)"
    filters = page.locator(".bd-article img").evaluate_all(
        "all => all.map(image => getComputedStyle(image).filter)"
    )
    assert all(filter.startswith("invert(") for filter in filters)


def test_the_pages_lead_to_binder_where_a_host_built_them(site):
    for path in NOTEBOOKS:
        text = (site / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8")
        (link,) = set(re.findall(r'https://mybinder.org/[^"]+', text))
        assert "/someone/course/trunk?" in link and link.endswith(f"notebooks/{path.name}")
