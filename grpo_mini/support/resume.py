"""Saving a trainer and going on from where it stopped, bit for bit."""

import contextlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Self

import torch

from ..machine.random import random_states, set_random_states
from .checkpoints import CheckpointError, RunFolder, verified_checkpoint
from .loading import quietly
from .rewards import fingerprint, name_of, reward_functions


class Resumable:
    """The half of a `Trainer` that writes and reads checkpoints."""

    _folder: RunFolder | None = None

    def new_run(self) -> None:
        """Begin a run of its own: a folder that holds another is not written to."""
        self.run, self._fingerprint = secrets.token_hex(8), ""

    def identity(self) -> dict:
        """What decides the run besides its random states: a checkpoint goes on with no other."""
        self._fingerprint = self._fingerprint or fingerprint(self.dataset)
        return {
            "trainer": type(self).__name__,
            "config": json.loads(json.dumps(asdict(self.config))),
            "reward": [name_of(reward) for reward in reward_functions(self.reward)],
            "dataset": self._fingerprint,
        }

    def place(self) -> dict:
        """Where and how the policy computes: a checkpoint goes on in the same way."""
        frozen = [name for name, p in self.policy.named_parameters() if not p.requires_grad]
        return {
            "device": self.policy.device.type,
            "threads": self.threads,
            "dtype": str(self.policy.dtype).removeprefix("torch."),
            "attention": self.policy.config._attn_implementation,
            "frozen": frozen,
        }

    @contextlib.contextmanager
    def in_folder(self, folder: str | Path | None):
        """Hold the run's folder, locked, while ``with`` lasts; None holds nothing."""
        held = self._folder
        if folder is None or (held is not None and held.path == RunFolder.of(folder)):
            yield held
            return
        weights = {p for model in self.models().values() for p in model.parameters()}
        numbers = sum(p.numel() * (3 if p.requires_grad else 1) for p in weights)  # Adam has two
        with RunFolder(folder, self.run, self.step, 4 * numbers / 2**20) as self._folder:
            try:
                yield self._folder
            finally:
                self._folder = held

    def save(self, folder: str | Path) -> Path:
        """Write ``folder/step-000123``; it appears whole or not at all. The last two are kept.

        Raises:
            ValueError: the folder is a file, another run's, or in use.
        """

        def write(draft: Path) -> None:
            with quietly(draft):
                for role, model in self.models().items():
                    model.save_pretrained(draft / role)
            self.tokenizer.save_pretrained(draft / "policy")
            optimizers = {role: o.state_dict() for role, o in self.optimizers().items()}
            states = {"generator": self.generator.get_state(), **random_states()}
            torch.save({"optimizers": optimizers, **states}, draft / "state.pt")
            history = json.dumps(self.history)
            (draft / "history.json").write_text(history, encoding="utf-8")

        about = self.identity() | self.place()
        with self.in_folder(folder) as run_folder:
            return run_folder.write(self.step, write, about)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        reward: Callable | Sequence[Callable] | None = None,
        dataset: Sequence | None = None,
        eval_dataset: Sequence | None = None,
    ) -> Self:
        """Go on from the newest checkpoint in ``folder``, or from that checkpoint itself.

        Bit for bit, on the same kind of processor: the number of threads is the run's too. A reward
        function or data set that is not the task's has to be given again, and to be the same.

        Raises:
            CheckpointError: there is none, a file is missing, cut short or edited, it was written
                by another trainer or version, reward or data are not the run's, or its device is
                not here.
        """
        checkpoint, about = verified_checkpoint(Path(folder).expanduser())
        kinds = {kind.__name__: kind for kind in (cls, *_all_subclasses(cls))}
        if about["trainer"] not in kinds:
            raise CheckpointError(
                f"{checkpoint} was written by {about['trainer']}, not by {cls.__name__}"
            )
        kind = kinds[about["trainer"]]
        try:
            config = kind.config_class(**about["config"])
            given = {
                "device": config.device or about["device"],
                "dtype": getattr(torch, about["dtype"]),
            }
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise CheckpointError(f"{checkpoint} is of another version: {error!r}") from error
        try:
            model, tokenizer = cls.load_policy(checkpoint / "policy", **given)
        except ValueError as error:
            raise CheckpointError(f"{checkpoint} cannot go on here: {error}") from error
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name not in about["frozen"])
        # The checkpoint holds the critic, wherever it came from.
        own = {"critic_model_name": None} if hasattr(config, "critic_model_name") else {}
        trainer = kind(replace(config, **own), reward, dataset, model, tokenizer, eval_dataset)
        trainer.config = config
        for name, now in trainer.identity().items():
            if now != about[name]:
                raise CheckpointError(
                    f"{checkpoint} was trained with another {name}: {about[name]}, and not {now}. "
                    + (f"Hand it to Trainer.load({name}=...)" if name in ("reward", "dataset") else
                       "It is of another version")
                )  # fmt: skip
        trainer.restore_models(checkpoint)
        for role, restored in trainer.models().items():
            if role != "critic" or config.critic_model_name is None:
                getattr(restored, "backbone", restored).set_attn_implementation(about["attention"])
        state = torch.load(checkpoint / "state.pt", weights_only=True, map_location="cpu")
        for role, optimizer in trainer.optimizers().items():
            optimizer.load_state_dict(state["optimizers"][role])
        trainer.generator.set_state(state["generator"])
        set_random_states(state)
        trainer.history = json.loads((checkpoint / "history.json").read_text(encoding="utf-8"))
        trainer.step, trainer.run = about["step"], about["run"]
        trainer.threads = about["threads"]
        return trainer


def _all_subclasses(kind: type) -> list[type]:
    children = kind.__subclasses__()
    return [*children, *(heir for child in children for heir in _all_subclasses(child))]
