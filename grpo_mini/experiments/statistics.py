"""What recorded runs say: figures of one run, and intervals over seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import numpy

from .record import read_runs

RUNS = Path(__file__).parents[2] / "data" / "runs"
TARGET = 0.6  # the accuracy that "samples to" and "seconds to" ask for


class Interval(NamedTuple):
    """A mean over seeds with its 95% interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return self.written(2)

    def written(self, digits: int) -> str:
        """With so many digits, and one more where they would show an end as 0 that is not.

        0 is what verdicts ask about.
        """
        half = 0.5 / 10**digits
        digits += any(half / 10 <= abs(end) < half for end in self[1:])
        mean, low, high = (round(end, digits) + 0.0 for end in self)  # 0.0 makes 0 of -0
        return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"

    def within(self, low: float, high: float) -> "Interval":
        """Cut to what is possible: widened, the interval of a share may reach beyond 1."""
        return Interval(*(min(max(end, low), high) for end in self))

    def percent(self) -> str:
        """The same in percent."""
        mean, low, high = (round(end, 2) + 0.0 for end in self)
        return f"{mean:.0%} [{low:.0%}, {high:.0%}]"


@dataclass(frozen=True)
class Run:
    """A recorded run: one setting of an experiment, trained from one seed."""

    header: dict
    rows: list[dict]

    @property
    def seed(self) -> int:
        """Seed of problems, sampling and order."""
        return self.header["config"]["seed"]

    @property
    def name(self) -> str:
        """Setting and seed."""
        return f"{self.header['setting']}-seed{self.seed}"

    def evaluations(self) -> list[dict]:
        """The rows with a measurement on held-out problems, the first before training."""
        return [row for row in self.rows if "eval_accuracy" in row]


def load(experiment: str, runs: Path = RUNS) -> dict[str, list[Run]]:
    """All runs of an experiment by setting, each setting's by seed.

    Raises:
        FileNotFoundError: none is recorded; the message says how to make them.
    """
    path, found = runs / f"{experiment}.jsonl", {}
    if not path.exists():
        folder = "data/runs" if runs == RUNS else runs
        raise FileNotFoundError(
            f"{folder}/{experiment}.jsonl is not there; "
            f"python -m grpo_mini experiment {experiment} --out {folder} makes it"
        )
    for header, rows in read_runs(path):
        label = header.get("setting") or header["algorithm"].removesuffix("Trainer").lower()
        found.setdefault(label, []).append(Run(header, rows))
    return {label: sorted(group, key=lambda run: run.seed) for label, group in found.items()}


def welch(first: Sequence[float], second: Sequence[float] | None = None) -> Interval:
    """Mean of the first, or minus that of the second, with its 95% interval by Student's t.

    With three seeds a side there is little for `bootstrap` to draw from, and this is what notebook
    06 has the reader write.

    Raises:
        ValueError: fewer than two values on a side.
    """
    groups = [(1.0, first)] if second is None else [(1.0, first), (-1.0, second)]
    mean, error, freedom = _weighted_sum(groups)
    half = student(0.975, freedom) * error**0.5 if error else 0.0
    return Interval(mean, mean - half, mean + half)


def _weighted_sum(groups: Sequence[tuple[float, Sequence[float]]]) -> tuple[float, float, float]:
    """A weighted sum of the means of independent groups, its squared standard error, and the
    degrees of freedom of that (Welch 1947, Biometrika 34, 28-35).

    Raises:
        ValueError: a group of fewer than two values, which says nothing about its spread.
    """
    mean = error = parts = 0.0
    for weight, values in groups:
        if len(values) < 2:
            raise ValueError(f"an interval needs at least 2 seeds, got {len(values)}")
        of_mean = weight**2 * numpy.var(values, ddof=1) / len(values)
        mean += weight * numpy.mean(values)
        error += of_mean
        parts += of_mean**2 / (len(values) - 1)
    return float(mean), float(error), float(error**2 / parts) if error else numpy.inf


def student(share: float, freedom: float) -> float:
    """The number that Student's t stays below with probability ``share``.

    With t = sqrt(freedom) * tan(angle) the density is cos(angle) ** (freedom - 1).
    """
    angles = numpy.linspace(-numpy.pi / 2, numpy.pi / 2, 20_001)
    density = numpy.cos(angles).clip(0) ** (freedom - 1)
    below = numpy.cumsum((density[1:] + density[:-1]) / 2)
    angle = numpy.interp(share * below[-1], below, angles[1:])
    return float(freedom**0.5 * numpy.tan(angle))


def bootstrap(
    values: Sequence[float], draws: int = 10_000, seed: int = 0, comparisons: int = 1
) -> Interval:
    """Mean and 95% interval by resampling the seeds.

    The plain percentile interval is too narrow for few seeds: of numbers from a bell curve it holds
    the truth with 5 in 84% of the cases, with 8 in 89%. So it is widened about the mean by
    sqrt(n / (n - 1)) * t / 1.96, by which Hesterberg (2015, arXiv 1411.5279, expanded percentile
    interval) moves the percentiles instead. Then it keeps its promise for a bell curve. With heavy
    tails and few seeds no interval does, Student's neither.

    Args:
        comparisons: how many intervals one verdict looks at. Each is made wider, so that all of
            them together hold the truth in 95% of the cases (Bonferroni).

    Raises:
        ValueError: fewer than two values, which say nothing about their spread.
    """
    return contrast([(1.0, values)], draws, seed, comparisons)


def contrast(
    groups: Sequence[tuple[float, Sequence[float]]],
    draws: int = 10_000,
    seed: int = 0,
    comparisons: int = 1,
) -> Interval:
    """A weighted sum of the means of independent groups, with its 95% interval.

    As `bootstrap`, with the seeds of each group drawn for themselves, and with the degrees of
    freedom that such a sum has: groups may differ in size and in spread.

    Args:
        groups: weight and values of each; 1 and -1 make a difference.

    Raises:
        ValueError: a group of fewer than two values, which says nothing about its spread.
    """
    generator = numpy.random.default_rng(seed)
    mean, true, freedom = _weighted_sum(groups)
    if true == 0:  # all values of each group are equal
        return Interval(mean, mean, mean)
    seen, drawn = 0.0, numpy.zeros(draws)
    for weight, values in groups:
        values, number = numpy.asarray(values, dtype=float), len(values)
        rows = generator.integers(number, size=(draws, number))
        drawn += weight * values[rows].mean(axis=1)
        seen += weight**2 * values.var() / number  # of the drawn means
    tail = 0.025 / comparisons
    wider = (true / seen) ** 0.5 * student(1 - tail, freedom)
    wider /= NormalDist().inv_cdf(1 - tail)
    low, high = mean + wider * (numpy.quantile(drawn, [tail, 1 - tail]) - mean)
    return Interval(*map(float, (mean, low, high)))


def bootstrap_columns(values: numpy.ndarray, draws: int = 2000, seed: int = 0) -> list[Interval]:
    """`bootstrap` of each column of ``values`` [seeds, columns], with the same draws for all."""
    number = len(values)
    if number < 2:
        raise ValueError(f"an interval needs at least 2 seeds, got {number}")
    rows = numpy.random.default_rng(seed).integers(number, size=(draws, number))
    mean = values.mean(axis=0)
    ends = numpy.quantile(values[rows].mean(axis=1), [0.025, 0.975], axis=0)
    wider = (number / (number - 1)) ** 0.5
    wider *= student(0.975, number - 1) / NormalDist().inv_cdf(0.975)
    low, high = mean + wider * (ends - mean)
    return [Interval(*map(float, column)) for column in zip(mean, low, high, strict=True)]


def paired(
    first: Sequence[Run], second: Sequence[Run], figure: Callable[[Run], float]
) -> list[float]:
    """``figure`` of the first minus that of the second, for each seed that both have."""
    others = {run.seed: figure(run) for run in second}
    return [figure(run) - others[run.seed] for run in first if run.seed in others]


def difference(
    first: Sequence[Run],
    second: Sequence[Run],
    figure: Callable[[Run], float],
    comparisons: int = 1,
) -> Interval:
    """Mean ``figure`` of the first minus that of the second, with its interval, without pairing.

    Equal seeds give equal questions in equal order and nothing else: from the first token on the
    trainings part, and over seeds their ends do not move together (notebook 06 shows it).
    """
    groups = [(1.0, list(map(figure, first))), (-1.0, list(map(figure, second)))]
    return contrast(groups, comparisons=comparisons)


# ---------------------------------------------------------------------------- figures of a run


def final(run: Run) -> float:
    """Accuracy at the end."""
    return run.evaluations()[-1]["eval_accuracy"]


def best(run: Run) -> float:
    """The best measurement."""
    return max(row["eval_accuracy"] for row in run.evaluations())


def drop(run: Run) -> float:
    """From the best measurement to the last."""
    return best(run) - run.evaluations()[-1]["eval_accuracy"]


def area(run: Run, end: float | None = None) -> float:
    """Mean accuracy over the samples, by the trapezium rule: high for fast learning.

    Args:
        end: up to so many samples; None: to the run's end.
    """
    points, accuracy = curve(run)
    if end is not None:
        last = accuracy_after(run, end)
        before = [pair for pair in zip(points, accuracy, strict=True) if pair[0] < end]
        points, accuracy = zip(*before, (end, last), strict=True)
    return float(numpy.trapezoid(accuracy, points) / (points[-1] - points[0]))


def accuracy_after(run: Run, samples: float) -> float:
    """Accuracy after so many samples, by straight lines between measurements.

    A run that diverged stays where it was.

    Raises:
        ValueError: the run has not got so far.
    """
    last = run.evaluations()[-1]["samples"]
    if samples > last and "diverged" not in run.header:
        raise ValueError(f"seed {run.seed}'s run ends after {last} samples, before {samples}")
    return at(run, "samples", samples)


def reached(run: Run, x: str = "samples", target: float = TARGET) -> float:
    """Where accuracy first passes ``target``, by straight lines between measurements; inf if never.

    Args:
        x: the metric to count in: "samples", "tokens", "cpu_seconds", "train_seconds" or "step".
    """
    before = None
    for point, accuracy in zip(*curve(run, x), strict=True):
        if accuracy >= target:
            if before is None:
                return point
            share = (target - before[1]) / (accuracy - before[1])
            return before[0] + share * (point - before[0])
        before = point, accuracy
    return float("inf")


def collapsed(run: Run) -> bool:
    """True if it diverged, or ended with less than half of its best accuracy."""
    return "diverged" in run.header or final(run) < best(run) / 2


def curve(run: Run, x: str = "samples", metric: str = "eval_accuracy") -> tuple[list, list]:
    """The measurements of ``metric`` over ``x``; ``tokens`` counts those sampled for training."""
    points, values, tokens, samples = [], [], 0.0, 0
    for row in run.rows:
        tokens += row.get("length_mean", 0.0) * (row["samples"] - samples)
        samples = row["samples"]
        if metric in row:
            points.append(tokens if x == "tokens" else row[x])
            values.append(row[metric])
    return points, values


def at(run: Run, x: str, place: float, metric: str = "eval_accuracy") -> float:
    """``metric`` at a place on the x axis, by straight lines between measurements."""
    return float(numpy.interp(place, *curve(run, x, metric)))


def common_end(*groups: Sequence[Run], x: str = "cpu_seconds") -> float:
    """How far on the x axis every run of these groups goes."""
    return min(run.rows[-1][x] for group in groups for run in group)


def band(
    runs: Sequence[Run], x: str = "samples", metric: str = "eval_accuracy", points: int = 40
) -> tuple[list[float], list[Interval]]:
    """Mean curve over seeds with its interval, as far as the shortest run goes.

    Where ``x`` differs from run to run, as tokens and seconds do, straight lines fill in.
    """
    curves = [curve(run, x, metric) for run in runs]
    start, end = max(c[0][0] for c in curves), min(c[0][-1] for c in curves)
    grid = numpy.linspace(start, end, points)
    values = numpy.array([numpy.interp(grid, *c) for c in curves])
    return grid.tolist(), bootstrap_columns(values)


def pass_at_k(run: Run, k: int) -> float:
    """Chance that at least one of k responses is right, over held-out problems, after training.

    The unbiased estimator 1 - C(n - c, k) / C(n, k) (Chen et al. 2021, arXiv 2107.03374,
    equation 1), from c right ones of n.
    """
    n = run.header["samples_at_end"]
    if not 1 <= k <= n:
        raise ValueError(f"k must be between 1 and the {n} recorded samples, got {k}")
    right = numpy.array(run.header["right"])
    # prod over i = n-c+1 .. n of (1 - k / i)
    steps = numpy.arange(1, n + 1)
    none = [numpy.prod(1 - k / steps[n - c:]) if n - c >= k else 0.0 for c in right]  # fmt: skip
    return float(1 - numpy.mean(none))
