"""Preference pairs from the task itself: a right and a wrong response to the same prompt.

The tiny Qwen answers training problems; the verifier says which responses are right. A right one is
preferred to a wrong one. So the pairs come from the policy that the reward model will judge, and
what it learns can be compared with the truth.
"""

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm.auto import tqdm

from ..models import TINY_QWEN, Model, Tokenizer, load_policy
from ..rollout import sample
from ..support.checkpoints import atomic_write
from ..tasks import Record, get_task, has_thought, is_right
from ..trainer import call_reward
from .options import Parser, whole
from .record import require_writable

PREFERENCES = Path(__file__).parents[2] / "data" / "preferences" / "chain-sums.jsonl"
DATA_SEED = 1000  # of the problems: training uses the seeds from 0 on
SAMPLES = 64  # responses to each problem
CHUNK = 20  # problems sampled together
HELD_OUT = 5  # every fifth problem's pairs are for testing


def make_pairs(
    model: Model, tokenizer: Tokenizer, problems: Sequence[Record], seed: int
) -> list[dict]:
    """At most two pairs a problem: any right and any wrong response, and two that both think.

    Each is ``{"prompt", "chosen", "rejected", "thinks", "part"}``: the user's message, the two
    responses, whether each thinks first, and "train" or "test". No problem is in both parts.
    """
    task, pairs = get_task("chain-sums"), []
    generator = torch.Generator(model.device).manual_seed(seed)
    for start in tqdm(range(0, len(problems), CHUNK), desc="sampling", unit="chunk"):
        chunk = problems[start : start + CHUNK]
        prompts = [record["prompt"] for record in chunk]
        rollout = sample(model, tokenizer, prompts, SAMPLES, generator=generator)
        rewards = call_reward(task.reward, chunk, rollout).view(-1, SAMPLES).tolist()
        for i, record in enumerate(chunk):
            texts = rollout.texts[i * SAMPLES : (i + 1) * SAMPLES]
            cut = rollout.truncated_B[i * SAMPLES : (i + 1) * SAMPLES].tolist()
            question = record["prompt"][-1]["content"]
            part = "test" if (start + i) % HELD_OUT == 0 else "train"
            whole = [(t, r) for t, r, c in zip(texts, rewards[i], cut, strict=True) if not c]
            for chosen, rejected in choose(whole, random.Random(f"{seed}/{question}")):
                thinks = [has_thought(chosen), has_thought(rejected)]
                pairs.append({"prompt": question, "chosen": chosen, "rejected": rejected,
                              "thinks": thinks, "part": part})  # fmt: skip
    return pairs


def choose(responses: list[tuple[str, float]], rng: random.Random) -> list[tuple[str, str]]:
    """From one problem's responses and rewards: a pair of any kind, and a pair that thinks."""
    # Sorted, so that the choice depends on the texts alone.
    right = sorted(text for text, reward in responses if is_right(reward))
    wrong = sorted(text for text, reward in responses if not is_right(reward))
    if not right or not wrong:
        return []
    chosen = [(rng.choice(right), rng.choice(wrong))]
    right, wrong = list(filter(has_thought, right)), list(filter(has_thought, wrong))
    if right and wrong:
        chosen.append((rng.choice(right), rng.choice(wrong)))
    return list(dict.fromkeys(chosen))


def write_pairs(pairs: Sequence[dict], path: Path) -> None:
    """One pair a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(pair, separators=(",", ":")) + "\n" for pair in pairs]
    atomic_write(path, "".join(lines))


def read_pairs(part: str, path: Path = PREFERENCES) -> list[dict]:
    """The pairs of one part, "train" or "test", as TRL has them: chat messages for the texts."""
    pairs = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [as_messages(pair) for pair in pairs if pair["part"] == part]


def as_messages(pair: dict) -> dict:
    """A pair with prompt, chosen and rejected as chat messages."""
    roles = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}
    return pair | {n: [{"role": role, "content": pair[n]}] for n, role in roles.items()}


def same_style(pair: dict) -> bool:
    """True if both responses think, or neither does."""
    return pair["thinks"][0] == pair["thinks"][1]


def main(argv: Sequence[str]) -> None:
    """Sample, pair and write."""
    parser = Parser(
        prog="python -m grpo_mini preferences",
        description="Make preference pairs: a right and a wrong response to the same prompt.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, help="the .jsonl file to write")
    parser.add_argument("--problems", type=whole(1), default=1200, help="problems to sample from")
    parser.add_argument("--seed", type=whole(0), default=0, help="of sampling and pairing")
    parser.add_argument("--model", default=str(TINY_QWEN), help="folder or hub id")
    arguments = parser.parse_args(argv)
    require_writable(arguments.out)
    torch.set_num_threads(1)  # the order of sums, and so the bytes, do not depend on the machine's
    model, tokenizer = load_policy(arguments.model, device="cpu")
    problems = get_task("chain-sums").dataset(arguments.problems, DATA_SEED)
    pairs = make_pairs(model, tokenizer, problems, arguments.seed)
    write_pairs(pairs, arguments.out)
    print(f"{len(pairs)} pairs from {len(problems)} problems in {arguments.out}")
