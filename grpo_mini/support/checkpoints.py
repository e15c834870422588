"""A run's folder: whole checkpoints or none, one run a folder, one process at a time.

::

    folder/run.json       which run it belongs to
    folder/log.jsonl      a line a step
    folder/step-000123/   a checkpoint; the last two are kept
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout


class CheckpointError(RuntimeError):
    """A checkpoint is missing, damaged, another run's, or cannot be written."""


def atomic_write(path: Path, text: str) -> None:
    """Write a file so that a crash leaves the old one or the new one, never half of one."""
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def sha256(path: Path) -> str:
    """Checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class RunFolder:
    """The folder of one run, locked against other processes while ``with`` lasts.

    Args:
        folder: made if it is not there.
        run: the run's id.
        step: how far the run is; its folder must not be further.
        megabytes: what a checkpoint takes.

    Raises:
        ValueError: the folder is a file, a checkpoint, another run's, in use, or its disk full.
        OSError: it cannot be written.
    """

    def __init__(self, folder: str | Path, run: str, step: int = 0, megabytes: float = 0.0):
        self.path = self.of(folder)
        self.run, self.step, self.megabytes = run, step, megabytes

    @staticmethod
    def of(folder: str | Path) -> Path:
        """The folder's whole path."""
        return Path(folder).expanduser().resolve()

    def __enter__(self) -> Self:
        if self.path.is_file():
            raise ValueError(f"{self.path} is a file; a run needs a folder")
        if (self.path / "manifest.json").exists():
            raise ValueError(
                f"{self.path} is a checkpoint; give its run's folder {self.path.parent}"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(self.path / ".lock", timeout=0)
        try:
            self.lock.acquire()
        except Timeout as error:
            raise ValueError(
                f"{self.path} is in use by another training: wait for its end, or choose another "
                f"folder"
            ) from error
        try:
            self._claim()
        except BaseException:
            self.lock.release()
            raise
        return self

    def __exit__(self, *error) -> None:
        self.lock.release()

    def _claim(self) -> None:
        recover(self.path)
        card, found = self.path / "run.json", checkpoints(self.path)
        about = json.loads(card.read_text(encoding="utf-8")) if card.exists() else {}
        other, log = about.get("run", self.run) != self.run, self.path / "log.jsonl"
        if other and not found:  # it came to no checkpoint: nothing can go on, its log is kept
            if log.exists():
                log.rename(self.path / f"log-{about['run']}.jsonl")
            other, about = False, {}
        if other or (found and not about):
            begun = f"begun {about['begun']}, " if about else ""
            raise ValueError(
                f"{self.path} holds another run ({begun}{len(found)} checkpoints): go on with it "
                f"(--resume, or Trainer.load), or choose another folder"
            )
        if found and step_of(found[0]) > self.step:
            raise ValueError(
                f"in {self.path} this run has got to step {step_of(found[0])}, but the trainer is "
                f"at step {self.step}: load the newest checkpoint, or choose another folder"
            )
        free, needed = shutil.disk_usage(self.path).free / 2**20, 3 - min(len(found), 2)
        if free < needed * self.megabytes:  # two are kept, beside the one that is being written
            raise ValueError(
                f"checkpoints will take about {needed * self.megabytes:,.0f} MB more, and the disk "
                f"of {self.path} has {free:,.0f} MB left: make room, or choose another folder"
            )
        if not about:
            begun = datetime.now().isoformat(" ", "seconds")
            atomic_write(card, json.dumps({"run": self.run, "begun": begun}) + "\n")

    def write(self, step: int, write: Callable[[Path], None], about: dict, keep: int = 2) -> Path:
        """Let ``write`` fill a draft folder, add checksums, make it the checkpoint of ``step``.

        At every moment some checkpoint is whole: a draft gets its manifest last, and an old one
        of the same step is moved aside before it goes. `recover` ends what a crash broke off.
        """
        target = self.path / f"step-{step:06d}"
        draft = self.path / f".draft-{target.name}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        try:
            write(draft)
            files = {}
            for file in sorted(p for p in draft.rglob("*") if p.is_file()):
                with file.open("rb+") as handle:
                    os.fsync(handle.fileno())
                files[file.relative_to(draft).as_posix()] = sha256(file)
            about = {**about, "run": self.run, "step": step, "files": files}
            manifest = json.dumps(about, indent=1)
            atomic_write(draft / "manifest.json", manifest)
            atomic_write(draft / "manifest.sha256", hashlib.sha256(manifest.encode()).hexdigest())
        except Exception as error:  # a full disk, of which each library says so in its own way
            shutil.rmtree(draft, ignore_errors=True)
            raise CheckpointError(f"{target} could not be written: {error}") from error
        aside = _aside(target) if target.exists() else None
        draft.rename(target)
        for old in [aside, *map(_aside, checkpoints(self.path)[keep:])]:
            if old is not None:  # what cannot be deleted now, `recover` deletes later
                shutil.rmtree(old, ignore_errors=True)
        self.step = step
        return target


def _aside(checkpoint: Path) -> Path:
    """Rename a checkpoint that has to go: from then on nobody takes it for whole."""
    return checkpoint.rename(checkpoint.with_name(f".old-{checkpoint.name}"))


def recover(folder: Path) -> None:
    """End what a crash broke off: a whole draft takes its place, and what was to go goes."""
    for draft in folder.glob(".draft-step-*"):
        target = folder / draft.name.removeprefix(".draft-")
        if (draft / "manifest.sha256").exists() and not target.exists():
            draft.rename(target)
        else:
            shutil.rmtree(draft)
    for aside in folder.glob(".old-step-*"):
        shutil.rmtree(aside)


def step_of(checkpoint: Path) -> int:
    """The step of a checkpoint's folder."""
    return int(checkpoint.name.removeprefix("step-"))


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a run's folder, the newest first."""
    found = [p for p in folder.glob("step-*") if re.fullmatch(r"step-\d{6,}", p.name)]
    return sorted((p for p in found if p.is_dir()), key=step_of, reverse=True)


def verified_checkpoint(folder: Path) -> tuple[Path, dict]:
    """The checkpoint that is, or is the newest in, ``folder``, and what its manifest says.

    Raises:
        CheckpointError: there is none, or a file of it is missing, cut short or edited.
    """
    if (folder / "manifest.json").exists():
        newest, earlier = folder, []
    else:
        with contextlib.suppress(Timeout, OSError):  # in use, or only to be read
            if folder.is_dir():
                with FileLock(folder / ".lock", timeout=0):
                    recover(folder)
        found = checkpoints(folder)
        if not found:
            raise CheckpointError(
                f"there is no checkpoint in {folder.resolve()}; a training that ended before its "
                f"first has to begin again"
            )
        newest, *earlier = found
    advice = f"; the one before it is {earlier[0]}: load that" if earlier else ""
    try:
        text = (newest / "manifest.json").read_text(encoding="utf-8")
        seal = (newest / "manifest.sha256").read_text(encoding="utf-8")
        whole = hashlib.sha256(text.encode()).hexdigest() == seal
        files = json.loads(text)["files"] if whole else {"manifest.json": ""}
        for name, checksum in files.items():
            if sha256(newest / name) != checksum:
                raise CheckpointError(f"{newest / name} was cut short or edited{advice}")
    except FileNotFoundError as error:
        raise CheckpointError(f"{error.filename} is missing{advice}") from error
    return newest, json.loads(text)
