"""Twenty steps here and twenty in TRL, from the same start: do the two learn alike?

The rule was written before the runs. A curve is the mean reward of each five steps. The two agree
if in every window, and in the accuracy at the end, the means over seeds differ by no more than the
seeds of one of them do. That this can tell a difference is shown by a third setting: the same
folder with TRL's own learning rate schedule, which falls to 0; it has to be outside at the end.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean

import torch
from tqdm.auto import tqdm

from ...grpo import GRPOConfig, GRPOTrainer
from ...models import load_policy
from ...trainer import evaluate
from ..record import add_line, portable_config, provenance, read_runs, require_writable, write_run
from .start import gathered
from .to_trl import write_trl

SEEDS, STEPS, WINDOW = (0, 1, 2), 20, 5
HERE, THERE, CONTROL = "here", "TRL", "TRL, falling learning rate"
# TRL's names in trainer_state.json and ours.
METRICS = {"reward": "reward_mean", "completions/mean_length": "length_mean",
           "frac_reward_zero_std": "silent_group_share", "grad_norm": "grad_norm",
           "entropy": "entropy", "step_time": "seconds_step"}  # fmt: skip


def config(seed: int) -> GRPOConfig:
    """GRPO at its defaults, on one thread."""
    return GRPOConfig(seed=seed, device="cpu", threads=1)


def in_trl(seed: int, path: Path, setting: str) -> None:
    """Hand over, run run.sh with two processes of one thread, measure what it saved."""
    trainer = GRPOTrainer(config(seed))
    start = trainer.evaluate()
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": programs, "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "handover"
        write_trl(gathered(config(seed), STEPS), folder, {})
        options = ["--lr_scheduler_type", "linear"] if setting == CONTROL else []
        command = [folder / "run.sh", "cpu", *options]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, encoding="utf-8"
        )
        if done.returncode:
            raise ValueError(f"TRL failed: {done.stderr.strip().splitlines()[-1]}")
        state = folder / "out" / f"checkpoint-{STEPS}" / "trainer_state.json"
        logged = json.loads(state.read_text(encoding="utf-8"))["log_history"]
        model, tokenizer = load_policy(folder / "out", "cpu")
        end = evaluate(
            model, tokenizer, trainer.problems(True, 500, 0), trainer.task.reward, trainer.config
        )
    rows = [{"step": 0} | start]
    rows += [{"step": row["step"]} | {ours: row[theirs] for theirs, ours in METRICS.items()}
             for row in logged if "reward" in row]  # fmt: skip
    rows[-1] |= end
    metrics = dict.fromkeys(name for row in rows for name in row)
    made = provenance(1)
    made["versions"] |= {name: version(name) for name in ("trl", "accelerate", "datasets")}
    header = {"algorithm": f"TRL {version('trl')} GRPOTrainer", "config": portable_config(trainer),
              "experiment": "handover", "setting": setting, **made}  # fmt: skip
    add_line(path, {"run": header, "history": {m: [r.get(m) for r in rows] for m in metrics}})


def compare(path: Path) -> None:
    """Make the runs and write them down; those that are there are kept."""
    require_writable(path)
    if find_spec("trl") is None:
        raise ValueError("this trains with TRL too: pip install -e '.[test]'")
    there = made(path) if path.exists() else set()
    torch.set_num_threads(1)
    left = [(s, seed) for seed in SEEDS for s in (HERE, THERE, CONTROL) if (s, seed) not in there]
    for setting, seed in tqdm(left, desc="handover", unit="run"):
        if setting == HERE:
            trainer = GRPOTrainer(config(seed))
            trainer.train(STEPS, evaluate_every=STEPS, on_step=lambda row: None)
            write_run(path, trainer, experiment="handover", setting=HERE)
        else:
            in_trl(seed, path, setting)
    print("\n".join(told(path)))


def made(path: Path) -> set[tuple[str, int]]:
    """Setting and seed of the runs that are there."""
    return {(header["setting"], header["config"]["seed"]) for header, _ in read_runs(path)}


def curves(path: Path) -> dict[str, list[list[float]]]:
    """By setting, a list a seed: the mean reward of each window, and the accuracy at the end."""
    found: dict[str, list[list[float]]] = {}
    for header, rows in read_runs(path):
        rewards = [row["reward_mean"] for row in rows if "reward_mean" in row]
        windows = [fmean(rewards[i : i + WINDOW]) for i in range(0, STEPS, WINDOW)]
        found.setdefault(header["setting"], []).append([*windows, rows[-1]["eval_accuracy"]])
    return found


def apart(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> list[float]:
    """For each window: the difference of the means over seeds, in units of the seeds' spread."""
    found = []
    for a, b in zip(zip(*first, strict=True), zip(*second, strict=True), strict=True):
        spread = max(max(a) - min(a), max(b) - min(b))
        found.append((fmean(b) - fmean(a)) / spread)
    return found


def told(path: Path) -> list[str]:
    """A table: each setting's curve, and how far it is from ours."""
    found = curves(path)
    heads = [f"{i + 1}-{i + WINDOW}" for i in range(0, STEPS, WINDOW)]
    lines = [f"{'mean reward of steps':<28}" + "".join(f"{h:>9}" for h in [*heads, "right"])]
    for setting, runs in found.items():
        means = [fmean(values) for values in zip(*runs, strict=True)]
        lines.append(f"{setting:<28}" + "".join(f"{mean:9.3f}" for mean in means))
        if setting != HERE:
            distances = apart(found[HERE], runs)
            lines.append(f"{'  apart, in spreads':<28}" + "".join(f"{d:9.2f}" for d in distances))
    return lines
