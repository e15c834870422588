"""The commands of ``python -m grpo_mini``, each a function and its options."""

import argparse
from collections.abc import Sequence
from dataclasses import MISSING, fields
from pathlib import Path

import torch

from ..grpo import GRPOConfig, GRPOTrainer
from ..models import TINY_QWEN, load_policy
from ..ppo import PPOConfig, PPOTrainer
from ..rollout import sample
from ..support.record import write_run
from ..tasks import TASKS, get_task
from ..trainer import Trainer, evaluate
from .tiny_qwen import make_tiny_qwen

TRAINERS = {"grpo": GRPOTrainer, "ppo": PPOTrainer}


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """One option for each field of the two configurations; the default is the field's."""
    group = parser.add_argument_group("configuration (defaults in brackets)")
    seen = {"model_name", "task"}
    for trainer_class in TRAINERS.values():
        for field in fields(trainer_class.config_class):
            if field.name in seen:
                continue
            seen.add(field.name)
            option = "--" + field.name.replace("_", "-")
            common = {"default": argparse.SUPPRESS, "help": f"[{field.default}]"}
            if field.type is bool or field.type == "bool":
                group.add_argument(option, action=argparse.BooleanOptionalAction, **common)
            else:
                kind = type(field.default) if field.default not in (None, MISSING) else str
                group.add_argument(option, type=kind, metavar=kind.__name__.upper(), **common)


def make_config(arguments: argparse.Namespace) -> GRPOConfig | PPOConfig:
    """The algorithm's configuration from the command line."""
    given = vars(arguments)
    config_class = TRAINERS[arguments.algorithm].config_class
    known = {field.name for field in fields(config_class)}
    for other, trainer_class in TRAINERS.items():
        for field in fields(trainer_class.config_class):
            if field.name in given and field.name not in known:
                raise ValueError(
                    f"--{field.name.replace('_', '-')} belongs to {other}, "
                    f"not to --algorithm {arguments.algorithm}"
                )
    chosen = {name: given[name] for name in known if name in given}
    return config_class(**chosen | {"model_name": arguments.model})


def train(arguments: argparse.Namespace) -> None:
    """Train a policy with GRPO or PPO; go on from a checkpoint with --resume."""
    if arguments.resume:
        if arguments.folder is None:
            raise ValueError("--resume needs --folder, the folder with the checkpoints")
        trainer = Trainer.load(arguments.folder)
    else:
        config = make_config(arguments)
        dataset = None
        if arguments.instructions:
            task = get_task(config.task)
            dataset = task.dataset(config.train_problems, config.seed, instructions=True)
        trainer = TRAINERS[arguments.algorithm](config, dataset=dataset)
    steps = max(arguments.steps - trainer.step, 0)
    trainer.train(
        steps, arguments.folder, arguments.save_every, arguments.evaluate_every, arguments.seconds
    )
    if arguments.folder is not None:
        print("saved", trainer.save(arguments.folder))
    if arguments.record is not None:
        write_run(arguments.record, trainer)
    last = trainer.history[-1]
    print({name: round(v, 4) if isinstance(v, float) else v for name, v in last.items()})


def print_evaluation(arguments: argparse.Namespace) -> None:
    """Measure a model on held-out problems of a task."""
    model, tokenizer = load_policy(arguments.model)
    task = get_task(arguments.task)
    problems = task.dataset(
        arguments.size, seed=0, held_out=True, instructions=arguments.instructions
    )
    result = evaluate(
        model,
        tokenizer,
        problems,
        task.reward,
        arguments.max_new_tokens,
        arguments.temperature,
        arguments.seed,
    )
    print(
        f"right        {result['eval_accuracy']:.3f}  "
        f"(95% interval {result['eval_low']:.3f} to {result['eval_high']:.3f}, "
        f"{len(problems)} held-out problems)\n"
        f"mean reward  {result['eval_reward']:.3f}\n"
        f"thinks first {result['eval_think_share']:.3f}\n"
        f"mean length  {result['eval_length']:.1f} tokens"
    )


def print_samples(arguments: argparse.Namespace) -> None:
    """Print responses to a prompt."""
    model, tokenizer = load_policy(arguments.model)
    prompt = [{"role": "user", "content": arguments.prompt}]
    rollout = sample(
        model, tokenizer, [prompt], arguments.samples, arguments.max_new_tokens,
        arguments.temperature, torch.Generator(model.device).manual_seed(arguments.seed),
    )  # fmt: skip
    log_probs = rollout.log_probs_BT.sum(dim=1).tolist()
    for text, log_prob, cut in zip(
        rollout.texts, log_probs, rollout.truncated_B.tolist(), strict=True
    ):
        print(f"log-prob {log_prob:8.2f}  {text}{' … (cut off)' if cut else ''}")


def build_parser() -> argparse.ArgumentParser:
    """All commands of the core, each with its options."""
    parser = argparse.ArgumentParser(prog="python -m grpo_mini", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run, model: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            help=run.__doc__,
            description=run.__doc__,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter if name != "train" else
            argparse.HelpFormatter,
        )  # fmt: skip
        sub.set_defaults(run=run)
        if model:
            sub.add_argument("--model", default=str(TINY_QWEN), help="folder or hub id")
        return sub

    for name, what in (
        ("demo", "train GRPO and PPO from the same start; a table and a figure"),
        ("cost", "measure memory and seconds of one GRPO and one PPO step"),
        ("microscope", "train with GRPO and record rollouts, token by token"),
        ("preferences", "make preference pairs for a reward model"),
        ("experiment", "make the recorded runs of an experiment; --list names them"),
    ):
        commands.add_parser(name, help=what, add_help=False)

    sub = command("train", train)
    sub.add_argument("--algorithm", choices=TRAINERS, default="grpo", help="[grpo]")
    sub.add_argument("--task", choices=TASKS, default="chain-sums", help="[chain-sums]")
    sub.add_argument("--steps", type=int, default=100, help="steps in all [100]")
    sub.add_argument("--seconds", type=float, help="stop after so much training time")
    sub.add_argument("--folder", type=Path, help="write log.jsonl and checkpoints here")
    sub.add_argument("--save-every", type=int, help="steps between checkpoints")
    sub.add_argument("--evaluate-every", type=int, help="steps between evaluations")
    sub.add_argument("--record", type=Path, help="write the finished run to this .jsonl file")
    sub.add_argument("--resume", action="store_true", help="go on from --folder's checkpoint")
    instructions = "explain the task in a system message (for models not warm-started on it)"
    sub.add_argument("--instructions", action="store_true", help=instructions)
    add_config_options(sub)

    sub = command("evaluate", print_evaluation)
    sub.add_argument("--task", choices=TASKS, default="chain-sums", help="which problems")
    sub.add_argument("--size", type=int, default=1000, help="number of problems")
    sub.add_argument("--instructions", action="store_true", help=instructions)
    sub.add_argument("--max-new-tokens", type=int, default=64, help="longest response")
    sub.add_argument("--temperature", type=float, default=1.0, help="of the sampling")
    sub.add_argument("--seed", type=int, default=0, help="of the sampling")

    sub = command("sample", print_samples)
    sub.add_argument("--prompt", default="17+25+38+9=", help="the user's message")
    sub.add_argument("--samples", type=int, default=8, help="how many responses")
    sub.add_argument("--max-new-tokens", type=int, default=64, help="longest response")
    sub.add_argument("--temperature", type=float, default=1.0, help="of the sampling")
    sub.add_argument("--seed", type=int, default=0, help="of the sampling")

    sub = command("warmstart", make_tiny_qwen, model=False)
    sub.add_argument("--out", type=Path, required=True, help="folder for the model")
    sub.add_argument("--task", choices=TASKS, default="chain-sums", help="what to imitate")
    sub.add_argument("--steps", type=int, default=1400, help="optimiser steps")
    sub.add_argument("--seed", type=int, default=0, help="of weights and demonstrations")
    return parser


def main(argv: Sequence[str]) -> None:
    """Parse the command line and run the command."""
    arguments = build_parser().parse_args(argv)
    arguments.run(arguments)
