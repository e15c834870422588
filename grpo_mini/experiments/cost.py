"""The cost ledger: parameters, memory and seconds of one GRPO and one PPO step, measured.

Any Qwen will do, by hub id, folder or the name of a known geometry, which is built with random
weights and needs no hub. Each algorithm runs in a process of its own, so its peak is its own.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm.auto import tqdm

from ..grpo import GRPOConfig, GRPOTrainer
from ..machine.device import checked_device, peak_memory_mb
from ..models import (
    TINY_QWEN,
    Model,
    Tokenizer,
    count_parameters,
    load_policy,
    load_tokenizer,
)
from ..ppo import PPOConfig, PPOTrainer
from ..trainer import Trainer
from .critics import SharedTrunkPPO
from .options import Parser, whole
from .record import add_line, provenance, read_lines, require_writable
from .warmstart import build_model

# Geometries: the tiny Qwen's, and those of the models' published config.json files.
GEOMETRIES = {
    "tiny": {},
    "qwen2-0.5b": {
        "vocab_size": 151936,
        "hidden_size": 896,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "intermediate_size": 4864,
        "max_position_embeddings": 131072,
        "tie_word_embeddings": True,
    },
    "qwen2-1.5b": {
        "vocab_size": 151936,
        "hidden_size": 1536,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "intermediate_size": 8960,
        "max_position_embeddings": 131072,
        "tie_word_embeddings": True,
    },
}


def build(name: str, device: str | None = None) -> tuple[Model, Tokenizer]:
    """A known geometry with random weights and the tiny Qwen's tokenizer, or a real model."""
    if name not in GEOMETRIES:
        return load_policy(name, device)
    tokenizer, place = load_tokenizer(TINY_QWEN), checked_device(device)
    torch.manual_seed(0)
    with place:  # made where it is used: half a billion numbers are slow to draw on a CPU
        return build_model(tokenizer, **GEOMETRIES[name]).eval(), tokenizer


def random_reward(completions, **columns) -> list[float]:
    """Random numbers: every group has something to compare, so no work is left out."""
    return [random.random() for _ in completions]


def tensor_bytes(tensors) -> int:
    """Bytes of all tensors together."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def measure(arguments: argparse.Namespace) -> dict:
    """Build the trainer, take some steps, report the median of all but the first."""
    shared = {
        "max_new_tokens": arguments.max_new_tokens,
        "micro_batch_tokens": arguments.micro_batch_tokens,
        "gradient_checkpointing": arguments.gradient_checkpointing,
        "kl_coef": 0.001 if arguments.reference else 0.0,
        "learning_rate": 1e-6,
        "autocast": arguments.autocast,
        "device": arguments.device,
    }
    before = peak_memory_mb(checked_device(arguments.device))
    model, tokenizer = build(arguments.model, arguments.device)
    trainer: Trainer
    if arguments.algorithm == "grpo":
        config = GRPOConfig(
            prompts_per_step=arguments.prompts, group_size=arguments.group_size, **shared
        )
        trainer = GRPOTrainer(config, random_reward, None, model, tokenizer)
    else:
        config = PPOConfig(
            prompts_per_step=arguments.prompts * arguments.group_size,
            critic_learning_rate=1e-6,
            **shared,
        )
        kind = {"ppo": PPOTrainer, "ppo-shared": SharedTrunkPPO}[arguments.algorithm]
        trainer = kind(config, random_reward, None, model, tokenizer)

    gradients: list[int] = []
    forget = trainer.zero_grad

    def count_then_forget() -> None:
        parameters = {p for m in trainer.models().values() for p in m.parameters()}
        gradients.append(tensor_bytes(p.grad for p in parameters if p.grad is not None))
        forget()

    trainer.zero_grad = count_then_forget
    history = trainer.train(arguments.steps)
    models = trainer.models().values()
    states = [
        value
        for optimizer in trainer.optimizers().values()
        for state in optimizer.state.values()
        for value in state.values()
        if torch.is_tensor(value)
    ]
    mega = 2**20
    later = history[1:] or history
    phases = [name for name in history[-1] if name.startswith("seconds_")]
    seconds = {name: statistics.median(row[name] for row in later) for name in phases}
    return {
        "trainable parameters": count_parameters(*models, trainable_only=True),
        "resident parameters": count_parameters(*models),
        "weights MB": tensor_bytes({p for m in models for p in m.parameters()}) / mega,
        "gradients MB": max(gradients) / mega,
        "optimiser state MB": tensor_bytes(states) / mega,
        "peak MB": history[-1]["peak_memory_mb"] or 0.0,  # 0 where nobody tells
        "peak MB before the model": before or 0.0,
        "response tokens": statistics.mean(row["length_mean"] for row in later),
        **seconds,
        "seconds in all": sum(seconds.values()),
    }


def measured_apart(argv: Sequence[str], algorithm: str) -> dict:
    """`measure` in a process of its own, so that the peak is its own."""
    command = [sys.executable, "-m", "grpo_mini", "cost", *argv, "--algorithm", algorithm]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        errors = done.stderr.strip().splitlines()
        raise ValueError(
            f"the {algorithm} step failed (out of memory?): {errors[-1] if errors else 'killed'}"
        )
    return json.loads(done.stdout.splitlines()[-1])


ALGORITHMS = ("grpo", "ppo", "ppo-shared")
# Model, samples of a step, group sizes, longest responses, steps.
GRID = (("tiny", 64, (4, 8, 16), (16, 64, 256), 4), ("qwen2-0.5b", 8, (4,), (16, 64), 3))


def cell_key(cell: dict) -> tuple:
    """Which cell of the ledger it is; small models come first."""
    names = [model for model, *_ in GRID]
    return (names.index(cell["run"]["model"]), cell["run"]["group_size"],
            cell["run"]["max_new_tokens"])  # fmt: skip


def write_ledger(path: Path) -> None:
    """Measure the whole grid into one file, a cell a line; the cells that are there are kept.

    Geometries with random weights hardly ever end a response, so its length is the limit.
    """
    require_writable(path)
    there = {cell_key(cell) for cell in read_lines(path)} if path.exists() else set()
    cells = [
        (model, samples, size, tokens, steps)
        for model, samples, sizes, lengths, steps in GRID
        for size in sizes
        for tokens in lengths
    ]
    for model, samples, size, tokens, steps in tqdm(cells, desc="cost", unit="cell"):
        about = {"model": model, "samples": samples, "group_size": size, "max_new_tokens": tokens}
        if cell_key({"run": about}) in there:
            continue
        argv = [
            *("--model", model, "--prompts", str(samples // size), "--group-size", str(size)),
            *("--max-new-tokens", str(tokens), "--steps", str(steps), "--device", "cpu"),
            *("--micro-batch-tokens", "2048" if model == "tiny" else "256"),
        ]
        figures = {name: measured_apart(argv, name) for name in ALGORITHMS}
        add_line(path, {"run": {**about, **provenance()}, **figures}, cell_key)


def main(argv: Sequence[str]) -> None:
    """Measure both algorithms and print the ledger."""
    parser = Parser(
        prog="python -m grpo_mini cost",
        description="Measure parameters, memory and seconds of one GRPO and one PPO step.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    known = ", ".join(GEOMETRIES)
    parser.add_argument("--model", default=str(TINY_QWEN), help=f"folder, hub id, or: {known}")
    parser.add_argument("--prompts", type=whole(1), default=4, help="prompts of a GRPO step")
    parser.add_argument("--group-size", type=whole(2), default=4, help="samples of each prompt")
    parser.add_argument("--max-new-tokens", type=whole(1), default=32, help="longest response")
    parser.add_argument("--micro-batch-tokens", type=whole(1), default=256, help="tokens per pass")
    parser.add_argument(
        "--gradient-checkpointing", action="store_true", help="compute layers twice, to keep less"
    )
    parser.add_argument(
        "--reference", action=argparse.BooleanOptionalAction, default=True,
        help="keep a frozen reference policy for the KL penalty",
    )  # fmt: skip
    parser.add_argument("--device", help="cpu, cuda or mps (default: the best there is)")
    parser.add_argument("--autocast", action="store_true", help="products in bfloat16")
    parser.add_argument(
        "--steps", type=whole(1), default=2, help="to take; the first is not counted"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--ledger", type=Path, help="measure the course's whole grid into a file")
    parser.add_argument("--algorithm", choices=ALGORITHMS, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.algorithm:
        print(json.dumps(measure(arguments)))
        return
    if arguments.ledger:
        write_ledger(arguments.ledger)
        return
    ledger = {}
    for algorithm in ALGORITHMS[:2]:
        print(f"measuring {algorithm.upper()} …", file=sys.stderr)
        ledger[algorithm.upper()] = measured_apart(argv, algorithm)
    if arguments.json:
        print(json.dumps(ledger, indent=1))
        return
    print(f"{'':<28}{'GRPO':>16}{'PPO':>16}{'GRPO / PPO':>12}")
    for label in dict.fromkeys([*ledger["GRPO"], *ledger["PPO"]]):
        grpo, ppo = (ledger[name].get(label, 0.0) for name in ("GRPO", "PPO"))
        form = ",d" if isinstance(grpo, int) else ",.3f" if "second" in label else ",.1f"
        ratio = f"{grpo / ppo:.2f}" if ppo else "-"
        print(f"{label.replace('_', ' '):<28}{grpo:>16{form}}{ppo:>16{form}}{ratio:>12}")
