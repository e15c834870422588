"""Cards, preflight, the toy example and live training, without a browser."""

import re
import signal
import sys
from unittest.mock import Mock

import pytest
import torch
from matplotlib.figure import Figure

from grpo_mini.course import (
    TOY,
    Card,
    live,
    preflight,
    reached,
    show,
    table,
    token_grid,
    train_live,
)
from grpo_mini.course import cards as cards_module
from grpo_mini.machine.threads import Threads
from grpo_mini.models import load_policy
from grpo_mini.rollout import score


@pytest.fixture
def displayed(monkeypatch):
    shown = []
    monkeypatch.setattr(cards_module, "display", shown.append)
    return shown


def test_a_card_reads_the_same_as_text_and_as_html():
    card = Card("wrong", "Title", ("a `code` & <tag>",), "x < 1")
    assert repr(card) == "[wrong] Title\n  a `code` & <tag>\n\nx < 1"
    page = card._repr_html_()
    assert "<code>code</code> &amp; &lt;tag&gt;" in page and "x &lt; 1" in page
    assert ">wrong</b>" in page, "the verdict stands in words, not only in colour"


def test_a_figure_comes_with_its_sentence(displayed):
    show(Figure(), "It is empty.")
    assert "alt='It is empty.'" in displayed[0].data and "image/png;base64," in displayed[0].data
    assert repr(displayed[0]) == "[figure] It is empty."
    assert displayed[1].data == "*In words:* It is empty."


def test_a_table_aligns_numbers_and_escapes_text():
    page = table([{"name": "<think>", "value": 0.12345, "n": 3}]).data
    assert "&lt;think&gt;" in page and "0.123" in page and "text-align:right'>3" in page


def test_a_column_of_a_table_stands_on_one_side_head_included():
    """On the right if all of it are numbers; a dash stands for one."""
    rows = [
        {"name": "–", "size": 1, "share": "–", "word": True, "mixed": 0.5},
        {"name": "b", "size": 2.5, "share": 0.25, "word": False, "mixed": "0.50 [0.1, 0.9]"},
    ]
    sides = re.findall(r"text-align:(\w+)", table(rows).data)
    assert sides == ["left", "right", "right", "left", "left"] * 3


def test_preflight_is_green_here():
    card = preflight()
    assert card.status == "ok", card


def test_preflight_says_what_to_do_about_a_missing_model(tmp_path):
    card = preflight(tmp_path / "nothing")
    assert card.status == "problem"
    assert any("PROBLEM" in line and "hf download" in line for line in card.lines)


def test_preflight_says_what_to_do_about_too_little_memory(monkeypatch):
    module = sys.modules["grpo_mini.course.preflight"]  # the name is the function too
    monkeypatch.setattr(module, "free_memory_mb", lambda: 100.0)
    card = preflight()
    assert card.status == "problem" and any("close other programs" in line for line in card.lines)


@pytest.mark.parametrize(
    ("share", "seconds", "words"),
    [
        (0.98, 58.0, ["ok: device", "training takes about a minute now"]),
        (0.4, 172.0, ["BUSY", "leave 40% of a core", "close them", "takes about 3 minutes now"]),
        (0.4, None, ["BUSY", "close them"]),
    ],
)
def test_preflight_says_whether_the_machine_is_busy_and_what_to_expect(
    monkeypatch, share, seconds, words
):
    module = sys.modules["grpo_mini.course.preflight"]
    choice = Threads(2, True, share, "the fastest of 1 and 2 here")
    monkeypatch.setattr(module.threads, "choose", lambda: choice)
    monkeypatch.setattr(module, "training_seconds", lambda *model: seconds)
    card = preflight()
    assert all(word in card.lines[-1] for word in words), card
    assert card.status == "ok" and ("busy" in card.title) == (share < 0.75)


def test_preflight_says_that_a_machine_lends_less_than_its_cores(monkeypatch):
    module = sys.modules["grpo_mini.course.preflight"]
    monkeypatch.setattr(module.os, "cpu_count", lambda: 16)
    monkeypatch.setattr(module.threads, "lent_cores", lambda: 2)
    choice = Threads(2, True, 1.0, "the fastest of 1 and 2 here")
    assert "has 16 cores and lends 2 of them" in module.processors(choice, None)


def test_what_to_expect_is_measured(tiny):
    module = sys.modules["grpo_mini.course.preflight"]
    found = module.training_seconds(*load_policy(device="cpu"))
    assert 5 < found < 3000
    assert module.in_words(31) == "about 30 seconds" and module.in_words(3) == "about 10 seconds"
    assert module.in_words(70) == "about a minute" and module.in_words(185) == "about 3 minutes"


def test_the_toy_example_has_one_right_response_and_the_models_own_log_probs(tiny):
    assert TOY.rewards.tolist() == [1, 0, 0, 0]
    rollout = TOY.rollout(*tiny)
    log_probs, _ = score(tiny[0], rollout)
    inside = rollout.mask_BT.bool()
    assert torch.allclose(log_probs[inside], rollout.log_probs_BT[inside], atol=1e-6)
    ends = rollout.tokens_BT.gather(1, rollout.lengths_B.unsqueeze(1) - 1)
    assert (ends == tiny[1].eos_token_id).all()


def test_live_training_redraws_and_returns_the_history(small_trainer, monkeypatch):
    updates = []

    class Handle:
        def update(self, content):
            updates.append(content)

    monkeypatch.setattr(live, "display", lambda *content, display_id: Handle())
    monkeypatch.delenv(live.REHEARSAL, raising=False)
    history = train_live(small_trainer(), 2, every=0.0)
    assert [row["step"] for row in history] == [1, 2]
    texts = [update.data for update in updates]
    assert len(texts) == 4, "a line and a picture, twice"
    assert "step 1 of 2" in texts[0] and "to go" in texts[0] and "step 2 of 2" in texts[2]
    for step, page in ((1, texts[1]), (2, texts[3])):
        last = history[step - 1]
        assert f"At step {step} of 2: mean reward {last['reward_mean']:.2f}" in page
        assert f"<b>Step {step}: " in page and page.count("<tr>") == 8


def test_the_watched_axis_stands_still_and_the_start_is_remembered(small_trainer):
    trainer = small_trainer()
    watch = live.Watch(trainer, 4)
    assert "none taken yet" in watch.in_words() and "Before" not in watch.html()
    before = watch.before
    trainer.train(2, on_step=lambda row: None)
    watch.ask()
    assert watch.before is before and (watch.first, watch.last, watch.asked_at) == (0, 4, 2)
    assert "Before: " in watch.html() and "At step 2 of 4" in watch.html()


def test_responses_are_marked_and_their_thoughts_tinted():
    texts = ["<think>1+2=3</think><answer>3</answer>", "<answer>4</answer>", "<b>"]
    page = live.responses(texts, [1.0, 0.0, 0.0]).data
    assert page.count("right</td>") == 1 and page.count("wrong</td>") == 2
    assert live.thought_html("1+2=3") in page and "&lt;b&gt;" in page


def test_an_interrupted_live_training_says_what_was_not_reached(small_trainer, monkeypatch):
    shown = []
    monkeypatch.setattr(live, "display", lambda *content, **_: shown.append(content[0]) or Mock())
    monkeypatch.delenv(live.REHEARSAL, raising=False)
    trainer = small_trainer()

    def interrupt(row):
        if row["step"] == 2:
            signal.raise_signal(signal.SIGINT)

    train = trainer.train
    monkeypatch.setattr(
        trainer, "train",
        lambda steps, on_step: train(steps, on_step=lambda row: (on_step(row), interrupt(row))),
    )  # fmt: skip
    history = train_live(trainer, 4)
    assert [row["step"] for row in history] == [1, 2]
    assert shown[-1].title == "Interrupted after 2 of 4 steps"
    assert not reached(trainer, 4) and "after 2 of 4 steps" in shown[-1].title
    train_live(trainer, 4)
    assert reached(trainer, 4) and len(trainer.history) == 6


def test_a_rehearsal_takes_fewer_steps_and_says_so_once(small_trainer, monkeypatch):
    shown = []
    monkeypatch.setattr(live, "display", lambda *content, **_: shown.append(content[0]) or Mock())
    monkeypatch.setenv(live.REHEARSAL, "2")
    trainer = small_trainer()
    train_live(trainer, 3)
    assert trainer.step == 2 and shown[0].title.startswith("A rehearsal: 2 of 3 steps")
    cards = len(shown)
    assert not reached(trainer, 3) and len(shown) == cards, "the rehearsal has been told"
    train_live(trainer, 2)
    assert trainer.step == 4 and len(shown) == cards + 2, "all steps asked for: no card"
    assert reached(trainer, 3)


@pytest.mark.parametrize("nonsense", ["0", "-1", "two", "1.5", "²"])
def test_nonsense_as_a_rehearsals_length_is_told_before_anything_is_trained(
    nonsense, small_trainer, monkeypatch
):
    monkeypatch.setenv(live.REHEARSAL, nonsense)
    trainer = small_trainer()
    with pytest.raises(ValueError, match=f"{live.REHEARSAL} is '{re.escape(nonsense)}': set it"):
        train_live(trainer, 3)
    assert trainer.step == 0


def test_a_batch_of_tokens_shows_each_with_its_mask():
    rows = [["a", "<end>", "<end>"], ["<b>", "c", "<end>"]]
    masks = [[1, 1, 0], [1, 1, 1]]
    page = token_grid(rows, masks, ["<end>"]).data
    assert page.count("<tr>") == 2 and page.count("<td") == 6
    assert page.count("<br>1</td>") == page.count("background:#") == 5
    assert page.count("<br>0</td>") == page.count("opacity") == 1
    assert page.count("currentColor") == 2  # the ends that are chosen, not the padding
    assert "&lt;b&gt;" in page
    with pytest.raises(ValueError):
        token_grid(rows, masks[:1], [])
