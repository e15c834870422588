"""The course as pages to look at, from what the repository holds anyway: make site

Sphinx with MyST-NB and the book theme, the stack of Jupyter Book 1. All of it comes from PyPI and
works without network; the search is a file beside the pages; the notebooks' tag ``hide-input``
folds their cells. Jupyter Book 2 and mystmd fetch their theme when they build, Quarto its program
when it is installed; MkDocs has had no release since 2024, and nbconvert has no search.
"""

import os
import re
import shutil

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

project = html_title = "grpo_mini"
extensions = ["myst_nb", "sphinx.ext.githubpages"]
root_doc = "README"
include_patterns = ["README.md", "notebooks/README.md", "notebooks/*.ipynb"]
exclude_patterns = [".venv*", "build", "runs"]
NAVIGATION = """

```{toctree}
:hidden:
:glob:
notebooks/README
notebooks/[0-9]*
```
"""
nb_execution_mode = "off"  # the outputs are stored, and the tests compare them
nb_render_markdown_format = "myst"  # what cells say in Markdown has formulas too
myst_enable_extensions = ["dollarmath"]
html_math_renderer = "mathml"

html_theme = "sphinx_book_theme"
html_theme_options = {
    "home_page_in_toc": True,
    "navbar_persistent": [],  # the search stands in the side bar
    "footer_content_items": [],
    "use_download_button": False,  # a notebook runs in a clone only
}
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["site.css"]

# Where a code host builds the pages, it says whose they are.
if "GITHUB_REPOSITORY" in os.environ:
    html_theme_options |= {
        "repository_url": f"https://github.com/{os.environ['GITHUB_REPOSITORY']}",
        "repository_branch": os.environ.get("GITHUB_REF_NAME", "main"),
        "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": {
            "binderhub_url": "https://mybinder.org",
            "notebook_interface": "jupyterlab",
        },
    }


def setup(app) -> None:
    app.add_html_math_renderer("mathml", (write_formula, None), (write_formula, None))
    app.connect("source-read", add_navigation)
    app.connect("build-finished", finish)


def write_formula(translator, node) -> None:
    """A formula as MathML, which browsers draw themselves: no script and no font to load."""
    display = "block" if node.tagname == "math_block" else "inline"
    translator.body.append(convert(node.astext(), display=display))
    raise SkipNode


def add_navigation(app, name: str, source: list[str]) -> None:
    """The front page names the notebooks that are there; each page shows them at its side."""
    if name == root_doc:
        source[0] += NAVIGATION


def finish(app, error: Exception | None) -> None:
    """Copy what stored outputs link to, the records of runs, and name the front page."""
    if error is not None:
        return
    for page in app.outdir.glob("notebooks/*.html"):
        for link in re.findall(r"href='(\.\./[^'#]+)'", page.read_text(encoding="utf-8")):
            copy = (page.parent / link).resolve()
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(app.srcdir / copy.relative_to(app.outdir), copy)
    shutil.copy(app.outdir / f"{root_doc}.html", app.outdir / "index.html")
