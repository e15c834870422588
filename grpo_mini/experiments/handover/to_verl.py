"""A folder with which verl's GRPO or PPO takes over: one command, reward, parquet."""

import json
import shlex
import textwrap
from pathlib import Path

from ...grpo import GRPOConfig
from ...models import decode, encode_prompts
from ...tasks import Record
from .readme import readme
from .settings import Setting, about_the_task, default, mapped, refused, settled
from .standalone import standalone
from .start import Start, copy_model

ENGINE = "verl 0.9.1"
# Every key that run.sh sets and what verl's own configuration says there. tests/verl_defaults.py
# reads them out of verl's wheel, and a test compares where the wheel is at hand.
DEFAULTS = json.loads(Path(__file__).with_name("verl-defaults.json").read_text(encoding="utf-8"))
LOSSES = {"token": "token-mean", "sequence": "seq-mean-token-mean",
          "constant": "seq-mean-token-sum-norm"}  # fmt: skip
KL = {"k1": "kl", "k2": "mse", "k3": "low_var_kl"}
FAR = 1e9  # a limit that nothing reaches
INSIDE = ("model", "reward.py", "data/train.parquet", "data/test.parquet")  # Ray starts elsewhere
AWAIT = """\
        if inspect.isawaitable(paid):
            paid = await paid
"""
ACTOR, ROLLOUT = "actor_rollout_ref.actor", "actor_rollout_ref.rollout"
REQUIREMENTS = """\
# verl brings vLLM 0.24, torch 2.11 and transformers 5.9 itself; Python 3.10 to 3.12.
verl[vllm]==0.9.1
"""


def settings(start: Start) -> list[Setting]:
    """What becomes of each field of a `GRPOConfig` or a `PPOConfig`."""
    c = start.config
    kl_loss, in_reward = c.kl_coef > 0 and not c.kl_in_reward, c.kl_coef > 0 and c.kl_in_reward
    grpo = isinstance(c, GRPOConfig)
    kl = {f"{ACTOR}.use_kl_loss": kl_loss, "algorithm.use_kl_in_reward": in_reward}
    kl |= {f"{ACTOR}.kl_loss_coef": c.kl_coef} if kl_loss else {}
    kl |= {"algorithm.kl_ctrl.kl_coef": c.kl_coef} if in_reward else {}
    weights_of_tokens = {f"{ACTOR}.loss_agg_mode": LOSSES[c.aggregation]}
    if c.aggregation == "constant":
        weights_of_tokens[f"{ACTOR}.loss_scale_factor"] = c.max_new_tokens
    tokens = max(c.micro_batch_tokens, prompt_room(start) + c.max_new_tokens)
    template, twice = c.chat_template_kwargs, c.gradient_checkpointing
    return [
        *about_the_task(
            default("reward_weights", "in reward.py: verl takes one number a response")
        ),
        mapped("chat_template_kwargs", **{
            "+data.apply_chat_template_kwargs." + name: value for name, value in template.items()
        }) if template else default("chat_template_kwargs", "none"),
        mapped("seed", "it draws other numbers there",
               **{"data.seed": c.seed, f"{ROLLOUT}.seed": c.seed}),
        default("autocast", "products in bfloat16, float32 weights: verl's default")
        if c.autocast
        else refused("autocast", False, "verl's configuration knows products in bfloat16 only, and "
                     "samples in it: --autocast accepts that"),
        mapped("prompts_per_step", "an update takes the whole batch",
               **{"data.train_batch_size": c.prompts_per_step,
                  f"{ACTOR}.ppo_mini_batch_size": c.prompts_per_step}),
        mapped("micro_batch_tokens", "verl counts the prompt's tokens too",
               **{f"{ACTOR}.use_dynamic_bsz": True, f"{ACTOR}.ppo_max_token_len_per_gpu": tokens},
               **({} if grpo else {"critic.ppo_max_token_len_per_gpu": tokens})),
        mapped("gradient_checkpointing", "verl's default is True; memory, not results",
               **{"actor_rollout_ref.model.enable_gradient_checkpointing": twice},
               **({} if grpo else {"critic.model.enable_gradient_checkpointing": twice})),
        mapped("max_new_tokens", **{"data.max_response_length": c.max_new_tokens}),
        mapped("temperature", **{f"{ROLLOUT}.temperature": c.temperature}),
        mapped("learning_rate", "Adam here, hence no weight decay",
               **{f"{ACTOR}.optim.lr": c.learning_rate, f"{ACTOR}.optim.weight_decay": 0.0}),
        mapped("max_grad_norm", **{f"{ACTOR}.optim.clip_grad": c.max_grad_norm},
               **({} if grpo else {"critic.optim.clip_grad": c.max_grad_norm})),
        mapped("clip_low", "verl's dual clip is moved out of reach: here is none",
               **{f"{ACTOR}.clip_ratio_low": c.clip_low, f"{ACTOR}.clip_ratio_c": FAR}),
        mapped("clip_high", **{f"{ACTOR}.clip_ratio_high": c.clip_high}),
        mapped("kl_coef", **kl),
        mapped("kl_estimator", "verl cuts k3 off at 10 nats a token" * (c.kl_estimator == "k3"),
               **{f"{ACTOR}.kl_loss_type": KL[c.kl_estimator]})
        if kl_loss else default("kl_estimator", "there is no KL in the loss"),
        refused("kl_in_reward", False, "verl divides the KL by the group's standard deviation too; "
                "it fits --no-use-group-normalization")
        if in_reward and grpo and c.use_group_normalization
        else default("kl_in_reward", "see kl_coef"),
        mapped("entropy_coef", **{f"{ACTOR}.entropy_coeff": c.entropy_coef}),
        mapped("aggregation", **weights_of_tokens),
        *(of_grpo if grpo else of_ppo)(start),
    ]  # fmt: skip


def of_grpo(start: Start) -> list[Setting]:
    """What only a `GRPOConfig` has."""
    c, no_mix = start.config, "verl has no mix of relative reward and baseline"
    return [
        mapped("group_size", **{f"{ROLLOUT}.n": c.group_size}),
        mapped("use_group_normalization",
               "verl adds 1e-6 to a group's standard deviation, we add 1e-8",
               **{"algorithm.norm_adv_by_std_in_grpo": c.use_group_normalization}),
        refused("relative_reward_weight", c.relative_reward_weight == 1, no_mix),
        refused("baseline_reward_weight", c.baseline_reward_weight == 0, no_mix),
        refused("standardize_advantages", not c.standardize_advantages,
                "verl has no standardisation over the batch after the group's"),
        mapped("grpo_epochs", **{f"{ACTOR}.ppo_epochs": c.grpo_epochs}),
    ]  # fmt: skip


def of_ppo(start: Start) -> list[Setting]:
    """What only a `PPOConfig` has."""
    c = start.config
    return [
        mapped("critic_model_name",
               "its value head begins at random numbers, ours at 0: a warm-up is worth a thought "
               "(trainer.critic_warmup)",
               **{"critic.model.path": c.critic_model_name or start.model_name}),
        mapped("critic_learning_rate", **{"critic.optim.lr": c.critic_learning_rate,
                                          "critic.optim.weight_decay": 0.0}),
        mapped("vf_coef", "verl's is 1/2, and its value clip is moved out of reach: here is none",
               **{"critic.cliprange_value": FAR})
        if c.vf_coef == 0.5
        else refused("vf_coef", False, "verl's is 0.5; the critic has an optimiser of its own, so "
                     "that it hardly matters"),
        mapped("gamma", **{"algorithm.gamma": c.gamma}),
        mapped("lam", **{"algorithm.lam": c.lam}),
        mapped("samples_per_prompt", **{f"{ROLLOUT}.n": c.samples_per_prompt}),
        refused("standardize_advantages", c.standardize_advantages,
                "verl always standardises over the batch's tokens"),
        refused("standardize_floor", c.standardize_floor == 0,
                "verl has no floor; --standardize-floor 0 accepts that"),
        refused("skip_equal_rewards", not c.skip_equal_rewards,
                "verl makes a step of equal rewards too; --no-skip-equal-rewards accepts that"),
        mapped("ppo_epochs", **{f"{ACTOR}.ppo_epochs": c.ppo_epochs}),
    ]  # fmt: skip


def prompt_room(start: Start) -> int:
    """Tokens that verl keeps for a prompt: the longest, or its default where that is not known."""
    return start.longest or DEFAULTS["data.max_prompt_length"]


def engine_only(start: Start) -> dict[str, tuple[object, str]]:
    """Keys that our configuration does not have, each with a reason."""
    grpo = isinstance(start.config, GRPOConfig)
    return {
        "algorithm.adv_estimator": ("grpo" if grpo else "gae", ""),
        "actor_rollout_ref.model.path": (start.model_name, ""),
        "data.train_files": ("data/train.parquet", ""),
        "data.val_files": (f"data/{'test' if start.test else 'train'}.parquet", ""),
        "data.max_prompt_length": (prompt_room(start), "The longest of the data"),
        "reward.custom_reward_function.path": ("reward.py", ""),
        "actor_rollout_ref.rollout.name": ("vllm", "It has to be named"),
        "actor_rollout_ref.rollout.tensor_model_parallel_size": (1, "A small model fits one GPU"),
        "trainer.total_training_steps": (start.steps, ""),
        "trainer.nnodes": (1, ""),
        "trainer.logger": (["console"], "No account needed"),
        "trainer.val_before_train": (bool(start.test), ""),
        "trainer.test_freq": (10 if start.test else -1, ""),
        "trainer.save_freq": (start.steps, "At the end"),
        "trainer.project_name": ("grpo_mini", ""),
        "trainer.experiment_name": ("handover", ""),
    }


def run_sh(start: Start, found: dict[str, dict]) -> str:
    """verl's command, a key a line; a comment stands over each that differs from verl or here."""
    keys = dict(engine_only(start))
    for name, setting in found.items():
        why = f"{name}: {setting['why']}" if setting["why"] else ""
        keys |= {key: (value, why) for key, value in setting["there"].items()}
    lines = []
    for key, (value, why) in keys.items():
        known = DEFAULTS.get(key)
        comment = [] if value == known else [f"verl's default: {json.dumps(known)}."]
        comment += [f"{why}."] if why else []
        lines += [f"    # {line}" for line in textwrap.wrap(" ".join(comment), 94)]
        text = value if isinstance(value, str) else json.dumps(value).replace('"', "")
        word = f'{key}="$PWD/{text}"' if text in INSIDE else shlex.quote(f"{key}={text}")
        lines.append(f"    {word}")
    return f"""#!/usr/bin/env bash
# ./run.sh [N]    {ENGINE} on this machine's N GPUs [1]; anything after that goes to verl
set -euo pipefail
cd "$(dirname "$0")"
n=1
if [[ ${{1:-}} =~ ^[0-9]+$ ]]; then n=$1; shift; fi

options=(
{chr(10).join(lines)}
)
exec python3 -m verl.trainer.main_ppo "${{options[@]}}" trainer.n_gpus_per_node="$n" "$@"
"""


def reward_py(start: Start) -> str:
    """`compute_score`: the functions of own_reward.py, for one response."""
    waits = any(start.reward.waits)
    imports = ["import json", "import sys", "from pathlib import Path"]
    imports += ["import inspect"] * waits + ["from transformers import AutoTokenizer"]
    helpers = standalone(decode, encode_prompts, imports=imports)
    weights = list(start.config.reward_weights or [1.0] * len(start.reward.names))
    return f'''"""What verl calls, `compute_score`: own_reward.py, with what verl leaves out.

verl hands over a response's text without its special tokens, and does not say whether it was cut
off. Encoded again it has all the tokens that there was room for just then: one that ended by itself
had its end token besides. The other columns of the data come as JSON, in `ground_truth`.
"""

{helpers}

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))  # verl loads this file from elsewhere
import own_reward

MODEL = {f"FOLDER / {start.model_name!r}" if start.model else repr(start.model_name)}
TEMPLATE = {start.config.chat_template_kwargs or {}!r}
ROOM = {start.config.max_new_tokens}  # tokens of the longest response
WEIGHTS = {weights!r}
REWARDS = own_reward.reward if isinstance(own_reward.reward, list | tuple) else [own_reward.reward]
TOKENIZER = AutoTokenizer.from_pretrained(MODEL)


{"async " if waits else ""}def compute_score(
    data_source, solution_str, ground_truth, extra_info=None, **more
):
    """The weighted sum of the rewards of one response."""
    record = json.loads(ground_truth)
    prompt = record.pop("prompt")
    ids = TOKENIZER(solution_str, add_special_tokens=False).input_ids
    opened = decode(TOKENIZER, encode_prompts(TOKENIZER, [prompt], 1 << 30, TEMPLATE), [[]])[0]
    given = {{name: [value] for name, value in record.items()}} | {{
        "prompts": [prompt],
        "completions": [[{{"role": "assistant", "content": opened + solution_str}}]],
        "completion_ids": [ids],
        "truncated": [len(ids) >= ROOM],
        "log_extra": lambda name, values: None,
        "log_metric": lambda name, value: None,
    }}
    total, applied = 0.0, False
    for function, weight in zip(REWARDS, WEIGHTS):
        paid = function(**given)
{AWAIT if waits else ""}        if paid[0] is not None:
            total, applied = total + weight * float(paid[0]), True
    if not applied:
        raise ValueError(f"no reward function applies to {{record}}; verl needs a number for each")
    return total
'''


def rows(records: list[Record], split: str) -> list[dict]:
    """Records in verl's columns.

    Raises:
        ValueError: a prompt is plain text.
    """
    found = []
    for i, record in enumerate(records):
        if isinstance(record["prompt"], str):
            raise ValueError(
                f"verl needs chat messages, and prompt {i} of {split} is text: "
                f'[{{"role": "user", "content": ...}}]'
            )
        found.append(
            {
                "data_source": "own_reward",
                "prompt": record["prompt"],
                "ability": "own_reward",
                "reward_model": {"style": "rule", "ground_truth": json.dumps(record)},
                "extra_info": {"split": split, "index": i},
            }
        )
    return found


def write_verl(start: Start, folder: Path, made_by: dict) -> None:
    """Fill the folder.

    Raises:
        ValueError: settings without a counterpart in verl, by name; prompts that are plain text; a
            reward that asks for the training's state; or the package datasets is missing.
    """
    try:
        from datasets import Dataset
    except ImportError as error:
        raise ValueError(
            "verl reads parquet, and writing it needs the package datasets: pip install datasets"
        ) from error
    found = settled(ENGINE, start.config, settings(start))
    if start.reward.wants_state:
        raise ValueError("the reward asks for trainer_state, and verl does not tell it")
    splits = {"train": rows(start.train, "train"), "test": rows(start.test, "test")}
    (folder / "data").mkdir(parents=True)
    if start.model is not None:
        copy_model(start, folder / "model")
    for split, found_rows in splits.items():
        if found_rows:
            Dataset.from_list(found_rows).to_parquet(folder / "data" / f"{split}.parquet")
    handover = {
        "engine": ENGINE,
        "settings": found,
        "engine_only": {k: {"value": v, "why": w} for k, (v, w) in engine_only(start).items()},
        **made_by,
    }
    files = {
        "own_reward.py": start.reward.source,
        "reward.py": reward_py(start),
        "requirements.txt": REQUIREMENTS,
        "run.sh": run_sh(start, found),
        "handover.json": json.dumps(handover, indent=1) + "\n",
        "README.md": readme(ENGINE, start, found, FILES, WAYS),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    (folder / "run.sh").chmod(0o755)


FILES = {
    "run.sh": "verl's command, with a comment over each key that differs",
    "own_reward.py": "the reward, as it came",
    "reward.py": "`compute_score`, which verl calls",
    "data/": "training and test problems, in parquet",
    "handover.json": "what became of each setting, and why",
    "requirements.txt": "the version",
}
WAYS = """\
```bash
pip install -r requirements.txt     # Python 3.10 to 3.12, CUDA
./run.sh                            # one GPU
./run.sh 8                          # eight
```

The keys of the command were checked against verl's own configuration files; the command itself was
not run where this was written, for it needs a GPU.
"""
