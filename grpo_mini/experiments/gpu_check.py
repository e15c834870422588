"""Everything that is different on a GPU, measured by one command, in one table and one file.

Do sampled and scored log-probs agree? Does the tiny Qwen learn under both trainers? How long does
each phase of a step take and how much memory, for the tiny Qwen and for Qwen2-0.5B's geometry, and
how does that compare with TRL's step? What does a pass cost before its first token?
"""

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from ..grpo import GRPOConfig, GRPOTrainer
from ..machine.device import peak_memory_mb
from ..ppo import PPOConfig, PPOTrainer
from ..rollout import disagreement, sample
from ..support.checkpoints import atomic_write
from ..support.partition import pass_cost
from ..tasks import TASKS
from .cost import build, measured_apart
from .options import Parser, whole
from .record import provenance, require_writable

TASK = TASKS["chain-sums"]
# Name of the geometry, prompts, samples of each, longest response, products in bfloat16.
SIZES = (("tiny", 32, 8, 64, False), ("qwen2-0.5b", 8, 8, 128, True))
SMALL = (("tiny", 2, 2, 8, False), ("tiny", 2, 2, 8, True))  # to try the command on a CPU


def row(what: str, ours: str, note: str = "", trl: str = "") -> dict[str, str]:
    """A line of the table."""
    return {"what": what, "ours": ours, "TRL": trl, "note": note}


def agreement(device: str, sizes: Sequence) -> list[dict]:
    """Sampled, scored and plainly computed log-probs, in float32 and in bfloat16 products."""
    rows = []
    prompts = [record["prompt"] for record in TASK.dataset(8, seed=1)]
    for name in dict.fromkeys(name for name, *_ in sizes):
        model, tokenizer = build(name, device)
        for autocast, limit in ((False, 1e-3), (True, 0.1)):
            with torch.autocast(device, dtype=torch.bfloat16, enabled=autocast):
                rollout = sample(model, tokenizer, prompts, 2, 32)
                gap = disagreement(model, rollout, rows=16)
            kind = "autocast" if autocast else "float32"
            word = "ok" if gap < limit else "TOO FAR"
            rows.append(row(f"log-probs, {name}, {kind}", f"{gap:.1e} nats", f"{word}, < {limit}"))
    return rows


def learning(device: str, steps: int) -> list[dict]:
    """The tiny Qwen under both trainers: right answers before and after."""
    rows = []
    for trainer in (
        GRPOTrainer(GRPOConfig(device=device)),
        PPOTrainer(PPOConfig(device=device)),
    ):
        before = trainer.evaluate()["eval_accuracy"]
        history = trainer.train(steps, on_step=lambda row: None)
        after = trainer.evaluate()["eval_accuracy"]
        name = type(trainer).__name__.removesuffix("Trainer")
        took = history[-1]["train_seconds"]
        rows.append(row(f"{name}, tiny, {steps} steps", f"{before:.2f} -> {after:.2f} right",
                        f"{took / steps:.2f} s a step"))  # fmt: skip
    return rows


def step_options(size: tuple, device: str) -> list[str]:
    """A size as options of `cost`."""
    name, prompts, group, tokens, autocast = size
    budget = "2048" if device == "cpu" else "16384"
    return [
        *("--model", name, "--prompts", str(prompts), "--group-size", str(group)),
        *("--max-new-tokens", str(tokens), "--steps", "3", "--device", device),
        *("--micro-batch-tokens", budget, "--no-reference"),
        *(("--autocast",) if autocast else ()),
    ]


def steps(device: str, sizes: Sequence) -> list[dict]:
    """Seconds by phase and peak memory, each in a process of its own, and TRL's whole step."""
    rows = []
    for size in sizes:
        name, prompts, group, tokens, autocast = size
        what = f"{name}, {prompts} x {group} x {tokens}{', autocast' if autocast else ''}"
        theirs = their_step(size, device)
        for algorithm in ("grpo", "ppo"):
            try:
                found = measured_apart(step_options(size, device), algorithm)
            except ValueError as error:
                rows.append(row(f"{algorithm.upper()} step, {what}", "failed", str(error)))
                continue
            phases = ", ".join(
                f"{key.removeprefix('seconds_')} {value:.2f}"
                for key, value in found.items()
                if key.startswith("seconds_")
            )
            ours = f"{found['seconds in all']:.2f} s, {found['peak MB']:,.0f} MB"
            trl = theirs if algorithm == "grpo" else "has no PPO"
            rows.append(row(f"{algorithm.upper()} step, {what}", ours, phases, trl))
    return rows


def their_step(size: tuple, device: str) -> str:
    """Seconds and peak memory of TRL's step, in a process of its own."""
    if importlib.util.find_spec("trl") is None:
        return "not installed"
    command = [sys.executable, "-m", "grpo_mini", "gpu-check", "--device", device]
    done = subprocess.run(
        [*command, "--trl", json.dumps(size)], capture_output=True, text=True, encoding="utf-8"
    )
    if done.returncode:
        return f"failed: {(done.stderr.strip().splitlines() or ['killed'])[-1][:80]}"
    return done.stdout.splitlines()[-1]


def print_their_step(size: Sequence, device: str) -> None:
    """Three of TRL's steps on random rewards, in this process."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig as TRLConfig
    from trl import GRPOTrainer as TRLTrainer

    name, prompts, group, tokens, autocast = size
    model, tokenizer = build(name, device)
    times: list[float] = []

    class Times(TrainerCallback):
        def on_step_begin(self, *arguments, **more):
            self.start = time.perf_counter()

        def on_step_end(self, *arguments, **more):
            if device == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - self.start)

    def reward(completions, **columns) -> list[float]:
        return torch.rand(len(completions)).tolist()

    options = TRLConfig(
        output_dir=tempfile.mkdtemp(), per_device_train_batch_size=prompts * group,
        num_generations=group, max_completion_length=tokens, learning_rate=1e-6, beta=0.0,
        max_steps=3, use_cpu=device == "cpu", bf16=autocast, gradient_checkpointing=False,
        report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    TRLTrainer(
        model=model, reward_funcs=reward, args=options, processing_class=tokenizer,
        train_dataset=Dataset.from_list(TASK.dataset(prompts * 4, seed=0)), callbacks=[Times()],
    ).train()  # fmt: skip
    peak = peak_memory_mb(model.device)
    print(f"{statistics.median(times[1:]):.2f} s, {peak or 0:,.0f} MB")


def a_pass(device: str) -> dict:
    """What a forward and backward pass costs before its first token, in tokens."""
    model, _ = build("tiny", device)

    def seconds(rows: int) -> float:
        tokens = torch.zeros(rows, 32, dtype=torch.long, device=device)
        times = []
        for _ in range(7):
            start = time.perf_counter()
            model(input_ids=tokens, use_cache=False).logits.sum().backward()
            if device == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    seconds(1)
    few, many = seconds(1), seconds(64)
    a_token = max((many - few) / (63 * 32), 1e-12)
    used = pass_cost(device)
    return row("a pass before its first token", f"{few / a_token - 32:,.0f} tokens",
               f"{few * 1000:.1f} ms; the division into passes counts with {used:,}")  # fmt: skip


def table(rows: list[dict]) -> str:
    """The rows as text."""
    widths = {key: max(len(key), *(len(row[key]) for row in rows)) for key in rows[0]}
    lines = [{key: key for key in widths}, *rows]
    return "\n".join("  ".join(f"{line[key]:<{widths[key]}}" for key in widths) for line in lines)


def main(argv: Sequence[str]) -> None:
    """Measure, print, write."""
    parser = Parser(prog="python -m grpo_mini gpu-check", description=__doc__)
    parser.add_argument(
        "--device", default="cuda", choices=("cuda", "cpu"), help="cpu tries the command [cuda]"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/gpu-check.json"), help="the file")
    parser.add_argument("--steps", type=whole(1), default=40, help="of each training [40]")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to try the command")
    parser.add_argument("--trl", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    device = arguments.device
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"gpu-check measures a CUDA GPU, and torch {torch.__version__} sees none here; "
            f"--device cpu --small tries the command"
        )
    if arguments.trl:
        print_their_step(arguments.trl, device)
        return
    require_writable(arguments.out)
    sizes = SMALL if arguments.small else SIZES
    rows = []
    for part in (
        lambda: agreement(device, sizes),
        lambda: learning(device, arguments.steps),
        lambda: steps(device, sizes),
        lambda: [a_pass(device)],
    ):
        rows += part()
        print(f"{len(rows)} rows …", file=sys.stderr)
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}\n{table(rows)}")
    about = {"device": name, **provenance()}
    atomic_write(arguments.out, json.dumps({"run": about, "rows": rows}, indent=1) + "\n")
    print(f"written to {arguments.out}")
