"""Models: the policy, its frozen reference, the critic and the reward model.

Everything loads through transformers' Auto classes: the tiny Qwen that ships with the course, a
folder, or a causal language model of the Hugging Face hub. Weights come from safetensors files
only, and no code of a model repository is ever run.
"""

import copy
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import jinja2
import torch
from safetensors import torch as safetensors
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer
from transformers import PreTrainedModel as Model
from transformers import PreTrainedTokenizerBase as Tokenizer

from .machine.device import checked_device
from .support.loading import load_pretrained
from .tasks import TAGS, completion_text

A_PART = 32  # rows that a reward model reads together
TINY_QWEN = Path(__file__).parent.parent / "data" / "tiny-qwen"
# Trained, saved and resumed by the tests. Another kind is tried, and refused by name if its
# sampled log-probs are not those of a plain forward pass (`rollout.disagreement`).
SUPPORTED = ("qwen2", "qwen3", "llama", "mistral", "gemma", "phi3", "gpt2", "smollm3")


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


def load_model(
    name: str | Path = TINY_QWEN,
    device: str | torch.device | None = None,
    dtype: torch.dtype = torch.float32,
) -> Model:
    """Load a causal language model, in eval mode: no dropout, neither sampling nor scoring.

    Args:
        name: a folder, or the id of a model on the Hugging Face hub.
        device: where to put it; None takes `default_device()`.
        dtype: of the weights; "auto" takes what the folder has. Keep float32 for training: a
            learning rate of 1e-6 is lost in bfloat16 weights. `TrainerConfig.autocast` makes the
            products bfloat16 instead.

    Raises:
        FileNotFoundError: neither a folder nor the cache nor the hub has it.
        ValueError: there is no such device.
    """
    place = checked_device(device)
    model = load_pretrained(AutoModelForCausalLM, name, dtype=dtype, use_safetensors=True)
    for parameter in model.parameters():  # of its own: what was loaded is still the file's
        parameter.data = parameter.data.clone()
    return model.to(place).eval()


def load_policy(
    name: str | Path = TINY_QWEN,
    device: str | torch.device | None = None,
    dtype: torch.dtype = torch.float32,
) -> tuple[Model, Tokenizer]:
    """Load a causal language model and its tokenizer; arguments and errors of `load_model`.

    Raises:
        ValueError: the tokenizer has no end token, or more tokens than the model.
    """
    tokenizer = load_tokenizer(name)
    model = load_model(name, device, dtype)
    require_vocabulary(model, tokenizer)
    return model, tokenizer


def require_vocabulary(model: Model, tokenizer: Tokenizer) -> None:
    """Refuse a model that has no embedding for some tokens.

    Raises:
        ValueError: the tokenizer has more tokens than the model.
    """
    rows = model.get_input_embeddings().num_embeddings
    if rows < len(tokenizer):
        raise ValueError(
            f"{type(model).__name__} has embeddings for {rows} tokens, but the tokenizer has "
            f"{len(tokenizer)}: the two do not belong together"
        )


def _rendered(tokenizer: Tokenizer, prompt: Sequence, template: dict, where: str) -> str:
    """Chat messages as text. A begun answer at their end goes on, where TRL 1.16 would begin a new
    one behind it; else one is begun."""
    if tokenizer.chat_template is None:
        raise ValueError(
            f"{where} is a list of chat messages, but the tokenizer has no chat template; give the "
            f"prompt as text, or use a chat model"
        )
    for message in prompt:
        if not isinstance(message, dict) or not {"role", "content"} <= set(message):
            raise ValueError(f"{where} has a message without role and content: {message!r}")
    if not any(str(message["content"]).strip() for message in prompt):
        raise ValueError(f"{where} is empty: {prompt!r}")
    begun = prompt[-1]["role"] == "assistant"
    return tokenizer.apply_chat_template(
        prompt,
        add_generation_prompt=not begun,
        continue_final_message=begun,
        tokenize=False,
        **template,
    )


def encode_prompts(
    tokenizer: Tokenizer, prompts: Sequence, limit: int, template: dict | None = None
) -> list[list[int]]:
    """Token ids of each prompt, as TRL makes them.

    Chat messages go through the chat template, which writes the special tokens itself; plain text
    gets those that the tokenizer adds, a begin-of-text for example.

    Args:
        template: further arguments of the chat template, ``{"enable_thinking": False}`` say.

    Raises:
        ValueError: not a list of prompts, an empty prompt, more than ``limit`` tokens, or chat
            messages for a tokenizer that has no chat template.
    """
    if isinstance(prompts, str) or not len(prompts):
        raise ValueError(f"prompts must be a list of at least one prompt, got {prompts!r}")
    encoded = []
    for index, prompt in enumerate(prompts):
        where = f"prompt {index}"
        if not isinstance(prompt, str | list | tuple):
            raise ValueError(f"{where} must be text or a list of chat messages, got {prompt!r}")
        text = prompt
        if not isinstance(prompt, str):
            text = _rendered(tokenizer, prompt, template or {}, where)
        tokens = tokenizer(text, add_special_tokens=isinstance(prompt, str)).input_ids
        if not tokens or not text.strip():
            raise ValueError(f"{where} is empty: {prompt!r}")
        if len(tokens) > limit:
            raise ValueError(
                f"{where} has {len(tokens)} tokens, but the model's window leaves room for "
                f"{limit} before the response: {text[:60]!r}…"
            )
        encoded.append(tokens)
    return encoded


def decode(
    tokenizer: Tokenizer, prompts: Sequence[list[int]], responses: Sequence[list[int]]
) -> list[str]:
    """Responses as text, special tokens and all; a thought that the prompt opened belongs to it.

    Ids without text, which padded vocabularies have, are written out: decoding drops them, and
    "8", 264, "9" would be paid as 89.
    """
    used = sorted({token for response in responses for token in response})
    names = zip(used, tokenizer.convert_ids_to_tokens(used), strict=True)
    no_text = {token for token, name in names if token >= len(tokenizer) or name is None}
    ends, texts, opened = [tuple(prompt[-8:]) for prompt in prompts], [], {}
    for end in set(ends):  # once for all samples of a prompt
        _, tag, rest = tokenizer.decode(end).rpartition(TAGS[0])
        opened[end] = tag + rest if tag and not rest.strip() else ""
    for end, response in zip(ends, responses, strict=True):
        parts = (
            "".join(f"<|no text: {token}|>" for token in part) if odd else tokenizer.decode([*part])
            for odd, part in groupby(response, no_text.__contains__)
        )
        texts.append(opened[end] + "".join(parts))
    return texts


def right_padded(rows: list[list[int]], pad: int, device) -> Tensor:
    """Rows of token ids -> [N, L], padded on the right.

    A causal model then needs neither a mask nor position ids: no token sees what comes after it.
    """
    width = max(map(len, rows))
    return torch.tensor([row + [pad] * (width - len(row)) for row in rows], device=device)


def end_token_ids(model: Model, tokenizer: Tokenizer) -> list[int]:
    """Every token that ends a response.

    The tokenizer names one, the model's generation settings may name others (Qwen has
    ``<|im_end|>`` and ``<|endoftext|>``), and the chat template closes a turn with one.
    """
    ids = model.generation_config.eos_token_id if model.generation_config else None
    ids = [] if ids is None else ids if isinstance(ids, list) else [ids]
    return sorted({tokenizer.eos_token_id, *ids, *_turn_ends(tokenizer)})


def _turn_ends(tokenizer: Tokenizer) -> list[int]:
    """The special token that the chat template writes behind an answer; none without one."""
    turn = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "ANSWER"}]
    try:
        text = (
            tokenizer.apply_chat_template(turn, tokenize=False) if tokenizer.chat_template else ""
        )
    except jinja2.TemplateError:  # a template that wants more than two messages
        return []
    after = tokenizer(text.rpartition("ANSWER")[2], add_special_tokens=False).input_ids
    return [token for token in after if token in tokenizer.added_tokens_decoder][:1]


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
        # Asked, not read in the configuration: some models' last layer has another width.
        token = torch.zeros(1, 1, dtype=torch.long, device=backbone.device)
        with torch.no_grad():
            width = backbone(input_ids=token, use_cache=False).last_hidden_state.shape[-1]
        # Exactly 0 at the start: a random head would first train the policy on noise.
        self.head = nn.Linear(width, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.head.to(device=backbone.device, dtype=backbone.dtype)

    @classmethod
    def from_pretrained(cls, name: str | Path = TINY_QWEN, device=None, dtype=torch.float32, **own):
        """The backbone of any causal language model, and the head where the folder has one."""
        backbone = load_pretrained(AutoModel, name, dtype=dtype, use_safetensors=True)
        model = cls(backbone.to(checked_device(device)), **own).eval()
        if (head := Path(name).expanduser() / "head.safetensors").exists():
            safetensors.load_model(model.head, head)
        return model

    def save_pretrained(self, folder: str | Path) -> None:
        """Write backbone and head in the layout that `from_pretrained` reads."""
        self.backbone.save_pretrained(folder)
        safetensors.save_model(self.head, Path(folder) / "head.safetensors")

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

    It puts one behind every completion: what was cut off is judged as if it had ended there.

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
