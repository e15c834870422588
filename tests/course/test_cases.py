"""The bug zoo: each case is solvable and fair, the points add up, and nothing leaks."""

import html
import inspect
import re
from functools import cache
from pathlib import Path

import nbformat
import pytest

from grpo_mini.course import cases
from grpo_mini.course.cases import (
    BRIEF,
    CASES,
    EVIDENCE,
    NAMES,
    OPTIONS,
    RESPONSES,
    SUSPECTS,
    contradictions,
    differs,
    first_step,
    offered,
    points,
    speaks_against,
)
from grpo_mini.course.widgets import case_file
from grpo_mini.course.widgets.case_file import CaseFile, debrief, open_case, score
from grpo_mini.experiments import zoo
from grpo_mini.experiments.evidence import EXPERIMENTS
from grpo_mini.experiments.experiment import make_trainer
from grpo_mini.models import TINY_QWEN
from tests.course.innocents import INNOCENTS, made

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "08_bug_zoo.ipynb"
SETTINGS = EXPERIMENTS["zoo"].settings


@pytest.fixture(autouse=True)
def afresh(tmp_path, monkeypatch):
    monkeypatch.setenv("GRPO_MINI_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setattr(case_file, "_files", {})


# ---------------------------------------------------------------------------- fair


def test_twins_differ_in_one_thing():
    for case in CASES.values():
        sick, healthy = SETTINGS[case.sick], SETTINGS[case.healthy]
        assert sick.judge is healthy.judge
        if sick.trainer is healthy.trainer:  # then an option is the bug
            assert len(set(sick.options.items()) ^ set(healthy.options.items())) == 2
        else:
            assert issubclass(sick.trainer, healthy.trainer) and sick.options == healthy.options


def test_each_is_guilty_once_and_the_lineups_do_not_tell():
    assert len({case.sick for case in CASES.values()}) == len(CASES)
    places = []
    for case in CASES.values():
        names = case.suspects()
        assert len(set(names)) == 6 and set(names) <= set(SUSPECTS)
        texts = [SUSPECTS[name].text for name in names]
        assert texts == sorted(texts)
        places.append(names.index(case.sick))
    assert max(map(places.count, places)) <= 3, "the guilty one stands in the same place"


def test_the_options_clear_nobody():
    """Whoever reads how a run was set still has at least two suspects that need just that."""
    special = {
        "B": ("temperature", {"other-temperature", "hot-is-cold"}),
        "E": ("cut-off", {"shifted-groups", "overlong-filter", "forced-end"}),
        "F": ("clipped|old log-probs|clip ", {"inverted-clip", "no-clip", "old-is-new"}),
        "G": ("KL penalty", {"k1-loss", "kl-upside-down", "moving-reference"}),
        "H": ("critic|advantages|reward stands", {"random-value-head", "idle-critic", "late-reward",
              "past-the-end", "whitened-padding"}),
    }  # fmt: skip
    for letter, (words, expected) in special.items():
        found = {n for n in CASES[letter].suspects() if re.search(words, SUSPECTS[n].text)}
        assert found >= expected and len(expected) >= 2
        assert CASES[letter].sick in expected


# ---------------------------------------------------------------------------- solvable


@pytest.mark.parametrize("letter", CASES)
def test_the_recorded_numbers_leave_one_suspect(letter):
    case = CASES[letter]
    assert [n for n in case.suspects() if not speaks_against(n, letter)] == [case.sick]
    sick, healthy = first_step(letter)
    assert differs(sick[case.sign], healthy[case.sign])


@pytest.mark.parametrize("letter", CASES)
def test_all_that_clears_a_suspect_can_be_bought(letter):
    to_be_had = {metric for piece in offered(letter).values() for metric in piece} | set(BRIEF)
    assert CASES[letter].sign in to_be_had
    for name in CASES[letter].suspects():
        suspect = SUSPECTS[name]
        assert {*suspect.moves, *suspect.between} <= to_be_had
        assert "think_share" in to_be_had
        clearing = [m for m in NAMES if any(NAMES[m] in r for r in speaks_against(name, letter))]
        assert set(clearing) <= to_be_had


def test_the_rule_is_a_tenth_and_a_thousandth():
    assert differs(1.11, 1.0) and not differs(1.09, 1.0)
    assert differs(0.0011, 0.0) and not differs(0.0009, 0.0)
    assert differs(-0.9, -1.01)


@cache
def row(twin: str, suspect: str | None) -> dict:
    trainer = make_trainer(made(twin, suspect), 0, str(TINY_QWEN), 1)
    return trainer.train(1, on_step=lambda row: None)[-1]


ACCUSED = [(letter, n) for letter, case in CASES.items() for n in case.lineup if n in INNOCENTS]


@pytest.mark.parametrize(("letter", "name"), ACCUSED)
def test_an_innocent_suspect_does_what_its_rule_says(letter, name):
    """It is trained a step beside the twin of the case."""
    twin = CASES[letter].healthy
    assert contradictions(SUSPECTS[name], row(twin, name), row(twin, None)) == []


def test_who_is_not_tried_changes_nothing_before_the_first_update():
    untried = set(SUSPECTS) - set(INNOCENTS) - {case.sick for case in CASES.values()}
    assert untried == {"top-p", "stale-sampler", "idle-critic"}


# ---------------------------------------------------------------------------- points


@pytest.mark.parametrize(
    ("pieces", "wrong", "solved", "expected"),
    [(0, 0, True, 10), (1, 0, True, 9), (3, 1, True, 4), (7, 0, True, 3), (7, 2, True, 1),
     (0, 5, True, 1), (0, 0, False, 0), (2, 1, False, 0)],
)  # fmt: skip
def test_points(pieces, wrong, solved, expected):
    assert points(pieces, wrong, solved) == expected


def test_evidence_costs_once_and_nothing_when_the_case_is_closed():
    file = CaseFile("B")
    for _ in range(2):
        file.buy("sampler and scorer")
    assert file.bought == ["sampler and scorer"] and "worth 9 of 10" in file.verdict.value
    assert len(file.found.children) == 1
    with pytest.raises(ValueError, match="no evidence 'motive'; there is: length and ends"):
        file.buy("motive")
    assert "<b>Yes.</b>" in file.accuse(CASES["B"].sick)
    file.buy(RESPONSES)
    assert file.points() == 9 and len(file.found.children) == 2


def test_a_wrong_accusation_costs_once_says_why_and_leaves_the_case_open():
    file, innocent = CaseFile("B"), CASES["B"].lineup[0]
    for _ in range(2):
        said = file.accuse(innocent)
    assert said.startswith("<b>No.</b>") and "worth 7 of 10" in said and file.closed is None
    assert html.escape(speaks_against(innocent, "B")[0]) in said
    assert SUSPECTS[CASES["B"].sick].text not in said
    file.accuse(CASES["B"].sick)
    assert file.closed and file.points() == 7
    assert "7 of 10" in file.accuse(CASES["B"].lineup[1])  # nothing more to win or lose


def test_nobody_chosen_is_no_accusation():
    file = CaseFile("A")
    assert file.accuse().startswith("Choose a suspect first") and file.points() == 10


@pytest.mark.parametrize("letter", CASES)
def test_a_closed_case_shows_line_source_and_what_clears_the_runner_up(letter):
    case, file = CASES[letter], CaseFile(letter)
    file.give_up_button.click()
    said = file.verdict.value
    assert "0 of 10" in said and SUSPECTS[case.sick].text in said
    assert f"<a href='{case.published.address}'>" in said
    assert case.published.address.startswith("https://github.com/")
    assert html.escape(speaks_against(case.lineup[0], letter)[0]) in said
    lines = cases.wrong_lines(letter)
    assert html.escape(lines, quote=False) in said
    assert ("kl_estimator='k1'" in lines) == (letter == "G")


def test_the_score_counts_closed_cases_and_the_debrief_shows_only_those():
    open_case("A").accuse(CASES["A"].sick)
    open_case("B").close(False)
    open_case("C").buy(OPTIONS)
    assert open_case("C") is open_case("C")
    assert score().title == "10 of 20 points in 2 of 8 cases"
    shown = debrief().data
    for letter, case in CASES.items():
        assert (SUSPECTS[case.sick].text in shown) == (letter in "AB")
    for letter in CASES:
        open_case(letter).close(True)
    assert score().status == "right"


# ---------------------------------------------------------------------------- nothing leaks

SECRETS = sorted(
    {name for name, thing in vars(zoo).items() if inspect.isclass(thing)
     and thing.__module__ == zoo.__name__}
    | {case.sick for case in CASES.values()}
    | {case.why.partition(".")[0] for case in CASES.values()}
    | {case.published.address for case in CASES.values()}
    | {case.published.where for case in CASES.values()}
    | {"lineup", "speaks_against", "wrong_lines", "solution_html", ".sick", "kl_estimator"}
)  # fmt: skip


def pages(cell) -> str:
    """A cell and all its outputs as text, without pictures."""
    parts = [cell.source]
    for output in cell.get("outputs", []):
        parts += [output.get("text", ""), *map(str, output.get("data", {}).values())]
    return re.sub(r"base64,[A-Za-z0-9+/=]+", "", "\n".join(parts))


def leaks(notebook: nbformat.NotebookNode) -> list[str]:
    """What gives a suspect away before somebody has committed to one."""
    found, cells = [], notebook.cells
    shop = next(i for i, cell in enumerate(cells) if "## The workshop" in cell.source)
    for i, cell in enumerate(cells):
        text = html.unescape(pages(cell))
        found += [f"cell {i}: {secret}" for secret in SECRETS if secret in text]
        opened = re.search(r'open_case\("(\w)"\)', cell.source)
        lineup = CASES[opened[1]].suspects() if opened else []
        for name, suspect in SUSPECTS.items():
            told = text.count(suspect.text)
            if told != (name in lineup) and (i < shop or opened):
                found.append(f"cell {i}: {suspect.text}, {told} times")
    return found


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_the_stored_notebook_gives_nobody_away(notebook):
    opened = re.findall(r'open_case\("(\w)"\)', "\n".join(c.source for c in notebook.cells))
    assert opened == list(CASES)
    assert leaks(notebook) == []


@pytest.mark.parametrize(
    "planted",
    ["source(zoo.NoTemplate)", 'print("k1-loss")', f"# {SUSPECTS['no-end-token'].text}",
     'CASES["A"].sick', CASES["E"].published.address],
)  # fmt: skip
def test_a_planted_leak_is_found(notebook, planted):
    notebook.cells[6].source += f"\n{planted}"
    assert leaks(notebook)


def test_a_stored_verdict_is_found(notebook):
    file = CaseFile("D")
    file.close(False)
    cell = next(c for c in notebook.cells if c.source == 'open_case("D")')
    cell.outputs[0].data["text/html"] += file.verdict.value
    assert leaks(notebook)


@pytest.mark.parametrize("letter", CASES)
def test_an_open_case_shows_all_its_evidence_and_no_secret(letter):
    file = CaseFile(letter)
    for piece in file.offered:
        file.buy(piece)
    shown = [child.value for child in file.found.children] + [file.brief(), file.verdict.value]
    text = html.unescape(re.sub(r"base64,[A-Za-z0-9+/=]+", "", "\n".join(shown)))
    assert not [secret for secret in SECRETS if secret in text]
    assert not [s.text for s in SUSPECTS.values() if s.text in text]
    for metrics in offered(letter).values():
        assert all(NAMES[metric] in text.replace(NAMES[metric].capitalize(), NAMES[metric])
                   for metric in metrics)  # fmt: skip


def test_two_cases_of_one_algorithm_offer_the_same_evidence():
    kinds = {letter: tuple(offered(letter)) for letter in CASES}
    assert len({kinds[letter] for letter in "ABCDEF"}) == 1
    assert "the critic" in kinds["H"] and "the KL" in kinds["G"]
    assert set().union(*kinds.values()) == {*EVIDENCE, RESPONSES, OPTIONS}


# ---------------------------------------------------------------------------- pictures, errors


def test_a_picture_has_both_twins_and_the_sentence_its_ends():
    figure = case_file.picture("H", EVIDENCE["the critic"])
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [NAMES[name] for name in EVIDENCE["the critic"]]
    sick, healthy = first_step("H")
    for axes, metric in zip(figure.axes, EVIDENCE["the critic"], strict=True):
        firsts = [line.get_ydata()[0] for line in axes.lines]
        assert firsts == [healthy[metric], sick[metric]]
    words = case_file.in_words("H", EVIDENCE["the critic"])
    assert f"in step 1: {sick['value_loss']:.3g}, the twin {healthy['value_loss']:.3g}" in words
    assert words.count("(differs)") == 2


def test_everything_can_be_reached_and_named_without_a_mouse():
    file = CaseFile("G")
    controls = [*file.buttons.values(), file.accuse_button, file.give_up_button]
    assert all(control.description and "case G" in control.tooltip for control in controls)
    assert "grpo-view" in file.view._dom_classes and "grpo-words" in file.verdict._dom_classes
    file.suspects.index = file.suspects._options_full.index(
        (SUSPECTS[CASES["G"].sick].text, CASES["G"].sick)
    )
    file.accuse_button.click()
    assert file.closed


def test_missing_runs_and_unknown_letters_say_so(tmp_path):
    with pytest.raises(ValueError, match="there is no case 'Z'; there are: A, B"):
        cases.twins("Z")
    recorded = (cases.RUNS / "zoo.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    left = "".join(line for line in recorded if '"setting": "healthy-hot"' not in line)
    (tmp_path / "zoo.jsonl").write_text(left, encoding="utf-8")
    with pytest.raises(FileNotFoundError, match="no run 'healthy-hot'"):
        cases.twins("B", tmp_path)
