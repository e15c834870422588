"""The ledger of claims: each rule on intervals, each word reachable, the runs decide."""

import pytest

from grpo_mini.experiments import judging, verdicts
from grpo_mini.experiments.claims import CLAIMS
from grpo_mini.experiments.evidence import RACES
from grpo_mini.experiments.statistics import Interval, load
from grpo_mini.experiments.verdicts import (
    FAILS,
    HOLDS,
    ONLY_WHEN,
    UNDECIDED,
    UNMEASURED,
    all_of,
    better,
    inside,
    not_worse,
)
from tests.synthetic_runs import write, write_cost

BY_NUMBER = {claim.number: claim for claim in CLAIMS}


def word(folder, number: str) -> str:
    return BY_NUMBER[number].verdict(folder).word


# ---------------------------------------------------------------------------- rules


@pytest.mark.parametrize(
    ("interval", "says"),
    [
        ((0.03, 0.01, 0.05), HOLDS),
        ((0.10, 0.01, 0.30), HOLDS),
        ((0.00, -0.02, 0.02), FAILS),  # no advantage of three points is possible
        ((-0.2, -0.3, -0.1), FAILS),
        ((0.10, -0.1, 0.30), UNDECIDED),  # a large mean is no proof
        ((0.00, -0.1, 0.10), UNDECIDED),  # and a wide interval is no equality
    ],
)
def test_better(interval, says):
    assert better(Interval(*interval)) == says


@pytest.mark.parametrize(
    ("interval", "says"),
    [
        ((0.00, -0.02, 0.02), HOLDS),
        ((-0.02, -0.025, -0.01), HOLDS),  # a loss, but none that matters
        ((-0.10, -0.2, -0.06), FAILS),
        ((-0.10, -0.2, -0.01), UNDECIDED),  # surely a loss, perhaps none that matters
        ((-0.10, -0.3, 0.10), UNDECIDED),
        ((0.10, -0.1, 0.30), UNDECIDED),
    ],
)
def test_not_worse(interval, says):
    assert not_worse(Interval(*interval)) == says


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [(0.3, 0.4, HOLDS), (0.1, 0.2, FAILS), (0.6, 0.7, FAILS), (0.2, 0.3, UNDECIDED)],
)
def test_inside(low, high, says):
    assert inside(Interval((low + high) / 2, low, high), 0.25, 0.45) == says


@pytest.mark.parametrize(
    ("parts", "says", "condition"),
    [
        ({"a": HOLDS, "b": HOLDS}, HOLDS, ""),
        ({"a": HOLDS, "b": FAILS}, ONLY_WHEN, "it is a, but not b"),
        ({"a": HOLDS, "b": HOLDS, "c": FAILS, "d": UNDECIDED}, ONLY_WHEN,
         "it is a or b, but not c (not decided: d)"),
        ({"a": ONLY_WHEN, "b": HOLDS}, ONLY_WHEN, "it is a or b"),
        ({"a": HOLDS, "b": UNDECIDED}, UNDECIDED, ""),
        ({"a": FAILS, "b": UNDECIDED}, UNDECIDED, ""),
        ({"a": UNDECIDED, "b": UNDECIDED}, UNDECIDED, ""),
        ({"a": FAILS, "b": FAILS}, FAILS, ""),
    ],
)  # fmt: skip
def test_all_of(parts, says, condition):
    assert all_of(parts, "it is") == (says, condition)


def test_what_is_said_in_one_breath_is_refuted_by_one_part():
    assert all_of({"a": FAILS, "b": UNDECIDED}, "it is", together=True) == (FAILS, "")
    assert all_of({"a": UNDECIDED}, "it is", together=True) == (UNDECIDED, "")
    assert all_of({"a": FAILS, "b": HOLDS}, "it is", together=True)[0] == ONLY_WHEN


def test_all_of_them_needs_no_wider_intervals_but_some_of_them_does():
    """Each part alone holds by a hair. Said of all together, that is enough (Berger 1982)."""
    hair = {name: lambda n: Interval(0.02, 0.01 - 0.02 * (n - 1), 0.05) for name in "abc"}
    words, intervals = verdicts.every(hair, better)
    assert set(words.values()) == {HOLDS} and intervals["a"].low == 0.01
    one_fails = hair | {"d": lambda n: Interval(-0.2, -0.3, -0.1)}
    words, intervals = verdicts.every(one_fails, better)
    assert words == {"a": UNDECIDED, "b": UNDECIDED, "c": UNDECIDED, "d": FAILS}
    assert intervals["a"].low == pytest.approx(-0.05)


@pytest.mark.parametrize(
    ("low", "high", "says"), [(-0.2, 0.02, HOLDS), (0.001, 0.2, FAILS), (-0.1, 0.1, UNDECIDED)]
)
def test_no_gain(low, high, says):
    assert verdicts.no_gain(Interval((low + high) / 2, low, high)) == says


@pytest.mark.parametrize(
    ("first", "second", "chance"), [(0, 0, 1), (0, 5, 2 / 32), (6, 0, 2 / 64), (3, 3, 1)]
)
def test_sign_test(first, second, chance):
    assert verdicts.sign_test(first, second) == pytest.approx(chance)


# ---------------------------------------------------------------------------- each word

RATES = ("lr4.0e-04", "lr8.0e-04", "lr1.6e-03")
ALL_RACE = {("race", name): 0.7 for name in ("ppo", "ppo-groups", "ppo-lam0.95")}
# claim, what the runs end with, other knobs, and the word that has to come out.
CASES = [
    ("C1", {}, {}, HOLDS),
    ("C1", {("race", "grpo"): 0.35}, {}, FAILS),  # it does not learn
    ("C1", {("race", "grpo"): 0.6}, {}, FAILS),  # it learns, but less than PPO
    ("C1", {("race", "ppo-groups"): 0.95}, {}, FAILS),  # one better PPO is enough
    ("C1", {}, {"noise": 0.15}, UNDECIDED),
    ("C5", {}, {}, ONLY_WHEN),
    ("C6", {("stability", f"ppo-{rate}"): 0.4 for rate in RATES}, {"sag": 0.2}, HOLDS),
    ("C6", {("stability", f"ppo-{rate}"): 0.4 for rate in RATES}, {}, ONLY_WHEN),
    ("C6", {("stability", f"ppo-{rate}"): 0.4 for rate in RATES}, {"group": 0.2}, ONLY_WHEN),
    ("C6", {}, {"group": 0.2}, FAILS),
    ("C6", {("stability", f"{a}-{rate}"): 0.01 for a in ("grpo", "ppo") for rate in RATES},
     {"sag": 0.2, "noise": 0.0}, UNDECIDED),  # all collapse: no word about stability
    ("C6", {}, {"noise": 0.3, "sag": 0.2}, UNDECIDED),
    ("C6", {}, {"noise": 0.15, "group": 0.2}, FAILS),  # one figure is enough
    ("C7", {}, {}, HOLDS),
    ("C7", {("judges", "grpo-shifted"): 0.6}, {}, FAILS),
    ("C7", {}, {"noise": 0.15}, HOLDS),  # the advantages answer it exactly
    ("C8", ALL_RACE, {}, HOLDS),
    ("C8", {("race", "ppo"): 0.7}, {}, ONLY_WHEN),
    ("C8", {("race", "grpo"): 0.6}, {}, FAILS),
    ("C8", {}, {}, FAILS),  # surely no difference that matters
    ("C8", {}, {"noise": 0.2}, UNDECIDED),
    ("C9", {}, {}, HOLDS),
    ("C9", {("group-size", "G16"): 0.95}, {}, ONLY_WHEN),
    ("C9", {("group-size", "G16"): 0.95}, {"quiet": 0.0}, FAILS),
    ("C9", {}, {"noise": 0.15}, UNDECIDED),
    ("C11", {("judges", "centred-scale"): 0.5}, {}, HOLDS),
    ("C11", {}, {}, FAILS),
    ("C11", {}, {"noise": 0.15}, UNDECIDED),
    ("C12", {}, {}, HOLDS),
    ("C12", {}, {"offset": 0.01}, FAILS),
    ("C14", {("horizon", "ppo-7terms"): 0.95}, {}, ONLY_WHEN),
    ("C14", {}, {"critic": 0.0}, FAILS),
    ("C14", {}, {"noise": 0.15, "critic": 0.0}, UNDECIDED),
    ("C14", {("horizon", f"{a}-{k}"): 0.95 if a == "ppo" else 0.8
             for a in ("grpo", "ppo") for k in ("3terms", "5terms", "7terms", "rare")}, {}, HOLDS),
]  # fmt: skip
READS = {"C1": ("race",), "C5": ("judges",), "C6": ("stability", "race", "judges"),
         "C7": ("judges",), "C8": ("race",), "C9": ("group-size", "race"), "C11": ("judges",),
         "C12": ("race",), "C14": ("horizon", "race")}  # fmt: skip


@pytest.mark.parametrize(
    ("number", "ends", "knobs", "says"),
    [pytest.param(*case, id=f"{case[0]}-{case[3]}-{i}") for i, case in enumerate(CASES)],
)
def test_the_runs_decide(tmp_path, number, ends, knobs, says):
    write(tmp_path, ends, only=READS[number], **knobs)
    verdict = BY_NUMBER[number].verdict(tmp_path)
    assert verdict.word == says, verdict
    assert set(verdict.files) == set(READS[number])
    assert bool(verdict.condition) or says != ONLY_WHEN


@pytest.mark.parametrize("better", [None, *judging.PPOS])
def test_the_second_race_is_lost_to_any_one_rival(tmp_path, monkeypatch, better):
    monkeypatch.setitem(RACES, "sums", "race-sums")
    write(tmp_path, {("race-sums", better): 0.95}, only=("race-sums",))
    verdict = BY_NUMBER["C1"].verdict(tmp_path)
    assert verdict.word == (FAILS if better else HOLDS)
    assert verdict.files == ("race-sums",)
    assert all(name in verdict.measured for name in judging.PPOS.values())


@pytest.mark.parametrize(
    ("number", "cost", "race", "says"),
    [
        ("C2", {}, {}, ONLY_WHEN),
        ("C3", {"saved": 0.35}, {"cheaper": 0.35}, HOLDS),
        ("C3", {"saved": 0.35}, {"cheaper": 0.66}, ONLY_WHEN),
        ("C3", {"saved": 0.10}, {"cheaper": 0.10}, FAILS),
        ("C3", {"saved": 0.66}, {"cheaper": 0.66}, FAILS),  # larger is not what is claimed
        ("C4", {}, {}, ONLY_WHEN),
        ("C4", {"shared": 0.2}, {}, HOLDS),
        ("C4", {"saved": -0.1}, {}, FAILS),
    ],
)
def test_the_cost_ledger_decides(tmp_path, number, cost, race, says):
    write_cost(tmp_path, **cost)
    write(tmp_path, only=("race",), **race)
    assert word(tmp_path, number) == says


def test_the_reasons_of_c13_follow_the_other_claims(tmp_path):
    write_cost(tmp_path)
    write(tmp_path, {("judges", "grpo-offset"): 0.5}, only=("race", "judges"))
    verdict = BY_NUMBER["C13"].verdict(tmp_path)
    assert verdict.word == ONLY_WHEN
    good, _, bad = verdict.condition.partition("but not")
    assert "time" in good and "a simple loop" in good and "samples (C8)" in bad
    for number in ("C4", "C5", "C8"):
        assert f"({number}): {word(tmp_path, number)}" in verdict.measured


def test_c10_follows_the_module(tmp_path, monkeypatch):
    assert word(tmp_path, "C10") == ONLY_WHEN
    kept = judging.compute_relative_rewards
    monkeypatch.setattr(judging, "compute_relative_rewards", lambda r, size: kept(r, 2))
    assert word(tmp_path, "C10") == FAILS


@pytest.mark.parametrize(("saved", "says"), [(0.9, "time: holds"), (0.02, "time: does not hold")])
def test_saving_more_time_than_claimed_is_no_reason_against_grpo(tmp_path, saved, says):
    write_cost(tmp_path, saved=saved)
    write(tmp_path, only=("race", "judges"), cheaper=saved)
    assert says in BY_NUMBER["C13"].verdict(tmp_path).measured


def test_c5_follows_the_module(tmp_path, monkeypatch):
    """A bias of the prompt is gone; without the group's mean it would not be."""
    assert judging.moved_by(judging.offset(4.0)) < 1e-4 > judging.moved_by(judging.scale(8.0))
    assert judging.moved_by(judging.length_bonus(0.02)) > 0.1
    write(tmp_path, only=("judges",))
    condition = BY_NUMBER["C5"].verdict(tmp_path).condition
    good, _, bad = condition.partition("but not")
    assert "an offset" in good and "a unit" in good and "a bonus for length" in bad
    monkeypatch.setattr(judging, "compute_relative_rewards", lambda r, size: (r, r))
    assert word(tmp_path, "C5") == FAILS


def test_c7_follows_the_module(tmp_path, monkeypatch):
    write(tmp_path, only=("judges",))
    assert word(tmp_path, "C7") == HOLDS
    monkeypatch.setattr(judging, "compute_relative_rewards", lambda r, size: (r, r))
    assert word(tmp_path, "C7") == FAILS


# ---------------------------------------------------------------------------- care


def test_what_was_not_measured_says_so(tmp_path):
    for claim in CLAIMS:
        verdict = claim.verdict(tmp_path)
        assert verdict.word == (ONLY_WHEN if claim.number == "C10" else UNMEASURED)
    assert "experiment race --out" in BY_NUMBER["C1"].verdict(tmp_path).measured
    write(tmp_path, only=("race",), seeds=1)
    assert "at least 2 seeds" in BY_NUMBER["C1"].verdict(tmp_path).measured
    path = tmp_path / "race.jsonl"
    kept = [
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if '"setting": "ppo' not in line
    ]
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    assert "no run of the setting 'ppo'" in BY_NUMBER["C8"].verdict(tmp_path).measured


def test_a_task_that_nobody_learns_decides_nothing(tmp_path):
    """Two flat curves are equal to a hair, and say nothing about the critic."""
    flat = {("horizon", f"{a}-7terms"): 0.3 for a in ("grpo", "ppo")}
    write(tmp_path, flat, only=READS["C14"])
    verdict = BY_NUMBER["C14"].verdict(tmp_path)
    assert "Neither learns: sums of 7 terms." in verdict.measured
    assert "not decided: sums of 7 terms" in verdict.condition


def test_a_run_that_diverged_ends_at_nothing(tmp_path):
    write(tmp_path, only=("race",), seeds=2)
    run = load("race", tmp_path)["grpo"][0]
    assert judging.endured(run) > 0.7
    run.header["diverged"] = "loss is not finite"
    assert judging.endured(run) == 0


@pytest.mark.parametrize(("group", "critic"), [(0.4, 0.3), (0.0, 0.6)])
def test_what_the_baselines_know(tmp_path, group, critic):
    """Without its own reward a group mean that knows nothing knows less than nothing."""
    write(tmp_path, only=("judges",), seeds=2, group=group, critic=critic)
    judges = load("judges", tmp_path)
    assert judging.known_by_group(judges["centred-fair"][0]) == pytest.approx(group)
    assert judging.known_by_critic(judges["ppo-fair"][0]) == pytest.approx(critic)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.number)
def test_each_claim_has_its_rule_and_its_literature(claim):
    assert claim.text.endswith(".") and claim.literature and claim.rule


def test_the_claims_are_all_there():
    assert list(BY_NUMBER) == [f"C{i}" for i in range(1, 15)]
