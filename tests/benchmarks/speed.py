"""Sampling against generate, a GRPO step against TRL's, the update against matrix products.

Each pair is measured in turn, A B A B, in one process; memory in a process for each. All on the
tiny Qwen with 32 prompts x 8 samples of chain sums.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from transformers import TrainerCallback

from grpo_mini.grpo import GRPOConfig, GRPOTrainer
from grpo_mini.machine.device import peak_memory_mb
from grpo_mini.models import TINY_QWEN, count_parameters, encode_prompts, load_policy
from grpo_mini.rollout import sample
from grpo_mini.tasks import TASKS

PROMPTS, GROUP, NEW_TOKENS = 32, 8, 50
WARM_UP = 2
TASK = TASKS["chain-sums"]


def seconds(function) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def paired(first, second, rounds: int) -> tuple[list[float], list[float]]:
    """Times of two functions called in turn, after one call of each to warm up."""
    first(), second()
    times = [(seconds(first), seconds(second)) for _ in range(rounds)]
    return [a for a, _ in times], [b for _, b in times]


def report(label: str, ours: list[float], theirs: list[float]) -> None:
    """Median ratio pair by pair with its extremes, and both medians."""
    ratios = sorted(b / a for a, b in zip(ours, theirs, strict=True))
    print(
        f"{label:<34} {statistics.median(ratios):5.2f} x  ({ratios[0]:.2f} to {ratios[-1]:.2f}); "
        f"ours {statistics.median(ours):.3f} s, theirs {statistics.median(theirs):.3f} s"
    )


def sampling(rounds: int) -> None:
    """Our sampler against transformers' generate, on the same prompts and groups."""
    model, tokenizer = load_policy(device="cpu")
    prompts = [record["prompt"] for record in TASK.dataset(PROMPTS, seed=1)]
    encoded = {"input_ids": encode_prompts(tokenizer, prompts, 400)}
    inputs = tokenizer.pad(encoded, padding_side="left", return_tensors="pt")
    inputs = {name: rows.repeat_interleave(GROUP, dim=0) for name, rows in inputs.items()}
    options = {"do_sample": True, "top_k": 0, "top_p": 1.0, "max_new_tokens": NEW_TOKENS}

    def generate() -> None:
        with torch.no_grad():
            model.generate(**inputs, **options)

    ours, theirs = paired(
        lambda: sample(model, tokenizer, prompts, GROUP, NEW_TOKENS), generate, rounds
    )
    report("sampling, generate / ours", ours, theirs)


def our_trainer() -> GRPOTrainer:
    """GRPO as the course runs it."""
    config = GRPOConfig(
        device="cpu", prompts_per_step=PROMPTS, group_size=GROUP, max_new_tokens=NEW_TOKENS
    )
    return GRPOTrainer(config)


def trl_trainer(number: int, callbacks=(), reward=TASK.reward):
    """TRL's trainer, set to the same step: batch, group, length, learning rate, no KL."""
    from datasets import Dataset
    from trl import GRPOConfig as TRLConfig
    from trl import GRPOTrainer as TRLTrainer

    model, tokenizer = load_policy(device="cpu")
    options = TRLConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=PROMPTS * GROUP,
        num_generations=GROUP,
        max_completion_length=NEW_TOKENS,
        learning_rate=2e-4,
        lr_scheduler_type="constant",  # as ours: who learns less writes less, and looks faster
        beta=0.0,
        max_steps=number,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    return TRLTrainer(
        model=model,
        reward_funcs=reward,
        args=options,
        train_dataset=Dataset.from_list(TASK.dataset(2000, seed=0)),
        processing_class=tokenizer,
        callbacks=list(callbacks),
    )


class Alternate(TrainerCallback):
    """Time each of TRL's steps, which samples within it, and after it one of ours."""

    def __init__(self, trainer: GRPOTrainer):
        self.trainer, self.ours, self.theirs, self.our_tokens = trainer, [], [], []

    def on_step_begin(self, *arguments, **more):
        self.start = time.perf_counter()

    def on_step_end(self, *arguments, **more):
        self.theirs.append(time.perf_counter() - self.start)
        records = self.trainer.next_prompts()
        start = time.perf_counter()
        metrics = self.trainer.train_step(records)
        self.ours.append(time.perf_counter() - start)
        self.our_tokens.append(metrics["tokens"])
        self.trainer.step += 1


def steps(rounds: int) -> None:
    """A whole GRPO step, sampling to optimiser; and how much was written in it."""
    their_tokens = []

    def reward(completions, completion_ids, **columns):
        their_tokens.append(sum(map(len, completion_ids)))
        return TASK.reward(completions, **columns)

    both = Alternate(our_trainer())
    trl_trainer(rounds + WARM_UP, [both], reward).train()
    report("GRPO step, TRL / ours", both.ours[WARM_UP:], both.theirs[WARM_UP:])
    means = [statistics.mean(tokens[WARM_UP:]) for tokens in (both.our_tokens, their_tokens)]
    print(f"{'  response tokens a step':<34} ours {means[0]:.0f}, theirs {means[1]:.0f}")


def update_share(rounds: int) -> None:
    """Arithmetic of the update per second, as a share of a large float32 product's."""
    trainer = our_trainer()
    rollout = trainer.generate_responses(trainer.next_prompts())
    batch, _ = trainer.compute_advantages(rollout, torch.randn(len(rollout)))
    tokens = float(rollout.mask_BT.sum()) + sum(map(len, set(map(tuple, rollout.prompts))))
    operations = 6 * count_parameters(trainer.policy) * tokens  # forward 2, backward 4
    a = torch.randn(1024, 1024)
    update, product = paired(lambda: trainer.update(batch, 1), lambda: [a @ a for _ in range(50)],
                             rounds)  # fmt: skip
    reached = operations / statistics.median(update)
    possible = 50 * 2 * 1024**3 / statistics.median(product)
    print(
        f"update's share of matrix products   {reached / possible:.0%}  "
        f"({reached / 1e9:.0f} of {possible / 1e9:.0f} GFLOP/s, prompts once, no padding)"
    )


def peak(which: str) -> None:
    """Five steps in this process; print its peak memory."""
    if which == "ours":
        our_trainer().train(5)
    else:
        trl_trainer(5).train()
    print(json.dumps(peak_memory_mb(torch.device("cpu"))))


def memory() -> None:
    """Peak memory of five steps, each trainer in a process of its own that also imports TRL."""
    peaks = {}
    for which in ("ours", "trl"):
        command = [sys.executable, __file__, "--peak", which]
        done = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8")
        peaks[which] = json.loads(done.stdout.splitlines()[-1])
    ratio = peaks["trl"] / peaks["ours"]
    print(
        f"{'peak memory, TRL / ours':<34} {ratio:5.2f} x  "
        f"(ours {peaks['ours']:.0f} MB, theirs {peaks['trl']:.0f} MB, whole processes)"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--peak", choices=("ours", "trl"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        import trl.trainer.grpo_trainer  # noqa: F401  (both processes pay for the import)

        peak(arguments.peak)
    else:
        print(f"{PROMPTS} prompts x {GROUP} samples, {TINY_QWEN.name}, "
              f"{torch.get_num_threads()} threads, {arguments.rounds} rounds")  # fmt: skip
        sampling(arguments.rounds)
        steps(arguments.rounds)
        update_share(arguments.rounds)
        memory()
