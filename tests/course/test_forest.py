"""Forest plots: differences at equal samples, words that say no more than the intervals."""

import pytest

from grpo_mini.course import forest as module
from grpo_mini.experiments import look
from grpo_mini.experiments.record import add_line
from grpo_mini.experiments.statistics import Interval


def write(path, label, seed, accuracies, per_step, **header):
    header = {"config": {"seed": seed}, "algorithm": "GRPOTrainer", "setting": label, **header}
    samples = [i * per_step for i in range(len(accuracies))]
    history = {"samples": samples, "step": list(range(len(samples))), "eval_accuracy": accuracies}
    add_line(path, {"run": header, "history": history})


@pytest.fixture
def runs(tmp_path):
    """GRPO and a DAPO that samples twice as much and learns as much a step."""
    for seed in range(3):
        noise = seed / 100
        write(tmp_path / "variants.jsonl", "grpo", seed, [0.2, 0.4 + noise, 0.6 + noise], 100)
        write(tmp_path / "variants.jsonl", "dapo", seed, [0.2, 0.4 + noise, 0.6 + noise], 200)
        write(tmp_path / "variants.jsonl", "rloo", seed, [0.2, 0.5 + noise, 0.7 + noise], 100)
    return tmp_path


def test_settings_are_compared_at_the_samples_that_all_have_drawn(runs):
    samples, found = module.against("variants", "grpo", runs)
    assert samples == 200
    end = found["accuracy at the end"]
    assert list(end) == ["rloo", "dapo"], "in the experiment's order, without the reference"
    assert end["rloo"].mean == pytest.approx(0.1) and end["rloo"].low > 0
    assert end["dapo"].mean == pytest.approx(-0.2) and end["dapo"].high < 0
    way = found["mean accuracy on the way"]
    assert way["rloo"].mean == pytest.approx(0.075)
    assert way["dapo"].mean == pytest.approx((0.3 + 0.005) - (0.4 + 0.0075))


def test_the_sentence_has_every_setting(runs):
    words = module.sentence(*module.against("variants", "grpo", runs))
    assert words == "Accuracy after 200 samples. Better: rloo; worse: dapo."
    found = {"a": Interval(0.1, -0.2, 0.3), "b": Interval(0.0, -0.01, 0.01), "c": Interval(1, 1, 1)}
    words = module.sentence(9000, {"accuracy at the end": found})
    assert words == ("Accuracy after 9,000 samples. Better: c; no difference seen: b; unclear: a.")


def test_a_run_that_diverged_does_not_shorten_the_comparison(runs):
    write(runs / "variants.jsonl", "rloo", 0, [0.2], 100, diverged="not finite")
    samples, found = module.against("variants", "grpo", runs)
    assert samples == 200
    assert found["accuracy at the end"]["rloo"].mean == pytest.approx((-0.4 + 0.1 + 0.1) / 3)


def test_the_table_has_a_row_a_setting(runs):
    rows = module.verdicts("variants", "grpo", runs)
    assert [(row["setting"], row["seeds"]) for row in rows] == [("rloo", 3), ("dapo", 3)]
    assert rows[0]["accuracy at the end"].startswith("better by 0.10")
    assert rows[1]["accuracy at the end"].startswith("worse by 0.20")


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        (Interval(0.1, 0.05, 0.2), "better by 0.10 [0.05, 0.20]"),
        (Interval(-0.1, -0.2, -0.05), "worse by 0.10 [0.05, 0.20]"),
        (Interval(0.01, -0.01, 0.02), "no difference seen, within ±0.02"),
        (Interval(0.01, -0.02, 0.04), "unclear, 0.01 [-0.02, 0.04]"),  # 0.03 would matter
        (Interval(-0.0, -0.0, 0.0), "no difference seen, within ±0.01"),
        (Interval(0.01, -0.02, 0.06), "unclear, 0.01 [-0.02, 0.06]"),
        (Interval(0.0, -0.3, 0.0), "unclear, 0.00 [-0.30, 0.00]"),
    ],
)
def test_words_say_what_the_interval_allows(interval, words):
    assert module.in_words(interval) == words


def test_clear_intervals_are_filled_and_coloured_others_grey_and_open():
    found = {"a": Interval(0.1, 0.05, 0.2), "b": Interval(0.1, -0.1, 0.3)}
    figure = module.forest({"one": found, "two": found}, "difference")
    assert len(figure.axes) == 2
    clear, unclear = figure.axes[0].lines[1], figure.axes[0].lines[3]
    assert clear.get_markerfacecolor() == clear.get_color() == look.PLUS
    assert unclear.get_markerfacecolor() == look.PAPER
    assert unclear.get_color() == look.REFERENCE
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["a", "b"]


def test_what_chance_alone_finds_is_counted():
    found = [Interval(0.1, 0.05, 0.2), Interval(-0.1, -0.2, -0.05)] + [Interval(0, -1, 1)] * 18
    assert module.counted(found).startswith("2 of 20 intervals leave 0 out; of so many, 1.0 would")
