"""The running example: four responses to one prompt, followed through every notebook."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..models import Model, Tokenizer, encode_prompts, right_padded
from ..rollout import Rollout, score
from ..tasks import chain_sum_reward


@dataclass(frozen=True)
class Toy:
    """A prompt with its answer, and four responses to it.

    Attributes:
        question: the user's message.
        answer: what the reward function compares with.
        responses: as text, without their end token.
    """

    question: str
    answer: str
    responses: tuple[str, ...]

    @property
    def prompt(self) -> list[dict]:
        """The question as chat messages."""
        return [{"role": "user", "content": self.question}]

    @property
    def rewards(self) -> Tensor:
        """What the chain-sum reward pays, [4]."""
        return torch.tensor(
            chain_sum_reward(list(self.responses), [self.answer] * len(self.responses))
        )

    def rollout(self, model: Model, tokenizer: Tokenizer) -> Rollout:
        """The four responses as if ``model`` had sampled them, with their end tokens."""
        prompt = encode_prompts(tokenizer, [self.prompt], limit=10_000)[0]
        rows = [tokenizer(text + tokenizer.eos_token).input_ids for text in self.responses]
        tokens = right_padded(rows, tokenizer.pad_token_id, model.device)
        lengths = torch.tensor([len(row) for row in rows], device=model.device)
        columns = torch.arange(tokens.shape[1], device=model.device)
        mask = (columns < lengths.unsqueeze(1)).long()
        nothing = torch.zeros(tokens.shape, device=model.device)
        no_cut = torch.zeros(len(rows), dtype=torch.bool, device=model.device)
        rollout = Rollout(
            [prompt] * len(rows), tokens, mask, nothing, nothing, no_cut, list(self.responses)
        )
        with torch.no_grad():
            log_probs, entropy = score(model, rollout, with_entropy=True)
        rollout.log_probs_BT, rollout.entropy_BT = log_probs * mask, entropy * mask
        return rollout


TOY = Toy(
    question="17+25+38=",
    answer="80",
    responses=(
        "<think>17+25=42;42+38=80</think><answer>80</answer>",
        "<answer>79</answer>",
        "<think>17+25=42;42+38=70</think><answer>70</answer>",
        "<answer>90</answer>",
    ),
)
