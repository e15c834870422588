"""Handing over to TRL: its parser reads the settings, its trainer computes what ours does, and it
trains from the folder in two processes."""

import ast
import importlib
import inspect
import json
import os
import random
import re
import stat
import subprocess
import sys
from dataclasses import MISSING, fields
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import pytest
import torch
import yaml

from grpo_mini import load_policy
from grpo_mini.__main__ import main
from grpo_mini.advantages import compute_relative_rewards
from grpo_mini.experiments.handover import compare, to_trl, to_verl
from grpo_mini.experiments.handover.standalone import standalone
from grpo_mini.experiments.handover.start import gathered
from grpo_mini.experiments.statistics import RUNS
from grpo_mini.grpo import GRPOConfig, GRPOTrainer
from grpo_mini.models import TINY_QWEN, decode, end_token_ids
from grpo_mini.ppo import PPOConfig
from grpo_mini.rollout import Rollout, sample, score
from grpo_mini.support.rewards import call_reward
from grpo_mini.tasks import TASKS
from grpo_mini.trainer import Batch
from tests.test_trl_parity import gradients

trl = pytest.importorskip("trl")

ROOT = Path(__file__).parent.parent
SMALL = ["--prompts-per-step", "4", "--group-size", "4", "--train-problems", "64",
         "--device", "cpu", "--steps", "2", "--max-new-tokens", "16"]  # fmt: skip
# Every setting that has a counterpart in TRL, none at its default here or there.
UNUSUAL = [
    *("--prompts-per-step", "6", "--group-size", "4", "--train-problems", "96", "--steps", "5"),
    *("--max-new-tokens", "24", "--temperature", "0.8", "--learning-rate", "1e-5", "--seed", "3"),
    *("--max-grad-norm", "0.5", "--clip-low", "0.1", "--clip-high", "0.28", "--kl-coef", "0.05"),
    *("--entropy-coef", "0.01", "--grpo-epochs", "2", "--no-use-group-normalization"),
    *("--micro-batch-tokens", "100", "--autocast", "--instructions", "--examples", "2"),
    *("--reward-weights", "2"),
    *("--chat-template-kwargs", '{"enable_thinking": false}'),
]
EXPECTED = {
    "model_name_or_path": "model", "dtype": "float32", "dataset_name": "data", "seed": 3,
    "reward_funcs": ["reward.chain_sum_reward"], "reward_weights": [2.0], "output_dir": "out",
    "chat_template_kwargs": {"enable_thinking": False}, "max_steps": 10, "num_iterations": 2,
    "per_device_train_batch_size": 4, "gradient_accumulation_steps": 6, "num_generations": 4,
    "max_completion_length": 24, "temperature": 0.8, "scale_rewards": "none", "loss_type": "dapo",
    "epsilon": 0.1, "epsilon_high": 0.28, "beta": 0.05, "use_bias_correction_kl": False,
    "entropy_coef": 0.01, "disable_dropout": True, "learning_rate": 1e-5, "max_grad_norm": 0.5,
    "lr_scheduler_type": "constant", "bf16": True, "gradient_checkpointing": False,
    "logging_steps": 1,
}  # fmt: skip


def hand_over(folder: Path, *options: str, to: str = "trl") -> Path:
    assert main(["handover", str(folder), "--to", to, *options]) == 0
    return folder


def parsed(folder: Path, *options: str) -> dict:
    """What TRL's own parser makes of grpo.yaml; a field that it does not know is an error."""
    from trl.scripts.grpo import make_parser

    words = ["--config", str(folder / "grpo.yaml"), "--use_cpu", "true", *options]
    found = {}
    for part in make_parser().parse_args_and_config(words, fail_with_unknown_args=True):
        found |= {"" if f.name == "config" else f.name: getattr(part, f.name) for f in fields(part)}
        if isinstance(part, trl.GRPOConfig):
            found["args"] = part
    return found


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return hand_over(tmp_path_factory.mktemp("small") / "handover", *SMALL)


@pytest.fixture(scope="module")
def unusual(tmp_path_factory):
    return hand_over(tmp_path_factory.mktemp("unusual") / "handover", *UNUSUAL)


@pytest.fixture
def of_the_folder(monkeypatch):
    """Import the modules of a folder, as an engine does that is started there."""

    def load(folder: Path):
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(str(folder))
        for name in ("reward", "own_reward"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module("reward")

    yield load
    for name in ("reward", "own_reward"):
        sys.modules.pop(name, None)


# ------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("engine", "config"),
    [(to_trl, GRPOConfig), (to_verl, GRPOConfig), (to_verl, PPOConfig)],
)
def test_every_field_has_one_setting(engine, config):
    config = config(train_problems=256)
    found = [s.name for s in engine.settings(gathered(config, 1))]
    assert sorted(found) == sorted(field.name for field in fields(config))


def test_trls_parser_reads_every_field(unusual):
    found = parsed(unusual)
    written = yaml.safe_load((unusual / "grpo.yaml").read_text(encoding="utf-8"))
    assert set(to_trl.DEFAULTS) == set(EXPECTED)
    assert written == EXPECTED
    assert {name: found[name] for name in EXPECTED} == EXPECTED
    # A step here is a generation there: 6 prompts x 4 responses, each used twice.
    args = found["args"]
    assert args.generation_batch_size == 6 * 4
    assert args.generation_batch_size // args.num_generations == 6
    # Adam without weight decay, as here.
    assert (args.optim, args.weight_decay, args.adam_epsilon) == ("adamw_torch_fused", 0, 1e-8)
    assert (args.adam_beta1, args.adam_beta2, args.warmup_steps) == (0.9, 0.999, 0)
    assert not args.mask_truncated_completions
    assert (args.top_p, args.top_k, args.min_p, args.repetition_penalty) == (1, 0, None, 1)


def test_trl_reads_the_lines_for_lora_that_notebook_10_adds(small, tmp_path):
    notebook = json.loads((ROOT / "notebooks/10_scaling_up.ipynb").read_text(encoding="utf-8"))
    (cell,) = (c for c in notebook["cells"] if "".join(c["source"]).startswith("LORA = "))
    lines = re.search('LORA = """(.*?)"""', "".join(cell["source"]), re.DOTALL)[1]
    text = (small / "grpo.yaml").read_text(encoding="utf-8") + lines
    (tmp_path / "grpo.yaml").write_text(text, encoding="utf-8")
    before, after = parsed(small), parsed(tmp_path)
    wanted = {"use_peft": True, "lora_r": 16, "lora_alpha": 32, "lora_target_modules": "all-linear"}
    assert {name: after[name] for name in wanted} == wanted
    assert not before["use_peft"] and before["max_steps"] == after["max_steps"]


def test_the_defaults_in_the_comments_are_the_installed_trls():
    from trl.scripts.grpo import GRPOScriptArguments

    assert to_trl.ENGINE == f"TRL {trl.__version__}"
    there = {}
    for part in (GRPOScriptArguments, trl.ModelConfig, trl.GRPOConfig):
        there |= {f.name: None if f.default is MISSING else f.default for f in fields(part)}
    there["bf16"] = True  # None there, which __post_init__ makes True
    assert trl.GRPOConfig("x", use_cpu=True).bf16
    assert {name: there[name] for name in to_trl.DEFAULTS} == to_trl.DEFAULTS


def test_a_comment_stands_over_each_field_that_differs(unusual):
    text = (unusual / "grpo.yaml").read_text(encoding="utf-8")
    settings = json.loads((unusual / "handover.json").read_text(encoding="utf-8"))["settings"]
    whys = {field: s["why"] for s in settings.values() for field in s["there"]}
    for block in text.strip().split("\n\n")[1:]:
        *comment, line = block.splitlines()
        field, value = line.split(": ", 1)
        said = " ".join(word.removeprefix("# ") for word in comment)
        if json.loads(value) != to_trl.DEFAULTS[field]:
            assert f"TRL's default: {to_trl.DEFAULTS[field]}." in said
        assert whys.get(field, "") in said


def test_handover_json_says_what_became_of_each_setting(unusual):
    told = json.loads((unusual / "handover.json").read_text(encoding="utf-8"))
    settings = told["settings"]
    assert set(settings) == {field.name for field in fields(GRPOConfig)}
    assert {s["status"] for s in settings.values()} == {"mapped", "default", "refused"}
    assert all(s["why"] for s in settings.values() if s["status"] != "mapped")
    assert all(s["there"] for s in settings.values() if s["status"] == "mapped")
    assert settings["relative_reward_weight"]["status"] == "refused"
    assert settings["clip_high"] == {
        "here": 0.28, "status": "mapped", "there": {"epsilon_high": 0.28}, "why": "",
    }  # fmt: skip
    assert {"command", "commit", "versions"} <= set(told)


REFUSED = {
    "relative_reward_weight": ["--relative-reward-weight", "0.5"],
    "baseline_reward_weight": ["--baseline-reward-weight", "0.1"],
    "standardize_advantages": ["--standardize-advantages"],
    "kl_estimator": ["--kl-coef", "0.1", "--kl-estimator", "k1"],
    "kl_estimator ": ["--kl-coef", "0.1", "--kl-estimator", "k2", "--grpo-epochs", "2"],
    "kl_in_reward": ["--kl-coef", "0.1", "--kl-in-reward"],
    "entropy_coef": ["--entropy-coef", "0.1", "--aggregation", "sequence"],
    "PPOTrainer": ["--algorithm", "ppo"],
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_counterpart_is_refused_by_name(name, tmp_path, capsys):
    options = [*REFUSED[name], "--train-problems", "256"]
    assert main(["handover", str(tmp_path / "x"), "--to", "trl", *options]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and name.strip() in said and said.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_a_reward_that_counts_steps_is_refused_where_trl_counts_others(tmp_path, capsys):
    source = "def reward(completions, trainer_state, **columns): return [0.0] * len(completions)\n"
    (tmp_path / "mine.py").write_text(source, encoding="utf-8")
    options = ["--to", "trl", "--reward", str(tmp_path / "mine.py"), "--train-problems", "64"]
    assert main(["handover", str(tmp_path / "x"), *options, "--grpo-epochs", "2"]) == 2
    assert "global_step counts batches here" in capsys.readouterr().err
    assert main(["handover", str(tmp_path / "x"), *options]) == 0


def test_several_refusals_are_told_together(tmp_path, capsys):
    options = [*REFUSED["kl_in_reward"], *REFUSED["standardize_advantages"]]
    main(["handover", str(tmp_path / "x"), "--to", "trl", "--train-problems", "64", *options])
    said = capsys.readouterr().err
    assert "kl_in_reward=True (" in said and "standardize_advantages=True (" in said


def test_k2_is_trls_bias_corrected_kl(tmp_path):
    folder = hand_over(tmp_path / "x", *SMALL, "--kl-coef", "0.1", "--kl-estimator", "k2")
    assert parsed(folder)["use_bias_correction_kl"] is True


# ----------------------------------------------------------- the same numbers, on one batch


@torch.no_grad()
def moved(size: float, *models) -> None:
    """Change models alike: away from the reference, or from the policy that has sampled."""
    for model in models:
        generator = torch.Generator().manual_seed(round(1e6 * size))
        for parameter in model.parameters():
            parameter += size * torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--grpo-epochs", "2", "--clip-high", "0.28", "--kl-coef", "0.1", "--aggregation",
         "sequence", "--temperature", "0.9"],
        ["--grpo-epochs", "2", "--no-use-group-normalization", "--aggregation", "constant"],
        ["--kl-coef", "0.1", "--kl-estimator", "k2"],
        ["--entropy-coef", "0.05"],
    ],
    ids=["defaults", "sequence, clip, k3", "constant, no std", "k2", "entropy"],
)  # fmt: skip
def test_one_batch_gives_the_same_advantages_loss_and_gradient(tmp_path, of_the_folder, options):
    """TRL samples from the folder, as run.sh would; ours then gets the same tokens."""
    from datasets import load_dataset

    folder = hand_over(tmp_path / "x", *SMALL, "--max-new-tokens", "40", *options)
    module = of_the_folder(folder)
    whole = ["--per_device_train_batch_size", "16", "--gradient_accumulation_steps", "1"]
    found = parsed(folder, "--output_dir", str(tmp_path / "out"), *whole)
    args = found["args"]
    args.model_init_kwargs = {"dtype": found["dtype"]}
    theirs = trl.GRPOTrainer(
        model="model",
        reward_funcs=[getattr(module, found["reward_funcs"][0].removeprefix("reward."))],
        args=args,
        train_dataset=load_dataset("data")["train"],
    )
    settings = json.loads((folder / "handover.json").read_text(encoding="utf-8"))["settings"]
    config = GRPOConfig(**{name: s["here"] for name, s in settings.items()})
    trainer = GRPOTrainer(config)
    moved(0.003, theirs.model, trainer.policy)
    theirs.model.train()
    theirs.current_gradient_accumulation_steps = 1
    rows = next(iter(theirs.get_train_dataloader()))
    batch = theirs._generate_and_score_completions(rows)

    ends = end_token_ids(trainer.policy, trainer.tokenizer)
    mask, tokens = batch["completion_mask"], batch["completion_ids"]
    said = [ids[kept == 1].tolist() for ids, kept in zip(tokens, mask, strict=True)]
    prompts = [ids[kept == 1].tolist() for ids, kept in
               zip(batch["prompt_ids"], batch["prompt_mask"], strict=True)]  # fmt: skip
    texts = [ids[:-1] if ids[-1] in ends else ids for ids in said]
    truncated = torch.tensor([ids[-1] not in ends for ids in said])
    nothing = torch.zeros(tokens.shape)
    rollout = Rollout(prompts, tokens, mask, nothing, nothing, truncated,
                      decode(trainer.tokenizer, prompts, texts))  # fmt: skip
    with torch.no_grad():
        rollout.log_probs_BT = score(trainer.policy, rollout, config.temperature, False)[0]

    rewards = call_reward(trainer.task.reward, rows, rollout)
    assert 0 < rewards.mean() < 1
    advantages, _ = compute_relative_rewards(
        rewards, config.group_size, config.use_group_normalization, eps=1e-4
    )
    torch.testing.assert_close(advantages, batch["advantages"])
    # And with our own 1e-8 they are the same to a part in a thousand.
    torch.testing.assert_close(trainer.compute_relative_rewards(rewards)[0], advantages,
                               rtol=1e-3, atol=1e-3)  # fmt: skip

    if config.grpo_epochs > 1:  # the second update on a batch: ratios are not 1 any more
        moved(0.01, theirs.model, trainer.policy)
    found_loss = theirs._compute_loss(theirs.model, batch)
    ref = trainer.reference_log_probs(rollout)[0]
    own = Batch(rollout, advantages.unsqueeze(1) * rollout.mask_BT, trainer.weights(rollout), ref)
    loss = trainer.compute_loss(own)
    if config.kl_coef:
        gap = (ref - rollout.log_probs_BT)[mask == 1].abs().mean()
        assert gap > 0.01  # else there is no KL to compare
    if config.kl_estimator == "k2":  # its value is another, its gradient is not
        assert loss.item() != pytest.approx(found_loss.item(), abs=1e-6)
    else:
        torch.testing.assert_close(loss, found_loss, rtol=1e-4, atol=1e-6)
    ours = gradients(trainer.policy, loss)
    size = max(gradient.abs().max() for gradient in ours.values())
    assert size > 1e-4
    for name, gradient in gradients(theirs.model, found_loss).items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-3, atol=1e-4 * size.item())


# ------------------------------------------------------------------------------- the reward


def test_the_folder_imports_nothing_of_the_course(small):
    for path in small.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert "grpo_mini" not in {
            name.split(".")[0]
            for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)
            for name in [getattr(node, "module", "") or "", *(a.name for a in node.names)]
        }  # fmt: skip
    code = (
        "import sys; sys.modules['grpo_mini'] = None; import reward;"
        "t = reward.TOKENIZER; ids = t('<answer>3</answer>').input_ids;"
        "print(reward.chain_sum_reward(prompts=[[{'role': 'user', 'content': '1+2='}]] * 2,"
        "completions=[None] * 2, answer=['3'] * 2, completion_ids=[ids + [t.eos_token_id], ids]))"
    )
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=small, capture_output=True, text=True, encoding="utf-8")
    assert done.stdout == "[1.0, 0.0]\n", done.stderr  # the second was cut off


@pytest.mark.parametrize("task", TASKS)
def test_a_task_pays_there_what_it_pays_here(task, tmp_path, of_the_folder, tiny):
    """Sampled responses, some cut off, and the demonstrations, which are right."""
    config = GRPOConfig(task=task, max_new_tokens=24, prompts_per_step=4, train_problems=16)
    to_trl.write_trl(gathered(config, 1), tmp_path / "x", {})
    module = of_the_folder(tmp_path / "x")
    records = TASKS[task].dataset(16, seed=5)
    model, tokenizer = tiny
    rollout = sample(model, tokenizer, [r["prompt"] for r in records], 4, 24)
    assert rollout.truncated_B.any() and not rollout.truncated_B.all()
    given = {name: [r[name] for r in records for _ in range(4)] for name in records[0]}
    given["prompts"] = given.pop("prompt")
    paid = getattr(module, TASKS[task].reward.__name__)(
        completions=[[{"role": "assistant", "content": "what TRL decodes"}]] * len(rollout),
        completion_ids=rollout.token_ids(), trainer_state=None, **given,
    )  # fmt: skip
    expected = call_reward(TASKS[task].reward, records, rollout)
    assert torch.equal(torch.tensor(paid), expected)
    rng = random.Random(0)
    right = [TASKS[task].demonstrate(rng, record, True) for record in records]
    ended = [[*ids, tokenizer.eos_token_id] for ids in tokenizer(right).input_ids]
    columns = {name: column[::4] for name, column in given.items()}
    for ids, worth in ((ended, 1.0), ([ids[:-1] for ids in ended], 0.0)):  # and cut off
        paid = getattr(module, TASKS[task].reward.__name__)(
            completions=[None] * 16, completion_ids=ids, **columns
        )
        assert paid == [worth] * 16


def test_what_cannot_be_taken_out_of_its_file_is_refused(tmp_path, monkeypatch):
    source = (
        "for WORTH in (1, 2):\n    pass\n\ndef pay(completions, **columns):\n    return [WORTH]\n"
    )
    (tmp_path / "looped.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match="WORTH of looped"):
        standalone(importlib.import_module("looped").pay)


OWN = '''"""Mine."""
import os

SEEN = os.environ.get("SEEN")


def short(completions, truncated, answer, **columns):
    if SEEN:
        with open(f"{SEEN}/{os.environ['RANK']}", "a") as file:
            file.write(f"{len(completions)} {os.environ['WORLD_SIZE']}\\n")
    return [1.0 if "7" in c[-1]["content"] and not cut else 0.0
            for c, cut in zip(completions, truncated)]


async def right(completions, answer, **columns):
    return [float(a in c[-1]["content"]) for c, a in zip(completions, answer)]


reward = [short, right]
'''


def test_a_readers_own_file_goes_unchanged(tmp_path, of_the_folder):
    mine = tmp_path / "mine.py"
    mine.write_text(OWN, encoding="utf-8")
    options = [*SMALL, "--reward", str(mine), "--reward-weights", "1", "0.5"]
    folder = hand_over(tmp_path / "x", *options)
    assert (folder / "own_reward.py").read_bytes() == mine.read_bytes()
    found = parsed(folder)
    assert found["reward_funcs"] == ["reward.short", "reward.right"]
    assert found["reward_weights"] == [1.0, 0.5]
    module = of_the_folder(folder)
    assert inspect.iscoroutinefunction(module.right)
    assert not inspect.iscoroutinefunction(module.short)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("from grpo_mini.tasks import parse_response\nreward = len\n", "imports grpo_mini.tasks"),
        ("import beside\ndef reward(completions, **c): return []\n", "imports beside"),
        ("def pay(completions, **columns): return []\n", "defines no `reward`"),
        ("def reward(completions): return []\n", "must take **columns"),
        ("reward = lambda completions, **c: []\n", "need names"),
        ("reward = 3\n", "must be a function"),
    ],
)
def test_a_file_that_cannot_go_is_refused(tmp_path, capsys, source, said):
    (tmp_path / "beside.py").write_text("", encoding="utf-8")
    mine = tmp_path / "mine.py"
    mine.write_text(source, encoding="utf-8")
    options = ["--to", "trl", *SMALL, "--reward", str(mine)]
    assert main(["handover", str(tmp_path / "x"), *options]) == 2
    assert said in capsys.readouterr().err


def test_own_data_go_as_they_are(tmp_path):
    records = [{"prompt": f"{i}+1=", "answer": i + 1, "nested": [1, {"a": 2}]} for i in range(8)]
    data = tmp_path / "mine.jsonl"
    data.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    folder = hand_over(tmp_path / "x", *SMALL, "--data", str(data))
    lines = (folder / "data" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == records
    assert not (folder / "data" / "test.jsonl").exists()
    begun = [{"prompt": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "I"}]}]
    data.write_text("".join(json.dumps(r) + "\n" for r in begun * 8), encoding="utf-8")
    assert main(["handover", str(tmp_path / "y"), "--to", "trl", *SMALL, "--data", str(data)]) == 2


def test_the_tasks_problems_are_those_of_the_seed(unusual):
    from datasets import load_dataset

    data = load_dataset(str(unusual / "data"))
    task = TASKS["chain-sums"]
    assert data["train"].to_list() == task.dataset(96, 3, False, True, 2)
    assert data["test"].to_list() == task.dataset(500, 0, True, True, 2)
    assert data["train"][0]["prompt"][0]["role"] == "system"


# ------------------------------------------------------------------------------- from a run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    config = GRPOConfig(prompts_per_step=4, group_size=4, train_problems=64, max_new_tokens=16,
                        clip_high=0.28, device="cpu")  # fmt: skip
    trainer = GRPOTrainer(config)
    trainer.train(1, folder, on_step=lambda row: None)
    trainer.save(folder)
    return folder


def test_a_run_goes_on_with_its_own_settings_and_weights(run, tmp_path):
    folder = hand_over(tmp_path / "x", "--run", str(run), "--learning-rate", "1e-6")
    found = parsed(folder)
    assert (found["num_generations"], found["epsilon_high"]) == (4, 0.28)
    assert found["learning_rate"] == 1e-6
    there, here = (load_policy(place, "cpu")[0].state_dict()
                   for place in (folder / "model", run / "step-000001" / "policy"))  # fmt: skip
    assert all(torch.equal(there[name], here[name]) for name in here)
    start = load_policy(TINY_QWEN, "cpu")[0].state_dict()
    assert any(not torch.equal(there[name], start[name]) for name in start)


def test_a_run_is_handed_over_with_what_it_was_trained_with(run, tmp_path, capsys):
    data = tmp_path / "other.jsonl"
    data.write_text('{"prompt": "1+1=", "answer": 2}\n' * 8, encoding="utf-8")
    for options, said in (
        (["--data", str(data)], "trained on other data"),
        (["--algorithm", "grpo"], "without --algorithm"),
    ):
        assert (
            main(["handover", str(tmp_path / "x"), "--to", "trl", "--run", str(run), *options]) == 2
        )
        assert said in capsys.readouterr().err


def test_a_runs_kl_is_to_its_start_and_not_to_where_it_is(tmp_path, capsys):
    config = GRPOConfig(prompts_per_step=4, group_size=4, train_problems=64, max_new_tokens=8,
                        kl_coef=0.1, device="cpu")  # fmt: skip
    trainer = GRPOTrainer(config)
    trainer.train(1, tmp_path / "run", on_step=lambda row: None)
    trainer.save(tmp_path / "run")
    options = ["--to", "trl", "--run", str(tmp_path / "run")]
    assert main(["handover", str(tmp_path / "x"), *options]) == 2
    assert "start policy" in capsys.readouterr().err


# ------------------------------------------------------------------------------- running it


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """run.sh with programs that only say what they were asked."""
    for name in ("torchrun", "accelerate", "python"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho {name} "$@"\n', encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    def ask(folder: Path, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [folder / "run.sh", *words], capture_output=True, text=True, encoding="utf-8"
        )

    return ask


@pytest.mark.parametrize(
    ("words", "part", "passes", "more"),
    [
        (["cpu"], 4, 3, "torchrun --standalone --nproc_per_node 2 on_cpu.py"),
        (["cpu"], 4, 3, "--use_cpu true --bf16 false"),
        (["gpu"], 4, 6, "python -m trl.scripts.grpo --config grpo.yaml"),
        (["gpus", "4"], 3, 2, "--config_file fsdp2.yaml --num_processes 4 -m trl.scripts.grpo"),
        (["gpus", "12"], 2, 1, "--num_processes 12"),
        (["vllm"], 4, 6, "--use_vllm true --vllm_mode colocate"),
        (["vllm", "3"], 4, 2, "accelerate launch"),
        (["gpu", "--max_steps", "2"], 4, 6, "--max_steps 2"),
    ],
)
def test_run_sh_divides_a_step_among_the_processes(unusual, commands, words, part, passes, more):
    done = commands(unusual, *words)
    assert done.returncode == 0, done.stderr
    assert more in done.stdout
    assert f"--per_device_train_batch_size {part} " in done.stdout
    assert f"--gradient_accumulation_steps {passes}" in done.stdout
    processes = int(words[1]) if words[1:] and words[1].isdigit() else 1 + (words == ["cpu"])
    assert part * passes * processes == 6 * 4


@pytest.mark.parametrize("words", [[], ["tpu"], ["gpus"], ["gpus", "25"]])
def test_run_sh_says_how_it_is_called(unusual, commands, words):
    done = commands(unusual, *words)
    assert done.returncode and done.stderr and not done.stdout


def test_accelerate_reads_its_file(unusual):
    accelerate = pytest.importorskip("accelerate.commands.config.config_args")
    found = accelerate.load_config_from_file(str(unusual / "fsdp2.yaml"))
    assert found.distributed_type == "FSDP" and found.fsdp_config["fsdp_version"] == 2
    assert found.mixed_precision == "bf16"  # as the training's


def test_the_pins_are_those_the_course_is_tested_with(small):
    pins = (small / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in pins if not line.startswith("#"))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for name in ("torch", "transformers", "trl", "datasets"):
        assert f'"{name}=={pins[name]}"' in project
    assert version("accelerate").startswith(pins["accelerate"].removesuffix("*"))


def test_two_processes_train_and_what_they_save_can_be_loaded(tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(OWN.replace("[short, right]", "short"), encoding="utf-8")
    folder = hand_over(tmp_path / "x", *SMALL, "--reward", str(mine))
    (tmp_path / "seen").mkdir()
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": paths, "SEEN": str(tmp_path / "seen"),
                                "HF_DATASETS_CACHE": str(tmp_path / "cache"),
                                "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}  # fmt: skip
    environment.pop("PYTHONPATH", None)
    done = subprocess.run([folder / "run.sh", "cpu"], env=environment, capture_output=True,
                          text=True, encoding="utf-8", timeout=900)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    # Each of two processes was asked for its half of both steps' 16 responses.
    seen = {
        path.name: path.read_text(encoding="utf-8").split("\n")[:-1]
        for path in (tmp_path / "seen").iterdir()
    }
    assert seen == {"0": ["8 2", "8 2"], "1": ["8 2", "8 2"]}
    state = json.loads((folder / "out/checkpoint-2/trainer_state.json").read_text(encoding="utf-8"))
    assert state["global_step"] == 2
    model, tokenizer = load_policy(folder / "out", "cpu")
    start = load_policy(TINY_QWEN, "cpu")[0].state_dict()
    moved = [(model.state_dict()[name] - start[name]).abs().max() for name in start]
    assert 0 < max(moved) < 2 * 2 * 2e-4  # two steps of Adam
    assert tokenizer.chat_template


def test_the_readme_tells_memory_ways_and_engines(unusual, small):
    text = (unusual / "README.md").read_text(encoding="utf-8")
    assert re.search(r"\| 1 \| \d\.\d\d \| (update|sampling) \|", text)
    assert all(f"`{name}`" in text for name in to_trl.FILES)
    for engine in ("TRL", "verl", "OpenRLHF", "prime-rl", "SkyRL", "NeMo RL", "slime"):
        assert f"\n| {engine}" in text
    assert "Looked up on 2026-11-27" in text
    known = {path.relative_to(small).as_posix() for path in small.rglob("*")}
    named = {name.strip("/") for name in to_trl.FILES} | {"README.md", "model",
                                                          "requirements-vllm.txt"}  # fmt: skip
    # Whoever has run it has compiled it.
    assert {name for name in known if "/" not in name} - {"__pycache__"} == named


def test_a_model_of_the_hub_is_named_and_its_memory_counted(tmp_path):
    few = ["--train-problems", "64", "--device", "cpu"]
    folder = hand_over(tmp_path / "x", *few, "--model", "Qwen/Qwen2.5-0.5B-Instruct",
                       "--kl-coef", "0.01")  # fmt: skip
    assert not (folder / "model").exists()
    assert parsed(folder)["model_name_or_path"] == "Qwen/Qwen2.5-0.5B-Instruct"
    text = (folder / "README.md").read_text(encoding="utf-8")
    one, eight = (float(re.search(rf"\| {n} \| (\d+\.\d\d) ", text)[1]) for n in (1, 8))
    # 16 bytes a parameter and 4 of the reference, of 494 million; an eighth of it on each of eight.
    assert one - eight == pytest.approx(20 * 0.494 * 7 / 8, rel=0.05)
    folder = hand_over(tmp_path / "y", *few, "--model", "someone/other-7B")
    assert "Not counted for this model" in (folder / "README.md").read_text(encoding="utf-8")


def test_a_folder_that_is_there_is_left_alone(small, capsys):
    before = (small / "grpo.yaml").read_bytes()
    assert main(["handover", str(small), "--to", "trl", *SMALL]) == 2
    assert "there already" in capsys.readouterr().err
    assert (small / "grpo.yaml").read_bytes() == before


# ------------------------------------------------------------------------------- the record


def test_ours_and_the_hand_over_learn_alike_and_the_check_can_tell():
    """Twenty steps, three seeds each; see the rule in compare.py."""
    path = RUNS / "handover.jsonl"
    assert compare.made(path) == {
        (setting, seed)
        for setting in (compare.HERE, compare.THERE, compare.CONTROL) for seed in compare.SEEDS
    }  # fmt: skip
    found = compare.curves(path)
    here = found[compare.HERE]
    assert all(abs(d) <= 1 for d in compare.apart(here, found[compare.THERE]))
    # The same folder with TRL's own schedule is told apart, at the end of the curve and after it.
    *_, last, accuracy = compare.apart(here, found[compare.CONTROL])
    assert last < -1 and accuracy < -1
    assert all(run[-1] > run[0] + 0.1 for run in chain(*found.values()))  # all of them learn
