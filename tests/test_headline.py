"""The headline: three sentences and a picture, computed; the README shows what the runs say."""

import re
import shutil
from pathlib import Path

import pytest

from grpo_mini.experiments import headline
from grpo_mini.experiments.evidence import RACES
from grpo_mini.experiments.judging import PPOS
from grpo_mini.experiments.statistics import RUNS
from grpo_mini.experiments.verdicts import SIGNS, kind
from tests.synthetic_runs import write, write_cost

ROOT = Path(__file__).parent.parent


def shown(readme: str) -> str | None:
    """The README's block with its marks; None if it has none.

    Raises:
        ValueError: a mark without its other, or more than one block.
    """
    marks = readme.count("<!-- headline -->"), readme.count("<!-- end of headline -->")
    found = headline.BLOCK.findall(readme)
    if marks != (len(found), len(found)) or len(found) > 1:
        raise ValueError(f"the marks of the headline are damaged: {marks}")
    return found[0] if found else None


def test_the_readme_shows_what_the_runs_say():
    """It has a headline as soon as its picture is recorded, and then the very lines."""
    found = shown((ROOT / "README.md").read_text(encoding="utf-8"))
    recorded = (RUNS / "headline.png").exists()
    assert (found is not None) == recorded, "python -m grpo_mini.experiments.headline"
    if recorded:
        assert found == headline.block()


@pytest.fixture
def runs(tmp_path):
    write_cost(tmp_path)
    shutil.copy(RUNS / "gradients.jsonl", tmp_path)
    return write(tmp_path, seeds=3)


def test_three_sentences_that_change_with_the_runs(runs, tmp_path):
    before = headline.sentences(runs)
    assert len(before) == 3 and all(line.startswith("- **") for line in before)
    assert "after 15,360 samples" in before[0] and "(3 seeds each" in before[0]
    assert "GRPO loses to no PPO that was raced" in before[0]
    assert "In the same time GRPO is ahead" in before[1] and "not raced" in before[1]
    assert "GRPO is surely ahead nowhere, and PPO nowhere." in before[2]
    ends = {("race", "grpo"): 0.5, ("judges", "grpo-offset"): 0.9, ("judges", "ppo-length"): 0.9}
    write(tmp_path, ends, only=("race", "judges"), seeds=3, cheaper=0.0)
    write_cost(tmp_path, saved=0.2)
    after = headline.sentences(tmp_path)
    assert "a PPO does better" in after[0] and "In the same time PPO is ahead" in after[1]
    assert "GRPO is surely ahead where some questions have higher rewards (0." in after[2]
    assert "and PPO where length is rewarded too (-0." in after[2]


def test_the_second_race_speaks_of_every_rival(runs, tmp_path, monkeypatch):
    monkeypatch.setitem(RACES, "sums", "race-sums")
    write(tmp_path, {("race-sums", "ppo-shared"): 0.9}, only=("race-sums",), seeds=3)
    found = headline.sentences(tmp_path)
    assert "after 7,680 samples" in found[0] and "a PPO does better" in found[0]
    for name in PPOS.values():
        assert f"] {name.removeprefix('PPO ')}" in found[0]
    assert "not raced" not in found[1] and "a loss that is a mean over all tokens" in found[2]


def test_the_runs_that_cannot_tell_say_how_far_apart_they_may_be(runs, tmp_path):
    write(tmp_path, only=("race",), seeds=3, noise=0.05)
    found = headline.sentences(tmp_path)[0]
    said = re.search(r"end within (\d+) points", found)
    ends = re.findall(r"\[(-?\d\.\d+), (-?\d\.\d+)\] with", found)
    assert max(abs(float(end)) for pair in ends for end in pair) <= int(said[1]) / 100 + 0.005


def test_a_sure_lead_is_named_though_it_is_small(tmp_path, runs):
    """A loss of two points that is sure, beside a margin of three and a rival that cannot tell."""
    ends = {("race", "ppo"): 0.825, ("race", "ppo-lam0.95"): 0.81}
    write(tmp_path, ends, only=("race",), seeds=8, noise=0.012)
    found = headline.sentences(tmp_path)[0]
    against = headline.samples_and_seconds(tmp_path)[1]["the same samples"]
    kinds = {name: kind(interval) for name, interval in against.items()}
    assert kinds["with a sample a prompt"] == "worse" and kinds["with GRPO's groups"] != "worse"
    assert ", PPO with a sample a prompt" in found.partition(" ahead:**")[0]


def test_the_forest_draws_each_difference_where_it_is(runs):
    axes = headline.draw(runs).axes[1]
    race = headline.samples_and_seconds(runs)[1]
    intervals = [i for rows in [*race.values(), headline.elsewhere(runs)] for i in rows.values()]
    bars = [line for line in axes.lines if len(line.get_xdata()) == 2][1:]
    assert [tuple(line.get_xdata()) for line in bars] == [(i.low, i.high) for i in intervals]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert len(labels) == len(intervals) + 3 and "with a sample a prompt" in labels


def test_a_task_that_nobody_learns_is_left_out(tmp_path, runs):
    flat = {("horizon", f"{a}-7terms"): 0.3 for a in ("grpo", "ppo")}
    assert "sums of 7 terms" in headline.elsewhere(runs)
    write(tmp_path, flat, only=("horizon",), seeds=3)
    assert "sums of 7 terms" not in headline.elsewhere(tmp_path)


def test_every_claim_is_counted_once(runs):
    counted = headline.counted(runs)
    for claim in headline.CLAIMS:
        assert counted.count(f"{claim.number},") + counted.count(f"{claim.number})") == 1


def test_a_stale_line_is_noticed(runs):
    block = headline.block(runs)
    page = f"# Title\n\n{block}\n\nmore\n"
    assert shown(page) == block
    assert shown(page.replace("[0.", "[1.", 1)) != block
    assert shown("# Title\n") is None
    for damaged in (page.replace("<!-- end of headline -->", ""), page + block):
        with pytest.raises(ValueError, match="marks of the headline are damaged"):
            shown(damaged)


def test_the_picture_is_drawn_and_the_same_each_time(runs, tmp_path):
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    for path in (first, second):
        headline.draw(runs).savefig(path, dpi=60)
    assert first.read_bytes() == second.read_bytes()
    texts = [text.get_text() for text in headline.draw(runs).axes[3].texts]
    wanted = [f"{SIGNS[claim.verdict(runs).word][0]} {claim.number}" for claim in headline.CLAIMS]
    assert texts[:-1:2] == wanted
    assert [text.replace("\n", " ") for text in texts[1:-1:2]] == [
        claim.short for claim in headline.CLAIMS
    ]
