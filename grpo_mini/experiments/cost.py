"""The cost ledger: parameters, memory and seconds of one GRPO and one PPO step, measured.

Any Qwen will do, by hub id, folder or the name of a known geometry, which is built with random
weights and needs no hub. Each algorithm runs in a process of its own, so its peak is its own.
"""

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Sequence

import torch

from ..grpo import GRPOConfig, GRPOTrainer
from ..models import TINY_QWEN, Model, Tokenizer, count_parameters, load_policy, load_tokenizer
from ..ppo import PPOConfig, PPOTrainer
from ..support.measure import peak_memory_mb
from ..trainer import Trainer
from ..warmstart import build_model

# Geometries from the models' published config.json files.
GEOMETRIES = {
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


def build(name: str) -> tuple[Model, Tokenizer]:
    """A known geometry with random weights and the tiny Qwen's tokenizer, or a real model."""
    if name not in GEOMETRIES:
        return load_policy(name)
    tokenizer = load_tokenizer(TINY_QWEN)
    torch.manual_seed(0)
    return build_model(tokenizer, **GEOMETRIES[name]).eval(), tokenizer


def random_reward(completions, **columns) -> list[float]:
    """Random numbers: every group has something to compare, so no work is left out."""
    return [random.random() for _ in completions]


def tensor_bytes(tensors) -> int:
    """Bytes of all tensors together."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def measure(arguments: argparse.Namespace) -> dict:
    """Build the trainer, take two steps, report the second."""
    shared = {
        "max_new_tokens": arguments.max_new_tokens,
        "micro_batch_tokens": arguments.micro_batch_tokens,
        "kl_coef": 0.001 if arguments.reference else 0.0,
        "learning_rate": 1e-6,
    }
    before = peak_memory_mb(torch.device("cpu"))
    model, tokenizer = build(arguments.model)
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
        trainer = PPOTrainer(config, random_reward, None, model, tokenizer)

    gradients: list[int] = []
    forget = trainer.zero_grad

    def count_then_forget() -> None:
        parameters = (p for m in trainer.models().values() for p in m.parameters())
        gradients.append(tensor_bytes(p.grad for p in parameters if p.grad is not None))
        forget()

    trainer.zero_grad = count_then_forget
    history = trainer.train(2)
    models = trainer.models().values()
    states = [
        value
        for optimizer in trainer.optimizers().values()
        for state in optimizer.state.values()
        for value in state.values()
        if torch.is_tensor(value)
    ]
    mega = 2**20
    last = history[-1]
    return {
        "trainable parameters": count_parameters(*models, trainable_only=True),
        "resident parameters": count_parameters(*models),
        "weights MB": tensor_bytes({p for m in models for p in m.parameters()}) / mega,
        "gradients MB": max(gradients) / mega,
        "optimiser state MB": tensor_bytes(states) / mega,
        "peak MB": last["peak_memory_mb"],
        "peak MB before the model": before,
        "response tokens": last["length_mean"],
        **{name: last[name] for name in last if name.startswith("seconds_")},
        "seconds in all": last["train_seconds"] - history[-2]["train_seconds"],
    }


def main(argv: Sequence[str]) -> None:
    """Measure both algorithms and print the ledger."""
    parser = argparse.ArgumentParser(
        prog="python -m grpo_mini cost",
        description="Measure parameters, memory and seconds of one GRPO and one PPO step.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    known = ", ".join(GEOMETRIES)
    parser.add_argument("--model", default=str(TINY_QWEN), help=f"folder, hub id, or: {known}")
    parser.add_argument("--prompts", type=int, default=4, help="prompts of a GRPO step")
    parser.add_argument("--group-size", type=int, default=4, help="samples of each prompt")
    parser.add_argument("--max-new-tokens", type=int, default=32, help="longest response")
    parser.add_argument("--micro-batch-tokens", type=int, default=256, help="tokens per pass")
    parser.add_argument(
        "--reference", action=argparse.BooleanOptionalAction, default=True,
        help="keep a frozen reference policy for the KL penalty",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--algorithm", choices=("grpo", "ppo"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.algorithm:
        print(json.dumps(measure(arguments)))
        return
    ledger = {}
    for algorithm in ("grpo", "ppo"):
        command = [sys.executable, "-m", "grpo_mini", "cost", *argv, "--algorithm", algorithm]
        print(f"measuring {algorithm.upper()} …", file=sys.stderr)
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise ValueError(f"the {algorithm} step failed; see above (out of memory?)")
        ledger[algorithm.upper()] = json.loads(done.stdout.splitlines()[-1])
    if arguments.json:
        print(json.dumps(ledger, indent=1))
        return
    print(f"{'':<28}{'GRPO':>16}{'PPO':>16}{'GRPO / PPO':>12}")
    for label in dict.fromkeys([*ledger["GRPO"], *ledger["PPO"]]):
        grpo, ppo = (ledger[name].get(label, 0.0) for name in ("GRPO", "PPO"))
        form = ",d" if isinstance(grpo, int) else ",.3f" if "second" in label else ",.1f"
        ratio = f"{grpo / ppo:.2f}" if ppo else "-"
        print(f"{label.replace('_', ' '):<28}{grpo:>16{form}}{ppo:>16{form}}{ratio:>12}")
