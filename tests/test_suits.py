"""Does a model suit a task: figures that can be counted by hand, and advice by its rules."""

import math
from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy
import pytest

from grpo_mini.__main__ import main
from grpo_mini.experiments.statistics import Interval
from grpo_mini.experiments.suits import (
    FirstSigns,
    advice,
    all_alike,
    all_wrong,
    first_signs,
    share,
    table,
)
from grpo_mini.experiments.warmstart import build_model, build_tokenizer
from grpo_mini.grpo import GRPOConfig
from grpo_mini.tasks import TASKS

# ---------------------------------------------------------------------------- figures


@pytest.mark.parametrize("values", [[1, 1, 0, 0], [1, 0, 0, 0, 0, 0], [0.2, 0.4, 0.4, 1.0, 1.0]])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_chances_are_those_of_all_groups_that_can_be_drawn(values, size):
    groups = list(combinations(values, size))
    alike = sum(len(set(group)) == 1 for group in groups) / len(groups)
    assert all_alike(values, size) == pytest.approx(alike)
    right = [value == 1 for value in values]
    wrong = sum(not any(group) for group in combinations(right, size)) / len(groups)
    assert all_wrong(right, size) == pytest.approx(wrong)


def test_a_group_of_all_samples_is_that_group():
    assert all_alike([0, 0, 0], 3) == 1.0 and all_alike([0, 1, 0], 3) == 0.0


@pytest.mark.parametrize("spread", [0.0, 0.2, 0.5])
def test_the_interval_holds_the_truth_as_often_as_it_says(spread):
    """Prompts of different difficulty: 0.3 give or take ``spread``, cut to what is possible."""
    rng, tries, prompts, samples = numpy.random.default_rng(0), 400, 32, 16
    truth = rng.normal(0.3, spread, 100_000).clip(0, 1).mean()
    shares = rng.binomial(samples, rng.normal(0.3, spread, (tries, prompts)).clip(0, 1)) / samples
    intervals = [share(values, prompts * samples) for values in shares.tolist()]
    assert sum(one.low <= truth <= one.high for one in intervals) / tries >= 0.92


def test_samples_of_one_prompt_count_less_than_of_many():
    alike = share([0.5] * 16 + [0.5 - 1e-3, 0.5 + 1e-3], 160)
    apart = share([0.0, 1.0] * 9, 160)
    assert alike.mean == apart.mean == 0.5
    assert alike.high - alike.low < 0.5 * (apart.high - apart.low)
    assert share([0.0] * 20, 320).high == pytest.approx(1.96**2 / (20 + 1.96**2), rel=1e-3)
    assert share([1.0] * 20, 320).low > 0.8


def test_figures_of_the_tiny_qwen_are_those_of_its_card(tiny):
    signs = first_signs(*tiny, GRPOConfig(device="cpu"), questions=16)
    assert signs.form.mean > 0.97 and signs.right.low < 0.28 < signs.right.high
    assert signs.found.mean >= signs.teaching.mean > 0.7
    assert signs.teaching_twice.mean >= signs.teaching.mean
    assert signs.cut.mean < 0.03 and 8 < signs.length < 16
    assert signs.most_entropy == pytest.approx(math.log(264), abs=0.05)
    assert 0 < signs.entropy < 1
    assert advice(signs, GRPOConfig()).startswith("Train.")


def test_a_group_that_is_paid_alike_teaches_nothing_whatever_it_is_paid(tiny, monkeypatch):
    task = replace(
        TASKS["chain-sums"], reward=lambda completions, **columns: [1.0] * len(completions)
    )
    monkeypatch.setitem(TASKS, "chain-sums", task)
    config = GRPOConfig(group_size=2, max_new_tokens=8)
    signs = first_signs(*tiny, config, questions=3)
    assert signs.right.mean == 1.0 and signs.teaching.mean == signs.teaching_twice.mean == 0.0
    assert signs.found.mean == 1.0
    assert advice(signs, config).startswith("Take a harder task.")


def test_a_random_model_has_nothing_to_reinforce():
    tokenizer = build_tokenizer()
    config = GRPOConfig(group_size=4, max_new_tokens=32)
    signs = first_signs(build_model(tokenizer).eval(), tokenizer, config, questions=4)
    assert signs.cut.mean > 0.5, "it hardly ever ends: more tokens would be the wrong advice"
    assert signs.right.mean == signs.form.mean == 0.0
    assert advice(signs, config).startswith("Warm start first. Its next token is drawn nearly by")


# ---------------------------------------------------------------------------- advice


def sure(mean: float) -> Interval:
    return Interval(mean, mean, mean)


HEALTHY = FirstSigns(
    form=sure(0.9), right=sure(0.3), cut=sure(0.01), found=sure(0.9), teaching=sure(0.8),
    teaching_twice=sure(0.95), length=20.0, entropy=1.0, most_entropy=10.0,
)  # fmt: skip
PLAIN, ASKED = GRPOConfig(), GRPOConfig(instructions=True, examples=2)
SILENT = {"teaching": sure(0.2), "teaching_twice": sure(0.35), "right": sure(0.03)}
RULES = [
    ({}, PLAIN, "Train. 80%"),
    ({"entropy": 8.1}, PLAIN, "Warm start first. Its next token is drawn nearly by chance"),
    ({"entropy": 7.9}, PLAIN, "Train."),
    ({"right": sure(0.9), "teaching": sure(0.6)}, PLAIN, "Take a harder task."),
    ({"right": sure(0.89), "teaching": sure(0.6)}, PLAIN, "Train."),
    ({"cut": sure(0.26)}, PLAIN, "Allow more tokens. 26% [26%, 26%] of the responses are cut off"),
    ({"cut": sure(0.25)}, PLAIN, "Train."),
    ({"teaching": sure(0.5)}, PLAIN, "Train."),
    (SILENT | {"form": sure(0.04)}, PLAIN, "Say what is asked for."),
    (SILENT | {"form": sure(0.04)}, GRPOConfig(examples=2), "Say what is asked for."),
    (SILENT | {"form": sure(0.04)}, ASKED, "Warm start first. Only 4%"),
    (SILENT | {"found": sure(0.04)}, PLAIN, "Take easier questions, or warm start first."),
    (SILENT | {"teaching_twice": sure(0.5)}, PLAIN, "Take larger groups."),
    (SILENT, PLAIN, "Take easier questions, or pay for nearly right answers."),
    # The first rule that applies.
    ({"entropy": 9.0, "cut": sure(1.0), "form": sure(0.0)}, PLAIN, "Warm start first."),
    (SILENT | {"cut": sure(0.9), "form": sure(0.0)}, PLAIN, "Allow more tokens."),
]


@pytest.mark.parametrize(("changed", "config", "begins"), RULES)
def test_each_rule_gives_its_advice(changed, config, begins):
    said = advice(replace(HEALTHY, **changed), config)
    assert said.startswith(begins)
    assert "None" not in said and "  " not in said


def test_advice_names_the_options_to_take():
    silent = replace(HEALTHY, **SILENT | {"teaching_twice": sure(0.6)})
    assert "--group-size 16" in advice(silent, PLAIN)
    cut = replace(HEALTHY, cut=sure(0.5))
    assert "--max-new-tokens 128" in advice(cut, PLAIN)


def test_the_table_has_every_figure_with_its_interval():
    text = table(replace(HEALTHY, right=Interval(0.3, 0.25, 0.35)), PLAIN)
    assert "30% [25%, 35%]" in text and "groups of 8 that teach" in text
    assert "groups of 16 that teach" in text and "1.00 of at most 10.00 nats" in text
    assert Counter(text)["\n"] == 7


def test_the_command_says_it_in_the_end(capsys):
    assert main(["suits", "--questions", "4", "--group-size", "4", "--examples", "1",
                 "--instructions"]) == 0  # fmt: skip
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("4 questions of chain-sums, 8 responses each")
    assert len(told) == 11 and told[-2] == ""


@pytest.mark.parametrize("option", ["--questions", "--group-size"])
def test_too_little_to_compare_is_refused(option, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["suits", option, "1"])
    assert stop.value.code == 2 and "must be at least 2" in capsys.readouterr().err
