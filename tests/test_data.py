"""data/README.md tells the truth: every file is listed, with its checksum."""

import hashlib
import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from grpo_mini.experiments.cost import ALGORITHMS
from grpo_mini.experiments.evidence import EXPERIMENTS, NOT_YET_RECORDED
from grpo_mini.experiments.gradients import MOMENTS
from grpo_mini.experiments.microscope import read_rollouts
from grpo_mini.experiments.record import provenance, read_lines, read_runs
from grpo_mini.tasks import TASKS, is_held_out

DATA = Path(__file__).parent.parent / "data"
ROW = re.compile(r"^\| `([^`]+)` \| `([0-9a-f]{64})` \| `([^`]+)` \|$", re.MULTILINE)
LISTED = {name: (checksum, command) for name, checksum, command in
          ROW.findall((DATA / "README.md").read_text(encoding="utf-8"))}  # fmt: skip
RUNS = DATA / "runs"
RECORDED = [
    pytest.param(header, rows, id=f"{path.stem}/{header.get('setting', header['algorithm'])}-{i}")
    for path in sorted(RUNS.glob("*.jsonl"))
    if path.stem not in ("cost", "gradients", "microscope", "thinking")
    for i, (header, rows) in enumerate(read_runs(path))
]
OF_EXPERIMENTS = [one for one in RECORDED if one.id.split("/")[0] in EXPERIMENTS]


def test_every_file_is_listed_and_nothing_else():
    files = {p.relative_to(DATA).as_posix() for p in DATA.rglob("*") if p.is_file()}
    assert set(LISTED) == files - {"README.md"}


@pytest.mark.parametrize("name", LISTED)
def test_checksum(name):
    assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == LISTED[name][0]


@pytest.mark.parametrize(
    "name",
    ["chain-sums", "spread-sums", "graded", "countdown", "cups", "words", "words-graded"],
)
def test_problems_are_those_of_the_seed_and_held_out(name):
    task = TASKS[name]
    lines = (DATA / "problems" / f"{task.name}.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    assert records == task.dataset(500, seed=0, held_out=True)
    assert all(is_held_out(record["prompt"][-1]["content"]) for record in records)


def made_by(header: dict) -> None:
    """Everything that is needed to make it again."""
    assert {"command", "commit", "versions", "machine"} <= set(header)
    assert not header["uncommitted_changes"], "made from code that nobody can check out"


@pytest.mark.parametrize(("header", "rows"), RECORDED)
def test_a_recorded_run_says_what_made_it(header, rows):
    made_by(header)
    assert {"algorithm", "config"} <= set(header)
    assert [row["step"] for row in rows] == list(range(len(rows)))


def test_the_recorded_rollouts_say_what_made_them():
    header, steps = read_rollouts(RUNS / "microscope.jsonl")
    made_by(header)
    assert list(steps) == sorted(steps) and all(steps.values())


@pytest.mark.parametrize(("header", "rows"), OF_EXPERIMENTS)
def test_a_run_of_an_experiment_is_one_of_its_settings_and_seeds(header, rows, request):
    """Fields that the configuration did not have when it was recorded are at their defaults."""
    experiment = EXPERIMENTS[request.node.callspec.id.split("/")[0]]
    setting = experiment.settings[header["setting"]]
    place = {"seed": header["config"]["seed"], "device": "cpu"}
    place["model_name"] = experiment.model.name
    config = asdict(setting.trainer.config_class(**setting.options | place))
    found = header["config"]
    unknown = {name: config[name] for name in set(config) - set(found)}
    assert all(config[name] == value for name, value in found.items() if name != "threads")
    defaults = asdict(setting.trainer.config_class())
    told = {"standardize_floor", "skip_equal_rewards"}  # as_first_edition says what they were
    assert all(value == defaults[name] for name, value in unknown.items() if name not in told)
    assert found["seed"] in experiment.seeds
    if experiment.seconds is None:
        steps = experiment.steps if setting.steps is None else setting.steps
        assert rows[-1]["step"] == steps or "diverged" in header


def test_every_experiment_is_recorded_in_one_file_and_whole():
    for name, experiment in EXPERIMENTS.items():
        path = RUNS / f"{name}.jsonl"
        begun = path.exists() or name not in NOT_YET_RECORDED
        found = [(h["setting"], h["config"]["seed"]) for h, _ in read_runs(path)] if begun else []
        assert len(set(found)) == len(found) and set(found) <= set(experiment.runs()), name
        whole = sorted(found) == sorted(experiment.runs())
        assert whole == (name not in NOT_YET_RECORDED), f"{name}: {len(found)} runs"


def test_each_cell_of_the_cost_ledger_says_what_made_it():
    for cell in read_lines(RUNS / "cost.jsonl"):
        made_by(cell["run"])
        assert set(cell) == {"run", *ALGORITHMS}


def test_each_moment_of_the_gradients_says_what_made_it():
    lines = read_lines(RUNS / "gradients.jsonl")
    for line in lines:
        made_by(line["run"])
    assert {line["run"]["step"] for line in lines} == set(MOMENTS)


def test_the_clone_stays_small():
    size = sum(p.stat().st_size for p in DATA.rglob("*") if p.is_file())
    assert size < 15e6


def test_what_a_notebook_made_names_no_command_that_nobody_gave(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/somewhere/ipykernel_launcher.py", "-f", "kernel.json"])
    assert provenance()["command"] == "a notebook"
    monkeypatch.setattr("sys.argv", ["grpo_mini", "demo", "--steps", "2"])
    assert provenance()["command"] == "python -m grpo_mini demo --steps 2"
