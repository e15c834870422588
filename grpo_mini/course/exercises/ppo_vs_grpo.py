"""Exercises of notebook 06: samples to a target, an interval over seeds, a verdict from it."""

import math

import numpy
import torch

from ...experiments.statistics import contrast, difference, reached
from ...experiments.verdicts import better
from ..checker import Mistake, exercise


def samples_to(samples, accuracy, target):
    if accuracy[0] >= target:
        return samples[0]
    for i in range(1, len(samples)):
        if accuracy[i] >= target:
            share = (target - accuracy[i - 1]) / (accuracy[i] - accuracy[i - 1])
            return samples[i - 1] + share * (samples[i] - samples[i - 1])
    return math.inf


def _first_at_least(samples, accuracy, target):
    above = [s for s, a in zip(samples, accuracy, strict=True) if a >= target]
    return above[0] if above else math.inf


def _last_below(samples, accuracy, target):
    if accuracy[0] >= target:
        return samples[0]
    for i in range(1, len(samples)):
        if accuracy[i] >= target:
            return samples[i - 1]
    return math.inf


def _from_then_on(samples, accuracy, target):
    below = [i for i, a in enumerate(accuracy) if a < target]
    if not below:
        return samples[0]
    if below[-1] == len(samples) - 1:
        return math.inf
    return samples_to(samples[below[-1] :], accuracy[below[-1] :], target)


def _or_the_end(samples, accuracy, target):
    return min(samples_to(samples, accuracy, target), samples[-1])


exercise(
    number="6.1",
    title="samples to a target",
    solution=samples_to,
    cases=lambda: [
        {"samples": [0, 100, 200, 300], "accuracy": [0.3, 0.5, 0.7, 0.8], "target": 0.65},
        {"samples": [0, 256, 768, 1280], "accuracy": [0.2, 0.4, 0.8, 0.9], "target": 0.5},
        {"samples": [0, 100, 200, 300, 400, 500, 600, 700], "target": 0.55,
         "accuracy": [0.2, 0.25, 0.3, 0.4, 0.6, 0.45, 0.5, 0.9], "why": "it falls back"},
        {"samples": [0, 100, 200], "accuracy": [0.3, 0.4, 0.45], "target": 0.6, "why": "never"},
        {"samples": [50, 150, 250], "accuracy": [0.7, 0.9, 0.8], "target": 0.6,
         "why": "there from the start"},
    ],
    mistakes=(
        Mistake(
            _first_at_least,
            "This is the first measurement at or above the target: too late by up to a whole gap "
            "between two measurements. Draw a straight line from the one before.",
        ),
        Mistake(
            _last_below,
            "This is the last measurement before the target is passed: too early. Draw a straight "
            "line to the next one.",
        ),
        Mistake(
            lambda samples, accuracy, target: samples_to(
                list(range(len(samples))), accuracy, target
            ),
            "This counts measurements, not samples. Between two of them lie many samples, and not "
            "always the same number.",
        ),
        Mistake(
            lambda samples, accuracy, target: samples[
                min(range(len(samples)), key=lambda i: abs(accuracy[i] - target))
            ],
            "This is the measurement nearest to the target, before or after it. Interpolate "
            "between the two on either side.",
        ),
        Mistake(
            _from_then_on,
            "This is where accuracy passes the target for the last time. Asked is the first time, "
            "even if it falls back.",
        ),
        Mistake(
            _or_the_end,
            "A run that never gets there is reported at its end, which flatters it. Say "
            "`math.inf`.",
        ),
        Mistake(
            lambda samples, accuracy, target: float(numpy.interp(target, accuracy, samples)),
            "`interp` wants rising values to look up in. Accuracy may fall, and a target outside "
            "of it is answered with one of the ends.",
        ),
    ),
    hints=(
        "Go through the measurements until one is at or above the target. Its neighbour before is "
        "below.",
        "How far between the two accuracies is the target, as a share of the gap?",
        "Go the same share of the way between the two numbers of samples. And the ends: there from "
        "the start gives `samples[0]`, never gives `math.inf`.",
    ),
    module=(reached,),
)  # fmt: skip


def interval_of_difference(first, second, t):
    a, b = first.mean(dim=1), second.mean(dim=1)
    mean = a.mean() - b.mean()
    error = (a.var() / len(a) + b.var() / len(b)) ** 0.5
    return [mean.item(), (mean - t * error).item(), (mean + t * error).item()]


def _interval(mean, error, t):
    return [mean.item(), (mean - t * error).item(), (mean + t * error).item()]


def _of(a, b, t, ddof=1, root=True, total=lambda x, y: (x**2 + y**2) ** 0.5):
    errors = [v.std(correction=ddof) / (len(v) ** 0.5 if root else 1) for v in (a, b)]
    return _interval(a.mean() - b.mean(), total(*errors), t)


def _in_pairs(first, second, t):
    pairs = min(len(first), len(second))
    apart = first[:pairs].mean(dim=1) - second[:pairs].mean(dim=1)
    return _interval(apart.mean(), apart.std() / pairs**0.5, t)


def _pooled(first, second, t):
    a, b = first.mean(dim=1), second.mean(dim=1)
    both = torch.cat([a - a.mean(), b - b.mean()])
    spread = (both**2).sum() / (len(both) - 2)
    return _interval(a.mean() - b.mean(), (spread / len(a) + spread / len(b)) ** 0.5, t)


def _interval_cases():
    first = torch.tensor([[0.30, 0.55, 0.80], [0.20, 0.45, 0.70], [0.35, 0.60, 0.91]])
    second = torch.tensor([[0.30, 0.50, 0.76], [0.20, 0.41, 0.65], [0.35, 0.52, 0.90]])
    more = torch.tensor([[0.9, 0.5], [0.4, 0.8], [0.7, 0.1], [0.2, 0.6], [0.5, 0.6]])
    few = torch.tensor([[0.30, 0.45], [0.35, 0.42], [0.33, 0.41]])
    return [
        {"first": first, "second": second, "t": 2.78},
        {"first": more, "second": few, "t": 2.6, "why": "five seeds and three"},
    ]


def _ends(answer):
    """An answer from one number a run."""
    return lambda first, second, t: answer(first.mean(dim=1), second.mean(dim=1), t)


exercise(
    number="6.2",
    title="an interval over seeds",
    solution=interval_of_difference,
    cases=_interval_cases,
    mistakes=(
        Mistake(
            lambda first, second, t: _of(first.flatten(), second.flatten(), t),
            "Every evaluation counts as if it were a run of its own. Those of one run are no "
            "independent trials: one number a run, then the interval over the runs.",
        ),
        Mistake(
            _in_pairs,
            "The difference is taken seed by seed. Nothing pairs these runs, and there may be more "
            "of one than of the other: each mean has a standard error of its own, and their "
            "squares add up.",
        ),
        Mistake(
            _ends(lambda a, b, t: _of(a, b, t, ddof=0)),
            "The standard deviation divides by n here (ddof 0). The mean was taken from the same "
            "few values: divide by n - 1, torch's default.",
        ),
        Mistake(
            _ends(lambda a, b, t: _of(a, b, t, root=False)),
            "This is the spread of single seeds. That of their mean is smaller: divide by the "
            "square root of their number.",
        ),
        Mistake(
            _ends(lambda a, b, t: _of(a, b, t, total=lambda x, y: x + y)),
            "The standard errors are added. Luck of independent runs partly cancels: the squares "
            "add up, and the root of their sum is the error of the difference.",
        ),
        Mistake(
            _pooled,
            "This takes one common spread for both. One setting may well be shakier than the "
            "other: each mean has its own standard error.",
        ),
        Mistake(
            _ends(lambda a, b, t: _of(a, b, 1.96)),
            "1.96 is for a known spread. Yours is estimated from a few seeds, so `t` is larger.",
        ),
        Mistake(
            _ends(lambda a, b, t: _of(b, a, t)),
            "The sign is reversed: first minus second.",
        ),
        Mistake(
            lambda first, second, t: _of(first[:, -1], second[:, -1], t),
            "Only the last evaluation is used. A run's figure is the mean of all of its "
            "evaluations here.",
        ),
        Mistake(
            _ends(lambda a, b, t: [(a.mean() - b.mean()).item(), *_of(a, b, t)[:0:-1]]),
            "Lower and upper end are exchanged.",
        ),
    ),
    hints=(
        "One number a run: `mean(dim=1)`. Then the mean and the spread of each setting's runs.",
        "The squared standard error of a mean is the variance (with n - 1) divided by n. Of a "
        "difference of two independent means: the sum of both.",
        "Return the difference of the means, that minus t standard errors, that plus t standard "
        "errors.",
    ),
    module=(difference, contrast),
)  # fmt: skip


def read_verdict(mean, low, high, same):
    if low > 0:
        return "holds"
    if high < same:
        return "does not hold"
    return "not decided"


exercise(
    number="6.3",
    title="read a verdict from an interval",
    solution=read_verdict,
    cases=lambda: [
        {"mean": mean, "low": low, "high": high, "same": 0.05, "why": why}
        for mean, low, high, why in (
            (0.10, 0.04, 0.16, "all of it above 0"),
            (-0.1, -0.2, -0.06, "all of it below 0"),
            (0.10, -0.05, 0.25, "a large mean, and 0 is possible"),
            (-0.02, -0.2, 0.16, "much is possible"),
            (0.01, -0.02, 0.04, "narrow about 0"),
            (0.02, 0.01, 0.03, "small, and sure"),
        )
    ],
    mistakes=(
        Mistake(
            lambda mean, low, high, same: "holds" if mean > 0 else "does not hold",
            "This looks at the mean only. With other seeds it could have had the other sign: look "
            "at the ends of the interval.",
        ),
        Mistake(
            lambda mean, low, high, same: "holds" if low > 0 else "does not hold",
            "A wide interval that holds 0 is no proof of equality. Missing evidence for a "
            "difference is not evidence for its absence.",
        ),
        Mistake(
            lambda mean, low, high, same: (
                "holds" if low > 0 else "does not hold" if high < 0 else "not decided"
            ),
            "A narrow interval about 0 says something too: an advantage that matters is excluded. "
            "Use `same`.",
        ),
        Mistake(
            lambda mean, low, high, same: (
                "does not hold" if high < same else "holds" if low > 0 else "not decided"
            ),
            "A small advantage that is sure is an advantage: first ask whether the whole interval "
            "is above 0.",
        ),
        Mistake(
            lambda mean, low, high, same: (
                "holds" if low > 0 else "does not hold" if mean < same else "not decided"
            ),
            "The mean is small, but the upper end may be large: then an advantage that matters is "
            "still possible.",
        ),
        Mistake(
            lambda mean, low, high, same: (
                "holds" if low > same else "does not hold" if high < same else "not decided"
            ),
            "The claim is \"better\", not \"better by `same`\". `same` is for saying that there is "
            "no advantage that matters.",
        ),
    ),
    hints=(
        "Three questions, in this order, and each is about an end of the interval, not the mean.",
        "Is every value in the interval an advantage? Then the claim holds.",
        "Is an advantage as large as `same` outside of the interval? Then it does not hold. All "
        "else is not decided.",
    ),
    module=(better,),
)  # fmt: skip
