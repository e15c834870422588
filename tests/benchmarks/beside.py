"""A GRPO step of the demo beside other busy programs, against a step alone.

Each figure is from a process of its own, started in the state that it measures, as somebody would
start a training there. ``--against CHECKOUT`` takes another version of the project in turn, A B A
B, and prints the ratio of the two, pair by pair.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
# It learns nothing, so that responses stay as long as they are and every step is the same work.
PROGRAM = """
import json, sys
from grpo_mini import GRPOConfig, GRPOTrainer
trainer = GRPOTrainer(GRPOConfig(device="cpu", learning_rate=1e-12))
times = []
trainer.train(int(sys.argv[1]), seconds=float(sys.argv[2]),
              on_step=lambda row: times.append(row["train_seconds"]))
print(json.dumps([b - a for a, b in zip(times, times[1:])] or times))
"""


def steps(checkout: Path, number: int, seconds: float = 60.0) -> float:
    """Median seconds of a step after the first, in a new process."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    environment |= {"PYTHONPATH": str(checkout), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(number), str(seconds)],
        cwd=checkout, env=environment, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr.strip().splitlines()[-1])
    return statistics.median(json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def busy(programs: int) -> Iterator[None]:
    """So many other programs that compute without a pause."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(programs)]
    time.sleep(1)
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, nargs="+", default=[4, 13], help="how many others")
    parser.add_argument("--steps", type=int, default=8, help="steps of a measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each state")
    parser.add_argument("--against", type=Path, help="another checkout of the project")
    arguments = parser.parse_args()
    checkouts = {"here": ROOT} | ({"there": arguments.against} if arguments.against else {})

    def measured(programs: int) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {name: [] for name in checkouts}
        for _ in range(arguments.rounds):
            for name, checkout in checkouts.items():
                with busy(programs):
                    found[name].append(steps(checkout, arguments.steps))
        return found

    alone = measured(0)
    for programs in (0, *arguments.programs):
        times = measured(programs) if programs else alone
        for name in checkouts:
            ratio = statistics.median(times[name]) / statistics.median(alone[name])
            print(
                f"{name:<6} beside {programs:>2} others: {statistics.median(times[name]):6.2f} s a "
                f"step ({min(times[name]):.2f} to {max(times[name]):.2f}), {ratio:.1f} x alone",
                flush=True,
            )
        if arguments.against:
            pairs = zip(times["here"], times["there"], strict=True)
            ratios = sorted(here / there for here, there in pairs)
            middle = statistics.median(ratios)
            print(f"       here / there: {middle:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
