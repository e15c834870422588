"""The clinic: twins are found, differences of step 1 are shown, the right suspect is computed."""

import html
import json

import pytest

from grpo_mini.course import clinic
from grpo_mini.experiments.evidence import EXPERIMENTS
from grpo_mini.experiments.record import add_line, read_lines


@pytest.fixture
def runs(tmp_path):
    """Made-up runs of every setting of the zoo; in a sick one entropy is doubled."""
    sick = {case.sick for case in clinic.CASES.values()}
    lines = []
    for label in EXPERIMENTS["zoo"].settings:
        header = {"config": {"seed": 0}, "algorithm": "GRPOTrainer", "setting": label}
        header["examples"] = [["1+1=", f"{label} says <answer>2</answer>"]]
        history = {name: [0.5] * 31 for name in clinic.NAMES}
        history |= {"step": list(range(31)), "policy_loss": [1e-8 * (label in sick)] * 31}
        history["entropy"] = [1.0 if label in sick else 0.5] * 31
        lines.append(json.dumps({"run": header, "history": history}) + "\n")
    (tmp_path / "zoo.jsonl").write_text("".join(lines), encoding="utf-8")
    return tmp_path


def test_every_case_is_a_suspect_of_the_zoo_with_a_twin_of_the_same_options():
    settings = EXPERIMENTS["zoo"].settings
    guilty = [case.sick for case in clinic.CASES.values()]
    order = [name for name in clinic.SUSPECTS if name in guilty]
    assert set(order) == set(guilty) and len(clinic.SUSPECTS) > len(order)  # some are innocent
    assert sum(a == b for a, b in zip(order, guilty, strict=True)) <= 1, "the list tells the answer"
    for case in clinic.CASES.values():
        sick, healthy = settings[case.sick], settings[case.healthy]
        assert sick.judge is healthy.judge
        if sick.trainer is healthy.trainer:  # then an option is the bug
            assert len(set(sick.options.items()) ^ set(healthy.options.items())) == 2
        else:
            assert issubclass(sick.trainer, healthy.trainer) and sick.options == healthy.options
        assert {*case.panels, case.sign} <= set(clinic.NAMES)


@pytest.mark.parametrize("letter", clinic.CASES)
def test_only_the_right_suspect_is_right(letter, runs):
    names = list(clinic.SUSPECTS)
    for i, name in enumerate(names):
        answer = clinic.diagnose(letter, runs).commit(i)
        assert ("<b>Yes.</b>" in answer) == (name == clinic.CASES[letter].sick)
        assert html.escape(clinic.CASES[letter].why) in answer


def test_step_1_shows_what_differs_and_no_rounding(runs):
    shown = clinic.first_step("A", runs).data
    assert clinic.NAMES["entropy"] in shown and shown.count("<tr>") == 2
    healthy = next(
        line for line in read_lines(runs / "zoo.jsonl") if line["run"]["setting"] == "healthy"
    )
    healthy["run"]["setting"] = "no-template"
    add_line(runs / "zoo.jsonl", healthy)
    assert "none differs" in clinic.first_step("A", runs).data


def test_pictures_and_responses_are_of_both(runs):
    figure = clinic.picture("B", runs)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[-2:] == [clinic.NAMES[name] for name in clinic.CASES["B"].panels]
    curves = figure.axes[3].lines
    assert [list(line.get_ydata()) for line in curves] == [[0.5] * 31, [1.0] * 31]
    shown = clinic.responses("B", runs).data
    assert "healthy-hot says" in shown and "other-temperature says" in shown


def test_examine_says_where_both_end(runs, monkeypatch):
    said = []
    monkeypatch.setattr(clinic, "show", lambda figure, sentence: said.append(sentence))
    clinic.examine("C", runs)
    assert "After 30 steps run C" in said[0] and "entropy 1.00 (healthy: 0.50)" in said[0]


def test_missing_runs_and_unknown_letters_say_so(runs):
    with pytest.raises(ValueError, match="there is no run 'Z'; there are: A, B"):
        clinic.twins("Z", runs)
    lines = (runs / "zoo.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    left = "".join(line for line in lines if '"setting": "healthy-hot"' not in line)
    (runs / "zoo.jsonl").write_text(left, encoding="utf-8")
    with pytest.raises(FileNotFoundError, match="no run 'healthy-hot'"):
        clinic.twins("B", runs)
