"""Gradient microscope: how far each baseline's gradient is from the truth, and how noisy.

A training compares trainings: baseline, Adam, clipping, tuning and luck together. Here the policy
stands still, the same batches go to every estimator, and nothing but the gradient is looked at.
``python -m grpo_mini gradients`` does it at some moments of a training.
"""

import copy
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..advantages import compute_relative_rewards, gae, leave_one_out
from ..grpo import GRPOConfig, GRPOTrainer
from ..losses import AGGREGATIONS, token_weights, value_loss, weighted_sum
from ..models import Critic, frozen_copy
from ..rollout import Rollout, micro_batches, outputs_per_token, sample
from ..tasks import is_right
from ..trainer import Batch
from .evidence import STARTS, TASK_OPTIONS
from .options import Parser, whole
from .record import add_line, provenance, read_lines, require_writable
from .statistics import student

REFERENCE = "leave-one-out"  # what the others are compared with


@dataclass(frozen=True)
class Sampled:
    """What an estimator may know about a batch of groups; a group is ``group_size`` neighbours.

    Attributes:
        rewards: [B].
        mask: [B, T] of the response tokens.
        values: critic -> its V where each token is chosen, [B, T].
    """

    rewards: Tensor
    mask: Tensor
    group_size: int
    values: dict[str, Tensor] = field(default_factory=dict)


def _each_token(per_sample: Tensor, batch: Sampled) -> Tensor:
    return per_sample.unsqueeze(1) * batch.mask


def _against(critic: str) -> Callable[[Sampled], Tensor]:
    """R - V(s_t): GAE with gamma = lambda = 1."""
    return lambda batch: (batch.rewards.unsqueeze(1) - batch.values[critic]) * batch.mask


def _smoothed(critic: str, lam: float) -> Callable[[Sampled], Tensor]:
    """GAE with lambda below 1, which trusts the critic more, and is biased where it errs."""

    def advantages(batch: Sampled) -> Tensor:
        rewards = torch.zeros_like(batch.values[critic])
        last = batch.mask.sum(dim=1, keepdim=True).long() - 1
        rewards.scatter_(1, last, batch.rewards.unsqueeze(1))
        return gae(rewards, batch.values[critic], batch.mask, 1.0, lam)[0]

    return advantages


def _at_the_prompt(critic: str) -> Callable[[Sampled], Tensor]:
    """R - V(prompt): what the critic expects before the first token, for all of them."""
    return lambda batch: _each_token(batch.rewards - batch.values[critic][:, 0], batch)


def _with_the_group(critic: str) -> Callable[[Sampled], Tensor]:
    """Critic and group: R - V(s_t), and how much the others of the group did better than V(prompt).

    Unbiased, since neither V(s_t) nor the others know the token.
    """

    def advantages(batch: Sampled) -> Tensor:
        at_prompt = batch.values[critic][:, 0]
        surprise = batch.rewards - at_prompt
        of_others = surprise - leave_one_out(surprise, batch.group_size)
        left = batch.rewards.unsqueeze(1) - batch.values[critic] - of_others.unsqueeze(1)
        return left * batch.mask

    return advantages


def estimators(critics: Sequence[str]) -> dict[str, Callable[[Sampled], Tensor]]:
    """Every way to make advantages [B, T] of a batch, by its name.

    "ones" is no estimator, but what a constant baseline takes away, see `best_constant`.

    Args:
        critics: names of `Sampled.values`, the one that knows most last.
    """
    found = {
        "none": lambda b: _each_token(b.rewards, b),
        "ones": lambda b: _each_token(torch.ones_like(b.rewards), b),
        "batch mean": lambda b: _each_token(b.rewards - b.rewards.mean(), b),
        "group mean": lambda b: _each_token(
            compute_relative_rewards(b.rewards, b.group_size, normalize=False)[0], b
        ),
        "leave-one-out": lambda b: _each_token(leave_one_out(b.rewards, b.group_size), b),
        "group mean and std": lambda b: _each_token(
            compute_relative_rewards(b.rewards, b.group_size)[0], b
        ),
    }
    for critic in critics:
        found[f"critic, {critic}"] = _against(critic)
    if critics:
        best = critics[-1]
        found[f"V at the prompt, {best}"] = _at_the_prompt(best)
        found[f"critic and group, {best}"] = _with_the_group(best)
        found[f"critic, lambda 0.95, {best}"] = _smoothed(best, 0.95)
    return found


# ---------------------------------------------------------------------------- statistics


class Gradients:
    """What many batches' gradients say about their mean and their noise, without keeping them.

    With a_k and b_k the gradients of batch k under two estimators, and batches independent:
    E a . E b is estimated without bias by the mean of a_k . b_l over all pairs k != l, which the
    sums of a, of b and of a_k . b_k give. The trace of the covariance is E(a . b) - E a . E b.

    Args:
        pairs: estimators, two by two, of which that is asked.
        blocks: of batches; intervals come from leaving out one after the other (jackknife).
    """

    def __init__(self, pairs: Sequence[tuple], blocks: int = 8):
        self.pairs, self.blocks = set(pairs), blocks
        self.counts = [0] * blocks
        self.sums: dict[tuple, list[Tensor]] = {}
        self.together = {pair: [0.0] * blocks for pair in self.pairs}

    def add(self, gradients: dict[tuple, Tensor]) -> None:
        """A batch's gradient, [P], under every estimator."""
        block = sum(self.counts) % self.blocks
        self.counts[block] += 1
        for name, gradient in gradients.items():
            if name not in self.sums:
                self.sums[name] = [torch.zeros_like(gradient) for _ in range(self.blocks)]
            self.sums[name][block] += gradient
        exact = {name: gradient.double() for name, gradient in gradients.items()}
        for a, b in self.pairs:
            self.together[a, b][block] += float(exact[a] @ exact[b])

    def products(self) -> list["Products"]:
        """Of all batches, and of all but each of the blocks."""
        of_sums = {}
        for a, b in self.pairs:
            first, second = (torch.stack(self.sums[name]).double() for name in (a, b))
            of_sums[a, b] = first @ second.T
        found = []
        for left_out in (None, *range(self.blocks)):
            kept = [block for block in range(self.blocks) if block != left_out]
            number = sum(self.counts[block] for block in kept)
            signal, noise = {}, {}
            for pair in self.pairs:
                same = sum(self.together[pair][block] for block in kept)
                every = of_sums[pair][kept][:, kept].sum().item()
                signal[pair] = (every - same) / (number * (number - 1))
                noise[pair] = same / number - signal[pair]
            found.append(Products(signal, noise))
        return found


@dataclass(frozen=True)
class Products:
    """E a . E b, and the trace of the covariance of a and b, of the pairs that were asked for."""

    signal: dict[tuple, float]
    noise: dict[tuple, float]

    def mixed(self, name: tuple, plus: tuple, factor: float, truth: tuple) -> "Products":
        """With the estimator ``name`` + factor * ``plus`` in the place of ``name``."""
        found = []
        for of in (self.signal, self.noise):
            own = of[name, name] + 2 * factor * of[name, plus] + factor**2 * of[plus, plus]
            shared = of[name, truth] + factor * of[plus, truth]
            found.append(of | {(name, name): own, (name, truth): shared})
        return Products(*found)

    def useful(self, name: tuple, truth: tuple) -> float:
        """E g along the truth: as much of it as climbs the reward."""
        return self.signal[name, truth] / math.sqrt(max(self.signal[truth, truth], 1e-30))

    def noise_to_signal(self, name: tuple, truth: tuple) -> float:
        """Noise of one batch in units of what is useful, squared: no factor of g matters."""
        return self.noise[name, name] / max(self.useful(name, truth) ** 2, 1e-30)

    def figures(self, name: tuple, reference: tuple, truth: tuple) -> dict[str, float]:
        """How an estimator does.

        Returns:
            ``noise``: `noise_to_signal`; so many batches give as much signal as noise.
            ``relative``: that over the reference's. ``length``: `useful` over the reference's.
            ``cosine``: between E g and the truth.
        """
        noise = self.noise_to_signal(name, truth)
        useful = self.useful(name, truth)
        return {
            "noise": noise,
            "relative": noise / self.noise_to_signal(reference, truth),
            "length": useful / self.useful(reference, truth),
            "cosine": useful / math.sqrt(max(self.signal[name, name], 1e-30)),
        }


def with_interval(values: Sequence[float]) -> list[float]:
    """A figure of all batches, and its 95% interval from those without each block (jackknife).

    Args:
        values: first of all batches, then without each block.
    """
    whole, *without = values
    n = len(without)
    mean = sum(without) / n
    error = math.sqrt((n - 1) / n * sum((each - mean) ** 2 for each in without))
    half = student(0.975, n - 1) * error
    return [whole, whole - half, whole + half]


def best_constant(products: Products, none: tuple, ones: tuple) -> float:
    """The constant baseline with the least noise: Cov(g, h) / Var(h).

    The gradient is linear in the baseline, g - b h, with h that of advantages of 1. For a response
    as a whole this is E[|score|^2 R] / E[|score|^2].
    """
    return products.noise[none, ones] / products.noise[ones, ones]


def table_of(gradients: Gradients, names: Sequence[tuple], truth: tuple) -> list[dict]:
    """A row an estimator: its name, its mean over tokens, and `Products.figures` with intervals.

    The row "best constant" says its baseline too.

    Args:
        truth: an estimator that is known to be unbiased, and has little noise.
    """
    every, rows = gradients.products(), []

    def add(products: Sequence[Products], estimator: str, name: tuple, **more) -> None:
        mean = name[1]
        figures = [each.figures(name, (REFERENCE, mean), truth) for each in products]
        intervals = {key: with_interval([each[key] for each in figures]) for key in figures[0]}
        rows.append({"estimator": estimator, "mean": mean, **more, **intervals})

    for name in names:
        estimator, mean = name
        if estimator != "ones":
            add(every, estimator, name)
        if estimator == "none":
            ones = ("ones", mean)
            best = [best_constant(each, name, ones) for each in every]
            pairs = zip(every, best, strict=True)
            mixed = [each.mixed(name, ones, -constant, truth) for each, constant in pairs]
            add(mixed, "best constant", name, constant=with_interval(best))
    return rows


def pairs_of(names: Sequence[tuple], truth: tuple) -> set[tuple]:
    """Which products `table_of` needs."""
    found = {(truth, truth)}
    for name in names:
        found |= {(name, name), (name, truth)}
        if name[0] == "none":
            found.add((name, ("ones", name[1])))
    return found


# ---------------------------------------------------------------------------- on the real model

MOMENTS = (0, 10)  # steps of the training at which the policy stands still
# R - V(s_t) with constant weights: unbiased whatever V is, and not noisy with a V that is fitted.
TRUTH = ("critic, fitted", "constant")
# Under a mean per response and under constant weights only these; under the token mean all.
FEW = ("none", "ones", REFERENCE, "critic, fitted")
WARM_BATCHES, FITTED_BATCHES, UPDATES = 5, 16, 4
CONTINUED = 32  # continuations from each place of a response


class Watched(GRPOTrainer):
    """GRPO whose last rollout can be looked at."""

    def compute_advantages(self, rollout: Rollout, rewards_B: Tensor) -> tuple[Batch, dict]:
        """As GRPO."""
        self.seen = rollout, rewards_B
        return super().compute_advantages(rollout, rewards_B)


class Bystander:
    """A critic that learns beside a training that does not ask it.

    Args:
        model: what its values are read from.
        head_only: leave the backbone as it is: it is the policy's, and the policy trains it.
    """

    def __init__(self, model: Critic, head_only: bool = False, learning_rate: float = 5e-4):
        self.model = model
        learns = model.head if head_only else model
        self.parameters = list(learns.parameters())
        self.optimizer = torch.optim.Adam(self.parameters, lr=learning_rate)

    def values(self, rollout: Rollout) -> Tensor:
        """V where each token is chosen, [B, T], with gradients."""
        return outputs_per_token(self.model, self.model.backbone, rollout)

    def teach(self, rollout: Rollout, rewards_B: Tensor, updates: int = 1) -> None:
        """As PPO does at its defaults: every token's return is the reward, a mean over tokens."""
        returns = rewards_B.unsqueeze(1) * rollout.mask_BT
        weights = token_weights(rollout.mask_BT, "token")
        for _ in range(updates):
            for rows in micro_batches(rollout, range(len(rollout)), 2048):
                part = rollout.select(rows)
                width = part.mask_BT.shape[1]
                errors = value_loss(self.values(part), returns[rows, :width])
                loss = 0.5 * weighted_sum(errors, part.mask_BT, weights[rows, :width])
                grads = torch.autograd.grad(loss, self.parameters)
                for parameter, grad in zip(self.parameters, grads, strict=True):
                    parameter.grad = grad if parameter.grad is None else parameter.grad + grad
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()

    def copy(self) -> "Bystander":
        """The same critic, to be taught apart; its optimiser starts anew."""
        return Bystander(copy.deepcopy(self.model))


class Stopwatch:
    """Keeps seconds by what they were spent on."""

    def __init__(self):
        self.spent: dict[str, list[float]] = {}

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Everything inside counts."""
        begun = time.perf_counter()
        yield
        self.spent.setdefault(what, []).append(time.perf_counter() - begun)

    def medians(self) -> dict[str, float]:
        """Seconds of one batch."""
        return {what: statistics.median(times) for what, times in self.spent.items()}


def batch_gradients(
    trainer: GRPOTrainer, rollout: Rollout, advantages: dict[tuple, Tensor], watch: Stopwatch
) -> dict[tuple, Tensor]:
    """The policy gradient of a whole batch, [P], under each advantages [B, T].

    One forward pass for all of them: the loss is linear in the advantages.

    Args:
        advantages: by (estimator, mean over tokens).
    """
    parameters = [p for p in trainer.policy.parameters() if p.requires_grad]
    weights = {
        mean: token_weights(rollout.mask_BT, mean, trainer.config.max_new_tokens)
        for mean in AGGREGATIONS
    }
    found = {}
    for rows in micro_batches(rollout, range(len(rollout)), trainer.config.micro_batch_tokens):
        part = rollout.select(rows)
        width = part.mask_BT.shape[1]
        with watch.on("forward"):
            log_probs, _ = trainer.compute_log_probs(part)
        for name, per_token in advantages.items():
            with watch.on("backward"):
                loss = weighted_sum(
                    -per_token[rows, :width] * log_probs,
                    part.mask_BT,
                    weights[name[1]][rows, :width],
                )
                grads = torch.autograd.grad(loss, parameters, retain_graph=True)
            flat = torch.cat([grad.flatten() for grad in grads])
            found[name] = found[name] + flat if name in found else flat
    return found


def between_prompts(rewards_B: Tensor, group_size: int) -> float:
    """Share of the variance of rewards that lies between prompts, of unbiased parts (ANOVA)."""
    groups = rewards_B.double().view(-1, group_size)
    within = groups.var(dim=1).mean()
    between = groups.mean(dim=1).var() - within / group_size
    return float(between / (between + within).clamp(min=1e-12))


class Microscope:
    """A training with bystanders, and the gradients at a moment of it.

    Args:
        trainer: trains the policy; three critics watch it and learn.
    """

    def __init__(self, trainer: Watched):
        self.trainer, policy = trainer, trainer.policy
        own = frozen_copy(policy.base_model).requires_grad_(True)
        self.critics = {
            "lagged": Bystander(Critic(own)),
            "warmed up": Bystander(Critic(copy.deepcopy(own))),
            "head on the policy": Bystander(Critic(policy.base_model), head_only=True),
        }
        for name in ("warmed up", "head on the policy"):
            for rollout, rewards in self.fresh(WARM_BATCHES, "warm up"):
                self.critics[name].teach(rollout, rewards, UPDATES)

    def fresh(self, batches: int, purpose: str) -> Iterator[tuple[Rollout, Tensor]]:
        """Rollouts and rewards of questions drawn anew, by the policy now.

        One in some hundred is also among those of the training, which a step hardly ever asks.
        """
        trainer, config = self.trainer, self.trainer.config
        seed = random.Random(f"{purpose}/{trainer.step}").randrange(1 << 30)
        size = config.prompts_per_step
        records = trainer.problems(size=batches * size, seed=seed)
        generator = torch.Generator().manual_seed(seed)
        for i in range(batches):
            asked = records[i * size : (i + 1) * size]
            rollout = sample(
                trainer.policy, trainer.tokenizer, [record["prompt"] for record in asked],
                config.group_size, config.max_new_tokens, config.temperature, generator,
            )  # fmt: skip
            yield rollout, trainer.compute_rewards(asked, rollout)

    def train(self, step: int) -> None:
        """Go on to that step; the critics see each of its batches."""
        while self.trainer.step < step:
            self.trainer.train(1, on_step=lambda row: None)
            for critic in self.critics.values():
                critic.teach(*self.trainer.seen)

    def along(self, critics: dict[str, Bystander]) -> dict[str, list]:
        """What critics expect along some responses, and what comes of going on from there.

        The policy itself goes on, `CONTINUED` times from each place (VinePPO, arXiv 2410.01679,
        takes that for its values). Each continuation has the room of a whole response: what is
        compared are values where a limit is not near.

        Returns:
            ``token``: how many tokens are written; ``length``: of how many; ``truth``: share of the
            continuations that are paid; and what each critic says there, by its name.
        """
        trainer, tokenizer, config = self.trainer, self.trainer.tokenizer, self.trainer.config
        rng = random.Random(f"along/{trainer.step}")
        records = trainer.problems(size=config.prompts_per_step, seed=rng.randrange(1 << 30))
        generator = torch.Generator().manual_seed(rng.randrange(1 << 30))
        go_on = (config.max_new_tokens, config.temperature, generator)
        prompts = [record["prompt"] for record in records]
        rollout = sample(trainer.policy, tokenizer, prompts, 1, *go_on)
        values = {name: trainer.in_parts(rollout, c.values) for name, c in critics.items()}
        found = {name: [] for name in ("token", "length", "truth", *critics)}
        for i, (record, tokens) in enumerate(zip(records, rollout.token_ids(), strict=True)):
            for t in sorted({0, 1, len(tokens) // 3, 2 * len(tokens) // 3}):
                begun = {"role": "assistant", "content": tokenizer.decode(tokens[:t])}
                prompt = record["prompt"] + ([begun] if t else [])
                ends = sample(trainer.policy, tokenizer, [prompt], CONTINUED, *go_on)
                written = zip(ends.token_ids(), ends.truncated_B.tolist(), strict=True)
                texts = [
                    tokenizer.decode(tokens[:t] + (ids if cut else ids[:-1]))
                    for ids, cut in written
                ]
                paid = trainer.compute_rewards([record], replace(ends, texts=texts))
                found["token"].append(t)
                found["length"].append(len(tokens))
                found["truth"].append(float(paid.mean()))
                for name in critics:
                    found[name].append(float(values[name][i, t]))
        return found

    def look(self, batches: int) -> dict:
        """Hold the policy still, and measure.

        Returns:
            ``rows`` of `table_of`, the share of variance ``between`` prompts, how much of the
            rewards' variance each critic ``explained`` at the prompt and over all tokens, what it
            expects ``along`` responses, the ``seconds`` that each piece of a batch takes, and the
            ``accuracy``.
        """
        trainer, size = self.trainer, self.trainer.config.group_size
        critics = self.critics | {"fitted": self.critics["warmed up"].copy()}
        for rollout, rewards in self.fresh(FITTED_BATCHES, "fitting"):
            critics["fitted"].teach(rollout, rewards, UPDATES)
        each = estimators(list(critics))
        names = [
            (name, mean) for mean in AGGREGATIONS for name in each if mean == "token" or name in FEW
        ]
        gradients, watch = Gradients(pairs_of(names, TRUTH)), Stopwatch()
        paid, errors = [], {name: [] for name in critics}
        batch_of = self.fresh(batches, "looking")
        for _ in tqdm(range(batches), desc=f"step {trainer.step}", unit="batch"):
            with watch.on("sample"):
                rollout, rewards = next(batch_of)
            values, inside = {}, rollout.mask_BT.bool()
            of_tokens = rewards.unsqueeze(1).expand_as(inside)[inside]
            for name, critic in critics.items():
                with watch.on("values"):
                    values[name] = trainer.in_parts(rollout, critic.values)
                off = rewards.unsqueeze(1) - values[name]
                pairs = ((off[:, 0], rewards), (off[inside], of_tokens))
                errors[name].append([x.var(correction=0) for pair in pairs for x in pair])
            seen = Sampled(rewards, rollout.mask_BT, size, values)
            advantages = {(name, mean): each[name](seen) for name, mean in names}
            gradients.add(batch_gradients(trainer, rollout, advantages, watch))
            paid.append(rewards)
        with watch.on("teach"):
            critics["fitted"].teach(rollout, rewards)
        sums = {name: torch.tensor(found).sum(dim=0) for name, found in errors.items()}
        rewards = torch.cat(paid)
        passes = len(watch.spent["forward"]) / batches
        seconds = watch.medians()
        return {
            "accuracy": float(is_right(rewards, trainer.task.full_reward).float().mean()),
            "between": between_prompts(rewards, size),
            "explained": {
                name: {"at the prompt": float(1 - s[0] / s[1]), "tokens": float(1 - s[2] / s[3])}
                for name, s in sums.items()
            },
            "seconds": {
                "sample": seconds["sample"],
                "gradient": passes * (seconds["forward"] + seconds["backward"]),
                "values": seconds["values"],
                "teach": seconds["teach"],
            },
            "along": self.along(critics),
            "rows": table_of(gradients, names, TRUTH),
        }


def main(argv: Sequence[str]) -> None:
    """Look at the moments that are not recorded yet."""
    parser = Parser(
        prog="python -m grpo_mini gradients",
        description="Bias and noise of each baseline's gradient, at some moments of a training.",
    )
    parser.add_argument("--task", choices=STARTS, default="sums", help="[sums]")
    parser.add_argument("--batches", type=whole(16), default=48, help="of 256 samples [48]")
    parser.add_argument("--seed", type=whole(0), default=0, help="of the training [0]")
    parser.add_argument("--out", type=Path, default=Path("runs/gradients.jsonl"), help="the record")
    arguments = parser.parse_args(argv)
    require_writable(arguments.out)
    about = {"task": arguments.task, "batches": arguments.batches, "seed": arguments.seed}
    there = [line["run"] for line in read_lines(arguments.out)] if arguments.out.exists() else []
    done = {run["step"] for run in there if about.items() <= run.items()}
    if done >= set(MOMENTS):
        print(f"{arguments.out} has all of them")
        return
    model = str(STARTS[arguments.task])
    options = TASK_OPTIONS[arguments.task] | {"model_name": model, "device": "cpu"}
    threads = 1  # whose digits can be made again, as an experiment's
    torch.set_num_threads(threads)
    microscope = Microscope(Watched(GRPOConfig(**options, seed=arguments.seed, threads=threads)))
    for step in MOMENTS:
        microscope.train(step)
        if step not in done:
            run = {**about, "step": step, **provenance(threads)}
            add_line(arguments.out, {"run": run, **microscope.look(arguments.batches)}, _place)


def _place(line: dict) -> tuple:
    return line["run"]["task"], line["run"]["batches"], line["run"]["seed"], line["run"]["step"]
