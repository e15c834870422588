"""The training board, without a browser."""

import contextvars
import itertools
import threading
import time

import ipywidgets
import pytest

from grpo_mini.course import TrainingBoard
from grpo_mini.course.widgets.board import ONE_STEP, PAUSE, PLAY, RESET


def until(board, step: int) -> None:
    deadline = time.monotonic() + 60
    while board.trainer.step < step and time.monotonic() < deadline:
        time.sleep(0.01)


def test_nothing_runs_until_a_button_is_pressed_and_one_step_is_one(small_trainer):
    board = TrainingBoard(small_trainer(), steps=3)
    assert not board.running and board.trainer.step == 0 and "step 0 of 3" in board.status.value
    assert "ready: press Play" in board.status.value
    before = board.picture.value
    board.buttons[ONE_STEP].click()
    board.wait()
    assert board.trainer.step == 1 and "step 1 of 3" in board.status.value
    assert board.picture.value != before and board.state == "paused"


def test_it_plays_pauses_goes_on_and_ends_at_its_goal(small_trainer):
    board = TrainingBoard(small_trainer(), steps=5)
    board.buttons[PLAY].click()
    until(board, 1)
    board.buttons[PAUSE].click()
    board.wait()
    paused_at = board.trainer.step
    assert 1 <= paused_at < 5 and not board.running
    board.buttons[PLAY].click()
    board.wait()
    assert board.trainer.step == 5 and [r["step"] for r in board.trainer.history] == [1, 2, 3, 4, 5]
    assert board.state == "done" and "<b>done</b>" in board.status.value
    board.press(ONE_STEP)
    board.wait()
    assert board.trainer.step == 5, "the goal is reached"


def test_reset_goes_back_to_the_very_start(small_trainer):
    board = TrainingBoard(small_trainer(), steps=3)
    start = board.picture.value
    board.press(PLAY)
    board.wait()
    first = [row["reward_mean"] for row in board.trainer.history]
    weights = [p.detach().clone() for p in board.trainer.policy.parameters()]
    board.press(RESET)
    board.wait()
    assert board.trainer.step == 0 and board.trainer.history == []
    assert board.picture.value == start and board.state == "ready: press Play"
    board.press(PLAY)
    board.wait()
    assert [row["reward_mean"] for row in board.trainer.history] == first
    for now, then in zip(board.trainer.policy.parameters(), weights, strict=True):
        assert (now == then).all()


@pytest.fixture(scope="module")
def gated(small_trainer):
    """A board whose trainer waits in the middle of each step until it is let go on.

    What it would draw is the same for all presses, and is not drawn.
    """
    trainer = small_trainer()
    train, inside, go = trainer.train, threading.Event(), threading.Event()

    def slowly(steps, **options):
        inside.set()
        assert go.wait(30)
        return train(steps, **options)

    trainer.train = slowly
    board = TrainingBoard(trainer, steps=1000)
    board.watch.curves = lambda: "curves"
    board.watch.ask = lambda: None
    return board, inside, go


@pytest.mark.parametrize("during", [False, True], ids=["between steps", "during a step"])
@pytest.mark.parametrize(
    ("first", "second"), list(itertools.product((PLAY, PAUSE, ONE_STEP, RESET), repeat=2))
)
def test_every_two_presses_lead_to_what_the_second_says(gated, first, second, during):
    board, inside, go = gated
    go.set()
    board.press(RESET)
    board.wait()
    if during:
        go.clear(), inside.clear()
        board.press(ONE_STEP)
        assert inside.wait(30)
    started = board.trainer.step + during  # what will have been done when that step ends
    board.press(first)
    if not during:  # let the first press be done, or at least begun
        board.wait() if first in (ONE_STEP, RESET) else until(board, started + (first == PLAY))
        started = board.trainer.step
    board.press(second)
    go.set()
    if second == PLAY:
        until(board, started + 2)
        assert board.state == "training" and board.trainer.step >= started + 2
        board.press(PAUSE)
    board.wait()
    assert not board.running
    if second == RESET:
        assert board.trainer.step == 0 and board.state == "ready: press Play"
    late = not during and first == PLAY  # a step may have begun before the second press
    if second == PAUSE:
        assert board.trainer.step <= started + late + (not during) and board.state != "training"
    if second == ONE_STEP:
        assert started + 1 <= board.trainer.step <= started + 1 + 2 * late
        assert board.state == "paused"


def test_buttons_that_would_do_nothing_are_disabled_and_say_why(small_trainer):
    board = TrainingBoard(small_trainer(), steps=1)

    def idle():
        return {name: b.tooltip for name, b in board.buttons.items() if b.disabled}

    assert idle() == {PAUSE: "Pause: nothing runs", RESET: "Reset: it is at its start"}
    board.press(PLAY)
    board.wait()
    assert set(idle()) == {PLAY, ONE_STEP, PAUSE} and "Reset goes back" in idle()[PLAY]


def test_the_kernel_is_free_while_it_trains(small_trainer):
    board = TrainingBoard(small_trainer(), steps=2)
    start = time.perf_counter()
    board.press(PLAY)
    assert time.perf_counter() - start < 0.2
    board.press(PLAY)  # a second press changes nothing
    board.wait()
    assert board.trainer.step == 2


def test_a_second_board_on_a_trainer_says_no_while_the_first_trains(small_trainer):
    trainer = small_trainer()
    first = TrainingBoard(trainer, steps=50)
    first.press(PLAY)
    with pytest.raises(ValueError, match="another board is training this trainer"):
        TrainingBoard(trainer)
    first.press(PAUSE)
    first.wait()
    second = TrainingBoard(trainer)
    assert first.state == "another board has this trainer now"
    assert all(button.disabled for button in first.buttons.values())
    first.press(PLAY)
    assert not first.running and not second.running


def test_an_error_in_the_training_is_shown_on_the_board(small_trainer):
    def reward(completions, **columns):
        raise KeyError("planted")

    board = TrainingBoard(small_trainer(reward=reward), steps=2)
    board.press(ONE_STEP)
    board.wait()
    assert "Stopped" in board.status.value and "planted" in board.status.value
    assert not board.running


def test_the_static_view_shows_the_start_and_says_what_to_do(small_trainer):
    page, _ = TrainingBoard(small_trainer()).static()
    assert "run this cell in JupyterLab" in page
    assert "data:image/png;base64," in page


def test_presses_stay_in_order_where_each_is_handed_to_who_last_told_its_button(
    small_trainer, monkeypatch
):
    """ipykernel 7 asks so; here: all buttons are told each time, and each time by the same."""
    who, told = contextvars.ContextVar("who", default="the cell"), []
    monkeypatch.setattr(
        ipywidgets.Button, "send_state",
        lambda button, key: told.append((button.description, who.get())),
    )  # fmt: skip
    board = TrainingBoard(small_trainer(), steps=3)
    assert set(told) == {(name, "the cell") for name in board.buttons}
    told.clear()
    pressed = contextvars.copy_context()
    pressed.run(who.set, "a press")
    pressed.run(board.press, ONE_STEP)
    board.wait()
    assert set(told) == {(name, "a press") for name in board.buttons}
