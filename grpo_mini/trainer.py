"""What GRPO and PPO share: the training loop, the update, metrics, evaluation and checkpoints."""

import math
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .losses import (
    AGGREGATIONS,
    KL_ESTIMATORS,
    clipped_surrogate,
    kl_penalty,
    token_weights,
    weighted_sum,
)
from .models import TINY_QWEN, Model, Tokenizer, frozen_copy, load_policy
from .rollout import Rollout, micro_batches, sample, score
from .support.measure import peak_memory_mb, uninterrupted, wilson_interval
from .support.requirements import require
from .support.resume import Resumable
from .support.rewards import call_reward, prompt_of
from .support.step_log import StepLog
from .tasks import Record, get_task, has_thought


class TrainingDivergedError(RuntimeError):
    """The loss or the gradient became NaN or infinite; ``metrics`` holds the step's metrics."""

    def __init__(self, message: str, metrics: dict):
        super().__init__(message)
        self.metrics = metrics


@dataclass
class TrainerConfig:
    """What both algorithms need to know.

    Attributes:
        model_name: folder or hub id of the policy.
        task: name in `tasks.TASKS`; gives prompts and reward unless the trainer is handed others.
        autocast: run the models' products in bfloat16; log-probs stay float32. For CUDA.
        prompts_per_step: distinct prompts of a step.
        micro_batch_tokens: tokens per forward and backward pass; changes memory, not results.
        aggregation: how token losses become one number, see `losses.aggregate`.
        kl_coef: weight of the KL penalty to the frozen start policy; 0 needs no reference.
        entropy_coef: weight of an entropy bonus.
    """

    model_name: str = str(TINY_QWEN)
    task: str = "chain-sums"
    seed: int = 0
    device: str | None = None
    autocast: bool = False
    prompts_per_step: int = 32
    max_new_tokens: int = 64
    temperature: float = 1.0
    learning_rate: float = 2e-4
    max_grad_norm: float = 1.0
    micro_batch_tokens: int = 2048
    clip_low: float = 0.2
    clip_high: float = 0.2
    kl_coef: float = 0.0
    kl_estimator: str = "k3"
    entropy_coef: float = 0.0
    aggregation: str = "sequence"
    train_problems: int = 20_000

    def __post_init__(self):
        get_task(self.task)
        require(self, "one of", kl_estimator=KL_ESTIMATORS, aggregation=AGGREGATIONS)
        require(self, "at least", prompts_per_step=1, max_new_tokens=1)
        require(self, "at least", micro_batch_tokens=1, train_problems=1)
        require(self, "above", temperature=0, learning_rate=0, max_grad_norm=0)
        if self.train_problems < self.prompts_per_step:
            raise ValueError(
                f"train_problems={self.train_problems} is less than one step's "
                f"prompts_per_step={self.prompts_per_step}"
            )


@dataclass
class Batch:
    """A rollout with what the update needs; all tensors are [B, T] like the rollout's."""

    rollout: Rollout
    advantages: Tensor
    weights: Tensor
    ref_log_probs: Tensor | None = None
    values: Tensor | None = None
    returns: Tensor | None = None

    def select(self, rows: Tensor) -> "Batch":
        """The samples ``rows``, cut to the longest of them; weights stay the whole batch's."""
        rollout = self.rollout.select(rows)
        length = rollout.tokens_BT.shape[1]
        names = ("advantages", "weights", "ref_log_probs", "values", "returns")
        tensors = {name: getattr(self, name) for name in names}
        cut = {name: t[rows, :length] for name, t in tensors.items() if t is not None}
        return Batch(rollout, **cut)


class Trainer(Resumable):
    """Base of `GRPOTrainer` and `PPOTrainer`: problems -> rollout -> rewards -> advantages -> step.

    Args:
        config: the algorithm's configuration.
        reward: ``reward(completions, **columns) -> list[float]``, TRL's signature, or a
            `RewardModel`; None takes the task's.
        dataset: records with a ``prompt`` and the reward's columns; None takes the task's.
        model, tokenizer: the policy; None loads ``config.model_name``.
    """

    config_class = TrainerConfig
    load_policy = staticmethod(load_policy)

    def __init__(
        self,
        config: TrainerConfig | None = None,
        reward: Callable[..., list[float]] | None = None,
        dataset: Sequence[Record] | None = None,
        model: Model | None = None,
        tokenizer: Tokenizer | None = None,
    ):
        self.config = config or self.config_class()
        task = get_task(self.config.task)
        self.reward = reward or task.reward
        self.dataset = dataset
        if dataset is None:
            self.dataset = task.dataset(self.config.train_problems, self.config.seed)
        if len(self.dataset) < self.config.prompts_per_step:
            raise ValueError(
                f"the dataset has {len(self.dataset)} prompts, fewer than one step's "
                f"prompts_per_step={self.config.prompts_per_step}"
            )
        if (model is None) != (tokenizer is None):
            raise ValueError("give model and tokenizer together, or neither")
        if model is None:
            model, tokenizer = load_policy(self.config.model_name, self.config.device)
        self.policy, self.tokenizer = model, tokenizer
        self.reference = frozen_copy(model) if self.config.kl_coef else None
        self.policy_optimizer = self.make_optimizer(model, self.config.learning_rate)
        self.generator = torch.Generator(model.device).manual_seed(self.config.seed)
        self.history: list[dict] = []
        self.step = 0
        self._seconds: dict[str, float] = defaultdict(float)
        self._sums: dict[str, float] = defaultdict(float)
        self._order: list[int] = []

    # ------------------------------------------------------------------ what a trainer trains

    def models(self) -> dict[str, torch.nn.Module]:
        """Every model that is resident, by role."""
        models = {"policy": self.policy, "reference": self.reference}
        return {role: model for role, model in models.items() if model is not None}

    def restore_models(self, checkpoint: Path) -> None:
        """Load what the policy's folder does not hold."""
        if self.reference is not None:
            reference, _ = load_policy(checkpoint / "reference", self.policy.device)
            self.reference = frozen_copy(reference)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Every optimiser, by the role of the model it trains."""
        return {"policy": self.policy_optimizer}

    @staticmethod
    def make_optimizer(model: torch.nn.Module, learning_rate: float) -> torch.optim.Optimizer:
        """Adam without weight decay: the reward, not a pull to 0, says where weights go."""
        return torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)

    # ------------------------------------------------------------------ the pieces of a step

    def sample_responses(self, batch_prompts: Sequence, samples_per_prompt: int) -> Rollout:
        """Sample responses to records or prompts; those of one prompt are neighbours."""
        with self.clock("generate"), self.autocast():
            return sample(
                self.policy,
                self.tokenizer,
                [prompt_of(record) for record in batch_prompts],
                samples_per_prompt,
                self.config.max_new_tokens,
                self.config.temperature,
                self.generator,
            )

    def compute_rewards(self, batch_prompts: Sequence, rollout: Rollout) -> Tensor:
        """Ask the reward function, [B].

        Raises:
            RuntimeError: it raised; the message quotes prompt and completion.
            ValueError: it returned the wrong number of rewards, or one that is not finite.
        """
        with self.clock("reward"):
            return call_reward(self.reward, batch_prompts, rollout).to(self.policy.device)

    def compute_log_probs(
        self, rollout: Rollout, model: Model | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Log-probs and, if it is part of the loss, entropy under the policy, each [B, T]."""
        with self.autocast():
            with_entropy = model is None and self.config.entropy_coef != 0
            return score(model or self.policy, rollout, self.config.temperature, with_entropy)

    def compute_policy_loss(
        self, batch: Batch, log_probs: Tensor, entropy: Tensor | None
    ) -> Tensor:
        """Clipped surrogate - entropy_coef * entropy + kl_coef * KL, of a (micro-)batch."""
        config, mask = self.config, batch.rollout.mask_BT
        old_log_probs = batch.rollout.log_probs_BT
        loss = self.total("policy_loss", self.surrogate(batch, log_probs), batch)
        if entropy is not None:
            loss = loss - config.entropy_coef * self.total("entropy_loss", entropy, batch)
        if batch.ref_log_probs is not None:
            kl = kl_penalty(log_probs, batch.ref_log_probs, config.kl_estimator)
            loss = loss + config.kl_coef * self.total("kl_loss", kl, batch)

        with torch.no_grad():
            ratio = torch.exp(log_probs - old_log_probs)
            too_high = (ratio > 1 + config.clip_high) & (batch.advantages > 0)
            too_low = (ratio < 1 - config.clip_low) & (batch.advantages < 0)
            self._sums["clipped"] += float(((too_high | too_low) * mask).sum())
            self._sums["distance"] += float(((log_probs - old_log_probs).abs() * mask).sum())
            self._sums["tokens"] += float(mask.sum())
        return loss

    def surrogate(self, batch: Batch, log_probs: Tensor) -> Tensor:
        """What the policy minimises, per token [B, T]."""
        config, old_log_probs = self.config, batch.rollout.log_probs_BT
        return clipped_surrogate(
            log_probs, old_log_probs, batch.advantages, config.clip_low, config.clip_high
        )

    def total(self, name: str, per_token: Tensor, batch: Batch) -> Tensor:
        """Weighted sum over a micro-batch; over all micro-batches it is the batch's loss."""
        total = weighted_sum(per_token, batch.rollout.mask_BT, batch.weights)
        self._sums[name] += total.item()
        return total

    def weights(self, rollout: Rollout) -> Tensor:
        """What each token weighs in the loss of the whole batch, [B, T]."""
        return token_weights(rollout.mask_BT, self.config.aggregation, self.config.max_new_tokens)

    def reference_log_probs(self, rollout: Rollout) -> Tensor | None:
        """Log-probs of the responses under the frozen start policy; None if no KL is wanted."""
        if self.reference is None:
            return None
        return self.in_parts(rollout, lambda part: self.compute_log_probs(part, self.reference)[0])

    @torch.no_grad()
    def in_parts(self, rollout: Rollout, compute: Callable[[Rollout], Tensor]) -> Tensor:
        """``compute(part)`` micro-batch by micro-batch, put together: [B, T], 0 on padding."""
        whole = torch.zeros_like(rollout.log_probs_BT)
        for rows in micro_batches(rollout, range(len(rollout)), self.config.micro_batch_tokens):
            values = compute(rollout.select(rows))
            whole[rows, : values.shape[1]] = values
        return whole.masked_fill(rollout.mask_BT == 0, 0)

    def compute_loss(self, batch: Batch) -> Tensor:
        """Loss of a micro-batch, differentiable in everything that trains."""
        raise NotImplementedError

    def update(self, batch: Batch, epochs: int) -> dict[str, float]:
        """One optimiser step an epoch on the whole batch, its gradient summed over micro-batches.

        Samples without advantage, hence without gradient, are left out where nothing else in the
        loss needs them; a batch of nothing else makes no step.

        Raises:
            TrainingDivergedError: loss or gradient is NaN or infinite; that epoch makes no step.
        """
        config, rollout = self.config, batch.rollout
        rows = list(range(len(rollout)))
        if not (config.kl_coef or config.entropy_coef or batch.returns is not None):
            rows = (batch.advantages * rollout.mask_BT).any(dim=1).nonzero().flatten().tolist()
        parts = micro_batches(rollout, rows, config.micro_batch_tokens)
        self._sums.clear()
        norms: dict[str, float] = defaultdict(float)
        distance = 0.0
        with self.clock("update"):
            for epoch in range(epochs if parts else 0):
                for part in parts:
                    self.compute_loss(batch.select(part)).backward()
                if epoch == 0:
                    distance = self._sums["distance"] / self._sums["tokens"]
                for role in self.optimizers():
                    parameters = self.models()[role].parameters()
                    norm = torch.nn.utils.clip_grad_norm_(parameters, config.max_grad_norm)
                    norms[role] += norm.item() / epochs
                totals = [*self._sums.values(), *norms.values()]
                if not all(math.isfinite(value) for value in totals):
                    self.zero_grad()
                    metrics = {"step": self.step + 1, **self._sums, **norms}
                    raise TrainingDivergedError(
                        f"loss or gradient is not finite in step {self.step + 1}: {metrics}. The "
                        f"weights are those before this epoch's step; a smaller learning_rate "
                        f"(now {config.learning_rate}) is the first thing to try",
                        metrics,
                    )
                for optimizer in self.optimizers().values():
                    optimizer.step()
                self.zero_grad()
        metrics = {
            "policy_loss": self._sums["policy_loss"] / epochs,
            "clip_fraction": self._sums["clipped"] / max(self._sums["tokens"], 1),
            "log_prob_distance": distance,
            "grad_norm": norms["policy"],
        }
        if batch.ref_log_probs is not None:
            metrics["kl"] = self._sums["kl_loss"] / epochs
        if batch.returns is not None:
            metrics["value_loss"] = self._sums["value_loss"] / epochs
            metrics["value_grad_norm"] = norms["critic"]
        return metrics

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for optimizer in self.optimizers().values():
            optimizer.zero_grad()

    def rollout_metrics(self, rollout: Rollout, rewards_B: Tensor) -> dict[str, float]:
        """What can be said before the update."""
        tokens = rollout.mask_BT.sum()
        return {
            "reward_mean": rewards_B.mean().item(),
            "think_share": sum(map(has_thought, rollout.texts)) / len(rollout),
            "length_mean": rollout.lengths_B.float().mean().item(),
            "truncated_share": rollout.truncated_B.float().mean().item(),
            "entropy": (rollout.entropy_BT.sum() / tokens).item(),
            "sampled": len(rollout),
            "tokens": int(tokens),
        }

    def train_step(self, batch_prompts: Sequence) -> dict[str, float]:
        """One step of the algorithm on these records; returns its metrics."""
        raise NotImplementedError

    # ------------------------------------------------------------------ the loop

    def next_prompts(self) -> list[Record]:
        """The records of the next step: the data set in a new order each time it is used up."""
        number = self.config.prompts_per_step
        epoch, position = divmod(self.step, len(self.dataset) // number)
        if position == 0 or not self._order:  # a new epoch, or a trainer that was just loaded
            self._order = list(range(len(self.dataset)))
            random.Random(f"order/{self.config.seed}/{epoch}").shuffle(self._order)
        rows = self._order[position * number : (position + 1) * number]
        return [self.dataset[row] for row in rows]

    def train(
        self,
        steps: int,
        folder: str | Path | None = None,
        save_every: int | None = None,
        evaluate_every: int | None = None,
        seconds: float | None = None,
        on_step: Callable[[dict], None] | None = None,
    ) -> list[dict]:
        """Train until ``steps`` more steps are done or ``seconds`` of training have passed.

        Ctrl-C, or interrupting the notebook's kernel, stops after the running step; the trainer
        goes on from there at the next call.

        Args:
            folder: where ``log.jsonl``, a line a step, and the checkpoints go; None writes nothing.
            save_every, evaluate_every: in steps, counted from the start of the training; None: not.
            on_step: called with each step's metrics, in place of the progress bar.

        Returns:
            The history of all steps so far.
        """
        title = type(self).__name__.removesuffix("Trainer")
        log = StepLog(self.history, folder, title, steps, on_step)
        if evaluate_every and not self.history:
            start = dict.fromkeys(("step", "samples", "train_seconds", "cpu_seconds"), 0)
            log.write(start | self.evaluate())
        last = self.step + steps
        with log, uninterrupted() as interrupted:
            while self.step < last and not interrupted():
                start, cpu = time.perf_counter(), time.process_time()
                self._seconds = defaultdict(float)
                metrics = self.train_step(self.next_prompts())
                took, worked = time.perf_counter() - start, time.process_time() - cpu
                before = defaultdict(int, self.history[-1] if self.history else {})
                self.step += 1
                row = {
                    "step": self.step,
                    "samples": before["samples"] + metrics.pop("sampled"),
                    "tokens_per_second": metrics.pop("tokens") / took,
                    **metrics,
                    "peak_memory_mb": peak_memory_mb(self.policy.device),
                    "train_seconds": before["train_seconds"] + took,
                    "cpu_seconds": before["cpu_seconds"] + worked,
                    **{f"seconds_{phase}": s for phase, s in self._seconds.items()},
                }
                if evaluate_every and self.step % evaluate_every == 0:
                    row |= self.evaluate()
                log.write(row)
                log.show(row)
                if folder is not None and save_every and self.step % save_every == 0:
                    self.save(folder)
                if seconds is not None and row["train_seconds"] >= seconds:
                    break
        return self.history

    def evaluate(
        self, problems: Sequence[Record] | None = None, size: int = 500, seed: int = 0
    ) -> dict[str, float]:
        """Measure on held-out problems, sampled as in training; leaves the training untouched.

        The task's own problems are judged by its verifier, whatever pays in training.
        """
        reward = self.reward
        if problems is None:
            task = get_task(self.config.task)
            problems, reward = task.dataset(size, seed, held_out=True), task.reward
        with self.autocast():
            return evaluate(
                self.policy,
                self.tokenizer,
                problems,
                reward,
                self.config.max_new_tokens,
                self.config.temperature,
                seed,
            )

    @contextmanager
    def clock(self, phase: str) -> Iterator[None]:
        """Add the time spent inside to the step's ``seconds_<phase>``."""
        start = time.perf_counter()
        yield
        if self.policy.device.type == "cuda":
            torch.cuda.synchronize()  # the GPU works behind the program's back
        self._seconds[phase] += time.perf_counter() - start

    def autocast(self) -> torch.autocast:
        """bfloat16 for the models' products if the configuration asks for it."""
        device = self.policy.device.type
        return torch.autocast(device, dtype=torch.bfloat16, enabled=self.config.autocast)


def evaluate(
    model: Model,
    tokenizer: Tokenizer,
    problems: Sequence[Record],
    reward: Callable[..., list[float]],
    max_new_tokens: int = 64,
    temperature: float = 1.0,
    seed: int = 0,
) -> dict[str, float]:
    """One sample per problem: the share of full rewards with its interval, thinking, length."""
    generator = torch.Generator(model.device).manual_seed(seed)
    rewards, thoughts, length = [], 0, 0.0
    for start in range(0, len(problems), 250):
        chunk = problems[start : start + 250]
        prompts = [prompt_of(record) for record in chunk]
        rollout = sample(
            model, tokenizer, prompts, 1, max_new_tokens, temperature, generator=generator
        )
        rewards += call_reward(reward, chunk, rollout).tolist()
        thoughts += sum(map(has_thought, rollout.texts))
        length += float(rollout.mask_BT.sum())
    number = len(problems)
    right = sum(value == 1.0 for value in rewards)
    low, high = wilson_interval(right, number)
    return {
        "eval_accuracy": right / number,
        "eval_low": low,
        "eval_high": high,
        "eval_reward": sum(rewards) / number,
        "eval_think_share": thoughts / number,
        "eval_length": length / number,
    }
