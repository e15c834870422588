"""Cards, preflight, the toy example and live training, without a browser."""

import sys

import pytest
import torch
from matplotlib.figure import Figure

from grpo_mini.course import TOY, Card, live, preflight, show, table, train_live
from grpo_mini.course import cards as cards_module
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
    assert ">wrong</span>" in page, "the verdict stands in words, not only in colour"


def test_a_figure_comes_with_its_sentence(displayed):
    show(Figure(), "It is empty.")
    assert displayed[0].data[:4] == b"\x89PNG" and displayed[0].alt == "It is empty."
    assert displayed[1].data == "*In words:* It is empty."


def test_a_table_aligns_numbers_and_escapes_text():
    page = table([{"name": "<think>", "value": 0.12345, "n": 3}]).data
    assert "&lt;think&gt;" in page and "0.123" in page and "text-align:right'>3" in page


def test_preflight_is_green_here():
    card = preflight()
    assert card.status == "ok", card


def test_preflight_says_what_to_do_about_a_missing_model(tmp_path):
    card = preflight(tmp_path / "nothing")
    assert card.status == "problem"
    assert "PROBLEM" in card.lines[-1] and "hf download" in card.lines[-1]


def test_preflight_says_what_to_do_about_too_little_memory(monkeypatch):
    module = sys.modules["grpo_mini.course.preflight"]  # the name is the function too
    monkeypatch.setattr(module, "free_memory_mb", lambda: 100.0)
    card = preflight()
    assert card.status == "problem" and any("close other programs" in line for line in card.lines)


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
    history = train_live(small_trainer(), 2, every=0.0)
    assert [row["step"] for row in history] == [1, 2]
    texts = [u.data for u in updates if isinstance(u.data, str)]
    assert "step 1 of 2" in texts[0] and "to go" in texts[0] and "step 2 of 2" in texts[-1]
    assert sum(isinstance(u.data, bytes) for u in updates) == 2
