"""What the notebook says about the recorded gradients."""

import pytest

from grpo_mini.course import noise
from grpo_mini.experiments.gradients import MOMENTS, REFERENCE
from grpo_mini.experiments.look import GRPO, INK, PPO

FOUND = noise.moments("sums")


def test_the_moments_come_in_their_order_and_leave_one_out_is_the_measure():
    assert [moment["run"]["step"] for moment in FOUND] == list(MOMENTS)
    for moment in FOUND:
        assert noise.noise(moment)[REFERENCE] == (1, 1, 1)
        for interval in noise.noise(moment).values():
            assert interval.low <= interval.mean <= interval.high


def test_the_figure_shows_each_estimator_at_each_moment_where_the_record_has_it():
    figure = noise.noise_figure({"chain sums": FOUND})
    (axes,) = figure.axes
    points = [line for line in axes.lines if len(line.get_xdata()) == 1]
    expected = [i.mean for moment in FOUND for i in noise.noise(moment).values()]
    assert [float(line.get_xdata()[0]) for line in points] == expected
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == list(noise.noise(FOUND[0]))
    colours = dict(zip(names, [line.get_color() for line in points], strict=False))
    assert colours["none"] == INK and colours["group mean"] == GRPO
    assert colours["critic, fitted"] == PPO


def test_a_critic_pays_for_its_seconds_and_a_head_on_the_policy_does_not():
    moment = {
        "seconds": {"sample": 1.0, "gradient": 1.0, "values": 0.5, "teach": 0.5},
        "rows": [{"estimator": name, "mean": "token", "relative": [0.4, 0.3, 0.5]}
                 for name in ("none", "critic, fitted", "critic, head on the policy")],
    }  # fmt: skip
    assert noise.per_second(moment, "none") == pytest.approx((0.4, 0.3, 0.5))
    assert noise.per_second(moment, "critic, head on the policy").mean == pytest.approx(0.4)
    assert noise.per_second(moment, "critic, fitted") == pytest.approx((0.6, 0.45, 0.75))


def test_a_critic_that_says_what_comes_has_no_error():
    along = {"token": [0, 1, 5], "length": [6, 6, 6], "truth": [0.2, 0.5, 1.0],
             "right": [0.2, 0.5, 1.0], "off": [0.2, 0.9, 0.7]}  # fmt: skip
    moment = {"along": along}
    assert noise.error(moment, "right", 0, 999) == 0
    assert noise.error(moment, "off", 1, 1) == pytest.approx(0.4)
    assert noise.error(moment, "off", 2, 999) == pytest.approx(0.3)


def test_no_share_is_written_as_minus_nothing():
    line = FOUND[0] | {"between": -0.001}
    assert noise.spread([line], "fitted")[0]["variance between questions"] == "0%"
