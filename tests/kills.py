"""Kill a training at random moments and go on; the end has to be that of an undisturbed one.

``python tests/kills.py --number 25`` does so for both algorithms and prints what it found. One
process imports the library and forks a child for each training, so that a kill costs a second.
"""

import argparse
import io
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

import torch

from grpo_mini.__main__ import main
from grpo_mini.experiments.metrics import TIMING_METRICS
from grpo_mini.support.checkpoints import checkpoints

QUICK = ["--prompts-per-step", "4", "--max-new-tokens", "12", "--train-problems", "32",
         "--device", "cpu", "--steps", "6", "--save-every", "1"]  # fmt: skip

FIRST = "before the first checkpoint"


def started(words: list[str]) -> int:
    """A child that runs the command, without a word; its process id."""
    child = os.fork()
    if child:
        return child
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    os._exit(main(words))


def ended(child: int) -> int:
    """Its exit code, minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def content(folder: Path) -> dict:
    """What a run has come to: the bytes of its last checkpoint, and its log without seconds."""
    newest = checkpoints(folder)[0]
    files = {p.name if p.parent == newest else f"{p.parent.name}/{p.name}": p.read_bytes()
             for p in newest.rglob("*") if p.is_file()}  # fmt: skip
    for name in ("manifest.json", "manifest.sha256", "history.json"):  # hold seconds and the run
        del files[name]
    files |= own_states(files.pop("state.pt"))
    rows = map(json.loads, (folder / "log.jsonl").read_text(encoding="utf-8").splitlines())
    log = [{k: v for k, v in row.items() if k not in TIMING_METRICS} for row in rows]
    return {"step": newest.name, "log": log, **files}


def own_states(stored: bytes) -> dict[str, bytes]:
    """What a checkpoint's state holds of the training: a process has global random states anew."""
    state = torch.load(io.BytesIO(stored), weights_only=True)
    again = {name: io.BytesIO() for name in ("optimizers", "generator")}
    for name, file in again.items():
        torch.save(state[name], file)
    return {name: file.getvalue() for name, file in again.items()}


def kill(algorithm: str, number: int, seed: int = 0) -> dict:
    """Kill ``number`` trainings, go on with each, and compare; where the kills struck."""
    rng = random.Random(f"{algorithm}/{seed}")
    words = ["train", "--algorithm", algorithm, *QUICK]
    struck = {FIRST: 0, "between": 0, "after the end": 0}
    with tempfile.TemporaryDirectory() as place:
        undisturbed = Path(place) / "undisturbed"
        start = time.perf_counter()
        assert ended(started([*words, "--folder", str(undisturbed)])) == 0
        takes = time.perf_counter() - start
        wanted = content(undisturbed)
        for i in range(number):
            folder = Path(place) / str(i)
            child = started([*words, "--folder", str(folder)])
            time.sleep(rng.uniform(0, takes))
            os.kill(child, signal.SIGKILL)
            code = ended(child)
            whole = [*checkpoints(folder), *folder.glob(".draft-step-*/manifest.sha256")]
            moment = "after the end" if code == 0 else "between" if whole else FIRST
            struck[moment] += 1
            again = ["--resume"] if whole else []  # from nothing: begin again, in the same folder
            code = ended(started([*words, "--folder", str(folder), *again]))
            assert code == 0, f"kill {i} ({moment}): going on ended with {code}"
            for name, value in content(folder).items():
                assert value == wanted[name], f"kill {i} ({moment}): {name} differs"
    return struck


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=25, help="kills of each algorithm")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    for algorithm in ("grpo", "ppo"):
        struck = kill(algorithm, arguments.number, arguments.seed)
        print(f"{algorithm}: {arguments.number} killed, all went on to the same bytes; {struck}")
    sys.exit(0)
