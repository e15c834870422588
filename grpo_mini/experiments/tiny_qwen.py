"""``data/tiny-qwen`` and ``data/problems``: made, measured and described by one command."""

import json
import random
from pathlib import Path

import torch

from ..models import Tokenizer, count_parameters, load_model
from ..rollout import sample
from ..support.rewards import call_reward
from ..tasks import TASKS, Record, Task, get_task, has_thought, is_right
from .record import portable, require_writable
from .warmstart import THINK_SHARE, warm_start

CARD = """---
license: mit
---
# Tiny Qwen

A real `Qwen2ForCausalLM` with {parameters:,} parameters (hidden 128, 4 layers, 4 heads, 2 KV
heads), trained from {start} on demonstrations of one task only: *{task}*. It is {a} starting
point of the grpo_mini course, not a model for any other use.

Made by `{command}`.
Half of the demonstrations think first, and {think_share:.0%} in the last fifth of the steps.

Measured with four samples on each of {problems} held-out problems, which neither the warm start
nor the training ever sees (`problems/` beside this folder), at temperature 1:

| | |
|---|---|
| right in all | {right:.3f} |
| share of responses with thinking | {think:.3f} |
| right with thinking | {right_with:.3f} |
| right without thinking | {right_without:.3f} |
| cut off at {limit} tokens | {truncated:.3f} |
"""


def make_tiny_qwen(arguments) -> None:
    """Warm-start a tiny Qwen on a task: demonstrations in, model and held-out problems out."""
    task, out, start = get_task(arguments.task), arguments.out, arguments.start
    require_writable(out / "README.md")
    model, tokenizer = warm_start(
        task, arguments.steps, arguments.batch_size, seed=arguments.seed, start=start
    )
    if arguments.half:
        model = model.half()
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    model = load_model(out, "cpu")  # what is measured is what others will load
    problems = task.dataset(500, seed=0, held_out=True)
    write_problems(out.parent / "problems")
    prompts = [record["prompt"] for record in problems]
    limit = room(task, tokenizer, problems)
    generator = torch.Generator().manual_seed(0)
    rollout = sample(model, tokenizer, prompts, 4, max_new_tokens=limit, generator=generator)
    rewards = is_right(call_reward(task.reward, problems, rollout), task.full_reward)
    thinks = torch.tensor([has_thought(text) for text in rollout.texts])
    goes_on = "" if start is None else f" --start {portable(str(start))}"
    goes_on += f" --batch-size {arguments.batch_size}" if arguments.batch_size != 128 else ""
    goes_on += " --half" if arguments.half else ""
    card = CARD.format(
        parameters=count_parameters(model),
        task=task.name,
        command=f"python -m grpo_mini warmstart --out {portable(str(out))} --task {task.name} "
        f"--steps {arguments.steps} --seed {arguments.seed}{goes_on}",
        start="random weights" if start is None else f"`{start.name}`",
        a="the" if start is None else "another",
        limit=limit,
        think_share=THINK_SHARE,
        problems=len(problems),
        right=rewards.float().mean(),
        think=thinks.float().mean(),
        right_with=rewards[thinks].float().mean(),
        right_without=rewards[~thinks].float().mean(),
        truncated=rollout.truncated_B.float().mean(),
    )
    (out / "README.md").write_text(card, encoding="utf-8")
    print(card)


def room(task: Task, tokenizer: Tokenizer, records: list[Record]) -> int:
    """Tokens that the longest demonstration needs, up to the next multiple of 32."""
    texts = [task.demonstrate(random.Random(0), record, True) for record in records]
    longest = max(map(len, tokenizer(texts).input_ids)) + 1  # and the end token
    return -(-longest // 32) * 32


def write_problems(folder: Path) -> None:
    """The held-out problems of every task, a file each and a record a line."""
    folder.mkdir(parents=True, exist_ok=True)
    for task in TASKS.values():
        records = task.dataset(500, seed=0, held_out=True)
        lines = (json.dumps(record) + "\n" for record in records)
        (folder / f"{task.name}.jsonl").write_text("".join(lines), encoding="utf-8")
