"""Which device computes, and how much memory it has held."""

import sys
from pathlib import Path

import torch

# cuDNN's attention makes a plan for every new shape, and while a model writes, each token is one:
# on an H100 with bfloat16 products a step of the tiny Qwen took 4.0 s with it and 0.7 s without.
torch.backends.cuda.enable_cudnn_sdp(False)


def default_device() -> torch.device:
    """CUDA where there is one, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def checked_device(device: str | torch.device | None) -> torch.device:
    """The device of that name; None takes `default_device()`.

    Raises:
        ValueError: there is no such device here.
    """
    if device is None:
        return default_device()
    try:
        torch.empty(0, device=device)
        return torch.device(device)
    except (RuntimeError, AssertionError) as error:  # which of the two depends on torch's build
        here = default_device()
        raise ValueError(
            f"device {str(device)!r} cannot be used on this machine, where the best one is "
            f"{str(here)!r} ({str(error).splitlines()[0]})"
        ) from error


def peak_memory_mb(device: torch.device) -> float | None:
    """Most memory held so far, of the GPU or of this process; None where nobody tells."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    for line in lines:  # not getrusage: there a process inherits the peak of the one before exec
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 2**10
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
