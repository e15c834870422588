"""Saving a trainer and going on from where it stopped, bit for bit."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Self

import torch

from .checkpoints import (
    CheckpointError,
    global_random_states,
    set_global_random_states,
    verified_checkpoint,
    write_checkpoint,
)


class Resumable:
    """The half of a `Trainer` that writes and reads checkpoints."""

    def save(self, folder: str | Path) -> Path:
        """Write ``folder/step-000123``; it appears whole or not at all. The last two are kept."""

        def write(draft: Path) -> None:
            for role, model in self.models().items():
                model.save_pretrained(draft / role)
            self.tokenizer.save_pretrained(draft / "policy")
            optimizers = {role: o.state_dict() for role, o in self.optimizers().items()}
            random_states = {"generator": self.generator.get_state(), **global_random_states()}
            torch.save({"optimizers": optimizers, **random_states}, draft / "state.pt")
            (draft / "history.json").write_text(json.dumps(self.history))

        about = {"trainer": type(self).__name__, "step": self.step, "config": asdict(self.config)}
        return write_checkpoint(Path(folder), f"step-{self.step:06d}", write, about)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        reward: Callable[..., list[float]] | None = None,
        dataset: Sequence | None = None,
    ) -> Self:
        """Go on from the newest checkpoint in ``folder``, or from that checkpoint itself.

        A reward function or data set that is not the task's has to be given again.

        Raises:
            CheckpointError: there is none, a file is missing, cut short or edited, or it was
                written by another trainer.
        """
        checkpoint, about = verified_checkpoint(Path(folder))
        kinds = {kind.__name__: kind for kind in (cls, *cls.__subclasses__())}
        if about["trainer"] not in kinds:
            raise CheckpointError(
                f"{checkpoint} was written by {about['trainer']}, not by {cls.__name__}"
            )
        kind = kinds[about["trainer"]]
        config = kind.config_class(**about["config"])
        model, tokenizer = cls.load_policy(checkpoint / "policy", config.device)
        trainer = kind(config, reward, dataset, model, tokenizer)
        trainer.restore_models(checkpoint)
        state = torch.load(checkpoint / "state.pt", weights_only=True, map_location="cpu")
        for role, optimizer in trainer.optimizers().items():
            optimizer.load_state_dict(state["optimizers"][role])
        trainer.generator.set_state(state["generator"])
        set_global_random_states(state)
        trainer.history = json.loads((checkpoint / "history.json").read_text())
        trainer.step = about["step"]
        return trainer
