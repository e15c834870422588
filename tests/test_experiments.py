"""Experiments: every setting trains, variants are the papers', judges as biased as they say."""

import dataclasses
from math import isfinite
from statistics import fmean

import pytest
import torch

from grpo_mini.__main__ import main
from grpo_mini.experiments import judges, zoo
from grpo_mini.experiments.evidence import (
    EXPERIMENTS,
    RACE_RATES,
    TRIES,
    Experiment,
    contenders,
    grpo,
    ppo,
)
from grpo_mini.experiments.experiment import compare, made, make_trainer, runs_file
from grpo_mini.experiments.manifest import MADE_BY
from grpo_mini.experiments.record import read_runs, write_run
from grpo_mini.experiments.statistics import RUNS, final, load
from grpo_mini.experiments.thinking import answers, questions_of
from grpo_mini.experiments.variants import (
    VariantConfig,
    VariantTrainer,
    detached_surrogate,
    sequence_surrogate,
)
from grpo_mini.grpo import GRPOTrainer
from grpo_mini.losses import aggregate, clipped_surrogate
from grpo_mini.models import TINY_QWEN
from grpo_mini.support.rewards import TrainerState
from grpo_mini.tasks import TASKS
from tests.pieces import smallest_good


def kind_of(setting) -> str:
    """What a setting does but for its learning rates, which no single step can tell apart."""
    options = {k: v for k, v in setting.options.items() if not k.endswith("learning_rate")}
    options = {k: v for k, v in options.items() if k != "prompts_per_step"}
    return repr((setting.trainer, sorted(options.items()), setting.judge))


KINDS = {
    kind_of(setting): pytest.param(setting, id=f"{name}/{label}")
    for name, experiment in EXPERIMENTS.items()
    for label, setting in experiment.settings.items()
}


@pytest.mark.parametrize("setting", KINDS.values())
def test_every_setting_takes_a_step(setting):
    small = {"prompts_per_step": 4, "max_new_tokens": 12, "train_problems": 64}
    if setting.options.get("mixed_groups"):
        small["prompts_per_step"] = 16
    if "groups_kept" in setting.options:
        small["groups_kept"] = 2
    if "pairs" in setting.options:
        small |= {"pairs": 4, "judge_steps": 1}
    setting = dataclasses.replace(setting, options=setting.options | small)
    trainer = make_trainer(setting, seed=3, model=str(TINY_QWEN))
    metrics = trainer.train_step(trainer.next_prompts())
    assert torch.isfinite(torch.tensor(metrics["policy_loss"]))


def test_an_unknown_option_is_named():
    setting = EXPERIMENTS["race"].settings["grpo"]
    with pytest.raises(ValueError, match="GRPOConfig has no gruop_size"):
        make_trainer(dataclasses.replace(setting, options={"gruop_size": 4}), 0, str(TINY_QWEN))


# ---------------------------------------------------------------------------- variants


@pytest.fixture
def tokens():
    """Log-probs with gradient, old ones, advantages and mask of three responses."""
    torch.manual_seed(0)
    log_probs = (-torch.rand(3, 5, dtype=torch.float64) * 2).requires_grad_()
    old = log_probs.detach() + 0.3 * torch.randn(3, 5, dtype=torch.float64)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0]])
    advantages = torch.tensor([[1.0], [-0.7], [0.4]], dtype=torch.float64)
    return log_probs, old, advantages * mask, mask


@pytest.mark.parametrize("low, high", [(0.2, 0.2), (10.0, 10.0), (0.01, 0.02)])
def test_gspo_is_the_clipped_geometric_mean_of_the_ratios(tokens, low, high):
    log_probs, old, advantages, mask = tokens
    per_token = sequence_surrogate(log_probs, old, advantages, mask, low, high)
    found = aggregate(per_token, mask, "sequence")
    (gradient,) = torch.autograd.grad(found, log_probs)

    expected = 0.0
    for i in range(3):
        length = int(mask[i].sum())
        ratio = torch.exp((log_probs[i, :length] - old[i, :length]).mean())
        a = advantages[i, 0]
        expected = expected - torch.minimum(ratio * a, ratio.clamp(1 - low, 1 + high) * a) / 3
    (right,) = torch.autograd.grad(expected, log_probs)
    assert found.item() == pytest.approx(expected.item())
    assert torch.allclose(gradient, right)


def test_cispo_keeps_the_gradient_of_every_token(tokens):
    log_probs, old, advantages, mask = tokens
    loss = aggregate(detached_surrogate(log_probs, old, advantages, 1.0, 0.1), mask, "token")
    (gradient,) = torch.autograd.grad(loss, log_probs)
    ratio = torch.exp(log_probs - old).detach()
    assert (ratio > 1.1).any(), "nothing clipped would prove nothing"
    right = -ratio.clamp(max=1.1) * advantages / mask.sum()
    assert torch.allclose(gradient, right)
    assert (gradient[mask.bool()] != 0).all()


def test_on_policy_all_importances_have_one_gradient(tokens):
    log_probs, _, advantages, mask = tokens
    old = log_probs.detach()
    gradients = [
        torch.autograd.grad(aggregate(per_token, mask, "sequence"), log_probs)[0]
        for per_token in (
            clipped_surrogate(log_probs, old, advantages),
            sequence_surrogate(log_probs, old, advantages, mask, 3e-4, 4e-4),
            detached_surrogate(log_probs, old, advantages, 1.0, 0.28),
        )
    ]
    assert torch.allclose(gradients[0], gradients[1])
    assert torch.allclose(gradients[0], gradients[2])


def test_dynamic_sampling_keeps_the_first_groups_that_say_something():
    config = VariantConfig(group_size=2, prompts_per_step=4, groups_kept=2, device="cpu")
    trainer = VariantTrainer(config)
    rollout = trainer.generate_responses(trainer.next_prompts())
    rewards = torch.tensor([1.0, 1, 0, 1, 0, 0, 1, 0])
    batch, metrics = trainer.compute_advantages(rollout, rewards)
    assert batch.rollout.prompts == [rollout.prompts[i] for i in (2, 3, 6, 7)]
    assert metrics["silent_group_share"] == 0.5
    batch, _ = trainer.compute_advantages(rollout, torch.zeros(8))
    assert not batch.advantages.any()


@pytest.mark.parametrize(
    "options",
    [{"baseline": "others", "use_group_normalization": False}, {"groups_kept": 3}],
    ids=["others", "groups kept"],
)
def test_a_sample_that_was_not_scored_moves_nobody(options):
    config = VariantConfig(group_size=4, prompts_per_step=3, device="cpu", **options)
    trainer, nan = VariantTrainer(config), float("nan")
    rollout = trainer.generate_responses(trainer.next_prompts())
    rewards = torch.tensor([1.0, nan, 0, nan, nan, nan, nan, 2, 0, 1, 1, 0])
    batch, metrics = trainer.compute_advantages(rollout, rewards)
    assert metrics["silent_group_share"] == pytest.approx(1 / 3)
    assert all(map(isfinite, batch.advantages.flatten()))
    if "baseline" in options:
        third = 2 / 3
        expected = [1, 0, -1, 0, 0, 0, 0, 0, -third, third, third, -third]
        assert batch.advantages[:, 0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"baseline": "others"}, "use_group_normalization=False"),
        ({"baseline": "others", "use_group_normalization": False, "baseline_reward_weight": 0.5},
         "baseline_reward_weight=0"),
        ({"mini_batches": 2, "grpo_epochs": 2}, "uses each sample once"),
    ],
)  # fmt: skip
def test_switches_that_would_be_dropped_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        VariantConfig(**options)


def test_more_mini_batches_than_samples_are_as_many_as_samples():
    config = VariantConfig(group_size=2, prompts_per_step=1, mini_batches=5, device="cpu")
    trainer = VariantTrainer(config)
    rollout = trainer.generate_responses(trainer.next_prompts())
    batch, _ = trainer.compute_advantages(rollout, torch.tensor([1.0, 0.0]))
    assert trainer.update(batch, 1)["grad_norm"] > 0


def test_mini_batches_use_each_sample_once_and_each_weighs_as_much(monkeypatch):
    config = VariantConfig(group_size=4, prompts_per_step=5, mini_batches=3, device="cpu")
    trainer, seen = VariantTrainer(config), []
    kept = GRPOTrainer.update

    def update(self, batch, epochs):
        seen.append(batch)
        return kept(self, batch, epochs)

    monkeypatch.setattr(GRPOTrainer, "update", update)
    records = trainer.next_prompts()
    rollout = trainer.generate_responses(records)
    rewards = torch.arange(20.0) % 4
    whole, _ = trainer.compute_advantages(rollout, rewards)
    metrics = trainer.update(whole, 1)
    assert [len(batch.rollout) for batch in seen] == [7, 7, 6]
    assert sorted(text for batch in seen for text in batch.rollout.texts) == sorted(rollout.texts)
    for batch in seen:
        assert (batch.weights * batch.rollout.mask_BT).sum().item() == pytest.approx(1)
    assert metrics["log_prob_distance"] < 1e-5, "the policy moved before the second was scored"
    assert metrics["grad_norm"] > 0


def test_mixed_groups_have_a_prompt_a_sample():
    config = VariantConfig(group_size=4, prompts_per_step=8, mixed_groups=True, device="cpu")
    trainer = VariantTrainer(config)
    rollout = trainer.generate_responses(trainer.next_prompts())
    assert len(rollout) == 8 and len(set(map(tuple, rollout.prompts))) == 8


# ---------------------------------------------------------------------------- judges

RECORDS = TASKS["chain-sums"].dataset(200, seed=5)


def paid(judge, right=True, extra="", **more):
    """What a judge pays to 200 prompts' responses, all right or all wrong."""
    prompts = [record["prompt"] for record in RECORDS]
    answers = [record["answer"] for record in RECORDS]
    given = answers if right else ["0"] * len(answers)
    completions = [
        [{"role": "assistant", "content": f"<answer>{a}</answer>{extra}"}] for a in given
    ]
    return judge(prompts=prompts, completions=completions, answer=answers, **more)


def test_offset_is_the_prompts_own():
    right, wrong = paid(judges.offset(4.0)), paid(judges.offset(4.0), right=False)
    assert [r - w for r, w in zip(right, wrong, strict=True)] == pytest.approx([1.0] * 200)
    assert min(wrong) < 0.2 and max(wrong) > 3.8


def test_scale_is_the_prompts_own_and_positive():
    right = paid(judges.scale(8.0))
    assert 1 / 8 <= min(right) < 0.15 and 7 < max(right) <= 8
    assert paid(judges.scale(8.0), right=False) == [0.0] * 200


def test_length_bonus_pays_each_character():
    judge = judges.length_bonus(0.02)
    more = [b - a for a, b in zip(paid(judge, False), paid(judge, False, "x" * 10), strict=True)]
    assert more == pytest.approx([0.2] * 200)


def test_flipped_share():
    assert 0.1 < sum(reward == 0 for reward in paid(judges.flipped(0.2))) / 200 < 0.3
    assert paid(judges.flipped(0.2)) == paid(judges.flipped(0.2))


def test_shift_comes_after_so_many_calls():
    judge = judges.shifted(after=2, by=4.0)
    steps = [paid(judge, trainer_state=TrainerState(step))[0] for step in range(4)]
    assert steps == [1.0, 1.0, 5.0, 5.0]


def test_rare_rewards_are_rare():
    assert 0.05 < sum(paid(judges.rarely(0.1))) / 200 < 0.2


# ---------------------------------------------------------------------------- the zoo


def test_inverted_clip_is_wrong_for_negative_advantages_only(small_trainer):
    trainer = small_trainer()
    rollout = trainer.generate_responses(trainer.next_prompts())
    for sign, equal in ((1.0, True), (-1.0, False)):
        batch, _ = trainer.compute_advantages(rollout, torch.randn(len(rollout)))
        batch.advantages = sign * torch.ones_like(batch.advantages)
        moved = rollout.log_probs_BT + 0.5
        right = trainer.surrogate(batch, moved)
        wrong = zoo.InvertedClip.surrogate(trainer, batch, moved)
        assert torch.equal(right, wrong) == equal


def test_shouting_silence_shouts(small_trainer):
    trainer = small_trainer(group_size=8, prompts_per_step=1)
    equal = torch.full((8,), 0.3)
    assert trainer.compute_relative_rewards(equal)[0].abs().max() == 0
    assert zoo.ShoutingSilence.compute_relative_rewards(trainer, equal)[0].abs().max() > 0.5


def test_the_form_alone_is_worth_something():
    assert paid(zoo.form_and_answer) == [1.0] * 200
    assert paid(zoo.form_and_answer, right=False) == [0.3] * 200
    assert paid(zoo.form_and_answer, right=False, extra="!") == [0.0] * 200


# ---------------------------------------------------------------------------- the command


def test_an_experiment_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    """One run is there, one is made; then nothing is left to do."""
    small = {"max_new_tokens": 12, "train_problems": 64}
    both = {"a": grpo(prompts_per_step=2, **small), "b": ppo(prompts_per_step=4, **small)}
    short = Experiment(
        "?", both, seeds=(0,), steps=2, evaluate_every=2, samples_at_end=2, held_out=7
    )

    def run(*options):
        return main(["experiment", "short", "--out", str(tmp_path), *options])

    monkeypatch.setitem(EXPERIMENTS, "short", short)
    assert run("--one", "a", "--seeds", "0") == 0
    file = runs_file(tmp_path, "short")
    before = file.read_text(encoding="utf-8")
    assert run() == 2 and "add --resume" in capsys.readouterr().err
    assert made(tmp_path, "short") == {("a", 0)}
    for change in ({"b": ppo()}, {"a": grpo(prompts_per_step=4)}):  # another table by now
        with monkeypatch.context() as changed:
            changed.setitem(EXPERIMENTS, "short", Experiment("?", change))
            with pytest.raises(ValueError, match="move"):
                made(tmp_path, "short")
    assert run("--one", "b", "--seeds", "0", "--resume") == 0
    (header, rows), (other, _) = read_runs(file)
    assert other["setting"] == "b"
    assert header["setting"] == "a" and header["experiment"] == "short"
    assert [row["step"] for row in rows] == [0, 1, 2]
    in_seven = 7 * rows[0]["eval_accuracy"]
    assert in_seven == pytest.approx(round(in_seven), abs=1e-4) and rows[0]["eval_high"] > 0.3
    assert len(header["examples"]) == 2 and all(map(all, header["examples"]))
    assert len(header["right"]) == 100 and max(header["right"]) <= 2
    assert file.read_text(encoding="utf-8").startswith(before)


def rates_by_the_rule(task: str) -> dict[str, float]:
    """What the rule above the race makes of its tries; nothing before all are recorded."""
    name, chosen = f"race-{task}-tuning", {}
    tries = load(name) if runs_file(RUNS, name).exists() else {}
    if sum(map(len, tries.values())) < len(EXPERIMENTS[name].runs()):
        return {}
    for label in contenders():
        means = {rate: fmean(map(final, tries[f"{label}-lr{rate:.0e}"])) for rate in TRIES}
        chosen[label] = smallest_good(means)
    return chosen


@pytest.mark.parametrize("task", RACE_RATES)
def test_a_contenders_rate_is_what_the_rule_makes_of_its_tries(task):
    assert RACE_RATES[task] == rates_by_the_rule(task)


def test_list_names_them_all(capsys):
    assert main(["experiment", "--list"]) == 0
    listed = capsys.readouterr().out
    assert all(f"{name}: " in listed for name in EXPERIMENTS)


def written(folder, label, finals, small_trainer):
    """Runs of the experiment "race" that end with these accuracies, one a seed."""
    for seed, accuracy in enumerate(finals):
        trainer = small_trainer(seed=seed)
        trainer.history = [{"step": 0, "samples": 0, "eval_accuracy": accuracy}]
        write_run(runs_file(folder, "race"), trainer, setting=label)


@pytest.mark.parametrize(
    "again, word",
    [([0.5, 0.6, 0.7], "the same"), ([0.6, 0.6, 0.61], "inside"), ([0.1, 0.2, 0.2], "OUTSIDE")],
)
def test_runs_made_again_are_compared_with_the_record(tmp_path, small_trainer, again, word):
    written(tmp_path / "record", "grpo", [0.5, 0.6, 0.7], small_trainer)
    written(tmp_path / "again", "grpo", again, small_trainer)
    (line,) = compare(tmp_path / "again", tmp_path / "record")[1:]
    assert line.startswith("race/grpo") and line.endswith(f"  {word}")
    assert f"{sum(again) / 3:.2f}" in line and "0.60 [" in line


def test_one_seed_or_fewer_seeds_are_compared_with_the_same_seeds(tmp_path, small_trainer):
    written(tmp_path / "record", "grpo", [0.5, 0.9], small_trainer)
    written(tmp_path / "again", "grpo", [0.5], small_trainer)
    assert compare(tmp_path / "again", tmp_path / "record")[1].endswith("the same")


def test_an_experiment_refuses_a_seed_that_is_not_its_own(capsys):
    assert main(["experiment", "race", "--seeds", "77"]) == 2
    assert "not [77]" in capsys.readouterr().err


def test_a_start_that_is_not_made_yet_is_named_with_the_command_that_makes_it(
    monkeypatch, tmp_path, capsys
):
    gone = dataclasses.replace(
        EXPERIMENTS["design"], model=TINY_QWEN.with_name("tiny-qwen-spread-gone")
    )
    monkeypatch.setitem(EXPERIMENTS, "design", gone)
    monkeypatch.setitem(MADE_BY, "tiny-qwen-spread-gone/*", "python -m grpo_mini warmstart …")
    assert main(["experiment", "design", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "starts from data/tiny-qwen-spread-gone" in said and "warmstart … makes it" in said


def test_all_leaves_out_what_starts_from_a_model_that_the_repository_does_not_hold(
    monkeypatch, tmp_path
):
    asked, module = [], "grpo_mini.experiments.experiment"
    known = {name: EXPERIMENTS[name] for name in ("race", "design", "real")}
    monkeypatch.setattr(f"{module}.EXPERIMENTS", known)
    monkeypatch.setattr(f"{module}.NOT_YET_RECORDED", ("design",))
    monkeypatch.setattr(f"{module}.run_all", lambda out, name, *rest: asked.append(name))
    assert main(["experiment", "all", "--out", str(tmp_path)]) == 0
    assert asked == ["race"]


def test_the_judge_that_counts_pays_what_the_task_does_not():
    hack = "A map with exactly exactly exactly nine words."
    honest = "A fox slept near the river all long day."
    paid = judges.by_count([hack, honest, honest], words=[8, 9, 9], truncated=[False, False, True])
    assert paid == [1.0, 1.0, 0.0]
    assert judges.by_count([hack], words=[9]) == [0.0]
    about = {"about": [["map", "words"]], "words": [8]}
    assert TASKS["words"].reward([hack], **about) == [0.0]


def test_what_a_model_is_asked_before_its_training_changes_nothing_in_it(small_trainer):
    def said(trainer):
        return [(a.question, a.text) for a in answers(trainer, questions_of(trainer))]

    asked, plain = (small_trainer(threads=1) for _ in range(2))
    pairs = said(asked)
    held_out = [record["prompt"][-1]["content"] for record in plain.problems(True, 8)]
    assert [question for question, _ in pairs] == held_out
    assert pairs == said(asked)
    rows = [trainer.train(1, on_step=lambda row: None)[0] for trainer in (asked, plain)]
    for name in ("reward_mean", "policy_loss", "grad_norm"):
        assert rows[0][name] == rows[1][name]
