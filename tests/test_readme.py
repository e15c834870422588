"""The README stays true: its commands parse, its files exist, its example runs."""

import math
import re
import shlex
from pathlib import Path

from grpo_mini.__main__ import OWN_FILE
from grpo_mini.experiments.commands import build_parser
from grpo_mini.experiments.statistics import load

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = dict.fromkeys(re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL))


def test_files_and_pictures_exist():
    names = re.findall(r"`((?:grpo_mini|notebooks|data)/[\w./-]*)`", TEXT)
    names += re.findall(r"!\[[^]]*\]\(([^)]+)\)", TEXT)
    assert len(names) > 8
    assert not [name for name in names if not (ROOT / name).exists()]


def test_commands_are_accepted_by_the_parser():
    parser, seen = build_parser(), []
    for _, block in BLOCKS:
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("python -m grpo_mini "):
                words = shlex.split(line, comments=True)[3:]
                seen.append(words[0])
                # A command with a file of its own reads its options there.
                parse = parser.parse_known_args if words[0] in OWN_FILE else parser.parse_args
                parse(words)
    assert {"train", "evaluate", "sample", "cost", "warmstart"} <= set(seen)


def test_the_example_runs():
    code = next(block for language, block in BLOCKS if language == "python")
    code = code.replace("steps=10", "steps=1").replace(
        "group_size=8", "group_size=2, prompts_per_step=4, train_problems=64"
    )
    names: dict = {}
    exec(code, names)
    assert names["trainer"].step == 1


def test_the_figures_of_the_learning_runs_are_those_of_the_recorded_runs():
    runs = [run.rows for run in load("learning")["grpo"]]

    def slowest(accuracy: float) -> float:
        return max(
            next(row["train_seconds"] for row in rows if row.get("eval_accuracy", 0) >= accuracy)
            for rows in runs
        )

    assert len(runs) == 10
    assert all(rows[0]["eval_accuracy"] <= 0.30 for rows in runs)
    quoted = re.search(r"reach 0.70 within (\d+) seconds of training, and 0.85 within (\d+)", TEXT)
    assert [int(q) for q in quoted.groups()] == [math.ceil(slowest(0.70)), math.ceil(slowest(0.85))]


def test_the_figures_of_ppo_are_those_of_the_recorded_runs():
    def runs(name: str) -> list[list[dict]]:
        return [run.rows for run in load("learning")[name]]

    def mean_at(step: int, name: str) -> float:
        values = [
            row["eval_accuracy"] for rows in runs(name) for row in rows if row["step"] == step
        ]
        assert len(values) == 10
        return sum(values) / 10

    reached = sum(any(r.get("eval_accuracy", 0) >= 0.70 for r in rows) for rows in runs("ppo"))
    assert f"PPO reaches 0.70 in {reached} of 10 seeds" in TEXT
    assert all(row["samples"] == 5120 for row in runs("ppo")[0] if row["step"] == 20)
    quoted = re.search(r"ten seeds are ([\d.]+) for GRPO\s+and ([\d.]+) for PPO", TEXT)
    found = [f"{mean_at(20, name):.2f}" for name in ("grpo", "ppo")]
    assert list(quoted.groups()) == found


def test_the_table_is_that_of_the_recorded_demo():
    from grpo_mini.experiments.demo import table
    from grpo_mini.experiments.record import read_runs
    from grpo_mini.models import TINY_QWEN

    runs = read_runs(ROOT / "data" / "runs" / "demo.jsonl")
    histories = {header["algorithm"].removesuffix("Trainer"): rows for header, rows in runs}
    assert table(histories, str(TINY_QWEN)) in TEXT
