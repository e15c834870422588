"""Handing over to verl: the command's keys are verl's, and the reward pays what it pays here.

verl itself needs a GPU, Ray and vLLM, and is not installed here. Its keys and their defaults were
read out of its wheel; with GRPO_MINI_VERL_WHEEL set to that file they are read and compared again.
"""

import asyncio
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from grpo_mini.__main__ import main
from grpo_mini.experiments.handover import to_verl
from grpo_mini.rollout import sample
from grpo_mini.support.rewards import call_reward
from grpo_mini.tasks import TASKS
from tests.verl_defaults import defaults_in

datasets = pytest.importorskip("datasets")

SMALL = ["--train-problems", "64", "--device", "cpu", "--steps", "5", "--autocast"]
GRPO = [*SMALL, "--prompts-per-step", "8", "--group-size", "4", "--max-new-tokens", "24"]
ACCEPTED = ["--standardize-floor", "0", "--no-skip-equal-rewards"]
PPO = [*SMALL, "--algorithm", "ppo", "--prompts-per-step", "16", *ACCEPTED]
UNUSUAL = [
    *GRPO, "--temperature", "0.8", "--learning-rate", "1e-5", "--seed", "3", "--clip-low", "0.1",
    *("--clip-high", "0.28", "--kl-coef", "0.05", "--kl-estimator", "k2", "--entropy-coef", "0.01"),
    *("--grpo-epochs", "2", "--no-use-group-normalization", "--aggregation", "constant"),
    *("--max-grad-norm", "0.5", "--micro-batch-tokens", "100"),
    *("--chat-template-kwargs", '{"enable_thinking": false}'),
]  # fmt: skip
ACTOR, ROLLOUT = "actor_rollout_ref.actor", "actor_rollout_ref.rollout"
EXPECTED = {
    "algorithm.adv_estimator": "grpo", "data.train_batch_size": "8", f"{ROLLOUT}.n": "4",
    f"{ACTOR}.ppo_mini_batch_size": "8", f"{ACTOR}.ppo_epochs": "2", f"{ACTOR}.optim.lr": "1e-05",
    f"{ACTOR}.optim.weight_decay": "0.0", f"{ACTOR}.optim.clip_grad": "0.5",
    f"{ACTOR}.clip_ratio_low": "0.1", f"{ACTOR}.clip_ratio_high": "0.28",
    f"{ACTOR}.clip_ratio_c": "1000000000.0", f"{ACTOR}.entropy_coeff": "0.01",
    f"{ACTOR}.loss_agg_mode": "seq-mean-token-sum-norm", f"{ACTOR}.loss_scale_factor": "24",
    f"{ACTOR}.use_kl_loss": "true", f"{ACTOR}.kl_loss_coef": "0.05", f"{ACTOR}.kl_loss_type": "mse",
    "algorithm.use_kl_in_reward": "false", "algorithm.norm_adv_by_std_in_grpo": "false",
    f"{ROLLOUT}.temperature": "0.8", "data.max_response_length": "24", "data.seed": "3",
    f"{ROLLOUT}.seed": "3", f"{ROLLOUT}.name": "vllm", "actor_rollout_ref.model.path": "model",
    f"{ROLLOUT}.tensor_model_parallel_size": "1", "trainer.logger": "[console]",
    "trainer.total_training_steps": "5", "reward.custom_reward_function.path": "reward.py",
    "data.train_files": "data/train.parquet", "data.val_files": "data/test.parquet",
    "+data.apply_chat_template_kwargs.enable_thinking": "false",
    f"{ACTOR}.use_dynamic_bsz": "true", f"{ACTOR}.ppo_max_token_len_per_gpu": "100",
}  # fmt: skip


def hand_over(folder: Path, *options: str) -> Path:
    assert main(["handover", str(folder), "--to", "verl", *options]) == 0
    return folder


def command(folder: Path) -> dict[str, str]:
    """The keys of run.sh, as bash hands them to verl."""
    bin_ = folder.parent / "bin"
    bin_.mkdir(exist_ok=True)
    program = bin_ / "python3"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    environment = os.environ | {"PATH": f"{bin_}:{os.environ['PATH']}"}
    done = subprocess.run(
        [folder / "run.sh", "4"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    )
    first, module, *words = done.stdout.splitlines()
    assert (first, module) == ("-m", "verl.trainer.main_ppo")
    found = dict(word.replace(f"{folder}/", "").split("=", 1) for word in words)
    assert found.pop("trainer.n_gpus_per_node") == "4"
    return found


@pytest.fixture(scope="module", params=[UNUSUAL, PPO], ids=["grpo", "ppo"])
def folder(request, tmp_path_factory):
    return hand_over(tmp_path_factory.mktemp("verl") / "handover", *request.param)


def test_every_key_is_one_of_verls(folder):
    keys = {key for key in command(folder) if not key.startswith("+")}
    assert keys <= set(to_verl.DEFAULTS)
    assert len(keys) > 30


def test_the_keys_are_those_of_verls_wheel(folder):
    wheel = os.environ.get("GRPO_MINI_VERL_WHEEL")
    if wheel is None:
        pytest.skip("GRPO_MINI_VERL_WHEEL is not set: pip download --no-deps verl==0.9.1")
    every = defaults_in(Path(wheel))
    assert {key: every[key] for key in to_verl.DEFAULTS} == to_verl.DEFAULTS
    # A key that begins with a plus is new, under a parent that is there and empty.
    for key in command(folder):
        assert key.rpartition(".")[0].lstrip("+") in every if key.startswith("+") else key in every


def test_every_setting_of_grpo_arrives(tmp_path):
    found = command(hand_over(tmp_path / "x", *UNUSUAL))
    assert {key: found[key] for key in EXPECTED} == EXPECTED


def test_every_setting_of_ppo_arrives(tmp_path):
    options = ["--gamma", "0.99", "--lam", "0.95", "--critic-learning-rate", "1e-4",
               "--samples-per-prompt", "2", "--ppo-epochs", "3", "--aggregation", "sequence",
               "--kl-coef", "0.02", "--kl-in-reward"]  # fmt: skip
    found = command(hand_over(tmp_path / "x", *PPO, *options))
    expected = {
        "algorithm.adv_estimator": "gae", "algorithm.gamma": "0.99", "algorithm.lam": "0.95",
        "critic.optim.lr": "0.0001", "critic.optim.weight_decay": "0.0", f"{ROLLOUT}.n": "2",
        "critic.model.path": "model", "critic.cliprange_value": "1000000000.0",
        f"{ACTOR}.ppo_epochs": "3", f"{ACTOR}.loss_agg_mode": "seq-mean-token-mean",
        "algorithm.use_kl_in_reward": "true", "algorithm.kl_ctrl.kl_coef": "0.02",
        f"{ACTOR}.use_kl_loss": "false",
    }  # fmt: skip
    assert {key: found[key] for key in expected} == expected


def test_a_comment_stands_over_each_key_that_differs(folder):
    lines = (folder / "run.sh").read_text(encoding="utf-8").splitlines()
    comment: list[str] = []
    for line in lines[lines.index("options=(") + 1 : lines.index(")")]:
        if line.strip().startswith("# "):
            comment.append(line.strip().removeprefix("# "))
            continue
        (word,) = shlex.split(line)
        key, value = word.split("=", 1)
        known = to_verl.DEFAULTS.get(key)
        same = value == (known if isinstance(known, str) else json.dumps(known))
        assert same or f"verl's default: {json.dumps(known)}." in " ".join(comment) or (
            isinstance(known, int | float) and not isinstance(known, bool) and float(value) == known
        )  # fmt: skip
        comment = []


REFUSED = {
    "autocast": ["--no-autocast"],
    "relative_reward_weight": ["--relative-reward-weight", "0.5"],
    "baseline_reward_weight": ["--baseline-reward-weight", "0.1"],
    "standardize_advantages": ["--standardize-advantages"],
    "kl_in_reward": ["--kl-coef", "0.1", "--kl-in-reward"],
}
REFUSED_PPO = {
    "standardize_floor": ["--standardize-floor", "0.1"],
    "skip_equal_rewards": ["--skip-equal-rewards"],
    "standardize_advantages": ["--no-standardize-advantages"],
    "vf_coef": ["--vf-coef", "0.1"],
}


@pytest.mark.parametrize(
    ("base", "name", "options"),
    [(GRPO, *pair) for pair in REFUSED.items()] + [(PPO, *pair) for pair in REFUSED_PPO.items()],
)
def test_what_has_no_counterpart_is_refused_by_name(base, name, options, tmp_path, capsys):
    assert main(["handover", str(tmp_path / "x"), "--to", "verl", *base, *options]) == 2
    assert f"{name}=" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_the_data_have_verls_columns(folder):
    task = TASKS["chain-sums"]
    seed = json.loads((folder / "handover.json").read_text(encoding="utf-8"))["settings"]["seed"][
        "here"
    ]
    expected = {"train": task.dataset(64, seed), "test": task.dataset(500, 0, True)}
    for split, records in expected.items():
        path = str(folder / "data" / f"{split}.parquet")
        rows = datasets.load_dataset("parquet", data_files=path)["train"].to_list()
        columns = {"data_source", "prompt", "ability", "reward_model", "extra_info"}
        assert all(set(row) == columns for row in rows)
        assert [row["prompt"] for row in rows] == [record["prompt"] for record in records]
        truths = [json.loads(row["reward_model"]["ground_truth"]) for row in rows]
        assert truths == records


def load_reward(folder: Path, monkeypatch):
    """As verl does: by its path, from another folder."""
    import importlib.util

    monkeypatch.delitem(sys.modules, "own_reward", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec = importlib.util.spec_from_file_location("custom_module", folder / "reward.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delitem(sys.modules, "own_reward")
    return module


@pytest.mark.parametrize("task", TASKS)
def test_compute_score_pays_what_the_course_pays(task, tmp_path, monkeypatch, tiny):
    folder = hand_over(tmp_path / "x", *GRPO, "--task", task)
    assert "grpo_mini" not in re.sub(
        r"(?m)^\s*#.*$", "", (folder / "reward.py").read_text(encoding="utf-8")
    )
    module = load_reward(folder, monkeypatch)
    rows = datasets.load_dataset("parquet", data_files=str(folder / "data" / "train.parquet"))
    rows = rows["train"].to_list()[:16]
    records = [json.loads(row["reward_model"]["ground_truth"]) for row in rows]
    model, tokenizer = tiny
    rollout = sample(model, tokenizer, [record["prompt"] for record in records], 4, 24)
    assert rollout.truncated_B.any()
    asked = zip([row for row in rows for _ in range(4)], rollout.token_ids(), strict=True)
    paid = [
        module.compute_score(
            data_source=row["data_source"],
            solution_str=tokenizer.decode(ids, skip_special_tokens=True),  # as verl's manager
            ground_truth=row["reward_model"]["ground_truth"],
            extra_info=row["extra_info"],
        )
        for row, ids in asked
    ]
    expected = call_reward(TASKS[task].reward, records, rollout).tolist()
    assert paid == pytest.approx(expected)


OWN = """
async def first(completions, bonus, **columns):
    return [float(bonus[0]) if "7" in c[-1]["content"] else None for c in completions]


def second(completions, truncated, **columns):
    return [float(not cut) for cut in truncated]


reward = [first, second]
"""


def test_several_rewards_are_weighed_and_awaited(tmp_path, monkeypatch):
    mine, data = tmp_path / "mine.py", tmp_path / "mine.jsonl"
    mine.write_text(OWN, encoding="utf-8")
    record = {"prompt": [{"role": "user", "content": "7?"}], "bonus": 3}
    data.write_text(
        json.dumps(record) + "\n" + json.dumps(record | {"bonus": 4}) + "\n", encoding="utf-8"
    )
    options = ["--reward", str(mine), "--data", str(data), "--reward-weights", "2", "0.5"]
    folder = hand_over(tmp_path / "x", *GRPO, *options, "--prompts-per-step", "2")
    module = load_reward(folder, monkeypatch)
    assert inspect.iscoroutinefunction(module.compute_score)

    def score(text: str) -> float:
        return asyncio.run(module.compute_score("own_reward", text, json.dumps(record)))

    assert score("7") == 2 * 3 + 0.5
    assert score("1") == 0.5  # the first does not apply
    assert score("1" * 24) == 0  # as many tokens as there was room for: cut off


@pytest.mark.parametrize(
    ("reward", "record", "said"),
    [
        (None, {"prompt": "1+1=", "answer": "2"}, "needs chat messages"),
        ("def reward(completions, trainer_state, **c): return []\n", None, "trainer_state"),
    ],
)
def test_what_verl_cannot_do_is_refused(tmp_path, capsys, reward, record, said):
    options = []
    if reward:
        (tmp_path / "mine.py").write_text(reward, encoding="utf-8")
        options += ["--reward", str(tmp_path / "mine.py")]
    if record:
        (tmp_path / "mine.jsonl").write_text((json.dumps(record) + "\n") * 8, encoding="utf-8")
        options += ["--data", str(tmp_path / "mine.jsonl")]
    assert main(["handover", str(tmp_path / "x"), "--to", "verl", *GRPO, *options]) == 2
    assert said in capsys.readouterr().err


def test_without_the_package_datasets_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert main(["handover", str(tmp_path / "x"), "--to", "verl", *GRPO]) == 2
    assert "pip install datasets" in capsys.readouterr().err


def test_the_memory_of_ppo_counts_its_critic(tmp_path):
    def one_gpu(*options: str) -> float:
        folder = hand_over(tmp_path / str(len(options)), *options, "--model", "Qwen/Qwen2.5-0.5B")
        text = (folder / "README.md").read_text(encoding="utf-8")
        return float(re.search(r"\| 1 \| (\d+\.\d\d) ", text)[1])

    same = ["--prompts-per-step", "16", "--max-new-tokens", "24"]
    ppo = one_gpu(*PPO, *same)
    grpo = one_gpu(*SMALL, *same, "--group-size", "2")
    assert ppo - grpo > 16 * 0.49
