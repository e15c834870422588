"""The training step of both algorithms: micro-batches, metrics, bad input, resume."""

import copy
import json
import math
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from grpo_mini.experiments.metrics import METRICS, TIMING_METRICS
from grpo_mini.grpo import GRPOConfig, GRPOTrainer
from grpo_mini.models import RewardModel, load_policy
from grpo_mini.ppo import PPOConfig, PPOTrainer
from grpo_mini.rollout import micro_batches
from grpo_mini.support.checkpoints import CheckpointError
from grpo_mini.support.measure import wilson_interval
from grpo_mini.tasks import chain_sum_reward
from grpo_mini.trainer import Trainer, TrainingDivergedError, TrainingInterrupted
from tests.pieces import halves, rewrite_manifest


def gradients(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {
        f"{role}.{name}": parameter.grad.clone()
        for role, model in trainer.models().items()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


@pytest.mark.parametrize("aggregation", ["sequence", "token", "constant"])
def test_micro_batches_give_the_gradient_of_the_undivided_batch(
    small_trainer, algorithm, aggregation
):
    options = {"aggregation": aggregation, "kl_coef": 0.1, "entropy_coef": 0.01}
    trainer = small_trainer(algorithm, max_new_tokens=40, temperature=2.0, **options)
    records = trainer.next_prompts()
    rollout = trainer.generate_responses(records)
    assert rollout.lengths_B.unique().numel() > 2, "responses of one length would prove nothing"
    rewards_B = torch.randn(len(rollout))
    with torch.no_grad():  # a policy that is no longer the reference, so that the KL pulls
        for parameter in trainer.policy.parameters():
            parameter += 0.01 * torch.randn_like(parameter)
    batch, _ = trainer.compute_advantages(rollout, rewards_B)
    found = {}
    all_rows = torch.arange(len(rollout))
    few = micro_batches(rollout, all_rows.tolist(), 150)
    assert len(few) > 2
    for size, parts in (("whole", [all_rows]), ("parts", few)):
        loss = 0.0
        for rows in parts:
            part = trainer.compute_loss(batch.select(rows))
            part.backward()
            loss += part.item()
        found[size] = loss, gradients(trainer)
        trainer.zero_grad()
    assert found["parts"][0] == pytest.approx(found["whole"][0], rel=1e-4, abs=1e-6)
    for name, whole in found["whole"][1].items():
        assert torch.allclose(found["parts"][1][name], whole, rtol=1e-3, atol=1e-5), name


def test_silent_groups_are_left_out_without_changing_the_gradient(small_trainer):
    trainer = small_trainer(max_new_tokens=40)
    rollout = trainer.generate_responses(trainer.next_prompts())
    rewards_B = torch.tensor([1.0, 0, 0, 1] + [1.0] * 4 + [0.0] * 4 + [0.3] * 4)
    batch, metrics = trainer.compute_advantages(rollout, rewards_B)
    assert metrics["silent_group_share"] == 0.75
    trainer.compute_loss(batch).backward()
    whole = gradients(trainer)
    trainer.zero_grad()
    trainer.compute_loss(batch.select(torch.arange(4))).backward()
    for name, gradient in gradients(trainer).items():
        assert torch.allclose(gradient, whole[name], atol=1e-6), name


def test_a_batch_of_silent_groups_leaves_the_policy_alone(small_trainer):
    trainer = small_trainer(reward=lambda completions, **columns: [0.3] * len(completions))
    before = copy.deepcopy(trainer.policy.state_dict())
    metrics = trainer.train_step(trainer.next_prompts())
    assert metrics["silent_group_share"] == 1 and metrics["grad_norm"] == 0
    for name, weight in trainer.policy.state_dict().items():
        assert torch.equal(weight, before[name]), name


def test_the_loss_is_zero_and_the_gradient_is_not(small_trainer):
    """On-policy the surrogate is minus the mean advantage of a response: 0 by construction."""
    trainer = small_trainer(max_new_tokens=40, aggregation="sequence")
    metrics = trainer.train_step(trainer.next_prompts())
    assert abs(metrics["policy_loss"]) < 1e-5
    assert metrics["grad_norm"] > 0.01


def test_metrics_of_the_source_are_there_and_all_are_explained(small_trainer, algorithm):
    trainer = small_trainer(algorithm, kl_coef=0.01)
    history = trainer.train(1, evaluate_every=1)
    source = {
        "grpo": {"policy_loss", "raw_reward_mean", "raw_reward_std", "relative_reward_mean",
                 "relative_reward_std", "group_baseline_mean", "advantage_mean"},
        "ppo": {"policy_loss", "value_loss", "reward_mean", "advantage_mean"},
    }  # fmt: skip
    assert source[algorithm] <= set(history[-1])
    assert set(history[-1]) | set(history[0]) <= set(METRICS)


def test_no_metric_is_explained_that_never_appears(small_trainer):
    seen = set()

    def varied(completions, **columns):
        return [float(i % 2) for i in range(len(completions))]

    for name in ("grpo", "ppo"):
        for row in small_trainer(name, varied, kl_coef=0.01).train(1, evaluate_every=1):
            seen |= set(row)
    assert seen == set(METRICS)


def test_relative_rewards_and_advantages_have_mean_zero(small_trainer):
    trainer = small_trainer(max_new_tokens=40)
    metrics = trainer.train_step(trainer.next_prompts())
    assert abs(metrics["relative_reward_mean"]) < 1e-6
    assert abs(metrics["advantage_mean"]) < 1e-6


def test_an_incomplete_group_goes_with_all_that_belongs_to_it(small_trainer):
    trainer = small_trainer()
    rollout = trainer.generate_responses(trainer.next_prompts()).select(torch.arange(14))
    batch, _ = trainer.compute_advantages(rollout, torch.rand(14))
    assert len(batch.rollout) == len(batch.advantages) == len(batch.weights) == 12
    assert batch.rollout.texts == rollout.texts[:12]


def test_autocast_samples_and_scores_alike_and_keeps_float32_where_it_counts(
    small_trainer, algorithm
):
    trainer = small_trainer(algorithm, autocast=True)
    rollout = trainer.generate_responses(trainer.next_prompts())
    log_probs, _ = trainer.compute_log_probs(rollout)
    assert log_probs.dtype == rollout.log_probs_BT.dtype == torch.float32
    distance = ((log_probs - rollout.log_probs_BT).abs() * rollout.mask_BT).sum()
    assert 1e-6 < distance / rollout.mask_BT.sum() < 0.05, "bfloat16 rounds, but not more"
    trainer.train_step(trainer.next_prompts())
    for model in trainer.models().values():
        assert all(p.dtype == torch.float32 and p.isfinite().all() for p in model.parameters())


def test_several_epochs_leave_the_ratio_of_one(small_trainer, algorithm):
    epochs = {f"{algorithm}_epochs": 4}
    trainer = small_trainer(algorithm, learning_rate=3e-3, max_new_tokens=40, **epochs)
    metrics = trainer.train_step(trainer.next_prompts())
    assert metrics["clip_fraction"] > 0
    assert metrics["log_prob_distance"] < 1e-3, "measured before the first update"


def test_ppo_with_gamma_and_lam_1_has_the_advantage_reward_minus_value(small_trainer):
    trainer = small_trainer("ppo", standardize_advantages=False)
    with torch.no_grad():
        trainer.critic.head.weight.normal_()
    rollout = trainer.generate_responses(trainer.next_prompts())
    rewards_B = torch.rand(len(rollout))
    batch, _ = trainer.compute_advantages(rollout, rewards_B)
    expected = (rewards_B.unsqueeze(1) - batch.values) * rollout.mask_BT
    assert torch.allclose(batch.advantages, expected, atol=1e-5)


def test_the_critic_starts_at_zero_and_reads_the_state_before_the_token(small_trainer):
    trainer = small_trainer("ppo")
    rollout = trainer.generate_responses(trainer.next_prompts())
    assert (trainer.compute_values(rollout) == 0).all()
    with torch.no_grad():
        trainer.critic.head.weight.normal_()
    changed = copy.deepcopy(rollout)
    changed.tokens_BT[:, 1] = (changed.tokens_BT[:, 1] + 1) % 200
    before, after = trainer.compute_values(rollout), trainer.compute_values(changed)
    assert torch.allclose(before[:, :2], after[:, :2], atol=1e-5)
    assert not torch.allclose(before[:, 2], after[:, 2], atol=1e-3)


def test_a_reward_model_serves_both_trainers(small_trainer, algorithm, tiny):
    judge = RewardModel.from_pretrained(device="cpu", tokenizer=tiny[1])
    with torch.no_grad():
        judge.head.weight.normal_()
    metrics = small_trainer(algorithm, reward=judge).train(1)[-1]
    assert math.isfinite(metrics["reward_mean"]) and metrics["reward_mean"] != 0


def test_a_reward_model_scores_a_padded_batch_like_single_rows(tiny, tmp_path):
    judge = RewardModel.from_pretrained(device="cpu", tokenizer=tiny[1])
    with torch.no_grad():
        judge.head.weight.normal_()
    prompts = [[{"role": "user", "content": text}] for text in ("1+2=", "17+25+38=")]
    completions = ["<answer>3</answer>", "<think>17+25=42</think><answer>80</answer>"]
    together = judge(prompts, completions)
    alone = [judge([p], [c])[0] for p, c in zip(prompts, completions, strict=True)]
    assert together == pytest.approx(alone, abs=1e-3)
    judge.save_pretrained(tmp_path)
    again = RewardModel.from_pretrained(tmp_path, device="cpu", tokenizer=tiny[1])
    assert again(prompts, completions) == together


def test_plain_text_prompts_work(small_trainer):
    seen = []

    def reward(prompts, completions, **columns):
        seen.append((prompts[0], completions[0]))
        return [float(len(text)) for text in completions]

    prompts = [{"prompt": f"{i}+{i}="} for i in range(64)]
    small_trainer(reward=reward, dataset=prompts).train(1)
    assert all(isinstance(value, str) for value in seen[0])


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        (GRPOConfig, {"group_size": 1}, "group_size must be at least 2, got 1"),
        (GRPOConfig, {"grpo_epochs": 0}, "grpo_epochs must be at least 1"),
        (GRPOConfig, {"task": "chess"}, "unknown task 'chess'; there are: chain-sums"),
        (GRPOConfig, {"kl_estimator": "k4"}, "unknown kl_estimator 'k4'; there are: k1, k2, k3"),
        (PPOConfig, {"aggregation": "mean"}, "unknown aggregation 'mean'; there are: sequence"),
        (PPOConfig, {"temperature": 0.0}, "temperature must be above 0"),
        (PPOConfig, {"lam": 1.5}, "lam must be at most 1, got 1.5"),
        (PPOConfig, {"prompts_per_step": 0}, "prompts_per_step must be at least 1"),
        (GRPOConfig, {"train_problems": 8}, "train_problems must be at least"),
    ],
)
def test_a_bad_configuration_is_refused_before_any_compute(config, options, message):
    with pytest.raises(ValueError, match=message):
        config(**options)


def test_a_data_set_smaller_than_a_step_is_refused(small_trainer):
    with pytest.raises(ValueError, match="the dataset has 1 prompts, fewer than"):
        small_trainer(dataset=[{"prompt": "1+1="}])


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda n: [1.0] * (n - 1), "returned 15 rewards for 16 completions"),
        (lambda n: [math.nan] * n, "returned nan for prompt .*completion"),
        (lambda n: [0.0] * (n - 1) + [math.inf], "returned inf for prompt"),
    ],
)
def test_wrong_rewards_are_refused(small_trainer, algorithm, returned, message):
    trainer = small_trainer(algorithm, reward=lambda completions, **c: returned(len(completions)))
    before = copy.deepcopy(trainer.policy.state_dict())
    with pytest.raises(ValueError, match=message):
        trainer.train(1)
    assert trainer.step == 0 and not trainer.history
    assert all(torch.equal(w, before[n]) for n, w in trainer.policy.state_dict().items())


def test_a_reward_function_that_raises_names_prompt_and_completion(small_trainer):
    def reward(completions, answer, **columns):
        if "999" in answer:
            raise KeyError("no such answer")
        return [0.0] * len(completions)

    records = [
        {"prompt": [{"role": "user", "content": f"{i}+{i}="}], "answer": str(i)} for i in range(4)
    ]
    records[2] = {"prompt": [{"role": "user", "content": "500+499="}], "answer": "999"}
    trainer = small_trainer(reward=reward, dataset=records)
    with pytest.raises(RuntimeError, match=r"failed on prompt .*500\+499=.*completion.*no such"):
        trainer.train(1)


def test_a_loss_that_turns_nan_stops_with_the_metrics_and_keeps_the_checkpoint(
    small_trainer, algorithm, tmp_path
):
    trainer = small_trainer(algorithm)
    trainer.train(1, tmp_path, save_every=1)
    weight = next(trainer.policy.parameters())
    original = trainer.compute_loss
    trainer.compute_loss = lambda batch: original(batch) * math.nan
    before = weight.detach().clone()
    trainer.reward = lambda completions, **columns: [float(i % 3) for i in range(len(completions))]
    with pytest.raises(TrainingDivergedError, match="not finite in step 2") as caught:
        trainer.train(1, tmp_path)
    assert caught.value.metrics["step"] == 2
    assert torch.equal(weight, before)
    assert Trainer.load(tmp_path).step == 1


# ------------------------------------------------------------------ stop and go on


def log_without_times(folder: Path) -> list[str]:
    rows = [
        json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    kept = [{k: v for k, v in row.items() if k not in TIMING_METRICS} for row in rows]
    return [json.dumps(row) for row in kept]


@pytest.mark.parametrize("options", [{}, {"kl_coef": 0.1}])
def test_load_goes_on_bit_for_bit(small_trainer, algorithm, tmp_path, options):
    undisturbed = small_trainer(algorithm, **options)
    undisturbed.train(4, tmp_path / "a")
    stopped = small_trainer(algorithm, **options)
    stopped.train(2, tmp_path / "b")
    stopped.save(tmp_path / "b")
    torch.manual_seed(12345)  # nothing may depend on what the process did in between
    resumed = Trainer.load(tmp_path / "b")
    assert type(resumed) is type(stopped)
    resumed.train(2, tmp_path / "b")
    assert log_without_times(tmp_path / "a") == log_without_times(tmp_path / "b")
    for role, model in undisturbed.models().items():
        other = resumed.models()[role].state_dict()
        assert all(torch.equal(w, other[n]) for n, w in model.state_dict().items()), role


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
def test_a_killed_run_goes_on_as_if_nothing_had_happened(algorithm, tmp_path):
    command = [sys.executable, "-m", "grpo_mini", "train", "--algorithm", algorithm,
               "--prompts-per-step", "16", "--max-new-tokens", "16", "--train-problems", "64",
               "--steps", "12", "--save-every", "3"]  # fmt: skip
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*command, "--folder", whole], check=True, **quiet)
    process = subprocess.Popen([*command, "--folder", killed], **quiet)
    deadline = time.monotonic() + 120
    while not (killed / "step-000003").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(log_without_times(killed)) < 12, "it was finished before it was killed"
    subprocess.run([*command, "--folder", killed, "--resume"], check=True, **quiet)
    assert log_without_times(killed) == log_without_times(whole)


@pytest.mark.parametrize(
    "file", ["state.pt", "policy/model.safetensors", "history.json", "manifest.json"]
)
@pytest.mark.parametrize("damage", ["cut short", "edited", "gone"])
def test_a_damaged_checkpoint_is_refused_and_the_one_before_still_loads(
    small_trainer, tmp_path, file, damage
):
    trainer = small_trainer()
    trainer.train(2, tmp_path, save_every=1)
    path = tmp_path / "step-000002" / file
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        path.write_bytes(content[:-1] if damage == "cut short" else flipped)
    with pytest.raises(CheckpointError, match="(missing|was cut short or edited).*step-000001"):
        Trainer.load(tmp_path)
    with pytest.raises(CheckpointError, match="there is no checkpoint|missing|was cut short or"):
        Trainer.load(tmp_path / "step-000002")
    assert Trainer.load(tmp_path / "step-000001").step == 1


def test_load_refuses_another_trainers_checkpoint(small_trainer, tmp_path):
    small_trainer("grpo").save(tmp_path)
    with pytest.raises(CheckpointError, match="written by GRPOTrainer, not by PPOTrainer"):
        PPOTrainer.load(tmp_path)
    assert isinstance(GRPOTrainer.load(tmp_path), GRPOTrainer)


def test_an_interrupted_training_goes_on(small_trainer):
    def reward(completions, answer, **columns):
        if trainer.step == 1:
            signal.raise_signal(signal.SIGINT)
        return chain_sum_reward(completions, answer, **columns)

    trainer = small_trainer(reward=reward)
    with pytest.raises(TrainingInterrupted, match="interrupted after step 2; train again"):
        trainer.train(5)
    assert trainer.step == 2, "the running step is finished, the next not begun"
    straight = small_trainer()
    straight.train(4)
    trainer.reward = chain_sum_reward
    trainer.train(2)
    for mine, other in zip(trainer.history, straight.history, strict=True):
        assert {k: v for k, v in mine.items() if k not in TIMING_METRICS} == {
            k: v for k, v in other.items() if k not in TIMING_METRICS
        }


def test_what_was_frozen_and_how_it_attends_stays_so(small_trainer, tmp_path):
    """A checkpoint goes on as the run began: frozen weights, dtype and attention."""
    model, tokenizer = load_policy(device="cpu", dtype=torch.bfloat16)
    model.set_attn_implementation("eager")
    frozen = [name for name, _ in model.named_parameters() if "layers.0." in name]
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in frozen)
    trainer = small_trainer(model=(model, tokenizer), reward=halves)
    trainer.train(2, tmp_path, save_every=1)
    again = Trainer.load(tmp_path, reward=halves)
    assert [n for n, p in again.policy.named_parameters() if not p.requires_grad] == frozen
    assert again.policy.dtype == torch.bfloat16
    assert again.policy.config._attn_implementation == "eager"
    trainer.train(1)
    again.train(1)
    for mine, its in zip(trainer.policy.parameters(), again.policy.parameters(), strict=True):
        assert torch.equal(mine, its)


def test_reference_and_critic_stay_as_the_policy_is(small_trainer, tmp_path):
    model, tokenizer = load_policy(device="cpu", dtype=torch.bfloat16)
    model.set_attn_implementation("eager")
    trainer = small_trainer("ppo", model=(model, tokenizer), reward=halves, kl_coef=0.1)
    trainer.train(2, tmp_path, save_every=1)
    again = Trainer.load(tmp_path, reward=halves)
    for each in (again.policy, again.reference, again.critic.backbone):
        assert each.dtype == torch.bfloat16
        assert each.config._attn_implementation == "eager"
    assert again.critic.head.weight.dtype == torch.bfloat16
    for each in (trainer, again):
        each.train(1)
    for role, mine in trainer.models().items():
        for one, other in zip(mine.parameters(), again.models()[role].parameters(), strict=True):
            assert torch.equal(one, other), role


def test_a_checkpoint_of_a_device_that_is_not_here_says_so(small_trainer, tmp_path):
    trainer = small_trainer(reward=halves, device=None)
    trainer.train(1, tmp_path, save_every=1)
    rewrite_manifest(tmp_path / "step-000001", device="xpu")
    with pytest.raises(CheckpointError, match="cannot go on here.*xpu"):
        Trainer.load(tmp_path, reward=halves)


def test_ppo_goes_on_without_the_folder_that_its_critic_came_from(small_trainer, tmp_path):
    first = small_trainer("ppo")
    origin = tmp_path / "critic"
    first.critic.save_pretrained(origin)
    trainer = small_trainer("ppo", reward=halves, critic_model_name=str(origin))
    trainer.train(2, tmp_path / "run", save_every=1)
    shutil.rmtree(origin)
    again = Trainer.load(tmp_path / "run", reward=halves)
    assert again.config.critic_model_name == str(origin)
    trainer.train(1)
    again.train(1)
    for mine, its in zip(trainer.critic.parameters(), again.critic.parameters(), strict=True):
        assert torch.equal(mine, its)


def test_gradients_that_a_broken_off_step_has_left_are_forgotten(small_trainer, algorithm):
    clean, dirty = (small_trainer(algorithm, reward=halves) for _ in range(2))
    for model in dirty.models().values():
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
    clean.train(1)
    dirty.train(1)
    for mine, its in zip(clean.policy.parameters(), dirty.policy.parameters(), strict=True):
        assert torch.equal(mine, its)


def test_no_step_begins_when_the_seconds_are_over(small_trainer):
    trainer = small_trainer(reward=halves)
    trainer.train(5, seconds=1e-6)
    assert trainer.step == 1, "the first began before they were over"
    trainer.train(5, seconds=1e-6)
    assert trainer.step == 1


def test_clip_fraction_is_a_share_of_all_tokens_silent_ones_included(small_trainer):
    trainer = small_trainer(grpo_epochs=2, learning_rate=0.01, max_new_tokens=40)
    rollout = trainer.generate_responses(trainer.next_prompts())
    batch, _ = trainer.compute_advantages(rollout, torch.tensor([1.0, 0, 0, 1] + [1.0] * 12))
    found = trainer.update(batch, 2)["clip_fraction"]
    tokens = rollout.mask_BT.sum().item()
    assert 0 < trainer._sums["tokens"] < 2 * tokens, "silent groups are left out of the passes"
    assert found == pytest.approx(trainer._sums["clipped"] / (2 * tokens)) and found > 0


def test_wilson_interval_against_known_figures():
    """8 of 10: 0.490 to 0.943, from the formula by hand."""
    low, high = wilson_interval(8, 10)
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    assert wilson_interval(0, 50)[0] == pytest.approx(0, abs=1e-12)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_memory_is_the_process_s_own_and_not_its_parents():
    ballast = torch.ones(200 * 2**20 // 4)  # 200 MB that the child must not be charged with
    code = "from grpo_mini.machine.device import *; print(peak_memory_mb(torch.device('cpu')))"
    peaks = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8"
        )
        peaks.append(float(done.stdout))
        ballast = None
    assert abs(peaks[0] - peaks[1]) < 50, ballast
