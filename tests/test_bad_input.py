"""A sweep of bad input over the public API and the command line.

Nothing nonsensical is accepted, and what is refused is refused by us: the innermost frame is a
``raise`` of this project, with a message that says what was seen. No traceback comes from inside.
"""

import linecache
import math
import traceback
from dataclasses import fields
from pathlib import Path

import pytest
import torch

import grpo_mini
from grpo_mini import TASKS, load_policy
from grpo_mini.__main__ import USERS, main
from grpo_mini.advantages import (
    compute_relative_rewards,
    gae,
    leave_one_out,
    silent_groups,
    standardize,
)
from grpo_mini.experiments.commands import build_parser
from grpo_mini.grpo import GRPOConfig
from grpo_mini.losses import (
    aggregate,
    clipped_surrogate,
    entropy,
    kl_penalty,
    preference_loss,
    token_log_probs,
    value_loss,
)
from grpo_mini.models import encode_prompts
from grpo_mini.ppo import PPOConfig
from grpo_mini.rollout import sample
from grpo_mini.tasks import get_task
from grpo_mini.trainer import Trainer, evaluate

PACKAGE = Path(grpo_mini.__file__).parent


def refused(act) -> str:
    """The message of a refusal that is ours; anything else fails."""
    try:
        result = act()
    except USERS as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        assert Path(frame.filename).is_relative_to(PACKAGE), f"from inside {frame.filename}"
        line = linecache.getline(frame.filename, frame.lineno)
        assert line.strip().startswith("raise "), f"{error!r} at {frame.lineno}: {line}"
        message = str(error)
        assert len(message) > 15 and message.isprintable(), repr(message)
        return message
    raise AssertionError(f"accepted: {result!r}"[:200])


# ---------------------------------------------------------------------------- configurations

HUGE = 10**12
NUMBERS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf, "text": "1", "list": [1],
           "None": None, "bool": True, "complex": 1j, "negative": -1, "huge": HUGE,
           "enormous": 10**400}  # fmt: skip
OTHERS = {"number": 3, "float": 0.5, "list": ["x"], "dict": {"x": 1}, "bytes": b"x", "set": {1}}
# What may be negative, huge or None.
NEGATIVE = {"entropy_coef", "relative_reward_weight", "baseline_reward_weight"}
UNBOUNDED = {"max_grad_norm", "micro_batch_tokens", "seed", "standardize_floor"}
OPTIONAL = {"device", "threads", "critic_model_name", "chat_template_kwargs", "reward_weights"}


def wrong_values(name: str, kind: str) -> dict[str, object]:
    """Bad values of a field, by what is bad about them."""
    if "int" in kind or kind == "float":
        values = NUMBERS | {"half": 1.5} if "int" in kind else NUMBERS
        allowed = {"negative"} if name in NEGATIVE else set()
        allowed |= {"huge"} if name in UNBOUNDED else set()
    elif "bool" in kind:
        values, allowed = {"text": "False", "one": 1, "zero": 0.0, "None": None, "list": []}, set()
    elif "tuple" in kind:
        values = {"text": "1", "texts": ["1"], "nan": [math.nan], "dict": {1: 1}, "number": 1.0}
        allowed = set()
    elif "dict" in kind:
        values, allowed = {"text": "{}", "list": [1], "number": 1, "set": {1}}, set()
    else:
        values, allowed = OTHERS | {"None": None, "bool": True}, set()
    allowed |= {"None"} if name in OPTIONAL else set()
    return {what: value for what, value in values.items() if what not in allowed}


FIELDS = [
    pytest.param(config, field.name, value, id=f"{config.__name__}.{field.name}={what}")
    for config in (GRPOConfig, PPOConfig)
    for field in fields(config)
    for what, value in wrong_values(
        field.name, getattr(field.type, "__name__", str(field.type))
    ).items()
]


@pytest.mark.parametrize(("config", "name", "value"), FIELDS)
def test_a_bad_field_is_refused_by_name(config, name, value):
    message = refused(lambda: config(**{name: value}))
    assert name in message


def test_good_fields_are_not_refused():
    for config in (GRPOConfig, PPOConfig):
        config(entropy_coef=-0.1, max_grad_norm=1e9, clip_high=1e9, clip_low=1, seed=2**63 - 1,
               reward_weights=[1, 2], threads=8, chat_template_kwargs={"a": 1})  # fmt: skip


# ---------------------------------------------------------------------------- formulas

B, T, LOGITS = torch.rand(4), torch.zeros(2, 3), torch.rand(2, 3, 5)
NOT_TENSORS = {"list": [1.0, 2.0], "None": None, "number": 1.0, "text": "12"}
WRONG_GROUPS = (0, 1, -2, 5, 2.0, "2", None)

FORMULAS = {
    **{f"group_size={g!r}, {f.__name__}": (lambda g=g, f=f: f(B, g))
       for g in WRONG_GROUPS for f in (compute_relative_rewards, leave_one_out, silent_groups)},
    **{f"rewards {what}": (lambda v=v: compute_relative_rewards(v, 2))
       for what, v in NOT_TENSORS.items()},
    **{f"rewards {v}": (lambda v=v: compute_relative_rewards(torch.tensor([1.0, v]), 2))
       for v in (math.nan, math.inf, -math.inf)},
    "rewards [2, 2]": lambda: compute_relative_rewards(torch.rand(2, 2), 2),
    "rewards []": lambda: compute_relative_rewards(torch.tensor([]), 2),
    **{f"ddof {d}": (lambda d=d: compute_relative_rewards(B, 2, ddof=d)) for d in (-1, 2, 0.5)},
    **{f"standardize {what}": (lambda v=v: standardize(v)) for what, v in NOT_TENSORS.items()},
    "standardize, mask": lambda: standardize(T, torch.ones(3)),
    "gae shapes": lambda: gae(T, T, torch.ones(3), 1.0, 1.0),
    "gae [B]": lambda: gae(B, B, B, 1.0, 1.0),
    **{f"gae gamma {g}": (lambda g=g: gae(T, T, T, g, 1.0)) for g in (-0.1, 1.1, math.nan)},
    **{f"gae lam {g}": (lambda g=g: gae(T, T, T, 1.0, g)) for g in (-0.1, 1.1, math.nan)},
    **{f"temperature {t!r}": (lambda t=t: entropy(T, t)) for t in (0, -1, math.nan, math.inf, "1")},
    **{f"logits {what}": (lambda v=v: entropy(v)) for what, v in NOT_TENSORS.items()},
    "tokens of another batch": lambda: token_log_probs(LOGITS, torch.ones(1, 3).long()),
    "tokens of another length": lambda: token_log_probs(LOGITS, torch.ones(2, 2).long()),
    "tokens a list": lambda: token_log_probs(LOGITS, [[1, 1, 1]] * 2),
    "advantages [B]": lambda: clipped_surrogate(T, T, torch.ones(3)),
    "old log-probs of another batch": lambda: clipped_surrogate(T, torch.zeros(3, 3), T),
    **{f"clip_low {c}": (lambda c=c: clipped_surrogate(T, T, T, c)) for c in (-0.1, math.nan)},
    **{f"clip_high {c}": (lambda c=c: clipped_surrogate(T, T, T, 0.2, c))
       for c in (-0.1, math.nan)},
    **{f"dual_clip {c}": (lambda c=c: clipped_surrogate(T, T, T, dual_clip=c))
       for c in (1, 0, -1, math.nan)},
    "estimator": lambda: kl_penalty(T, T, "k4"),
    "reference of another shape": lambda: kl_penalty(T, torch.zeros(3)),
    **{f"log-probs {what}": (lambda v=v: kl_penalty(v, T)) for what, v in NOT_TENSORS.items()},
    "returns of another shape": lambda: value_loss(T, torch.zeros(3)),
    "value clip without old values": lambda: value_loss(T, T, clip=0.2),
    "value clip below 0": lambda: value_loss(T, T, T, clip=-1.0),
    "mask of another shape": lambda: aggregate(T, torch.ones(2, 2)),
    "mask [T]": lambda: aggregate(T, torch.ones(3)),
    "mask a list": lambda: aggregate(T, [[1, 1, 1]] * 2),
    "aggregation": lambda: aggregate(T, T, "mean"),
    **{f"length {n!r}": (lambda n=n: aggregate(T, T, "constant", n))
       for n in (None, 0, -1, 1.5, "3")},
    "preferences of other lengths": lambda: preference_loss(B, torch.rand(3)),
    "preferences a list": lambda: preference_loss([1.0], [0.0]),
}  # fmt: skip


@pytest.mark.parametrize("act", FORMULAS.values(), ids=FORMULAS)
def test_a_formula_refuses_what_it_is_not_for(act):
    refused(act)


# ---------------------------------------------------------------------------- models and prompts

CHAT = [{"role": "user", "content": "1+2="}]
WRONG_PROMPTS = {
    "a text": "1+2=",
    "none": [],
    "None": [None],
    "a number": [3],
    "a dictionary": [{"prompt": "1+2="}],
    "empty": [""],
    "blank": ["  "],
    "no messages": [[]],
    "a message without content": [[{"role": "user"}]],
    "a message without role": [[{"content": "x"}]],
    "texts for messages": [["1+2="]],
    "an empty message": [[{"role": "user", "content": ""}]],
    "too long": [[{"role": "user", "content": "1" * 600}]],
}


@pytest.mark.parametrize("prompts", WRONG_PROMPTS.values(), ids=WRONG_PROMPTS)
def test_prompts_that_are_none(tiny, prompts):
    refused(lambda: sample(*tiny, prompts))
    refused(lambda: encode_prompts(tiny[1], prompts, 100))


@pytest.mark.parametrize("value", [0, -1, 1.5, math.nan, "2", None], ids=repr)
@pytest.mark.parametrize("name", ["samples_per_prompt", "max_new_tokens"])
def test_numbers_of_sampling(tiny, name, value):
    assert name in refused(lambda: sample(*tiny, [CHAT], **{name: value}))


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "1"], ids=repr)
def test_temperatures_of_sampling(tiny, value):
    assert "temperature" in refused(lambda: sample(*tiny, [CHAT], temperature=value))


@pytest.mark.parametrize("name", ["", "no/such-model", "no such model", "/nowhere", __file__, "."])
def test_names_of_models(name):
    assert "cannot load the model" in refused(lambda: load_policy(name, device="cpu"))


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "tpu", "", "cpu:x"])
def test_devices(device):
    if device == "cuda:99" and torch.cuda.device_count() > 99:
        pytest.skip("an extraordinary machine")
    assert "cannot be used" in refused(lambda: load_policy(device=device))


# ---------------------------------------------------------------------------- trainers

WRONG_DATA = {
    "a path": "data.jsonl",
    "a number": 3,
    "a generator": (record for record in [{"prompt": "x"}]),
    "a dictionary": {"prompt": ["x"]},
    "none": [],
    "numbers": [1, 2, 3, 4],
    "no prompt": [{"question": "x"}] * 4,
    "other columns": [{"prompt": "x", "a": 1}] * 3 + [{"prompt": "x"}],
    "a reserved column": [{"prompt": "x", "truncated": 1}] * 4,
    "too few": [{"prompt": "x"}] * 3,
}


@pytest.mark.parametrize("dataset", WRONG_DATA.values(), ids=WRONG_DATA)
def test_data_sets_that_are_none(small_trainer, dataset):
    refused(lambda: small_trainer(dataset=dataset))
    trainer = small_trainer()
    if dataset != WRONG_DATA["too few"]:
        refused(lambda: trainer.evaluate(dataset))


WRONG_TRAINING = {
    **{f"steps={v!r}": {"steps": v} for v in (-1, 1.5, math.nan, "3", None)},
    **{f"{n}={v!r}": {"steps": 1, n: v}
       for n in ("save_every", "evaluate_every") for v in (0, -1, 1.5, "3")},
    **{f"seconds={v!r}": {"steps": 1, "seconds": v} for v in (0, -1, math.nan, math.inf, "3")},
}  # fmt: skip


@pytest.mark.parametrize("options", WRONG_TRAINING.values(), ids=WRONG_TRAINING)
def test_arguments_of_a_training(small_trainer, tmp_path, options):
    trainer = small_trainer()
    assert list(options)[-1] in refused(lambda: trainer.train(folder=tmp_path / "x", **options))
    assert trainer.step == 0 and not (tmp_path / "x").exists()


@pytest.mark.parametrize("what", ["nothing", "a file", "an empty folder", "another folder"])
def test_what_is_loaded(tmp_path, what):
    path = tmp_path / "run"
    if what == "a file":
        path.write_text("", encoding="utf-8")
    elif what != "nothing":
        path.mkdir()
    if what == "another folder":
        (path / "manifest.json").write_text("{}", encoding="utf-8")
    refused(lambda: Trainer.load(path))


@pytest.mark.parametrize("size", [0, -1, 1.5, math.nan, "3", None, 10**9], ids=repr)
def test_sizes_of_data_sets(size):
    assert "size" in refused(lambda: TASKS["chain-sums"].dataset(size, seed=0))


def test_unknown_names():
    assert "chain-sums" in refused(lambda: get_task("chess"))
    assert "chain-sums" in refused(lambda: GRPOConfig(task="chess"))


def test_an_evaluation_of_nothing(tiny):
    config = GRPOConfig()
    refused(lambda: evaluate(*tiny, [], TASKS["chain-sums"].reward, config))


# ---------------------------------------------------------------------------- the command line


def numeric_options() -> list:
    """Every option with a type, of every command of the core."""
    parser = build_parser()
    (commands,) = (a for a in parser._actions if hasattr(a, "choices") and a.dest == "command")
    found = []
    for name, sub in commands.choices.items():
        for action in sub._actions:
            if action.type in (None, str, Path) or not action.option_strings:
                continue
            for value in ("x", "nan", "", "-inf", "1e400"):
                option = action.option_strings[0]
                found.append(pytest.param(name, option, value, id=f"{name} {option} {value!r}"))
    return found


REQUIRED = {"warmstart": ["--out", "nowhere"]}


@pytest.mark.parametrize(("command", "option", "value"), numeric_options())
def test_numbers_of_the_command_line(command, option, value, capsys, monkeypatch):
    def worked(*arguments, **more):
        raise AssertionError("it began to work")

    monkeypatch.setattr("grpo_mini.trainer.Trainer.train", worked)
    monkeypatch.setattr("grpo_mini.experiments.commands.load_policy", worked)
    monkeypatch.setattr("grpo_mini.experiments.tiny_qwen.warm_start", worked)
    algorithm = []
    if command == "train":
        ppo_only = {f.name for f in fields(PPOConfig)} - {f.name for f in fields(GRPOConfig)}
        name = option.removeprefix("--").replace("-", "_")
        algorithm = ["--algorithm", "ppo"] if name in ppo_only else []
    try:
        code = main([command, *REQUIRED.get(command, []), *algorithm, f"{option}={value}"])
    except SystemExit as stop:
        code = stop.code
    error = capsys.readouterr().err.strip().splitlines()
    assert code == 2 and error[-1].startswith("error: ")
    assert option.removeprefix("--").replace("-", "_") in error[-1].replace("-", "_")


WORDS = {
    "an unknown command": ["dance"],
    "no command": [],
    "an unknown option": ["train", "--gruop-size", "4"],
    "a shortened option": ["train", "--group", "4"],
    "an option without its value": ["train", "--steps"],
    "a word too many": ["evaluate", "chain-sums"],
    "an unknown task": ["evaluate", "--task", "chess"],
    "an unknown algorithm": ["train", "--algorithm", "sarsa"],
    "an option of the other algorithm": ["train", "--gamma", "0.5"],
    "weights without rewards": ["train", "--reward-weights", "1", "2"],
    "an unknown experiment": ["experiment", "dance"],
    "no experiment": ["experiment"],
    "an unknown seed": ["experiment", "zoo", "--seeds", "77"],
    "an unknown aggregation": ["train", "--aggregation", "mean"],
    "a model that is not there": ["evaluate", "--model", "no/such-model"],
    "an empty prompt": ["sample", "--prompt", " "],
    "a long prompt": ["sample", "--prompt", "1" * 600],
    "nowhere to go": ["warmstart"],
    "a folder without checkpoints": ["train", "--resume", "--folder", "nowhere"],
    "no folder": ["train", "--resume"],
    "no GPU": ["gpu-check", "--device", "tpu"],
}


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_words_of_the_command_line(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(words)
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    assert code == 2 and "Traceback" not in captured.err
    assert captured.err.strip().splitlines()[-1].startswith("error: ")
    assert not list(tmp_path.iterdir()), "it has left something behind"


def test_so_many_are_tried():
    many = [FIELDS, FORMULAS, WRONG_PROMPTS, WRONG_DATA, WRONG_TRAINING, numeric_options(), WORDS]
    assert sum(map(len, many)) >= 300
