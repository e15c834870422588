"""Every experiment of the course: what varies, over which seeds, for how long.

An experiment is a table of settings, each a trainer with what differs from its defaults. All start
from the same policy and are measured on the same held-out problems.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path

from ..grpo import GRPOTrainer
from ..losses import AGGREGATIONS
from ..models import TINY_QWEN
from ..ppo import PPOTrainer
from ..tasks import TASKS, make_chain_sum
from ..trainer import Trainer
from . import judges, zoo
from .critics import CriticTrainer, SharedTrunkPPO
from .reward_model import LearnedTrainer
from .smollm2 import FOLDER as SMOLLM2
from .variants import VariantTrainer


@dataclass(frozen=True)
class Setting:
    """One trainer of an experiment.

    Attributes:
        trainer: its class.
        options: fields of its configuration that differ from the defaults.
        judge: what pays in training; None: the task's verifier, which measures in any case.
        steps: where they are not the experiment's.
        seeds: how many of the experiment's, where it is not all of them.
    """

    trainer: type[Trainer]
    options: dict = field(default_factory=dict)
    judge: Callable[..., list[float]] | None = None
    steps: int | None = None
    seeds: int | None = None


@dataclass(frozen=True)
class Experiment:
    """Settings by label, each trained from each seed.

    Attributes:
        question: what it is to answer.
        steps: of training; a step is 256 samples unless a setting says otherwise.
        seconds: of training time, after which a run ends.
        threads: of each run.
        model: what every run starts from.
        samples_at_end: responses to each of 100 held-out problems after training, for pass@k.
        held_out: problems of each measurement on the way.
    """

    question: str
    settings: dict[str, Setting]
    seeds: tuple[int, ...] = tuple(range(5))
    steps: int = 30
    evaluate_every: int = 10
    samples_at_end: int = 0
    held_out: int = 500
    seconds: float | None = None
    threads: int = 1
    model: Path = TINY_QWEN

    def runs(self) -> list[tuple[str, int]]:
        """Label and seed of each run, seed by seed, so that an interrupted table is fair."""
        return [
            (label, seed)
            for i, seed in enumerate(self.seeds)
            for label, setting in self.settings.items()
            if setting.seeds is None or i < setting.seeds
        ]


def grpo(**options) -> Setting:
    """GRPO with other options."""
    return Setting(GRPOTrainer, options)


def ppo(**options) -> Setting:
    """PPO with other options."""
    return Setting(PPOTrainer, options)


def variant(**options) -> Setting:
    """GRPO with the switches of `VariantConfig`."""
    return Setting(VariantTrainer, options)


def learned(**options) -> Setting:
    """GRPO paid by a reward model that has learned from preference pairs."""
    return Setting(LearnedTrainer, options)


GROUPS = {"prompts_per_step": 32, "samples_per_prompt": 8}  # PPO on the very batches of GRPO


def both(judge: Callable[..., list[float]] | None = None, **options) -> dict[str, Setting]:
    """GRPO and PPO with the same judge and options, on the same prompts and samples a step.

    They differ in the baseline, the group's mean or what a critic expects, and in what comes with
    it by default: GRPO divides by the group's standard deviation, PPO standardises over the batch's
    tokens; and GRPO's silent groups make no update.
    """
    return {
        "grpo": Setting(GRPOTrainer, options, judge),
        "ppo": Setting(PPOTrainer, GROUPS | options, judge),
    }


def named(ending: str, settings: dict[str, Setting]) -> dict[str, Setting]:
    """Settings under longer names."""
    return {f"{name}-{ending}": setting for name, setting in settings.items()}


# Sums of exactly so many terms. The warm start has seen three to five.
TERMS = (3, 5, 7)
for terms in TERMS:
    make_problem = partial(make_chain_sum, fewest=terms, most=terms)
    TASKS[f"chain-sums-{terms}"] = replace(
        TASKS["chain-sums"], name=f"chain-sums-{terms}", make_problem=make_problem
    )

HALF = {"prompts_per_step": 16}  # half of the samples: a learned judge costs time too
RATES = (5e-5, 1e-4, 2e-4, 4e-4)
AGAIN = {"grpo_epochs": 4, "learning_rate": 1e-4}  # a batch used four times
PPO_AGAIN = {"ppo_epochs": 4, "learning_rate": 1e-4}
NO_CLIP = {"clip_low": 1.0, "clip_high": 1e9}

# PPO as it was: standardised whatever the spread, and never without a step.
ALWAYS = {"standardize_floor": 0.0, "skip_equal_rewards": False}


def as_first_edition(experiments: dict[str, Experiment]) -> dict[str, Experiment]:
    """Experiments with the defaults that their recorded runs were made with.

    The first edition's loss was a mean per response, its PPO standardised whatever the spread of
    the advantages, and both had one learning rate. What a setting says itself stays.
    """

    def old(setting: Setting) -> Setting:
        is_ppo = issubclass(setting.trainer, PPOTrainer)
        then = {"aggregation": "sequence", "learning_rate": 2e-4} | (ALWAYS if is_ppo else {})
        options = then | setting.options
        return replace(setting, options=options)

    return {
        name: replace(
            experiment, settings={label: old(s) for label, s in experiment.settings.items()}
        )
        for name, experiment in experiments.items()
    }


# The settings that the defaults were chosen from. The rules were written before the runs:
# - Learning rate, on equal samples, for either algorithm by the same grid: of the rates whose mean
#   final accuracy is within 0.02 of the best, the smallest. If the best is an end of the grid, the
#   grid grows.
# - Equal rewards: PPO skips the policy's step by default only if with it the mean final accuracy of
#   "nothing" is within 0.02 of where it began, and without it, floor and all, it is not.
# The floor is no such choice: 0.1 is the spread of rewards of 0 and 1 where one in a hundred
# differs. "rare" shows what it does beside none.
CHOICES = {
    "tuning": Experiment(
        "Which learning rates? The same grid for both policies, and one for the critic, on seeds "
        "that are used for nothing else.",
        {
            **{f"grpo-lr{rate:.0e}": grpo(learning_rate=rate) for rate in (*RATES, 8e-4)},
            **{f"ppo-lr{rate:.0e}": ppo(learning_rate=rate) for rate in (*RATES, 8e-4)},
            **{
                f"ppo-critic{rate:.0e}": ppo(learning_rate=2e-4, critic_learning_rate=rate)
                for rate in (1e-4, 2e-4, 1e-3)
            },
        },
        seeds=(100, 101),
    ),
    "nothing": Experiment(
        "What does each do where there is nothing to learn: a judge that pays 1 for everything?",
        {
            "grpo": Setting(GRPOTrainer, {}, judges.constant(1.0)),
            "ppo-always": Setting(PPOTrainer, ALWAYS, judges.constant(1.0)),
            "ppo-floor": Setting(PPOTrainer, {"skip_equal_rewards": False}, judges.constant(1.0)),
            "ppo-skip": Setting(PPOTrainer, {"skip_equal_rewards": True}, judges.constant(1.0)),
        },
    ),
    "rare": Experiment(
        "One question in ten pays: what became of PPO's loss against GRPO?",
        {
            **both(judges.rarely(0.1)),
            "ppo-always": Setting(PPOTrainer, GROUPS | ALWAYS, judges.rarely(0.1)),
            "ppo-slow": Setting(PPOTrainer, GROUPS | {"learning_rate": 2e-4}, judges.rarely(0.1)),
        },
        seeds=(0, 1, 2),
    ),
    "learning": Experiment(
        "How fast does GRPO learn at its defaults, on two cores?",
        {"grpo": grpo()},
        seeds=tuple(range(10)),
        steps=10_000,
        seconds=75.0,
        threads=2,
    ),
}

FIRST_EDITION = {
    "race-tuning": Experiment(
        "Which learning rates for the race? The same grid for both policies, and one for the "
        "critic, on seeds that are used for nothing else.",
        {
            **{f"grpo-lr{rate:.0e}": grpo(learning_rate=rate) for rate in RATES},
            **{f"ppo-lr{rate:.0e}": ppo(learning_rate=rate) for rate in RATES},
            **{
                f"ppo-critic{rate:.0e}": ppo(critic_learning_rate=rate)
                for rate in (1e-4, 2e-4, 1e-3)
            },
        },
        seeds=(100, 101),
    ),
    "race": Experiment(
        "PPO or GRPO, from the same start, on the same number of samples?",
        {
            "start": replace(grpo(), steps=0),
            "grpo": grpo(),
            "ppo": ppo(),
            "ppo-lam0.95": ppo(lam=0.95),
            "ppo-groups": ppo(**GROUPS),
        },
        seeds=tuple(range(8)),
        steps=60,
        evaluate_every=5,
        samples_at_end=64,
    ),
    "reuse-tuning": Experiment(
        "Which learning rates, if each batch is used four times?",
        {
            **{f"grpo-lr{rate:.0e}": grpo(grpo_epochs=4, learning_rate=rate) for rate in RATES},
            **{f"ppo-lr{rate:.0e}": ppo(ppo_epochs=4, learning_rate=rate) for rate in RATES},
        },
        seeds=(100, 101),
        steps=20,
    ),
    "reuse": Experiment(
        "PPO or GRPO, if each batch is used four times and the clip can act? Does it matter?",
        {
            "grpo-once": grpo(),  # as in the race, on the same day and machine as the others
            "ppo-once": ppo(),
            "grpo": grpo(**AGAIN),
            "grpo-unclipped": grpo(**NO_CLIP, **AGAIN),
            "ppo": ppo(**PPO_AGAIN),
            "ppo-unclipped": ppo(**NO_CLIP, **PPO_AGAIN),
            "ppo-groups": ppo(**GROUPS, **PPO_AGAIN),
            "ppo-groups-unclipped": ppo(**NO_CLIP, **GROUPS, **PPO_AGAIN),
            # As many updates, each on a quarter of the samples, and none off-policy.
            "grpo-quarter": Setting(
                GRPOTrainer, {"prompts_per_step": 8, "learning_rate": 1e-4}, steps=120
            ),
        },
        evaluate_every=5,
    ),
    "mixed-groups": Experiment(
        "What does it cost to group different prompts, as the source's code does?",
        {
            "own": grpo(),
            "mixed": variant(mixed_groups=True, prompts_per_step=256),
            "mixed-centred": variant(
                mixed_groups=True, prompts_per_step=256, use_group_normalization=False
            ),
        },
    ),
    "group-size": Experiment(
        "Which group size, at a fixed number of samples?",
        {f"G{size}": grpo(group_size=size, prompts_per_step=256 // size)
         for size in (2, 4, 8, 16, 32)},
    ),
    "normalisation": Experiment(
        "What do the standard deviations do, and the source's mix?",
        {
            "none": grpo(use_group_normalization=False),
            "group": grpo(),
            "batch": grpo(use_group_normalization=False, standardize_advantages=True),
            "both": grpo(standardize_advantages=True),
            **{
                f"mix{weight}": grpo(use_group_normalization=False, baseline_reward_weight=weight)
                for weight in (0.1, 0.5, 1.0)
            },
        },
    ),
    "judges": Experiment(
        "Which bias of a judge does the group cancel, and which the critic?",
        {
            **named("fair", both()),
            **named("offset", both(judges.offset(4.0))),
            **named("scale", both(judges.scale(8.0))),
            **named("length", both(judges.length_bonus(0.02))),
            **named("flipped", both(judges.flipped(0.2))),
            **named("shifted", both(judges.shifted(after=15, by=4.0))),
            "centred-fair": grpo(use_group_normalization=False),
            "centred-scale": replace(
                grpo(use_group_normalization=False), judge=judges.scale(8.0)
            ),
        },
    ),
    "reward-model": Experiment(
        "What becomes of the right answers when a learned judge pays?",
        {
            "verifier": grpo(**HALF),
            "few": learned(pairs=32, **HALF),
            "many": learned(pairs=1200, **HALF),
            "many-kl": learned(pairs=1200, kl_coef=0.3, **HALF),
        },
        steps=50,
    ),
    "stability": Experiment(
        "At which learning rate does each collapse?",
        {
            name: setting
            for rate in (4e-4, 8e-4, 1.6e-3)
            for name, setting in named(f"lr{rate:.1e}", both(learning_rate=rate)).items()
        },
    ),
    "horizon": Experiment(
        "Longer sums and rarer rewards: does the critic help then?",
        {
            **{
                name: setting
                for terms in TERMS
                for name, setting in named(
                    f"{terms}terms", both(task=f"chain-sums-{terms}", max_new_tokens=96)
                ).items()
            },
            **named("rare", both(judges.rarely(0.1))),
        },
    ),
    "variants": Experiment(
        "RLOO, Dr. GRPO, DAPO, GSPO and CISPO on the same batch, used four times.",
        {
            "grpo": variant(**AGAIN),
            "rloo": variant(baseline="others", use_group_normalization=False,
                            aggregation="constant"),  # one update: it knows no ratio
            "dr-grpo": variant(use_group_normalization=False, aggregation="constant", **AGAIN),
            "dapo": variant(aggregation="token", clip_high=0.28, prompts_per_step=48,
                            groups_kept=32, **AGAIN),
            "gspo": variant(importance="sequence", clip_low=3e-4, clip_high=4e-4, **AGAIN),
            "cispo": variant(importance="detached", aggregation="token", clip_low=1.0,
                             clip_high=0.28, **AGAIN),
        },
        steps=20,
        evaluate_every=5,
    ),
    "zoo": Experiment(
        "One thing wrong in each: what do the metrics say, beside a healthy twin?",
        {
            "healthy": grpo(),
            "healthy-again": grpo(**AGAIN),
            "healthy-hot": grpo(temperature=1.5),
            "healthy-form": Setting(GRPOTrainer, judge=zoo.form_and_answer),
            "healthy-short": grpo(max_new_tokens=40),
            "healthy-ppo": ppo(),
            "inverted-clip": Setting(zoo.InvertedClip, AGAIN),
            "no-end-token": Setting(zoo.NoEndToken),
            "other-temperature": Setting(zoo.OtherTemperature, {"temperature": 1.5}),
            "shouting-silence": Setting(zoo.ShoutingSilence, judge=zoo.form_and_answer),
            "no-template": Setting(zoo.NoTemplate),
            "shifted-groups": Setting(zoo.ShiftedGroups, {"max_new_tokens": 40}),
            "random-value-head": Setting(zoo.RandomValueHead),
            "k1-loss": grpo(kl_estimator="k1", kl_coef=0.5),
            "k3-loss": grpo(kl_estimator="k3", kl_coef=0.5),
        },
        seeds=(0,),
        evaluate_every=5,
    ),
}  # fmt: skip

# The second edition's race, on two tasks. The rules were written before the runs:
# - Learning rates: for each contender and each task the same three tries on the same samples, and
#   of the rates whose mean final accuracy is within 0.02 of the best, the smallest. A best rate at
#   an end of the grid stays there, so that nobody has more tries than another. `RACE_RATES` holds
#   what that gives, and a test computes it again from the recorded tries.
# - A difference that matters is 0.03 of accuracy at the end: with 500 held-out problems one
#   measurement of an accuracy of 0.9 errs by 0.013, and a gap of 0.03 there is a third of the
#   errors. "Not worse" excludes a loss of that size, "better" a gain of 0.
# - Sixteen seeds for those that the headline names, eight for the others and on the second task,
#   compared without pairing: two trainings of one seed share only the order of the questions.
TINY_QWEN_SPREAD = TINY_QWEN.with_name("tiny-qwen-spread")
TRIES = (2e-4, 4e-4, 8e-4)


def contenders() -> dict[str, Setting]:
    """GRPO, RLOO, and PPO with each critic that its advocates would choose; 256 samples a step."""
    return {
        "grpo": grpo(),
        "rloo": variant(baseline="others", use_group_normalization=False),
        "ppo": ppo(),
        "ppo-groups": ppo(**GROUPS),
        "ppo-lam0.95": ppo(lam=0.95),
        "ppo-warm": Setting(CriticTrainer, {"warmup_steps": 5}),
        "ppo-taught": Setting(CriticTrainer, {"critic_epochs": 4}),
        "ppo-shared": Setting(SharedTrunkPPO),
    }


RACES = {"sums": "race"}  # task -> the race that the course shows; to come: "race-sums", spread
EIGHT_SEEDS = ("rloo", "ppo-lam0.95", "ppo-taught")  # of the race; the others have all


def with_options(settings: dict[str, Setting], **options) -> dict[str, Setting]:
    """Settings with further options."""
    return {
        label: replace(setting, options=setting.options | options)
        for label, setting in settings.items()
    }


TASK_OPTIONS = {"sums": {}, "spread": {"task": "spread-sums", "max_new_tokens": 96}}
STARTS = {"sums": TINY_QWEN, "spread": TINY_QWEN_SPREAD}
RACE_RATES: dict[str, dict[str, float]] = {
    "sums": {
        "grpo": 2e-4, "rloo": 4e-4, "ppo": 4e-4, "ppo-groups": 2e-4, "ppo-lam0.95": 4e-4,
        "ppo-warm": 4e-4, "ppo-taught": 4e-4, "ppo-shared": 4e-4,
    },
    "spread": {},
}  # fmt: skip


def race(task: str) -> dict[str, Experiment]:
    """Tries of learning rates, and the race itself, on one task."""
    settings = with_options(contenders(), **TASK_OPTIONS[task])
    rates = RACE_RATES[task]
    raced = {
        label: replace(
            setting,
            options=setting.options | {"learning_rate": rates[label]},
            seeds=8 if label in EIGHT_SEEDS else None,
        )
        for label, setting in settings.items()
        if label in rates
    }
    start = replace(settings["grpo"], steps=0, seeds=4)
    return {
        f"race-{task}-tuning": Experiment(
            f"Which learning rate for each contender, on {task}?",
            {
                name: setting
                for rate in TRIES
                for name, setting in named(
                    f"lr{rate:.0e}", with_options(settings, learning_rate=rate)
                ).items()
            },
            seeds=(100, 101),
            steps=20,
            model=STARTS[task],
        ),
        f"race-{task}": Experiment(
            f"PPO or GRPO, from the same start, on the same number of samples, on {task}?",
            {"start": start, **raced},
            seeds=tuple(range(16 if task == "sums" else 8)),
            evaluate_every=5,
            samples_at_end=16,
            model=STARTS[task],
        ),
    }


CENTRED = {"standardize_advantages": False}  # the critic's values subtracted, and nothing else


def three(judge: Callable[..., list[float]], ending: str) -> dict[str, Setting]:
    """GRPO, PPO in GRPO's groups, and that PPO without whitening, under the same judge."""
    settings = both(judge) | {"ppo-centred": Setting(PPOTrainer, GROUPS | CENTRED, judge)}
    return named(ending, settings)


CONTROLS = {
    "null": Experiment(  # beside "nothing", where the others of its kind are
        "What does each do where rewards are the toss of a coin? And a critic without whitening "
        "where all are 1?",
        named(
            "coin",
            both(judges.coin(0.5))
            | {
                "ppo-floorless": Setting(PPOTrainer, GROUPS | ALWAYS, judges.coin(0.5)),
                "ppo-centred": Setting(PPOTrainer, GROUPS | CENTRED, judges.coin(0.5)),
            },
        )
        | {
            "ppo-centred-one": Setting(
                PPOTrainer, GROUPS | CENTRED | {"skip_equal_rewards": False}, judges.constant(1.0)
            ),
        },
        steps=20,
    ),
    "sparse": Experiment(
        "One right answer in ten pays. Which one in ten: does it matter who can see it?",
        three(judges.rarely(0.1), "hidden")
        | three(judges.only_sevens, "visible")
        | three(judges.now_and_then(0.1), "response"),
    ),
    "offsets": Experiment(
        "Some questions are paid more, whatever the answer: does it matter who can see it?",
        three(judges.offset(4.0), "hidden") | three(judges.offset(4.0, visible=True), "visible"),
    ),
}


def two_by_two_by_two(task: str) -> dict[str, Setting]:
    """Baseline x scale x aggregation, all in GRPO's groups and at one learning rate."""
    found = {}
    for mean, scaled, baseline in product(AGGREGATIONS[:2], (True, False), ("group", "critic")):
        if baseline == "group":
            setting = grpo(use_group_normalization=scaled, aggregation=mean)
        else:
            setting = ppo(**GROUPS, standardize_advantages=scaled, aggregation=mean)
        found[f"{baseline}-{'std' if scaled else 'centred'}-{mean}"] = setting
    return with_options(found, **TASK_OPTIONS[task], learning_rate=2e-4)


DESIGN = {
    "design": Experiment(
        "Baseline, scale, aggregation: what does each do alone, on questions of all difficulties?",
        two_by_two_by_two("spread"),
        model=STARTS["spread"],
    )
}

# A batch in four mini-batches, each used once: as large trainings go, where a clip acts on three of
# the four. The limits fit this size. GSPO's 3e-4 is for responses of thousands of tokens; a hundred
# times that stops 5% of the tokens in the first eight steps of seed 100 (from a batch's second use
# on, 3e-4 stops nine in ten). CISPO has a cap of 5 and no floor, as today's recipes. DAPO is its
# upper clip, without and with dynamic sampling: what the entropy does decides about its reason.
PARTS = {"mini_batches": 4}
VARIANTS = {
    "one-pass": Experiment(
        "What does each variant change over four mini-batches of one pass?",
        {
            "grpo": variant(**PARTS),
            "rloo": variant(baseline="others", use_group_normalization=False, **PARTS),
            "dr-grpo": variant(
                use_group_normalization=False, aggregation="constant", **PARTS
            ),
            "clip-higher": variant(clip_high=0.28, **PARTS),
            "dapo": variant(clip_high=0.28, prompts_per_step=48, groups_kept=32, **PARTS),
            "gspo": variant(importance="sequence", aggregation="sequence",
                            clip_low=0.03, clip_high=0.04, **PARTS),
            "cispo": variant(importance="detached", clip_low=1.0, clip_high=4.0, **PARTS),
        },
        steps=20,
        evaluate_every=5,
    )
}  # fmt: skip

# A real pre-trained chat model, which the repository does not hold: `python -m grpo_mini smollm2`
# makes it. Two answered examples in each prompt halve its responses and bring six in a hundred
# right; in groups of 16 two in three then have something to compare (`python -m grpo_mini suits`
# says so). A step of PPO costs two and a half times one of GRPO, all of it on two cores, so GRPO
# makes twice as many: the middle of its run compares on equal samples, the end on about equal time.
# The policy's learning rate served this model on a GPU, the critic's is the same; none was tuned.
# A measurement of 500 problems would take as long as several steps of training: their prompts are
# long and, other than a group's, each is read for one response.
ASKED = {"task": "words", "examples": 2, "prompts_per_step": 8, "max_new_tokens": 32,
         "learning_rate": 3e-5}  # fmt: skip
REAL = {
    "real": Experiment(
        "Does a real pre-trained model learn to count its words, and what if only the count pays?",
        {
            "grpo": grpo(group_size=16, **ASKED),
            "ppo": replace(
                ppo(samples_per_prompt=16, critic_learning_rate=3e-5, **ASKED), steps=12
            ),
            "grpo-by-count": replace(grpo(group_size=16, **ASKED), judge=judges.by_count, seeds=1),
        },
        seeds=(0, 1, 2),
        steps=24,
        evaluate_every=12,
        held_out=128,
        threads=2,
        model=SMOLLM2,
    )
}

# The capstone's worked examples, and whatever a learner brings: both algorithms at their defaults,
# in the same groups.
# The rules were written before the runs; intervals are Student's and Welch's, over three seeds:
# - A task is learned if the interval of GRPO's gain, right at the end minus right at the start,
#   lies above 0; the example that is to succeed has to gain more than 0.1, its whole interval.
#   (After the runs this was made stricter: the luck of the start's one exam widens the interval.)
# - Thinking was learned if at the end more than half of the responses think, and it was dropped if
#   fewer than half as many as at the start do, in the mean over seeds. Countdown's thoughts are
#   failed attempts: it is expected to drop them, whatever becomes of its right answers.
# - GRPO is better than PPO, or worse, if the interval of the difference leaves out 0; as good, if
#   it lies within 0.03 of it; else three seeds do not decide.
CUPS_START = TINY_QWEN.with_name("tiny-qwen-cups")
COUNTDOWN_START = Path.home() / ".cache" / "grpo-mini" / "tiny-qwen-countdown"  # not shipped


def capstone(task: str, start: Path, max_new_tokens: int) -> Experiment:
    """GRPO and PPO on a task of one's own, on a quarter of the samples a step: it takes minutes."""
    options = {"task": task, "max_new_tokens": max_new_tokens, "prompts_per_step": 8}
    return Experiment(
        f"Does the warm-started model learn {task}, and with which algorithm?",
        both(**options),
        seeds=(0, 1, 2),
        steps=30,
        evaluate_every=30,
        model=start,
    )


CAPSTONES = {
    "capstone-cups": capstone("cups", CUPS_START, 64),
    "capstone-countdown": capstone("countdown", COUNTDOWN_START, 96),
}

EXPERIMENTS = (
    CHOICES | CONTROLS | CAPSTONES | VARIANTS | race("sums") | race("spread") | DESIGN | REAL
)
EXPERIMENTS |= as_first_edition(FIRST_EDITION)
# Rules and settings stand before the runs do: what data/runs does not hold yet, or not whole.
NOT_YET_RECORDED = (
    "sparse", "offsets", *VARIANTS, *DESIGN, *REAL,
    "race-sums", "race-spread-tuning", "race-spread",
)  # fmt: skip
