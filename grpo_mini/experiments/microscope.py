"""A training with its rollouts written down: what the rollout microscope looks at.

For some prompts of some steps, each token's log-prob is recorded as it was sampled and again after
the update, so that one can see what the update did to it.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor
from tqdm.auto import tqdm

from ..grpo import GRPOConfig, GRPOTrainer
from ..models import TINY_QWEN
from ..rollout import Rollout
from ..support.checkpoints import atomic_write
from ..trainer import Batch
from .options import Parser, whole
from .record import portable_config, provenance, require_writable


class RecordingTrainer(GRPOTrainer):
    """A GRPO trainer that keeps the last step's first groups, before and after the update."""

    recorded: list[dict]

    def compute_advantages(self, rollout: Rollout, rewards_B: Tensor) -> tuple[Batch, dict]:
        """As GRPO; remembers the rewards."""
        self._rewards_B = rewards_B
        return super().compute_advantages(rollout, rewards_B)

    def update(self, batch: Batch, epochs: int) -> dict[str, float]:
        """As GRPO; then asks the new policy about the same tokens."""
        metrics = super().update(batch, epochs)
        after_BT = self.in_parts(batch.rollout, lambda part: self.compute_log_probs(part)[0])
        rollout, size = batch.rollout, self.config.group_size
        self.recorded = []
        for first in range(0, len(rollout), size):
            samples = []
            for i in range(first, first + size):
                length = int(rollout.lengths_B[i])
                ids = rollout.tokens_BT[i, :length].tolist()
                samples.append(
                    {
                        "tokens": [self.tokenizer.decode([token]) for token in ids],
                        "reward": self._rewards_B[i].item(),
                        "advantage": round(batch.advantages[i, 0].item(), 4),
                        "before": [round(x, 4) for x in rollout.log_probs_BT[i, :length].tolist()],
                        "after": [round(x, 4) for x in after_BT[i, :length].tolist()],
                        "truncated": bool(rollout.truncated_B[i]),
                    }
                )
            self.recorded.append({"samples": samples})
        return metrics


def main(argv: Sequence[str]) -> None:
    """Train and record."""
    parser = Parser(
        prog="python -m grpo_mini microscope",
        description="Train with GRPO and record rollouts for the rollout microscope.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--steps", type=whole(1), default=40, help="training steps")
    parser.add_argument("--every", type=whole(1), default=3, help="record every so many steps")
    parser.add_argument("--prompts", type=whole(1), default=3, help="prompts of a step to record")
    parser.add_argument("--seed", type=whole(0), default=0, help="of problems and sampling")
    parser.add_argument("--model", default=str(TINY_QWEN), help="folder or hub id")
    parser.add_argument("--out", type=Path, default=Path("runs/microscope.jsonl"), help="the file")
    arguments = parser.parse_args(argv)

    require_writable(arguments.out)
    trainer = RecordingTrainer(GRPOConfig(model_name=arguments.model, seed=arguments.seed))
    lines = []
    for step in tqdm(range(1, arguments.steps + 1), desc="recording", unit="step"):
        questions = trainer.next_prompts()
        trainer.train(1, on_step=lambda row: None)
        if (step - 1) % arguments.every == 0 or step == arguments.steps:
            for question, group in zip(questions, trainer.recorded, strict=False):
                group["question"] = question["prompt"][-1]["content"]
                group["answer"] = question["answer"]
            groups = trainer.recorded[: arguments.prompts]
            lines.append(json.dumps({"step": step, "groups": groups}, ensure_ascii=False))
    config, made = portable_config(trainer), provenance(trainer.threads)
    header = json.dumps({"run": {"algorithm": "GRPOTrainer", "config": config, **made}})
    atomic_write(arguments.out, "\n".join([header, *lines]) + "\n")
    print(f"{len(lines)} steps in {arguments.out}")


def read_rollouts(path: str | Path) -> tuple[dict, dict[int, list[dict]]]:
    """The header of a file of rollouts, and its groups by step.

    Raises:
        ValueError: the file is none, or was cut short.
    """
    how = "make it with: python -m grpo_mini microscope"
    try:
        first, *rows = Path(path).read_text(encoding="utf-8").splitlines()
        header, rows = json.loads(first)["run"], [json.loads(row) for row in rows]
        steps = {row["step"]: row["groups"] for row in rows}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is cut short or holds no rollouts; {how}") from error
    if not steps:
        raise ValueError(f"{path} holds no rollouts; {how}")
    return header, steps
