"""Checkpoints that appear whole or not at all, and that notice when a byte of theirs changed."""

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import torch


class CheckpointError(RuntimeError):
    """A checkpoint is missing, cut short or edited."""


def atomic_write(path: Path, text: str) -> None:
    """Write a file so that a crash leaves the old one or the new one, never half of one."""
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def sha256(path: Path) -> str:
    """Checksum of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def global_random_states() -> dict:
    """torch's and Python's global random states: a reward function may draw from them."""
    return {"torch": torch.get_rng_state(), "python": random.getstate()}


def set_global_random_states(states: dict) -> None:
    """Put back what `global_random_states` returned."""
    torch.set_rng_state(states["torch"])
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))


def write_checkpoint(
    folder: Path, name: str, write: Callable[[Path], None], about: dict, keep: int = 2
) -> Path:
    """Let ``write`` fill a draft folder, add checksums, rename it to ``folder / name``.

    Only the newest ``keep`` checkpoints stay.
    """
    target, draft = folder / name, folder / f".draft-{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    write(draft)
    names = sorted(p.relative_to(draft).as_posix() for p in draft.rglob("*") if p.is_file())
    manifest = json.dumps({**about, "files": {n: sha256(draft / n) for n in names}}, indent=1)
    atomic_write(draft / "manifest.json", manifest)
    atomic_write(draft / "manifest.sha256", hashlib.sha256(manifest.encode()).hexdigest())
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
    for old in sorted(folder.glob("step-*"))[:-keep]:
        shutil.rmtree(old)
    return target


def verified_checkpoint(folder: Path) -> tuple[Path, dict]:
    """The checkpoint that is, or is the newest in, ``folder``, and what its manifest says.

    Raises:
        CheckpointError: there is none, or a file of it is missing, cut short or edited.
    """
    candidates = [folder] if (folder / "manifest.json").exists() else []
    candidates = candidates or sorted(folder.glob("step-*"), reverse=True)
    if not candidates:
        raise CheckpointError(f"there is no checkpoint in {folder.resolve()}")
    newest, earlier = candidates[0], candidates[1:]
    advice = f"; the one before it is {earlier[0]}: load that" if earlier else ""
    try:
        text = (newest / "manifest.json").read_text()
        if hashlib.sha256(text.encode()).hexdigest() != (newest / "manifest.sha256").read_text():
            raise CheckpointError(f"{newest / 'manifest.json'} was cut short or edited{advice}")
        manifest = json.loads(text)
        for name, checksum in manifest["files"].items():
            if sha256(newest / name) != checksum:
                raise CheckpointError(f"{newest / name} was cut short or edited{advice}")
    except FileNotFoundError as error:
        raise CheckpointError(f"{error.filename} is missing{advice}") from error
    return newest, manifest
