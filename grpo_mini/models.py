"""Models: the policy, its frozen reference, the critic and the reward model.

Everything loads through transformers' Auto classes: the tiny Qwen that ships with the course, a
folder, or any causal language model of the Hugging Face hub. Weights come from safetensors files
only, and no code of a model repository is ever run.
"""

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_model, save_model
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer
from transformers import PreTrainedModel as Model
from transformers import PreTrainedTokenizerBase as Tokenizer

from .support.loading import default_device, load_pretrained
from .tasks import completion_text

A_PART = 32  # rows that a reward model reads together
TINY_QWEN = Path(__file__).parent.parent / "data" / "tiny-qwen"


def load_tokenizer(name: str | Path = TINY_QWEN) -> Tokenizer:
    """Load a tokenizer; pads with its pad token or, lacking one, with its end token.

    Raises:
        FileNotFoundError: neither a folder nor the cache nor the hub has it.
        ValueError: it has no end token, so that no response could ever end.
    """
    tokenizer = load_pretrained(AutoTokenizer, name)
    if tokenizer.eos_token_id is None:
        raise ValueError(
            f"the tokenizer of {str(name)!r} has no end token (eos_token is None), so no response "
            f"could ever end; set eos_token in its tokenizer_config.json"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_policy(
    name: str | Path = TINY_QWEN,
    device: str | torch.device | None = None,
    dtype: torch.dtype = torch.float32,
) -> tuple[Model, Tokenizer]:
    """Load a causal language model and its tokenizer.

    Args:
        name: a folder, or the id of a model on the Hugging Face hub.
        device: where to put it; None takes `default_device()`.
        dtype: of the weights. Keep float32 for training: a learning rate of 1e-6 is lost in
            bfloat16 weights. `TrainerConfig.autocast` makes the products bfloat16 instead.

    Raises:
        FileNotFoundError: neither a folder nor the cache nor the hub has it.
        ValueError: its tokenizer has no end token.
    """
    tokenizer = load_tokenizer(name)
    model = load_pretrained(AutoModelForCausalLM, name, dtype=dtype, use_safetensors=True)
    return model.to(device or default_device()).eval(), tokenizer


def encode_prompts(tokenizer: Tokenizer, prompts: Sequence, limit: int) -> list[list[int]]:
    """Token ids of each prompt; chat messages go through the tokenizer's chat template.

    Raises:
        ValueError: an empty prompt, more than ``limit`` tokens, or chat messages for a tokenizer
            that has no chat template.
    """
    encoded = []
    for index, prompt in enumerate(prompts):
        if not isinstance(prompt, str):
            if tokenizer.chat_template is None:
                raise ValueError(
                    f"prompt {index} is a list of chat messages, but the tokenizer has no chat "
                    f"template; give the prompt as text, or use a chat model"
                )
            if not any(str(message["content"]).strip() for message in prompt):
                raise ValueError(f"prompt {index} is empty: {prompt!r}")
            prompt = tokenizer.apply_chat_template(
                prompt, add_generation_prompt=True, tokenize=False
            )
        # The template has written the special tokens already; plain text gets none either.
        tokens = tokenizer(prompt, add_special_tokens=False).input_ids
        if not tokens or not prompt.strip():
            raise ValueError(f"prompt {index} is empty: {prompt!r}")
        if len(tokens) > limit:
            raise ValueError(
                f"prompt {index} has {len(tokens)} tokens, but the model's window leaves room for "
                f"{limit} before the response: {prompt[:60]!r}…"
            )
        encoded.append(tokens)
    return encoded


def right_padded(rows: list[list[int]], pad: int, device) -> Tensor:
    """Rows of token ids -> [N, L], padded on the right.

    A causal model then needs neither a mask nor position ids: no token sees what comes after it.
    """
    width = max(map(len, rows))
    return torch.tensor([row + [pad] * (width - len(row)) for row in rows], device=device)


def end_token_ids(model: Model, tokenizer: Tokenizer) -> list[int]:
    """Every token that ends a response: Qwen has two, ``<|im_end|>`` and ``<|endoftext|>``."""
    ids = model.generation_config.eos_token_id if model.generation_config else None
    ids = [] if ids is None else ids if isinstance(ids, list) else [ids]
    return sorted({tokenizer.eos_token_id, *ids})


def frozen_copy(model: Model) -> Model:
    """A copy that never trains: the reference policy of the KL penalty."""
    return copy.deepcopy(model).eval().requires_grad_(False)


def count_parameters(*models: nn.Module | None, trainable_only: bool = False) -> int:
    """Number of parameters of all models together; a tied weight counts once."""
    parameters = {p for model in models if model is not None for p in model.parameters()}
    return sum(p.numel() for p in parameters if p.requires_grad or not trainable_only)


class ScalarHead(nn.Module):
    """A Qwen without its language-model head, and one number per token in its place."""

    def __init__(self, backbone: Model):
        super().__init__()
        self.backbone = backbone
        # Exactly 0 at the start: a random head would first train the policy on noise.
        self.head = nn.Linear(backbone.config.hidden_size, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.head.to(device=backbone.device, dtype=backbone.dtype)

    @classmethod
    def from_pretrained(cls, name: str | Path = TINY_QWEN, device=None, **attributes):
        """The backbone of any causal language model, and the head where the folder has one."""
        backbone = load_pretrained(AutoModel, name, dtype=torch.float32, use_safetensors=True)
        model = cls(backbone.to(device or default_device()), **attributes).eval()
        if (head := Path(name) / "head.safetensors").exists():
            load_model(model.head, head)
        return model

    def save_pretrained(self, folder: str | Path) -> None:
        """Write backbone and head in the layout that `from_pretrained` reads."""
        self.backbone.save_pretrained(folder)
        save_model(self.head, Path(folder) / "head.safetensors")

    def per_token(self, logits_to_keep: int = 0, **inputs: Tensor) -> Tensor:
        """One float32 number a token, [B, L], of the last ``logits_to_keep`` tokens (0: of all).

        Args:
            inputs: the backbone's; ``input_ids`` [B, L] alone is enough for padding on the right.
        """
        hidden = self.backbone(**inputs).last_hidden_state[:, -logits_to_keep:]
        return self.head(hidden).squeeze(-1).float()


class Critic(ScalarHead):
    """V(s_t): the reward expected from here on, read where the policy chooses token t."""

    forward = ScalarHead.per_token


class RewardModel(ScalarHead):
    """A learned judge: prompt and completion -> one score, read at the end token.

    Call it like any reward function. It is meant to be trained on preferences with the
    Bradley-Terry loss (InstructGPT, arXiv 2203.02155, equation 1).
    """

    def __init__(self, backbone: Model, tokenizer: Tokenizer):
        super().__init__(backbone)
        self.tokenizer = tokenizer

    def scores(self, prompts: Sequence, completions: Sequence) -> Tensor:
        """Scores [B], with gradients; prompts and completions as text or as chat messages."""
        window = getattr(self.backbone.config, "max_position_embeddings", 1 << 30)
        rows = []
        for prompt, completion in zip(prompts, completions, strict=True):
            response = self.tokenizer(completion_text(completion), add_special_tokens=False)
            ids = response.input_ids + [self.tokenizer.eos_token_id]
            rows.append(encode_prompts(self.tokenizer, [prompt], window - len(ids))[0] + ids)
        # Rows of similar length are read together: little is spent on padding.
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        parts = [order[i : i + A_PART] for i in range(0, len(order), A_PART)]
        scores = torch.cat([self._read([rows[i] for i in part]) for part in parts])
        return scores[torch.tensor(order, device=scores.device).argsort()]

    def _read(self, rows: list[list[int]]) -> Tensor:
        """The head's number at each row's last token, which is its end token, [B]."""
        tokens = right_padded(rows, self.tokenizer.pad_token_id, self.backbone.device)
        last = torch.tensor([len(row) - 1 for row in rows], device=tokens.device)
        per_token = self.per_token(input_ids=tokens, use_cache=False)
        return per_token.gather(1, last.unsqueeze(1)).squeeze(1)

    @torch.no_grad()
    def forward(self, prompts: Sequence, completions: Sequence, **columns) -> list[float]:
        """TRL's reward signature."""
        return self.scores(prompts, completions).tolist()
