"""Write the table in data/README.md: every file, its checksum and the command that makes it."""

from fnmatch import fnmatch
from pathlib import Path

from ..support.checkpoints import atomic_write, sha256
from .evidence import EXPERIMENTS

DATA = Path(__file__).parents[2] / "data"
MADE_BY = {  # first match counts
    "tiny-qwen/*": "python -m grpo_mini warmstart --out data/tiny-qwen",
    "tiny-qwen-spread/*": "python -m grpo_mini warmstart --out data/tiny-qwen-spread "
    "--task spread-sums --steps 500 --start data/tiny-qwen",
    "tiny-qwen-cups/*": "python -m grpo_mini warmstart --out data/tiny-qwen-cups --task cups "
    "--steps 200 --start data/tiny-qwen --batch-size 64 --half",
    "tiny-qwen-countdown/*": "python -m grpo_mini warmstart --out "
    "~/.cache/grpo-mini/tiny-qwen-countdown --task countdown --steps 200 --start data/tiny-qwen "
    "--batch-size 64",
    "smollm2/*": "python -m grpo_mini smollm2",  # not in data/
    "problems/*": "python -m grpo_mini warmstart --out data/tiny-qwen",
    "preferences/*": "python -m grpo_mini preferences --out data/preferences/chain-sums.jsonl",
    "runs/demo.*": "python -m grpo_mini demo --out data/runs",
    "runs/thinking.jsonl": "python -m grpo_mini thinking --out data/runs/thinking.jsonl "
    "--gif notebooks/pictures/thinking.gif",
    "runs/microscope.jsonl": "python -m grpo_mini microscope --out data/runs/microscope.jsonl",
    "runs/gradients.jsonl": "python -m grpo_mini gradients --out data/runs/gradients.jsonl",
    "runs/tuning-60s.jsonl": "the command in each line",
    "runs/headline.png": "python -m grpo_mini.experiments.headline",
    "runs/gpu-check.json": "python -m grpo_mini gpu-check --out data/runs/gpu-check.json",
    "runs/handover.jsonl": "python -m grpo_mini handover --compare data/runs/handover.jsonl",
    "runs/cost.jsonl": "python -m grpo_mini cost --ledger data/runs/cost.jsonl",
    **{
        f"runs/{name}.jsonl": f"python -m grpo_mini experiment {name} --out data/runs --resume"
        for name in EXPERIMENTS
    },
}
HEADER = "| file | sha256 | made by |\n|---|---|---|\n"


def main() -> None:
    """Replace the table at the end of data/README.md."""
    readme = DATA / "README.md"
    text = readme.read_text(encoding="utf-8").partition(HEADER)[0]
    rows = []
    for path in sorted(p for p in DATA.rglob("*") if p.is_file() and p != readme):
        name = path.relative_to(DATA).as_posix()
        command = next((c for pattern, c in MADE_BY.items() if fnmatch(name, pattern)), None)
        if command is None:
            raise ValueError(f"data/{name} is made by no command in {Path(__file__).name}")
        rows.append(f"| `{name}` | `{sha256(path)}` | `{command}` |\n")
    atomic_write(readme, text + HEADER + "".join(rows))


if __name__ == "__main__":
    main()
