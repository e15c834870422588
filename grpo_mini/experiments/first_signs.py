"""Which metric leaves its healthy range first when a training collapses."""

from collections.abc import Sequence

from .statistics import Run

# What a log shows of every run of either algorithm, and what it is called in a figure.
SIGNS = {
    "grad_norm": "length of the gradient",
    "entropy": "entropy",
    "log_prob_distance": "log-prob distance",
    "length_mean": "response length",
    "truncated_share": "cut-off responses",
    "reward_mean": "reward",
}
IN_A_ROW = 3  # steps outside that make an alarm: a single one may be chance
WIDER = 2  # how far beyond what healthy runs did, as a factor: no sign is ever negative
LEAST = {"truncated_share": 0.02}  # where healthy runs have 0, one sample would ring


def healthy_range(runs: Sequence[Run], metric: str) -> dict[int, tuple[float, float]]:
    """Step -> half the lowest and twice the highest value of healthy runs.

    With n runs the next healthy one lies outside of the plain range with probability 2 / (n + 1),
    so without widening every run would ring. A factor, and not a distance: a distance would soon
    put the lower end below 0, where nothing that falls could ever ring.

    Raises:
        ValueError: fewer than 3 runs, which span no range.
    """
    if len(runs) < 3:
        raise ValueError(f"a healthy range needs at least 3 runs, got {len(runs)}")
    by_step = [{row["step"]: row[metric] for row in run.rows if metric in row} for run in runs]
    ranges = {}
    for step in sorted(set.intersection(*map(set, by_step))):
        values = [one[step] for one in by_step]
        ranges[step] = min(values) / WIDER, max(WIDER * max(values), LEAST.get(metric, 0.0))
    return ranges


def first_outside(run: Run, ranges: dict[int, tuple[float, float]], metric: str) -> int | None:
    """First step of the first ``IN_A_ROW`` neighbouring ones outside the range; None if never."""
    outside: list[int] = []
    for row in run.rows:
        if metric not in row or row["step"] not in ranges:
            continue
        low, high = ranges[row["step"]]
        outside = [] if low <= row[metric] <= high else [*outside, row["step"]]
        if len(outside) == IN_A_ROW:
            return outside[0]
    return None


def alarms(run: Run, healthy: Sequence[Run]) -> dict[str, int | None]:
    """For each sign, the step at which ``run`` leaves the range of the *other* healthy runs."""
    others = [other for other in healthy if other is not run]
    return {name: first_outside(run, healthy_range(others, name), name) for name in SIGNS}
