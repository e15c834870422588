"""What goes wrong without a word: a test for each kind of it, with its smallest input.

The numbers are those of the list of findings that these tests were written from; each was seen to
fail before it was mended.
"""

import ast
import asyncio
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    OPTConfig,
    OPTForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

import grpo_mini.rollout
import grpo_mini.trainer
from grpo_mini.__main__ import main
from grpo_mini.advantages import standardize
from grpo_mini.grpo import GRPOConfig, GRPOTrainer
from grpo_mini.losses import aggregate, clipped_surrogate, kl_penalty, value_loss
from grpo_mini.models import encode_prompts, end_token_ids, load_policy, load_tokenizer
from grpo_mini.ppo import PPOConfig, PPOTrainer
from grpo_mini.rollout import sample, score
from grpo_mini.support.checkpoints import CheckpointError
from grpo_mini.tasks import chain_sum_reward, has_thought
from grpo_mini.trainer import Trainer, TrainingDivergedError
from tests.pieces import halves, rewrite_manifest

ROOT = Path(__file__).parent.parent
QUICK = ["--prompts-per-step", "2", "--group-size", "2", "--max-new-tokens", "8",
         "--train-problems", "16"]  # fmt: skip


def chat(text: str) -> list[dict]:
    return [{"role": "user", "content": text}]


def records(number: int = 16, **columns) -> list[dict]:
    return [{"prompt": chat(f"{i}+{i}="), "answer": str(2 * i), **columns} for i in range(number)]


def small_model(tokenizer, kind=Qwen2ForCausalLM, **options):
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, intermediate_size=32, max_position_embeddings=128,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    for name, value in options.items():
        setattr(config, name, value)
    return kind(config)


def scripted(monkeypatch, tokens: list[int]) -> None:
    """The next tokens that are drawn."""
    drawn = iter(tokens)
    monkeypatch.setattr(grpo_mini.rollout, "_draw", lambda *_: torch.tensor([[next(drawn)]]))


def one_line(words: list[str], capsys) -> str:
    """What the command line says to a slip: exit code 2, and one line."""
    try:
        code = main(list(map(str, words)))
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    assert code == 2, f"{words} exited with {code}"
    last = captured.err.strip().splitlines()[-1]
    assert last.startswith("error: ") and "Traceback" not in captured.err
    return last


# ---------------------------------------------------------------------------- asking


def test_f01_evaluation_asks_as_training_asks(monkeypatch):
    """Kind: evaluation builds its own problems."""
    asked, original = [], grpo_mini.trainer.sample

    def spy(model, tokenizer, prompts, *rest, **more):
        asked.extend(prompts)
        return original(model, tokenizer, prompts[:2], *rest, **more)

    def judged(reward, chunk, rollout, *rest, **more):
        return torch.zeros(len(rollout))

    monkeypatch.setattr(grpo_mini.trainer, "sample", spy)
    monkeypatch.setattr(grpo_mini.trainer, "call_reward", judged)
    assert main(["train", "--instructions", "--steps", "1", "--evaluate-every", "1", *QUICK]) == 0
    assert {tuple(m["role"] for m in prompt) for prompt in asked} == {("system", "user")}
    assert len(asked) > 500


def test_f08_a_thought_that_the_template_opened_counts(tiny, monkeypatch):
    """Kind: the verifier sees the completion only. R1-Distill's and Qwen3-Thinking's templates."""
    model, tokenizer = tiny
    template = tokenizer.chat_template
    monkeypatch.setattr(
        tokenizer,
        "chat_template",
        template.replace("<|im_start|>{% endif", "<|im_start|><think>{% endif"),
    )
    scripted(monkeypatch, tokenizer("17+25=42</think><answer>42</answer><|im_end|>").input_ids)
    rollout = sample(model, tokenizer, [chat("17+25=")])
    assert chain_sum_reward(rollout.texts, ["42"]) == [1.0]
    assert has_thought(rollout.texts[0])
    assert (
        rollout.lengths_B.item()
        == len(tokenizer("17+25=42</think><answer>42</answer>").input_ids) + 1
    )


def test_f13_a_begun_answer_is_continued(tiny):
    """Kind: a generation prompt is always added."""
    begun = [*chat("17+25="), {"role": "assistant", "content": "<think>17+25=4"}]
    (tokens,) = encode_prompts(tiny[1], [begun], 400)
    assert tiny[1].decode(tokens).endswith("<|im_start|><think>17+25=4")


def test_f13_plain_text_begins_as_in_trl(tiny):
    """Llama's tokenizer adds a begin-of-text to plain text; a chat template writes its own."""

    class Beginning:
        chat_template = None

        def __call__(self, text, add_special_tokens=True):
            ids = ([1] if add_special_tokens else []) + [ord(c) for c in text]
            return type("Encoded", (), {"input_ids": ids})

    assert encode_prompts(Beginning(), ["ab"], 10) == [[1, 97, 98]]


def test_f13_template_arguments_arrive(tiny, monkeypatch):
    model, tokenizer = tiny
    template = "{{ messages[0]['content'] }}{% if enable_thinking %}<think>{% endif %}"
    monkeypatch.setattr(tokenizer, "chat_template", template)
    config = GRPOConfig(prompts_per_step=2, group_size=2, max_new_tokens=4, train_problems=8,
                        chat_template_kwargs={"enable_thinking": True}, device="cpu")  # fmt: skip
    trainer = GRPOTrainer(config, None, None, model, tokenizer)
    rollout = trainer.generate_responses(trainer.next_prompts())
    assert all(tokenizer.decode(prompt).endswith("=<think>") for prompt in rollout.prompts)


def test_f14_the_templates_end_token_ends(tiny, monkeypatch):
    """Kind: end tokens. The tokenizer's is <|endoftext|>, the template closes with <|im_end|>."""
    model, tokenizer = tiny[0], load_tokenizer()
    tokenizer.eos_token = "<|endoftext|>"
    monkeypatch.setattr(model, "generation_config", None)
    ids = end_token_ids(model, tokenizer)
    assert ids == sorted(tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|im_end|>"]))
    assert not sample(model, tokenizer, [chat("17+25+38=")], 8).truncated_B.all()


# ---------------------------------------------------------------------------- what decides a run


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A run of two steps with instructions; tests that change it take a copy."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    words = ["train", "--steps", "2", "--save-every", "1", "--instructions", "--seed", "3"]
    assert main([*words, "--folder", str(folder), *QUICK]) == 0
    return folder


@pytest.fixture
def run_folder(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.mark.parametrize(
    "words",
    [["--learning-rate", "0.1"], ["--algorithm", "ppo"], ["--seed", "4"], ["--task", "graded"],
     ["--no-instructions"], ["--model", "no/such-model"], ["--gamma", "0.5"]],
    ids=" ".join,
)  # fmt: skip
def test_f02_a_typed_option_that_contradicts_the_run_is_refused(run_folder, words, capsys):
    """Kind: what decides a run is not in its checkpoint."""
    line = one_line(["train", "--resume", "--folder", run_folder, "--steps", "3", *words], capsys)
    assert words[0] in line or "--" + words[0].removeprefix("--no-") in line


def test_f02_a_resumed_run_goes_on_with_its_own_instructions(run_folder):
    again = ["train", "--resume", "--folder", str(run_folder), "--steps", "3", "--seed", "3"]
    assert main(again) == 0
    trainer = Trainer.load(run_folder)
    assert trainer.step == 3
    assert [message["role"] for message in trainer.next_prompts()[0]["prompt"]] == [
        "system",
        "user",
    ]


def test_f03_a_run_with_its_own_reward_and_data_names_what_is_missing(small_trainer, tmp_path):
    small_trainer(reward=halves, dataset=records()).save(tmp_path)
    with pytest.raises(CheckpointError, match="reward.*halves"):
        Trainer.load(tmp_path)
    with pytest.raises(CheckpointError, match="dataset"):
        Trainer.load(tmp_path, reward=halves)
    with pytest.raises(CheckpointError, match="dataset"):
        Trainer.load(tmp_path, halves, records(17))
    with pytest.raises(CheckpointError, match="reward"):
        Trainer.load(tmp_path, chain_sum_reward, records())
    assert Trainer.load(tmp_path, halves, records()).step == 0


def test_f04_a_folder_of_another_run_is_refused_and_nothing_is_lost(small_trainer, tmp_path):
    """Kind: "newest" is decided by name, whatever run it is of."""
    small_trainer().train(4, tmp_path, save_every=2)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and p.name != ".lock"}
    other = small_trainer(seed=1)
    for act in (lambda: other.train(2, tmp_path), lambda: other.save(tmp_path)):
        with pytest.raises(ValueError, match="holds another run"):
            act()
    assert all(path.read_bytes() == content for path, content in before.items())
    assert Trainer.load(tmp_path).step == 4


def test_f04_going_on_from_an_older_checkpoint_does_not_hide_the_newer(small_trainer, tmp_path):
    small_trainer().train(4, tmp_path, save_every=2)
    older = Trainer.load(tmp_path / "step-000002")
    with pytest.raises(ValueError, match="got to step 4, but the trainer is at step 2"):
        older.train(1, tmp_path)
    older.train(1, tmp_path.with_name("branch"))


def test_f05_steps_are_compared_as_numbers(small_trainer, tmp_path):
    trainer = small_trainer()
    for trainer.step in (999_999, 1_000_000, 1_000_001):
        saved = trainer.save(tmp_path)
        assert saved.exists()
    assert {p.name for p in tmp_path.glob("step-*")} == {"step-1000000", "step-1000001"}
    assert Trainer.load(tmp_path).step == 1_000_001


def test_f32_the_number_of_threads_is_the_runs_own(small_trainer, tmp_path):
    """Kind: a promise without its condition. One and two threads differ in the last digits."""
    trainer = small_trainer(threads=1)
    trainer.train(1, tmp_path, save_every=1)
    torch.set_num_threads(2)
    again = Trainer.load(tmp_path)
    again.train(1)
    assert again.threads == 1 and torch.get_num_threads() == 1
    assert "threads" in Trainer.load.__doc__


# ---------------------------------------------------------------------------- ends of a run


def interrupting(completions, **columns) -> list[float]:
    signal.raise_signal(signal.SIGINT)
    return halves(completions)


def test_f06_interrupted_looks_interrupted(tmp_path, monkeypatch, capsys):
    """Kind: interrupted = finished."""
    task = replace(grpo_mini.trainer.get_task("chain-sums"), reward=interrupting)
    monkeypatch.setattr(grpo_mini.trainer, "get_task", lambda name: task)
    record, folder = tmp_path / "run.jsonl", tmp_path / "folder"
    words = ["train", "--steps", "5", "--record", str(record), "--folder", str(folder), *QUICK]
    assert main(words) == 130
    assert not record.exists()
    assert "after step 1" in capsys.readouterr().err
    assert (folder / "step-000001").exists(), "what was done is kept"


def test_f06_a_loop_over_three_trainers_ends_with_the_first(small_trainer):
    trainers = [small_trainer(reward=interrupting) for _ in range(3)]
    with pytest.raises(KeyboardInterrupt):
        for trainer in trainers:
            trainer.train(3)
    assert [trainer.step for trainer in trainers] == [1, 0, 0]


def test_f09_nothing_that_is_not_finite_goes_on(small_trainer, algorithm):
    """Kind: all-silent batches skip the check."""
    trainer = small_trainer(algorithm, reward=lambda completions, **c: [0.0] * len(completions))
    with torch.no_grad():
        next(trainer.policy.parameters())[0, 0] = math.nan
    with pytest.raises(TrainingDivergedError, match="after step 0.*NaN") as caught:
        trainer.train(3)
    assert caught.value.metrics["step"] == 1
    with pytest.raises(FloatingPointError):
        trainer.evaluate(size=4)


def test_f31_a_step_that_makes_a_weight_infinite_is_no_success(small_trainer):
    trainer = small_trainer(reward=halves)
    for group in trainer.policy_optimizer.param_groups:
        group["lr"] = 1e38
    with pytest.raises(TrainingDivergedError, match="not finite in step 1"):
        trainer.train(1)


def test_f23_a_second_training_of_the_same_trainer_is_refused(small_trainer):
    """Kind: no lock. Two boards on one trainer took two steps at once."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(completions, **columns):
        begun.set()
        go_on.wait(60)
        return halves(completions)

    trainer = small_trainer(reward=slow)
    first = threading.Thread(target=trainer.train, args=(1,))
    first.start()
    begun.wait(60)
    try:
        with pytest.raises(ValueError, match="training already"):
            trainer.train(1)
    finally:
        go_on.set()
        first.join()
    assert trainer.step == 1 and len(trainer.history) == 1


def test_f24_a_run_that_cannot_learn_says_so(small_trainer, algorithm, capsys):
    """Kind: a run that cannot learn looks like a run."""
    trainer = small_trainer(algorithm, reward=lambda completions, **c: [0.0] * len(completions))
    trainer.train(6)
    said = [line for line in capsys.readouterr().err.splitlines() if "nothing to teach" in line]
    assert len(said) == 1 and "step 5" in said[0] and trainer.remarks[-1] in said[0]


# ---------------------------------------------------------------------------- models


def test_f07_an_id_without_text_is_not_dropped(tiny, monkeypatch):
    """Kind: decoding drops ids that have no text. Qwen's output has 271 of them."""
    _, tokenizer = tiny
    model = small_model(tokenizer, vocab_size=len(tokenizer) + 8).eval()
    before, after = (tokenizer(text).input_ids for text in ("<answer>8", "9</answer><|im_end|>"))
    scripted(monkeypatch, [*before, len(tokenizer), *after])
    rollout = sample(model, tokenizer, [chat("80+9=")])
    assert chain_sum_reward(rollout.texts, ["89"]) == [0.0]
    assert str(len(tokenizer)) in rollout.texts[0]


def gpt2(tokenizer):
    torch.manual_seed(0)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_embd=32,
            n_layer=2,
            n_head=2,
            n_positions=128,
            eos_token_id=tokenizer.eos_token_id,
        )  # fmt: skip
    )


def test_f10_the_trainer_owns_the_models_mode(small_trainer, tiny):
    """Kind: the model's mode is taken as it comes. GPT-2 as made has dropout on."""
    model = gpt2(tiny[1]).train()
    trainer = small_trainer(reward=halves, model=(model, tiny[1]))
    assert trainer.train(1)[-1]["log_prob_distance"] < 1e-4
    model.train()
    assert trainer.train(1)[-1]["log_prob_distance"] < 1e-4


def test_f10_gradient_checkpointing_is_refused(small_trainer, tiny):
    model = small_model(tiny[1])
    model.gradient_checkpointing_enable()
    with pytest.raises(ValueError, match="checkpointing"):
        small_trainer(model=(model, tiny[1]))


class Forgetful(Qwen2ForCausalLM):
    """Reads a text in parts otherwise than whole, as a model does that keeps more in mind."""

    def forward(self, *arguments, past_key_values=None, **more):
        seen = past_key_values.get_seq_length() if past_key_values is not None else 0
        outputs = super().forward(*arguments, past_key_values=past_key_values, **more)
        if seen:
            outputs.logits = outputs.logits.roll(1, dims=-1) * 3
        return outputs


def test_f10_f20_a_model_that_reads_parts_otherwise_is_refused_by_name(small_trainer, tiny):
    """Kind: "any causal language model" is promised. Jamba's continuation is off by 14 nats."""
    trainer = small_trainer(reward=halves, model=(small_model(tiny[1], Forgetful), tiny[1]))
    with pytest.raises(ValueError, match="Forgetful cannot be trained here.*nats"):
        trainer.train(1)
    assert trainer.step == 0


def test_f20_too_few_embeddings_are_refused(small_trainer, tiny, tmp_path):
    model = small_model(tiny[1], vocab_size=100, pad_token_id=0)
    with pytest.raises(ValueError, match="embeddings for 100 tokens.*tokenizer has"):
        small_trainer(model=(model, tiny[1]))
    small_model(tiny[1], vocab_size=100, pad_token_id=0).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="embeddings for 100 tokens"):
        small_trainer("ppo", critic_model_name=str(tmp_path))


def test_f20_a_critic_whose_last_layer_has_another_width(small_trainer, tiny):
    """OPT-350m's hidden states are projected to the width of its embeddings."""
    torch.manual_seed(0)
    model = OPTForCausalLM(
        OPTConfig(
            vocab_size=len(tiny[1]),
            hidden_size=32,
            word_embed_proj_dim=16,
            ffn_dim=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=128,
            do_layer_norm_before=False,
            eos_token_id=tiny[1].eos_token_id,
        )  # fmt: skip
    )
    metrics = small_trainer("ppo", reward=halves, model=(model, tiny[1])).train(1)[-1]
    assert math.isfinite(metrics["value_loss"])


# ---------------------------------------------------------------------------- rewards and data


def test_f11_each_sample_has_a_copy_of_its_own(small_trainer):
    """Kind: aliasing."""
    data = records(numbers=[1, 2, 3])
    before = json.dumps(data)

    def greedy(prompts, completions, numbers, **columns):
        for own, prompt in zip(numbers, prompts, strict=True):
            assert own.pop() == 3, "another sample has taken it"
            prompt.append("mine")
        return halves(completions)

    small_trainer(reward=greedy, dataset=data).train(2)
    assert json.dumps(data) == before


@pytest.mark.parametrize("name", ["truncated", "completions", "prompts", "completion_ids"])
def test_f12_a_column_with_a_name_of_the_trainers_is_refused(small_trainer, name):
    """Kind: columns."""
    with pytest.raises(ValueError, match=f"record 0.*column '{name}'"):
        small_trainer(dataset=records(**{name: True}))


def test_f12_a_record_that_lacks_a_column_is_named(small_trainer):
    data = records()
    del data[5]["answer"]
    with pytest.raises(ValueError, match="'answer'.*record 5"):
        small_trainer(dataset=data)
    trainer = small_trainer()
    with pytest.raises(ValueError, match="'answer'.*record 4"):
        trainer.train_step([records()[1], data[5], records()[2], records()[3]])


def test_f15_a_metric_is_what_its_name_says(small_trainer, algorithm):
    """Kind: metric = loss term. Under "constant" the KL per token was a twelfth of itself."""
    found = {}
    for aggregation in ("token", "constant", "sequence"):
        trainer = small_trainer(
            algorithm, aggregation=aggregation, kl_coef=0.1, max_new_tokens=40, reward=halves
        )
        with torch.no_grad():  # away from the reference
            for parameter in trainer.policy.parameters():
                parameter += 0.02 * torch.ones_like(parameter).bernoulli_(
                    0.5, generator=torch.Generator().manual_seed(0)
                )
        found[aggregation] = trainer.train_step(trainer.next_prompts())
    names = {"kl"} | ({"value_loss"} if algorithm == "ppo" else set())
    for name in names:
        values = [metrics[name] for metrics in found.values()]
        assert values[0] > 1e-3
        assert values == pytest.approx([values[0]] * 3, rel=1e-4), name


def test_f15_nothing_is_explained_where_returns_do_not_vary(small_trainer):
    trainer = small_trainer("ppo", reward=lambda completions, **c: [1.0] * len(completions))
    assert "explained_variance" not in trainer.train(1)[-1]


def test_f18_trls_rewards_run_unchanged(small_trainer):
    """Kind: TRL's signature, whole."""
    from trl.rewards import get_soft_overlong_punishment

    seen = []

    async def asynchronous(completions, completion_ids, prompts, answer, **columns):
        await asyncio.sleep(0)
        seen.append((len(completions), len(completion_ids), len(prompts), len(answer)))
        return [1.0] * len(completions)

    def sometimes(completions, trainer_state, log_extra, log_metric, **columns):
        assert trainer_state.global_step == 0
        log_extra("parsed", ["x"] * len(completions))
        log_metric("share", 0.5)
        return [None if i % 2 else 4.0 for i in range(len(completions))]

    punish = get_soft_overlong_punishment(max_completion_len=4, soft_punish_cache=2)
    trainer = small_trainer(
        reward=[asynchronous, sometimes, punish], dataset=records(), reward_weights=[1.0, 0.5, 0.0]
    )
    rollout = trainer.generate_responses(trainer.next_prompts())
    rewards = trainer.compute_rewards(trainer.next_prompts(), rollout)
    assert rewards.tolist() == [1.0 if i % 2 else 3.0 for i in range(16)]
    assert seen == [(16, 16, 16, 16)]
    trainer.train(1)


def test_f18_a_coroutine_runs_where_a_loop_is_running(small_trainer):
    """As in a notebook."""

    async def asynchronous(completions, **columns):
        return halves(completions)

    async def cell():
        small_trainer(reward=asynchronous).train(1)

    asyncio.run(cell())


def test_f18_what_nobody_scored_teaches_nothing(small_trainer, algorithm):
    def first_half(completions, **columns):
        return [None if i >= 8 else float(i % 2) for i in range(len(completions))]

    trainer = small_trainer(algorithm, reward=first_half, standardize_advantages=False)
    rollout = trainer.generate_responses(trainer.next_prompts())
    rewards_B = trainer.compute_rewards(trainer.next_prompts(), rollout)
    batch, metrics = trainer.compute_advantages(rollout, rewards_B)
    assert not batch.advantages[8:].any() and batch.advantages[:8].any()
    assert math.isfinite(trainer.train(1)[-1]["reward_mean"])


def test_f18_where_nobody_is_scored_an_entropy_bonus_is_no_error(small_trainer, algorithm):
    def none(completions, **columns):
        return [None] * len(completions)

    trainer = small_trainer(algorithm, reward=none, entropy_coef=0.01)
    before = [parameter.detach().clone() for parameter in trainer.policy.parameters()]
    trainer.train(1)
    if algorithm == "ppo":
        for parameter, was in zip(trainer.policy.parameters(), before, strict=True):
            assert torch.equal(parameter, was)


# ---------------------------------------------------------------------------- types and ranges


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": "1e-6"}, "learning_rate must be a number, got '1e-6'"),
        ({"learning_rate": math.inf}, "learning_rate must be finite"),
        ({"clip_low": -0.2}, "clip_low must be at least 0, got -0.2"),
        ({"kl_coef": -1}, "kl_coef must be at least 0, got -1"),
        ({"kl_coef": math.nan}, "kl_coef must be finite"),
        ({"use_group_normalization": "False"}, "use_group_normalization must be True or False"),
        ({"group_size": 4.0}, "group_size must be a whole number, got 4.0"),
        ({"group_size": True}, "group_size must be a whole number, got True"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"device": 3}, "device must be text or None"),
    ],
)
def test_f17_f30_a_field_has_a_type_and_a_range(options, message):
    """Kind: every field has a type and a range."""
    with pytest.raises(ValueError, match=re.escape(message)):
        GRPOConfig(**options)


def test_f17_a_path_a_device_and_numpy_numbers_are_read_as_meant():
    import numpy

    numbers = {"seed": numpy.int64(3), "learning_rate": numpy.float32(0.5), "vf_coef": 1}
    config = PPOConfig(model_name=Path("somewhere"), device=torch.device("cpu"), **numbers)
    assert (config.model_name, config.device, config.seed) == ("somewhere", "cpu", 3)
    assert (type(config.learning_rate), type(config.seed), type(config.vf_coef)) == (
        float,
        int,
        float,
    )


@pytest.mark.parametrize("reward", [[], "reward", 3, [None]])
def test_f17_no_reward_function_is_refused(small_trainer, reward):
    with pytest.raises(ValueError, match="reward must be a function or a list of functions"):
        small_trainer(reward=reward)


def test_f19_what_is_no_data_set_is_refused(small_trainer):
    """Kind: user errors are no tracebacks."""
    from datasets import Dataset

    stream = Dataset.from_list(records()).to_iterable_dataset()
    with pytest.raises(ValueError, match="a data set is a list of records"):
        small_trainer(dataset=stream)
    with pytest.raises(ValueError, match=r"record 0 .* no 'prompt'.*question"):
        small_trainer(dataset=[{"question": "1+1=", "answer": "2"}] * 16)
    trainer = small_trainer()
    with pytest.raises(ValueError, match="no problems"):
        trainer.evaluate([])
    small_trainer(dataset=Dataset.from_list(records())).train(1)


def test_f19_a_device_that_is_not_there(capsys):
    line = one_line(["train", "--device", "cuda:7", "--steps", "1"], capsys)
    assert "'cuda:7'" in line and "'cpu'" in line
    assert "'tpu9'" in one_line(["sample", "--device", "tpu9"], capsys)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "--steps", "0"], "--steps: must be at least 1, got 0"),
        (["train", "--save-every", "-1"], "--save-every: must be at least 1, got -1"),
        (["train", "--seconds", "nan"], "--seconds: must be finite"),
        (["train", "--learning-rate", "1e38"], "learning_rate must be at most 1"),
        (["demo", "--steps", "0"], "--steps: must be at least 1"),
        (["warmstart", "--out", "x", "--steps", "0"], "--steps: must be at least 1"),
        (["experiment", "horizon", "--workers", "0"], "--workers: must be at least 1"),
        (["evaluate", "--size", "0"], "--size: must be at least 1"),
        (["cost", "--steps", "0"], "--steps: must be at least 1"),
        (["train", "--chat-template-kwargs", "{"], "--chat-template-kwargs: must be a JSON object"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)  # fmt: skip
def test_f31_numbers_have_a_range(words, message, capsys):
    """Kind: numbers have no range."""
    assert message in one_line(words, capsys)


def test_f31_a_checkpoint_with_an_unknown_field_is_of_another_version(run_folder):
    checkpoint = run_folder / "step-000002"
    about = json.loads((checkpoint / "manifest.json").read_text(encoding="utf-8"))
    rewrite_manifest(checkpoint, config=about["config"] | {"gruop_size": 4})
    with pytest.raises(CheckpointError, match="another version.*gruop_size"):
        Trainer.load(run_folder)


@pytest.mark.parametrize(
    "wrong", [{"a": 1.0}, {0.0, 1.0}, "0" * 16, b"0" * 16, 3.0, None, ["1.0"] * 16, [[1.0]] * 16]
)
def test_f30_rewards_that_are_no_list_of_numbers_are_refused(small_trainer, wrong):
    """Kind: types are not looked at."""
    trainer = small_trainer(reward=lambda completions, **columns: wrong)
    with pytest.raises(ValueError, match="the reward function (must return a list|returned)"):
        trainer.train(1)


def test_f30_a_path_is_no_data_set(small_trainer):
    with pytest.raises(ValueError, match=r"a data set is a list.*chain-sums\.jsonl"):
        small_trainer(dataset="data/problems/chain-sums.jsonl")


def test_f30_an_answer_may_be_a_whole_number():
    assert chain_sum_reward(["<answer>89</answer>"], [89]) == [1.0]
    assert chain_sum_reward(["<answer>89</answer>"], [88]) == [0.0]
    with pytest.raises(ValueError, match="answer 0 must be text or a whole number, got 89.0"):
        chain_sum_reward(["<answer>89</answer>"], [89.0])


def test_f30_one_advantage_a_response_is_a_column():
    square = torch.zeros(4, 4)
    with pytest.raises(ValueError, match="advantages must have the shape of log_probs"):
        clipped_surrogate(square, square, torch.ones(4))
    for function in (kl_penalty, value_loss):
        with pytest.raises(ValueError, match="must have the shape of"):
            function(square, torch.ones(4))
    with pytest.raises(ValueError, match=r"the mask must have shape \[B, T\]"):
        aggregate(square, torch.ones(4))
    with pytest.raises(ValueError, match="the mask must have the advantages' shape"):
        standardize(square, torch.ones(4))


def test_f30_a_configuration_of_the_other_algorithm():
    for trainer, config in ((GRPOTrainer, PPOConfig()), (PPOTrainer, GRPOConfig())):
        with pytest.raises(ValueError, match=f"{trainer.__name__} needs a"):
            trainer(config)


# ---------------------------------------------------------------------------- folders and files


def test_f28_a_folder_in_use_is_refused(small_trainer, tmp_path):
    """Kind: the folder's contents are trusted."""
    program = (
        "import sys, time; from grpo_mini.support.checkpoints import RunFolder\n"
        "with RunFolder(sys.argv[1], 'another'):\n"
        "    print('mine', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        assert holder.stdout.readline().strip() == "mine", "it could not take the folder"
        with pytest.raises(ValueError, match="in use by another training"):
            small_trainer().train(1, tmp_path / "run")
    finally:
        holder.kill()
        holder.wait()
    small_trainer().train(1, tmp_path / "run")  # the lock died with its holder, who had nothing


def test_f28_a_run_that_came_to_no_checkpoint_keeps_its_log(small_trainer, tmp_path):
    first, second = small_trainer(reward=halves), small_trainer(reward=halves, seed=1)
    first.train(1, tmp_path)
    shutil.rmtree(tmp_path / "step-000001", ignore_errors=True)
    log = (tmp_path / "log.jsonl").read_bytes()
    second.train(1, tmp_path)
    assert (tmp_path / f"log-{first.run}.jsonl").read_bytes() == log
    assert (tmp_path / "log.jsonl").read_bytes() != log


def test_f28_what_is_no_checkpoint_is_not_taken_for_one(run_folder):
    shutil.copytree(run_folder / "step-000002", run_folder / "step-backup")
    (run_folder / "step-notes.txt").write_text("mine", encoding="utf-8")
    trainer = Trainer.load(run_folder)
    assert trainer.step == 2
    trainer.train(1, run_folder, save_every=1)
    assert (run_folder / "step-notes.txt").exists() and (run_folder / "step-backup").exists()


def test_f28_drafts_of_dead_processes_are_removed(run_folder):
    draft = run_folder / ".draft-step-000009"
    draft.mkdir()
    (draft / "state.pt").write_bytes(b"half")
    Trainer.load(run_folder).train(1, run_folder, save_every=1)
    assert not list(run_folder.glob(".draft-*")) and not list(run_folder.glob(".old-*"))


def test_f28_a_checkpoint_is_no_folder_for_a_run(run_folder, capsys):
    checkpoint = run_folder / "step-000002"
    line = one_line(["train", "--resume", "--folder", checkpoint, "--steps", "3"], capsys)
    assert "is a checkpoint" in line
    with pytest.raises(ValueError, match="is a checkpoint"):
        Trainer.load(checkpoint).train(1, checkpoint)
    assert not list(checkpoint.glob("step-*"))


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--folder", "FILE"],
        ["train", "--folder", "FILE/x"],
        ["train", "--record", "FILE/x"],
        ["train", "--record", "FOLDER"],
        ["warmstart", "--out", "FILE"],
        ["demo", "--out", "FILE"],
        ["microscope", "--out", "FILE/x"],
        ["thinking", "--out", "FILE/x"],
        ["preferences", "--out", "FILE/x"],
        ["cost", "--ledger", "FILE/x"],
        ["experiment", "zoo", "--out", "FILE"],
    ],
    ids=" ".join,
)
def test_f29_outputs_are_checked_before_any_work(tmp_path, words, capsys, monkeypatch):
    """Kind: outputs are checked last, and the model is lost."""
    (tmp_path / "FILE").write_text("mine", encoding="utf-8")
    (tmp_path / "FOLDER").mkdir()
    worked = []
    monkeypatch.setattr(grpo_mini.trainer, "sample", lambda *a, **k: worked.append(1))
    place = {
        "FILE": tmp_path / "FILE",
        "FILE/x": tmp_path / "FILE/x",
        "FOLDER": tmp_path / "FOLDER",
    }
    assert str(tmp_path) in one_line([place.get(word, word) for word in words], capsys)
    assert not worked
    assert (tmp_path / "FILE").read_text(encoding="utf-8") == "mine"


def test_f29_a_full_disk_is_one_line_and_the_last_checkpoint_stays(run_folder):
    """A limit on the size of files stands for the full disk."""
    program = (
        "import resource, signal, sys; from grpo_mini.__main__ import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    words = ["train", "--resume", "--folder", str(run_folder), "--steps", "3"]
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")
    assert Trainer.load(run_folder).step == 2
    assert not list(run_folder.glob(".draft-*"))


def test_f29_a_disk_without_room_for_a_checkpoint_is_seen_before_any_work(
    small_trainer, tmp_path, monkeypatch
):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=2**20))
    with pytest.raises(ValueError, match=r"checkpoints will take about 28 MB more.*has 1 MB left"):
        small_trainer().train(1, tmp_path)


def test_f19_f29_a_home_folder_is_understood(small_trainer, tmp_path, monkeypatch):
    """Kind: `~`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    small_trainer().train(1, "~/runs/mine", save_every=1)
    assert (tmp_path / "runs" / "mine" / "step-000001").exists()
    assert Trainer.load("~/runs/mine").step == 1
    model, _ = load_policy("~/runs/mine/step-000001/policy", device="cpu")
    assert model.config.hidden_size == 128


# ---------------------------------------------------------------------------- everywhere


def test_f21_a_notebook_is_tested_from_any_folder():
    """Kind: a path relative to the working folder."""
    cells = [f"05_advantage_lab.ipynb::Cell {i}" for i in range(2)]
    command = [sys.executable, "-m", "pytest", *cells, "-q", "-x", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command, cwd=ROOT / "notebooks", capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_f22_a_console_of_another_encoding():
    """Kind: encoding left to the system."""
    program = (
        "import sys; from grpo_mini.__main__ import main\n"
        "import grpo_mini.experiments.commands as c\n"
        "class R:\n"
        "    texts = ['\\ufffd \\u2713']\n"
        "    import torch\n"
        "    log_probs_BT = torch.zeros(1, 1); truncated_B = torch.tensor([False])\n"
        "c.sample = lambda *a, **k: R\n"
        "sys.exit(main(['sample']))"
    )
    environment = os.environ | {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-500:]


@pytest.mark.parametrize("folder", ["grpo_mini", "tests"])
def test_f22_wherever_text_is_read_or_written_its_encoding_is_named(folder):
    unnamed = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            words = {keyword.arg for keyword in node.keywords}
            mode = [a.value for a in node.args if isinstance(a, ast.Constant)]
            binary = any(isinstance(m, str) and re.fullmatch("[rwab+]*b[rwab+]*", m) for m in mode)
            reads = name in ("read_text", "write_text", "open") and not binary
            talks = name in ("run", "Popen") and {"text"} <= words
            if (reads or talks) and "encoding" not in words:
                if not (name == "open" and isinstance(node.func, ast.Attribute) and not mode):
                    unnamed.append(f"{path.name}:{node.lineno}")
    assert not unnamed


MACHINE = re.compile(r"(^|[^A-Za-z0-9_.~])/(tmp|work|root|home|opt|Users)/[A-Za-z0-9_]", re.M)


BINARY = (".png", ".gif", ".safetensors")


def test_f33_no_tracked_file_holds_the_place_of_a_machine():
    """Kind: records hold where they were made."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.suffix in BINARY or not path.exists() or path == Path(__file__):
            continue
        text = path.read_text(encoding="utf-8")
        if MACHINE.search(text) or str(ROOT) in text:
            found.append(name)
    assert not found


def test_f33_a_record_holds_no_absolute_path(small_trainer, tmp_path, monkeypatch):
    from grpo_mini.experiments.record import read_runs, write_run

    monkeypatch.setattr(sys, "argv", ["x", "train", "--record", str(tmp_path / "run.jsonl"),
                                      "--model", str(ROOT / "data" / "tiny-qwen")])  # fmt: skip
    trainer = small_trainer()
    trainer.train(1)
    write_run(tmp_path / "run.jsonl", trainer)
    ((header, _),) = read_runs(tmp_path / "run.jsonl")
    assert header["command"].endswith("--record run.jsonl --model data/tiny-qwen")
    assert str(ROOT) not in json.dumps(header) and str(tmp_path) not in json.dumps(header)


def test_scoring_leaves_the_models_mode_alone(tiny):
    """`score` is the same function in and out of a trainer."""
    rollout = sample(*tiny, [chat("1+2=")], 2, 8)
    assert not tiny[0].training
    score(tiny[0], rollout)
    assert not tiny[0].training
