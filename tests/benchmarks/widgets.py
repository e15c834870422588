"""Each widget changed a thousand times: median time to the new picture, growth of memory."""

import argparse
import gc
import statistics
import time
from pathlib import Path

from grpo_mini.course import widgets


def resident_mb() -> float:
    """Memory that this process holds now (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(next(x for x in status.splitlines() if x.startswith("VmRSS")).split()[1]) / 1024


def change(lab, i: int) -> float:
    """Move one control to another value; seconds until picture and sentence are there."""
    names = [n for n, c in lab.controls.items() if hasattr(c, "step")]
    control = lab.controls[names[i % len(names)]]
    steps = round((control.max - control.min) / control.step)
    value = control.min + (i * 7 % (steps + 1)) * control.step
    start = time.perf_counter()
    control.value = value
    return time.perf_counter() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=1000)
    arguments = parser.parse_args()
    for name in widgets.__all__:
        lab = getattr(widgets, name)()
        for i in range(100):  # fonts and caches
            change(lab, i)
        gc.collect()
        before = resident_mb()
        times = [change(lab, i) for i in range(arguments.changes)]
        gc.collect()
        print(
            f"{name:<20} median {1000 * statistics.median(times):5.0f} ms, "
            f"memory {resident_mb() - before:+5.1f} MB in {arguments.changes} changes"
        )
