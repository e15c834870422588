"""The notebooks as a code host shows them: no styles, no scripts, no classes, no widgets.

What GitHub keeps of an output cannot be asked offline. It takes away ``style`` elements and
attributes, ids and scripts (jupyter/nbviewer#450, karolzak/ipyplot#3) and shows pictures that are
data (activeviam/atoti-notebooks#425). Elements and attributes are those of the allow-list that it
published (html-pipeline, sanitization_filter.rb).
"""

from html.parser import HTMLParser

import nbformat
import pytest

ELEMENTS = set(
    "h1 h2 h3 h4 h5 h6 h7 h8 br b i strong em a pre code img tt div ins del sup sub p ol ul table "
    "thead tbody tfoot blockquote dl dt dd kbd q samp var hr ruby rt rp li tr td th s strike "
    "summary details".split()
)
ATTRIBUTES = {
    "alt",
    "width",
    "height",
    "title",
    "align",
    "colspan",
    "rowspan",
    "open",
    "src",
    "href",
}
EMPTY = {"script", "style"}  # gone with what stands in them


class Kept(HTMLParser):
    """What is left of a page: ``text``, and the attributes of its ``pictures``."""

    def __init__(self, page: str):
        super().__init__()
        self.text, self.pictures, self._gone = "", [], 0
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self._gone += tag in EMPTY
        if tag == "img" and tag in ELEMENTS:
            self.pictures.append({name: text for name, text in attrs if name in ATTRIBUTES})

    def handle_endtag(self, tag):
        self._gone -= tag in EMPTY

    def handle_data(self, data):
        self.text += "" if self._gone else data


def pages(notebook: nbformat.NotebookNode) -> list[str]:
    """All outputs of a notebook that are HTML."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [o.data["text/html"] for o in outputs if "text/html" in o.get("data", {})]


def test_every_widget_keeps_its_picture_and_its_sentence(notebook):
    for page in pages(notebook):
        if "Run this cell" not in page:
            continue
        kept = Kept(page)
        wakes = "Run this cell, and it answers to its controls.", "Run this cell to open the case."
        assert any(sentence in kept.text for sentence in wakes)
        said = kept.text.partition("Run this cell")[0]
        if kept.pictures:
            (picture,) = kept.pictures
            assert picture["src"].startswith("data:image/png;base64,")
            assert 800 <= int(picture["width"]) <= 1000
            assert len(picture["alt"]) > 40 and picture["alt"] in said
        else:  # the microscope's picture is text: its tokens
            assert "<think>" in said and "<answer>" in said


def test_nothing_but_looks_is_lost(notebook):
    """No rule of style is left as text, no output is empty, no picture is without words."""
    for page in pages(notebook):
        kept = Kept(page)
        assert "display:none" not in kept.text and "filter:" not in kept.text
        assert kept.text.strip() or kept.pictures
        for picture in kept.pictures:
            assert picture["src"].startswith("data:image/png;base64,") and picture["alt"].strip()


@pytest.mark.parametrize("page", ["<style>b {}</style>", "<script>x</script>", "<svg></svg>"])
def test_what_a_code_host_takes_away_counts_for_nothing(page):
    assert Kept(page).text == "" and Kept(page).pictures == []


def test_every_stored_output_has_a_form_without_a_kernel(notebook):
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})
