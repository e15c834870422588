"""The rollout microscope on a run that is recorded here, and on the one that ships."""

import json

import pytest

from grpo_mini.__main__ import main
from grpo_mini.course import RolloutMicroscope, predict
from grpo_mini.course.predictions import ROLLOUT
from grpo_mini.course.widgets.microscope import (
    END,
    RECORDED,
    STILL,
    row,
    token_html,
    token_style,
    tour,
)
from grpo_mini.experiments.microscope import read_rollouts
from grpo_mini.tasks.task import parse_response


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("microscope") / "run.jsonl"
    assert (
        main(["microscope", "--steps", "3", "--every", "2", "--prompts", "2", "--out", str(path)])
        == 0
    )
    return path


def test_a_recorded_step_holds_what_sampling_and_update_did(recorded):
    header, steps = read_rollouts(recorded)
    assert list(steps) == [1, 3] and header["commit"]
    for groups in steps.values():
        assert len(groups) == 2
        for group in groups:
            advantages = [sample["advantage"] for sample in group["samples"]]
            assert len(advantages) == 8 and abs(sum(advantages)) < 1e-2
            for sample in group["samples"]:
                assert len(sample["tokens"]) == len(sample["before"]) == len(sample["after"])
                right = f"<answer>{group['answer']}</answer>" in "".join(sample["tokens"])
                assert sample["reward"] == float(right) or not right
                assert max(sample["before"]) <= 0 and max(sample["after"]) <= 1e-3


def test_the_first_token_of_what_was_paid_becomes_more_likely():
    """Summed over the shipped run: the update does what the advantages say."""
    _, steps = read_rollouts(RECORDED)
    moved = {True: [], False: []}
    for groups in steps.values():
        for group in groups:
            for sample in group["samples"]:
                if sample["advantage"]:
                    change = sample["after"][0] - sample["before"][0]
                    moved[sample["advantage"] > 0].append(change)
    assert sum(moved[True]) / len(moved[True]) > sum(moved[False]) / len(moved[False])


def test_every_step_prompt_and_sample_is_shown_as_recorded():
    lab = RolloutMicroscope()
    lab.render = lambda: b""
    for step in lab.rows:
        for prompt, sample in ((1, 1), (2, 8), (3, 4)):
            lab.set(step=step, prompt=prompt, sample=sample)
            shown = lab.rows[step][prompt - 1]["samples"][sample - 1]
            assert lab.numbers["tokens"] == shown["tokens"]
            change = [a - b for a, b in zip(shown["after"], shown["before"], strict=True)]
            assert lab.numbers["changes"] == pytest.approx(change)
            assert f"advantage {shown['advantage']:+.2f}" in lab.words.value


def test_the_tour_has_five_moments_that_show_what_their_names_say():
    lab = RolloutMicroscope()
    assert len(lab.presets) == 5
    found = {}
    for name in lab.presets:
        lab.preset(name)
        found[name] = lab.numbers
        text = "".join(lab.numbers["tokens"]).removesuffix(END)
        assert parse_response(text), f"{name}: {text}"

    def mine(name, what):
        return found[name][what][found[name]["sample"] - 1]

    for name, sign in (("thinking pays", 1), ("a guess is punished", -1), ("a lucky guess", 1),
                       ("a slip while thinking", -1)):  # fmt: skip
        assert mine(name, "advantages") * sign > 0
        assert sum(found[name]["changes"]) * sign > 0, f"{name}: the tints say otherwise"
        assert ("<think>" in found[name]["tokens"]) == ("thinking" in name)
    assert mine("a lucky guess", "rewards") == 1 and mine("a slip while thinking", "rewards") == 0
    assert len(set(found["a silent group"]["rewards"])) == 1
    assert "silent" in lab.sentence(found["a silent group"])


def test_the_tints_are_those_of_the_sentence():
    """In every recorded response: as many tokens are tinted up and down as the sentence counts."""
    lab = RolloutMicroscope()
    for step in lab.rows:
        for prompt in range(1, len(lab.rows[step]) + 1):
            for i in range(len(lab.rows[step][prompt - 1]["samples"])):
                numbers = lab.compute(
                    {"step": step, "prompt": prompt, "sample": i + 1, "numbers": False}
                )
                line = row(numbers, i).split("line-height")[1]
                ups, downs = line.count("2px solid"), line.count("2px dotted")
                words = lab.sentence(numbers)
                assert f"{ups} of its {len(numbers['tokens'])} tokens are more likely" in words
                assert f", {downs} less" in words
                assert line.count("<span title=") == len(numbers["tokens"])


def test_a_token_that_did_not_move_is_neutral_and_says_so():
    for change in (0.0, STILL, -STILL):
        assert "background" not in token_style(change)
    assert "background" in token_style(0.01) and "solid" in token_style(0.01)
    assert "dotted" in token_style(-0.01)
    assert "title='probability 0.50, change +0.000 nats'" in token_html("<b>", 0.0, 0.5, False)
    assert "&lt;b&gt;" in token_html("<b>", 0.0, 0.5, False)


def test_questions_about_the_rollouts_are_answered_by_the_recorded_numbers():
    _, steps = read_rollouts(RECORDED)
    blamed, quiet, loud = [], [], []
    for group in (group for groups in steps.values() for group in groups):
        silent = len({sample["reward"] for sample in group["samples"]}) == 1
        for sample in group["samples"]:
            moved = [a - b for a, b in zip(sample["after"], sample["before"], strict=True)]
            (quiet if silent else loud).extend(map(abs, moved))
            blamed += moved if sample["advantage"] < 0 else []
    share = sum(change < 0 for change in blamed) / len(blamed)
    right, evidence = ROLLOUT["7.A"].verdict()
    assert right == (0 if share == 1 else 1 if share > 0.5 else 2)
    assert f"{len(blamed):,} tokens" in evidence and f"{share:.0%}" in evidence
    ratio = sum(quiet) / len(quiet) / (sum(loud) / len(loud))
    assert ROLLOUT["7.B"].verdict()[0] == (0 if ratio == 0 else 1 if ratio < 0.5 else 2)
    assert "<b>Yes.</b>" in predict("7.A").commit(right)


def test_numbers_appear_on_demand():
    lab = RolloutMicroscope()
    before = lab.picture.value
    lab.controls["numbers"].value = True
    assert lab.picture.value != before


def test_a_tour_of_a_run_without_lucky_guesses_is_shorter():
    sample = {
        "tokens": ["<answer>", "2", "</answer>", END],
        "reward": 0.0,
        "advantage": 0.0,
        "before": [0.0] * 4,
        "after": [0.0] * 4,
    }
    rows = {1: [{"samples": [sample, sample], "question": "1+1=", "answer": "2"}]}
    assert list(tour(rows)) == ["a silent group"]


def test_a_file_without_rollouts_is_refused(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_text(
        json.dumps({"run": {}}) + "\n" + json.dumps({"step": 1}) + "\n", encoding="utf-8"
    )
    with pytest.raises(ValueError, match="holds no rollouts; make it with"):
        RolloutMicroscope(path)
