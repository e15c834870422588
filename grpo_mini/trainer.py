"""What GRPO and PPO share: the training loop, the update, metrics, evaluation and checkpoints."""

import math
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

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
from .machine import threads
from .machine.device import peak_memory_mb
from .machine.interrupt import uninterrupted
from .machine.recompute import recomputed
from .models import (
    SUPPORTED,
    TINY_QWEN,
    Model,
    Tokenizer,
    frozen_copy,
    load_model,
    load_policy,
    require_vocabulary,
)
from .rollout import Rollout, disagreement, micro_batches, sample, score
from .support.measure import mean_and_spread, wilson_interval
from .support.requirements import number, require, require_arguments, require_types
from .support.resume import Resumable
from .support.rewards import Reward, call_reward, checked_dataset, prompt_of, reward_functions
from .support.step_log import StepLog
from .tasks import MOST_PROBLEMS, Record, get_task, has_thought, is_right

SILENT_STEPS = 5  # in a row without anything to learn: then a line says so
# What `encode_prompts` tells a chat template itself.
TEMPLATE_NAMES = ("conversation", "tokenize", "add_generation_prompt", "continue_final_message")
MANY = 100_000  # prompts of a step, tokens of a response: more is a slip


class TrainingDivergedError(RuntimeError):
    """Something became NaN or infinite; ``metrics`` holds the step's metrics."""

    def __init__(self, message: str, metrics: dict):
        super().__init__(message)
        self.metrics = metrics


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C, after the step that was running: the trainer can go on."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the sentence, without the way to it."""
        return [f"Training {self}."]


@dataclass
class TrainerConfig:
    """What both algorithms need to know.

    Attributes:
        model_name: folder or hub id of the policy.
        task: name in `tasks.TASKS`; gives prompts and reward unless the trainer is handed others.
        instructions: begin each of the task's prompts with a system message that explains it.
        examples: show so many of its problems with their answers before the question.
        chat_template_kwargs: further arguments of the chat template, as in TRL.
        reward_weights: of several reward functions, as in TRL; None: 1 each.
        device: None takes the best one.
        threads: None measures which number is best now; the number stays the run's.
        autocast: run the models' products in bfloat16; log-probs stay float32. For CUDA.
        prompts_per_step: distinct prompts of a step.
        micro_batch_tokens: tokens per forward and backward pass; changes memory, not results.
        gradient_checkpointing: compute each layer a second time for its gradient instead of keeping
            what is inside it; changes memory and seconds, not results.
        aggregation: how token losses become one number, see `losses.aggregate`. The GRPO paper
            takes "sequence", but under it even a constant baseline pulls on the length.
        kl_coef: weight of the KL penalty to the frozen start policy; 0 needs no reference.
        kl_in_reward: subtract it from the reward, with k1, which as a reward pulls along the
            gradient of KL(policy || reference); else `kl_estimator` of it is a term of the loss.
        entropy_coef: weight of an entropy bonus.
    """

    model_name: str = str(TINY_QWEN)
    task: str = "chain-sums"
    instructions: bool = False
    examples: int = 0
    chat_template_kwargs: dict | None = None
    reward_weights: tuple[float, ...] | None = None
    seed: int = 0
    device: str | None = None
    threads: int | None = None
    autocast: bool = False
    prompts_per_step: int = 32
    max_new_tokens: int = 64
    temperature: float = 1.0
    learning_rate: float = 2e-4
    max_grad_norm: float = 1.0
    micro_batch_tokens: int = 2048
    gradient_checkpointing: bool = False
    clip_low: float = 0.2
    clip_high: float = 0.2
    kl_coef: float = 0.0
    kl_in_reward: bool = False
    kl_estimator: str = "k3"
    entropy_coef: float = 0.0
    aggregation: str = "token"
    train_problems: int = 20_000

    def __post_init__(self):
        require_types(self)
        get_task(self.task)
        require(self, "one of", kl_estimator=KL_ESTIMATORS, aggregation=AGGREGATIONS)
        require(self, "between", prompts_per_step=(1, MANY), examples=(0, 64), seed=(0, 2**63 - 1))
        require(self, "between", train_problems=(1, MOST_PROBLEMS), micro_batch_tokens=(1, 2**40))
        require(self, "between", max_new_tokens=(1, MANY), clip_low=(0, 1), clip_high=(0, 1e9))
        require(self, "between", entropy_coef=(-1e6, 1e6), kl_coef=(0, 1e6))
        require(self, "above", temperature=0, learning_rate=0, max_grad_norm=0)
        require(self, "at most", temperature=1e3, learning_rate=1)
        require_arguments("chat_template_kwargs", self.chat_template_kwargs or {}, TEMPLATE_NAMES)
        if self.threads is not None:
            require(self, "between", threads=(1, 1024))
        require(self, "at least", train_problems=self.prompts_per_step)


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
        reward: ``reward(completions, **columns) -> list[float]``, TRL's signature, a `RewardModel`,
            or a list of them; None takes the task's. See `support.rewards`.
        dataset: records with a ``prompt`` and the reward's columns; None takes the task's.
        model, tokenizer: the policy; None loads ``config.model_name``.
        eval_dataset: what `evaluate` asks; None takes the task's held-out problems.

    Raises:
        ValueError: what was handed over does not fit; the message says what was seen.
    """

    config_class = TrainerConfig
    load_policy = staticmethod(load_policy)

    def __init__(
        self,
        config: TrainerConfig | None = None,
        reward: Reward | Sequence[Reward] | None = None,
        dataset: Sequence[Record] | None = None,
        model: Model | None = None,
        tokenizer: Tokenizer | None = None,
        eval_dataset: Sequence[Record] | None = None,
    ):
        self.config = self.config_class() if config is None else config
        if not isinstance(self.config, self.config_class):
            raise ValueError(
                f"{type(self).__name__} needs a {self.config_class.__name__}, got {self.config!r}"
            )
        self.task = get_task(self.config.task)
        self.reward = self.task.reward if reward is None else reward
        functions, weights = reward_functions(self.reward), self.config.reward_weights
        if weights is not None and len(weights) != len(functions):
            raise ValueError(f"{len(weights)} reward_weights for {len(functions)} reward functions")
        self.own_data = dataset is not None
        self.dataset = checked_dataset(dataset if self.own_data else self.problems())
        self.eval_dataset = None if eval_dataset is None else checked_dataset(eval_dataset)
        if len(self.dataset) < self.config.prompts_per_step:
            raise ValueError(
                f"the dataset has {len(self.dataset)} prompts, fewer than one step's "
                f"prompts_per_step={self.config.prompts_per_step}"
            )
        if (model is None) != (tokenizer is None):
            raise ValueError("give model and tokenizer together, or neither")
        if model is None:
            model, tokenizer = load_policy(self.config.model_name, self.config.device)
        require_vocabulary(model, tokenizer)
        if getattr(model, "is_activation_checkpointing", False):
            raise ValueError(
                "transformers checkpoints gradients in train mode only: call the model's "
                "gradient_checkpointing_disable(), and configure gradient_checkpointing=True here"
            )
        self.policy, self.tokenizer = model.eval(), tokenizer
        self.reference = frozen_copy(model) if self.config.kl_coef else None
        self.policy_optimizer = self.make_optimizer(model, self.config.learning_rate)
        self.generator = torch.Generator(model.device).manual_seed(self.config.seed)
        self.history: list[dict] = []
        self.remarks: list[str] = []  # what the last training had to say
        self.step = 0
        self.threads: int | None = self.config.threads
        self._checked, self._silent_steps = False, 0
        self._pace: threads.Pace | None = None
        self._training = Lock()
        self._seconds: dict[str, float] = defaultdict(float)
        self._sums: dict[str, float] = defaultdict(float)
        self._order: list[int] = []
        self.new_run()

    def problems(self, held_out: bool = False, size: int | None = None, seed: int | None = None):
        """The task's problems, asked as the configuration says; None takes its size and seed."""
        config = self.config
        size = config.train_problems if size is None else size
        seed = config.seed if seed is None else seed
        return self.task.dataset(size, seed, held_out, config.instructions, config.examples)

    # ------------------------------------------------------------------ what a trainer trains

    def models(self) -> dict[str, torch.nn.Module]:
        """Every model that is resident, by role."""
        models = {"policy": self.policy, "reference": self.reference}
        return {role: model for role, model in models.items() if model is not None}

    def restore_models(self, checkpoint: Path) -> None:
        """Load what the policy's folder does not hold."""
        if self.reference is not None:
            model = load_model(checkpoint / "reference", self.policy.device, "auto")
            self.reference = frozen_copy(model)

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
        config = self.config
        with self.clock("generate"), self.autocast():
            rollout = sample(
                self.policy,
                self.tokenizer,
                [prompt_of(record) for record in batch_prompts],
                samples_per_prompt,
                config.max_new_tokens,
                config.temperature,
                self.generator,
                config.chat_template_kwargs,
            )
            if not self._checked:
                self.check_model(rollout)
                self._checked = True
        return rollout

    def check_model(self, rollout: Rollout) -> None:
        """Refuse a policy whose log-probs depend on how it reads; done on the first batch.

        Raises:
            ValueError: sampled, scored and plainly computed log-probs differ.
        """
        gap = disagreement(self.policy, rollout, self.config.temperature)
        exact = self.policy.dtype == torch.float32 and not self.config.autocast
        if not gap < (1e-3 if exact else 0.1):
            kind = type(self.policy).__name__
            raise ValueError(
                f"{kind} cannot be trained here: the log-probs of its own samples differ by "
                f"{gap:.3g} nats a token from those of a plain forward pass, so every ratio would "
                f"be wrong. Either it keeps more in mind than keys and values, or it is damaged. "
                f"Known to work: {', '.join(SUPPORTED)}"
            )

    def compute_rewards(self, batch_prompts: Sequence, rollout: Rollout) -> Tensor:
        """Ask the reward functions, [B]; NaN where none applies. Errors: `call_reward`."""
        with self.clock("reward"):
            weights = self.config.reward_weights
            rewards_B = call_reward(self.reward, batch_prompts, rollout, weights, self.step)
            return rewards_B.to(self.policy.device)

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
        surrogate = self.surrogate(batch, log_probs)
        loss = self.total("policy_loss", surrogate, batch)
        if entropy is not None:
            loss = loss - config.entropy_coef * self.total("entropy_loss", entropy, batch)
        if batch.ref_log_probs is not None:
            kl = kl_penalty(log_probs, batch.ref_log_probs, config.kl_estimator)
            loss = loss + config.kl_coef * self.total("kl_loss", kl, batch)
            self.count("kl", kl, mask)

        # The surrogate itself tells which tokens it gives no gradient, whatever its ratio and clip.
        (pull,) = torch.autograd.grad(surrogate.sum(), log_probs, retain_graph=True)
        self.count("clipped", ((pull == 0) & (batch.advantages != 0)).float(), mask)
        self.count("distance", (log_probs - batch.rollout.log_probs_BT).abs(), mask)
        self.count("tokens", torch.ones_like(log_probs), mask)
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

    def count(self, name: str, per_token: Tensor, mask_BT: Tensor) -> None:
        """Add up a figure over tokens for the metrics, whatever their weights in the loss."""
        self._sums[name] += per_token.detach().masked_fill(mask_BT == 0, 0).sum().item()

    def weights(self, rollout: Rollout) -> Tensor:
        """What each token weighs in the loss of the whole batch, [B, T]."""
        return token_weights(rollout.mask_BT, self.config.aggregation, self.config.max_new_tokens)

    def reference_log_probs(self, rollout: Rollout) -> tuple[Tensor | None, Tensor | None]:
        """What the frozen start policy says: log-probs for the KL in the loss, and what the KL in
        the reward costs each token; each [B, T], and None where it is not wanted."""
        if self.reference is None:
            return None, None
        log_probs = self.in_parts(
            rollout, lambda part: self.compute_log_probs(part, self.reference)[0]
        )
        if not self.config.kl_in_reward:
            return log_probs, None
        kl = kl_penalty(rollout.log_probs_BT, log_probs, "k1") * rollout.mask_BT
        return None, self.config.kl_coef * kl

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
        loss needs them. A policy that has nothing to learn from makes no step: Adam would make one
        of its memory alone.

        Raises:
            TrainingDivergedError: loss or gradient is NaN or infinite, and that epoch makes no
                step; or the step has made a weight so.
        """
        config, rollout = self.config, batch.rollout
        teaches_B = (batch.advantages * rollout.mask_BT).any(dim=1)
        if config.entropy_coef or batch.ref_log_probs is not None:
            teaches_B = torch.ones_like(teaches_B)
        critic_learns = batch.returns is not None
        rows = torch.ones_like(teaches_B) if critic_learns else teaches_B
        rows = (rows & batch.weights.any(dim=1)).nonzero().flatten().tolist()
        parts = micro_batches(rollout, rows, config.micro_batch_tokens)
        self._sums.clear()
        norms: dict[str, float] = defaultdict(float)
        distance = 0.0
        models = self.models().values()
        with self.clock("update"), recomputed(models, config.gradient_checkpointing):
            self.zero_grad()  # a step that was broken off has left some
            for epoch in range(epochs if parts else 0):
                for part in parts:
                    self.compute_loss(batch.select(part)).backward()
                if not teaches_B.any():
                    self.policy.zero_grad()
                if epoch == 0:
                    distance = self._sums["distance"] / self._sums["tokens"]
                for role in self.optimizers():
                    parameters = self.models()[role].parameters()
                    norm = torch.nn.utils.clip_grad_norm_(parameters, config.max_grad_norm)
                    norms[role] += norm.item() / epochs
                self.require_finite([*self._sums.values(), *norms.values()], norms)
                for optimizer in self.optimizers().values():
                    optimizer.step()
                self.zero_grad()
            weights = torch.stack([p.detach().sum() for m in models for p in m.parameters()])
            self.require_finite(weights.tolist(), norms)
        tokens = max(self._sums["tokens"], 1)
        metrics = {
            "policy_loss": self._sums["policy_loss"] / epochs,
            "clip_fraction": self._sums["clipped"] / float(rollout.mask_BT.sum()) / epochs,
            "log_prob_distance": distance,
            "grad_norm": norms["policy"],
        }
        if batch.ref_log_probs is not None:
            metrics["kl"] = self._sums["kl"] / tokens
        if critic_learns:
            metrics["value_loss"] = self._sums["value_error"] / tokens
            metrics["value_grad_norm"] = norms["critic"]
        return metrics

    def require_finite(self, values: Sequence[float], norms: dict[str, float]) -> None:
        """Stop the training where a loss, a gradient or a weight is NaN or infinite."""
        if all(map(math.isfinite, values)):
            return
        self.zero_grad()
        metrics = {"step": self.step + 1, **self._sums, **norms}
        raise TrainingDivergedError(
            f"loss, gradient or weights are not finite in step {self.step + 1}: {metrics}. "
            f"A smaller learning_rate (now {self.config.learning_rate}) is the first thing to try",
            metrics,
        )

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for optimizer in self.optimizers().values():
            optimizer.zero_grad()

    def rollout_metrics(self, rollout: Rollout, rewards_B: Tensor) -> dict[str, float]:
        """What can be said before the update."""
        tokens, (mean, std) = rollout.mask_BT.sum(), mean_and_spread(rewards_B)
        self._example = rollout.texts[0]
        return {
            "reward_mean": mean,
            "reward_std": std,
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
        size = self.config.prompts_per_step
        epoch, position = divmod(self.step, len(self.dataset) // size)
        if position == 0 or not self._order:  # a new epoch, or a trainer that was just loaded
            self._order = list(range(len(self.dataset)))
            random.Random(f"order/{self.config.seed}/{epoch}").shuffle(self._order)
        rows = self._order[position * size : (position + 1) * size]
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
        """Train ``steps`` more steps, or until ``seconds`` of training have passed.

        Args:
            folder: where ``log.jsonl``, a line a step, and the checkpoints go; None writes nothing.
                It belongs to this run alone.
            save_every, evaluate_every: in steps, counted from the start of the training; None: not.
            seconds: of training in all, earlier calls included.
            on_step: called with each step's metrics, in place of the progress bar.

        Returns:
            The history of all steps so far.

        Raises:
            TrainingInterrupted: Ctrl-C, or the notebook's kernel was interrupted. The step that
                was running is done, a checkpoint written if there is a folder, and the next call
                goes on.
            TrainingDivergedError: something is NaN or infinite.
            ValueError: a bad argument, the folder cannot be this run's, or it trains already.
        """
        number("steps", steps, 0, whole=True)
        for name, every in {"save_every": save_every, "evaluate_every": evaluate_every}.items():
            if every is not None:
                number(name, every, 1, whole=True)
        if seconds is not None:
            number("seconds", seconds, 0, above=True)
        limit = math.inf if seconds is None else seconds
        if not self._training.acquire(blocking=False):
            raise ValueError("this trainer is training already: wait for it, or make another")
        try:
            title, interrupted = type(self).__name__.removesuffix("Trainer"), False
            with (
                self.in_folder(folder) as held,
                StepLog(self.history, held and held.path, title, steps, on_step) as log,
            ):
                self.prepare(log)
                if held is not None and save_every and not self.history:
                    self.save(folder)
                if evaluate_every and not self.history:
                    start = dict.fromkeys(("step", "samples", "train_seconds", "cpu_seconds"), 0)
                    log.write(start | self.evaluate())
                with uninterrupted() as broken_off:
                    last = self.step + steps
                    while self.step < last and not broken_off() and self.spent() < limit:
                        row = self.timed_step(log)
                        if evaluate_every and self.step % evaluate_every == 0:
                            row |= self.evaluate()
                        log.write(row)
                        log.show(row)
                        if held is not None and save_every and self.step % save_every == 0:
                            self.save(folder)
                    interrupted = broken_off()
                if interrupted:
                    where = "" if held is None else f", saved in {self.save(folder)}"
                    raise TrainingInterrupted(
                        f"interrupted after step {self.step}{where}; train again to go on"
                    )
        except FloatingPointError as error:  # from sampling, in a step or in an evaluation
            message = f"after step {self.step}: {error}"
            raise TrainingDivergedError(message, {"step": self.step + 1}) from error
        finally:
            self._training.release()
        return self.history

    def spent(self) -> float:
        """Seconds of training so far."""
        return self.history[-1]["train_seconds"] if self.history else 0.0

    def prepare(self, log: StepLog) -> None:
        """Before the first step: models in eval mode, and as many threads as are best now."""
        self.remarks = log.remarks
        for model in self.models().values():
            model.eval()
        if self._pace is None:
            asked = self.config.threads is not None  # else a number is that of a run that goes on
            why = "as the configuration says" if asked else "as the run began"
            choice = threads.choose(self.threads, why)
            self.threads, self._pace = choice.number, threads.Pace()
            log.say(f"{self.policy.device}, {choice}")
        torch.set_num_threads(self.threads)

    def timed_step(self, log: StepLog) -> dict:
        """A training step, and its row in the history."""
        start, cpu = time.perf_counter(), time.process_time()
        self._seconds = defaultdict(float)
        metrics = self.train_step(self.next_prompts())
        took, worked = time.perf_counter() - start, time.process_time() - cpu
        before = defaultdict(int, self.history[-1] if self.history else {})
        self.step += 1
        silent = metrics.get("silent_group_share", float(metrics["reward_std"] == 0)) == 1
        self._silent_steps = self._silent_steps + 1 if silent else 0
        if self._silent_steps == SILENT_STEPS:
            log.say(
                f"step {self.step}: for {SILENT_STEPS} steps all responses to a prompt were paid "
                f"the same, {metrics['reward_mean']:.3g} on average: the rewards have nothing to "
                f"teach. Does the model know what is asked for? One response was "
                f"{self._example[:200]!r}. Instructions, an easier task or a better model may help"
            )
        if self.policy.device.type == "cpu":  # a GPU's steps are not the processors' to explain
            alone = took - self._seconds["reward"]
            remark = self._pace.remark(self.step, alone, worked, metrics["tokens"])
            if remark is not None:
                log.say(remark)
        return {
            "step": self.step,
            "samples": before["samples"] + metrics.pop("sampled"),
            "tokens_per_second": metrics.pop("tokens") / took,
            **metrics,
            "peak_memory_mb": peak_memory_mb(self.policy.device),
            "train_seconds": before["train_seconds"] + took,
            "cpu_seconds": before["cpu_seconds"] + worked,
            **{f"seconds_{phase}": s for phase, s in self._seconds.items()},
        }

    def evaluate(
        self, problems: Sequence[Record] | None = None, size: int = 500, seed: int = 0
    ) -> dict[str, float]:
        """Measure on held-out problems, asked as in training; the training's own draws stay.

        Args:
            problems: judged by what pays in training; None takes ``eval_dataset``, or else problems
                of the task, judged by its verifier whatever pays in training.
            size, seed: of the task's problems.

        Raises:
            ValueError: there are no problems, or the data set is not the task's and no other
                problems were given.
        """
        problems = self.eval_dataset if problems is None else problems
        config, reward, full_reward = self.config, self.reward, 1.0
        if problems is None:
            if self.own_data:
                raise ValueError(
                    "this trainer has a data set of its own: say what to measure on, with "
                    "eval_dataset=... when it is made, or evaluate(problems)"
                )
            problems, config = self.problems(True, size, seed), replace(config, reward_weights=None)
            reward, full_reward = self.task.reward, self.task.full_reward
        with self.autocast():
            return evaluate(
                self.policy, self.tokenizer, problems, reward, config, seed, full_reward, self.step
            )

    @contextmanager
    def clock(self, phase: str) -> Iterator[None]:
        """Add the time spent inside to the step's ``seconds_<phase>``."""
        start = time.perf_counter()
        yield
        if self.policy.device.type != "cpu":
            torch.accelerator.synchronize()  # a GPU works behind the program's back
        self._seconds[phase] += time.perf_counter() - start

    def autocast(self) -> torch.autocast:
        """bfloat16 for the models' products if the configuration asks for it."""
        device = self.policy.device.type
        return torch.autocast(device, dtype=torch.bfloat16, enabled=self.config.autocast)


def evaluate(
    model: Model,
    tokenizer: Tokenizer,
    problems: Sequence[Record],
    reward: Reward | Sequence[Reward],
    config: TrainerConfig,
    seed: int = 0,
    full_reward: float = 1.0,
    step: int = 0,
) -> dict[str, float]:
    """One sample per problem: the share of right answers with its interval, thinking, length.

    Args:
        config: says how to sample.
        full_reward: an answer is right if it is paid so much, up to rounding, or more.
        step: batches trained on so far, for the reward function.

    Raises:
        ValueError: there are no problems, or they are no records.
        FloatingPointError: the model's log-probs are not finite.
    """
    if len(checked_dataset(problems)) == 0:
        raise ValueError("there are no problems to measure on")
    generator = torch.Generator(model.device).manual_seed(seed)
    model.eval()
    rewards, thoughts, length = [], 0, 0.0
    for start in range(0, len(problems), 250):
        chunk = [problems[i] for i in range(start, min(start + 250, len(problems)))]
        prompts = [prompt_of(record) for record in chunk]
        rollout = sample(
            model, tokenizer, prompts, 1, config.max_new_tokens, config.temperature, generator,
            config.chat_template_kwargs,
        )  # fmt: skip
        rewards += call_reward(reward, chunk, rollout, config.reward_weights, step).tolist()
        thoughts += sum(map(has_thought, rollout.texts))
        length += float(rollout.mask_BT.sum())
    scored = [value for value in rewards if value == value]
    right = sum(is_right(value, full_reward) for value in scored)
    low, high = wilson_interval(right, len(problems))
    return {
        "eval_accuracy": right / len(problems),
        "eval_low": low,
        "eval_high": high,
        "eval_reward": sum(scored) / max(len(scored), 1),
        "eval_think_share": thoughts / len(problems),
        "eval_length": length / len(problems),
    }
