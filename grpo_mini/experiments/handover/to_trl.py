"""A folder with which TRL's GRPO takes over: settings, reward, data, and the ways to run it."""

import json
import re
import textwrap
from math import gcd
from pathlib import Path

from ...grpo import GRPOConfig
from ...models import decode, encode_prompts
from .readme import readme
from .settings import Setting, about_the_task, default, mapped, refused, settled
from .standalone import standalone
from .start import Start, copy_model

ENGINE = "TRL 1.16.0"
# TRL's defaults of all fields that grpo.yaml may set; a test compares them with the installed TRL.
DEFAULTS = {
    "model_name_or_path": None, "dtype": "float32", "dataset_name": None, "reward_funcs": None,
    "reward_weights": None, "chat_template_kwargs": None, "output_dir": None, "seed": 42,
    "max_steps": -1, "per_device_train_batch_size": 8, "gradient_accumulation_steps": 1,
    "num_generations": 8, "num_iterations": 1, "max_completion_length": 512, "temperature": 1.0,
    "scale_rewards": "group", "loss_type": "dapo", "epsilon": 0.2, "epsilon_high": None,
    "beta": 0.0, "use_bias_correction_kl": True, "entropy_coef": 0.0, "disable_dropout": False,
    "learning_rate": 1e-6, "lr_scheduler_type": "linear", "max_grad_norm": 1.0, "bf16": True,
    "gradient_checkpointing": True, "logging_steps": 10,
}  # fmt: skip
LOSSES = {"sequence": "grpo", "token": "dapo", "constant": "dr_grpo"}
NO_PPO = "TRL removed its PPOTrainer in 1.13: hand over with --to verl, or --algorithm grpo"
REQUIREMENTS = """\
# What the course is tested with. For vLLM: requirements-vllm.txt, in an environment of its own.
torch==2.13.*
transformers==5.23.*
trl==1.16.0
accelerate==1.15.*
datasets==5.2.*
"""
REQUIREMENTS_VLLM = """\
# TRL 1.16 takes vLLM 0.22 to 0.31, and vLLM 0.31 no transformers from 5.18 on.
trl[vllm]==1.16.0
vllm==0.31.*
transformers<5.18
"""


def part_of(start: Start) -> int:
    """Responses of a forward and backward pass: as many as `micro_batch_tokens` holds at their
    longest, and a divisor of the step's, of half of them if there are two halves."""
    whole = start.responses // gcd(start.responses, 2)
    most = max(start.config.micro_batch_tokens // start.config.max_new_tokens, 1)
    return max(size for size in range(1, whole + 1) if whole % size == 0 and size <= most)


def settings(start: Start) -> list[Setting]:
    """What becomes of each field of a `GRPOConfig`."""
    c, part = start.config, part_of(start)
    no_kl = c.kl_coef == 0
    weights = list(c.reward_weights) if c.reward_weights else None
    if no_kl:
        estimator = default("kl_estimator", "kl_coef is 0: there is no KL")
    elif c.kl_estimator == "k1" or (c.kl_estimator == "k2" and c.grpo_epochs > 1):
        why = "TRL has no k1, and k2 only where each batch is used once; k3 is there"
        estimator = refused("kl_estimator", False, why)
    else:
        why = "TRL knows k3, and k3 times the ratio, which at ratio 1 has the gradient of k2"
        estimator = mapped("kl_estimator", why, use_bias_correction_kl=c.kl_estimator == "k2")
    return [
        *about_the_task(
            mapped("reward_weights", reward_weights=weights) if weights
            else default("reward_weights", "none: 1 each, in TRL too")
        ),
        mapped("chat_template_kwargs", chat_template_kwargs=c.chat_template_kwargs)
        if c.chat_template_kwargs else default("chat_template_kwargs", "none"),
        mapped("seed", "it draws other numbers there", seed=c.seed),
        mapped("autocast", "TRL's default is bfloat16, on a CPU too", bf16=c.autocast),
        mapped(
            "prompts_per_step",
            "TRL's batch sizes count responses: this times gradient_accumulation_steps times "
            f"processes is {c.prompts_per_step} prompts x {c.group_size}; run.sh divides them",
            per_device_train_batch_size=part,
        ),
        mapped(
            "micro_batch_tokens",
            f"passes of {part} responses, whatever their length; memory, not results",
            gradient_accumulation_steps=start.responses // part,
        ),
        mapped(
            "gradient_checkpointing",
            "True there: memory and time, not results",
            gradient_checkpointing=c.gradient_checkpointing,
        ),
        mapped("group_size", num_generations=c.group_size),
        mapped(
            "grpo_epochs",
            f"max_steps counts updates: {start.steps} batches, {c.grpo_epochs} of each",
            num_iterations=c.grpo_epochs, max_steps=start.steps * c.grpo_epochs,
        )
        if c.grpo_epochs == 1 or not start.reward.wants_state
        else refused("grpo_epochs", False, "the reward asks for trainer_state, whose global_step "
                     "counts batches here and updates in TRL"),
        mapped("max_new_tokens", max_completion_length=c.max_new_tokens),
        mapped("temperature", temperature=c.temperature),
        mapped(
            "use_group_normalization",
            "TRL adds 1e-4 to a group's standard deviation, we add 1e-8",
            scale_rewards="group" if c.use_group_normalization else "none",
        ),
        mapped("aggregation", loss_type=LOSSES[c.aggregation]),
        mapped("clip_low", epsilon=c.clip_low),
        mapped("clip_high", epsilon_high=c.clip_high),
        mapped("kl_coef", beta=c.kl_coef),
        estimator,
        refused("kl_in_reward", no_kl or not c.kl_in_reward, "TRL has KL in the loss only"),
        mapped(
            "entropy_coef",
            "TRL takes a mean over each pass's tokens, we one over the batch's",
            entropy_coef=c.entropy_coef,
        )
        if c.entropy_coef == 0 or c.aggregation == "token"
        else refused("entropy_coef", False, "TRL's bonus is a token mean, whatever the loss is"),
        mapped("learning_rate", "constant here; TRL lets it fall to 0",
               learning_rate=c.learning_rate, lr_scheduler_type="constant"),
        mapped("max_grad_norm", max_grad_norm=c.max_grad_norm),
        refused("relative_reward_weight", c.relative_reward_weight == 1,
                "TRL has no mix of relative reward and baseline"),
        refused("baseline_reward_weight", c.baseline_reward_weight == 0,
                "TRL has no mix of relative reward and baseline"),
        refused("standardize_advantages", not c.standardize_advantages,
                "TRL has no standardisation over the batch after the group's; its "
                "scale_rewards=batch divides by the spread of the raw rewards"),
    ]  # fmt: skip


def engine_only(start: Start) -> dict[str, tuple[object, str]]:
    """Fields that our configuration does not have, each with a reason."""
    functions = [f"reward.{name}" for name in start.reward.names]
    return {
        "model_name_or_path": (start.model_name, ""),
        "dtype": ("float32", ""),
        "dataset_name": ("data", "A folder with train.jsonl"
                         + (" and test.jsonl" if start.test else "")),
        "reward_funcs": (functions, "In reward.py; TRL looks for it where it is started"),
        "output_dir": ("out", ""),
        "disable_dropout": (True, "Here models train in eval mode, without dropout"),
        "logging_steps": (1, ""),
    }  # fmt: skip


def grpo_yaml(start: Start, found: dict[str, dict]) -> str:
    """TRL's configuration; a comment stands over each field that differs from TRL or from here."""
    fields = dict(engine_only(start))
    for name, setting in found.items():
        why = f"{name}: {setting['why']}" if setting["why"] else ""
        fields |= {field: (value, why) for field, value in setting["there"].items()}
    lines = [
        f"# For {ENGINE}, written by: python -m grpo_mini handover --to trl",
        "# Over a field stands what differs: from TRL's default, or from what it means here.",
    ]
    for field, (value, why) in fields.items():
        comment = [] if value == DEFAULTS[field] else [f"TRL's default: {DEFAULTS[field]}."]
        comment += [f"{why}."] if why else []
        lines += ["", *(f"# {line}" for line in textwrap.wrap(" ".join(comment), 96))]
        # JSON is YAML, but for 1e-05, which is text there.
        text = re.sub(r"^([0-9]+)e-", r"\1.0e-", json.dumps(value))
        lines.append(f"{field}: {text}")
    return "\n".join(lines) + "\n"


def reward_py(start: Start) -> str:
    """What TRL calls: the functions of own_reward.py, with what TRL leaves out."""
    functions = []
    for i, (name, waits) in enumerate(zip(start.reward.names, start.reward.waits, strict=True)):
        functions.append(
            f"{'async ' if waits else ''}def {name}(**given):\n"
            f'    """`{name}` of own_reward.py, as TRL calls it."""\n'
            f"    return {'await ' if waits else ''}REWARDS[{i}](**as_in_the_course(given))\n"
        )
    imports = ("import own_reward", "from transformers import AutoTokenizer, GenerationConfig")
    helpers = standalone(decode, encode_prompts, imports=imports)
    return f'''"""What TRL calls: own_reward.py, with what TRL leaves out.

TRL does not say which responses were cut off; the last token id does. It drops special tokens from
a response's text, and a <think> that the chat template has opened; here the text is made again from
the token ids, so that a response is paid what it was paid in the course.
"""

{helpers}

MODEL = {start.model_name!r}
TEMPLATE = {start.config.chat_template_kwargs or {}!r}
REWARDS = own_reward.reward if isinstance(own_reward.reward, list | tuple) else [own_reward.reward]
TOKENIZER = AutoTokenizer.from_pretrained(MODEL)
ENDS = GenerationConfig.from_pretrained(MODEL).eos_token_id
ENDS = {{TOKENIZER.eos_token_id, *(ENDS if isinstance(ENDS, list) else [ENDS])}}


def as_in_the_course(given):
    """TRL's columns, with `truncated` and with the responses' text as it was sampled."""
    responses = given["completion_ids"]
    truncated = [not ids or ids[-1] not in ENDS for ids in responses]
    prompts = encode_prompts(TOKENIZER, given["prompts"], 1 << 30, TEMPLATE)
    said = [ids if cut else ids[:-1] for ids, cut in zip(responses, truncated)]
    texts = decode(TOKENIZER, prompts, said)
    completions = [
        text if isinstance(prompt, str) else [{{"role": "assistant", "content": text}}]
        for prompt, text in zip(given["prompts"], texts)
    ]
    return given | {{"truncated": truncated, "completions": completions}}


''' + "\n\n".join(functions)


def run_sh(start: Start) -> str:
    """The ways to run it, from two processes on a processor to several GPUs."""
    part = part_of(start)
    window = (start.longest or 512) + start.config.max_new_tokens
    return f"""#!/usr/bin/env bash
# ./run.sh cpu        two processes on the processor, as on two GPUs: everything but the speed
# ./run.sh gpu        one GPU
# ./run.sh gpus N     N GPUs, with the weights, gradients and Adam split over them (FSDP2)
# ./run.sh vllm [N]   as gpu or gpus, with vLLM sampling on the same cards
# Anything after that goes to TRL: ./run.sh gpu --max_steps 2
set -euo pipefail
cd "$(dirname "$0")"

usage() {{ sed -n 's/^# //p' "$0" | head -5 >&2; exit 2; }}
how=${{1:-}}; shift || usage
n=1
case $how in
    cpu) n=2 ;;
    gpu) ;;
    gpus) n=${{1:?how many GPUs?}}; shift ;;
    vllm) if [[ ${{1:-}} =~ ^[0-9]+$ ]]; then n=$1; shift; fi ;;
    *) usage ;;
esac

# A step is {start.responses} responses: part x passes x processes, for any number of processes.
batch={start.responses} part={part}
while ((part > 0 && batch % (part * n))); do part=$((part - 1)); done
((part)) || {{ echo "$batch responses cannot be divided among $n processes" >&2; exit 2; }}
options=(--config grpo.yaml --per_device_train_batch_size $part
    --gradient_accumulation_steps $((batch / (part * n))))

if [[ $how == vllm ]]; then
    options+=(--use_vllm true --vllm_mode colocate --vllm_gpu_memory_utilization 0.3
        --vllm_max_model_length {window})
fi
if [[ $how == cpu ]]; then
    # Not `accelerate launch --cpu --num_processes 2`, which runs one process without a word.
    exec torchrun --standalone --nproc_per_node $n on_cpu.py "${{options[@]}}" \\
        --use_cpu true --bf16 false "$@"
elif ((n == 1)); then
    CUDA_VISIBLE_DEVICES=${{CUDA_VISIBLE_DEVICES:-0}} exec python -m trl.scripts.grpo \\
        "${{options[@]}}" "$@"
else
    exec accelerate launch --config_file fsdp2.yaml --num_processes "$n" -m trl.scripts.grpo \\
        "${{options[@]}}" "$@"
fi
"""


ON_CPU = '''"""TRL's own script (trl.scripts.grpo), with an end that cannot hang.

As its last process group goes, torch's gloo waits for its threads with Python's lock in hand, and a
thread that has just finished an exchange may be waiting for that lock (seen with torch 2.13 on a
busy machine: trained, saved, and never ended). So the group is kept a moment longer.
"""

import time

import torch.distributed as dist
from trl.scripts import grpo

if __name__ == "__main__":
    # The script itself would pass over a misspelt field of grpo.yaml without a word.
    arguments = grpo.make_parser().parse_args_and_config(fail_with_unknown_args=True)
    group = dist.group.WORLD
    grpo.main(*arguments)
    time.sleep(1)
'''


def fsdp2_yaml(start: Start) -> str:
    """accelerate's configuration of FSDP2; its precision must be the training's."""
    return f"""# FSDP2: weights, gradients and Adam in parts, one a GPU.
compute_environment: LOCAL_MACHINE
distributed_type: FSDP
fsdp_config:
  fsdp_version: 2
  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP
  fsdp_cpu_ram_efficient_loading: true
  fsdp_reshard_after_forward: true
  fsdp_state_dict_type: FULL_STATE_DICT
machine_rank: 0
main_training_function: main
mixed_precision: {"bf16" if start.config.autocast else "'no'"}
num_machines: 1
num_processes: 1
use_cpu: false
"""


def jsonl(records) -> str:
    """A record a line."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def write_trl(start: Start, folder: Path, made_by: dict) -> None:
    """Fill the folder.

    Raises:
        ValueError: settings without a counterpart in TRL, by name.
    """
    if not isinstance(start.config, GRPOConfig):
        raise ValueError(NO_PPO)
    found = settled(ENGINE, start.config, settings(start))
    data = folder / "data"
    data.mkdir(parents=True)
    if start.model is not None:
        copy_model(start, folder / "model")
    handover = {
        "engine": ENGINE,
        "settings": found,
        "engine_only": {f: {"value": v, "why": w} for f, (v, w) in engine_only(start).items()},
        **made_by,
    }
    files = {
        "grpo.yaml": grpo_yaml(start, found),
        "fsdp2.yaml": fsdp2_yaml(start),
        "on_cpu.py": ON_CPU,
        "own_reward.py": start.reward.source,
        "reward.py": reward_py(start),
        "requirements.txt": REQUIREMENTS,
        "requirements-vllm.txt": REQUIREMENTS_VLLM,
        "run.sh": run_sh(start),
        "handover.json": json.dumps(handover, indent=1) + "\n",
        "README.md": readme(ENGINE, start, found, FILES, WAYS),
        "data/train.jsonl": jsonl(start.train),
        **({"data/test.jsonl": jsonl(start.test)} if start.test else {}),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    (folder / "run.sh").chmod(0o755)


FILES = {
    "grpo.yaml": "TRL's configuration, with a comment over each field that differs",
    "own_reward.py": "the reward, as it came",
    "reward.py": "what TRL calls: the reward, with what TRL leaves out",
    "data/": "training and test problems",
    "run.sh": "the ways to run it",
    "on_cpu.py": "TRL's script for several processes on a processor",
    "fsdp2.yaml": "accelerate's configuration for several GPUs",
    "handover.json": "what became of each setting, and why",
    "requirements.txt": "the versions; `requirements-vllm.txt` those for vLLM",
}
WAYS = """\
```bash
pip install -r requirements.txt     # or requirements-vllm.txt
./run.sh cpu                        # two processes on the processor
./run.sh gpu                        # one GPU
./run.sh gpus 4                     # four, with FSDP2
./run.sh vllm                       # vLLM samples, on the same card
./run.sh gpu --eval_strategy steps --eval_steps 10 --num_generations_eval 1    # with test problems
```

The trained model is in `out/` at the end, with TRL's log in `out/checkpoint-*/trainer_state.json`.
The course's tests run the first way; those on GPUs were not run where this was written.
"""
