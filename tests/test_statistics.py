"""Statistics over recorded runs: known answers, coverage, errors that say what to do."""

from itertools import combinations

import numpy
import pytest

from grpo_mini.experiments import statistics
from grpo_mini.experiments.statistics import Run, bootstrap


def run(accuracies, seed=0, samples=100, **header):
    """A run measured every ``samples`` samples, with responses of 10 tokens."""
    rows = [
        {"step": i, "samples": i * samples, "train_seconds": 2.0 * i, "eval_accuracy": accuracy}
        | ({"length_mean": 10.0} if i else {})
        for i, accuracy in enumerate(accuracies)
    ]
    return Run({"config": {"seed": seed}, **header}, rows)


def test_figures_of_a_known_curve():
    known = run([0.2, 0.4, 0.8, 0.7])
    assert statistics.final(known) == 0.7
    assert statistics.best(known) == 0.8
    assert statistics.drop(known) == pytest.approx(0.1)
    assert statistics.area(known) == pytest.approx((0.3 + 0.6 + 0.75) / 3)
    assert statistics.reached(known) == pytest.approx(150)
    assert statistics.reached(known, "tokens") == pytest.approx(1500)
    assert statistics.reached(known, "train_seconds") == pytest.approx(3.0)
    assert statistics.reached(known, target=0.1) == 0
    assert statistics.reached(known, target=0.9) == float("inf")


def test_figures_up_to_a_number_of_samples():
    known = run([0.2, 0.4, 0.8, 0.7])
    assert statistics.accuracy_after(known, 150) == pytest.approx(0.6)
    assert statistics.area(known, 150) == pytest.approx((0.3 * 100 + 0.5 * 50) / 150)
    assert statistics.area(known, 200) == pytest.approx((0.3 + 0.6) / 2)
    assert statistics.area(known, 300) == pytest.approx(statistics.area(known))
    with pytest.raises(ValueError, match="ends after 300 samples, before 301"):
        statistics.accuracy_after(known, 301)
    stopped = run([0.2, 0.4], diverged="loss is not finite")
    assert statistics.accuracy_after(stopped, 300) == 0.4
    assert statistics.area(stopped, 300) == pytest.approx((0.3 + 0.4 + 0.4) / 3)


def test_collapse():
    assert not statistics.collapsed(run([0.3, 0.8, 0.7, 0.6]))
    assert statistics.collapsed(run([0.3, 0.8, 0.1, 0.1]))
    assert statistics.collapsed(run([0.3, 0.8], diverged="loss is not finite"))


@pytest.mark.parametrize("number", [3, 5, 8])
def test_the_interval_holds_the_truth_as_often_as_it_says(number):
    source = numpy.random.default_rng(number)
    intervals = [bootstrap(source.normal(size=number), draws=500) for _ in range(400)]
    assert 0.91 < numpy.mean([i.low <= 0 <= i.high for i in intervals]) < 0.985


def test_intervals_of_one_verdict_hold_together():
    source = numpy.random.default_rng(4)
    held = []
    for _ in range(300):
        four = [bootstrap(source.normal(size=6), draws=500, comparisons=4) for _ in range(4)]
        held.append(all(i.low <= 0 <= i.high for i in four))
    assert 0.91 < numpy.mean(held) < 0.99


@pytest.mark.parametrize(
    ("share", "freedom", "table"),
    [
        (0.975, 1, 12.706),
        (0.975, 4, 2.776),
        (0.975, 30, 2.042),
        (0.995, 7, 3.499),
        (0.1, 4, -1.533),
    ],
)
def test_quantiles_of_student_against_the_printed_table(share, freedom, table):
    assert statistics.student(share, freedom) == pytest.approx(table, abs=0.002)


def test_differences_of_equal_size_have_no_sign_of_their_own():
    assert str(statistics.Interval(-0.0001, -0.0004, 0.0)) == "0.00 [0.00, 0.00]"
    assert str(statistics.Interval(-0.03, -0.06, -0.0024)) == "-0.030 [-0.060, -0.002]"


def test_an_interval_of_one_seed_is_refused():
    with pytest.raises(ValueError, match="at least 2 seeds, got 1"):
        bootstrap([0.5])


def test_pairs_are_taken_seed_by_seed():
    first = [run([0.0, 0.5 + seed / 10] * 2, seed) for seed in range(4)]
    second = [run([0.0, 0.4 + seed / 10] * 2, seed) for seed in reversed(range(5))]
    assert statistics.paired(first, second, statistics.best) == pytest.approx([0.1] * 4)


def test_a_difference_knows_nothing_of_pairs():
    """Pairs that move together would give no width at all; the groups alone do."""
    first = [run([0.0, 0.5 + seed / 10] * 2, seed) for seed in range(4)]
    second = [run([0.0, 0.4 + seed / 10] * 2, seed) for seed in range(4)]
    found = statistics.difference(first, second, statistics.best)
    assert found.mean == pytest.approx(0.1) and found.low < 0 < 0.2 < found.high
    shuffled = statistics.difference(first, second[::-1], statistics.best)
    assert shuffled == pytest.approx(found, abs=0.02)


@pytest.mark.parametrize(
    ("sizes", "spreads"),
    [((5, 5), (1, 1)), ((16, 8), (1, 3)), ((4, 12), (3, 1)), ((5,) * 4, (1,) * 4)],
)
def test_a_contrast_holds_the_truth_as_often_as_it_says(sizes, spreads):
    source, weights, held = numpy.random.default_rng(sum(sizes)), (1, -1, -1, 1), []
    for _ in range(400):
        groups = [
            (weight, source.normal(size=size) * spread)
            for weight, size, spread in zip(weights[: len(sizes)], sizes, spreads, strict=True)
        ]
        found = statistics.contrast(groups, draws=500)
        held.append(found.low <= 0 <= found.high)
    assert 0.91 < numpy.mean(held) < 0.985


def test_a_contrast_of_two_is_welchs_interval():
    """Its width comes from the bootstrap, and for smooth groups it is that of the formula."""
    first, second = numpy.linspace(0.7, 0.9, 16), numpy.linspace(0.5, 0.9, 8)
    u = first.var(ddof=1) / 16, second.var(ddof=1) / 8
    freedom = sum(u) ** 2 / (u[0] ** 2 / 15 + u[1] ** 2 / 7)
    half = statistics.student(0.975, freedom) * sum(u) ** 0.5
    found = statistics.contrast([(1, first), (-1, second)])
    assert found.mean == pytest.approx(first.mean() - second.mean())
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.05)


def test_groups_without_any_spread_differ_exactly():
    assert statistics.contrast([(1, [0.5] * 3), (-1, [0.25] * 2)]) == (0.25, 0.25, 0.25)
    with pytest.raises(ValueError, match="at least 2 seeds, got 1"):
        statistics.contrast([(1, [0.5] * 3), (-1, [0.25])])


def test_band_fills_in_between():
    grid, band = statistics.band([run([0.0, 1.0]), run([0.5, 0.5, 0.9], 1)], points=3)
    assert grid == [0, 50, 100]
    assert [interval.mean for interval in band] == pytest.approx([0.25, 0.5, 0.75])


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_pass_at_k_against_enumeration(k):
    right = [0, 1, 3, 4]
    found = statistics.pass_at_k(run([0.0], right=right, samples_at_end=4), k)
    draws = [any(i < c for i in chosen) for c in right for chosen in combinations(range(4), k)]
    assert found == pytest.approx(sum(draws) / len(draws))


def test_pass_at_more_than_was_sampled_is_refused():
    with pytest.raises(ValueError, match="between 1 and the 4 recorded samples, got 5"):
        statistics.pass_at_k(run([0.0], right=[1], samples_at_end=4), 5)


def test_missing_runs_say_how_to_make_them(tmp_path):
    with pytest.raises(FileNotFoundError, match="grpo_mini experiment race --out"):
        statistics.load("race", tmp_path)
