"""The checker: right answers pass, each typical mistake is named, nothing gets a traceback."""

import ast
import inspect
import json
import re
import sys
import textwrap
import threading
import time
from math import comb

import pytest
import torch

from grpo_mini.course import check, hint, predict, progress, solution
from grpo_mini.course.checker import EXERCISES, NOTEBOOKS, find
from grpo_mini.course.exercises import open_ended
from grpo_mini.course.memory import remembered
from grpo_mini.course.widgets.case_file import CaseFile

find("1.1")  # registers all
NUMBERS = list(EXERCISES)
THERE = [number for number in NUMBERS if any(NOTEBOOKS.glob(f"0{number[0]}_*.ipynb"))]
MISTAKES = [
    pytest.param(number, i, id=f"{number}-{i}")
    for number in NUMBERS
    for i in range(len(EXERCISES[number].mistakes))
]


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("GRPO_MINI_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setenv("GRPO_MINI_MY_GRPO", str(tmp_path / "my_grpo.py"))
    monkeypatch.setattr("grpo_mini.course.memory._done", set())
    monkeypatch.setattr("grpo_mini.course.checker._hints_given", {})


def test_there_are_at_least_14_exercises_with_three_hints_and_named_mistakes():
    assert len(NUMBERS) >= 14
    for entry in EXERCISES.values():
        assert len(entry.hints) == 3 and len(entry.mistakes) >= 2, entry.number


@pytest.mark.parametrize("number", NUMBERS)
def test_the_solution_is_right(number):
    assert check(number, EXERCISES[number].solution).status == "right"


@pytest.mark.parametrize(("number", "i"), MISTAKES)
def test_each_typical_mistake_gets_its_own_message(number, i):
    mistake = EXERCISES[number].mistakes[i]
    card = check(number, mistake.answer)
    assert card.status == "wrong"
    assert card.lines[0] == mistake.because


@pytest.mark.parametrize("number", NUMBERS)
def test_messages_of_an_exercise_differ(number):
    messages = [mistake.because for mistake in EXERCISES[number].mistakes]
    assert len(set(messages)) == len(messages)


def without_each_statement(function) -> list[tuple[str, str]]:
    """Source of a function, each time with another statement taken out."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    found = []
    for block in ast.walk(tree):
        for i, statement in enumerate(getattr(block, "body", [])):
            if block is tree or not isinstance(getattr(block, "body", None), list):
                continue
            block.body[i] = ast.Pass()
            found.append((ast.unparse(statement), ast.unparse(tree)))
            block.body[i] = statement
    return found


@pytest.mark.parametrize("number", NUMBERS)
def test_no_statement_of_a_solution_can_be_left_out(number):
    function = EXERCISES[number].solution
    for statement, source in without_each_statement(function):
        names = dict(vars(inspect.getmodule(function)))
        exec(compile(source, "<answer>", "exec"), names)
        card = check(number, names[function.__name__])
        assert card.status == "wrong", f"right without: {statement}"


@pytest.mark.parametrize("number", NUMBERS)
def test_a_stub_is_not_tried_yet(number):
    def stub(*arguments, **more):
        return ...

    assert check(number, stub).status == "not tried yet"


def raises(**inputs):
    raise KeyError("oh")


def loops(**inputs):
    while True:
        pass


def loops_and_catches(**inputs):
    while True:
        try:
            time.sleep(0.01)
        except:  # noqa: E722
            pass


@pytest.mark.parametrize("number", NUMBERS)
def test_a_function_that_raises_gets_a_card_with_its_line(number):
    card = check(number, raises)
    assert card.status == "wrong"
    assert "raised `KeyError: 'oh'` in the line `raise KeyError(\"oh\")`" in card.lines[0]


@pytest.mark.parametrize("number", ["3.7", "4.7"])
def test_sampling_from_the_model_is_none_of_the_answers_time(number, monkeypatch):
    """On a busy machine a right answer was refused as one that never returns."""
    monkeypatch.setattr("grpo_mini.course.checker.run.__defaults__", (1.0,))
    open_ended.sampled.cache_clear(), open_ended.states.cache_clear()
    slow = open_ended.load_policy

    def slower(*arguments, **options):
        time.sleep(1.2)
        return slow(*arguments, **options)

    monkeypatch.setattr(open_ended, "load_policy", slower)
    assert check(number, find(number).solution).status == "right"


@pytest.mark.parametrize("never", [loops, loops_and_catches])
def test_a_function_that_never_returns_gets_a_card(never, monkeypatch):
    monkeypatch.setattr("grpo_mini.course.checker.run.__defaults__", (0.3,))
    card = check("4.2", never)
    assert card.status == "wrong" and "did not return within" in card.lines[0]


def test_a_function_that_changes_its_inputs_gets_a_card():
    def answer(rewards, group_size):
        rewards -= rewards.mean()
        return rewards

    card = check("4.1", answer)
    assert card.status == "wrong" and "changed its input `rewards`" in card.lines[0]


@pytest.mark.parametrize(
    ("number", "answer", "message"),
    [
        ("1.3", lambda log_probs, mask: [1.0, 2.0], "returns a `list`, not a tensor of shape [2]"),
        ("1.3", lambda log_probs, mask: log_probs, "shape [2, 4], the result has shape [2]"),
        ("1.2", lambda tokens, end_ids: tokens > 0, "returns `torch.bool`"),
        ("4.2", lambda p, group_size: torch.zeros(2), "a tensor of shape [2], not a number"),
        ("4.2", lambda p, group_size: "0.5", "returns a `str`, not a number"),
        ("4.3", lambda rewards, group_size: torch.zeros(4, device="meta"), "the device `meta`"),
        ("3.3", lambda log_probs, ref_log_probs: log_probs.sum(), "not a tuple of 3"),
        ("3.3", lambda log_probs, ref_log_probs: (log_probs,), "returns 1 value, not 3"),
        ("3.3", lambda log_probs, ref_log_probs: (log_probs, 1 * log_probs, None),
         "At position 2 it returns a `NoneType`"),
        ("4.6", lambda *arguments: {}, "no 'advantages'; it has"),
        ("4.6", lambda *arguments: 3, "an `int`, not a dictionary with 'advantages'"),
        ("2.3", lambda log_probs, advantages: -(advantages * log_probs.detach()).mean(),
         "lets no gradient flow back to `log_probs`"),
        ("4.2", lambda: 0.5, "raised `TypeError: it takes (), and is called with (p, group_size)`"),
        ("4.2", lambda p, group_size: sys.exit(), "raised `SystemExit`"),
        ("4.2", 0.5, "Hand over the function itself"),
        ("4.2", lambda p, group_size: float("nan"), "It gives nan"),
        ("2.4", lambda log_probs: 3, "has to return a tensor of shape [4]"),
    ],
)  # fmt: skip
def test_results_of_the_wrong_kind_get_a_card_that_says_so(number, answer, message):
    card = check(number, answer)
    assert card.status == "wrong"
    assert message in " ".join(card.lines)


def test_a_function_without_return_is_told_so():
    def answer(p, group_size):
        p**group_size

    assert "is the `return` missing" in check("4.2", answer).lines[0]


def test_an_unknown_wrong_answer_shows_the_first_difference_and_the_inputs():
    card = check("4.3", lambda rewards, group_size: rewards * 0 + 7)
    assert card.lines[0] == "At index [0] it gives 7, right is 1."
    assert "rewards=[1, 0, 0, 0], group_size=4" in card.lines[1]


def test_a_function_that_returns_nothing_for_one_case_is_told_for_which():
    def answer(n, c, k):
        if c:
            return 1 - comb(n - c, k) / comb(n, k)

    card = check("1.5", answer)
    assert card.lines[0] == "Here it returns `None`." and "n=10, c=0, k=5" in card.lines[1]


def test_what_is_returned_and_none_is_not_called_a_missing_return():
    def answer(logits, penalty):
        return logits.grad

    assert check("3.4", answer).lines[0] == "Here it returns `None`."


def test_a_mistake_with_the_right_gradient_is_known_by_its_values_only():
    def answer(log_probs, ref_log_probs):
        d = ref_log_probs - log_probs
        return 2 - d, d**2 / 2, d.exp() - 1 - d

    texts = [mistake.because for mistake in EXERCISES["3.3"].mistakes]
    assert check("3.3", answer).lines[0] not in texts


def test_a_forgotten_return_is_no_stub_even_with_dots_in_it():
    def answer(log_probs, mask):
        (log_probs * mask)[..., 0]

    assert "is the `return` missing" in check("1.3", answer).lines[0]


def test_an_exercise_is_found_by_its_number_as_a_number():
    assert check(4.2, EXERCISES["4.2"].solution).status == "right"
    assert hint(4.2).title == "Hint 1 of 3 for exercise 4.2"


def test_a_difference_behind_the_sixth_digit_is_shown():
    right = EXERCISES["3.5"].solution
    card = check("3.5", lambda returns, values: round(right(returns, values), 4))
    got, wanted = re.search(r"It gives (\S+), right is (\S+)\.$", card.lines[-2]).groups()
    assert got != wanted


def test_a_sentence_about_the_inputs_is_short_and_says_no_addresses():
    card = check("3.4", lambda logits, penalty: logits * 0)
    assert "penalty=k2" in card.lines[-1] and " at 0x" not in card.lines[-1]


def test_a_loop_that_catches_everything_leaves_no_thread(monkeypatch):
    monkeypatch.setattr("grpo_mini.course.checker.run.__defaults__", (0.3,))
    before = threading.active_count()
    check("4.2", loops_and_catches)
    assert threading.active_count() == before


def test_a_right_value_with_a_wrong_gradient_is_wrong():
    def answer(log_probs, advantages):
        return -(advantages * (2 * log_probs - log_probs.detach())).mean()

    card = check("2.3", answer)
    assert card.status == "wrong" and "In the gradient, at index" in card.lines[0]


def test_an_unknown_exercise_is_refused():
    with pytest.raises(ValueError, match="there is no exercise '9.9'; there are: 1.1"):
        check("9.9", lambda: 0)


def test_hints_come_one_by_one():
    assert [len(hint("4.1").lines) for _ in range(4)] == [1, 2, 3, 3]


@pytest.mark.parametrize("number", NUMBERS)
def test_the_solution_card_shows_answer_and_module(number):
    entry, card = EXERCISES[number], solution(number)
    assert f"def {entry.solution.__name__}" in card.code
    for function in entry.module:
        assert inspect.getsource(function).strip() in card.code


def test_progress_is_remembered_in_a_file(tmp_path, monkeypatch):
    assert f"0 of {len(THERE)}" in progress().title
    check("4.2", EXERCISES["4.2"].solution)
    check("4.3", EXERCISES["4.3"].mistakes[0].answer)
    assert json.loads((tmp_path / "progress.json").read_text(encoding="utf-8")) == {"done": ["4.2"]}
    monkeypatch.setattr("grpo_mini.course.memory._done", set())  # a new kernel
    card = progress()
    assert f"1 of {len(THERE)}" in card.title and "4.2 ✓" in " ".join(card.lines)


def test_a_file_of_the_first_numbering_is_credited_under_the_new_numbers(tmp_path, monkeypatch):
    old = ["4.2", *(f"7.{i}" for i in range(1, 9)), "7.A", "8.1", "8.A"]
    (tmp_path / "progress.json").write_text(json.dumps(old), encoding="utf-8")
    zoo = {f"8.{i}" for i in range(1, 5)}
    assert remembered() == {"4.2", "7.A", *zoo, "9.1", "9.A"}
    check("4.3", EXERCISES["4.3"].solution)  # the file is written anew
    monkeypatch.setattr("grpo_mini.course.memory._done", set())
    assert remembered() == {"4.2", "4.3", "7.A", *zoo, "9.1", "9.A"}


def test_predictions_count_once_they_are_made_right_or_wrong():
    assert ", 0 of " in progress().title and "predictions 0 of 9" in " ".join(progress().lines)
    predict("5.A").commit()  # nothing chosen
    assert ", 0 of " in progress().title
    predict("5.A").commit(0)
    predict("5.A").commit(1)
    predict("5.B").commit(2)
    assert ", 2 of " in progress().title and "predictions 2 of 9" in " ".join(progress().lines)
    CaseFile("A").close(False)  # the zoo's cases are counted by themselves
    assert ", 2 of " in progress().title and "cases closed 1 of 8" in " ".join(progress().lines)


@pytest.mark.parametrize("content", ["", "{", "3", "{}", '{"done": 3}', '["nonsense"]'])
def test_a_damaged_progress_file_loses_nothing_that_cannot_be_solved_again(tmp_path, content):
    (tmp_path / "progress.json").write_text(content, encoding="utf-8")
    assert f"0 of {len(THERE)}" in progress().title
    check("4.2", EXERCISES["4.2"].solution)
    assert f"1 of {len(THERE)}" in progress().title


def test_cards_escape_what_they_show():
    card = check("1.4", lambda text, answer: "<b>" + text)
    assert "<b>" not in card._repr_html_().replace("<b>Exercise", "")
