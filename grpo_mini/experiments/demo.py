"""The demo: GRPO and PPO from the same start, on the same number of samples.

Each algorithm trains in a process of its own, so that its peak memory is its own.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ..models import TINY_QWEN, count_parameters
from .commands import TRAINERS
from .options import Parser, whole
from .plots import learning_curves
from .record import read_runs, require_writable


def main(argv: Sequence[str]) -> None:
    """Train both, print the table, write the figure."""
    parser = Parser(
        prog="python -m grpo_mini demo",
        description="Train GRPO and PPO from the same start; print a table, write a figure.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--steps", type=whole(1), default=60, help="steps of 256 samples, each")
    parser.add_argument("--seed", type=whole(0), default=0, help="of problems and sampling")
    parser.add_argument("--model", default=str(TINY_QWEN), help="folder or hub id")
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="where results go")
    arguments = parser.parse_args(argv)

    record, picture = arguments.out / "demo.jsonl", arguments.out / "demo.png"
    require_writable(picture)
    record.unlink(missing_ok=True)
    for algorithm in TRAINERS:
        options = {
            "--algorithm": algorithm,
            "--steps": arguments.steps,
            "--seed": arguments.seed,
            "--model": arguments.model,
            "--evaluate-every": max(arguments.steps // 10, 1),
            "--record": record,
        }
        words = [str(word) for pair in options.items() for word in pair]
        command = [sys.executable, "-m", "grpo_mini", "train", *words]
        done = subprocess.run(command, stdout=subprocess.DEVNULL)
        if done.returncode:  # it has said why
            sys.exit(done.returncode)
    histories = {
        header["algorithm"].removesuffix("Trainer"): rows for header, rows in read_runs(record)
    }

    print(table(histories, arguments.model))
    figure = learning_curves(histories)
    figure.savefig(picture, dpi=150)
    print(f"\nfigure: {picture}")


def table(histories: dict[str, list[dict]], model: str) -> str:
    """The two runs side by side, as text."""
    columns = {name: _column(name, history, model) for name, history in histories.items()}
    labels = list(next(iter(columns.values())))
    lines = [" " * 30 + "".join(f"{name:>24}" for name in columns)]
    for label in labels:
        cells = "".join(f"{column[label]:>24}" for column in columns.values())
        lines.append(f"{label:<30}{cells}")
    return "\n".join(lines)


def _column(name: str, history: list[dict], model: str) -> dict[str, str]:
    evaluations = [row for row in history if "eval_accuracy" in row]
    first, last, steps = evaluations[0], evaluations[-1], history[1:]
    trainer_class = TRAINERS[name.lower()]
    trainer = trainer_class(trainer_class.config_class(model_name=model, device="cpu"))
    models = trainer.models().values()

    def right(row: dict) -> str:
        return f"{row['eval_accuracy']:.2f} [{row['eval_low']:.2f}, {row['eval_high']:.2f}]"

    def mean(metric: str) -> float:
        return sum(row.get(metric, 0.0) for row in steps) / len(steps)

    column = {
        "right before (95% interval)": right(first),
        "right after (95% interval)": right(last),
        "thinks first, before": f"{first['eval_think_share']:.2f}",
        "thinks first, after": f"{last['eval_think_share']:.2f}",
        "length before (tokens)": f"{first['eval_length']:.1f}",
        "length after (tokens)": f"{last['eval_length']:.1f}",
        "samples": f"{last['samples']:,}",
        "trainable parameters": f"{count_parameters(*models, trainable_only=True):,}",
        "resident parameters": f"{count_parameters(*models):,}",
        "peak memory (MB, process)": f"{last.get('peak_memory_mb', float('nan')):,.0f}",
        "training time (s)": f"{last['train_seconds']:.1f}",
    }
    for phase in ("generate", "reward", "score", "update"):
        column[f"  {phase} (s a step)"] = f"{mean(f'seconds_{phase}'):.3f}"
    return column
