"""How much memory a training step will hold, from a model's geometry: arithmetic before money.

Counted: everything that lives through a step, and the most that a pass adds to it. Compared by a
test with what the cost ledger measured; see `forecast`.
"""

import json
import math
from dataclasses import dataclass

from ..machine.last_layer import AT_ONCE
from ..models import TINY_QWEN
from .cost import GEOMETRIES as MEASURED

BYTES = {"float32": 4, "bfloat16": 2}
PRECISIONS = ("float32", "autocast", "bfloat16")
WITHOUT_MODEL = 0.43e9  # Python, torch, transformers, and what a first step loads, in bytes


@dataclass(frozen=True)
class Geometry:
    """What a Qwen2's published config.json says about its size.

    Attributes:
        width: of the hidden states.
        inner: of the feed-forward layers.
        keys: of a layer's keys, all heads together; its values have as many.
        vocabulary: rows of the embedding.
        tied: whether the output layer is the embedding.
    """

    width: int
    layers: int
    inner: int
    keys: int
    vocabulary: int = 151_936
    tied: bool = True

    @property
    def parameters(self) -> int:
        """Exactly as many as the model has."""
        h, kv = self.width, self.keys
        attention = 2 * h * h + 2 * h * kv + h + 2 * kv  # with biases on queries, keys, values
        layer = attention + 3 * h * self.inner + 2 * h
        return self.layers * layer + self.vocabulary * h * (1 if self.tied else 2) + h

    @property
    def kept_a_token(self) -> int:
        """Numbers that a forward pass keeps for each token until the backward pass.

        A layer: both norms keep input and result in two forms (6 h), attention its queries, keys
        and values before and after rotation, expanded to all heads, and its result (8 h and 2 kv),
        the feed-forward four of its inner width.
        """
        return self.layers * self.kept_in_a_layer

    @property
    def kept_in_a_layer(self) -> int:
        """The share of one layer in `kept_a_token`."""
        return 14 * self.width + 2 * self.keys + 4 * self.inner


def geometry_of(config: dict) -> Geometry:
    """From the fields of a config.json."""
    head = config["hidden_size"] // config["num_attention_heads"]
    return Geometry(
        config["hidden_size"],
        config["num_hidden_layers"],
        config["intermediate_size"],
        config["num_key_value_heads"] * head,
        config["vocab_size"],
        config["tie_word_embeddings"],
    )


# From the config.json files that were published with the models (Qwen2.5; tiny is the course's).
GEOMETRIES = {
    "tiny Qwen": geometry_of(json.loads((TINY_QWEN / "config.json").read_text(encoding="utf-8"))),
    "0.5B": geometry_of(MEASURED["qwen2-0.5b"]),
    "1.5B": geometry_of(MEASURED["qwen2-1.5b"]),
    "3B": Geometry(2048, 36, 11008, 256),
    "7B": Geometry(3584, 28, 18944, 512, 152_064, tied=False),
    "14B": Geometry(5120, 48, 13824, 1024, 152_064, tied=False),
    "32B": Geometry(5120, 64, 27648, 1024, 152_064, tied=False),
}
LOGIT_COPIES = 4  # made, put together, and two of their size for their gradient
CHUNK_COPIES = 5  # made a chunk at a time, they are not put together
PARTS = ("weights", "gradients", "Adam", "reference", "critic", "activations", "logits", "cache")


def forecast(
    geometry: Geometry,
    precision: str = "float32",
    samples: int = 64,
    group: int = 8,
    prompt: int = 128,
    response: int = 256,
    pass_tokens: int = 2048,
    reference: bool = True,
    critic: bool = False,
    at_once: int | None = AT_ONCE,
    checkpointing: bool = False,
) -> dict[str, dict[str, float]]:
    """Bytes by part, while responses are sampled and while the models are updated.

    Args:
        precision: "float32"; "autocast": float32 weights, products in bfloat16; "bfloat16": all of
            it, Adam too, which loses small steps.
        samples: responses of a step, all sampled together.
        group: of them to each prompt, which a pass reads once.
        prompt, response: their tokens, the longest.
        pass_tokens: tokens of a forward and backward pass, `TrainerConfig.micro_batch_tokens`.
        critic: as large as the policy, with gradients and Adam of its own.
        at_once: logits that the update holds together; None: those of the whole pass.
        checkpointing: whether layers are computed twice, `TrainerConfig.gradient_checkpointing`: a
            token keeps what each layer is given, its keys and values, and one layer whole.

    Returns:
        ``{"sampling": ..., "update": ...}``, each with `PARTS`.

    Raises:
        ValueError: an unknown precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    number = geometry.parameters
    stored = BYTES["bfloat16" if precision == "bfloat16" else "float32"]
    passing = BYTES["float32" if precision == "float32" else "bfloat16"]
    always = {
        "weights": number * stored,
        "Adam": 2 * number * stored,
        "reference": number * stored * reference,
        "critic": 4 * number * stored * critic,
    }
    keys = 2 * geometry.layers * geometry.keys * passing
    tokens = min(pass_tokens, samples * response)
    nothing = dict.fromkeys(PARTS, 0.0)
    sampling = {
        "cache": samples * (prompt + response) * keys,
        "logits": 2 * samples * geometry.vocabulary * 4,
    }
    read = tokens + math.ceil(tokens / response / group) * prompt
    each = geometry.kept_a_token
    if checkpointing:
        each = geometry.layers * (geometry.width + 2 * geometry.keys) + geometry.kept_in_a_layer
    kept = read * each * passing
    logits = LOGIT_COPIES * tokens * geometry.vocabulary
    if at_once is not None and tokens * geometry.vocabulary > at_once:
        logits = CHUNK_COPIES * max(at_once, geometry.vocabulary)
    update = {
        "gradients": number * stored,
        "activations": kept * (2 if critic else 1),
        # And the output layer's gradient, which is added to the embedding's.
        "logits": logits * 4 + geometry.vocabulary * geometry.width * stored,
    }
    return {"sampling": nothing | always | sampling, "update": nothing | always | update}


def forecast_of(cell: dict, algorithm: str) -> float:
    """Bytes that a cell of the cost ledger should have held at most, Python and torch included.

    The ledger was measured before logits were made in chunks.
    """
    run, tiny = cell["run"], cell["run"]["model"] == "tiny"
    step = forecast(
        GEOMETRIES["tiny Qwen" if tiny else "0.5B"],
        samples=run["samples"],
        group=run["group_size"] if algorithm == "grpo" else 1,
        prompt=16,
        response=round(cell[algorithm]["response tokens"]),
        pass_tokens=2048 if tiny else 256,
        critic=algorithm == "ppo",
        at_once=None,
    )
    return WITHOUT_MODEL + peak(step)[1]


def peak(step: dict[str, dict[str, float]]) -> tuple[str, float]:
    """The phase that holds the most, and how many bytes."""
    totals = {phase: sum(parts.values()) for phase, parts in step.items()}
    phase = max(totals, key=totals.__getitem__)
    return phase, totals[phase]
