"""data/README.md tells the truth: every file is listed, with its checksum."""

import hashlib
import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from grpo_mini.experiments.cost import ALGORITHMS
from grpo_mini.experiments.evidence import EXPERIMENTS
from grpo_mini.support.record import read_run
from grpo_mini.tasks import TASKS, is_held_out

DATA = Path(__file__).parent.parent / "data"
ROW = re.compile(r"^\| `([^`]+)` \| `([0-9a-f]{64})` \| `([^`]+)` \|$", re.MULTILINE)
LISTED = {name: (checksum, command) for name, checksum, command in
          ROW.findall((DATA / "README.md").read_text())}  # fmt: skip
RUNS = sorted(p for p in (DATA / "runs").rglob("*.json*") if p.parent.name != "cost")
OF_EXPERIMENTS = [p for p in RUNS if p.parent.name in EXPERIMENTS and p.suffix == ".json"]
COST = sorted((DATA / "runs" / "cost").glob("*.json"))


def test_every_file_is_listed_and_nothing_else():
    files = {p.relative_to(DATA).as_posix() for p in DATA.rglob("*") if p.is_file()}
    assert set(LISTED) == files - {"README.md"}


@pytest.mark.parametrize("name", LISTED)
def test_checksum(name):
    assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == LISTED[name][0]


@pytest.mark.parametrize("name", ["chain-sums", "graded", "countdown"])
def test_problems_are_those_of_the_seed_and_held_out(name):
    task = TASKS[name]
    lines = (DATA / "problems" / f"{task.name}.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert records == task.dataset(500, seed=0, held_out=True)
    assert all(is_held_out(record["prompt"][-1]["content"]) for record in records)


@pytest.mark.parametrize("path", RUNS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recorded_run_says_what_made_it(path):
    header, rows = read_run(path)
    assert {"algorithm", "config", "command", "commit", "versions", "machine"} <= set(header)
    assert not header["uncommitted_changes"], "made from code that nobody can check out"
    steps = [row["step"] for row in rows]
    if path.parent.name == "microscope":  # rollouts of some of the steps
        assert steps == sorted(set(steps)) and all(row["groups"] for row in rows)
    else:
        assert steps == list(range(len(rows)))


@pytest.mark.parametrize("path", OF_EXPERIMENTS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_run_of_an_experiment_is_one_of_its_settings_and_seeds(path):
    name = path.parent.name
    header, rows = read_run(path)
    setting = EXPERIMENTS[name].settings[header["setting"]]
    config = asdict(setting.trainer.config_class(**setting.options))
    config |= {"seed": header["config"]["seed"], "model_name": "tiny-qwen", "device": "cpu"}
    assert header["config"] == config
    assert config["seed"] in EXPERIMENTS[name].seeds
    steps = EXPERIMENTS[name].steps if setting.steps is None else setting.steps
    assert rows[-1]["step"] == steps or "diverged" in header


@pytest.mark.parametrize("path", COST, ids=lambda path: path.stem)
def test_a_cell_of_the_cost_ledger_says_what_made_it(path):
    cell = json.loads(path.read_text())
    assert {"command", "commit", "versions", "machine"} <= set(cell["run"])
    assert not cell["run"]["uncommitted_changes"]
    assert set(cell) == {"run", *ALGORITHMS}


def test_the_clone_stays_small():
    size = sum(p.stat().st_size for p in DATA.rglob("*") if p.is_file())
    assert size < 15e6
