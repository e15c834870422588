"""The real model's record as notebook 10 reads it: of no seed, one, or several."""

import json

import pytest

from grpo_mini.course.real_run import PAID, judged, recorded, right

ASKED = "Write one sentence about a fox near the river with exactly 7 words."


def line(setting: str, seed: int, shares: tuple[float, float]) -> str:
    evaluated = [{"eval_accuracy": s, "eval_low": s / 2, "eval_high": 2 * s} for s in shares]
    history = {name: [row[name] for row in evaluated] for name in evaluated[0]}
    header = {"setting": setting, "config": {"seed": seed}, "examples": [[ASKED, "A fox."]]}
    return json.dumps({"run": header, "history": history | {"step": [0, 24]}}) + "\n"


def test_nothing_recorded_is_nothing_to_show(tmp_path):
    assert recorded(tmp_path) == {}


def test_one_seed_has_the_interval_of_its_questions_and_three_that_of_the_seeds(tmp_path):
    ends = (0.3, 0.4, 0.5)
    lines = [line("grpo", seed, (0.1, end)) for seed, end in enumerate(ends)]
    text = "".join([*lines, line("ppo", 0, (0.1, 0.2))])
    (tmp_path / "real.jsonl").write_text(text, encoding="utf-8")
    runs = recorded(tmp_path)
    assert list(runs) == ["grpo", "ppo"] and len(runs["grpo"]) == 3
    assert right(runs["ppo"], -1) == (0.2, 0.1, 0.4)
    three = right(runs["grpo"], -1)
    assert three.mean == pytest.approx(0.4) and 0 <= three.low < 0.3 and 0.5 < three.high <= 1
    assert right(runs["grpo"], 0) == pytest.approx((0.1, 0.1, 0.1))


def test_a_cheat_is_told_from_an_honest_sentence():
    texts = ("The fox drinks from the cold river.", "Fox Fox Fox Fox Fox Fox River.", "A fox.")
    rows = judged([[ASKED, text] for text in texts])
    assert [(row["count pays"], row["verifier pays"]) for row in rows] == [(1, 1), (1, 0), (0, 0)]
    assert rows[0]["about"] == "fox, river" and rows[0]["words"] == 7
    with pytest.raises(ValueError, match="no question of the task words: '17"):
        judged([["17+25=", "42"]])


def test_every_setting_of_the_experiment_is_named():
    from grpo_mini.experiments.evidence import EXPERIMENTS

    assert set(PAID) == set(EXPERIMENTS["real"].settings)
