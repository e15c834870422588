"""The README stays true: its commands parse, its files exist, its example runs."""

import re
import shlex
from pathlib import Path

from grpo_mini.__main__ import build_parser

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()
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
                parser.parse_known_args(words) if words[0] == "cost" else parser.parse_args(words)
    assert {"train", "evaluate", "sample", "cost", "warmstart"} <= set(seen)


def test_the_example_runs():
    code = next(block for language, block in BLOCKS if language == "python")
    code = code.replace("steps=10", "steps=1").replace(
        "group_size=8", "group_size=2, prompts_per_step=4, train_problems=64"
    )
    names: dict = {}
    exec(code, names)
    assert names["trainer"].step == 1
