"""Recorded runs that nobody ran: what the ledger, the viewer and the headline are tested on.

``write(folder)`` makes every experiment's files with the outcome that a knob asks for. The files
have the layout of real ones, so the code under test reads them as it reads those.
"""

import json
import random
from pathlib import Path

from grpo_mini.experiments.evidence import EXPERIMENTS

RIGHT = (1 / 16, 2 / 16, 5 / 16, 10 / 16)  # shares of the answers to a problem
# Final accuracy of a setting, by experiment and setting; what is not named ends at 0.8.
Ends = dict[tuple[str, str], float]


def write(
    folder: Path,
    ends: Ends | None = None,
    seeds: int = 5,
    noise: float = 0.01,
    only: tuple[str, ...] = (
        "race",
        "judges",
        "group-size",
        "stability",
        "horizon",
        "race-tuning",
        "reuse",
    ),
    **knobs,
) -> Path:
    """Write runs with these final accuracies, equal up to ``noise`` from seed to seed."""
    for name in only:
        lines = []
        for label, setting in EXPERIMENTS[name].settings.items():
            for seed in range(seeds):
                end = (ends or {}).get((name, label), 0.8)
                lines.append(run(name, label, setting, seed, end, noise, **knobs))
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return folder


def run(
    name: str, label: str, setting, seed: int, end: float, noise: float,
    start: float = 0.3, critic: float = 0.3, group: float = 0.4, offset: float = 0.0,
    half_way: float = 0.3, cheaper: float = 0.35, quiet: float | None = None,
    sag: float = 0.0,
) -> dict:  # fmt: skip
    """One run: accuracy climbs from ``start`` to ``end``, half of it by ``half_way`` of the steps.

    Args:
        critic, group: share of the variance that critic and group mean know.
        offset: mean of relative rewards and advantages.
        cheaper: share of the processor time that GRPO saves.
        quiet: share of silent groups at G = 2, which halves whenever G doubles; None: what the
            chances to solve say.
        sag: what PPO loses between its best and its last measurement.
    """
    experiment = EXPERIMENTS[name]
    luck = random.Random(f"{name}/{label}/{seed}")
    is_grpo = label.startswith(("grpo", "G", "centred", "start", "rloo"))
    steps = experiment.steps if setting.steps is None else setting.steps
    size = setting.options.get("group_size", 8)
    normalised = setting.options.get("use_group_normalization", True)
    end = end + luck.gauss(0, noise)
    rows, share = [], half_way / (1 - half_way)
    for step in range(steps + 1):
        row = {"step": step, "samples": 256 * step, "train_seconds": 2.0 * step}
        row["cpu_seconds"] = step * ((1 - cheaper) if is_grpo else 1.0) * (1 + 0.01 * seed)
        if step:
            row |= {"length_mean": 12.0 + step / 3, "think_share": 0.5, "reward_mean": 0.5}
            row |= {"advantage_mean": offset}
        if step and is_grpo:
            chances = [p**size + (1 - p) ** size for p in RIGHT]
            silent = sum(chances) / len(RIGHT) if quiet is None else quiet * 2 / size
            kept = ((1 - silent) * (size - 1) / size) ** 0.5
            centred = 0.5 * (size - 1) / size * (1 - group) ** 0.5
            row |= {"relative_reward_mean": offset, "silent_group_share": silent}
            row |= {"raw_reward_std": 0.5, "relative_reward_std": kept if normalised else centred}
        elif step:
            row |= {"explained_variance": critic, "value_loss": 0.2}
        if step % experiment.evaluate_every == 0:
            t = step / max(steps, 1)
            risen = t / (t + share * (1 - t)) if t < 1 else 1.0
            accuracy = start + (end - start) * risen
            accuracy -= sag * (t == 1 and not is_grpo)
            row |= {"eval_accuracy": accuracy, "eval_low": accuracy - 0.04}
            row |= {"eval_high": accuracy + 0.04, "eval_reward": accuracy}
            row |= {"eval_think_share": accuracy, "eval_length": 12 + 24 * accuracy}
        rows.append(row)
    config = {"seed": seed, "group_size": size, "aggregation": "token", **setting.options}
    algorithm = "GRPOTrainer" if is_grpo else "PPOTrainer"
    header = {"algorithm": algorithm, "config": config, "experiment": name, "setting": label}
    if experiment.samples_at_end:
        samples = experiment.samples_at_end
        right = [round(samples * RIGHT[i % len(RIGHT)]) for i in range(100)]
        header |= {"right": right, "samples_at_end": samples}
    columns = {n: [row.get(n) for row in rows] for n in dict.fromkeys(n for r in rows for n in r)}
    return {"run": header, "history": columns}


def write_cost(folder: Path, saved: float = 0.35, resident: int = 1, shared: float = 0.02) -> Path:
    """A cost ledger of two models in which GRPO saves the share ``saved`` of time and memory.

    Args:
        resident: frozen models besides the policy.
        shared: what it saves of the peak against a shared backbone.
    """
    lines = []
    for model, million, size, tokens in (
        ("tiny", 1, 4, 16), ("tiny", 1, 8, 16), ("tiny", 1, 4, 64), ("qwen2-0.5b", 500, 4, 64),
    ):  # fmt: skip
        number = million * 1_000_000
        ppo = figures(2 * number, (2 + resident) * number, 1.0)
        cell = {
            "run": {"model": model, "samples": 64, "group_size": size, "max_new_tokens": tokens},
            "grpo": figures(number, (1 + resident) * number, 1 - saved),
            "ppo": ppo,
            "ppo-shared": figures(number + 129, (1 + resident) * number + 129,
                                  (1 - saved) / (1 - shared)),
        }  # fmt: skip
        lines.append(json.dumps(cell) + "\n")
    (folder / "cost.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def figures(trainable: int, resident: int, scale: float) -> dict:
    """One algorithm's column of a cell; a step takes ``scale`` seconds."""
    phases = {"generate": 0.3, "reward": 0.0, "score": 0.2, "update": 0.5}
    return {
        "trainable parameters": trainable,
        "resident parameters": resident,
        **{f"{kind} MB": 100 * scale for kind in
           ("weights", "gradients", "optimiser state", "peak")},
        "response tokens": 16,
        **{f"seconds_{phase}": share * scale for phase, share in phases.items()},
        "seconds in all": scale,
    }  # fmt: skip
