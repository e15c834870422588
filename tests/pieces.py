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
