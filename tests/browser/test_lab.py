"""The widgets in JupyterLab, in a real browser: mouse, keyboard, Reset, presets, no errors."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest

from grpo_mini.course import widgets

BROWSER = next(
    (p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None
)
if BROWSER is None:
    pytest.skip("needs a browser: apt install chromium, or Google Chrome", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api")

NAMES = widgets.__all__
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """JupyterLab on a notebook with all widgets, a cell each; its address and its log."""
    folder = tmp_path_factory.mktemp("lab")
    cells = [f"from grpo_mini.course import {name}; {name}()" for name in NAMES]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["kernelspec"] = kernel
    nbformat.write(notebook, folder / "widgets.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder / "log.txt").open("w")
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}",
               "--ip=127.0.0.1", "--IdentityProvider.token=secret", "--allow-root",
               f"--ServerApp.root_dir={folder}"]  # fmt: skip
    # Render cells that are out of sight too, and ask nobody about news.
    for name, text in (
        ("notebook-extension/tracker", '{"windowingMode": "none"}'),
        ("apputils-extension/notification", '{"fetchNews": "false"}'),
    ):
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    settings = {
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
    }
    process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | settings)
    address = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{address}/api?token=secret", timeout=2)
            break
        except OSError:
            time.sleep(0.2)
    yield address, folder / "log.txt"
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="module")
def page(server):
    """The notebook, run: every cell shows its widget."""
    address, _ = server
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(f"{address}/lab/tree/widgets.ipynb?token=secret")
        page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
        page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for(timeout=90_000)
        pictures = page.locator(".jp-OutputArea img")
        for _ in range(5):  # the first click may come before the kernel is listening
            page.get_by_role("menuitem", name="Run", exact=True).click()
            page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
            try:
                pictures.nth(len(NAMES) - 1).wait_for(timeout=30_000)
                break
            except sync_api.TimeoutError:
                page.keyboard.press("Escape")
        assert pictures.count() == len(NAMES), server[1].read_text()[-2000:]
        yield page
        browser.close()


class View:
    """One widget on the page."""

    def __init__(self, page, name: str):
        self.page = page
        self.box = page.locator(".jp-Notebook .jp-CodeCell").nth(NAMES.index(name))
        self.box.scroll_into_view_if_needed()

    def seen(self) -> tuple[str, str]:
        words = self.box.locator(".jupyter-widgets.widget-html").last.inner_text()
        return self.box.locator("img").get_attribute("src"), words

    def settle(self) -> None:
        """Wait until the kernel has worked off what was pressed before."""
        last = None
        while last != (last := self.seen()):
            self.page.wait_for_timeout(800)

    def changed_from(self, before: tuple[str, str]) -> tuple[str, str]:
        """Wait until picture and sentence are both others."""
        for _ in range(100):
            now = self.seen()
            if now[0] != before[0] and now[1] != before[1]:
                return now
            self.page.wait_for_timeout(50)
        raise AssertionError(f"picture or sentence stayed as they were: {before[1]}")


@pytest.fixture(params=NAMES)
def view(request, page) -> View:
    found = View(page, request.param)
    found.kind = getattr(widgets, request.param)
    found.box.get_by_role("button", name="Reset").click()
    found.settle()
    return found


def test_it_appears_with_picture_and_sentence(view):
    width = view.box.locator("img").evaluate("image => image.naturalWidth")
    assert width >= 800
    assert len(view.seen()[1]) > 40


def test_it_answers_to_the_keyboard(view):
    before = view.seen()
    handle = view.box.locator(".noUi-handle:visible").first
    handle.focus()
    value = handle.get_attribute("aria-valuenow")
    for _ in range(8):
        view.page.keyboard.press("ArrowRight")
    for _ in range(8 if handle.get_attribute("aria-valuenow") == value else 0):
        view.page.keyboard.press("ArrowLeft")
    view.changed_from(before)
    assert handle.get_attribute("aria-valuenow") != value


def test_it_answers_to_the_mouse_and_reset_brings_it_back(view):
    before = view.seen()
    view.box.get_by_role("button", name=list(view.kind.presets)[-1], exact=True).click()
    moved = view.changed_from(before)
    view.box.get_by_role("button", name="Reset").click()
    assert view.changed_from(moved)[1] == before[1]


def test_each_control_has_a_name_a_value_and_a_place_on_the_keyboards_path(view):
    labels = {control.description for control in view.kind().controls.values()}
    seen = set()
    for box in view.box.locator(".widget-slider:visible").all():
        name = box.locator("label").inner_text()
        handle = box.get_by_role("slider")
        shown = box.locator(".widget-readout").inner_text().replace("\u2212", "-")
        assert handle.get_attribute("aria-valuenow") is not None
        spoken = handle.get_attribute("aria-valuetext").replace("\u2212", "-")
        assert float(spoken) == pytest.approx(float(shown))
        assert handle.get_attribute("tabindex") == "0"
        seen.add(name)
    for kind in ("select", "input[type=checkbox]"):
        for control in view.box.locator(kind).all():
            control.focus()
            assert control.evaluate("element => element === document.activeElement")
            seen.add(control.evaluate("element => element.closest('.jupyter-widgets').innerText"))
    text = " ".join(seen)
    hidden = {f"r{i}" for i in range(5, 17)}  # the mixer shows as many rewards as the group has
    assert not [label for label in labels - hidden if label not in text]


def test_no_error_in_the_browser_or_in_the_kernels_log(page, server):
    assert page.errors == []
    assert "Traceback" not in server[1].read_text()
