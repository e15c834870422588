"""Each widget changed a thousand times: median time to the new picture, growth of memory.

Processor time is printed too: on a machine that has other work it is the one to look at.
"""

import argparse
import gc
import statistics
import time
from pathlib import Path

import torch

from grpo_mini import load_policy
from grpo_mini.course import (
    ExactPolicy,
    GradientCloud,
    RolloutMicroscope,
    SamplingTree,
    widgets,
)


def resident_mb() -> float:
    """Memory that this process holds now (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(x for x in status.splitlines() if x.startswith("VmRSS")).split()[1]) / 1024


def change(lab, i: int) -> tuple[float, float]:
    """Move one slider to another value; seconds on the wall and of the processor until then.

    Then means: picture and sentence are the new ones.
    """
    names = [n for n, c in lab.controls.items() if hasattr(c, "step")]
    control = lab.controls[names[i % len(names)]]
    steps = round((control.max - control.min) / control.step)
    value = control.min + (i * 7 % (steps + 1)) * control.step
    if abs(value - control.value) < control.step / 2:  # no change would cost nothing
        value = control.min if control.value > control.min else control.max
    start = time.perf_counter(), time.process_time()
    control.value = value
    return time.perf_counter() - start[0], time.process_time() - start[1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--only", nargs="+", default=[], help="names of widgets")
    arguments = parser.parse_args()
    policy, rewards = ExactPolicy([0.5, 1.2, 0.0, -0.5, 0.8]), torch.arange(5.0)
    kinds = {name: getattr(widgets, name) for name in widgets.__all__} | {
        "GradientCloud": lambda: GradientCloud(policy, rewards),
        "RolloutMicroscope": RolloutMicroscope,
        "SamplingTree": lambda: SamplingTree(*load_policy()),
    }
    for name in arguments.only or kinds:
        lab = kinds[name]()
        for i in range(100):  # fonts and caches
            change(lab, i)
        gc.collect()
        before = resident_mb()
        wall, cpu = zip(*(change(lab, i) for i in range(arguments.changes)), strict=True)
        gc.collect()
        print(
            f"{name:<20} median {1000 * statistics.median(wall):5.0f} ms "
            f"({1000 * statistics.median(cpu):.0f} ms of the processor), memory "
            f"{resident_mb() - before:+5.1f} MB in {arguments.changes} changes",
            flush=True,
        )
