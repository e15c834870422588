"""Exercises of notebook 01: log-probs, masks, pass@k and a verifier."""

import re
from math import comb

import torch

from ...losses import token_log_probs as module_token_log_probs
from ...tasks import chain_sum_reward, parse_response
from ..checker import Mistake, exercise


def token_log_probs(logits, tokens, temperature):
    log_probs = (logits / temperature).log_softmax(dim=-1)
    return log_probs.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)


def _logits_cases():
    generator = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(2, 3, 4, generator=generator)
    tokens = torch.tensor([[0, 3, 1], [2, 2, 0]])
    return [
        {"logits": logits, "tokens": tokens, "temperature": 1.0},
        {"logits": logits, "tokens": tokens, "temperature": 2.0, "why": "a temperature of 2"},
    ]


exercise(
    number="1.1",
    title="log-probs of given tokens",
    solution=token_log_probs,
    cases=_logits_cases,
    mistakes=(
        Mistake(
            lambda logits, tokens, temperature: token_log_probs(logits, tokens, 1.0),
            "The temperature is not used. What is scored then is another distribution than the "
            "one that was sampled from.",
        ),
        Mistake(
            lambda logits, tokens, temperature: token_log_probs(logits, tokens, 1.0) / temperature,
            "The temperature divides the logits, before the softmax, not the log-probs after it.",
        ),
        Mistake(
            lambda logits, tokens, temperature: token_log_probs(logits, tokens, temperature).exp(),
            "These are the probabilities. Their logarithm is missing.",
        ),
        Mistake(
            lambda logits, tokens, temperature: (
                (logits / temperature).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
            ),
            "These are logits. They become log-probs by `log_softmax` over the vocabulary.",
        ),
        Mistake(
            lambda logits, tokens, temperature: (
                (logits / temperature)
                .log_softmax(dim=1)
                .gather(-1, tokens.unsqueeze(-1))
                .squeeze(-1)
            ),
            "The softmax runs over the positions. It has to run over the vocabulary, dim=-1.",
        ),
    ),
    hints=(
        "Divide the logits by the temperature first.",
        "`log_softmax(dim=-1)` turns logits into log-probs of every token of the vocabulary.",
        "`gather(-1, tokens.unsqueeze(-1)).squeeze(-1)` picks those of the given tokens.",
    ),
    module=(module_token_log_probs,),
)


def response_mask(tokens, end_ids):
    ends = torch.isin(tokens, torch.tensor(end_ids))
    ended_before = ends.cumsum(dim=1) - ends.long()
    return (ended_before == 0).long()


def _mask_cases():
    return [
        {"tokens": torch.tensor([[5, 6, 9, 0, 0], [5, 9, 0, 0, 0]]), "end_ids": [9]},
        {
            "tokens": torch.tensor([[5, 6, 7, 8, 5]]),
            "end_ids": [9],
            "why": "cut off, no end token at all",
        },
        {
            "tokens": torch.tensor([[5, 0, 0, 0], [5, 9, 0, 0]]),
            "end_ids": [0, 9],
            "why": "the pad token, 0, ends a response too, as in Qwen",
        },
        {
            "tokens": torch.tensor([[5, 9, 6, 9, 7]]),
            "end_ids": [9],
            "why": "something was written after the end",
        },
    ]


exercise(
    number="1.2",
    title="which tokens belong to the response",
    solution=response_mask,
    cases=_mask_cases,
    mistakes=(
        Mistake(
            lambda tokens, end_ids: (
                torch.isin(tokens, torch.tensor(end_ids)).cumsum(dim=1) == 0
            ).long(),
            "The end token itself is missing. It is an action like any other: masked out, the "
            "model never learns to stop.",
        ),
        Mistake(
            lambda tokens, end_ids: (~torch.isin(tokens, torch.tensor(end_ids))).long(),
            "This masks the end tokens, not what comes after the first of them.",
        ),
        Mistake(
            lambda tokens, end_ids: (tokens != 0).long(),
            "This takes every token that is not 0. A pad token can end a response, and something "
            "may stand after the end.",
        ),
        Mistake(
            lambda tokens, end_ids: torch.ones_like(tokens),
            "Every position counts here, padding and all.",
        ),
        Mistake(
            lambda tokens, end_ids: (
                torch.isin(tokens, torch.tensor(end_ids)).flip(1).cumsum(dim=1).flip(1) > 0
            ).long(),
            "This goes up to the last end token. The response ends at the first one, and a "
            "response that was cut off has none.",
        ),
        Mistake(
            lambda tokens, end_ids: response_mask(tokens, end_ids[-1:]),
            "Only one of the end tokens is looked for.",
        ),
    ),
    hints=(
        "`torch.isin(tokens, torch.tensor(end_ids))` is True at each end token.",
        "`cumsum(dim=1)` counts the end tokens up to each position, this one included.",
        "A position belongs if no end token stands *before* it: "
        "`(ends.cumsum(dim=1) - ends.long() == 0).long()`.",
    ),
)


def response_log_prob(log_probs, mask):
    return (log_probs * mask).sum(dim=1)


def _log_prob_cases():
    log_probs = torch.tensor([[-0.5, -1.0, -0.1, -2.0], [-0.2, -0.3, -7.0, -9.0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    return [{"log_probs": log_probs, "mask": mask}]


exercise(
    number="1.3",
    title="log-prob of a response",
    solution=response_log_prob,
    cases=_log_prob_cases,
    mistakes=(
        Mistake(
            lambda log_probs, mask: log_probs.sum(dim=1),
            "Padding is counted. Multiply by the mask before you sum.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs * mask).sum(dim=1) / mask.sum(dim=1),
            "This is the mean per token. The log-prob of a response is the sum: probabilities "
            "multiply, so their logarithms add.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs * mask).mean(dim=1),
            "This is a mean, and over the padding too. Log-probs of a response add.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs * mask).prod(dim=1),
            "Probabilities multiply, log-probs add.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs * mask).sum(dim=1).exp(),
            "This is the probability. Leave it in logs: a long response underflows to 0.",
        ),
    ),
    hints=(
        "The probability of a response is the product of its tokens' probabilities.",
        "So its logarithm is the sum of the tokens' log-probs.",
        "Only where the mask is 1.",
    ),
)


def pass_at_k(n, c, k):
    return 1 - comb(n - c, k) / comb(n, k)


def _pass_cases():
    numbers = ((8, 2, 1), (8, 2, 4), (10, 0, 5), (10, 3, 10), (16, 15, 2), (64, 7, 16))
    return [{"n": n, "c": c, "k": k} for n, c, k in numbers]


exercise(
    number="1.5",
    title="unbiased pass@k",
    solution=pass_at_k,
    cases=_pass_cases,
    mistakes=(
        Mistake(
            lambda n, c, k: 1 - (1 - c / n) ** k,
            "This draws the k samples with replacement, and is too small on average: the samples "
            "you have are n different ones.",
        ),
        Mistake(lambda n, c, k: c / n, "This is pass@1, for any k."),
        Mistake(
            lambda n, c, k: comb(n - c, k) / comb(n, k),
            "This is the chance that all k are wrong. Asked for is that one at least is right.",
        ),
        Mistake(
            lambda n, c, k: comb(c, k) / comb(n, k),
            "This is the chance that all k are right. One right sample is enough.",
        ),
        Mistake(
            lambda n, c, k: min(1.0, k * c / n),
            "k times the share counts a draw with two right samples twice.",
        ),
    ),
    hints=(
        "Ask for the opposite: how likely is it that k samples out of the n are all wrong?",
        "There are comb(n, k) ways to choose k samples, and comb(n - c, k) with wrong ones only.",
        "pass@k is 1 minus that share. `math.comb` gives 0 where nothing can be chosen.",
    ),
)


def reward(text, answer):
    form = r"(<think>[^<>]*</think>)?<answer>([0-9]+)</answer>"
    match = re.fullmatch(form, text)
    return float(match is not None and match[2] == answer)


CHEATS = {
    "right, at once": "<answer>89</answer>",
    "right, after thinking": "<think>80+9=89</think><answer>89</answer>",
    "wrong": "<answer>88</answer>",
    "no tags": "89",
    "every answer there is": "<answer>88 89 90</answer>",
    "two answers": "<answer>88</answer><answer>89</answer>",
    "the answer only inside the thought": "<think><answer>89</answer></think><answer>1</answer>",
    "an answer that contains the right one": "<answer>189</answer>",
    "a leading zero": "<answer>089</answer>",
    "a sign": "<answer>+89</answer>",
    "a space": "<answer>8 9</answer>",
    "digits of another script": "<answer>٨٩</answer>",
    "text after the answer": "<answer>89</answer>, or 90",
    "a second thought and answer": "<think></think><answer>88</answer><think></think>"
    "<answer>89</answer>",
    "a thought that never ends": "<think>80+9=89<answer>89</answer>",
    "nothing at all": "",
}


def _verifier_cases():
    return [{"text": text, "answer": "89", "why": why} for why, text in CHEATS.items()]


exercise(
    number="1.4",
    title="a verifier that cannot be cheated",
    solution=reward,
    cases=_verifier_cases,
    mistakes=(
        Mistake(
            lambda text, answer: float(answer in text),
            "The right number anywhere is enough for it. A policy that writes many numbers "
            "collects the reward without computing anything.",
        ),
        Mistake(
            lambda text, answer: float(f"<answer>{answer}</answer>" in text),
            "It looks for the right answer anywhere. Writing several answers is then the best "
            "strategy, and so is an answer inside the thought.",
        ),
        Mistake(
            lambda text, answer: float(text.endswith(f"<answer>{answer}</answer>")),
            "It looks at the end only. Two answers, or a thought that never ends, still pay.",
        ),
        Mistake(
            lambda text, answer: _by_number(text, answer),
            "It compares numbers, and `int` is generous: +89, 089 and digits of other scripts "
            "all count as 89. Compare the text.",
        ),
        Mistake(
            lambda text, answer: float(
                bool(re.search(r"<answer>([0-9]+)</answer>", text))
                and re.search(r"<answer>([0-9]+)</answer>", text)[1] == answer
            ),
            "`re.search` finds the form anywhere in the text. `re.fullmatch` wants all of it.",
        ),
    ),
    hints=(
        "Write down the whole form: maybe a thought, then one answer, then nothing.",
        "`re.fullmatch` wants the *whole* text to have the form; `(...)?` makes a part optional; "
        "`[^<>]*` keeps tags out of the thought.",
        "Compare the answer as text, and allow only `[0-9]`: `\\d` takes digits of every script.",
    ),
    module=(chain_sum_reward, parse_response),
)


def _by_number(text: str, answer: str) -> float:
    match = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>(.*)</answer>", text)
    try:
        return float(match is not None and int(match[2]) == int(answer))
    except ValueError:
        return 0.0
