"""A task with two turns: the model asks, a tool answers, the model goes on.

The engine knows prompts and responses. A turn is one of each: the second turn's prompt is the first
turn, what was said, and what the tool said to that. So both turns become rows of one rollout, and
what the tool wrote stands in a prompt, where nothing is trained.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from ...grpo import GRPOTrainer
from ...rollout import Rollout
from ...support.rewards import prompt_of
from ...tasks import Record

Tool = Callable[[Record, str], str]


class TwoTurnTrainer(GRPOTrainer):
    """GRPO over episodes of two responses: a group is one prompt's episodes.

    The log-prob of an episode is the sum over its turns, so the gradient is theirs with one
    advantage: both turns are paid what the second one earns. Measuring and saving are still of one
    turn.

    Attributes:
        tool: record, first response -> what the model reads before it goes on.
    """

    tool: Tool

    def generate_responses(self, batch_prompts: Sequence[Record]) -> Rollout:
        """Both turns, [2B]: of each prompt the group's first turns, then its second turns."""
        G = self.config.group_size
        first = super().generate_responses(batch_prompts)
        records = [record for record in batch_prompts for _ in range(G)]
        asked = [
            [
                *prompt_of(record),
                {"role": "assistant", "content": text},
                {"role": "user", "content": self.tool(record, text)},
            ]
            for record, text in zip(records, first.texts, strict=True)
        ]
        second = self.sample_responses(asked, 1)
        rows = torch.arange(2 * len(first), device=first.mask_BT.device)
        return joined(first, second).select(rows.view(2, -1, G).transpose(0, 1).flatten())

    def compute_rewards(self, batch_prompts: Sequence[Record], rollout: Rollout) -> Tensor:
        """What the second turn earns, for both turns, [2B]."""
        rewards = super().compute_rewards(batch_prompts, rollout)
        second = rewards.view(len(batch_prompts), 2, -1)[:, 1:]
        return second.expand(-1, 2, -1).flatten()


def joined(first: Rollout, second: Rollout) -> Rollout:
    """Two rollouts as one, padded on the right to the longer of them."""
    width = max(first.tokens_BT.shape[1], second.tokens_BT.shape[1])

    def both(name: str) -> Tensor:
        parts = [getattr(rollout, name) for rollout in (first, second)]
        return torch.cat([pad(part, (0, width - part.shape[1])) for part in parts])

    return replace(
        first,
        prompts=first.prompts + second.prompts,
        texts=first.texts + second.texts,
        truncated_B=torch.cat([first.truncated_B, second.truncated_B]),
        **{name: both(name) for name in ("tokens_BT", "mask_BT", "log_probs_BT", "entropy_BT")},
    )
