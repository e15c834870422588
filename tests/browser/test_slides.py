"""Slides in a browser: keys, notes, light and dark, and that nothing is cut off or asked for."""

from pathlib import Path

import pytest

from teach.kit.__main__ import LECTURES, pages
from tests.browser.chromium import sync_api, watched_page

DECKS = (*LECTURES, "quiz")
# What reaches beyond the body of its slide, of all slides of a file.
CUT_OFF = """() => [...document.querySelectorAll(".slide")].flatMap((slide, i, all) => {
  all.forEach(other => other.classList.toggle("here", other === slide));
  const room = slide.querySelector(".body").getBoundingClientRect();
  return [...slide.querySelectorAll(".body *")].map(e => [e, e.getBoundingClientRect()])
    .filter(([e, box]) => box.height)
    .filter(([e, box]) => box.bottom > room.bottom + 2 || box.right > room.right + 2)
    .map(([e, box]) => `${i + 1}: ${e.tagName} ${e.textContent.slice(0, 40)}`).slice(0, 1);
})"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("teach")
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", DECKS)
def test_it_answers_the_keys_and_nothing_is_cut_off(folder, browser, name):
    page = watched_page(browser)
    page.goto((folder / f"{name}.html").as_uri())

    def here() -> str:
        return page.locator(".slide.here").get_attribute("id")

    assert page.locator(".slide.here").count() == 1 and here() == "1"
    page.keyboard.press("ArrowRight")
    assert here() == "2"
    page.keyboard.press("ArrowLeft")
    assert here() == "1"
    page.keyboard.press("End")
    last = here()
    page.keyboard.press("ArrowRight")
    assert here() == last == str(page.locator(".slide").count())

    # A question waits with its answer for a key of its own.
    question = page.locator(".question").first.get_attribute("id")
    page.evaluate(f"location.hash = '{question}'")
    page.wait_for_function(f"document.querySelector('.here').id === '{question}'")
    said = page.locator(".here .said").first
    sync_api.expect(said).to_be_hidden()
    page.keyboard.press("ArrowRight")
    sync_api.expect(said).to_be_visible()
    assert here() == question
    page.keyboard.press("ArrowRight")
    assert here() == str(int(question) + 1)

    page.evaluate(f"location.hash = '{question}'")
    page.wait_for_function(f"document.querySelector('.here').id === '{question}'")
    sync_api.expect(page.locator(".here .notes")).to_be_hidden()
    page.keyboard.press("n")
    sync_api.expect(page.locator(".here .notes")).to_be_visible()
    box, height = page.locator(".here .notes").bounding_box(), 768
    assert box["y"] >= height / 2 and box["y"] + box["height"] <= height + 1
    page.keyboard.press("n")
    with page.expect_popup() as popup:
        page.keyboard.press("s")
    assert "Right is" in popup.value.locator("body").inner_text()
    popup.value.close()

    colour = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(colour) == "rgb(255, 255, 255)"
    page.keyboard.press("d")
    assert page.evaluate(colour) == "rgb(20, 20, 20)"
    assert page.evaluate(CUT_OFF) == []
    assert page.asked == [] and page.errors == []
    page.close()


def test_on_paper_every_slide_has_a_page_of_its_own(folder, browser, tmp_path):
    page = browser.new_page()
    page.goto((folder / "grpo.html").as_uri())
    paper = page.pdf(prefer_css_page_size=True, print_background=True)
    count = page.locator(".slide").count()
    assert paper.count(b"/Type /Page\n") + paper.count(b"/Type /Page ") == count
    page.close()
