"""The browser that the tests of a file share."""

import pytest


@pytest.fixture(scope="module")
def browser():
    from tests.browser.chromium import BROWSER, FLAGS, sync_api  # skips where there is none

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield browser
        browser.close()
