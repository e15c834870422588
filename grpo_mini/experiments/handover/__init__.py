"""``python -m grpo_mini handover``: a folder with which another engine goes on."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..commands import TRAINERS, make_config, typed_fields
from ..options import Parser, add_fields, whole
from ..record import provenance
from .start import gathered, of_a_run, with_typed
from .to_trl import write_trl
from .to_verl import write_verl

ENGINES = {"trl": write_trl, "verl": write_verl}


def hand_over(arguments: argparse.Namespace) -> None:
    """Write the folder.

    Raises:
        ValueError: something does not fit, or the folder is there already.
    """
    out, typed, run = arguments.out.expanduser(), typed_fields(arguments), None
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is there already: choose a new folder")
    if arguments.run is not None:
        trainer, config, run = of_a_run(arguments.run)
        kinds = {kind.__name__: kind for kind in TRAINERS.values()}
        if trainer not in kinds or "algorithm" in arguments:
            raise ValueError(
                f"the run in {arguments.run} is a {trainer}'s; only {' and '.join(kinds)} can be "
                f"handed over, without --algorithm"
            )
        config = with_typed(kinds[trainer].config_class, config, typed)
    else:
        config = make_config(getattr(arguments, "algorithm", "grpo"), typed)
    files = (arguments.reward, arguments.data, arguments.test)
    start = gathered(config, arguments.steps, *files, run)
    ENGINES[arguments.to](start, out, provenance())
    print(f"{out}: read its README.md, then {out}/run.sh")


def main(argv: Sequence[str]) -> None:
    """Hand over, or compare what was handed over with the course's own training."""
    parser = Parser(
        prog="python -m grpo_mini handover",
        description="Write a folder with which TRL or verl goes on: settings, reward, data.",
    )
    parser.add_argument("out", type=Path, nargs="?", metavar="OUT", help="a new folder")
    parser.add_argument("--to", choices=ENGINES, help="TRL for GRPO; verl for GRPO and PPO")
    parser.add_argument("--run", type=Path, help="go on from a run's folder or checkpoint")
    parser.add_argument("--reward", type=Path, help="a file that defines `reward` [the task's]")
    parser.add_argument("--data", type=Path, help="training records, .jsonl [the task's]")
    parser.add_argument("--test", type=Path, help="held-out records, .jsonl [the task's]")
    parser.add_argument("--steps", type=whole(1), default=100, help="of training [100]")
    parser.add_argument(
        "--compare", type=Path, metavar="FILE",
        help="train with both, three seeds each, and record the curves here (15 minutes)",
    )  # fmt: skip
    typed = {"default": argparse.SUPPRESS}
    parser.add_argument("--algorithm", choices=TRAINERS, help="[grpo]", **typed)
    parser.add_argument("--model", dest="model_name", help="folder or hub id [tiny-qwen]", **typed)
    configs = [trainer.config_class for trainer in TRAINERS.values()]
    add_fields(parser, *configs, without=("model_name",))
    arguments = parser.parse_args(argv)
    if arguments.compare is not None:
        from .compare import compare  # needs TRL

        compare(arguments.compare)
    elif arguments.out is None or arguments.to is None:
        parser.error("say where to: handover --to trl OUT")
    else:
        hand_over(arguments)
