"""Theory against the record: what a formula says, what the runs say, and how far apart they are."""

import statistics as plain
from dataclasses import dataclass
from math import comb, sqrt
from pathlib import Path

from ..experiments.evidence import RACES
from ..experiments.judging import cells
from ..experiments.statistics import RUNS, Run, load
from ..models import TINY_QWEN, encode_prompts, load_tokenizer
from ..tasks import get_task


@dataclass(frozen=True)
class Check:
    """One formula and its measurement.

    Attributes:
        margin: how far apart they may be: three standard errors where the record is a sample.
    """

    name: str
    theory: float
    recorded: float
    margin: float

    @property
    def deviation(self) -> float:
        """Recorded minus theory."""
        return self.recorded - self.theory

    @property
    def agrees(self) -> bool:
        """True if the deviation is within the margin."""
        return abs(self.deviation) <= self.margin

    def row(self) -> dict:
        """A row of the notebook's table."""
        margin = f"{self.margin:.0e}" if self.margin < 1e-3 else f"{self.margin:.3f}"
        return {
            "formula": self.name,
            "theory": self.theory,
            "recorded": self.recorded,
            "deviation": f"{round(self.deviation, 4) + 0.0:+.4f}",
            "margin": margin,
            "": "agrees" if self.agrees else "DIFFERS",
        }


def silence(right: int, samples: int, size: int) -> float:
    """Chance of a silent group of ``size``, from ``right`` of ``samples`` right answers.

    Unbiased for p^G + (1-p)^G: the share of groups drawn without replacement that are silent.
    Plugging right / samples into the formula would be too low on average.
    """
    wrong = samples - right
    return (comb(right, size) + comb(wrong, size)) / comb(samples, size)


def counts(runs: list[Run]) -> tuple[list[int], int]:
    """Right answers to each held-out problem over all these runs, and of how many each."""
    right = [sum(each) for each in zip(*(run.header["right"] for run in runs), strict=True)]
    return right, sum(run.header["samples_at_end"] for run in runs)


def silent_row(size: int, p: float, each: list[float], rows: list[dict], groups: int) -> dict:
    """The formula at the mean ``p``, its mean over the prompts' ``each``, and recorded ``rows``."""
    theory = plain.mean(each)
    return {
        "G": size,
        "formula at the mean p": p**size + (1 - p) ** size,
        "mean of the formula over prompts": theory,
        "recorded": plain.mean(row["silent_group_share"] for row in rows),
        "groups": groups,
        "standard error": sqrt(plain.variance(each) / len(each) + theory * (1 - theory) / groups),
    }


def silent_at_start(runs: Path = RUNS) -> list[dict]:
    """Per group size: the formula at the mean p, its mean over the prompts, and the record.

    What is recorded is the first step of each run, whose samples come from the start policy; the
    chances to solve are that policy's, on the held-out problems. The prompts of the two are not the
    same, but drawn alike.
    """
    groups, race = load("group-size", runs), load(RACES["sums"], runs)
    right, samples = counts(race["start"])
    p = sum(right) / (samples * len(right))
    found = []
    for size in sorted(int(name[1:]) for name in groups):
        each = [silence(count, samples, size) for count in right]
        first = [next(row for row in run.rows if row["step"] == 1) for run in groups[f"G{size}"]]
        number = sum(row["samples"] // size for row in first)
        found.append(silent_row(size, p, each, first, number))
    return found


def silent_after(runs: Path = RUNS, steps: int = 10) -> dict:
    """The same after training: GRPO's last steps in the race, each run with its own chances."""
    grpo = load(RACES["sums"], runs)["grpo"]
    size = grpo[0].header["config"]["group_size"]
    problems = list(zip(*(run.header["right"] for run in grpo), strict=True))
    samples = [run.header["samples_at_end"] for run in grpo]
    p = plain.mean(c / n for solved in problems for c, n in zip(solved, samples, strict=True))
    each = [plain.mean(silence(c, n, size) for c, n in zip(solved, samples, strict=True))
            for solved in problems]  # fmt: skip
    last = [row for run in grpo for row in run.rows[-steps:]]
    number = sum(
        (run.rows[-1]["samples"] - run.rows[-1 - steps]["samples"]) // size for run in grpo
    )
    return silent_row(size, p, each, last, number)


def spread(runs: Path = RUNS) -> Check:
    """Standard deviation of relative rewards, sqrt((1-f)(G-1)/G), where it deviates most."""
    rows = [
        (row["silent_group_share"], run.header["config"]["group_size"], row["relative_reward_std"])
        for run in [*load(RACES["sums"], runs)["grpo"], *sum(load("group-size", runs).values(), [])]
        for row in run.rows
        if "relative_reward_std" in row
    ]
    found = [(sqrt((1 - f) * (size - 1) / size), recorded) for f, size, recorded in rows]
    theory, recorded = max(found, key=lambda pair: abs(pair[0] - pair[1]))
    name = f"std of relative rewards √((1-f)(G-1)/G), the worst of {len(found):,} steps"
    return Check(name, theory, recorded, 1e-4)


def prompt_tokens() -> float:
    """Mean length of the cost ledger's prompts."""
    prompts = [record["prompt"] for record in get_task("chain-sums").dataset(200, seed=0)]
    return plain.mean(map(len, encode_prompts(load_tokenizer(TINY_QWEN), prompts, 1024)))


def critics_share(runs: Path = RUNS) -> Check:
    """What GRPO saves of a step: one scoring pass, one update, and reading prompts again.

    Predicted from GRPO's own phases in each cell of the cost ledger. PPO scores and updates two
    models of the same size, and reads a prompt for each sample, where a group reads it once: of P
    prompt and T response tokens P + T instead of P / G + T. Compared is the median over the cells.
    """
    predicted, recorded, prompt = [], [], prompt_tokens()
    for cell in cells(runs):
        grpo, ppo, tokens = cell["grpo"], cell["ppo"], cell["grpo"]["response tokens"]
        more = (prompt + tokens) / (prompt / cell["run"]["group_size"] + tokens)
        passes = grpo["seconds_score"] + grpo["seconds_update"]
        predicted.append(1 - grpo["seconds in all"] / (
            grpo["seconds in all"] + (2 * more - 1) * passes))  # fmt: skip
        recorded.append(1 - grpo["seconds in all"] / ppo["seconds in all"])
    name = f"what a step saves without a critic, median of {len(predicted)} cells"
    return Check(name, plain.median(predicted), plain.median(recorded), 0.2)


def checks(runs: Path = RUNS) -> list[Check]:
    """All formulas of the course that the recorded runs can speak about."""
    # While the last steps are taken, the policy still moves a little.
    places = [("start", 0.01, row) for row in silent_at_start(runs)]
    places += [("end", 0.02, silent_after(runs))]
    silent = [
        Check(f"silent groups at the {place}, G = {row['G']}",
              row["mean of the formula over prompts"], row["recorded"],
              3 * row["standard error"] + more)
        for place, more, row in places
    ]  # fmt: skip
    return [*silent, spread(runs), critics_share(runs)]
