"""A killed training goes on as if nothing had happened, wherever the kill strikes."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from grpo_mini.support.checkpoints import CheckpointError, checkpoints, verified_checkpoint
from grpo_mini.trainer import Trainer
from tests.kills import own_states

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
FILE_EVENTS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate"}


def test_kills_at_random_moments():
    """A few; ``python tests/kills.py`` does fifty."""
    command = [sys.executable, "-m", "tests.kills", "--number", "6"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[1], capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("all went on to the same bytes") == 2


def save_and_die(trainer: Trainer, folder: Path, operation: int) -> bool:
    """Save in a child that is killed before its n-th file operation; was it?"""
    child = os.fork()
    if child == 0:
        left = operation

        def count(event: str, arguments: tuple) -> None:
            nonlocal left
            if event in FILE_EVENTS and str(folder) in str(arguments[0]):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        trainer.save(folder)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("algorithm", "same"),
    [("grpo", True), ("ppo", True), ("grpo", False)],
    ids=["grpo, the same step", "ppo, the same step", "grpo, the next step"],
)
def test_a_kill_at_every_file_operation_of_a_save(small_trainer, algorithm, tmp_path, same):
    """Of one that replaces a checkpoint of its own step, and of one that makes an older one go."""
    torch.set_num_threads(1)  # the child has no team of threads
    trainer = small_trainer(algorithm)
    trainer.train(2, tmp_path / "run", save_every=1)
    expected = {2: content_of(tmp_path / "run")}
    if not same:
        trainer.train(1)
        trainer.save(tmp_path / "three")
        expected[3] = content_of(tmp_path / "three")
    operation, killed = 0, True
    while killed:
        folder = tmp_path / "copy"
        shutil.copytree(tmp_path / "run", folder)
        killed = save_and_die(trainer, folder, operation)
        checkpoint, about = verified_checkpoint(folder)
        assert content_of(folder) == expected[about["step"]], f"operation {operation}"
        assert not [p for p in folder.iterdir() if p.name.startswith((".draft", ".old"))]
        if operation % 8 == 0 or not killed:
            resumed = Trainer.load(folder)
            resumed.train(1, folder, save_every=1)
        shutil.rmtree(folder)
        operation += 1
    assert operation > 20, "so few operations: were they seen?"
    assert about["step"] == trainer.step


def test_a_kill_at_every_file_operation_of_the_first_save(small_trainer, tmp_path):
    """Until the checkpoint is whole there is none, the error says so, and a run can begin there."""
    torch.set_num_threads(1)
    trainer = small_trainer("grpo")
    trainer.train(1)
    trainer.save(tmp_path / "undisturbed")
    expected = content_of(tmp_path / "undisturbed")
    operation, killed, none = 0, True, 0
    while killed:
        folder = tmp_path / str(operation)
        killed = save_and_die(trainer, folder, operation)
        try:
            verified_checkpoint(folder)
        except CheckpointError as error:
            assert none == operation, "there was a checkpoint, and a later kill left none"
            none += 1
            assert "there is no checkpoint" in str(error) and "begin" in str(error)
            if operation % 8 == 0:
                trainer.save(folder)
                assert content_of(folder) == expected
        else:
            assert content_of(folder) == expected
        shutil.rmtree(folder, ignore_errors=True)
        operation += 1
    assert 10 < none < operation, "no kill struck before the checkpoint, or all did"


def content_of(folder: Path) -> dict[str, bytes]:
    """Every file of the newest checkpoint; but not what a forked child has anew."""
    newest = checkpoints(folder)[0]
    files = {p.relative_to(newest).as_posix(): p.read_bytes()
             for p in newest.rglob("*") if p.is_file()}  # fmt: skip
    for name in ("manifest.json", "manifest.sha256"):  # hold the checksum of the states
        del files[name]
    return files | own_states(files.pop("state.pt"))
