"""Healthy ranges and the first step outside, on runs whose answer is known."""

import pytest

from grpo_mini.experiments.first_signs import SIGNS, alarms, first_outside, healthy_range
from grpo_mini.experiments.statistics import Run


def run(values, metric="entropy"):
    """A run with one metric, measured from step 1 on."""
    rows = [{"step": 0, "eval_accuracy": 0.2}]
    rows += [{"step": i, metric: value} for i, value in enumerate(values, start=1)]
    return Run({}, rows)


HEALTHY = [run([1.0, 2.0, 3.0, 4.0]), run([1.1, 2.2, 3.1, 4.0]), run([1.0, 2.1, 3.3, 4.0, 5.0])]


def test_the_range_is_widened_by_a_factor_and_ends_with_the_shortest_run():
    ranges = healthy_range(HEALTHY, "entropy")
    assert list(ranges) == [1, 2, 3, 4]
    assert ranges[1] == pytest.approx((0.5, 2.2))
    assert ranges[3] == pytest.approx((1.5, 6.6))
    assert ranges[4] == (2.0, 8.0)


def test_a_value_that_can_only_fall_rings_too():
    ranges = healthy_range(HEALTHY, "entropy")
    assert first_outside(run([0.6, 0.0, 0.0, 0.0]), ranges, "entropy") == 2


def test_two_steps_outside_are_no_alarm():
    ranges = healthy_range(HEALTHY, "entropy")
    assert first_outside(run([9.0, 9.0, 3.0, 9.0]), ranges, "entropy") is None
    assert first_outside(run([1.0, 9.0, 0.0, 9.0]), ranges, "entropy") == 2
    assert first_outside(run([1.0, 2.0, 9.0, 9.0, 9.0]), ranges, "entropy") is None, "beyond step 4"


def test_where_nothing_is_cut_off_a_few_cut_off_responses_are_no_alarm():
    healthy = [run([0.0, 0.0, 0.0], "truncated_share") for _ in range(3)]
    ranges = healthy_range(healthy, "truncated_share")
    assert first_outside(run([0.01] * 3, "truncated_share"), ranges, "truncated_share") is None
    assert first_outside(run([0.03] * 3, "truncated_share"), ranges, "truncated_share") == 1


def test_a_run_is_measured_against_the_others():
    columns = {name: [1.0] * 4 for name in SIGNS}

    def full(**changed):
        rows = [
            dict(zip(columns, values, strict=True))
            for values in zip(*columns.values(), strict=True)
        ]
        for name, values in changed.items():
            rows = [row | {name: value} for row, value in zip(rows, values, strict=True)]
        return Run({}, [{"step": i} | row for i, row in enumerate(rows)])

    odd = full(grad_norm=[1.0, 5.0, 5.0, 5.0])
    healthy = [full(), full(), full(), odd]
    assert alarms(odd, healthy) == dict.fromkeys(SIGNS) | {"grad_norm": 1}
    assert alarms(healthy[0], healthy) == dict.fromkeys(SIGNS)


def test_two_runs_span_no_range():
    with pytest.raises(ValueError, match="at least 3 runs, got 2"):
        healthy_range(HEALTHY[:2], "entropy")
