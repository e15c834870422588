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
