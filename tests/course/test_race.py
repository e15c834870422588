"""Race viewer, its questions, the ledger's page and the theory table, on runs nobody ran."""

import html
import re

import numpy
import pytest

from grpo_mini.course import predictions, theory
from grpo_mini.course.ledger import chips, editions, ledger
from grpo_mini.course.widgets.race import SETTINGS, RaceViewer
from grpo_mini.experiments.claims import CLAIMS
from grpo_mini.experiments.evidence import RACES
from grpo_mini.experiments.record import add_line, read_lines
from grpo_mini.experiments.statistics import bootstrap, curve, difference, final, load
from grpo_mini.experiments.verdicts import SIGNS
from tests.course.test_widgets import ends
from tests.synthetic_runs import write, write_cost


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_cost(folder, saved=0.5)
    return write(folder, {("race", "ppo"): 0.7}, noise=0.02, seeds=3, offset=1e-6)


@pytest.fixture
def viewer(runs):
    return RaceViewer(runs)


# ---------------------------------------------------------------------------- the widget


def test_every_control_changes_numbers_and_sentence(viewer):
    for control in viewer.controls.values():
        start = control.value
        for value in ends(control):
            control.value = value
            assert "nan" not in viewer.words.value and viewer.picture.value[:5] == b"<?xml"
            assert viewer.numbers == viewer.compute(viewer.state)
        control.value = start


def test_presets_are_states_of_their_own_and_reset_brings_the_start_back(viewer):
    before, states = viewer.picture.value, set()
    for name in viewer.presets:
        viewer.preset(name)
        states.add(str(viewer.state))
    assert len(states) == len(viewer.presets)
    viewer.reset()
    assert viewer.picture.value == before


def test_the_bands_are_those_of_the_runs(viewer, runs):
    grpo = load("race", runs)["grpo"]
    found = viewer.numbers["shown"]["grpo"]
    expected = bootstrap([final(run) for run in grpo], draws=2000)
    assert (found["mean"][-1], found["low"][-1], found["high"][-1]) == pytest.approx(expected)
    assert found["seeds"][2] == curve(grpo[2])
    viewer.set(**viewer.start | {"x": "samples", "ppo": True, "grpo": True})
    gap = viewer.numbers["gap"]
    assert gap == difference(grpo, load("race", runs)["ppo"], final), "as everywhere: no pairs"
    written = "{:.2f} [{:.2f}, {:.2f}]".format(*bootstrap([final(run) for run in grpo]))
    assert f"GRPO <b>{written}</b>" in viewer.words.value


def test_it_compares_where_the_shorter_one_ends(viewer, runs):
    viewer.preset("same processor time")
    race = load("race", runs)
    shortest = min(run.rows[-1]["cpu_seconds"] for run in race["grpo"])
    assert viewer.numbers["end"] == pytest.approx(shortest)
    values = [numpy.interp(shortest, *curve(run, "cpu_seconds")) for run in race["ppo"]]
    assert viewer.numbers["at_end"]["ppo"][0] == pytest.approx(numpy.mean(values))


def test_the_gap_is_taken_seed_by_seed_and_put_into_a_word(viewer):
    assert viewer.numbers["gap"][0] == pytest.approx(0.1, abs=0.06)
    for metric, word in (("right answers", "surely more"), ("thinks first", "surely more")):
        viewer.set(metric=metric)
        assert word in viewer.words.value
    viewer.set(metric="right answers", **{"grpo": False, "ppo-groups": True})
    assert "surely less" in viewer.words.value
    viewer.set(**{"grpo": True, "ppo": False})
    assert "no sure difference" in viewer.words.value


def test_nothing_shown_says_so(viewer):
    viewer.set(**dict.fromkeys(viewer.runs, False))
    assert "Nothing is shown" in viewer.words.value


def test_a_second_look_reads_nothing(viewer, monkeypatch):
    viewer.preset("each seed")
    monkeypatch.setattr("grpo_mini.course.widgets.race.band", None)
    viewer.reset()
    viewer.preset("each seed")


def test_without_runs_it_says_how_to_make_them(tmp_path):
    with pytest.raises(FileNotFoundError, match="grpo_mini experiment race --out"):
        RaceViewer(tmp_path)


def test_it_shows_every_contender_of_the_race_that_is_shown(viewer, tmp_path, monkeypatch):
    assert "critics" not in viewer.presets and "ppo-shared" not in viewer.controls
    monkeypatch.setitem(RACES, "sums", "race-sums")
    write(tmp_path, {("race-sums", "ppo-shared"): 0.9}, noise=0.0, only=("race-sums",))
    second = RaceViewer(tmp_path)
    assert list(second.runs) == list(SETTINGS), "and none is missing in the legend"
    looks = set()
    for label in SETTINGS:
        second.set(**dict.fromkeys(SETTINGS, False) | {label: True})
        (line,) = second.figure.axes[0].get_lines()[:1]
        looks.add((line.get_color(), line.get_linestyle(), line.get_marker()))
    assert len(looks) == len(SETTINGS)
    second.preset("critics")
    assert "PPO, critic on its backbone <b>0.90 [0.90, 0.90]" in second.words.value


def test_the_static_view_has_picture_and_sentence(viewer):
    page = viewer.static()[0]
    assert "<img class='grpo-picture' alt=" in page and viewer.sentence(viewer.numbers) in page


# ---------------------------------------------------------------------------- the questions


@pytest.mark.parametrize(
    ("number", "ends_at", "knobs", "right"),
    [
        ("6.A", {("race", "grpo"): 0.9}, {}, 0),
        ("6.A", {}, {}, 1),
        ("6.A", {("race", "ppo"): 0.9}, {}, 2),
        ("6.B", {}, {"cheaper": 0.1}, 0),
        ("6.B", {}, {"cheaper": 0.3}, 1),
        ("6.B", {}, {"cheaper": 0.7}, 2),
        ("6.C", {}, {"cheaper": 0.5}, 0),
        ("6.C", {}, {"cheaper": 0.0}, 1),
        ("6.C", {("race", "grpo"): 0.4}, {"cheaper": 0.0}, 2),
        ("6.D", {("race", "ppo-lam0.95"): 0.6}, {}, 2),
    ],
)
def test_the_verdict_on_a_question_comes_from_the_runs(
    tmp_path, monkeypatch, number, ends_at, knobs, right
):
    monkeypatch.setattr(predictions, "RUNS", tmp_path)
    write(tmp_path, ends_at, only=("race",), **knobs)
    found, evidence = predictions.RACE_QUESTIONS[number].verdict()
    assert found == right and re.search(r"\d.*\[.*\]", evidence)
    question = predictions.predict(number)
    assert "<b>Yes.</b>" in question.commit(right)


# ---------------------------------------------------------------------------- the ledger's page


def test_the_page_shows_each_verdict_with_rule_and_sources(runs):
    page = ledger(runs).data
    assert page.count("<tr>") == 1 + len(CLAIMS) and "nan" not in page
    for claim in CLAIMS:
        verdict = claim.verdict(runs)
        assert f"<b>{verdict.word}</b>" in page and f"<b id='claim-{claim.number}'>" in page
        for name in verdict.files:
            number = len(read_lines(runs / f"{name}.jsonl"))
            assert f"<a href='../data/runs/{name}.jsonl'>{name}</a> ({number} runs)" in page
    assert "<a href='https://arxiv.org/abs/2501.12948v2'>" in page
    assert page.count("<summary>rule</summary>") == len(CLAIMS)
    row_of = chips(runs).data
    for claim in CLAIMS:
        sign, _ = SIGNS[claim.verdict(runs).word]
        assert f"href='#claim-{claim.number}'" in row_of
        assert f"{sign} <b>{claim.number}</b> {html.escape(claim.short)}" in row_of


def test_each_verdict_that_changed_says_why(runs):
    """On the recorded runs: whoever records others and turns a verdict has to explain it."""
    for claim in CLAIMS:
        assert (claim.verdict().word != claim.first) == bool(claim.changed), claim.number
    page = editions().data
    same = [claim.number for claim in CLAIMS if not claim.changed]
    assert f"{len(same)} of 14 verdicts are the same: {', '.join(same)}." in page
    for claim in CLAIMS:
        assert (f"<td style='text-align:left'>{claim.number} " in page) == bool(claim.changed)
    others = editions(runs).data  # other runs, other verdicts
    for claim in CLAIMS:
        shown = html.escape(f"{claim.number} {claim.short}", quote=False) + "</td>" in others
        assert shown == (claim.verdict(runs).word != claim.first)


# ---------------------------------------------------------------------------- theory


@pytest.mark.parametrize("size", [2, 4, 8])
def test_the_estimate_of_silence_is_unbiased(size):
    """Over all outcomes of 10 samples it is p^G + (1-p)^G on average; plugging in is not."""
    p = 0.3
    chances = [theory.comb(10, c) * p**c * (1 - p) ** (10 - c) for c in range(11)]
    exact = p**size + (1 - p) ** size
    mean = sum(w * theory.silence(c, 10, size) for c, w in enumerate(chances))
    naive = sum(w * ((c / 10) ** size + (1 - c / 10) ** size) for c, w in enumerate(chances))
    assert mean == pytest.approx(exact) and naive > exact + 0.001


def test_the_mean_of_the_formula_is_above_the_formula_at_the_mean(runs):
    for row in theory.silent_at_start(runs):
        assert row["mean of the formula over prompts"] > row["formula at the mean p"]


def test_a_run_that_contradicts_a_formula_is_noticed(runs, tmp_path):
    found = {check.name: check for check in theory.checks(runs)}
    spread = theory.spread(runs)
    assert spread.agrees and spread.name in found
    assert all(check.agrees for check in found.values())
    write_cost(tmp_path, saved=0.5)
    write(tmp_path, only=("race", "group-size"), seeds=5, quiet=0.2)
    bad = {check.name for check in theory.checks(tmp_path) if not check.agrees}
    assert {"silent groups at the start, G = 2", "silent groups at the end, G = 8"} <= bad
    assert theory.spread(tmp_path).agrees
    path = tmp_path / "group-size.jsonl"
    line = next(line for line in read_lines(path) if line["run"]["setting"] == "G4")
    line["history"]["relative_reward_std"][1] = 0.9
    add_line(path, line)
    assert not theory.spread(tmp_path).agrees


def test_what_a_step_saves_follows_the_cost_ledger(tmp_path, monkeypatch):
    write_cost(tmp_path, saved=0.5)
    check = theory.critics_share(tmp_path)
    assert check.recorded == pytest.approx(0.5) and check.agrees
    with_prompts = check.theory
    write_cost(tmp_path, saved=0.1)
    assert not theory.critics_share(tmp_path).agrees
    monkeypatch.setattr(theory, "prompt_tokens", lambda: 0.0)
    alone = theory.critics_share(tmp_path).theory  # the critic alone: passes are 0.7 of a step
    assert alone == pytest.approx(0.7 / 1.7) and alone < with_prompts
