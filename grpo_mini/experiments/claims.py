"""The source's claims C1 to C14: what others found, the rule, and the verdict on recorded runs.

Change the runs, and the ledger changes. The rules were committed before the runs that they judge
were complete. Those of the second edition stood before any run of its races and controls was looked
at, and after the first edition's runs. They differ from its rules so: runs are compared without
pairing; a difference that matters is three points and not five (`verdicts.SAME` says why); a claim
that says several things holds if each does by its own interval, and not if one surely does not
(`verdicts.every`); C1 asks every PPO that was raced; C7 asks the relative rewards, as C5 does, what
a few trainings can only show roughly.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import judging
from .statistics import RUNS
from .verdicts import FAILS, HOLDS, ONLY_WHEN, SAME, UNDECIDED, UNMEASURED, Verdict

MARGIN, RISE = (f"{100 * share:.0f} points" for share in (SAME, judging.RISE))


@dataclass(frozen=True)
class Claim:
    """A claim of the source, what others found, and how it is judged here.

    Attributes:
        short: the text in a few words, for figures.
        rule: in words, what ``judge`` asks of the recorded runs.
        first: the first edition's verdict, by its rules on its runs (commit 231789c).
        changed: why today's is another.
    """

    number: str
    short: str
    text: str
    literature: str
    rule: str
    judge: Callable[[Path], Verdict]
    first: str = ONLY_WHEN
    changed: str = ""

    def verdict(self, runs: Path = RUNS) -> Verdict:
        """The verdict on the recorded runs."""
        try:
            return self.judge(runs)
        except KeyError as error:
            return Verdict(UNMEASURED, f"there is no run of the setting {error}", ())
        except (FileNotFoundError, ValueError) as error:
            return Verdict(UNMEASURED, str(error), ())


CLAIMS = (
    Claim("C1", "no critic is needed",
          "No critic is needed: the group mean is enough of a baseline to learn.",
          "For: GRPO, 2402.03300, and most reasoning models since; details move efficiency more "
          "than the end, ScaleRL, 2510.13786. Against: Open-Reasoner-Zero, 2503.24290, scales PPO "
          "with gamma = lambda = 1.",
          f"On each task: holds if accuracy surely rises by more than {RISE} and surely ends less "
          f"than {MARGIN} below each PPO of the race. Does not hold if it rises by less, or surely "
          f"ends {MARGIN} or more below one of them.", judging.c1, first=UNDECIDED),
    Claim("C2", "half the parameters",
          "About 50% fewer model parameters.",
          "Follows from the sizes: -50% trainable, -33% resident, -25% with a reward model.",
          "For each way to count: holds if 48 to 52% are saved.", judging.c2),
    Claim("C3", "30-40% less time",
          "About 30-40% less training time.",
          "A public PPO log of Qwen2.5-0.5B on GSM8K spends 33.5% of a step on the critic.",
          "For each cell of the cost ledger and for the race against PPO with a sample a prompt "
          "and with groups: holds if 25 to 45% are saved on the same number of samples; for a "
          "race, if the whole interval is in there.", judging.c3),
    Claim("C4", "less memory",
          "Less GPU memory.",
          "ReMax, 2310.10505, another method without a critic: -46% at 7B.",
          f"Against a critic of its own: holds if weights, gradients, optimiser state and peak "
          f"are all smaller in each cell. Against a shared backbone: if the peak of the largest "
          f"model is {judging.MATTERS:.0%} smaller.", judging.c4),
    Claim("C5", "a judge's bias cancels",
          "Comparing inside a group removes a reward model's systematic bias.",
          "Derived: an offset per prompt cancels; what depends on the response does not.",
          "For each bias: holds if it leaves the relative rewards of a group as they are, to 1e-4, "
          "does not if it changes them. What it costs in training stands beside.", judging.c5),
    Claim("C6", "more stable",
          "The group mean is more reliable than a learned value; training is more stable.",
          "For: R1, 2501.12948v2, against lambda 0.95; VinePPO, 2410.01679, finds large critics "
          "that hardly rank continuations. Against: Search-R1, 2503.09516, and VAPO, 2504.05118.",
          f"Holds if each of three figures is surely better with GRPO, does not if for one of them "
          f"an advantage of {MARGIN} can be excluded. A learning rate at which every run of both "
          f"collapses says nothing.", judging.c6, first=UNDECIDED,
          changed="By its rule: a claim that says three things at once is refuted by one. On the "
          "same runs; the third figure is still open."),
    Claim("C7", "adapts to shifted rewards",
          "The baseline adapts by itself when the reward distribution shifts.",
          "Derived: a constant in a group cancels exactly.",
          f"Holds if a constant added to all rewards leaves the relative rewards of a group as "
          f"they are, to {judging.EXACT:.0e}, and no loss of {MARGIN} is sure in training.",
          judging.c7, first=HOLDS),
    Claim("C8", "fewer samples",
          "Better sample efficiency: every sample learns from the others of its group.",
          "No matched comparison at this size was found in public.",
          f"Against PPO with a sample a prompt and with groups: holds if the mean accuracy over "
          f"the samples is surely higher, does not if an advantage of {MARGIN} can be excluded.",
          judging.c8, first=FAILS),
    Claim("C9", "start with groups of 4",
          "Small groups are noisier, large ones steadier but lose detail; start with 4.",
          "2510.00977: groups of 2 keep 97.6% of what 16 reach; 2603.01162: most differences are "
          "insignificant over five seeds.",
          f"Steadier: holds if fewer large groups are silent. Size 4: holds if for each other size "
          f"an advantage of {MARGIN} can be excluded, does not if one is surely better.",
          judging.c9, first=UNDECIDED),
    Claim("C10", "odd batches lose data",
          "A batch that is no multiple of the group size loses data.",
          "True of the document's code by construction.",
          "Counted with the module's function.", judging.c10),
    Claim("C11", "std tames reward variance",
          "Standardising inside the group reduces the effect of reward variance.",
          "Derived: a positive factor per prompt cancels. With 0/1 rewards it weighs very "
          "hard and very easy prompts more, Dr. GRPO, 2503.20783.",
          f"Holds if the judge's odd units surely cost less accuracy with the standard deviation "
          f"than without, does not if {MARGIN} less can be excluded.", judging.c11,
          first=UNDECIDED),
    Claim("C12", "means near 0",
          "The mean of relative rewards and of standardised advantages is near 0.",
          "By construction.",
          "Holds if it is below 1e-4 in every step.", judging.c12, first=HOLDS),
    Claim("C13", "when to choose GRPO",
          "Choose GRPO when compute or samples are short, the judge is biased, or a simple "
          "loop matters.",
          "Follows from C3, C4, C5 and C8.",
          f"Memory, samples and the judge as their own claims were judged. Time: holds if more "
          f"than {judging.MATTERS:.0%} is saved in every cell and, surely, in the race. The loop "
          f"is simpler if it has fewer statements.", judging.c13),
    Claim("C14", "when to choose PPO",
          "Choose PPO when a value estimate is wanted, rewards are sparse or delayed, or "
          "credit per token is needed.",
          "For: VAPO, 2504.05118, beats DAPO with a pre-trained critic. Against: VinePPO, "
          "2410.01679, gets better credit from more samples than from a critic.",
          f"For each task: holds if PPO surely ends higher, does not if an advantage of {MARGIN} "
          f"can be excluded, not decided where neither learns. The value: holds if the critic "
          f"surely explains some variance.", judging.c14),
)  # fmt: skip
