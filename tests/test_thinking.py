"""A training watched: its record, its animation, and the one that opens the README."""

from pathlib import Path

import pytest
from PIL import Image

from grpo_mini import GRPOConfig, GRPOTrainer
from grpo_mini.__main__ import main
from grpo_mini.experiments.thinking import (
    Answer,
    answers,
    first_tokens,
    in_words,
    questions_of,
    read,
)

ROOT = Path(__file__).parents[1]
SMALL = {"prompts_per_step": 4, "group_size": 4, "train_problems": 64, "device": "cpu"}


def test_an_answer_is_taken_apart():
    thought = Answer("1+2+3=", "<think>1+2=3;3+3=6</think><answer>6</answer>", True)
    assert thought.thinks and thought.parts == ("1+2=3;3+3=6", "6")
    assert Answer("", "<answer>6</answer>", True).parts == ("", "6")
    twice = "<think>1+2=3</think><answer>3</think><answer>6</answer>"
    assert Answer("", twice, False).parts == ("1+2=3", "<answer>3</think><answer>6</answer>")
    endless = f"<think>{'1' * 20_001}</think>"
    for odd in (endless, "<answer>6", "6", "<think>1+2", "<answer>1</answer><answer>2</answer>x"):
        assert Answer("", odd, False).parts == ("", odd)
    assert in_words([thought, Answer("", "7", False)]) == "1 of 2 right, 1 of 2 think first"


def test_asking_leaves_the_training_alone_and_asks_alike():
    trainers = [GRPOTrainer(GRPOConfig(**SMALL)) for _ in range(2)]
    asked = questions_of(trainers[0])
    assert len(asked) == 8
    first = answers(trainers[0], asked)
    assert answers(trainers[0], asked) == first, "the same random numbers each time"
    for trainer in trainers:
        trainer.train(1, on_step=lambda row: None)
    answers(trainers[0], asked)
    for trainer in trainers:
        trainer.train(1, on_step=lambda row: None)
    rows = [trainer.history[-1] for trainer in trainers]
    assert rows[0]["reward_mean"] == rows[1]["reward_mean"]
    assert rows[0]["grad_norm"] == rows[1]["grad_norm"]


def test_the_chances_of_the_first_token_are_those_of_a_plain_forward_pass():
    trainer = GRPOTrainer(GRPOConfig(**SMALL))
    asked = questions_of(trainer)
    ids = trainer.tokenizer.convert_tokens_to_ids(["<think>", "<answer>"])
    for record, found in zip(asked, first_tokens(trainer, asked), strict=True):
        text = trainer.tokenizer.apply_chat_template(
            record["prompt"], add_generation_prompt=True, tokenize=False
        )
        tokens = trainer.tokenizer(text, return_tensors="pt").input_ids
        plain = trainer.policy(input_ids=tokens).logits[0, -1].softmax(dim=-1)[ids]
        assert found == pytest.approx(plain.tolist(), abs=1e-5)
        assert 0.1 < found[0] < 0.3 and sum(found) > 0.99


def test_a_trainer_whose_questions_nobody_knows_is_not_asked():
    own = [{"prompt": "1+1=", "answer": "2"}] * 8
    trainer = GRPOTrainer(
        GRPOConfig(**SMALL), lambda completions, **_: [0.0] * len(completions), own
    )
    assert questions_of(trainer) == [] and answers(trainer, []) == []


def test_what_is_recorded_is_drawn(tmp_path, capsys):
    out, gif = tmp_path / "t.jsonl", tmp_path / "t.gif"
    words = ["thinking", "--steps", "2", "--every", "1", "--out", str(out), "--gif", str(gif)]
    assert main(words) == 0
    rows = read(out)
    assert [row["step"] for row in rows] == [0, 1, 2]
    assert all(len(row["first"]) == 8 for row in rows)
    assert all(len(row["answers"]) == 8 for row in rows) and "reward" not in rows[0]
    assert Image.open(gif).n_frames == 3
    assert in_words(rows[0]["answers"]) in capsys.readouterr().out


def test_the_animation_of_the_readme_is_of_the_record_and_its_text_says_what_it_shows():
    rows = read(ROOT / "data" / "runs" / "thinking.jsonl")
    gif = ROOT / "notebooks" / "pictures" / "thinking.gif"
    assert gif.stat().st_size < 2_000_000
    assert Image.open(gif).n_frames == sum("answers" in row for row in rows)
    spelt = dict(enumerate("no one two three four five six seven eight".split())) | {8: "all eight"}
    before, after = (
        [sum(getattr(a, what) for a in rows[i]["answers"]) for what in ("right", "thinks")]
        for i in (0, -1)
    )
    said = (
        f"at first {spelt[before[0]]} of eight answers are right and {spelt[before[1]]} think "
        f"first, after forty steps {spelt[after[0]]} are right and {spelt[after[1]]} think first"
    )
    for page in (ROOT / "README.md", ROOT / "notebooks" / "00_start_here.ipynb"):
        assert said in page.read_text(encoding="utf-8"), said
    assert rows[-1]["step"] == 40
