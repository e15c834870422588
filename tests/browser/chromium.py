"""The browser that the tests look through, and a skip with a reason where there is none."""

import shutil

import pytest

BROWSER = next(
    (p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None
)
if BROWSER is None:
    pytest.skip("needs a browser: apt install chromium, or Google Chrome", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api")

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


def watched_page(browser):
    """A page in light colours on a small screen; ``page.asked`` holds what it asked a host for, and
    ``page.errors`` what went wrong in it."""
    page = browser.new_page(viewport={"width": 1366, "height": 768}, color_scheme="light")
    page.set_default_timeout(180_000)  # the machine may have other work
    page.asked, page.errors = [], []
    page.on("request", lambda r: page.asked.append(r.url) if r.url.startswith("http") else None)
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    return page
