"""What several tests need."""

import json
from pathlib import Path

from grpo_mini.support.checkpoints import sha256


def halves(completions, **columns) -> list[float]:
    """Rewards that differ inside every group, whatever was written."""
    return [float(i % 2) for i in range(len(completions))]


def rewrite_manifest(checkpoint: Path, **changes) -> None:
    """A checkpoint whose manifest says something else, and is whole."""
    path = checkpoint / "manifest.json"
    about = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(about), encoding="utf-8")
    path.with_name("manifest.sha256").write_text(sha256(path), encoding="utf-8")


def smallest_good(means: dict[float, float]) -> float:
    """The rule of every tuning: of the rates within 0.02 of the best mean, the smallest."""
    return min(rate for rate, mean in means.items() if mean >= max(means.values()) - 0.02)
