"""The README of a hand-over folder: how to run it, what memory it takes, what is different."""

import json
from pathlib import Path

from ..forecast import GEOMETRIES, Geometry, forecast, geometry_of, peak
from .start import Start

ENGINES = Path(__file__).with_name("engines.md")
CARDS = (1, 2, 4, 8)
SHARED = ("weights", "gradients", "Adam", "reference", "critic")  # each GPU holds a part of them


def geometry(start: Start) -> Geometry | None:
    """The model's, if it is a Qwen2 in a folder, or a Qwen2.5 that is known by its name."""
    if start.model is not None:
        config = json.loads((start.model / "config.json").read_text(encoding="utf-8"))
        return geometry_of(config) if config["model_type"] == "qwen2" else None
    name = start.config.model_name.rpartition("/")[2]
    return next((g for size, g in GEOMETRIES.items() if name.startswith(f"Qwen2.5-{size}")), None)


def memory(start: Start) -> str:
    """A table of gigabytes a GPU, over the number of GPUs."""
    shape, config = geometry(start), start.config
    if shape is None:
        return (
            "Not counted for this model: its size is not known here. Weights, gradients and Adam "
            "take 16 bytes a parameter in float32, a reference 4, a critic 16 more.\n"
        )
    group = getattr(config, "group_size", None) or config.samples_per_prompt
    lines = ["| GPUs | GB on each | most of it while | vLLM's copy and cache |",
             "|---|---|---|---|"]  # fmt: skip
    for cards in CARDS:
        step = forecast(
            shape, "autocast" if config.autocast else "float32",
            samples=max(start.responses // cards, 1), group=group, prompt=start.longest or 128,
            response=config.max_new_tokens, pass_tokens=config.micro_batch_tokens,
            reference=config.kl_coef > 0, critic=hasattr(config, "vf_coef"),
            checkpointing=config.gradient_checkpointing,
        )  # fmt: skip
        for parts in step.values():
            parts |= {name: parts[name] / cards for name in SHARED}
        phase, most = peak(step)
        vllm = 2 * shape.parameters + step["sampling"]["cache"]
        lines.append(f"| {cards} | {most / 1e9:.2f} | {phase} | {vllm / 1e9:.2f} |")
    return (
        "\n".join(lines)
        + "\n\nCounted from the model's geometry, the longest prompts and responses "
        "(`grpo_mini/experiments/forecast.py`, within 15% of what was measured for the course's "
        "own step, which makes logits in chunks). An engine that holds those of a whole pass needs "
        "up to 16 bytes more for each token and entry of the vocabulary; CUDA itself takes about "
        "1 GB more.\n"
    )


def readme(
    engine: str, start: Start, found: dict[str, dict], files: dict[str, str], ways: str
) -> str:
    """The whole page."""
    different = [f"- `{name}`: {setting['why']}" for name, setting in found.items()
                 if setting["status"] == "mapped" and setting["why"]]  # fmt: skip
    model = "the copy in `model/`" if start.model else f"`{start.config.model_name}` of the hub"
    table = "".join(f"| `{name}` | {what} |\n" for name, what in files.items())
    return f"""# Handed over to {engine}

{len(start.train):,} training problems, {len(start.test)} held out; {start.steps} steps of
{start.responses} responses, from {model}. Nothing here needs the course.

{ways}
| file | what it is |
|---|---|
{table}
## Memory

{memory(start)}
## What is different there

{chr(10).join(different)}
- Adam begins anew, the problems come in another order, and the random numbers are other ones.
  Where a whole batch has nothing to teach, we make no step; {engine.split()[0]} makes one of Adam's
  memory.

`handover.json` has every setting.

{ENGINES.read_text(encoding="utf-8")}"""
