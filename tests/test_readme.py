"""The README stays true: its commands parse, its files exist, its example runs."""

import json
import math
import re
import shlex
import tomllib
from pathlib import Path
from statistics import fmean

import pytest
import yaml

from grpo_mini.__main__ import OWN_FILE
from grpo_mini.course.checker import EXERCISES
from grpo_mini.experiments.commands import build_parser
from grpo_mini.experiments.statistics import final, load
from grpo_mini.grpo import GRPOConfig
from grpo_mini.ppo import PPOConfig
from tests.pieces import smallest_good

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
FOR_THOSE_WHO_CARRY_ON = ("CONTRIBUTING.md", "grpo_mini/README.md", "CHANGELOG.md")
BLOCKS = dict.fromkeys(re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL))


def test_files_and_pictures_exist():
    names = re.findall(
        r"`((?:grpo_mini|notebooks|data|\.github|\.binder|\.devcontainer)/[\w./-]*)`", TEXT
    )
    names += re.findall(r"!\[[^]]*\]\(([^)]+)\)", TEXT)
    assert len(names) > 8
    assert not [name for name in names if not (ROOT / name).exists()]


@pytest.mark.parametrize("document", FOR_THOSE_WHO_CARRY_ON)
def test_files_and_commands_of_the_other_documents_exist(document):
    path = ROOT / document
    text = path.read_text(encoding="utf-8")
    assert document == "CHANGELOG.md" or f"`{document}`" in TEXT
    for name in re.findall(r"`([\w./-]+\.(?:py|md|toml|yml|json|cff)|[\w/-]+/)`", text):
        # The map names a folder's files by their own names.
        places = (ROOT, path.parent, *(p for p in (ROOT / "grpo_mini").iterdir() if p.is_dir()))
        assert any((place / name).exists() for place in places), name
    for target in re.findall(r"`make ([a-z-]+)", text):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M), (
            target
        )
    for words in re.findall(r"`python -m grpo_mini ([^`]+)`", text):
        build_parser().parse_known_args(words.split())


def test_the_map_names_every_core_file_and_what_it_says_is_there():
    text = (ROOT / "grpo_mini" / "README.md").read_text(encoding="utf-8")
    core = {path.name for path in (ROOT / "grpo_mini").glob("[!_]*.py")}
    assert core <= set(re.findall(r"\w+\.py", text))
    code = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "grpo_mini").rglob("*.py"))
    names = set(re.findall(r"`(?:\w+\.)?(\w+)`", text)) - {"py"}
    assert {name for name in names if not re.search(rf"\b(def|class) {name}\b", code)} == set()


def test_every_shape_suffix_of_the_core_is_in_the_table():
    core = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "grpo_mini").glob("*.py"))
    table = (
        (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Names of tensors")[2]
    )
    letters = set(re.findall(r"^\| `(\w)` \|", table, re.M))
    assert set("".join(re.findall(r"\b[a-z_]+_([A-Z]+)\b", core))) == letters


def test_the_version_is_the_same_wherever_it_stands():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "version"
    ]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    zenodo = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)[1]
    assert citation["version"] == zenodo["version"] == newest == version
    assert zenodo["title"] == citation["title"] and zenodo["license"] == citation["license"]
    assert zenodo["description"] == citation["abstract"].strip()
    assert zenodo["keywords"] == citation["keywords"]
    assert zenodo["creators"] == citation["authors"]


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
    runs = [run.evaluations() for run in load("learning")["grpo"]]
    assert len(runs) == 10
    assert all(rows[0]["eval_accuracy"] <= 0.30 for rows in runs)
    slowest = max(
        next(row["train_seconds"] for row in rows if row["eval_accuracy"] >= 0.70) for rows in runs
    )
    last = [rows[-1]["eval_accuracy"] for rows in runs]
    quoted = re.search(
        r"reach 0.70 within (\d+) seconds of training, and their last measurement\s+"
        r"within 75 seconds is ([\d.]+) to ([\d.]+)",
        TEXT,
    )
    found = [f"{math.ceil(slowest)}", f"{min(last):.2f}", f"{max(last):.2f}"]
    assert list(quoted.groups()) == found


def test_the_figures_of_the_tuning_are_those_of_the_recorded_runs():
    def mean(label: str) -> float:
        return fmean(final(run) for run in load("tuning")[label])

    chosen = {
        "grpo": f"grpo-lr{GRPOConfig().learning_rate:.0e}",
        "ppo": f"ppo-lr{PPOConfig().learning_rate:.0e}",
    }
    quoted = re.search(r"there GRPO ends at\s+(\d\.\d+) and PPO at (\d\.\d+)", TEXT)
    assert list(quoted.groups()) == [f"{mean(label):.2f}" for label in chosen.values()]
    assert all(run.rows[-1]["samples"] == 7680 for run in load("tuning")[chosen["grpo"]])
    for name, label in chosen.items():  # the rule that stands above the experiment
        grid = [setting for setting in load("tuning") if setting.startswith(f"{name}-lr")]
        rates = {float(setting.split("-lr")[1]): mean(setting) for setting in grid}
        assert f"{name}-lr{smallest_good(rates):.0e}" == label


def test_the_figures_of_nothing_to_learn_are_those_of_the_recorded_runs():
    runs = load("nothing")
    assert all(final(run) == 0.29 for name in ("grpo", "ppo-skip") for run in runs[name])
    worst = max(final(run) for name in ("ppo-floor", "ppo-always") for run in runs[name])
    (quoted,) = re.search(r"is left with at most (\d\.\d+)", TEXT).groups()
    assert quoted == f"{worst:.2f}"


def test_the_table_is_that_of_the_recorded_demo():
    from grpo_mini.experiments.demo import table
    from grpo_mini.experiments.record import read_runs
    from grpo_mini.models import TINY_QWEN

    runs = read_runs(ROOT / "data" / "runs" / "demo.jsonl")
    histories = {header["algorithm"].removesuffix("Trainer"): rows for header, rows in runs}
    assert table(histories, str(TINY_QWEN)) in TEXT


def test_it_says_how_many_exercises_there_are():
    assert re.findall(r"(\d+) exercises", TEXT) == [str(len(EXERCISES))]
