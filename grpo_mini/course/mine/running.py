"""Trainings that run on the learner's pieces, and the card that shows whose pieces those are."""

import html
from collections.abc import Callable
from types import ModuleType

from torch import Tensor

from ...grpo import GRPOConfig, GRPOTrainer
from ...ppo import PPOTrainer
from ...tasks.task import completion_text
from ...trainer import Batch, Trainer, TrainerConfig
from ..cards import COLOURS
from . import file

STAGES = {
    "sample": ("1.1", "1.2"),
    "reward": ("1.4",),
    "advantages": ("3.1", "4.1"),
    "loss": ("2.3", "3.2", "3.3", "4.5"),
    "update": ("3.6", "4.6"),
    "measure": ("3.5",),
}
WORDS = {
    "reward": "verifier",
    "gae": "GAE",
    "relative_rewards": "relative rewards",
    "clipped_surrogate": "clipped surrogate",
    "grpo_loss": "loss",
    "reinforce_loss": "loss",
    "grpo_step": "step",
    "ppo_step": "step",
}


class MyGRPO:
    """The pieces of ``my_grpo.py`` as attributes; shown in a notebook it is a card.

    Made anew, it is as the file is then. A piece that is not the learner's is the module's.
    """

    def __init__(self, module: ModuleType, places: dict[str, file.Place]):
        self._module, self._places = module, places

    def __getattr__(self, name: str) -> Callable:
        if not name.startswith("_") and hasattr(self._module, name):
            return getattr(self._module, name)
        raise AttributeError(
            f"my_grpo.py has no {name!r}; its pieces are {', '.join(file.PIECES.values())}"
        )

    def whose(self, *names: str) -> str:
        """Whose pieces these are, in a sentence: "verifier: yours; loss: the module's"."""
        yours = {place.name for place in self._places.values() if place.yours}
        owners = (f"{WORDS.get(n, n)}: {'yours' if n in yours else 'the module’s'}" for n in names)
        return f"Running on: {'; '.join(owners)}."

    def trainer(
        self, config: TrainerConfig, reward: Callable[..., list[float]] | None = None, **more
    ) -> Trainer:
        """The course's trainer for this configuration, running on these pieces.

        Args:
            reward: of a task whose answers the learner's verifier does not read; None takes it.
        """
        kind = MyGRPOTrainer if isinstance(config, GRPOConfig) else MyPPOTrainer
        trainer = kind(config, reward or self._pay, **more)
        trainer.my = self
        return trainer

    def _pay(self, completions, answer, truncated=None, **columns) -> list[float]:
        """The learner's verifier with the signature of a reward function."""
        truncated = [False] * len(completions) if truncated is None else truncated
        texts = map(completion_text, completions)
        rows = zip(texts, answer, truncated, strict=True)
        return [0.0 if cut else float(self.reward(text, str(right))) for text, right, cut in rows]

    def _stages(self) -> dict[str, list[tuple[str, str, bool]]]:
        """Number, name and whether it is the learner's, of each piece, stage by stage."""
        return {
            stage: [
                (n, file.PIECES[n], n in self._places and self._places[n].yours) for n in numbers
            ]
            for stage, numbers in STAGES.items()
        }

    @property
    def own(self) -> int:
        """How many pieces are the learner's."""
        return sum(own for pieces in self._stages().values() for _, _, own in pieces)

    def _title(self) -> str:
        return f"my_grpo.py: {self.own} of {len(file.PIECES)} pieces are yours"

    def __repr__(self) -> str:
        lines = [
            f"  {stage}: " + ", ".join(f"{n} {name} {'✓' if own else '○'}" for n, name, own in all_)
            for stage, all_ in self._stages().items()
        ]
        return "\n".join([self._title(), *lines])

    def _repr_html_(self) -> str:
        boxes = []
        for stage, all_ in self._stages().items():
            rows = "".join(
                f"<div style='opacity:{1 if own else 0.75}'>{'✓' if own else '○'} {n} "
                f"<code>{html.escape(name)}</code></div>"
                for n, name, own in all_
            )
            share = sum(own for _, _, own in all_) / len(all_)
            colour = COLOURS["right"] if share else COLOURS["not tried yet"]
            boxes.append(
                f"<div style='border:1px solid {colour};border-top:6px solid {colour};"
                f"border-radius:4px;padding:4px 10px;line-height:1.5'><b>{stage}</b>{rows}</div>"
            )
        arrow = "<div style='align-self:center;opacity:0.7' aria-hidden='true'>→</div>"
        return (
            f"<div><b>{html.escape(self._title())}</b></div><div style='display:flex;"
            f"flex-wrap:wrap;gap:6px;align-items:stretch;margin:6px 0'>{arrow.join(boxes)}</div>"
        )


def my_grpo() -> MyGRPO:
    """The learner's file as it is now.

    Raises:
        FileError: it cannot be run; the message says where.
    """
    source = file.text()
    return MyGRPO(file.load(source, file.path()), file.places(source))


class MyGRPOTrainer(GRPOTrainer):
    """GRPO with the learner's relative rewards and loss, a mean per response as they wrote it."""

    my: MyGRPO

    def compute_relative_rewards(self, rewards_B: Tensor) -> tuple[Tensor, Tensor]:
        """The learner's; the baselines, which are only shown, are the module's."""
        _, baselines = super().compute_relative_rewards(rewards_B)
        self._size = len(rewards_B)
        return self.my.relative_rewards(rewards_B, self.config.group_size), baselines

    def surrogate(self, batch: Batch, log_probs: Tensor) -> Tensor:
        """What the metrics are made of."""
        self._log_probs = log_probs
        return super().surrogate(batch, log_probs)

    def total(self, name: str, per_token: Tensor, batch: Batch) -> Tensor:
        """The learner's loss in place of the weighted sum of the surrogate."""
        total = super().total(name, per_token, batch)
        if name != "policy_loss":
            return total
        rollout = batch.rollout
        loss = self.my.grpo_loss(
            self._log_probs, rollout.log_probs_BT, batch.advantages[:, 0],
            rollout.mask_BT, self.config.clip_low,
        )  # fmt: skip
        return loss * (len(rollout) / self._size)


class MyPPOTrainer(PPOTrainer):
    """PPO with the learner's GAE and clipped surrogate."""

    my: MyGRPO

    def estimate(self, *arguments) -> tuple[Tensor, Tensor]:
        """The learner's advantages, and the returns that follow from them."""
        rewards_BT, values_BT, mask_BT, gamma, lam = arguments
        on_cpu = (tensor.cpu() for tensor in (rewards_BT, values_BT, mask_BT))
        advantages = self.my.gae(*on_cpu, gamma, lam).to(values_BT.device)
        return advantages, (advantages + values_BT).masked_fill(mask_BT == 0, 0)

    def surrogate(self, batch: Batch, log_probs: Tensor) -> Tensor:
        """The learner's, with one clip for both directions."""
        return self.my.clipped_surrogate(
            log_probs, batch.rollout.log_probs_BT, batch.advantages, self.config.clip_low
        )
