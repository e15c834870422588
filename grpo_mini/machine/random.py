"""Every global random state of the process, to be kept and put back."""

import random

import numpy
import torch


def random_states() -> dict:
    """Every global random state: a reward function may draw from any of them."""
    algorithm, keys, *rest = numpy.random.get_state()
    apple = torch.backends.mps.is_available()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "mps": [torch.mps.get_rng_state()] if apple else [],
        "python": random.getstate(),
        "numpy": (algorithm, torch.from_numpy(keys.astype("int64")), *rest),
    }


def set_random_states(states: dict) -> None:
    """Put back what `random_states` returned."""
    torch.set_rng_state(states["torch"])
    for device, state in enumerate(states["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(state, device)
    if states["mps"] and torch.backends.mps.is_available():
        torch.mps.set_rng_state(states["mps"][0])
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    algorithm, keys, *rest = states["numpy"]
    numpy.random.set_state((algorithm, keys.numpy().astype("uint32"), *rest))
