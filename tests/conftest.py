"""Shared fixtures: the shipped tiny Qwen, and small trainers that take a step in a blink."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
import torch

from grpo_mini.grpo import GRPOConfig, GRPOTrainer
from grpo_mini.machine import threads
from grpo_mini.models import load_policy
from grpo_mini.ppo import PPOConfig, PPOTrainer

SMALL = {
    "grpo": (GRPOTrainer, GRPOConfig, {"prompts_per_step": 4, "group_size": 4}),
    "ppo": (PPOTrainer, PPOConfig, {"prompts_per_step": 16}),
}


@pytest.fixture(scope="session")
def tiny():
    """The shipped policy and its tokenizer; tests must not train it."""
    return load_policy(device="cpu")


@pytest.fixture(params=SMALL)
def algorithm(request) -> str:
    return request.param


@pytest.fixture(scope="session")
def small_trainer():
    """Make a small trainer: ``small_trainer("grpo", kl_coef=0.1)``."""

    def make(algorithm: str = "grpo", reward=None, dataset=None, model=None, **options):
        trainer_class, config_class, defaults = SMALL[algorithm]
        defaults = defaults | {"max_new_tokens": 16, "train_problems": 64, "device": "cpu"}
        return trainer_class(config_class(**defaults | options), reward, dataset, *model or ())

    return make


# Chosen once for the state of the machine, and the same for every process that a test starts:
# runs that are compared to the last digit need the same number.
THREADS = threads.choose().number
os.environ["OMP_NUM_THREADS"] = str(THREADS)


@pytest.fixture(autouse=True)
def same_every_time():
    """A test that fails fails again: as many threads, and the same random numbers."""
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)


# The formulas, against enumeration and each other; sampling; the tasks; the data as shipped.
QUICK = ("advantages", "losses", "exact_gradients", "tasks", "rollout", "models", "data")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.stem.removeprefix("test_") in QUICK:
            item.add_marker("quick")
