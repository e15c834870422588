"""GRPO and PPO for language models, small enough to read in an evening."""

from .grpo import GRPOConfig, GRPOTrainer
from .machine import threads
from .models import load_policy
from .ppo import PPOConfig, PPOTrainer
from .tasks import TASKS
from .trainer import Trainer

__all__ = [
    "TASKS",
    "GRPOConfig",
    "GRPOTrainer",
    "PPOConfig",
    "PPOTrainer",
    "Trainer",
    "load_policy",
]
__version__ = "0.1.0"

threads.choose()  # for whatever computes before a training chooses anew
