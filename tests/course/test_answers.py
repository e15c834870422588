"""What learners hand in: nothing wrong passes, nearly all of it is named, nothing right fails."""

import math
import re
from math import comb

import numpy as np
import pytest
import torch

from grpo_mini.advantages import standardize
from grpo_mini.course import check
from grpo_mini.course.mine import pieces
from tests.course import answers_01_02, answers_03_04, answers_07_08, answers_10, answers_open

FILES = (answers_01_02, answers_03_04, answers_07_08, answers_10, answers_open)
WRONG = {number: answers for file in FILES for number, answers in file.WRONG.items()}
RIGHT = {number: answers for file in FILES for number, answers in file.RIGHT.items()}
ONLY_NUMBERS = re.compile(r"At |It gives |In the gradient|Its gradient is|The value is right")


@pytest.fixture(autouse=True)
def own_files(tmp_path, monkeypatch):
    monkeypatch.setenv("GRPO_MINI_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setenv("GRPO_MINI_MY_GRPO", str(tmp_path / "none" / "my_grpo.py"))


def made(source: str):
    """The function that a learner's source defines."""
    names = {"torch": torch, "re": re, "math": math, "np": np, "comb": comb}
    names |= {"my": pieces, "standardize": standardize}  # for the steps
    source = source.strip()
    if source.startswith("lambda"):
        return eval(source, names)
    exec(source, names)
    return names[re.findall(r"^def (\w+)", source, re.M)[-1]]


def of(table: dict) -> list:
    return [
        pytest.param(number, source, id=f"{number} {what}")
        for number, answers in table.items()
        for what, source in answers.items()
    ]


def test_there_are_enough_of_them():
    assert sum(map(len, WRONG.values())) >= 250
    assert sum(map(len, RIGHT.values())) >= 60


@pytest.mark.parametrize("number", WRONG)
def test_no_wrong_answer_passes_and_nine_in_ten_are_named(number):
    cards = {what: check(number, made(source)) for what, source in WRONG[number].items()}
    assert {what for what, card in cards.items() if card.status != "wrong"} == set()
    bare = [what for what, card in cards.items() if ONLY_NUMBERS.match(card.lines[0])]
    assert len(bare) <= 0.1 * len(cards), bare


@pytest.mark.parametrize(("number", "source"), of(RIGHT))
def test_no_right_answer_fails(number, source):
    card = check(number, made(source))
    assert card.status == "right", card
