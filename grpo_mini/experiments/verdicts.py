"""From an interval to a word: the rules by which every claim is judged.

None of them asks only whether an interval holds 0: a wide one that does says "not decided", not
"no difference".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb

from .look import MINUS, OPEN, PLUS, REFERENCE
from .statistics import Interval

HOLDS, ONLY_WHEN, FAILS = "holds", "holds only when", "does not hold"
UNDECIDED, UNMEASURED = "not decided", "not measured yet"
WORDS = (HOLDS, ONLY_WHEN, FAILS, UNDECIDED, UNMEASURED)
SIGNS = {
    HOLDS: ("✓", PLUS),
    ONLY_WHEN: ("◐", OPEN),
    FAILS: ("✗", MINUS),
    UNDECIDED: ("?", REFERENCE),
    UNMEASURED: ("–", REFERENCE),
}
# A difference in accuracy that matters. Five hundred held-out problems measure one of 0.9 with a
# standard error of 0.013, two of them differ by 0.019; and 0.03 there is a third of the errors.
SAME = 0.03


@dataclass(frozen=True)
class Verdict:
    """What became of a claim.

    Attributes:
        word: one of `WORDS`.
        measured: the figures with their intervals.
        files: those of ``data/runs`` that the figures come from, without their ending.
        condition: what "holds only when" goes on with.
    """

    word: str
    measured: str
    files: tuple[str, ...]
    condition: str = ""

    def __str__(self) -> str:
        return f"{self.word} {self.condition}" if self.word == ONLY_WHEN else self.word


def better(gain: Interval, same: float = SAME) -> str:
    """Does the claim that something is better hold?

    It holds if the whole interval is above 0. It does not if a gain as large as ``same`` can be
    excluded. Otherwise the runs do not decide.
    """
    if gain.low > 0:
        return HOLDS
    return FAILS if gain.high < same else UNDECIDED


def not_worse(change: Interval, same: float = SAME) -> str:
    """Does the claim that something does no harm hold?

    It holds if a loss as large as ``same`` can be excluded. It does not if the loss is surely that
    large. Otherwise the runs do not decide. A sure loss that is smaller is none that matters.
    """
    if change.low > -same:
        return HOLDS
    return FAILS if change.high < -same else UNDECIDED


def no_gain(change: Interval, same: float = SAME) -> str:
    """Does the claim that nothing is gained by a change hold?

    It holds if a gain as large as ``same`` can be excluded. It does not if one is sure, however
    small. Otherwise the runs do not decide.
    """
    if change.high < same:
        return HOLDS
    return FAILS if change.low > 0 else UNDECIDED


def inside(value: Interval, low: float, high: float) -> str:
    """Does the claim that a value is between ``low`` and ``high`` hold?"""
    if low <= value.low and value.high <= high:
        return HOLDS
    return FAILS if value.high < low or value.low > high else UNDECIDED


KINDS = ("better", "worse", "no difference seen", "unclear")


def kind(found: Interval) -> str:
    """Better or worse if the whole interval is; else whether a difference that matters may be."""
    if found.low > 0:
        return "better"
    if found.high < 0:
        return "worse"
    return "no difference seen" if max(-found.low, found.high) < SAME else "unclear"


def listed(names: Sequence[str], word: str = "and") -> str:
    """Names as in a sentence."""
    return f" {word} ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def all_of(parts: dict[str, str], about: str, together: bool = False) -> tuple[str, str]:
    """The word for a claim of several parts, from the words for its parts, and its condition.

    All hold: it holds. Some hold and others do not: it holds only when it is about the former.
    None holds, all are decided: it does not hold. Otherwise it is not decided.

    Args:
        about: how the condition begins: "the bias is", followed by the parts that hold.
        together: whether the claim says them in one breath. Then one that does not hold refutes it
            where none holds, whatever is undecided. A list of reasons is no such claim.
    """
    good = [name for name, word in parts.items() if word in (HOLDS, ONLY_WHEN)]
    bad = [name for name, word in parts.items() if word == FAILS]
    undecided = [name for name, word in parts.items() if word in (UNDECIDED, UNMEASURED)]
    if all(word == HOLDS for word in parts.values()):
        return HOLDS, ""
    if good and (bad or ONLY_WHEN in parts.values()):
        condition = f"{about} {listed(good, 'or')}"
        condition += f", but not {listed(bad, 'or')}" if bad else ""
        condition += f" (not decided: {listed(undecided)})" if undecided else ""
        return ONLY_WHEN, condition
    return FAILS if bad and (together or not undecided) else UNDECIDED, ""


def every(
    parts: dict[str, Callable[[int], Interval]], rule: Callable[[Interval], str]
) -> tuple[dict[str, str], dict[str, Interval]]:
    """The words for the parts of a claim that says them all, and the intervals they rest on.

    If each part holds by its own 95% interval, the claim does: to err about "all of them", one has
    to err about one that is wrong, whose chance is 5% however many there are (intersection-union
    test, Berger 1982, Technometrics 24, 295-300). To say *which* parts hold or do not is another
    thing: there one errs if one errs about any of them, so each interval is widened (Bonferroni).

    Args:
        parts: for each part its interval, as a function of how many intervals are looked at.
        rule: from an interval to a word.
    """
    alone = {name: interval(1) for name, interval in parts.items()}
    if all(rule(interval) == HOLDS for interval in alone.values()):
        return dict.fromkeys(alone, HOLDS), alone
    wider = {name: interval(len(parts)) for name, interval in parts.items()}
    return {name: rule(interval) for name, interval in wider.items()}, wider


def sign_test(first: int, second: int) -> float:
    """Chance of so uneven a split, or a more uneven one, of pairs that fall either way at random.

    Two-sided and exact: for paired yes-or-no outcomes, of which only the pairs that differ count
    (McNemar 1947).
    """
    number, fewer = first + second, min(first, second)
    return min(1.0, 2 * sum(comb(number, k) for k in range(fewer + 1)) / 2**number)
