"""Exercises of notebook 01: log-probs, masks, pass@k and a verifier."""

import math
import re
from collections.abc import Callable
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
    others = 2 * torch.randn(1, 4, 6, generator=generator)
    sure = torch.tensor([[50.0, -30, 0, 10, -20], [-30, 48, 1, -10, 2], [7, 3, -30, -5, 49]])
    return [
        {"logits": logits, "tokens": tokens, "temperature": 1.0},
        {
            "logits": others,
            "tokens": torch.tensor([[5, 0, 2, 4]]),
            "temperature": 2.0,
            "why": "a temperature of 2",
        },
        {
            "logits": sure.unsqueeze(1),
            "tokens": torch.tensor([[1], [0], [2]]),
            "temperature": 0.5,
            "why": "a temperature of one half, one position, and logits far apart",
        },
    ]


def _pick(values, tokens):
    return values.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)


exercise(
    number="1.1",
    title="log-probs of given tokens",
    solution=token_log_probs,
    cases=_logits_cases,
    gradient_of="logits",
    mistakes=(
        Mistake(
            lambda logits, tokens, temperature: token_log_probs(logits, tokens, 1.0),
            "The temperature has no effect here; it has to divide the logits. What is scored is "
            "another distribution than the one that was sampled from.",
        ),
        Mistake(
            lambda logits, tokens, temperature: token_log_probs(logits, tokens, 1.0) / temperature,
            "The temperature divides the logits, before the softmax, not the log-probs after it: "
            "these do not belong to probabilities that sum to 1.",
        ),
        Mistake(
            lambda logits, tokens, temperature: token_log_probs(logits, tokens, 1 / temperature),
            "The logits are multiplied by the temperature. They have to be divided: a high "
            "temperature makes the rare likelier, here it makes it rarer.",
        ),
        Mistake(
            lambda logits, tokens, temperature: -token_log_probs(logits, tokens, temperature),
            "The sign is reversed. The log of a probability is at most 0; cross-entropy is "
            "minus the log-prob.",
        ),
        Mistake(
            lambda logits, tokens, temperature: _pick(
                (logits / temperature).softmax(dim=-1).log(), tokens
            ),
            "This is right on paper, but where logits are far apart the probability rounds to 0: "
            "its logarithm is -inf and the gradient nan. `log_softmax` stays finite.",
        ),
        Mistake(
            lambda logits, tokens, temperature: token_log_probs(logits, tokens, temperature).exp(),
            "These are the probabilities. Their logarithm is missing.",
        ),
        Mistake(
            lambda logits, tokens, temperature: _pick(logits / temperature, tokens),
            "These are logits. They become log-probs by `log_softmax` over the vocabulary.",
        ),
        Mistake(
            lambda logits, tokens, temperature: _pick(logits, tokens),
            "These are the logits as they came, with neither the temperature nor a softmax: "
            "they can be above 0, and no log-prob is.",
        ),
        Mistake(
            lambda logits, tokens, temperature: _pick(
                (logits / temperature).log_softmax(dim=1), tokens
            ),
            "The softmax runs over the positions. It has to run over the vocabulary, dim=-1.",
        ),
        Mistake(
            lambda logits, tokens, temperature: _pick(
                (logits / temperature).log_softmax(dim=0), tokens
            ),
            "The softmax runs over the samples of the batch. It has to run over the vocabulary, "
            "dim=-1: a sample's log-probs do not depend on its neighbours.",
        ),
        Mistake(
            lambda logits, tokens, temperature: _pick(
                (logits / temperature).flatten().log_softmax(dim=0).view_as(logits), tokens
            ),
            "One softmax runs over all samples and positions together. Each position has a "
            "distribution of its own over the vocabulary, dim=-1.",
        ),
        Mistake(
            lambda logits, tokens, temperature: (
                token_log_probs(logits, tokens, temperature) / math.log(2)
            ),
            "This is the logarithm to base 2. A log-prob is a natural logarithm: with another "
            "base `exp` of it is not the probability, and gradients are too long.",
        ),
        Mistake(
            lambda logits, tokens, temperature: _pick(
                (logits / temperature).softmax(dim=-1).log2(), tokens
            ),
            "This is the logarithm to base 2, and -inf where the softmax rounds to 0. A log-prob "
            "is a natural logarithm, and `log_softmax` stays finite.",
        ),
        Mistake(
            lambda logits, tokens, temperature: (
                token_log_probs(logits, tokens, temperature) / math.log(10)
            ),
            "This is the logarithm to base 10. A log-prob is a natural logarithm: with another "
            "base `exp` of it is not the probability.",
        ),
        Mistake(
            lambda logits, tokens, temperature: (
                token_log_probs(logits, tokens, 1.0) - math.log(temperature)
            ),
            "Here the probabilities are divided by the temperature. It divides the logits, before "
            "the softmax: only then do the probabilities still sum to 1.",
        ),
        Mistake(
            lambda logits, tokens, temperature: token_log_probs(logits, tokens, 2.0),
            "The temperature is always 2 here. It is an argument and differs from call to call.",
        ),
        Mistake(
            lambda logits, tokens, temperature: (
                token_log_probs(logits, tokens, temperature)
                * torch.nn.functional.one_hot(tokens, 4).amax(dim=-1)
            ),
            "A vocabulary of 4 is written into it. Its size is that of the last dimension, "
            "`logits.shape[-1]`.",
        ),
        Mistake(
            lambda logits, tokens, temperature: _pick(
                logits / temperature - (logits / temperature).exp().sum(dim=-1, keepdim=True).log(),
                tokens,
            ),
            "The sum of `exp` of the logits overflows to inf where a logit is large, and the "
            "log-probs become -inf. `logsumexp` or `log_softmax` subtract the largest logit first.",
        ),
        Mistake(
            lambda logits, tokens, temperature: (
                token_log_probs(logits, tokens, temperature).exp() + 1e-8
            ).log(),
            "A smallest probability of 1e-8 hides the log of 0: everything rarer gets the same "
            "log-prob and no gradient. `log_softmax` needs no such floor.",
        ),
        Mistake(
            lambda logits, tokens, temperature: token_log_probs(
                (logits / temperature).softmax(dim=-1), tokens, 1.0
            ),
            "The softmax is taken twice. The second one makes a nearly uniform distribution out "
            "of the probabilities.",
        ),
        Mistake(
            lambda logits, tokens, temperature: (logits / temperature).log_softmax(dim=-1),
            "These are the log-probs of all tokens of the vocabulary. Those of the given tokens "
            "have still to be picked, with `gather`.",
        ),
        Mistake(
            lambda logits, tokens, temperature: (
                (logits / temperature).log_softmax(dim=-1).max(dim=-1).values
            ),
            "These are the log-probs of the likeliest token of each position. Asked for are those "
            "of the tokens that were written, likely or not.",
        ),
        Mistake(
            lambda logits, tokens, temperature: token_log_probs(
                logits, tokens, temperature
            ).unsqueeze(-1),
            "The last dimension, of size 1, is left over from `gather`. `squeeze(-1)` takes it "
            "away; with it, a product with the [B, T] mask broadcasts to a wrong shape.",
        ),
        Mistake(
            lambda logits, tokens, temperature: token_log_probs(
                logits, tokens, temperature
            ).squeeze(),
            "`squeeze()` drops every dimension of size 1, that of the batch or of the positions "
            "too. `squeeze(-1)` drops the last one only.",
        ),
        Mistake(
            lambda logits, tokens, temperature: token_log_probs(
                logits[:, :-1], tokens[:, 1:], temperature
            ),
            "Logits and tokens are shifted against each other. Here `logits[:, t]` already "
            "belongs to `tokens[:, t]`, and a shift loses the first token.",
        ),
        Mistake(
            lambda logits, tokens, temperature: token_log_probs(
                logits, tokens.roll(-1, dims=1), temperature
            ),
            "Each position is asked for the token after it. Here `logits[:, t]` already belongs "
            "to `tokens[:, t]`: do not shift.",
        ),
        Mistake(
            lambda logits, tokens, temperature: token_log_probs(logits, tokens, temperature).mean(),
            "This is the mean over all tokens. Asked for is a log-prob for each token, [B, T]: "
            "the mask and the advantages are applied token by token later.",
        ),
        Mistake(
            lambda logits, tokens, temperature: (
                -token_log_probs(logits, tokens, temperature).mean()
            ),
            "This is cross-entropy, the mean over all tokens with the sign turned round. Asked "
            "for is the log-prob of each token, [B, T].",
        ),
        Mistake(
            lambda logits, tokens, temperature: token_log_probs(logits, tokens, temperature).sum(
                dim=1
            ),
            "These are sums over the positions. Asked for is the log-prob of each token, [B, T]; "
            "padding has to be masked out before anything is summed.",
        ),
        Mistake(
            lambda logits, tokens, temperature: _entropy(logits / temperature),
            "This is the entropy, the mean over all tokens that could have been drawn. Asked for "
            "is the log-prob of the one that was.",
        ),
        Mistake(
            lambda logits, tokens, temperature: (logits / temperature).gather(-1, tokens),
            "`gather` wants an index with as many dimensions as the logits: "
            "`tokens.unsqueeze(-1)`, [B, T, 1].",
        ),
        Mistake(
            lambda logits, tokens, temperature: (logits / temperature).log_softmax(dim=-1)[
                :, :, tokens
            ],
            "Indexing with `[:, :, tokens]` takes, at each position, the tokens of all samples "
            "and positions. `gather` takes one for each position.",
        ),
        Mistake(
            lambda logits, tokens, temperature: logits[tokens],
            "Indexing with `[tokens]` takes rows of the batch by the number of a token. `gather` "
            "along the last dimension takes entries of the vocabulary.",
        ),
        Mistake(
            lambda logits, tokens, temperature: logits.div_(temperature),
            "An in-place operation such as `/=` changes the caller's tensor, and autograd forbids "
            "it here. `logits / temperature` makes a new one.",
        ),
        Mistake(
            lambda logits, tokens, temperature: torch.log_softmax(logits),
            "`log_softmax` has to be told along which dimension: dim=-1, the vocabulary.",
        ),
    ),
    hints=(
        "Divide the logits by the temperature first.",
        "`log_softmax(dim=-1)` turns logits into log-probs of every token of the vocabulary.",
        "`gather(-1, tokens.unsqueeze(-1)).squeeze(-1)` picks those of the given tokens.",
    ),
    module=(module_token_log_probs,),
)


def _entropy(logits):
    log_probs = logits.log_softmax(dim=-1)
    return -(log_probs.exp() * log_probs).sum(dim=-1)


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
            "tokens": torch.tensor([[5, 9, 6, 9, 7, 9, 9]]),
            "end_ids": [9],
            "why": "something was written after the end",
        },
        {
            "tokens": torch.tensor([[5, 3, 0], [5, 5, 8], [7, 0, 0], [9, 5, 9]]),
            "end_ids": [8, 3, 7],
            "why": "three end tokens, one of them at the very beginning of a response",
        },
    ]


def _ends(tokens, end_ids):
    return torch.isin(tokens, torch.tensor(end_ids)).long()


exercise(
    number="1.2",
    title="which tokens belong to the response",
    solution=response_mask,
    cases=_mask_cases,
    mistakes=(
        Mistake(
            lambda tokens, end_ids: (_ends(tokens, end_ids).cumsum(dim=1) == 0).long(),
            "The end token itself is missing. It is an action like any other: masked out, the "
            "model never learns to stop.",
        ),
        Mistake(
            lambda tokens, end_ids: 1 - _ends(tokens, end_ids),
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
                _ends(tokens, end_ids).flip(1).cumsum(dim=1).flip(1) > 0
            ).long(),
            "This goes up to the last end token. The response ends at the first one, and a "
            "response that was cut off has none.",
        ),
        Mistake(
            lambda tokens, end_ids: response_mask(tokens, end_ids[-1:]),
            "Of the end tokens only the last one in the list is looked for. A response that ends "
            "with another one runs on into its padding.",
        ),
        Mistake(
            lambda tokens, end_ids: response_mask(tokens, end_ids[:1]),
            "Of the end tokens only `end_ids[0]` is looked for. A response that ends with another "
            "one runs on into its padding.",
        ),
        Mistake(
            lambda tokens, end_ids: response_mask(tokens, [end_ids[0], end_ids[-1]]),
            "Only the first and the last of the end tokens are looked for. The list can be of any "
            "length.",
        ),
        Mistake(
            lambda tokens, end_ids: (_ends(tokens, end_ids).cumsum(dim=1) <= 1).long(),
            "`cumsum <= 1` goes on after the first end token, up to the second. What counts is "
            "how many end tokens stand *before* a position: none.",
        ),
        Mistake(
            lambda tokens, end_ids: _ends(tokens, end_ids).cumsum(dim=1) <= 1,
            "`cumsum < 2` goes on after the first end token, up to the second, and the result is "
            "a bool. Count the end tokens *before* each position.",
        ),
        Mistake(
            lambda tokens, end_ids: (_before(tokens, end_ids, 0) == 0).long(),
            "The count runs down the batch, dim=0. It has to run along each response, dim=1: one "
            "response does not end another.",
        ),
        Mistake(
            lambda tokens, end_ids: response_mask(tokens.flatten()[None], end_ids).view_as(tokens),
            "The count runs on from one response to the next. It has to begin anew for each, "
            "dim=1.",
        ),
        Mistake(
            lambda tokens, end_ids: 1 - response_mask(tokens, end_ids),
            "This is turned round: 1 stands for what comes after the end. Training would use the "
            "padding and nothing else.",
        ),
        Mistake(
            lambda tokens, end_ids: (_ends(tokens, end_ids).cumsum(dim=1) > 0).long(),
            "This is turned round: 1 stands from the end token on. It should stand up to it, the "
            "end token included.",
        ),
        Mistake(
            lambda tokens, end_ids: response_mask(tokens, end_ids).bool(),
            "The positions are right, but this is a bool. The mask is used in sums and products; "
            "`.long()` makes integers of it.",
        ),
        Mistake(
            lambda tokens, end_ids: _ends(tokens, end_ids).cumsum(dim=1) == 0,
            "The end token itself is missing, and the result is a bool. The end token is an "
            "action like any other: masked out, the model never learns to stop.",
        ),
        Mistake(
            lambda tokens, end_ids: _ends(tokens, end_ids),
            "Only the end tokens get a 1. Everything before the first of them belongs to the "
            "response as well.",
        ),
        Mistake(
            lambda tokens, end_ids: torch.zeros_like(tokens),
            "No position counts here. Nothing would be trained.",
        ),
        Mistake(
            lambda tokens, end_ids: 1 - _before(tokens, end_ids),
            "1 minus the number of end tokens before falls below 0 after the second one. Ask "
            "whether the number is 0.",
        ),
        Mistake(
            lambda tokens, end_ids: (_before(tokens, end_ids).cumsum(dim=1) <= 1).long(),
            "One token too many: the one after the end token counts too.",
        ),
        Mistake(
            lambda tokens, end_ids: torch.cat(
                [response_mask(tokens, end_ids)[:, 1:], torch.zeros_like(tokens[:, :1])], dim=1
            ),
            "The mask is shifted to the left: a response loses its last token, the end token "
            "where there is one.",
        ),
        Mistake(
            lambda tokens, end_ids: (_ends(tokens, end_ids).cumsum(dim=1)[:, :-1] == 0).long(),
            "A column is missing: the mask has to be as wide as the tokens. To shift it by one, "
            "put a column of 1 in front.",
        ),
        Mistake(
            lambda tokens, end_ids: response_mask(tokens, end_ids) * (tokens != 0),
            "Token 0 is masked out everywhere. Where it ends the response it is an action, and "
            "the choice to stop has to be trained.",
        ),
        Mistake(
            lambda tokens, end_ids: (tokens != end_ids[0]).long(),
            "Only the positions that hold `end_ids[0]` are masked. The end token belongs to the "
            "response, what follows it does not.",
        ),
        Mistake(
            lambda tokens, end_ids: (tokens != end_ids[-1]).long(),
            "Only the positions that hold `end_ids[-1]` are masked. The end token belongs to the "
            "response, what follows it does not.",
        ),
        Mistake(
            lambda tokens, end_ids: _up_to_argmax(tokens, end_ids),
            "Of a response without an end token only the first token is left: where nothing is "
            "found, `argmax` gives position 0. It was cut off, so all of its tokens belong to it.",
        ),
        Mistake(
            lambda tokens, end_ids: _up_to_argmax(tokens, end_ids, -1),
            "The end token itself is missing, and of a response without one nothing is left: where "
            "nothing is found, `argmax` gives position 0.",
        ),
        Mistake(
            lambda tokens, end_ids: (
                response_mask(tokens, end_ids) * _ends(tokens, end_ids).amax(1, keepdim=True)
            ),
            "A response without an end token gets zeros only. It was cut off: all of its tokens "
            "were chosen by the model and belong to it.",
        ),
        Mistake(
            lambda tokens, end_ids: response_mask(tokens, end_ids)[:1].expand_as(tokens),
            "The mask of the first response is used for all. Each has an end of its own.",
        ),
        Mistake(
            lambda tokens, end_ids: (
                response_mask(tokens, end_ids).amin(0, keepdim=True).expand_as(tokens)
            ),
            "All responses end with the shortest one. Each has an end of its own.",
        ),
        Mistake(
            lambda tokens, end_ids: response_mask(tokens, end_ids).sum(dim=1),
            "These are the lengths. Asked for is a 0 or a 1 for each token, [B, T].",
        ),
        Mistake(
            lambda tokens, end_ids: tokens * response_mask(tokens, end_ids),
            "These are the tokens, with 0 after the end. A mask says 1 where a token belongs, "
            "whichever token it is.",
        ),
        Mistake(
            lambda tokens, end_ids: response_mask(tokens, [9]),
            "It looks for token 9 whatever `end_ids` says. Another model has other end tokens.",
        ),
        Mistake(
            lambda tokens, end_ids: _up_to_index(tokens, end_ids),
            "`index` raises where the token is not in the response. A response that was cut off "
            "has no end token, and where there are several to choose from, any may be missing.",
        ),
        Mistake(
            lambda tokens, end_ids: 1 - torch.isin(tokens, torch.tensor(end_ids)),
            "PyTorch does not subtract bools. `.long()` makes integers of them; `~` inverts a "
            "bool.",
        ),
        Mistake(
            lambda tokens, end_ids: torch.isin(tokens, end_ids),
            "`torch.isin` wants a tensor to look in, and `end_ids` is a list: "
            "`torch.tensor(end_ids)`.",
        ),
        Mistake(
            lambda tokens, end_ids: tokens in end_ids,
            "`in` asks one question about the whole tensor. `torch.isin` asks it for each token.",
        ),
        Mistake(
            lambda tokens, end_ids: (tokens == end_ids).long(),
            "`==` between a tensor and a list is one `False`, not a comparison of each token. "
            "`torch.isin(tokens, torch.tensor(end_ids))` compares each with all of them.",
        ),
        Mistake(
            lambda tokens, end_ids: (tokens == end_ids).cumsum(dim=1),
            "`==` between a tensor and a list is one `False`, which has no `cumsum`. "
            "`torch.isin(tokens, torch.tensor(end_ids))` compares each token with all of them.",
        ),
        Mistake(
            lambda tokens, end_ids: _equal_mask(tokens, end_ids),
            "`tokens == torch.tensor(end_ids)` works for one end token. With several it compares "
            "by position, or fails; `torch.isin` compares each token with all of them.",
        ),
        Mistake(
            lambda tokens, end_ids: response_mask(tokens, end_ids if len(end_ids) == 1 else []),
            "Where there are several end tokens none is found, as if a token had to equal all of "
            "them at once. One of them is enough: `any`, not `all`.",
        ),
    ),
    hints=(
        "`torch.isin(tokens, torch.tensor(end_ids))` is True at each end token.",
        "`cumsum(dim=1)` counts the end tokens up to each position, this one included.",
        "A position belongs if no end token stands *before* it: "
        "`(ends.cumsum(dim=1) - ends.long() == 0).long()`.",
    ),
)


def _before(tokens, end_ids, dim=1):
    ends = _ends(tokens, end_ids)
    return ends.cumsum(dim=dim) - ends


def _up_to_argmax(tokens, end_ids, more=0):
    first = _ends(tokens, end_ids).argmax(dim=1, keepdim=True)
    return (torch.arange(tokens.shape[1]) <= first + more).long()


def _up_to_index(tokens, end_ids):
    mask = torch.zeros_like(tokens)
    for i, row in enumerate(tokens.tolist()):
        mask[i, : row.index(end_ids[0]) + 1] = 1
    return mask


def _equal_mask(tokens, end_ids):
    ends = (tokens == torch.tensor(end_ids)).long()
    return (ends.cumsum(dim=1) - ends == 0).long()


def response_log_prob(log_probs, mask):
    return (log_probs * mask).sum(dim=1)


def _log_prob_cases():
    log_probs = torch.tensor([[-0.5, -1.0, -0.1, -2.0], [-0.2, -0.3, -7.0, -9.0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    others = [[-0.4, -0.8, -1.2, -0.3, -5.0], [-2.5, -6.0, -3.0, -4.0, -1.5]]
    rare = torch.tensor([*others, [-60.0, -50.0, -40.0, -30.0, -0.7]])
    lengths = torch.tensor([[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 0]])
    return [
        {"log_probs": log_probs, "mask": mask},
        {
            "log_probs": rare,
            "mask": lengths,
            "why": "three responses, one of a single token, one next to impossible",
        },
    ]


exercise(
    number="1.3",
    title="log-prob of a response",
    solution=response_log_prob,
    cases=_log_prob_cases,
    gradient_of="log_probs",
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
            lambda log_probs, mask: log_probs.mean(dim=1),
            "This is a mean, and padding is counted like any token. Log-probs of a response add, "
            "where the mask is 1.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs * mask).prod(dim=1),
            "The log-probs are multiplied, those of padding as 0. Probabilities multiply, their "
            "logarithms add.",
        ),
        Mistake(
            lambda log_probs, mask: torch.where(mask == 1, log_probs, 1.0).prod(dim=1),
            "The log-probs of the real tokens are multiplied. Probabilities multiply, their "
            "logarithms add.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs * mask).sum(dim=1).exp(),
            "This is the probability. Leave it in logs: a long response underflows to 0.",
        ),
        Mistake(
            lambda log_probs, mask: log_probs.sum(dim=1).exp(),
            "This is a probability, and that of the padding is multiplied in. Stay in logs, and "
            "sum only where the mask is 1.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs * mask).exp().prod(dim=1).log(),
            "On paper this is right, but the probability of an unlikely response underflows to 0, "
            "and its logarithm is -inf. Sum the log-probs and stay in logs.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs.exp() * mask).sum(dim=1),
            "Probabilities are summed. Those of a response's tokens multiply, and in logs that "
            "is the sum of the log-probs.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs.exp() * mask).sum(dim=1).log(),
            "This is the log of the *sum* of the probabilities: that one of the tokens or another "
            "comes. All of them have to come, so the probabilities multiply and the logs add.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs.exp() * mask).prod(dim=1).log(),
            "Padding gets probability 0 here, and one factor 0 makes the whole product 0. In a "
            "product the mask would have to leave a 1; in the sum of log-probs 0 is right.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs.exp() * mask).prod(dim=1),
            "Padding gets probability 0 here, which makes the whole product 0, and the logarithm "
            "is missing. Sum log-probs where the mask is 1.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs.log() * mask).sum(dim=1),
            "These are log-probs already. They are below 0, and the logarithm of that is nan.",
        ),
        Mistake(
            lambda log_probs, mask: -(log_probs * mask).sum(dim=1),
            "The sign is reversed. The log-prob of a response is at most 0; minus it is the "
            "loss of supervised training.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs * (1 - mask)).sum(dim=1),
            "The mask is turned round: summed is the padding, left out the response. The mask is "
            "1 where a token is real.",
        ),
        Mistake(
            lambda log_probs, mask: log_probs.gather(1, mask.sum(1, keepdim=True) - 1).squeeze(1),
            "This is the log-prob of the last token alone. That of the response is the sum over "
            "all its tokens.",
        ),
        Mistake(
            lambda log_probs, mask: log_probs[:, -1],
            "This is the last position alone, which may be padding. The log-prob of a response "
            "is the sum over its tokens.",
        ),
        Mistake(
            lambda log_probs, mask: log_probs[:, 0],
            "This is the log-prob of the first token alone. That of the response is the sum over "
            "all its tokens.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs * mask).sum(dim=0),
            "The sum runs over the responses. It has to run over the tokens of each, dim=1.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs * mask).sum(),
            "This is one number for all responses together. Each has its own, [B]: it will be "
            "weighed with its own advantage.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs * mask).sum(dim=1).mean(),
            "This is the mean over the responses. Each has its own log-prob, [B]: it will be "
            "weighed with its own advantage.",
        ),
        Mistake(
            lambda log_probs, mask: log_probs * mask,
            "The padding is masked, but nothing is summed. A response has one log-prob, the sum "
            "over its tokens, dim=1.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs * mask).sum(dim=1, keepdim=True),
            "`keepdim=True` leaves a dimension of size 1. A product with advantages [B] would "
            "then broadcast to [B, B] without an error.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs[:, :-1] * mask[:, 1:]).sum(dim=1),
            "The last token of each response is left out, where the model chose to stop. Log-probs "
            "and mask belong together position by position: no shift.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs[:, 1:] * mask[:, 1:]).sum(dim=1),
            "The first token is left out. It was chosen by the model like the others.",
        ),
        Mistake(
            lambda log_probs, mask: log_probs[mask].sum(dim=1),
            "Indexing with a mask of integers takes rows number 0 and 1. Multiply by the mask: "
            "padding then adds 0.",
        ),
        Mistake(
            lambda log_probs, mask: log_probs[mask.bool()],
            "Indexing with a bool mask puts the tokens of all responses in one row, and which "
            "belongs to whom is lost. Multiply by the mask, and sum along dim=1.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs * mask).amin(dim=1),
            "This is the log-prob of the unlikeliest token alone. That of the response is the sum "
            "over all its tokens.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs + mask).sum(dim=1),
            "The mask is added. It has to be multiplied: a real token counts as it is, padding "
            "counts 0.",
        ),
        Mistake(
            lambda log_probs, mask: log_probs @ mask.T,
            "A matrix product of floats with integers raises an error, and with floats it would "
            "give [B, B], each response with each mask. Multiply element by element, then sum.",
        ),
        Mistake(
            lambda log_probs, mask: log_probs @ mask.float().T,
            "A matrix product pairs each response with each mask, [B, B]. Multiply element by "
            "element, then sum along dim=1.",
        ),
        Mistake(
            lambda log_probs, mask: torch.einsum("bt,bt->b", log_probs, mask),
            "`einsum` does not mix floats and integers. `mask.float()`, or a product with `*`, "
            "which does.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs * mask).cumsum(dim=1),
            "This is the running sum, [B, T]. Its last column would be the log-prob of the "
            "response.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs * mask).sum(dim=1) / mask.sum(dim=1).sqrt(),
            "The sum is divided by the root of the length. However long a response is, its "
            "log-prob is the plain sum.",
        ),
        Mistake(
            lambda log_probs, mask: log_probs.mean(dim=1) * mask.sum(dim=1),
            "The mean is taken over the padding too, so that times the length it is not the sum "
            "over the response.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs * mask).sum(dim=1) / len(mask),
            "The sum is divided by the number of responses. The log-prob of a response does not "
            "depend on how many others there are.",
        ),
        Mistake(
            lambda log_probs, mask: log_probs.mul_(mask),
            "An in-place change of `log_probs` changes the caller's tensor, and autograd forbids "
            "it here. `log_probs * mask` makes a new one.",
        ),
        Mistake(
            lambda log_probs, mask: log_probs[0].mul_(mask[0]),
            "An assignment to a part of `log_probs` changes the caller's tensor, and autograd "
            "forbids it here. `log_probs * mask` makes a new one.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs.log_softmax(dim=-1) * mask).sum(dim=1),
            "A softmax over the positions spoils the log-probs: they are normalised already, each "
            "over the vocabulary.",
        ),
        Mistake(
            lambda log_probs, mask: (log_probs * mask).sum(dim=1) / math.log(2),
            "This is in bits, base 2. Log-probs are natural logarithms, else `exp` does not give "
            "the probability back.",
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
    numbers = (
        *((8, 2, 1), (8, 2, 4), (10, 0, 5), (10, 3, 10), (16, 15, 2), (64, 7, 16)),
        *((5, 5, 3), (12, 4, 9), (9, 4, 4), (1, 1, 1), (200, 3, 50)),
    )
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
        Mistake(
            lambda n, c, k: c / n,
            "This is pass@1, for any k. With more samples to choose from, one that is right is "
            "likelier.",
        ),
        Mistake(
            lambda n, c, k: comb(n - c, k) / comb(n, k),
            "This is the chance that all k are wrong. Asked for is that one at least is right.",
        ),
        Mistake(
            lambda n, c, k: comb(c, k) / comb(n, k),
            "This is the chance that all k are right. One right sample is enough.",
        ),
        Mistake(
            lambda n, c, k: 1 - comb(c, k) / comb(n, k),
            "This is the chance that one at least is *wrong*. The ways to choose wrong samples "
            "only are comb(n - c, k).",
        ),
        Mistake(
            lambda n, c, k: min(1.0, k * c / n),
            "k times the share counts a draw with two right samples twice.",
        ),
        Mistake(
            lambda n, c, k: k * c / n,
            "This is the expected *number* of right samples among the k, which can be above 1. "
            "Asked for is the chance of at least one.",
        ),
        Mistake(
            lambda n, c, k: 1 - comb(k, n - c) / comb(k, n),
            "The arguments of `comb` are swapped: comb(n, k) chooses k out of n. The other way "
            "round it is 0 for k below n, and nothing can be divided by it.",
        ),
        Mistake(
            lambda n, c, k: 1 - comb(k, n - c) / comb(k, n) if comb(k, n) else 1.0,
            "The arguments of `comb` are swapped, and what remains says 1 nearly always. "
            "comb(n, k) chooses k out of n.",
        ),
        Mistake(
            lambda n, c, k: 1 - comb(n, k) / comb(n - c, k),
            "The share is upside down: all ways to choose belong below, the ways with wrong ones "
            "only above. This is never above 0, and fails where n - c is less than k.",
        ),
        Mistake(
            lambda n, c, k: 1.0 if n - c < k else 1 - comb(n, k) / comb(n - c, k),
            "The share is upside down: all ways to choose belong below, the ways with wrong ones "
            "only above. A chance cannot be below 0.",
        ),
        Mistake(
            lambda n, c, k: c * comb(n - c, k - 1) / comb(n, k),
            "This is the chance of *exactly* one right sample among the k. Two or more are fine "
            "as well.",
        ),
        Mistake(
            lambda n, c, k: comb(n - 1, k - 1) / comb(n, k),
            "This is k / n, the chance that one certain sample is among the k. It does not ask "
            "how many samples are right.",
        ),
        Mistake(
            lambda n, c, k: 100 * pass_at_k(n, c, k),
            "This is in percent. A chance lies between 0 and 1.",
        ),
        Mistake(
            lambda n, c, k: float(c > 0),
            "This is 1 as soon as any of the n samples is right, which is pass@n. With k below n "
            "the right ones may not be drawn. (`//` does that: it rounds the share down to 0.)",
        ),
        Mistake(
            lambda n, c, k: float(c >= k),
            "This says whether k or more samples are right. Asked for is a chance: that one right "
            "sample at least is among k that are drawn.",
        ),
        Mistake(
            lambda n, c, k: 1 - comb(n - c, k) / comb(n, c),
            "The ways to draw are comb(n, k): k samples are drawn, not c.",
        ),
        Mistake(
            lambda n, c, k: 1 - comb(n - k, k) / comb(n, k),
            "The wrong samples are n - c, not n - k. How many are right does not matter here at "
            "all.",
        ),
        Mistake(
            lambda n, c, k: 1 - comb(n - c, c) / comb(n, k),
            "k samples are drawn, so the ways with wrong ones only are comb(n - c, k).",
        ),
        Mistake(
            lambda n, c, k: 1 - comb(n - k, k) / comb(n, c),
            "c and k are mixed up: the wrong samples are n - c, and k of them are drawn, out of n "
            "in both cases.",
        ),
        Mistake(
            lambda n, c, k: 0.0 if n - c < k else pass_at_k(n, c, k),
            "Where fewer than k samples are wrong, a right one is always drawn: 1, not 0.",
        ),
        Mistake(
            lambda n, c, k: 1 - _drawn(n - 1, c, k),
            "The product of the chances is off by one: the first draw is from n samples, of which "
            "n - c are wrong.",
        ),
        Mistake(
            lambda n, c, k: 1 - _drawn(n, c, k - 1),
            "One draw is missing: k samples make k factors.",
        ),
        Mistake(
            lambda n, c, k: 1 - math.prod(max(n - c - i, 0) / n for i in range(k)),
            "Each draw leaves one wrong sample less, but also one sample less altogether: the "
            "factors are (n - c - i) / (n - i).",
        ),
        Mistake(
            lambda n, c, k: (
                1
                - math.factorial(n - c)
                / math.factorial(n - c - k)
                * math.factorial(n - k)
                / math.factorial(n)
            ),
            "The factorial of n - c - k does not exist where fewer than k samples are wrong. "
            "`math.comb` gives 0 there, which is right.",
        ),
        Mistake(
            lambda n, c, k: (c / n) ** k,
            "This is the chance that k draws with replacement are all right. One right sample is "
            "enough.",
        ),
        Mistake(
            lambda n, c, k: 1 - (1 - 1 / n) ** (c * k),
            "This draws with replacement and takes each right sample for itself. The samples are "
            "n different ones, of which k are drawn at once.",
        ),
        Mistake(
            lambda n, c, k: 1 - comb(8 - c, k) / comb(8, k),
            "8 stands where n belongs, and there `comb` has nothing to choose from once c or k is "
            "larger.",
        ),
        Mistake(
            lambda n, c, k: comb(n - c, k) / comb(n, k) - 1,
            "The sign is reversed: 1 minus the chance that all are wrong.",
        ),
        Mistake(
            lambda n, c, k: 1 - comb(n, c) / comb(n, k),
            "comb(n, c) counts the ways to choose c samples. Above the line belong the ways to "
            "choose k wrong ones, comb(n - c, k).",
        ),
        Mistake(
            lambda n, c, k: comb(n, k) - comb(n - c, k),
            "This is the number of draws with a right sample. Divided by the number of all draws, "
            "comb(n, k), it is the chance.",
        ),
        Mistake(
            lambda n, c, k: 1 - comb(n - c, k) / math.perm(n, k),
            "Above the line the order of the draws does not count, below it does. Take `comb` for "
            "both, or `perm` for both.",
        ),
        Mistake(
            lambda n, c, k: (1 - c / n) ** (k - 1) * c / n,
            "This is the chance that draw number k is the first right one, drawn with replacement. "
            "Any of the k will do.",
        ),
        Mistake(
            lambda n, c, k: k * (c / n) * (1 - c / n) ** (k - 1),
            "This is the chance of *exactly* one right sample, drawn with replacement. Two or more "
            "are fine as well, and the samples are n different ones.",
        ),
    ),
    hints=(
        "Ask for the opposite: how likely is it that k samples out of the n are all wrong?",
        "There are comb(n, k) ways to choose k samples, and comb(n - c, k) with wrong ones only.",
        "pass@k is 1 minus that share. `math.comb` gives 0 where nothing can be chosen.",
    ),
)


def _drawn(n, c, k):
    return math.prod(max(n - c - i, 0) / (n - i) if n > i else 0 for i in range(k))


def reward(text, answer):
    form = r"(<think>[^<>]*</think>)?<answer>([0-9]+)</answer>"
    match = re.fullmatch(form, text)
    return float(match is not None and match[2] == answer)


CHEATS = {
    "right, at once": "<answer>89</answer>",
    "right, after thinking": "<think>80+9=89</think><answer>89</answer>",
    "right, after thinking in two lines": "<think>80+9\n=89</think><answer>89</answer>",
    "right, after thinking in words": "<think>I add nine, that is all.</think><answer>89</answer>",
    "wrong": "<answer>88</answer>",
    "wrong, after the right thought": "<think>80+9=89</think><answer>88</answer>",
    "no tags": "89",
    "an empty answer": "<answer></answer>",
    "every answer there is": "<answer>88 89 90</answer>",
    "two answers": "<answer>88</answer><answer>89</answer>",
    "two answers, the right one first": "<answer>89</answer><answer>88</answer>",
    "the answer only inside the thought": "<think><answer>89</answer></think><answer>1</answer>",
    "another answer inside the thought": "<think><answer>1</answer></think><answer>89</answer>",
    "an answer that contains the right one": "<answer>189</answer>",
    "an answer that begins with the right one": "<answer>8900</answer>",
    "a digit of the right answer": "<answer>8</answer>",
    "a leading zero": "<answer>089</answer>",
    "a sign": "<answer>+89</answer>",
    "a space": "<answer>8 9</answer>",
    "spaces around the number": "<answer> 89 </answer>",
    "digits of another script": "<answer>٨٩</answer>",
    "capital tags": "<ANSWER>89</ANSWER>",
    "text after the answer": "<answer>89</answer>, or 90",
    "text before the answer": "Maybe <answer>89</answer>",
    "text in the lines around": "Maybe\n<answer>89</answer>\nor 90",
    "a line break at the end": "<answer>89</answer>\n",
    "a space at the beginning": " <answer>89</answer>",
    "a line break between the parts": "<think>80+9=89</think>\n<answer>89</answer>",
    "two thoughts": "<think>80+9</think><think>=89</think><answer>89</answer>",
    "a second thought and answer": "<think></think><answer>88</answer><think></think>"
    "<answer>89</answer>",
    "a thought after the answer": "<answer>89</answer><think>80+9=89</think>",
    "a thought that never ends": "<think>80+9=89<answer>89</answer>",
    "a thought that never began": "80+9=89</think><answer>89</answer>",
    "a thought that begins twice": "<think>80<think>+9=89</think><answer>89</answer>",
    "nothing at all": "",
}
OTHERS = (
    ("right, four digits", "<answer>1204</answer>", "1204"),
    ("right, one digit", "<think>3+4=7</think><answer>7</answer>", "7"),
    ("the answer to another question", "<answer>89</answer>", "80"),
    ("an answer that begins with the right one", "<answer>8000</answer>", "80"),
)


def _verifier_cases():
    of_89 = [{"text": text, "answer": "89", "why": why} for why, text in CHEATS.items()]
    others = [{"text": text, "answer": answer, "why": why} for why, text, answer in OTHERS]
    return of_89 + others


def _by_number(text: str, answer: str) -> float:
    match = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>(.*)</answer>", text)
    try:
        return float(match is not None and int(match[2]) == int(answer))
    except ValueError:
        return 0.0


def _by_digits(text: str, answer: str) -> float:
    match = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>([^<>]*)</answer>", text)
    return float(match is not None and "".join(re.findall("[0-9]", match[2])) == answer)


def _after_thought(text: str) -> str:
    before, tag, after = text.partition("</think>")
    return after if tag else before


def _form(text: str) -> bool:
    return re.fullmatch(r"(<think>[^<>]*</think>)?<answer>[0-9]+</answer>", text) is not None


def _fails_without_match(part):
    """A verifier that reads ``part`` of the match even where there is none."""

    def verify(text, answer):
        form = r"(<think>[^<>]*</think>)?<answer>([0-9]+)</answer>"
        return float(part(re.fullmatch(form, text)) == answer)

    return verify


def _fits(form: str, flags: int = 0, match: Callable = re.fullmatch):
    """A verifier: the text matches the form, in which ANSWER stands for the right answer."""
    return lambda text, answer: float(
        match(form.replace("ANSWER", answer), text, flags) is not None
    )


def _given(good, form: str = r"(?:<think>[^<>]*</think>)?<answer>([0-9]+)</answer>"):
    """A verifier: the whole text has the form, and its answer is ``good(given, right)``."""

    def verify(text, answer):
        match = re.fullmatch(form, text)
        return float(match is not None and good(match[1], answer))

    return verify


def _found(good):
    """A verifier: ``good(all answers found in the text, right)``."""
    return lambda text, answer: float(good(re.findall("<answer>([0-9]+)</answer>", text), answer))


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
            lambda text, answer: float(text.startswith(f"<answer>{answer}</answer>")),
            "It looks at the beginning only: a second answer and any text after the first one "
            "still pay, and thinking first is never paid.",
        ),
        Mistake(
            lambda text, answer: _by_number(text, answer),
            "It compares numbers, and `int` is generous: +89, 089 and digits of other scripts "
            "all count as 89. Compare the text.",
        ),
        Mistake(
            _given(
                lambda given, right: int(given) == int(right),
                r"(?:<think>[^<>]*</think>)?<answer>(\d+)</answer>",
            ),
            "It compares numbers: with `int` a leading zero and digits of other scripts pay too. "
            "Compare the text.",
        ),
        Mistake(
            _given(lambda given, right: int(given) == int(right)),
            "A leading zero pays: 089 counts as 89. There is one way to write the answer, so "
            "compare the text, without leaving zeros out.",
        ),
        Mistake(
            _fits(r"(<think>[^<>]*</think>)?<answer>[+-]?ANSWER</answer>"),
            "A sign before the number pays. The answer has digits only.",
        ),
        Mistake(
            lambda text, answer: float(answer in re.findall("<answer>([0-9]+)</answer>", text)[:1]),
            "It takes the first answer it finds, wherever it stands. More answers may follow, or "
            "the first may stand in the thought: the *whole* text has to have the form.",
        ),
        Mistake(
            _found(lambda found, right: found[-1:] == [right]),
            "It takes the last answer it finds, wherever it stands. A policy can write several, "
            "or any text around it: the *whole* text has to have the form.",
        ),
        Mistake(
            _found(lambda found, right: found == [right]),
            "There is one answer only, but around it anything may stand: text, a thought that "
            "never ends, several thoughts. The *whole* text has to have the form.",
        ),
        Mistake(
            lambda text, answer: float(text.split("<answer>")[1].split("</answer>")[0] == answer),
            "Where the text has no tag, `split` gives one part, and the second does not exist. A "
            "model writes anything at all, so a verifier may never fail.",
        ),
        Mistake(
            _given(lambda given, right: given.startswith(right)),
            "An answer that only begins with the right one pays, as 8000 does for 80. Compare the "
            "whole answer, with `==`.",
        ),
        Mistake(
            _given(lambda given, right: given.endswith(right)),
            "An answer that only ends with the right one pays, as 189 does for 89. Compare the "
            "whole answer, with `==`.",
        ),
        Mistake(
            _given(lambda given, right: right in given),
            "An answer that contains the right one pays, as 189 does for 89. Compare the whole "
            "answer, with `==`.",
        ),
        Mistake(
            _given(lambda given, right: given in right),
            "A piece of the right answer pays, as 8 does for 89. Compare the whole answer, with "
            "`==`.",
        ),
        Mistake(
            _given(lambda given, right: True),
            "It checks the form and not the answer: any number pays.",
        ),
        Mistake(
            _given(lambda given, right: given == "89"),
            "89 stands in it, whatever `answer` says. Every question has its own answer.",
        ),
        Mistake(
            _given(lambda given, right: len(given) == len(right)),
            "Any number with as many digits as the right one pays. Compare the answer itself.",
        ),
        Mistake(
            _fits(r"(<think>[^<>]*</think>)?<answer>ANSWER</answer>", match=re.match),
            "Anything may follow the answer: `re.match` looks at the beginning of the text only. "
            "`re.fullmatch` wants all of it.",
        ),
        Mistake(
            _fits(r"(<think>.*</think>)?<answer>ANSWER</answer>", match=re.match),
            "Two things. `re.match` looks at the beginning of the text only, so anything may "
            "follow the answer: `re.fullmatch` wants all of it. And `.` stops at a line break, "
            "so a thought of two lines is refused, and takes tags: `[^<>]*` does neither.",
        ),
        Mistake(
            _fits(r"(<think>.*</think>)?<answer>ANSWER</answer>", re.DOTALL, re.match),
            "Two things. `re.match` looks at the beginning of the text only, so anything may "
            "follow the answer: `re.fullmatch` wants all of it. And with DOTALL `.` takes "
            "tags as well, so answers inside the thought pay: `[^<>]*` keeps them out.",
        ),
        Mistake(
            _fits(r"(<think>[^<>]*</think>)?<answer>ANSWER</answer>\n?"),
            "A line break at the end pays: in a pattern, `$` matches before it too. Nothing may "
            "follow the answer, and `re.fullmatch` needs no `$`.",
        ),
        Mistake(
            lambda text, answer: float(
                re.search(
                    rf"^(<think>[^<>]*</think>)?<answer>{answer}</answer>$", text, re.MULTILINE
                )
                is not None
            ),
            "One line of the right form is enough for it, with any others around. The *whole* "
            "text has to have the form.",
        ),
        Mistake(
            _fits(r"\s*(<think>[^<>]*</think>)?\s*<answer>ANSWER</answer>\s*"),
            "Spaces and line breaks around the parts pay. The exercise allows none: what is not "
            "checked is free for a policy to fill.",
        ),
        Mistake(
            _fits(r"(<think>[^<>]*</think>\s*)?<answer>ANSWER</answer>"),
            "A space or line break between thought and answer pays. The exercise allows none.",
        ),
        Mistake(
            _fits(r"\s*(<think>[^<>]*</think>)?<answer>ANSWER</answer>\s*"),
            "Spaces and line breaks at the beginning and at the end pay: do not strip the text. "
            "The exercise allows nothing around the parts.",
        ),
        Mistake(
            _fits(r"(<think>[^<>]*</think>)?<answer>\s*ANSWER\s*</answer>"),
            "Spaces around the number pay. Between the tags of the answer stand digits only.",
        ),
        Mistake(
            _fits(r"(<think>[^<>]*</think>)*<answer>ANSWER</answer>"),
            "Several thoughts pay. One is allowed at most: in a pattern `(...)?`, not `(...)*`.",
        ),
        Mistake(
            _fits(r"(<think>.*</think>)?<answer>ANSWER</answer>"),
            "`.` takes tags too, so that answers inside the thought and several thoughts pay, and "
            "it stops at a line break, so that a thought of two lines does not. `[^<>]*` does "
            "neither.",
        ),
        Mistake(
            _fits(r"(<think>.*</think>)?<answer>ANSWER</answer>", re.DOTALL),
            "The thought may contain anything, tags too: an answer inside the thought, several "
            "thoughts and a second answer pay. `[^<>]*` keeps tags out.",
        ),
        Mistake(
            _given(
                lambda given, right: given == right,
                r"(?s:(?:<think>.*?</think>)?<answer>(.*?)</answer>)",
            ),
            "With DOTALL `.` takes tags as well: an answer inside the thought pays, and so do "
            "several thoughts. `[^<>]*` keeps tags out.",
        ),
        Mistake(
            _fits(r"(<think>[^<>\n]*</think>)?<answer>ANSWER</answer>"),
            "A thought of two lines is refused (in a pattern, `.` stops at a line break). The "
            "exercise forbids tags inside the thought and nothing else: good thinking goes unpaid.",
        ),
        Mistake(
            _fits(r"(<think>[0-9+=; ]*</think>)?<answer>ANSWER</answer>"),
            "A right answer after a thought in words or in two lines is refused. Inside the "
            "thought everything but tags is allowed.",
        ),
        Mistake(
            lambda text, answer: float(_after_thought(text) == f"<answer>{answer}</answer>"),
            "What stands before `</think>` is not looked at: a thought that never began pays, and "
            "so does one with tags inside.",
        ),
        Mistake(
            lambda text, answer: float(text.split("</think>")[-1] == f"<answer>{answer}</answer>"),
            "Only what follows the last `</think>` is looked at. Several thoughts and answers may "
            "stand before it, and a thought need not have begun.",
        ),
        Mistake(
            lambda text, answer: float(text == f"<answer>{answer}</answer>"),
            "A right answer after a thought is refused. Then thinking is never paid, and the "
            "policy stops it.",
        ),
        Mistake(
            _fits(r"<think>[^<>]*</think><answer>ANSWER</answer>"),
            "A right answer without a thought is refused. The thought is optional: `(...)?`.",
        ),
        Mistake(
            lambda text, answer: 0.0,
            "It never pays, not even for a right answer of the right form, so nothing can be "
            "learned. In a pattern with two groups the answer is the second one, `match[2]`.",
        ),
        Mistake(
            lambda text, answer: 1.0,
            "It pays for everything. Rewards that do not differ teach nothing.",
        ),
        Mistake(
            _fails_without_match(lambda match: match[2]),
            "Where the text does not have the form there is no match but `None`, and `None` has no "
            "`[2]`. Ask for `None` first: the reward is then 0.0.",
        ),
        Mistake(
            _fails_without_match(lambda match: match.group(2)),
            "Where the text does not have the form there is no match but `None`, and `None` has no "
            "`group`. Ask for `None` first: the reward is then 0.0.",
        ),
        Mistake(
            lambda text, answer: max(reward(text, answer), 0.5 * _form(text)),
            "The right form with a wrong answer is paid one half. A policy can collect that "
            "without computing anything; 0.0 is asked for.",
        ),
        Mistake(
            lambda text, answer: max(reward(text, answer), 0.1 * _form(text)),
            "The right form with a wrong answer is paid one tenth. A policy can collect that "
            "without computing anything; 0.0 is asked for.",
        ),
        Mistake(
            lambda text, answer: 2 * reward(text, answer) - 1,
            "It pays -1 where 0.0 is asked for. The reward is 1.0 or 0.0.",
        ),
        Mistake(
            lambda text, answer: 1 - reward(text, answer),
            "It is turned round: paid is everything but a right answer of the right form.",
        ),
        Mistake(
            _fits(r"(<think>[^<>]*(</think>)?)?<answer>ANSWER</answer>"),
            "A thought that never ends pays. `(...)?` goes around the thought with both its tags.",
        ),
        Mistake(
            _fits(r"(<think>[^<>]*</think>)?<answer>ANSWER</answer>", re.IGNORECASE),
            "Capital tags pay. The form has `<answer>` and `<think>`, in small letters.",
        ),
        Mistake(
            lambda text, answer: float(
                re.sub(r"<think>.*?</think>", "", text, flags=re.DOTALL)
                == f"<answer>{answer}</answer>"
            ),
            "Thoughts are cut out wherever they stand and whatever is in them. Several thoughts, "
            "one after the answer, and answers inside a thought all pay.",
        ),
        Mistake(
            lambda text, answer: float(
                re.sub(r"<think>[^<>]*</think>", "", text) == f"<answer>{answer}</answer>"
            ),
            "Thoughts are cut out wherever they stand: several of them pay, and one after the "
            "answer.",
        ),
        Mistake(
            lambda text, answer: float(
                text.startswith(("<think>", "<answer>"))
                and text.endswith(f"<answer>{answer}</answer>")
            ),
            "It looks at beginning and end, and not between: two answers, several thoughts and a "
            "thought that never ends pay.",
        ),
        Mistake(
            _fits(r"(<think>[^<>]*</think>)?<answer>ANSWER</answer>(<think>[^<>]*</think>)?"),
            "A thought after the answer pays. Nothing may follow the answer.",
        ),
        Mistake(
            _fits(r"[^<>]*(<think>[^<>]*</think>)?<answer>ANSWER</answer>"),
            "Text and spaces before the first tag pay. The form begins with `<think>` or "
            "`<answer>`.",
        ),
        Mistake(
            lambda text, answer: _by_digits(text, answer),
            "It collects the digits and leaves out what stands between and around them: 8 9 and "
            "+89 pay. Between the tags of the answer stand digits only.",
        ),
        Mistake(
            _given(
                lambda given, right: right in given.split(),
                r"(?:<think>[^<>]*</think>)?<answer>([^<>]*)</answer>",
            ),
            "One answer among several is enough for it: a list of all numbers always pays.",
        ),
        Mistake(
            lambda text, answer: str(reward(text, answer)),
            "This is text. The reward is a number, 1.0 or 0.0, since it will be averaged.",
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
