"""The widgets in JupyterLab, in a real browser: names, keyboard, mouse, training, no errors."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from itertools import product
from pathlib import Path

import ipywidgets
import nbformat
import pytest

from grpo_mini.course import widgets
from grpo_mini.course.predictions import predict
from grpo_mini.course.widgets.base import FloatSlider
from grpo_mini.course.widgets.page import plain
from tests.browser.chromium import sync_api

IMPORTS = """\
import torch
from grpo_mini import load_policy
from grpo_mini.course import *
from grpo_mini.grpo import GRPOConfig, GRPOTrainer"""
LABS = {name: f"{name}()" for name in widgets.__all__} | {
    "SamplingTree": "SamplingTree(*load_policy())",
    "GradientCloud": "GradientCloud(ExactPolicy([0.5, 1.2, 0.0, -0.5, 0.8]), torch.arange(5.0))",
    "RolloutMicroscope": "RolloutMicroscope()",
}
CARDS = """\
from IPython.display import HTML, display
for status in ("right", "wrong", "not tried yet", "ok", "problem", "note"):
    display(Card(status, "Exercise 1.1", ("a line with `code`", "and one without"), "x = 1"))
display(check("1.1", lambda *anything: ...), hint("1.1"), solution("1.1"), progress())
display(table([{"name": "GRPO", "right": 0.5}, {"name": "PPO", "right": 0.25}]))
display(token_grid([["7", "1", "<pad>"]], [[1, 1, 0]], ["1"]), preflight(), ledger(), chips())
figure, (axes,) = figures.panels()
figures.bars(axes, ["a", "b"], {"GRPO": [1, 2], "PPO": [2, 1]}, "a figure", "height")
show(figure, "Two bars cross.")
show_diff()"""
PLANTED = """\
from IPython.display import HTML
HTML('<div style="background:#888;color:#999">pale</div><div style="font-size:10px">small</div>'
     '<div style="opacity:.3">faint</div><b>upper</b><div style="margin-top:-14px">lower</div>'
     '<img alt=" " width="9" src="data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEA'
     'AAICTAEAOw=="/>')"""
GOAL = 2000  # steps that no test waits for
SMALL = "prompts_per_step=4, group_size=4, max_new_tokens=16, train_problems=64, device='cpu'"
CELLS = {"imports": IMPORTS} | LABS | {
    "board": f"board = TrainingBoard(GRPOTrainer(GRPOConfig({SMALL})), steps={GOAL}); board",
    "meanwhile": "print('step', board.trainer.step, board.running)",
    "predict 5.A": "predict('5.A')",
    "predict 5.B": "predict('5.B')",
    "cards": CARDS,
    "planted": PLANTED,
    "case": "from grpo_mini.course.widgets.case_file import open_case\nopen_case('H')",
    "last": "print('all', 'shown')",
}  # fmt: skip
ROLES = {
    ipywidgets.IntSlider: "slider",
    FloatSlider: "slider",
    ipywidgets.Dropdown: "combobox",
    ipywidgets.Checkbox: "checkbox",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """JupyterLab on a notebook with all widgets, a cell each; its address and its log."""
    folder = tmp_path_factory.mktemp("lab")
    cells = [nbformat.v4.new_code_cell(code) for code in CELLS.values()]
    notebook = nbformat.v4.new_notebook(cells=cells)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["kernelspec"] = kernel
    nbformat.write(notebook, folder / "widgets.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder / "log.txt").open("w", encoding="utf-8")
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}",
               "--ip=127.0.0.1", "--IdentityProvider.token=secret", "--allow-root",
               "--LabApp.expose_app_in_browser=True",  # for changing its theme
               f"--ServerApp.root_dir={folder}"]  # fmt: skip
    # Render cells that are out of sight too, and ask nobody about news.
    for name, text in (
        ("notebook-extension/tracker", '{"windowingMode": "none"}'),
        ("apputils-extension/notification", '{"fetchNews": "false"}'),
    ):
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
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
def page(server, browser):
    """The notebook, run: every cell shows its widget."""
    address, log = server
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(180_000)
    sync_api.expect.set_options(timeout=60_000)  # the machine may have other work
    page.errors, page.sent = [], []
    page.on(
        "websocket",
        lambda socket: socket.on("framesent", lambda frame: page.sent.append(frame)),
    )
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(f"{address}/lab/tree/widgets.ipynb?token=secret")
    page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for()
    started = page.locator(".jp-InputPrompt", has_text=re.compile(r"\[[*\d]")).first
    for _ in range(10):  # the first click may come before the kernel is listening
        try:
            # Where no kernel is there yet, JupyterLab asks which one it shall be.
            for button in page.locator(".jp-Dialog .jp-mod-accept").all():
                button.click(timeout=10_000)
            for name in ("Run", "Run All Cells"):
                page.get_by_role("menuitem", name=name, exact=True).click(timeout=10_000)
            started.wait_for(timeout=10_000)
            break
        except sync_api.TimeoutError:
            page.keyboard.press("Escape")
    last = cell(page, "last").locator(".jp-OutputArea")
    sync_api.expect(last, log.read_text(encoding="utf-8")[-2000:]).to_contain_text(
        "all shown", timeout=180_000
    )
    yield page
    page.close()


def cell(page, name: str):
    """The cell with code ``CELLS[name]``."""
    return page.locator(".jp-Notebook .jp-CodeCell").nth(list(CELLS).index(name))


class View:
    """One widget on the page, and beside it the same widget without a browser: its twin."""

    def __init__(self, page, name: str):
        namespace = {}
        exec(IMPORTS, namespace)
        self.twin = eval(LABS[name], namespace)
        self.page, self.box = page, cell(page, name)
        # The microscope's picture is text.
        self.picture = self.box.locator(".grpo-view").locator("img.widget-image, .grpo-tokens")
        self.sentence = self.box.get_by_role("status")

    def source(self) -> str:
        return self.picture.evaluate("picture => picture.src || picture.innerHTML")

    def agrees(self) -> None:
        """Wait until the sentence on the page is the twin's."""
        sync_api.expect(self.sentence).to_have_text(plain(self.twin.words.value))

    def moved(self, source: str, picture: bytes) -> None:
        """Wait for the twin's sentence, and for a new picture if the twin has one."""
        self.agrees()
        if picture != self.twin.picture.value:
            deadline = time.monotonic() + 60
            while self.source() == source:  # asked anew: text is replaced, element and all
                assert time.monotonic() < deadline, "the picture stays as it was"
                self.page.wait_for_timeout(50)

    def find(self, control):
        """A control by the role and the name that the browser reports, as a screen reader does."""
        role = ROLES[type(control)]
        return self.box.get_by_role(role, name=control.description, exact=True)

    def reported(self, control):
        """The value that the browser reports."""
        found = self.find(control)
        if isinstance(control, ipywidgets.Checkbox):
            return found.is_checked()
        if isinstance(control, ipywidgets.Dropdown):
            chosen = found.evaluate("select => select.selectedOptions[0].text").replace("\xa0", " ")
            return next(option for option in control.options if str(option) == chosen)
        spoken = float(found.get_attribute("aria-valuetext").replace("\u2212", "-"))
        return int(spoken) if isinstance(control.value, int) else spoken

    def press(self, control) -> None:
        """One step with the key that moves such a control, up or, at its end, down."""
        before = self.reported(control)
        if isinstance(control, ipywidgets.Checkbox):
            keys = ["Space"]
        elif isinstance(control, ipywidgets.Dropdown):
            keys = ["ArrowUp" if control.options.index(before) else "ArrowDown"]
        else:
            keys = ["ArrowLeft" if before >= control.max else "ArrowRight"]
        self.page.keyboard.press(*keys)
        assert self.reported(control) != before, control.description


@pytest.fixture(params=LABS)
def view(request, page) -> View:
    found = View(page, request.param)
    found.box.scroll_into_view_if_needed()
    found.agrees()
    return found


def test_every_control_has_a_name_a_value_and_a_place_on_the_keyboards_path(view):
    """From the first control on, Tab leads through all of them; each moves with a key alone."""
    first = True
    for control in view.twin.controls.values():
        if control.layout.display == "none":
            continue  # the mixer shows as many rewards as the group has
        if control.disabled:  # it would change nothing, says so, and is passed over
            sync_api.expect(view.find(control)).to_be_disabled()
            continue
        found = view.find(control)
        sync_api.expect(found).to_have_count(1)
        assert view.reported(control) == pytest.approx(control.value), control.description
        for _ in range(0 if first else 2):  # the number beside a slider is a stop on the way
            if not found.evaluate("element => element === document.activeElement"):
                view.page.keyboard.press("Tab")
        if first:
            found.focus()
        first = False
        sync_api.expect(found).to_be_focused()
        source, picture = view.source(), view.twin.picture.value
        view.press(control)
        control.value = view.reported(control)
        view.moved(source, picture)
    view.box.get_by_role("button", name="Reset").click()
    view.twin.reset()
    view.agrees()


def test_it_is_seen_whole_with_its_picture_described_and_no_small_print(view):
    """On a small laptop's screen: 768 high, of which JupyterLab leaves 650 to the page."""
    view.page.set_viewport_size({"width": 1366, "height": 768})
    output = view.box.locator(".jp-OutputArea.jp-Cell-outputArea")
    assert output.bounding_box()["height"] <= 650
    smallest = output.evaluate(
        """area => Math.min(...[...area.querySelectorAll("*")].filter(
            e => e.offsetParent && [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim())
        ).map(e => parseFloat(getComputedStyle(e).fontSize)))"""
    )
    assert smallest >= 11
    for picture in output.locator("img").all():
        assert picture.evaluate("image => image.naturalWidth") >= 800
        sync_api.expect(picture).to_have_attribute("alt", plain(view.twin.words.value))
    view.page.set_viewport_size({"width": 1280, "height": 900})


@pytest.fixture(params=["JupyterLab Light", "JupyterLab Dark"], scope="module")
def themed(request, page):
    """The page in a theme."""
    choose = "theme => jupyterapp.commands.execute('apputils:change-theme', {theme})"
    page.evaluate(choose, request.param)
    light = str(request.param.endswith("Light")).lower()
    page.locator(f"body[data-jp-theme-light='{light}']").wait_for(state="attached")
    yield page
    page.evaluate(choose, "JupyterLab Light")
    page.locator("body[data-jp-theme-light='true']").wait_for(state="attached")


MEASURE = (Path(__file__).parent / "measure.js").read_text(encoding="utf-8")


def test_all_can_be_read_in_light_and_dark(themed):
    """Type of 11 px and more, no overlap, contrast of 4.5 to 1, a text for every picture."""
    themed.set_viewport_size({"width": 1366, "height": 768})
    found = {
        name: cell(themed, name).locator(".jp-OutputArea.jp-Cell-outputArea").evaluate(MEASURE)
        for name in CELLS
        if name not in ("imports", "planted", "meanwhile")
    }
    themed.set_viewport_size({"width": 1280, "height": 900})
    assert not {name: faults for name, faults in found.items() if faults}


def test_what_cannot_be_read_is_found(themed):
    """The planted ones: each of the faults is seen, and none of another kind."""
    area = cell(themed, "planted").locator(".jp-OutputArea.jp-Cell-outputArea")
    found = "\n".join(sorted(area.evaluate(MEASURE)))
    expected = [
        '"faint" has a contrast of [123]', '"pale" has a contrast of 1', '"small" is 10 px high',
        '"upper" and "lower" overlap', "a picture says nothing to those who hear",
    ]  # fmt: skip
    assert re.fullmatch(r"[^\n]*\n".join(expected) + ".*", found), found


def updates(page) -> list[str]:
    """What the page told the kernel about values of controls."""
    frames = [f if isinstance(f, bytes) else f.encode() for f in page.sent]
    return [f.decode(errors="replace") for f in frames if b'"method":"update"' in f]


def test_presets_and_reset_answer_to_the_mouse(view):
    """A click is one message: values that the page sent by itself might undo the next click."""
    start = plain(view.twin.words.value)
    view.page.wait_for_timeout(500)  # for the answers to what earlier tests did
    view.page.sent.clear()
    for name in view.twin.presets:
        source, picture = view.source(), view.twin.picture.value
        view.box.get_by_role("button", name=name, exact=True).click()
        view.twin.preset(name)
        view.moved(source, picture)
    view.box.get_by_role("button", name="Reset").click()
    sync_api.expect(view.sentence).to_have_text(start)
    view.page.wait_for_timeout(500)
    assert view.page.sent
    assert updates(view.page) == []


def test_a_number_can_be_typed_and_a_handle_be_dragged(page):
    view = View(page, "ClipExplorer")
    number = view.box.get_by_role("textbox", name="ratio, typed", exact=True)
    number.fill("1.5")
    number.press("Enter")
    view.twin.set(ratio=1.5)
    view.agrees()
    handle = view.find(view.twin.controls["advantage"])
    handle.scroll_into_view_if_needed()
    place = handle.bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y, steps=4)
    page.mouse.up()
    moved = view.reported(view.twin.controls["advantage"])
    assert moved < 0.9
    view.twin.set(advantage=moved)
    view.agrees()
    view.box.get_by_role("button", name="Reset").click()
    view.twin.reset()
    view.agrees()


def test_a_second_view_of_a_widget_has_names_too(page):
    """The names belong to the view, not to the cell that made it."""
    shown = cell(page, "GroupSize")
    shown.locator(".jp-OutputArea-output >> visible=true").first.click(button="right")
    page.get_by_text("Create New View for Cell Output").click()
    second = page.locator(".jp-LinkedOutputView")
    sync_api.expect(second.get_by_role("slider", name="group size G", exact=True)).to_be_visible()
    page.locator(".lm-TabBar-tab", has_text="Output View").locator(
        ".lm-TabBar-tabCloseIcon"
    ).click()
    sync_api.expect(second).to_have_count(0)


def test_the_board_trains_while_the_kernel_is_free(page):
    box, meanwhile = cell(page, "board"), cell(page, "meanwhile")
    status, picture = box.get_by_role("status"), box.locator(".grpo-view img.grpo-picture")
    source = picture.get_attribute("src")
    sync_api.expect(status).to_contain_text(f"step 0 of {GOAL}")

    def step() -> int:
        return int(re.search(r"step (\d+) of", status.inner_text())[1])

    def wait_for_step(number: int) -> None:
        page.wait_for_function(
            "([element, number]) => +element.innerText.match(/step (\\d+)/)[1] >= number",
            arg=[status.element_handle(), number],
        )

    def ask(running: bool) -> int:
        """Run the other cell, which says how far the training is."""
        meanwhile.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        answer = meanwhile.locator(".jp-OutputArea-output")
        sync_api.expect(answer).to_have_text(re.compile(rf"step [1-9]\d* {running}"))
        return int(answer.inner_text().split()[1])

    assert picture.get_attribute("alt") == f"Curves of {GOAL} steps to come: none taken yet."
    sync_api.expect(box.get_by_role("button", name="Pause")).to_be_disabled()
    box.get_by_role("button", name="One step").click()
    sync_api.expect(status).to_contain_text(f"step 1 of {GOAL}")
    sync_api.expect(picture).not_to_have_attribute("src", source)
    box.get_by_role("button", name="Play").click()
    wait_for_step(3)
    source = picture.get_attribute("src")
    seen = ask(running=True)
    wait_for_step(seen + 1)
    sync_api.expect(picture).not_to_have_attribute("src", source)
    box.get_by_role("button", name="Pause").click()
    cell(page, "board").scroll_into_view_if_needed()
    for _ in range(50):  # the running step ends first
        meanwhile.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(100)
        if "False" in meanwhile.locator(".jp-OutputArea-output").inner_text():
            break
    stopped = ask(running=False)
    assert 3 <= stopped < GOAL
    sync_api.expect(status).to_contain_text(f"step {stopped} of {GOAL}")
    assert step() == ask(running=False) == stopped


RESTS = {"Pause": "paused|ready", "One step": "paused", "Reset": "ready", "Play": "training"}


def test_every_two_presses_on_the_board_lead_to_what_the_second_says(page):
    """Between steps, and both at once while it rests or trains; a button that is off stays so."""
    box = cell(page, "board")
    buttons = {name: box.get_by_role("button", name=name) for name in RESTS}

    def state(name: str) -> None:
        said = re.compile(rf"^({RESTS[name]})")
        sync_api.expect(box.get_by_role("status")).to_have_text(said)

    def off(name: str, then: str) -> bool:
        """Pressed where ``then`` was pressed before: it would change nothing."""
        rests = name == "Pause" and then != "Play"
        return rests or (name == then and name in ("Play", "Reset"))

    def start(name: str) -> None:
        """It rests after a step, or trains."""
        for each in ("One step", *(["Play"] if name == "Play" else [])):
            buttons[each].click()
            state(each)

    def press(name: str, then: str) -> str:
        if off(name, then):
            sync_api.expect(buttons[name]).to_be_disabled()
            return then
        buttons[name].click()
        state(name)
        return name

    for first, second in product(RESTS, repeat=2):
        start("One step")
        press(second, press(first, "One step"))
    for begin in ("One step", "Play"):
        names = [name for name in RESTS if not off(name, begin)]
        for first, second in product(names, repeat=2):
            start(begin)
            page.evaluate(
                "([one, other]) => { one.click(); other.click(); }",
                [buttons[first].element_handle(), buttons[second].element_handle()],
            )
            state(second)
    start("One step")
    buttons["Reset"].click()
    state("Reset")


def test_a_prediction_is_committed_with_the_mouse_and_judged(page):
    box = cell(page, "predict 5.B")
    options = box.get_by_role("radiogroup", name="Question 5.B.", exact=True)
    verdict, commit = box.get_by_role("status"), box.get_by_role("button", name="Commit")
    sync_api.expect(verdict).to_be_empty()
    commit.click()
    sync_api.expect(verdict).to_contain_text("Choose first")
    options.get_by_role("radio", name="stays or rises", exact=True).click()
    commit.click()
    judged = plain(predict("5.B").commit(0))
    assert judged.startswith("Not quite: is exactly 0.")
    sync_api.expect(verdict).to_have_text(judged)
    sync_api.expect(commit).to_be_disabled()
    sync_api.expect(options.get_by_role("radio", name="is exactly 0", exact=True)).to_be_disabled()


def test_a_prediction_is_committed_with_the_keyboard_and_judged(page):
    box = cell(page, "predict 5.A")
    box.get_by_role("radio", name="1.5", exact=True).focus()
    page.keyboard.press("ArrowDown")
    sync_api.expect(box.get_by_role("radio", name="3.75", exact=True)).to_be_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    judged = plain(predict("5.A").commit(1))
    assert judged.startswith("Yes.")
    sync_api.expect(box.get_by_role("status")).to_have_text(judged)


def test_a_saved_notebook_shows_pictures_and_says_how_to_wake_them(page, server):
    """Opened again its widgets are gone: no cell says "model not found", each says what to do."""
    static = page.locator(".grpo-static")
    sync_api.expect(static).to_have_count(len(LABS) + 4)  # the board, two questions, a case
    assert not any(picture.is_visible() for picture in static.all()), "beside the live widget"
    page.keyboard.press("Control+s")
    saved = server[1].parent / "widgets.ipynb"
    deadline = time.monotonic() + 60
    while saved.read_text(encoding="utf-8").count("grpo-static") < len(LABS):
        assert time.monotonic() < deadline, "the notebook is not saved"
        page.wait_for_timeout(200)
    shutil.copy(saved, saved.with_name("later.ipynb"))
    later = page.context.browser.new_page()
    later.set_default_timeout(180_000)
    later.goto(f"{server[0]}/lab/workspaces/later/tree/later.ipynb?token=secret")
    later.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for()
    for name in LABS:
        shown = cell(later, name).locator(".jp-OutputArea-child").locator("visible=true")
        sync_api.expect(shown).to_have_count(1)
        sync_api.expect(shown).to_contain_text("Run this cell, and it answers to its controls.")
        if name != "RolloutMicroscope":  # its picture is text
            picture = shown.locator("img.grpo-picture")
            assert picture.evaluate("image => image.naturalWidth") >= 800
            sync_api.expect(shown).to_contain_text(picture.get_attribute("alt"))
    board = cell(later, "board").locator(".jp-OutputArea-child").locator("visible=true")
    sync_api.expect(board).to_have_count(1)
    sync_api.expect(board).to_contain_text("run this cell in JupyterLab")
    later.close()


def test_a_case_of_the_zoo_is_solved_with_the_keyboard(page):
    box = cell(page, "case")
    standing, pictures = box.get_by_role("status"), box.locator(".grpo-view img.grpo-picture")
    sync_api.expect(standing).to_contain_text("worth 10 of 10 points")
    assert pictures.count() == 1
    box.get_by_role("button", name="the critic (-1)", exact=True).focus()
    page.keyboard.press("Enter")
    sync_api.expect(standing).to_contain_text("worth 9 of 10 points")
    sync_api.expect(pictures.nth(1)).to_have_attribute("alt", re.compile("Explained variance"))
    box.get_by_role("radio", name="the critic is never trained", exact=True).focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    sync_api.expect(standing).to_contain_text("No. It would have left this alone")
    sync_api.expect(standing).to_contain_text("worth 6 of 10 points")
    box.get_by_role("radio", name="the critic is never trained", exact=True).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    sync_api.expect(standing).to_contain_text("Yes. The case is closed: 6 of 10 points.")
    sync_api.expect(standing.get_by_role("link")).to_have_attribute(
        "href", re.compile("https://github.com/")
    )
    sync_api.expect(box.get_by_role("button", name="Accuse")).to_be_disabled()


def test_no_error_in_the_browser_or_in_the_kernels_log(page, server):
    assert page.errors == []
    _, found, text = server[1].read_text(encoding="utf-8").partition("Traceback")
    assert not found, text[:3000]
