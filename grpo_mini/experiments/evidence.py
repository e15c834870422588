"""Every experiment of the course: what varies, over which seeds, for how long.

An experiment is a table of settings, each a trainer with what differs from its defaults. All start
from the same policy and are measured on the same held-out problems.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..grpo import GRPOTrainer
from ..ppo import PPOTrainer
from ..trainer import Trainer


@dataclass(frozen=True)
class Setting:
    """One trainer of an experiment.

    Attributes:
        trainer: its class.
        options: fields of its configuration that differ from the defaults.
        judge: what pays in training; None: the task's verifier, which measures in any case.
    """

    trainer: type[Trainer]
    options: dict = field(default_factory=dict)
    judge: Callable[..., list[float]] | None = None


@dataclass(frozen=True)
class Experiment:
    """Settings by label, each trained from each seed.

    Attributes:
        question: what it is to answer.
        steps: of training; a step is 256 samples unless a setting says otherwise.
    """

    question: str
    settings: dict[str, Setting]
    seeds: tuple[int, ...] = tuple(range(5))
    steps: int = 40
    evaluate_every: int = 5

    def runs(self) -> list[tuple[str, int]]:
        """Label and seed of each run, seed by seed, so that an interrupted table is fair."""
        return [(label, seed) for seed in self.seeds for label in self.settings]


def grpo(**options) -> Setting:
    """GRPO with other options."""
    return Setting(GRPOTrainer, options)


def ppo(**options) -> Setting:
    """PPO with other options."""
    return Setting(PPOTrainer, options)


RATES = (5e-5, 1e-4, 2e-4, 4e-4)

EXPERIMENTS = {
    "tuning": Experiment(
        "Which learning rates? The same grid for both policies, and one for the critic, on seeds "
        "that are used for nothing else.",
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
            "grpo": grpo(),
            "ppo": ppo(),
            "ppo-lam0.95": ppo(lam=0.95),
            "ppo-groups": ppo(prompts_per_step=32, samples_per_prompt=8),
        },
        seeds=tuple(range(8)),
        steps=60,
    ),
}
