"""A training with its rollouts written down: what the rollout microscope looks at.

For some prompts of some steps, each token's log-prob is recorded as it was sampled and again after
the update, so that one can see what the update did to it.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from torch import Tensor
from tqdm.auto import tqdm

from ..grpo import GRPOConfig, GRPOTrainer
from ..models import TINY_QWEN
from ..rollout import Rollout
from ..support.checkpoints import atomic_write
from ..support.record import provenance
from ..trainer import Batch


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
    parser = argparse.ArgumentParser(
        prog="python -m grpo_mini microscope",
        description="Train with GRPO and record rollouts for the rollout microscope.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--steps", type=int, default=40, help="training steps")
    parser.add_argument("--every", type=int, default=3, help="record every so many steps")
    parser.add_argument("--prompts", type=int, default=3, help="prompts of a step to record")
    parser.add_argument("--seed", type=int, default=0, help="of problems and sampling")
    parser.add_argument("--model", default=str(TINY_QWEN), help="folder or hub id")
    parser.add_argument("--out", type=Path, default=Path("runs/microscope.jsonl"), help="the file")
    arguments = parser.parse_args(argv)

    trainer = RecordingTrainer(GRPOConfig(model_name=arguments.model, seed=arguments.seed))
    config = asdict(trainer.config) | {"model_name": Path(arguments.model).name}
    header = {"algorithm": "GRPOTrainer", "config": config, **provenance()}
    lines = [json.dumps({"run": header})]
    for step in tqdm(range(1, arguments.steps + 1), desc="recording", unit="step"):
        questions = trainer.next_prompts()
        trainer.train(1, on_step=lambda row: None)
        if (step - 1) % arguments.every == 0 or step == arguments.steps:
            for question, group in zip(questions, trainer.recorded, strict=False):
                group["question"] = question["prompt"][-1]["content"]
                group["answer"] = question["answer"]
            groups = trainer.recorded[: arguments.prompts]
            lines.append(json.dumps({"step": step, "groups": groups}, ensure_ascii=False))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(arguments.out, "\n".join(lines) + "\n")
    print(f"{len(lines) - 1} steps in {arguments.out}")
