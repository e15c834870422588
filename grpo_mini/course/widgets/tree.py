"""Sampling tree: the first tokens that a policy may write, with their probabilities."""

import html

import torch
from matplotlib.collections import LineCollection
from torch import Tensor

from ...experiments.look import INK, REFERENCE, SERIES, TICK
from ...losses import entropy, token_log_probs
from ...models import Model, Tokenizer, encode_prompts
from ..toy import TOY
from .base import Lab, choice, slider

BRANCHES = (2, 2, 3)
BEGIN, END = (0.0, 1.85, 3.1), (0.9, 2.55, 3.7)  # where the branches of each level are drawn
STARTS = {
    "nothing": "",
    "<answer>": "<answer>",
    "the whole thought": "<think>17+25=42;42+38=80</think><answer>",
}


@torch.no_grad()
def grow(model: Model, prompt: list[int]) -> list[tuple[Tensor, Tensor]]:
    """Level by level: logits [N, V] of the nodes, and the likeliest next tokens of each, [N, K].

    These do not depend on the temperature, which never changes which token is the likeliest.
    """
    rows, levels = [prompt], []
    for branches in BRANCHES:
        logits = model(torch.tensor(rows, device=model.device)).logits[:, -1].float().cpu()
        tokens = logits.topk(branches).indices
        levels.append((logits, tokens))
        rows = [
            row + [token]
            for row, children in zip(rows, tokens.tolist(), strict=True)
            for token in children
        ]
    return levels


class SamplingTree(Lab):
    """What may come next, three tokens deep, at a temperature.

    Args:
        model, tokenizer: the policy; it is asked once for each start, and never again.
    """

    title = "Sampling tree"
    question = (
        "Predict: the model guesses a number of two digits without a thought. Of which digit is it "
        "less sure, the first or the second? And after a thought?"
    )
    height = 4.2
    presets = {
        "cold": {"temperature": 0.3},
        "hot": {"temperature": 2.0},
        "a guess": {"start": "<answer>"},
        "after the thought": {"start": "the whole thought"},
        "after the thought, hot": {"start": "the whole thought", "temperature": 2.0},
    }

    def __init__(self, model: Model, tokenizer: Tokenizer):
        prompt = encode_prompts(tokenizer, [TOY.prompt], limit=10_000)[0]
        self.trees, self.names = {}, {}
        for start, text in STARTS.items():
            written = tokenizer(text).input_ids if text else []
            self.trees[start] = grow(model, prompt + written)
            self.names[start] = [
                [tokenizer.decode([token]).replace(tokenizer.eos_token, "end") for token in level]
                for level in (tokens.flatten().tolist() for _, tokens in self.trees[start])
            ]
        super().__init__()

    @staticmethod
    def make_controls():
        return {
            "temperature": slider("temperature", 1.0, 0.1, 3.0, 0.1),
            "start": choice("written so far", "nothing", tuple(STARTS)),
        }

    def compute(self, state: dict) -> dict:
        """Probabilities of all branches and paths, level by level, and the entropies."""
        temperature = state["temperature"]
        branches, entropies, paths = [], [], torch.ones(1)
        levels = []
        for logits, tokens in self.trees[state["start"]]:
            here = logits.unsqueeze(1)
            each = here.expand(-1, tokens.shape[1], -1)
            probs = token_log_probs(each, tokens, temperature).exp()
            spread = entropy(here, temperature).squeeze(1)
            # The next token's entropy, averaged over the nodes as often as they are reached.
            entropies.append(((paths * spread).sum() / paths.sum()).item())
            paths = (paths.unsqueeze(1) * probs).flatten()
            branches.append(probs.flatten().tolist())
            levels.append(paths.tolist())
        return {
            "names": self.names[state["start"]],
            "branches": branches,
            "paths": levels,
            "entropies": entropies,
            **state,
        }

    @staticmethod
    def draw(figure, numbers):
        figure.subplots_adjust(left=0.01, right=0.99, top=0.91, bottom=0.02)
        (axes,) = figure.axes or [figure.subplots()]
        axes.set_axis_off()
        leaves = len(numbers["paths"][-1])
        axes.set(xlim=(-0.05, 5.4), ylim=(leaves - 0.4, -0.6))
        axes.set_title(
            f"the next three tokens, T = {numbers['temperature']:.1f} "
            "(thicker: reached more often)"
        )  # fmt: skip
        best = max(range(leaves), key=lambda i: numbers["paths"][-1][i])
        above = [(leaves - 1) / 2]
        for level, paths in enumerate(numbers["paths"]):
            each = leaves // len(paths)
            heights = [i * each + (each - 1) / 2 for i in range(len(paths))]
            parents = [above[i * len(above) // len(paths)] for i in range(len(paths))]
            ends = [
                [(BEGIN[level], start), (END[level], end)]
                for start, end in zip(parents, heights, strict=True)
            ]
            axes.add_collection(
                LineCollection(
                    ends, linewidths=[0.8 + 9 * p for p in paths], colors=SERIES[0], alpha=0.6
                )
            )
            for i, end in enumerate(heights):
                on_best = i == best // each
                text = f"{numbers['names'][level][i]}  {numbers['branches'][level][i]:.2f}"
                if level + 1 == len(BRANCHES):
                    text += f"   path {paths[i]:.3f}"
                axes.text(
                    END[level] + 0.05, end, text, fontsize=TICK, va="center", parse_math=False,
                    weight="bold" if on_best else "normal",
                    color=INK if paths[i] >= 0.01 else REFERENCE,
                )  # fmt: skip
            above = heights

    @staticmethod
    def sentence(numbers):
        paths, names = numbers["paths"][-1], numbers["names"]
        best = max(range(len(paths)), key=paths.__getitem__)
        text = "".join(level[best * len(level) // len(paths)] for level in names)
        first, second, third = numbers["entropies"]
        return (
            f"With {html.escape(numbers['start'])} written and T = {numbers['temperature']:.1f}, "
            f"the next token has an entropy of <b>{first:.2f}</b> nats; on average over the drawn "
            f"nodes the second has {second:.2f}, the third {third:.2f}. The likeliest path drawn, "
            f"<code>{html.escape(text)}</code>, is taken in {paths[best]:.1%} of the samples; all "
            f"{len(paths)} together in {sum(paths):.0%}."
        )
