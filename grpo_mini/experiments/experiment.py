"""Run an experiment: its runs side by side, one a core, all into one file.

A run that is recorded is not made again, so an experiment that was killed goes on where it was.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path

import torch
from tqdm.auto import tqdm

from ..machine.threads import lent_cores
from ..rollout import sample
from ..support.rewards import call_reward
from ..tasks import get_task, is_right
from ..trainer import Trainer, TrainingDivergedError
from .evidence import EXPERIMENTS, NOT_YET_RECORDED, Experiment, Setting
from .manifest import MADE_BY
from .options import Parser, whole
from .record import REPOSITORY, portable, read_lines, require_writable, write_run
from .statistics import RUNS, Interval, bootstrap, final, load
from .thinking import answers, questions_of

INTERRUPTED = 130  # what a command exits with after Ctrl-C


def runs_file(out: Path, name: str) -> Path:
    """Where an experiment's runs are recorded."""
    return out / f"{name}.jsonl"


def made(out: Path, name: str) -> set[tuple[str, int]]:
    """Label and seed of the runs that are there.

    Raises:
        ValueError: one was made with other options than its setting has now.
    """
    path, settings = runs_file(out, name), EXPERIMENTS[name].settings
    runs = [line["run"] for line in read_lines(path)] if path.exists() else []
    for run in runs:
        if run["setting"] not in settings:
            raise ValueError(f"{path} has a run {run['setting']!r}, which {name} has not: move it")
        now = settings[run["setting"]].options
        was = {option: run["config"].get(option, value) for option, value in now.items()}
        if was != now:
            raise ValueError(
                f"{path} has a run {run['setting']!r} with other options, {was}, and not {now}: "
                f"move the file away"
            )
    return {(run["setting"], run["config"]["seed"]) for run in runs}


def make_trainer(setting: Setting, seed: int, model: str, threads: int = 1) -> Trainer:
    """The setting's trainer for that seed. With the threads told, its digits can be made again."""
    config_class = setting.trainer.config_class
    unknown = set(setting.options) - {field.name for field in fields(config_class)}
    if unknown:
        raise ValueError(f"{config_class.__name__} has no {', '.join(sorted(unknown))}")
    place = {"seed": seed, "model_name": model, "device": "cpu", "threads": threads}
    return setting.trainer(config_class(**setting.options | place), setting.judge)


def run_one(out: Path, name: str, label: str, seed: int, model: str | None) -> None:
    """Train one setting from one seed and record it with a few last responses."""
    experiment = EXPERIMENTS[name]
    torch.set_num_threads(experiment.threads)
    setting = experiment.settings[label]
    trainer = make_trainer(setting, seed, model or str(experiment.model), experiment.threads)
    trainer.evaluate = partial(trainer.evaluate, size=experiment.held_out)
    about = {"experiment": name, "setting": label}
    if not experiment.model.is_relative_to(REPOSITORY):  # nobody can ask it again
        asked = answers(trainer, questions_of(trainer))
        about["examples_before"] = [[each.question, each.text[:200]] for each in asked]
    steps = experiment.steps if setting.steps is None else setting.steps
    try:
        trainer.train(steps, evaluate_every=experiment.evaluate_every, seconds=experiment.seconds)
    except TrainingDivergedError as error:  # a result like any other
        about["diverged"] = str(error)
    else:
        records = trainer.next_prompts()[:4]
        rollout = trainer.generate_responses(records)
        size = len(rollout) // len(records)
        about["examples"] = [[r["prompt"][-1]["content"], rollout.texts[i * size][:200]]
                             for i, r in enumerate(records)]  # fmt: skip
        if experiment.samples_at_end:
            about["right"] = right_answers(trainer, experiment.samples_at_end)
            about["samples_at_end"] = experiment.samples_at_end
    write_run(runs_file(out, name), trainer, **about)


def right_answers(trainer: Trainer, samples: int, problems: int = 100) -> list[int]:
    """How many of so many responses to each held-out problem are right."""
    config, task = trainer.config, get_task(trainer.config.task)
    records = task.dataset(problems, seed=0, held_out=True)
    generator = torch.Generator().manual_seed(config.seed)
    counts = []
    for record in records:
        rollout = sample(
            trainer.policy, trainer.tokenizer, [record["prompt"]], samples,
            config.max_new_tokens, config.temperature, generator,
        )  # fmt: skip
        rewards = call_reward(task.reward, [record], rollout)
        counts.append(int(is_right(rewards, task.full_reward).sum()))
    return counts


def run_all(
    out: Path,
    name: str,
    experiment: Experiment,
    workers: int,
    model: str | None,
    seeds: Sequence[int],
) -> None:
    """Make the runs that are not recorded yet, as many at a time as there are cores for."""
    there = made(out, name)
    left = [run for run in experiment.runs() if run[1] in seeds and run not in there]
    workers = max(workers // experiment.threads, 1)
    running: dict[subprocess.Popen, tuple] = {}
    number = str(experiment.threads)
    environment = os.environ | {"OMP_NUM_THREADS": number, "HF_HUB_OFFLINE": "1"}
    progress = tqdm(total=len(left), desc=name, unit="run", dynamic_ncols=True)
    try:
        while left or running:
            while left and len(running) < workers:
                label, seed = left.pop(0)
                command = [
                    *(sys.executable, "-m", "grpo_mini", "experiment", name, "--one", label),
                    *("--seeds", str(seed), "--out", str(out)),
                    *(("--model", model) if model else ()),
                ]
                told = tempfile.TemporaryFile()  # a pipe would be full after some progress bars
                running[subprocess.Popen(command, stderr=told, env=environment)] = (
                    label, seed, told,
                )  # fmt: skip
            time.sleep(0.2)
            for worker in [worker for worker in running if worker.poll() is not None]:
                label, seed, told = running.pop(worker)
                if worker.returncode == INTERRUPTED:
                    raise KeyboardInterrupt
                told.seek(0)
                errors = told.read().decode(errors="replace").strip().splitlines()
                told.close()
                if worker.returncode:
                    raise ValueError(
                        f"the run {label!r} of seed {seed} failed: "
                        f"{errors[-1] if errors else 'no message'}\n"
                        f"try it alone: {' '.join(map(str, worker.args))}"
                    )
                progress.update()
                progress.set_postfix_str(f"{label}, seed {seed}")
    finally:
        for worker in running:
            worker.terminate()
        progress.close()


def compare(out: Path, record: Path = RUNS) -> list[str]:
    """Final accuracies of the runs in ``out`` beside those of the record, a line a setting.

    On the machine kind and the versions of the record a run repeats to the last digit. Elsewhere
    rounding parts the runs, and the mean over seeds should fall into the recorded interval.
    """
    lines = [f"{'setting':<36}{'recorded':>20}{'made again':>12}"]
    for name in (name for name in EXPERIMENTS if runs_file(out, name).exists()):
        recorded = load(name, record)
        for label, runs in load(name, out).items():
            seeds = {run.seed for run in runs}
            before = [final(run) for run in recorded.get(label, ()) if run.seed in seeds]
            if not before:
                lines.append(f"{f'{name}/{label}':<36}{'not recorded':>20}")
                continue
            again = [final(run) for run in runs]
            mean = sum(again) / len(again)
            interval = bootstrap(before) if len(before) > 1 else Interval(*before * 3)
            if again == before:
                word = "the same"
            else:
                word = "inside" if interval.low <= mean <= interval.high else "OUTSIDE"
            lines.append(f"{f'{name}/{label}':<36}{interval!s:>20}{mean:>12.2f}  {word}")
    return lines


def main(argv: Sequence[str]) -> None:
    """Make an experiment's runs."""
    parser = Parser(
        prog="python -m grpo_mini experiment",
        description="Make the runs of an experiment; those that are there are kept.",
    )
    parser.add_argument(
        "name",
        nargs="?",
        choices=[*EXPERIMENTS, "all"],
        metavar="NAME",
        help="see --list; or: all that are recorded and start from a model in data/",
    )
    parser.add_argument("--list", action="store_true", help="name the experiments")
    parser.add_argument("--resume", action="store_true", help="go on with an experiment begun")
    parser.add_argument(
        "--compare", action="store_true", help="compare the runs in --out with the recorded ones"
    )
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder [runs]")
    parser.add_argument("--seeds", type=whole(0), nargs="+", help="only these [all]")
    parser.add_argument("--workers", type=whole(1), default=lent_cores(), help="cores to use [all]")
    parser.add_argument("--model", help="folder or hub id [the experiment's]")
    parser.add_argument("--one", metavar="SETTING", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.list:
        for name, experiment in EXPERIMENTS.items():
            settings = ", ".join(experiment.settings)
            mark = " (not recorded yet)" if name in NOT_YET_RECORDED else ""
            print(f"{name}: {experiment.question}{mark}")
            print(f"    {len(experiment.runs())} runs of {experiment.steps} steps: {settings}")
        return
    if arguments.compare:
        print("\n".join(compare(arguments.out)))
        return
    if arguments.name is None:
        parser.error(f"which experiment? There are: {', '.join(EXPERIMENTS)}, or all")
    names = [arguments.name]
    if arguments.name == "all":
        names = [
            name
            for name, experiment in EXPERIMENTS.items()
            if name not in NOT_YET_RECORDED and experiment.model.is_relative_to(REPOSITORY)
        ]
    for name in names:
        known = EXPERIMENTS[name].seeds
        if len(names) == 1 and (unknown := set(arguments.seeds or ()) - set(known)):
            raise ValueError(f"{name} has the seeds {known}, not {sorted(unknown)}")
        start = EXPERIMENTS[name].model
        if arguments.model is None and not start.is_dir():
            raise ValueError(
                f"{name} starts from {portable(str(start))}, which is not made yet: "
                f"{MADE_BY[f'{start.name}/*']} makes it"
            )
        begun = made(arguments.out, name)
        if begun and not arguments.resume and not arguments.one:
            raise ValueError(
                f"{runs_file(arguments.out, name)} has {len(begun)} runs already; add --resume to "
                f"keep them and make the others, or choose another folder with --out"
            )
        require_writable(runs_file(arguments.out, name))
    if arguments.one:
        run_one(arguments.out, names[0], arguments.one, arguments.seeds[0], arguments.model)
        return
    for name in names:
        experiment = EXPERIMENTS[name]
        seeds = arguments.seeds or experiment.seeds
        run_all(arguments.out, name, experiment, arguments.workers, arguments.model, seeds)
