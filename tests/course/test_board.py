"""The training board, without a browser."""

import time

from grpo_mini.course import TrainingBoard


def test_nothing_runs_until_a_button_is_pressed_and_one_step_is_one(small_trainer):
    board = TrainingBoard(small_trainer(), steps=3)
    assert not board.running and board.trainer.step == 0 and "step 0 of 3" in board.status.value
    before = board.picture.value
    board.buttons["One step"].click()
    board.wait()
    assert board.trainer.step == 1 and "step 1 of 3" in board.status.value
    assert board.picture.value != before and not board.running


def test_it_starts_pauses_goes_on_and_ends_at_its_goal(small_trainer):
    board = TrainingBoard(small_trainer(), steps=5)
    board.buttons["Start"].click()
    deadline = time.monotonic() + 60
    while board.trainer.step < 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    board.buttons["Pause"].click()
    board.wait()
    paused_at = board.trainer.step
    assert 1 <= paused_at < 5 and not board.running
    board.buttons["Start"].click()
    board.wait()
    assert board.trainer.step == 5 and [r["step"] for r in board.trainer.history] == [1, 2, 3, 4, 5]
    board.buttons["One step"].click()
    board.wait()
    assert board.trainer.step == 5, "the goal is reached"


def test_the_kernel_is_free_while_it_trains(small_trainer):
    board = TrainingBoard(small_trainer(), steps=2)
    start = time.perf_counter()
    board.start()
    assert time.perf_counter() - start < 0.2
    board.start()  # a second press changes nothing
    board.wait()
    assert board.trainer.step == 2


def test_an_error_in_the_training_is_shown_on_the_board(small_trainer):
    def reward(completions, **columns):
        raise KeyError("planted")

    board = TrainingBoard(small_trainer(reward=reward), steps=2)
    board.one_step()
    board.wait()
    assert "Stopped" in board.status.value and "planted" in board.status.value


def test_the_static_view_says_what_it_would_be(small_trainer):
    bundle = TrainingBoard(small_trainer())._repr_mimebundle_()
    assert "run this notebook in JupyterLab" in bundle["text/html"]
