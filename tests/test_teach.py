"""What is made for a room: quiz, slides and their numbers, guide; and a file is all there is."""

import re
from collections import Counter

import nbformat
import pytest

from grpo_mini.course.checker import EXERCISES
from teach.kit import deck, guide, minutes, pages, quiz, stored
from teach.kit.__main__ import LECTURES, SHEETS, TEACH
from teach.kit.__main__ import pages as everything

GUIDE = (TEACH / "guide.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return everything()


# ---------------------------------------------------------------------------- the quiz


def test_there_are_forty_questions_with_three_misconceptions_each():
    full = [question for question in quiz.questions() if len(question.wrong) == 3]
    assert len(full) >= 40
    for question in full:
        assert all(len(option.said) > 10 for option in question.options()), question.name
    assert len({question.name for question in quiz.questions()}) == len(quiz.questions())


def test_no_answer_stands_twice_and_none_of_the_wrong_ones_is_right():
    for question in quiz.questions():
        texts = [option.text for option in question.options()]
        assert len(set(texts)) == len(texts) >= 3, question.name
        assert question.right.text not in [option.text for option in question.wrong]


def test_no_question_is_written_twice():
    asked = [(q.text, frozenset(o.text for o in q.options())) for q in quiz.questions()]
    assert len(set(asked)) == len(asked)


def test_the_right_answer_stands_in_every_place_about_as_often():
    places = Counter(q.place for q in quiz.questions() if len(q.wrong) == 3)
    assert set(places) == {0, 1, 2, 3} and max(places.values()) < 2 * min(places.values())


@pytest.mark.parametrize("number", ["3.1", "4.3", "4.5"])
def test_an_option_is_what_that_mistake_gives(number):
    """Asked of the solution and of the mistakes once more, without the quiz."""
    entry, question = EXERCISES[number], quiz.find(number)
    answers = {entry.solution: question.right.text}
    for option in question.wrong:
        (mistake,) = [m for m in entry.mistakes if m.because == option.said]
        answers[mistake.answer] = option.text
    place = next(i for i in range(len(entry.cases())) if quiz.given(entry, i))
    arguments = {name: value for name, value in entry.cases()[place].items() if name != "why"}
    for answer, text in answers.items():
        assert quiz.shown(answer(*arguments.values())) == text


def test_a_value_is_shown_as_a_room_reads_it():
    assert quiz.shown([1.0, -0.0, 1 / 3, -2.5]) == "[1, 0, 0.333, -2.5]"
    assert quiz.shown({"kl": 0.25}) == "kl: 0.25"
    assert quiz.shown(("a", 3, True)) == "('a', 3, True)"


# ---------------------------------------------------------------------------- slides


@pytest.mark.parametrize("name", LECTURES)
def test_no_number_of_a_slide_is_typed(name):
    """Neither decimal nor percentage, outside of code, formulas and what is named."""
    text = (TEACH / "slides" / f"{name}.md").read_text(encoding="utf-8")
    prose = re.sub(r"\{\{.*?\}\}|\$[^$]*\$|`[^`]*`", "", text, flags=re.DOTALL)
    for number in EXERCISES:
        prose = re.sub(rf"[Ee]xercise {re.escape(number)}", "", prose)
    # Eight rewards of 0.3 are an input, as in the exercise's card, and nothing that was measured.
    prose = prose.replace("rewards of 0.3", "")
    assert re.findall(r"\d+\.\d+|\d+\s?%", prose) == []


def test_what_is_gone_is_missed():
    for words in (
        "picture 02#no-such-cell",
        "picture 99#7b9",
        "table 02#8af8b3c2",
        "words 02#8af8b3c2",
        "formula 02#8af8b3c2",
        "final race no-such-setting",
        "no-such-name 1",
        "mistakes 4.1 999",
        "minus race grpo",
    ):
        with pytest.raises(ValueError, match="no |nothing|names nothing|says|has"):
            pages.named(words)


def test_slides_are_parted_into_columns_and_notes():
    title, second = deck.read(
        "# A\n\ntext\n---\n# B\nleft\n|||\nright\n???\nsay *this*", quiz.named
    )
    assert title.kind == "title" and title.notes == ""
    assert second.body.count("<div class='column'>") == 2
    assert "<em>this</em>" in second.notes and "say" not in second.body


def test_each_slide_of_a_lecture_has_something_to_say():
    for name in LECTURES:
        text = (TEACH / "slides" / f"{name}.md").read_text(encoding="utf-8")
        slides = deck.read(text, quiz.named)
        assert len(slides) >= 15
        silent = [slide.body[:60] for slide in slides[:-1] if not slide.notes]
        assert len(silent) == 0, silent


# ---------------------------------------------------------------------------- every file


def test_every_file_is_one_and_asks_no_host(made):
    assert set(made) == {f"{n}.html" for n in (*LECTURES, *SHEETS, "quiz", "solutions", "index")}
    for name, text in made.items():
        loaded = re.findall(
            r"(?:\bsrc|@import|url\(|<link[^>]*href)[=( ]*[\"']?([^\"')\s>]+)", text
        )
        assert not [one for one in loaded if not one.startswith("data:")], name
        assert not re.search(r"<(script|iframe|object|embed)[^>]+src=", text)
        assert "{{" not in text and len(text) < 2e6
        assert not re.search(r"<img(?![^>]* alt=\"[^\"])", text), name


def test_formulas_are_drawn_by_the_browser_itself(made):
    assert made["policy-gradient-to-ppo.html"].count("<math") > 8
    for name, text in made.items():
        prose = re.sub(r"<(script|pre|code)\b.*?</\1>", "", text, flags=re.DOTALL)
        assert "$$" not in prose and "\\frac" not in prose, name


def test_the_solutions_are_those_of_all_exercises(made):
    for number, entry in EXERCISES.items():
        assert f"<section id='{number}'>" in made["solutions.html"]
        assert f"def {entry.solution.__name__}(" in made["solutions.html"]


# ---------------------------------------------------------------------------- the guide


def test_the_guide_has_a_part_for_each_notebook_with_all_that_a_teacher_needs():
    parts = re.split(r"^## (\d\d) .*$", GUIDE, flags=re.MULTILINE)[1:]
    found = dict(zip(parts[::2], parts[1::2], strict=True))
    for path in stored.NOTEBOOKS.glob("*.ipynb"):
        part = found[path.stem[:2]]
        assert "**Why.**" in part and "**Discuss" in part
        if "<!-- to come" not in part:
            for heading in ("**Where they get stuck", "**When time is short", "<!-- notebook"):
                assert heading in part, (path.stem, heading)
            assert len(re.findall(r"^\d\. \*.+?\* .", part, re.MULTILINE)) >= 2


def test_what_the_guide_computes_is_up_to_date():
    assert guide.filled(GUIDE) == GUIDE, "make teach ARGS=--write"


def test_whatever_is_named_for_a_room_exists():
    """Exercises, questions of the quiz, files and commands, in every text of the folder."""
    texts = [path.read_text(encoding="utf-8") for path in TEACH.rglob("*.md")]
    assert len(texts) >= 7
    names = {question.name for question in quiz.questions()}
    makefile = (TEACH.parent / "Makefile").read_text(encoding="utf-8")
    for text in texts:
        for number in re.findall(r"(?<![\d.])([1-9]\.[1-9])(?![\d.]|\w)(?!-\d)", pruned(text)):
            assert number in EXERCISES, number
        for name in re.findall(r"(?<![\w.])([5-9]\.[A-I])\b", text):
            assert name in names, name
        for target in re.findall(r"`make ([a-z-]+)", text):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
        for link in re.findall(r"\]\((\w+\.md)\)", text):
            assert (TEACH / link).exists(), link


def pruned(text: str) -> str:
    """A text without what only looks like an exercise's number."""
    other = r"<!-- minutes -->.*?<!-- end -->|Python 3\.\d+( to 3\.\d+)?|\{\{.*?\}\}|[“`].*?[”`]"
    return re.sub(other, "", text, flags=re.DOTALL)


def test_the_minutes_of_a_timetable_add_up():
    text = (TEACH / "timetables.md").read_text(encoding="utf-8")
    days = [re.findall(r"^\| (\d+):(\d\d) \| (\d+) \|", part, re.M) for part in text.split("## ")]
    days = [[(60 * int(h) + int(m), int(length)) for h, m, length in day] for day in days if day]
    assert len(days) == 2 and "| meeting |" in text
    for day in days:
        assert day[0][0] == 0
        for (start, length), (following, _) in zip(day, day[1:], strict=False):
            assert start + length == following, f"{start // 60}:{start % 60:02d}"


def test_minutes_are_those_of_notebooks_that_are_there():
    record = minutes.read()
    names = {path.stem for path in stored.NOTEBOOKS.glob("*.ipynb")}
    assert set(record) <= names
    for name, found in record.items():
        assert set(found["cells"]) <= set(stored.cells(name[:2])), name
        assert 0 < sum(found["cells"].values(), 0.1) <= found["processor_seconds"], name


def test_a_notebook_is_measured_and_left_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(minutes, "LONG", 0.4)
    busy = "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass"
    cells = [
        nbformat.v4.new_markdown_cell("text"),
        nbformat.v4.new_code_cell(busy, id="slow"),
        nbformat.v4.new_code_cell("time.sleep(0.6)", id="waits"),
    ]
    path = tmp_path / "small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    before = path.read_bytes()
    found = minutes.measured(path)
    assert set(found["cells"]) == {"slow"} and found["cells"]["slow"] >= 0.5
    assert found["processor_seconds"] >= found["cells"]["slow"] and found["seconds"] > 1.1
    assert path.read_bytes() == before
