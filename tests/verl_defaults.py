"""Read out of verl's wheel what it says at each key that a hand-over sets.

    pip download --no-deps verl==0.9.1 && python tests/verl_defaults.py verl-0.9.1-*.whl

writes grpo_mini/experiments/handover/verl-defaults.json again.
"""

import json
import re
import sys
import zipfile
from pathlib import Path

import yaml

KEPT = Path(__file__).parents[1] / "grpo_mini/experiments/handover/verl-defaults.json"
FLATTENED = "verl/trainer/config/_generated_ppo_trainer.yaml"  # all its files, put together


def defaults_in(wheel: Path) -> dict:
    """Every key of verl's configuration with its value; references to other keys as text."""
    with zipfile.ZipFile(wheel) as archive:
        whole = yaml.safe_load(archive.read(FLATTENED))
    found: dict = {}

    def walk(node, path: str) -> None:
        if isinstance(node, dict) and node:
            for name, child in node.items():
                walk(child, f"{path}.{name}" if path else str(name))
        else:
            found[path] = node

    walk(whole, "")
    return found


if __name__ == "__main__":
    source = (KEPT.parent / "to_verl.py").read_text(encoding="utf-8")
    source = source.replace("{ACTOR}", "actor_rollout_ref.actor")
    source = source.replace("{ROLLOUT}", "actor_rollout_ref.rollout")
    every = defaults_in(Path(sys.argv[1]))
    used = sorted(key for key in set(re.findall(r'"\+?([\w.]+)"', source)) if key in every)
    KEPT.write_text(
        json.dumps({key: every[key] for key in used}, indent=1) + "\n", encoding="utf-8"
    )
    print(f"{len(used)} keys in {KEPT}")
