"""The headline: seven lines and a picture, computed; the README shows what the runs say."""

from pathlib import Path

import pytest

from grpo_mini.experiments import headline
from grpo_mini.experiments.statistics import RUNS
from grpo_mini.experiments.verdicts import SIGNS
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
    return write(tmp_path, seeds=3)


def test_seven_lines_that_change_with_the_runs(runs, tmp_path):
    before = headline.lines(runs)
    assert len(before) == 7 and all(line.startswith("- **") for line in before)
    assert "3 seeds each, 15,360 samples" in before[0]
    worse = {("race", "grpo"): 0.5, ("reuse", "grpo"): 0.5}
    write(tmp_path, worse, only=("race", "reuse"), seeds=3, cheaper=0.6)
    write_cost(tmp_path, saved=0.2)
    after = headline.lines(tmp_path)
    assert before[0] == after[0]
    assert not set(before[1:]) & set(after[1:])


def test_every_claim_is_counted_once(runs):
    last = headline.lines(runs)[-1]
    for claim in headline.CLAIMS:
        assert last.count(f"{claim.number},") + last.count(f"{claim.number})") == 1


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
    texts = [text.get_text() for text in headline.draw(runs).axes[2].texts]
    wanted = [f"{SIGNS[claim.verdict(runs).word][0]} {claim.number}" for claim in headline.CLAIMS]
    assert texts[:-1:2] == wanted
    assert [text.replace("\n", " ") for text in texts[1:-1:2]] == [
        claim.short for claim in headline.CLAIMS
    ]
