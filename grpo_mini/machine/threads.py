"""How many threads compute, and how they wait: measured for the state that the machine is in.

Two threads that wait for each other by spinning may be fastest on a machine of their own, and are
hopeless beside other busy programs: each waits for one that is not running. So a few variants are
timed on a small product before a training, for some milliseconds each. The number of threads stays
as it is within a run, since it moves the last digits of every sum; how they wait moves nothing.
"""

import math
import os
import statistics
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import torch

CONTAINER = Path("/sys/fs/cgroup/cpu.max")
ROUNDS, SECONDS = 5, 0.01  # of each variant
# So many times as fast another variant has to be. All cores, because then a run has the same digits
# whatever else the machine does; spinning, because where it is not hopeless it is faster in a
# training, of many small pieces, than it seems here.
THAN_ALL_CORES, THAN_SPINNING, THAN_BEFORE = 1.25, 1.2, 1.2


@dataclass(frozen=True)
class Threads:
    """A choice.

    Attributes:
        number: of threads.
        yielding: a waiting thread gives its core to other programs at once.
        share: of a core that one computing thread got while this was measured.
        why: in words.
    """

    number: int
    yielding: bool
    share: float
    why: str

    def __str__(self) -> str:
        return f"{self.number} thread{'s' * (self.number > 1)} ({self.why})"


def lent_cores() -> int:
    """Cores that this process may use: those it is bound to, and no more than its container's."""
    bound = getattr(os, "sched_getaffinity", None)
    cores = len(bound(0)) if bound else os.cpu_count() or 1
    try:
        quota, period = CONTAINER.read_text(encoding="utf-8").split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):  # no container, or no limit ("max")
        pass
    return max(cores, 1)


class _Waiting:
    """How torch's threads wait.

    Its OpenMP on Linux, libgomp, lets a waiting thread spin for some milliseconds, but hardly at
    all while it looks after more threads than there are cores. A second team of threads that
    sleeps makes it so, at any time and without a change to what is computed. Elsewhere this has
    no effect.
    """

    def __init__(self):
        self.end: threading.Event | None = None

    def set(self, yielding: bool) -> None:
        """Yield, or spin."""
        if not yielding and self.end is not None:
            self.end.set()
            self.sleeper.join()
            self.end = None
        if yielding and self.end is None and torch.get_num_threads() > 1:
            self.end, ready = threading.Event(), threading.Event()
            arguments = self.end, ready
            self.sleeper = threading.Thread(target=self._sleep, args=arguments, daemon=True)
            self.sleeper.start()
            ready.wait(10)

    @staticmethod
    def _sleep(end: threading.Event, ready: threading.Event) -> None:
        torch.ones(1 << 18).sin()  # large enough to get a team of threads of its own
        ready.set()
        end.wait()


_waiting = _Waiting()
_current: Threads | None = None


def apply(number: int, yielding: bool) -> None:
    """Compute with so many threads from now on."""
    torch.set_num_threads(number)
    _waiting.set(yielding)


def _pace(seconds: float = SECONDS) -> tuple[float, float]:
    """Small products a second with the threads as they are, and the processor time they took."""
    x, inward, outward = torch.ones(384, 128), torch.ones(128, 384), torch.ones(384, 128)
    start, cpu, done = time.perf_counter(), time.thread_time(), 0
    while time.perf_counter() - start < seconds:
        torch.nn.functional.silu(x @ inward) @ outward
        done += 1
    took = time.perf_counter() - start
    return done / took, (time.thread_time() - cpu) / took


def choose(wanted: int | None = None, why: str = "as the configuration says") -> Threads:
    """Measure, choose and apply.

    A number that ``OMP_NUM_THREADS`` gives is kept, and so is one that `torch.set_num_threads` has
    set since the last choice.

    Args:
        wanted: the number of threads if it is given; then only the waiting is chosen.
        why: it is given.
    """
    global _current
    now, most = torch.get_num_threads(), lent_cores()
    said, told = {wanted: why} if wanted else {}, os.environ.get("OMP_NUM_THREADS", "")
    if not said and _current is not None and now != _current.number:
        said = {now: "as torch.set_num_threads says"}
    elif not said and told.isdecimal() and int(told) > 0:
        said = {int(told): "as OMP_NUM_THREADS says"}
    numbers = list(said) or sorted(
        {2**i for i in range(most.bit_length())} & {*range(most)} | {most}
    )
    torch.set_num_threads(1)
    share = statistics.median(_pace()[1] for _ in range(ROUNDS))
    # Beside other programs spinning is hopeless, even if a lucky moment makes it look fast.
    ways = (False, True) if share > 0.9 else (True,)
    variants = [(n, y) for n in numbers for y in (ways if n > 1 else (False,))]
    paces = dict.fromkeys(variants, 0.0)
    for i, variant in enumerate(variants * ROUNDS if len(variants) > 1 else ()):
        apply(*variant)
        pace = _pace()[0]
        if i >= len(variants):  # threads that were just made are slow
            paces[variant] += pace

    def score(variant: tuple[int, bool]) -> float:
        number, yielding = variant
        score = paces[variant] * (THAN_ALL_CORES if number == numbers[-1] else 1.0)
        score *= THAN_SPINNING if number > 1 and not yielding else 1.0
        before = _current is not None and variant == (_current.number, _current.yielding)
        return score * (THAN_BEFORE if before else 1.0)

    best = max(variants, key=score)
    apply(*best)
    busy = " beside other busy programs" if share < 0.75 else ""
    why = said.get(best[0]) or f"the fastest of {listed(numbers)} here{busy}"
    _current = Threads(*best, share, why)
    return _current


def listed(numbers: list[int]) -> str:
    """1, 2 and 4."""
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}" if first else last


def current() -> Threads:
    """The last choice."""
    return _current or choose()


class Pace:
    """Notices when the steps of a training grow long, and says why."""

    LONGER = 5  # times as long for the same number of tokens: then a sentence says so
    CROWDED = 1.5  # times as long, without the processors: then waiting threads make room

    def __init__(self):
        self.best, self.slow = math.inf, 0

    def remark(self, step: int, seconds: float, cpu_seconds: float, tokens: int) -> str | None:
        """A sentence when two steps in a row took five times as long as the fastest."""
        cost, cores = seconds / max(tokens, 1), cpu_seconds / seconds
        self.best = min(self.best, cost)
        self.slow = self.slow + 1 if cost >= self.LONGER * self.best else 0
        crowded = cores < 0.75 * torch.get_num_threads()
        if crowded and cost >= self.CROWDED * self.best:
            _waiting.set(True)
        if self.slow != 2:
            return None
        long = (
            f"step {step} took {seconds:.1f} s, {cost / self.best:.0f} times as long for its "
            f"tokens as the fastest"
        )
        self.best, self.slow = cost, 0  # not again before it gets worse
        if crowded:
            return (
                f"{long}: other programs use the processors, and left {cores:.1f} cores to this "
                f"one. Close them, or let it run: its waiting threads make room from now on"
            )
        return f"{long}, though it has the processors to itself: is the memory full?"
