"""Answers of learners to the exercises of notebooks 01 and 02, as source: wrong ones, right ones.

A source is an expression or a `def`. It finds `torch`, `re`, `math`, `np` and `comb`.
"""

WRONG: dict[str, dict[str, str]] = {
    "1.1": {
        "detached": (
            "lambda logits, tokens, temperature: (logits.detach() / temperature)"
            ".log_softmax(-1).gather(-1, tokens[..., None])[..., 0]"
        ),
        "under no_grad": """
def f(logits, tokens, temperature):
    with torch.no_grad():
        lp = torch.log_softmax(logits / temperature, dim=-1)
        return lp.gather(2, tokens.unsqueeze(2)).squeeze(2)
""",
        "a list of numbers": """
def f(logits, tokens, temperature):
    lp = (logits / temperature).log_softmax(-1)
    return [[lp[b, t, tokens[b, t]].item() for t in range(tokens.shape[1])]
            for b in range(len(tokens))]
""",
        "sign": (
            "lambda logits, tokens, temperature: -(logits / temperature)"
            ".log_softmax(-1).gather(-1, tokens[..., None]).squeeze(-1)"
        ),
        "cross entropy, not negated": (
            "lambda logits, tokens, temperature: torch.nn.functional.cross_entropy("
            "(logits / temperature).transpose(1, 2), tokens, reduction='none')"
        ),
        "cross entropy, one number": """
def f(logits, tokens, temperature):
    flat = (logits / temperature).reshape(-1, logits.shape[-1])
    return torch.nn.functional.cross_entropy(flat, tokens.reshape(-1))
""",
        "minus cross entropy, one number": """
def f(logits, tokens, temperature):
    flat = (logits / temperature).flatten(0, 1)
    return -torch.nn.functional.cross_entropy(flat, tokens.flatten())
""",
        "log2 of the softmax": (
            "lambda logits, tokens, temperature: (logits / temperature).softmax(-1).log2()"
            ".gather(-1, tokens.unsqueeze(-1)).squeeze(-1)"
        ),
        "log_softmax in bits": """
def f(logits, tokens, temperature):
    lp = (logits / temperature).log_softmax(-1) / math.log(2)
    return lp.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
""",
        "log10": (
            "lambda logits, tokens, temperature: (logits / temperature).log_softmax(-1)"
            ".gather(-1, tokens.unsqueeze(-1)).squeeze(-1) / math.log(10)"
        ),
        "times temperature": (
            "lambda logits, tokens, temperature: (logits * temperature).log_softmax(-1)"
            ".gather(-1, tokens.unsqueeze(-1)).squeeze(-1)"
        ),
        "softmax over positions": (
            "lambda logits, tokens, temperature: (logits / temperature).log_softmax(1)"
            ".gather(-1, tokens.unsqueeze(-1)).squeeze(-1)"
        ),
        "log of the softmax over positions": (
            "lambda logits, tokens, temperature: (logits / temperature).softmax(1).log()"
            ".gather(-1, tokens.unsqueeze(-1)).squeeze(-1)"
        ),
        "softmax over samples": (
            "lambda logits, tokens, temperature: (logits / temperature).log_softmax(0)"
            ".gather(-1, tokens.unsqueeze(-1)).squeeze(-1)"
        ),
        "softmax over everything": """
def f(logits, tokens, temperature):
    lp = (logits / temperature).flatten().log_softmax(0).view_as(logits)
    return lp.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
""",
        "probabilities": (
            "lambda logits, tokens, temperature: (logits / temperature).softmax(-1)"
            ".gather(-1, tokens.unsqueeze(-1)).squeeze(-1)"
        ),
        "no temperature": (
            "lambda logits, tokens, temperature: logits.log_softmax(-1)"
            ".gather(-1, tokens.unsqueeze(-1)).squeeze(-1)"
        ),
        "log of the softmax, no temperature": (
            "lambda logits, tokens, temperature: logits.softmax(-1).log()"
            ".gather(-1, tokens.unsqueeze(-1)).squeeze(-1)"
        ),
        "temperature of one hard-coded": (
            "lambda logits, tokens, temperature: (logits / 1.0).log_softmax(-1)"
            ".gather(-1, tokens.unsqueeze(-1)).squeeze(-1)"
        ),
        "temperature of two hard-coded": (
            "lambda logits, tokens, temperature: (logits / 2.0).log_softmax(-1)"
            ".gather(-1, tokens.unsqueeze(-1)).squeeze(-1)"
        ),
        "temperature after the softmax": (
            "lambda logits, tokens, temperature: logits.log_softmax(-1)"
            ".gather(-1, tokens.unsqueeze(-1)).squeeze(-1) / temperature"
        ),
        "probabilities divided by the temperature": (
            "lambda logits, tokens, temperature: (logits.softmax(-1) / temperature).log()"
            ".gather(-1, tokens.unsqueeze(-1)).squeeze(-1)"
        ),
        "logits minus temperature": (
            "lambda logits, tokens, temperature: (logits - temperature).log_softmax(-1)"
            ".gather(-1, tokens.unsqueeze(-1)).squeeze(-1)"
        ),
        "logits": (
            "lambda logits, tokens, temperature: (logits / temperature)"
            ".gather(-1, tokens.unsqueeze(-1)).squeeze(-1)"
        ),
        "raw logits": (
            "lambda logits, tokens, temperature: logits"
            ".gather(-1, tokens.unsqueeze(-1)).squeeze(-1)"
        ),
        "shifted": """
def f(logits, tokens, temperature):
    lp = (logits[:, :-1] / temperature).log_softmax(-1)
    return lp.gather(-1, tokens[:, 1:].unsqueeze(-1)).squeeze(-1)
""",
        "tokens rolled by one": (
            "lambda logits, tokens, temperature: (logits / temperature).log_softmax(-1)"
            ".gather(-1, tokens.roll(-1, dims=1).unsqueeze(-1)).squeeze(-1)"
        ),
        "nothing picked": (
            "lambda logits, tokens, temperature: (logits / temperature).log_softmax(-1)"
        ),
        "no squeeze": (
            "lambda logits, tokens, temperature: (logits / temperature).log_softmax(-1)"
            ".gather(-1, tokens.unsqueeze(-1))"
        ),
        "squeeze of everything": (
            "lambda logits, tokens, temperature: (logits / temperature).log_softmax(-1)"
            ".gather(-1, tokens.unsqueeze(-1)).squeeze()"
        ),
        "no unsqueeze": (
            "lambda logits, tokens, temperature: (logits / temperature).log_softmax(-1)"
            ".gather(-1, tokens)"
        ),
        "indexed by the tokens": (
            "lambda logits, tokens, temperature: (logits / temperature).log_softmax(-1)"
            "[:, :, tokens]"
        ),
        "indexed by the tokens first": (
            "lambda logits, tokens, temperature: (logits / temperature).log_softmax(-1)[tokens]"
        ),
        "log of the softmax": (
            "lambda logits, tokens, temperature: (logits / temperature).softmax(-1).log()"
            ".gather(-1, tokens.unsqueeze(-1)).squeeze(-1)"
        ),
        "log of the picked probability": """
def f(logits, tokens, temperature):
    probs = torch.softmax(logits / temperature, dim=-1)
    return torch.log(torch.gather(probs, 2, tokens[:, :, None])[:, :, 0])
""",
        "softmax by hand": """
def f(logits, tokens, temperature):
    e = (logits / temperature).exp()
    p = e / e.sum(dim=-1, keepdim=True)
    return p.log().gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
""",
        "logsumexp by hand": """
def f(logits, tokens, temperature):
    z = logits / temperature
    lp = z - z.exp().sum(dim=-1, keepdim=True).log()
    return lp.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
""",
        "epsilon under the log": """
def f(logits, tokens, temperature):
    p = (logits / temperature).softmax(-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    return (p + 1e-8).log()
""",
        "probability clamped": """
def f(logits, tokens, temperature):
    p = (logits / temperature).softmax(-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    return p.clamp(min=1e-8).log()
""",
        "softmax twice": (
            "lambda logits, tokens, temperature: (logits / temperature).softmax(-1)"
            ".log_softmax(-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)"
        ),
        "likeliest token": (
            "lambda logits, tokens, temperature: (logits / temperature).log_softmax(-1)"
            ".max(dim=-1).values"
        ),
        "sum over the response": (
            "lambda logits, tokens, temperature: (logits / temperature).log_softmax(-1)"
            ".gather(-1, tokens.unsqueeze(-1)).squeeze(-1).sum(dim=1)"
        ),
        "in place": """
def f(logits, tokens, temperature):
    logits /= temperature
    return logits.log_softmax(-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
""",
        "entropy": """
def f(logits, tokens, temperature):
    lp = (logits / temperature).log_softmax(-1)
    return -(lp.exp() * lp).sum(dim=-1)
""",
        "one-hot of four": """
def f(logits, tokens, temperature):
    lp = (logits / temperature).log_softmax(-1)
    return (lp * torch.nn.functional.one_hot(tokens, 4)).sum(-1)
""",
        "no log_softmax dim": (
            "lambda logits, tokens, temperature: torch.log_softmax(logits / temperature)"
            ".gather(-1, tokens.unsqueeze(-1)).squeeze(-1)"
        ),
    },
    "1.2": {
        "end token missing": (
            "lambda tokens, end_ids: (torch.isin(tokens, torch.tensor(end_ids))"
            ".cumsum(1) == 0).long()"
        ),
        "end token missing, by cumprod": (
            "lambda tokens, end_ids: (~torch.isin(tokens, torch.tensor(end_ids)))"
            ".long().cumprod(dim=1)"
        ),
        "end tokens masked only": (
            "lambda tokens, end_ids: (~torch.isin(tokens, torch.tensor(end_ids))).long()"
        ),
        "end tokens only": (
            "lambda tokens, end_ids: torch.isin(tokens, torch.tensor(end_ids)).long()"
        ),
        "not zero": "lambda tokens, end_ids: (tokens != 0).long()",
        "not the first end id": "lambda tokens, end_ids: (tokens != end_ids[0]).long()",
        "not the last end id": "lambda tokens, end_ids: (tokens != end_ids[-1]).long()",
        "all ones": "lambda tokens, end_ids: torch.ones_like(tokens)",
        "all zeros": "lambda tokens, end_ids: torch.zeros_like(tokens)",
        "up to the last end": """
def f(tokens, end_ids):
    ends = torch.isin(tokens, torch.tensor(end_ids))
    return (ends.flip(1).cumsum(dim=1).flip(1) > 0).long()
""",
        "only end_ids[0]": """
def f(tokens, end_ids):
    ends = (tokens == end_ids[0]).long()
    return (ends.cumsum(1) - ends == 0).long()
""",
        "only end_ids[-1]": """
def f(tokens, end_ids):
    ends = (tokens == end_ids[-1]).long()
    return (ends.cumsum(1) - ends == 0).long()
""",
        "the first two end ids": """
def f(tokens, end_ids):
    ends = ((tokens == end_ids[0]) | (tokens == end_ids[-1])).long()
    return (ends.cumsum(1) - ends == 0).long()
""",
        "cumsum <= 1": (
            "lambda tokens, end_ids: (torch.isin(tokens, torch.tensor(end_ids))"
            ".cumsum(1) <= 1).long()"
        ),
        "cumsum < 2, bool": (
            "lambda tokens, end_ids: torch.isin(tokens, torch.tensor(end_ids)).cumsum(1) < 2"
        ),
        "wrong axis": """
def f(tokens, end_ids):
    ends = torch.isin(tokens, torch.tensor(end_ids)).long()
    return (ends.cumsum(0) - ends == 0).long()
""",
        "over the flattened batch": """
def f(tokens, end_ids):
    ends = torch.isin(tokens, torch.tensor(end_ids)).long().flatten()
    return (ends.cumsum(0) - ends == 0).long().view_as(tokens)
""",
        "inverted": """
def f(tokens, end_ids):
    ends = torch.isin(tokens, torch.tensor(end_ids)).long()
    return (ends.cumsum(1) - ends > 0).long()
""",
        "inverted, end token included": (
            "lambda tokens, end_ids: (torch.isin(tokens, torch.tensor(end_ids))"
            ".cumsum(1) > 0).long()"
        ),
        "not yet clipped": """
def f(tokens, end_ids):
    ends = torch.isin(tokens, torch.tensor(end_ids)).long()
    return 1 - (ends.cumsum(1) - ends)
""",
        "bool": """
def f(tokens, end_ids):
    ends = torch.isin(tokens, torch.tensor(end_ids)).long()
    return ends.cumsum(1) - ends == 0
""",
        "bool, end token missing": (
            "lambda tokens, end_ids: torch.isin(tokens, torch.tensor(end_ids)).cumsum(1) == 0"
        ),
        "one token too many": """
def f(tokens, end_ids):
    ends = torch.isin(tokens, torch.tensor(end_ids)).long()
    return (ends.cumsum(1).cumsum(1) <= 2).long()
""",
        "shifted to the right": """
def f(tokens, end_ids):
    ends = torch.isin(tokens, torch.tensor(end_ids)).long()
    mask = (ends.cumsum(1) - ends == 0).long()
    return torch.cat([torch.ones_like(mask[:, :1]), mask[:, :-1]], dim=1)
""",
        "shifted to the left": """
def f(tokens, end_ids):
    ends = torch.isin(tokens, torch.tensor(end_ids)).long()
    mask = (ends.cumsum(1) - ends == 0).long()
    return torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
""",
        "shifted, a column short": """
def f(tokens, end_ids):
    ends = torch.isin(tokens, torch.tensor(end_ids)).long()
    return (ends.cumsum(1)[:, :-1] == 0).long()
""",
        "pad masked, even where it is the end": """
def f(tokens, end_ids):
    ends = torch.isin(tokens, torch.tensor(end_ids)).long()
    return ((ends.cumsum(1) - ends == 0) & (tokens != 0)).long()
""",
        "argmax, nothing for a cut-off response": """
def f(tokens, end_ids):
    first = torch.isin(tokens, torch.tensor(end_ids)).int().argmax(dim=1, keepdim=True)
    return (torch.arange(tokens.shape[1]) <= first).long()
""",
        "argmax without the end": """
def f(tokens, end_ids):
    first = torch.isin(tokens, torch.tensor(end_ids)).int().argmax(dim=1, keepdim=True)
    return (torch.arange(tokens.shape[1]) < first).long()
""",
        "zeros for a cut-off response": """
def f(tokens, end_ids):
    mask = torch.zeros_like(tokens)
    for i, row in enumerate(tokens.tolist()):
        for t, token in enumerate(row):
            if token in end_ids:
                mask[i, : t + 1] = 1
                break
    return mask
""",
        "only the first row": """
def f(tokens, end_ids):
    mask = torch.zeros_like(tokens)
    for t, token in enumerate(tokens[0].tolist()):
        mask[:, t] = 1
        if token in end_ids:
            break
    return mask
""",
        "break for all rows": """
def f(tokens, end_ids):
    mask = torch.ones_like(tokens)
    for t in range(tokens.shape[1] - 1):
        if any(int(x) in end_ids for x in tokens[:, t]):
            mask[:, t + 1 :] = 0
            break
    return mask
""",
        "lengths": """
def f(tokens, end_ids):
    ends = torch.isin(tokens, torch.tensor(end_ids)).long()
    return (ends.cumsum(1) - ends == 0).sum(dim=1)
""",
        "the tokens themselves": """
def f(tokens, end_ids):
    ends = torch.isin(tokens, torch.tensor(end_ids)).long()
    return tokens * (ends.cumsum(1) - ends == 0)
""",
        "nine hard-coded": """
def f(tokens, end_ids):
    ends = (tokens == 9).long()
    return (ends.cumsum(1) - ends == 0).long()
""",
        "index of an end token that is not there": """
def f(tokens, end_ids):
    mask = torch.zeros_like(tokens)
    for i, row in enumerate(tokens.tolist()):
        mask[i, : row.index(end_ids[0]) + 1] = 1
    return mask
""",
        "bool minus": """
def f(tokens, end_ids):
    ends = torch.isin(tokens, torch.tensor(end_ids))
    return (ends.cumsum(1) - ends == 0).long()
""",
        "one minus bool": (
            "lambda tokens, end_ids: (1 - torch.isin(tokens, torch.tensor(end_ids))).cumprod(1)"
        ),
        "isin with a list": """
def f(tokens, end_ids):
    ends = torch.isin(tokens, end_ids).long()
    return (ends.cumsum(1) - ends == 0).long()
""",
        "tensor in list": """
def f(tokens, end_ids):
    ends = (tokens in end_ids)
    return (ends.cumsum(1) - ends == 0).long()
""",
        "tensor equal to a list": """
def f(tokens, end_ids):
    ends = (tokens == end_ids).long()
    return (ends.cumsum(1) - ends == 0).long()
""",
        "equal to a tensor of another size": """
def f(tokens, end_ids):
    ends = (tokens == torch.tensor(end_ids)).long()
    return (ends.cumsum(1) - ends == 0).long()
""",
        "end ids in pairs": """
def f(tokens, end_ids):
    ends = (tokens.unsqueeze(-1) == torch.tensor(end_ids)).all(dim=-1).long()
    return (ends.cumsum(1) - ends == 0).long()
""",
    },
    "1.3": {
        "no mask": "lambda log_probs, mask: log_probs.sum(dim=1)",
        "mean per token": "lambda log_probs, mask: (log_probs * mask).sum(1) / mask.sum(1)",
        "mean over the padding too": "lambda log_probs, mask: (log_probs * mask).mean(dim=1)",
        "mean without mask": "lambda log_probs, mask: log_probs.mean(-1)",
        "product": "lambda log_probs, mask: (log_probs * mask).prod(dim=1)",
        "product of the real ones": (
            "lambda log_probs, mask: torch.where(mask == 1, log_probs, 1.0).prod(dim=1)"
        ),
        "probability": "lambda log_probs, mask: (log_probs * mask).sum(dim=1).exp()",
        "product of the probabilities": (
            "lambda log_probs, mask: (log_probs * mask).exp().prod(dim=1)"
        ),
        "probability of everything": "lambda log_probs, mask: log_probs.exp().prod(dim=1)",
        "log of the product": "lambda log_probs, mask: (log_probs * mask).exp().prod(dim=1).log()",
        "log of the probability": "lambda log_probs, mask: (log_probs * mask).sum(1).exp().log()",
        "sum of the probabilities": "lambda log_probs, mask: (log_probs.exp() * mask).sum(dim=1)",
        "log of the sum of the probabilities": (
            "lambda log_probs, mask: (log_probs.exp() * mask).sum(dim=1).log()"
        ),
        "log of the masked product": (
            "lambda log_probs, mask: (log_probs.exp() * mask).prod(dim=1).log()"
        ),
        "masked probabilities multiplied": (
            "lambda log_probs, mask: (log_probs.exp() * mask).prod(dim=1)"
        ),
        "log of log-probs": "lambda log_probs, mask: (log_probs.log() * mask).sum(dim=1)",
        "detached": "lambda log_probs, mask: (log_probs.detach() * mask).sum(dim=1)",
        "item by item": """
def f(log_probs, mask):
    return torch.tensor([sum(l.item() for l, m in zip(ls, ms) if m)
                         for ls, ms in zip(log_probs, mask)])
""",
        "the data": "lambda log_probs, mask: (log_probs.data * mask).sum(-1)",
        "a list of numbers": "lambda log_probs, mask: (log_probs * mask).sum(dim=1).tolist()",
        "sign": "lambda log_probs, mask: -(log_probs * mask).sum(dim=1)",
        "inverted mask": "lambda log_probs, mask: (log_probs * (1 - mask)).sum(dim=1)",
        "masked_fill the wrong way round": (
            "lambda log_probs, mask: log_probs.masked_fill(mask.bool(), 0).sum(dim=1)"
        ),
        "last token": (
            "lambda log_probs, mask: log_probs.gather(1, mask.sum(1, keepdim=True) - 1).squeeze(1)"
        ),
        "last position": "lambda log_probs, mask: log_probs[:, -1]",
        "first token": "lambda log_probs, mask: log_probs[:, 0]",
        "over the batch": "lambda log_probs, mask: (log_probs * mask).sum(dim=0)",
        "one number": "lambda log_probs, mask: (log_probs * mask).sum()",
        "mean of the batch": "lambda log_probs, mask: (log_probs * mask).sum(1).mean()",
        "not summed": "lambda log_probs, mask: log_probs * mask",
        "keepdim": "lambda log_probs, mask: (log_probs * mask).sum(dim=1, keepdim=True)",
        "end token left out": (
            "lambda log_probs, mask: (log_probs[:, :-1] * mask[:, 1:]).sum(dim=1)"
        ),
        "first token left out": (
            "lambda log_probs, mask: (log_probs[:, 1:] * mask[:, 1:]).sum(dim=1)"
        ),
        "mask used as an index": "lambda log_probs, mask: log_probs[mask].sum(dim=1)",
        "bool mask used as an index": "lambda log_probs, mask: log_probs[mask.bool()]",
        "bool mask as an index, summed": "lambda log_probs, mask: log_probs[mask.bool()].sum()",
        "the worst token": "lambda log_probs, mask: (log_probs * mask).min(dim=1).values",
        "mask added": "lambda log_probs, mask: (log_probs + mask).sum(dim=1)",
        "matrix product": "lambda log_probs, mask: log_probs @ mask.T",
        "matrix product of floats": "lambda log_probs, mask: log_probs @ mask.float().T",
        "einsum of floats and integers": (
            "lambda log_probs, mask: torch.einsum('bt,bt->b', log_probs, mask)"
        ),
        "running sum": "lambda log_probs, mask: (log_probs * mask).cumsum(dim=1)",
        "length penalty": "lambda log_probs, mask: (log_probs * mask).sum(1) / mask.sum(1).sqrt()",
        "length as a factor": "lambda log_probs, mask: log_probs.mean(1) * mask.sum(1)",
        "divided by the batch": "lambda log_probs, mask: (log_probs * mask).sum(1) / len(mask)",
        "in place": """
def f(log_probs, mask):
    log_probs[mask == 0] = 0
    return log_probs.sum(dim=1)
""",
        "softmax again": "lambda log_probs, mask: (log_probs.log_softmax(-1) * mask).sum(dim=1)",
        "in bits": "lambda log_probs, mask: (log_probs * mask).sum(dim=1) / math.log(2)",
    },
    "1.4": {
        "match, any thought": r"""
def reward(text, answer):
    m = re.match(r"(<think>.*</think>)?<answer>(\d+)</answer>", text)
    return 1.0 if m and m.group(2) == answer else 0.0""",
        "match, any thought of any lines": r"""
def reward(text, answer):
    m = re.match(r"(?:<think>.*?</think>)?<answer>([0-9]+)</answer>", text, re.DOTALL)
    return float(bool(m) and m[1] == answer)""",
        "anywhere": "lambda text, answer: float(answer in text)",
        "with tags anywhere": (
            "lambda text, answer: 1.0 if f'<answer>{answer}</answer>' in text else 0.0"
        ),
        "at the end": "lambda text, answer: float(text.endswith(f'<answer>{answer}</answer>'))",
        "at the start": "lambda text, answer: float(text.startswith(f'<answer>{answer}</answer>'))",
        "startswith(answer)": """
def f(text, answer):
    m = re.fullmatch(r"(?:<think>[^<>]*</think>)?<answer>([0-9]+)</answer>", text)
    return float(m is not None and m[1].startswith(answer))
""",
        "endswith(answer)": """
def f(text, answer):
    m = re.fullmatch(r"(?:<think>[^<>]*</think>)?<answer>([0-9]+)</answer>", text)
    return float(m is not None and m[1].endswith(answer))
""",
        "answer in the answer": """
def f(text, answer):
    m = re.fullmatch(r"(?:<think>[^<>]*</think>)?<answer>([0-9]+)</answer>", text)
    return float(m is not None and answer in m[1])
""",
        "the answer in the right answer": """
def f(text, answer):
    m = re.fullmatch(r"(?:<think>[^<>]*</think>)?<answer>([0-9]+)</answer>", text)
    return float(m is not None and m[1] in answer)
""",
        "match with $": """
def f(text, answer):
    m = re.match(r"^(?:<think>[^<>]*</think>)?<answer>([0-9]+)</answer>$", text)
    return 1.0 if m and m.group(1) == answer else 0.0
""",
        "search with ^ and $": """
def f(text, answer):
    return float(bool(re.search(rf"^(<think>[^<>]*</think>)?<answer>{answer}</answer>$", text)))
""",
        "match without an end": """
def f(text, answer):
    m = re.match(r"(?:<think>[^<>]*</think>)?<answer>([0-9]+)</answer>", text)
    return float(m is not None and m[1] == answer)
""",
        "multiline": """
def f(text, answer):
    form = rf"^(<think>[^<>]*</think>)?<answer>{answer}</answer>$"
    return float(re.search(form, text, re.MULTILINE) is not None)
""",
        "spaces around the parts": r"""
def f(text, answer):
    m = re.fullmatch(r"\s*(?:<think>[^<>]*</think>)?\s*<answer>([0-9]+)</answer>\s*", text)
    return float(m is not None and m[1] == answer)
""",
        "space between the parts": r"""
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>]*</think>\s*)?<answer>([0-9]+)</answer>", text)
    return float(m is not None and m[2] == answer)
""",
        "stripped": """
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>([0-9]+)</answer>", text.strip())
    return float(m is not None and m[2] == answer)
""",
        "spaces in the answer": r"""
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>\s*([0-9]+)\s*</answer>", text)
    return float(m is not None and m[2] == answer)
""",
        "two thoughts": """
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>]*</think>)*<answer>([0-9]+)</answer>", text)
    return float(m is not None and m[2] == answer)
""",
        "a dot that stops at the line": """
def f(text, answer):
    m = re.fullmatch(r"(<think>.*</think>)?<answer>([0-9]+)</answer>", text)
    return float(m is not None and m[2] == answer)
""",
        "a lazy dot that stops at the line": """
def f(text, answer):
    m = re.fullmatch(r"(<think>.*?</think>)?<answer>([0-9]+)</answer>", text)
    return float(m is not None and m[2] == answer)
""",
        "a thought in one line without tags": r"""
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>\n]*</think>)?<answer>([0-9]+)</answer>", text)
    return float(m is not None and m[2] == answer)
""",
        "a thought without line ends and opening brackets": r"""
def f(text, answer):
    m = re.fullmatch(r"(<think>((?!<).)*</think>)?<answer>([0-9]+)</answer>", text)
    return float(m is not None and m[3] == answer)
""",
        "thoughts with tags": r"""
def f(text, answer):
    m = re.fullmatch(r"(<think>[\s\S]*</think>)?<answer>([0-9]+)</answer>", text)
    return float(m is not None and m[2] == answer)
""",
        "DOTALL": """
def f(text, answer):
    m = re.fullmatch(r"(<think>.*?</think>)?<answer>(.*?)</answer>", text, re.DOTALL)
    return float(m is not None and m[2] == answer)
""",
        "thoughts of words and signs only": r"""
def f(text, answer):
    m = re.fullmatch(r"(<think>[0-9+=; ]*</think>)?<answer>([0-9]+)</answer>", text)
    return float(m is not None and m[2] == answer)
""",
        "partition": """
def f(text, answer):
    h, s, t = text.partition("</think>")
    return float((t if s else text) == f"<answer>{answer}</answer>")
""",
        "split": (
            "lambda text, answer: float(text.split('</think>')[-1] == f'<answer>{answer}</answer>')"
        ),
        "ignores the answer": """
def f(text, answer):
    return float(re.fullmatch(r"(<think>[^<>]*</think>)?<answer>[0-9]+</answer>", text) is not None)
""",
        "hard-coded 89": """
def f(text, answer):
    return float(re.fullmatch(r"(<think>[^<>]*</think>)?<answer>89</answer>", text) is not None)
""",
        "no thought allowed": "lambda text, answer: float(text == f'<answer>{answer}</answer>')",
        "thought required": """
def f(text, answer):
    return float(bool(re.fullmatch(rf"<think>[^<>]*</think><answer>{answer}</answer>", text)))
""",
        "group of the thought": """
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>([0-9]+)</answer>", text)
    return float(m is not None and m[1] == answer)
""",
        "no match not looked at": """
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>([0-9]+)</answer>", text)
    return float(m[2] == answer)
""",
        "no match not looked at, group": """
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>([0-9]+)</answer>", text)
    return 1.0 if m.group(2) == answer else 0.0
""",
        "last answer": """
def f(text, answer):
    found = re.findall(r"<answer>([0-9]+)</answer>", text)
    return float(bool(found) and found[-1] == answer)
""",
        "first answer": """
def f(text, answer):
    found = re.findall(r"<answer>([0-9]+)</answer>", text)
    return float(bool(found) and found[0] == answer)
""",
        "exactly one answer anywhere": """
def f(text, answer):
    return float(re.findall(r"<answer>([0-9]+)</answer>", text) == [answer])
""",
        "split at the tags": (
            "lambda text, answer: float(text.split('<answer>')[1].split('</answer>')[0] == answer)"
        ),
        "by number": """
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>(.*)</answer>", text)
    try:
        return float(m is not None and int(m[2]) == int(answer))
    except ValueError:
        return 0.0
""",
        "by number, digits of every script": r"""
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>(\d+)</answer>", text)
    return float(m is not None and int(m[2]) == int(answer))
""",
        "by number, ASCII digits": """
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>([0-9]+)</answer>", text)
    return float(m is not None and int(m[2]) == int(answer))
""",
        "leading zeros stripped": """
def f(text, answer):
    return float(bool(re.fullmatch(rf"(<think>[^<>]*</think>)?<answer>0*{answer}</answer>", text)))
""",
        "a sign is fine": """
def f(text, answer):
    form = rf"(<think>[^<>]*</think>)?<answer>[+-]?{answer}</answer>"
    return float(bool(re.fullmatch(form, text)))
""",
        "half a point for the form": """
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>([0-9]+)</answer>", text)
    if not m:
        return 0.0
    return 1.0 if m[2] == answer else 0.5
""",
        "a tenth for trying": """
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>([0-9]+)</answer>", text)
    if not m:
        return 0.0
    return 1.0 if m[2] == answer else 0.1
""",
        "minus one for wrong": """
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>([0-9]+)</answer>", text)
    return 1.0 if m and m[2] == answer else -1.0
""",
        "turned round": """
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>([0-9]+)</answer>", text)
    return float(not (m is not None and m[2] == answer))
""",
        "open thought": """
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>]*(</think>)?)?<answer>([0-9]+)</answer>", text)
    return float(m is not None and m[3] == answer)
""",
        "ignoring case": """
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>([0-9]+)</answer>", text, re.IGNORECASE)
    return float(m is not None and m[2] == answer)
""",
        "thoughts cut out": """
def f(text, answer):
    rest = re.sub(r"<think>.*?</think>", "", text, flags=re.DOTALL)
    return float(rest == f"<answer>{answer}</answer>")
""",
        "thoughts without tags cut out": """
def f(text, answer):
    rest = re.sub(r"<think>[^<>]*</think>", "", text)
    return float(rest == f"<answer>{answer}</answer>")
""",
        "begins and ends well": """
def f(text, answer):
    begins = text.startswith("<think>") or text.startswith("<answer>")
    return float(begins and text.endswith(f"<answer>{answer}</answer>"))
""",
        "thought may follow": """
def f(text, answer):
    thought = r"(<think>[^<>]*</think>)?"
    return float(bool(re.fullmatch(rf"{thought}<answer>{answer}</answer>{thought}", text)))
""",
        "text before": """
def f(text, answer):
    form = rf"[^<>]*(<think>[^<>]*</think>)?<answer>{answer}</answer>"
    return float(bool(re.fullmatch(form, text)))
""",
        "all digits together": """
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>([^<>]*)</answer>", text)
    return float(m is not None and "".join(re.findall("[0-9]", m[2])) == answer)
""",
        "one of the numbers in the answer": """
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>([^<>]*)</answer>", text)
    return float(m is not None and answer in m[2].split())
""",
        "same length": """
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>([0-9]+)</answer>", text)
    return float(m is not None and len(m[2]) == len(answer))
""",
        "always paid": "lambda text, answer: 1.0",
        "never paid": "lambda text, answer: 0.0",
        "text instead of a number": """
def f(text, answer):
    return re.fullmatch(rf"(<think>[^<>]*</think>)?<answer>({answer})</answer>", text)
""",
        "string": """
def f(text, answer):
    m = re.fullmatch(rf"(<think>[^<>]*</think>)?<answer>{answer}</answer>", text)
    return "1.0" if m else "0.0"
""",
    },
    "1.5": {
        "with replacement": "lambda n, c, k: 1 - (1 - c / n) ** k",
        "with replacement, other form": "lambda n, c, k: 1 - ((n - c) / n) ** k",
        "pass@1": "lambda n, c, k: c / n",
        "all wrong": "lambda n, c, k: comb(n - c, k) / comb(n, k)",
        "all right": "lambda n, c, k: comb(c, k) / comb(n, k)",
        "not all right": "lambda n, c, k: 1 - comb(c, k) / comb(n, k)",
        "k times the share": "lambda n, c, k: min(1.0, k * c / n)",
        "k times the share, unclipped": "lambda n, c, k: k * c / n",
        "comb swapped": "lambda n, c, k: 1 - comb(k, n - c) / comb(k, n)",
        "comb swapped and guarded": (
            "lambda n, c, k: 1 - comb(k, n - c) / comb(k, n) if comb(k, n) else 1.0"
        ),
        "share upside down": "lambda n, c, k: 1 - comb(n, k) / comb(n - c, k)",
        "share upside down, guarded": (
            "lambda n, c, k: 1.0 if n - c < k else 1 - comb(n, k) / comb(n - c, k)"
        ),
        "exactly one": "lambda n, c, k: c * comb(n - c, k - 1) / comb(n, k)",
        "exactly one, with comb": "lambda n, c, k: comb(c, 1) * comb(n - c, k - 1) / comb(n, k)",
        "one right and any others": "lambda n, c, k: comb(c, 1) * comb(n - 1, k - 1) / comb(n, k)",
        "first draw right": "lambda n, c, k: comb(n - 1, k - 1) / comb(n, k)",
        "whole division": "lambda n, c, k: 1 - comb(n - c, k) // comb(n, k)",
        "percent": "lambda n, c, k: 100 * (1 - comb(n - c, k) / comb(n, k))",
        "any right one": "lambda n, c, k: float(c > 0)",
        "at least k right": "lambda n, c, k: float(c >= k)",
        "n choose c": "lambda n, c, k: 1 - comb(n - c, k) / comb(n, c)",
        "k of k": "lambda n, c, k: 1 - comb(n - k, k) / comb(n, k)",
        "c and k mixed up": "lambda n, c, k: 1 - comb(n - k, k) / comb(n, c)",
        "c for n - c": "lambda n, c, k: 1 - comb(n - c, c) / comb(n, k)",
        "guard gives 0": ("lambda n, c, k: 0.0 if n - c < k else 1 - comb(n - c, k) / comb(n, k)"),
        "off by one": """
def f(n, c, k):
    wrong = 1.0
    for i in range(1, k + 1):
        wrong *= max(n - c - i, 0) / (n - i) if n > i else 0
    return 1 - wrong
""",
        "one factor too few": """
def f(n, c, k):
    wrong = 1.0
    for i in range(k - 1):
        wrong *= (n - c - i) / (n - i)
    return 1 - wrong
""",
        "with replacement of the total": """
def f(n, c, k):
    wrong = 1.0
    for i in range(k):
        wrong *= max(n - c - i, 0) / n
    return 1 - wrong
""",
        "factorials": (
            "lambda n, c, k: 1 - math.factorial(n - c) / math.factorial(n - c - k)"
            " * math.factorial(n - k) / math.factorial(n)"
        ),
        "pass@1 to the k": "lambda n, c, k: (c / n) ** k",
        "expected number": "lambda n, c, k: sum(c / n for _ in range(k))",
        "a power of the sample": "lambda n, c, k: 1 - (1 - 1 / n) ** (c * k)",
        "eight samples hard-coded": "lambda n, c, k: 1 - comb(8 - c, k) / comb(8, k)",
        "k = 1 hard-coded": "lambda n, c, k: 1 - comb(n - c, 1) / comb(n, 1)",
        "negative": "lambda n, c, k: comb(n - c, k) / comb(n, k) - 1",
        "c of n and k of n": "lambda n, c, k: 1 - comb(n, c) / comb(n, k)",
        "parts mixed": "lambda n, c, k: (comb(n, k) - comb(c, k)) / comb(n, k)",
        "number of draws": "lambda n, c, k: comb(n, k) - comb(n - c, k)",
        "permutations by combinations": ("lambda n, c, k: 1 - comb(n - c, k) / math.perm(n, k)"),
        "geometric": "lambda n, c, k: (1 - c / n) ** (k - 1) * c / n",
        "binomial, exactly one": "lambda n, c, k: k * (c / n) * (1 - c / n) ** (k - 1)",
    },
    "2.1": {
        "no softmax": "lambda probs, rewards: probs * rewards",
        "no probability": "lambda probs, rewards: rewards - probs @ rewards",
        "plain mean": "lambda probs, rewards: probs * (rewards - rewards.mean())",
        "diagonal": "lambda probs, rewards: probs * (1 - probs) * rewards",
        "diagonal of advantages": (
            "lambda probs, rewards: probs * (1 - probs) * (rewards - probs @ rewards)"
        ),
        "sign": "lambda probs, rewards: -probs * (rewards - probs @ rewards)",
        "sign of the Jacobian": (
            "lambda probs, rewards: (torch.outer(probs, probs) - torch.diag(probs)) @ rewards"
        ),
        "by the probs": "lambda probs, rewards: rewards",
        "by the probs, autograd": """
def f(probs, rewards):
    p = probs.clone().requires_grad_()
    (p @ rewards).backward()
    return p.grad
""",
        "probs as logits": """
def f(probs, rewards):
    z = probs.clone().requires_grad_()
    (z.softmax(0) @ rewards).backward()
    return z.grad
""",
        "sum for the expectation": "lambda probs, rewards: probs * (rewards - rewards.sum())",
        "sum of the rewards as J, unweighted": "lambda probs, rewards: rewards - rewards.sum()",
        "J": "lambda probs, rewards: probs @ rewards",
        "J for each token": "lambda probs, rewards: (probs @ rewards) * torch.ones_like(probs)",
        "probs times J": "lambda probs, rewards: probs * (probs @ rewards)",
        "plus J": "lambda probs, rewards: probs * (rewards + probs @ rewards)",
        "advantage of the product": "lambda probs, rewards: probs * rewards - probs @ rewards",
        "mean of the products": (
            "lambda probs, rewards: probs * (rewards - (probs * rewards).mean())"
        ),
        "weighted twice": "lambda probs, rewards: probs**2 * (rewards - probs @ rewards)",
        "divided by V": ("lambda probs, rewards: probs * (rewards - probs @ rewards) / len(probs)"),
        "divided by probs": "lambda probs, rewards: (rewards - probs @ rewards) / probs",
        "log-probs": "lambda probs, rewards: probs.log() * rewards",
        "log-probs of advantages": (
            "lambda probs, rewards: probs.log() * (rewards - probs @ rewards)"
        ),
        "probs minus J": "lambda probs, rewards: probs - probs @ rewards",
        "mean reward minus": "lambda probs, rewards: rewards - rewards.mean()",
        "the best token": "lambda probs, rewards: probs * (rewards - rewards.max())",
        "median": "lambda probs, rewards: probs * (rewards - rewards.median())",
        "one minus p": "lambda probs, rewards: (1 - probs) * rewards",
        "one minus p of advantages": (
            "lambda probs, rewards: (1 - probs) * (rewards - probs @ rewards)"
        ),
        "standardised": """
def f(probs, rewards):
    return probs * (rewards - rewards.mean()) / rewards.std()
""",
        "positive only": "lambda probs, rewards: probs * (rewards - probs @ rewards).clamp(min=0)",
        "Jacobian": "lambda probs, rewards: torch.diag(probs) - torch.outer(probs, probs)",
        "Jacobian with plus": (
            "lambda probs, rewards: (torch.diag(probs) + torch.outer(probs, probs)) @ rewards"
        ),
        "Jacobian without p": ("lambda probs, rewards: (torch.eye(len(probs)) - probs) @ rewards"),
        "score transposed": (
            "lambda probs, rewards: (probs * rewards) @ (torch.eye(len(probs)) - probs[:, None])"
        ),
        "mean of the scores": ("lambda probs, rewards: rewards @ (torch.eye(len(probs)) - probs)"),
        "scores averaged over tokens": (
            "lambda probs, rewards: (rewards[:, None] * (torch.eye(len(probs)) - probs)).mean(0)"
        ),
        "score not summed": (
            "lambda probs, rewards: (probs * rewards)[:, None] * (torch.eye(len(probs)) - probs)"
        ),
        "off-diagonal only": ("lambda probs, rewards: -probs * (probs @ rewards)"),
        "five tokens hard-coded": (
            "lambda probs, rewards: probs * (rewards - (probs * rewards).mean() * 5)"
        ),
        "eye of five": ("lambda probs, rewards: (probs * rewards) @ (torch.eye(5) - probs)"),
        "softmax of probs": """
def f(probs, rewards):
    p = probs.softmax(0)
    return p * (rewards - p @ rewards)
""",
        "advantages normalised": """
def f(probs, rewards):
    g = probs * (rewards - probs @ rewards)
    return g / g.norm()
""",
        "by the log-probs": """
def f(probs, rewards):
    lp = probs.log().requires_grad_()
    (lp.exp() @ rewards).backward()
    return lp.grad
""",
        "zeros": "lambda probs, rewards: torch.zeros_like(probs)",
    },
    "2.2": {
        "expected reward": "lambda probs, rewards: (probs @ rewards).item()",
        "mean": "lambda probs, rewards: rewards.mean().item()",
        "median": "lambda probs, rewards: rewards.median().item()",
        "zero": "lambda probs, rewards: 0.0",
        "constant": "lambda probs, rewards: 0.5",
        "one": "lambda probs, rewards: 1.0",
        "largest": "lambda probs, rewards: rewards.max().item()",
        "smallest": "lambda probs, rewards: rewards.min().item()",
        "middle": "lambda probs, rewards: ((rewards.max() + rewards.min()) / 2).item()",
        "the likeliest token's": "lambda probs, rewards: rewards[probs.argmax()].item()",
        "sum of the rewards": "lambda probs, rewards: rewards.sum().item()",
        "lengths not squared": """
def f(probs, rewards):
    w = probs * (torch.eye(len(probs)) - probs).norm(dim=1)
    return (w @ rewards / w.sum()).item()
""",
        "lengths as sums of sizes": """
def f(probs, rewards):
    w = probs * (torch.eye(len(probs)) - probs).abs().sum(dim=1)
    return (w @ rewards / w.sum()).item()
""",
        "no probs": """
def f(probs, rewards):
    w = (torch.eye(len(probs)) - probs).square().sum(dim=1)
    return (w @ rewards / w.sum()).item()
""",
        "not divided": """
def f(probs, rewards):
    w = probs * (torch.eye(len(probs)) - probs).square().sum(dim=1)
    return (w @ rewards).item()
""",
        "divided by the number": """
def f(probs, rewards):
    w = probs * (torch.eye(len(probs)) - probs).square().sum(dim=1)
    return (w * rewards).mean().item()
""",
        "divided by the squared lengths": """
def f(probs, rewards):
    s = (torch.eye(len(probs)) - probs).square().sum(dim=1)
    return ((probs * s) @ rewards / s.sum()).item()
""",
        "p squared": """
def f(probs, rewards):
    w = probs**2 * (torch.eye(len(probs)) - probs).square().sum(dim=1)
    return (w @ rewards / w.sum()).item()
""",
        "p squared instead of the length": """
def f(probs, rewards):
    w = probs.square()
    return (w @ rewards / w.sum()).item()
""",
        "own component only": """
def f(probs, rewards):
    w = probs * (1 - probs) ** 2
    return (w @ rewards / w.sum()).item()
""",
        "variance of the indicator": """
def f(probs, rewards):
    w = probs * (1 - probs)
    return (w @ rewards / w.sum()).item()
""",
        "one minus p": """
def f(probs, rewards):
    w = 1 - probs
    return (w @ rewards / w.sum()).item()
""",
        "over columns": """
def f(probs, rewards):
    w = probs * (torch.eye(len(probs)) - probs).square().sum(dim=0)
    return (w @ rewards / w.sum()).item()
""",
        "over everything": """
def f(probs, rewards):
    w = probs * (torch.eye(len(probs)) - probs).square().sum()
    return (w @ rewards / w.sum()).item()
""",
        "sum not squared": """
def f(probs, rewards):
    w = probs * (torch.eye(len(probs)) - probs).sum(dim=1)
    return (w @ rewards / w.sum()).item()
""",
        "fourth power": """
def f(probs, rewards):
    w = probs * (torch.eye(len(probs)) - probs).square().sum(dim=1).square()
    return (w @ rewards / w.sum()).item()
""",
        "transposed scores": """
def f(probs, rewards):
    w = probs * (torch.eye(len(probs)) - probs[:, None]).square().sum(dim=1)
    return (w @ rewards / w.sum()).item()
""",
        "score is the one-hot": """
def f(probs, rewards):
    w = probs * torch.eye(len(probs)).square().sum(dim=1)
    return (w @ rewards / w.sum()).item()
""",
        "plus probs": """
def f(probs, rewards):
    w = probs * (torch.eye(len(probs)) + probs).square().sum(dim=1)
    return (w @ rewards / w.sum()).item()
""",
        "eye of five": """
def f(probs, rewards):
    w = probs * (torch.eye(5) - probs).square().sum(dim=1)
    return (w @ rewards / w.sum()).item()
""",
        "reward squared": """
def f(probs, rewards):
    w = probs * (torch.eye(len(probs)) - probs).square().sum(dim=1)
    return (w @ rewards**2 / w.sum()).item()
""",
        "sign": """
def f(probs, rewards):
    w = probs * (torch.eye(len(probs)) - probs).square().sum(dim=1)
    return -(w @ rewards / w.sum()).item()
""",
        "upside down": """
def f(probs, rewards):
    w = probs * (torch.eye(len(probs)) - probs).square().sum(dim=1)
    return (w.sum() / (w @ rewards)).item()
""",
        "inverse lengths": """
def f(probs, rewards):
    w = probs / (torch.eye(len(probs)) - probs).square().sum(dim=1)
    return (w @ rewards / w.sum()).item()
""",
        "baseline of each token": """
def f(probs, rewards):
    w = probs * (torch.eye(len(probs)) - probs).square().sum(dim=1)
    return w * rewards / w.sum()
""",
        "weights": """
def f(probs, rewards):
    w = probs * (torch.eye(len(probs)) - probs).square().sum(dim=1)
    return w / w.sum()
""",
        "variance itself": """
def f(probs, rewards):
    w = probs * (torch.eye(len(probs)) - probs).square().sum(dim=1)
    b = w @ rewards / w.sum()
    return (w @ (rewards - b) ** 2).item()
""",
        "baseline of each component": """
def f(probs, rewards):
    s = (torch.eye(len(probs)) - probs).square()
    w = probs[:, None] * s
    return (w * rewards[:, None]).sum(0) / w.sum(0)
""",
        "mean of the components' baselines": """
def f(probs, rewards):
    w = probs[:, None] * (torch.eye(len(probs)) - probs).square()
    return ((w * rewards[:, None]).sum(0) / w.sum(0)).mean().item()
""",
        "advantage of J": """
def f(probs, rewards):
    w = probs * (torch.eye(len(probs)) - probs).square().sum(dim=1)
    return (w @ (rewards - probs @ rewards) / w.sum()).item()
""",
        "least variance of the reward": """
def f(probs, rewards):
    bs = torch.linspace(-5, 5, 1001)
    second = [(probs @ (rewards - b) ** 2).item() for b in bs]
    return bs[min(range(len(second)), key=second.__getitem__)].item()
""",
    },
    "2.3": {
        "sign": "lambda log_probs, advantages: (advantages * log_probs).mean()",
        "sum": "lambda log_probs, advantages: -(advantages * log_probs).sum()",
        "matrix product": "lambda log_probs, advantages: -advantages @ log_probs",
        "sum, sign": "lambda log_probs, advantages: (log_probs * advantages).sum()",
        "means apart": "lambda log_probs, advantages: -advantages.mean() * log_probs.mean()",
        "mean of advantages only": (
            "lambda log_probs, advantages: -(advantages.mean() * log_probs).sum()"
        ),
        "probs": "lambda log_probs, advantages: -(advantages * log_probs.exp()).mean()",
        "probs, sign": "lambda log_probs, advantages: (advantages * log_probs.exp()).mean()",
        "detached": "lambda log_probs, advantages: -(advantages * log_probs.detach()).mean()",
        "item": "lambda log_probs, advantages: -(advantages * log_probs).mean().item()",
        "no_grad": """
def f(log_probs, advantages):
    with torch.no_grad():
        return -(advantages * log_probs).mean()
""",
        "mean of the advantages as loss": "lambda log_probs, advantages: -advantages.mean()",
        "standardised": """
def f(log_probs, advantages):
    a = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    return -(a * log_probs).mean()
""",
        "standardised by the population": """
def f(log_probs, advantages):
    a = (advantages - advantages.mean()) / (advantages.std(unbiased=False) + 1e-8)
    return -(a * log_probs).mean()
""",
        "standardised, a larger epsilon": """
def f(log_probs, advantages):
    a = (advantages - advantages.mean()) / (advantages.std() + 1e-4)
    return -(a * log_probs).mean()
""",
        "divided by the deviation": (
            "lambda log_probs, advantages: -(advantages / advantages.std() * log_probs).mean()"
        ),
        "mean subtracted again": (
            "lambda log_probs, advantages: -((advantages - advantages.mean()) * log_probs).mean()"
        ),
        "positive only": (
            "lambda log_probs, advantages: -(advantages.clamp(min=0) * log_probs).mean()"
        ),
        "mean over the positive ones": """
def f(log_probs, advantages):
    good = advantages > 0
    return -(advantages[good] * log_probs[good]).mean()
""",
        "negative only": (
            "lambda log_probs, advantages: -(advantages.clamp(max=0) * log_probs).mean()"
        ),
        "sizes": "lambda log_probs, advantages: -(advantages.abs() * log_probs).mean()",
        "signs": "lambda log_probs, advantages: -(advantages.sign() * log_probs).mean()",
        "squared": "lambda log_probs, advantages: -(advantages**2 * log_probs).mean()",
        "hard-coded four": "lambda log_probs, advantages: -(advantages * log_probs).sum() / 4",
        "clipped": "lambda log_probs, advantages: -(advantages.clamp(-1, 1) * log_probs).mean()",
        "divided by one less": (
            "lambda log_probs, advantages: "
            "-(advantages * log_probs).sum() / max(len(advantages) - 1, 1)"
        ),
        "divided by the advantages": (
            "lambda log_probs, advantages: -(advantages * log_probs).sum() / advantages.abs().sum()"
        ),
        "vector": "lambda log_probs, advantages: -advantages * log_probs",
        "vector divided": "lambda log_probs, advantages: -advantages * log_probs / len(log_probs)",
        "keepdim": "lambda log_probs, advantages: -(advantages * log_probs).mean(0, keepdim=True)",
        "no advantages": "lambda log_probs, advantages: -log_probs.mean()",
        "no advantages, sum": "lambda log_probs, advantages: -log_probs.sum()",
        "sum of the two": "lambda log_probs, advantages: -(advantages + log_probs).mean()",
        "difference squared": (
            "lambda log_probs, advantages: ((advantages - log_probs) ** 2).mean()"
        ),
        "the best only": "lambda log_probs, advantages: -log_probs[advantages.argmax()]",
        "log again": "lambda log_probs, advantages: -(advantages * log_probs.log()).mean()",
        "divided": "lambda log_probs, advantages: -(log_probs / advantages).mean()",
        "square of the log-probs": (
            "lambda log_probs, advantages: -(advantages * log_probs**2).mean()"
        ),
        "ratio, sign": (
            "lambda log_probs, advantages: "
            "((log_probs - log_probs.detach()).exp() * advantages).mean()"
        ),
        "ratio, sum": (
            "lambda log_probs, advantages: "
            "-((log_probs - log_probs.detach()).exp() * advantages).sum()"
        ),
        "ratio the wrong way round": (
            "lambda log_probs, advantages: "
            "-((log_probs.detach() - log_probs).exp() * advantages).mean()"
        ),
        "outer product": "lambda log_probs, advantages: -(advantages[:, None] * log_probs).mean()",
        "mean subtracted from the log-probs": (
            "lambda log_probs, advantages: -(advantages * (log_probs - log_probs.mean())).mean()"
        ),
        "log-probs normalised": (
            "lambda log_probs, advantages: -(advantages * log_probs.log_softmax(0)).mean()"
        ),
        "first response only": "lambda log_probs, advantages: -advantages[0] * log_probs[0]",
        "median": "lambda log_probs, advantages: -(advantages * log_probs).median()",
        "half": "lambda log_probs, advantages: -0.5 * (advantages * log_probs).mean()",
    },
    "2.4": {
        "keeps the graph": """
def f(log_probs):
    advantages = torch.zeros_like(log_probs)
    advantages[0], advantages[1] = log_probs[1], -log_probs[0]
    return advantages
""",
        "keeps the graph, by cat": """
def f(log_probs):
    a, b = log_probs[:1], log_probs[1:2]
    return torch.cat([b, -a, 0 * log_probs[2:]])
""",
        "keeps the graph, one and a ratio": """
def f(log_probs):
    one = torch.ones(1)
    return torch.cat([one, -log_probs[:1] / log_probs[1:2], torch.zeros(len(log_probs) - 2)])
""",
        "keeps the graph, projection": """
def f(log_probs):
    v = torch.arange(len(log_probs)) + 1.0
    return v - (v @ log_probs) / (log_probs @ log_probs) * log_probs
""",
        "keeps the graph, alternating inverse": """
def f(log_probs):
    a = torch.zeros(len(log_probs))
    a[0], a[1] = 1 / log_probs[0], -1 / log_probs[1]
    return a
""",
        "zeros": "lambda log_probs: torch.zeros_like(log_probs)",
        "zeros, by number": "lambda log_probs: torch.zeros(len(log_probs))",
        "times zero": "lambda log_probs: log_probs * 0",
        "ones": "lambda log_probs: torch.ones_like(log_probs)",
        "a half": "lambda log_probs: torch.full((len(log_probs),), 0.5)",
        "minus ones": "lambda log_probs: -torch.ones(len(log_probs))",
        "one and minus one": """
def f(log_probs):
    a = torch.zeros(len(log_probs))
    a[0], a[1] = 1.0, -1.0
    return a
""",
        "sum to zero": "lambda log_probs: torch.arange(len(log_probs)) - (len(log_probs) - 1) / 2",
        "log-probs minus mean": "lambda log_probs: log_probs - log_probs.mean()",
        "log-probs minus mean, detached": (
            "lambda log_probs: log_probs.detach() - log_probs.detach().mean()"
        ),
        "mean minus log-probs": "lambda log_probs: log_probs.detach().mean() - log_probs.detach()",
        "standardised": """
def f(log_probs):
    lp = log_probs.detach()
    return (lp - lp.mean()) / lp.std()
""",
        "not crossed": """
def f(log_probs):
    lp = log_probs.detach()
    a = torch.zeros_like(lp)
    a[0], a[1] = lp[0], -lp[1]
    return a
""",
        "no minus": """
def f(log_probs):
    lp = log_probs.detach()
    a = torch.zeros_like(lp)
    a[0], a[1] = lp[1], lp[0]
    return a
""",
        "inverse": "lambda log_probs: 1 / log_probs.detach()",
        "log-probs": "lambda log_probs: log_probs.detach()",
        "minus log-probs": "lambda log_probs: -log_probs.detach()",
        "for the numbers of the first case": "lambda log_probs: torch.tensor([3.5, -12.0, 0, 0])",
        "for two responses only": """
def f(log_probs):
    lp = log_probs.detach()
    return torch.stack([lp[1], -lp[0]])
""",
        "for four responses only": """
def f(log_probs):
    lp = log_probs.detach()
    return torch.stack([lp[1], -lp[0], lp[3], -lp[2]])
""",
        "four zeros": """
def f(log_probs):
    lp = log_probs.detach()
    a = torch.zeros(4)
    a[0], a[1] = lp[1], -lp[0]
    return a
""",
        "the third response": """
def f(log_probs):
    lp = log_probs.detach()
    a = torch.zeros_like(lp)
    a[0], a[2] = lp[2], -lp[0]
    return a
""",
        "tiny": "lambda log_probs: torch.full((len(log_probs),), 1e-12)",
        "small": "lambda log_probs: torch.full((len(log_probs),), 1e-7)",
        "one number": "lambda log_probs: 0.0",
        "a scalar tensor": "lambda log_probs: torch.tensor(0.0)",
        "the loss": "lambda log_probs: -(torch.ones_like(log_probs) * log_probs).mean()",
        "a column": """
def f(log_probs):
    lp = log_probs.detach()
    a = torch.zeros_like(lp)
    a[0], a[1] = lp[1], -lp[0]
    return a[:, None]
""",
        "not a number": "lambda log_probs: torch.full((len(log_probs),), float('nan'))",
        "divided by zero": """
def f(log_probs):
    a = torch.zeros(len(log_probs))
    return a / a
""",
        "infinite": """
def f(log_probs):
    a = torch.zeros(len(log_probs))
    return 1 / a
""",
        "assigned to the log-probs": """
def f(log_probs):
    log_probs[0] = -log_probs[1]
    return torch.ones_like(log_probs)
""",
        "numbers by numpy": """
def f(log_probs):
    lp = log_probs.numpy()
    a = np.zeros_like(lp)
    a[0], a[1] = lp[1], -lp[0]
    return torch.tensor(a)
""",
        "probabilities": "lambda log_probs: log_probs.detach().exp()",
        "random": "lambda log_probs: torch.randn(len(log_probs), generator=torch.Generator())",
        "random, centred": """
def f(log_probs):
    a = torch.randn(len(log_probs), generator=torch.Generator().manual_seed(0))
    return a - a.mean()
""",
        "whole numbers": """
def f(log_probs):
    a = torch.zeros(len(log_probs), dtype=torch.long)
    a[0], a[1] = 1, -1
    return a
""",
        "rounded": """
def f(log_probs):
    lp = log_probs.detach()
    a = torch.zeros(len(lp), dtype=torch.long)
    a[0], a[1] = lp[1], -lp[0]
    return a
""",
        "rewards minus mean": """
def f(log_probs):
    r = torch.zeros(len(log_probs))
    r[0] = 1.0
    return r - r.mean()
""",
    },
}

RIGHT: dict[str, dict[str, str]] = {
    "1.1": {
        "cross entropy by sample": """
def f(logits, tokens, temperature):
    flat = (logits / temperature).reshape(-1, logits.shape[-1])
    loss = torch.nn.functional.cross_entropy(flat, tokens.reshape(-1), reduction="none")
    return -loss.reshape(tokens.shape)
""",
        "cross entropy with classes second": (
            "lambda logits, tokens, temperature: -torch.nn.functional.cross_entropy("
            "(logits / temperature).transpose(1, 2), tokens, reduction='none')"
        ),
        "logsumexp": """
def f(logits, tokens, temperature):
    z = logits / temperature
    return z.gather(-1, tokens[..., None])[..., 0] - z.logsumexp(dim=-1)
""",
        "largest subtracted by hand": """
def f(logits, tokens, temperature):
    z = logits / temperature
    z = z - z.max(dim=-1, keepdim=True).values
    z = z - z.exp().sum(dim=-1, keepdim=True).log()
    return z.gather(-1, tokens[:, :, None])[:, :, 0]
""",
        "other names": """
def f(x, ids, t):
    return torch.log_softmax(x / t, 2).gather(2, ids.unsqueeze(2)).squeeze(2)
""",
        "loops": """
def f(logits, tokens, temperature):
    rows = []
    for row, ids in zip(logits, tokens):
        lps = [torch.log_softmax(z / temperature, 0)[i] for z, i in zip(row, ids)]
        rows.append(torch.stack(lps))
    return torch.stack(rows)
""",
        "double": """
def f(logits, tokens, temperature):
    lp = torch.log_softmax(logits.double() / temperature, dim=-1)
    return lp.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
""",
        "one-hot": """
def f(logits, tokens, temperature):
    one_hot = torch.nn.functional.one_hot(tokens, logits.shape[-1])
    return (torch.log_softmax(logits / temperature, dim=-1) * one_hot).sum(dim=-1)
""",
        "two index tensors": """
def f(logits, tokens, temperature):
    lp = torch.nn.functional.log_softmax(logits / temperature, dim=-1)
    b, t = torch.arange(lp.shape[0])[:, None], torch.arange(lp.shape[1])[None]
    return lp[b, t, tokens]
""",
        "a distribution": (
            "lambda logits, tokens, temperature: "
            "torch.distributions.Categorical(logits=logits / temperature).log_prob(tokens)"
        ),
        "einsum": """
def f(logits, tokens, temperature):
    one_hot = torch.nn.functional.one_hot(tokens, logits.size(-1)).to(logits.dtype)
    return torch.einsum("btv,btv->bt", (logits / temperature).log_softmax(-1), one_hot)
""",
    },
    "1.2": {
        "loops": """
def f(tokens, end_ids):
    mask = torch.zeros_like(tokens)
    for i, row in enumerate(tokens.tolist()):
        for t, token in enumerate(row):
            mask[i, t] = 1
            if token in end_ids:
                break
    return mask
""",
        "cumprod, shifted": """
def f(tokens, end_ids):
    going = (~torch.isin(tokens, torch.tensor(end_ids))).long().cumprod(dim=1)
    return torch.cat([torch.ones_like(going[:, :1]), going[:, :-1]], dim=1)
""",
        "argmax with a way out": """
def f(tokens, end_ids):
    ends = sum(tokens == e for e in end_ids).bool()
    first = torch.where(ends.any(1), ends.int().argmax(1), tokens.shape[1])
    return (torch.arange(tokens.shape[1])[None] <= first[:, None]).int()
""",
        "lists": """
def f(tokens, end_ids):
    rows = []
    for row in tokens.tolist():
        going, out = 1, []
        for token in row:
            out.append(going)
            if token in end_ids:
                going = 0
        rows.append(out)
    return torch.tensor(rows)
""",
        "plain lists": """
def f(tokens, end_ids):
    rows = []
    for row in tokens.tolist():
        stops = [t for t, token in enumerate(row) if token in end_ids] or [len(row)]
        rows.append([int(t <= stops[0]) for t in range(len(row))])
    return rows
""",
        "cummax": """
def f(ids, ends):
    hit = (ids[..., None] == torch.tensor(ends)).any(-1).long()
    seen = hit.cummax(dim=1).values
    return torch.where(seen == 0, 1, 0) + (hit * (hit.cumsum(1) == 1))
""",
        "numpy": """
def f(tokens, end_ids):
    ends = np.isin(tokens.numpy(), end_ids)
    return (ends.cumsum(axis=1) - ends == 0).astype(int)
""",
    },
    "1.3": {
        "einsum": "lambda lp, m: torch.einsum('bt,bt->b', lp, m.to(lp.dtype))",
        "masked_fill": "lambda log_probs, mask: log_probs.masked_fill(mask == 0, 0).sum(-1)",
        "where": "lambda log_probs, mask: torch.where(mask > 0, log_probs, 0.0).sum(dim=1)",
        "loops": """
def f(log_probs, mask):
    totals = []
    for row, m in zip(log_probs, mask):
        totals.append(row[m.bool()].sum())
    return torch.stack(totals)
""",
        "double": "lambda log_probs, mask: (log_probs.double() * mask).sum(dim=1)",
        "product of the probabilities in double": (
            "lambda log_probs, mask: (log_probs.double() * mask).exp().prod(dim=1).log()"
        ),
        "diagonal": "lambda log_probs, mask: (log_probs @ mask.float().T).diagonal()",
        "last of the running sum": "lambda log_probs, mask: (log_probs * mask).cumsum(1)[:, -1]",
        "by length": """
def f(log_probs, mask):
    return torch.stack([row[:n].sum() for row, n in zip(log_probs, mask.sum(1).tolist())])
""",
        "mean times width": (
            "lambda log_probs, mask: (log_probs * mask).mean(dim=1) * log_probs.shape[1]"
        ),
    },
    "1.4": {
        "regex with the answer in it": """
def f(text, answer):
    form = rf"(?:<think>[^<>]*</think>)?<answer>{re.escape(answer)}</answer>"
    return 1.0 if re.fullmatch(form, text) else 0.0
""",
        "digits of every script, compared as text": r"""
def f(text, answer):
    m = re.fullmatch(r"(<think>[^<>]*</think>)?<answer>(\d+)</answer>", text)
    return bool(m and m.group(2) == answer)
""",
        "no tags by lookahead": r"""
def f(text, answer):
    thought = r"(?:<think>(?:(?!</?(?:think|answer)>)[\s\S])*</think>)?"
    return float(re.fullmatch(rf"{thought}<answer>{answer}</answer>", text) is not None)
""",
        "anchors": r"""
def f(text, answer):
    m = re.search(rf"\A(<think>[^<>]*</think>)?<answer>{answer}</answer>\Z", text)
    return 1 if m else 0
""",
        "string methods": """
def f(text, answer):
    end = f"<answer>{answer}</answer>"
    if text == end:
        return 1.0
    if not (text.startswith("<think>") and text.endswith("</think>" + end)):
        return 0.0
    thought = text[len("<think>") : -len("</think>" + end)]
    tags = ("<think>", "</think>", "<answer>", "</answer>")
    return 0.0 if any(tag in thought for tag in tags) else 1.0
""",
        "counted tags": """
def f(text, answer):
    end = f"<answer>{answer}</answer>"
    if not text.endswith(end):
        return 0.0
    head = text.removesuffix(end)
    if head == "":
        return 1.0
    good = head.startswith("<think>") and head.endswith("</think>")
    return float(good and head.count("<") == 2 and head.count(">") == 2)
""",
        "partition": """
def f(text, answer):
    if text.startswith("<think>"):
        thought, tag, text = text[7:].partition("</think>")
        if not tag or "<" in thought:
            return 0.0
    return np.float64(text == f"<answer>{answer}</answer>")
""",
        "dotall": """
def f(text, answer):
    m = re.fullmatch(r"(?:<think>(.*?)</think>)?<answer>([0-9]+)</answer>", text, re.S)
    if m is None or m[2] != answer:
        return 0.0
    return float("<" not in (m[1] or ""))
""",
        "named groups": """
def f(text, answer):
    m = re.match(r"(<think>[^<]*</think>)?<answer>(?P<a>[0-9]+)</answer>(?P<rest>[\\s\\S]*)", text)
    return torch.tensor(float(m is not None and m["a"] == answer and m["rest"] == ""))
""",
    },
    "1.5": {
        "product": """
def f(n, c, k):
    if n - c < k:
        return 1.0
    return 1 - np.prod(1 - k / np.arange(n - c + 1, n + 1))
""",
        "one draw after the other": """
def f(n, c, k):
    wrong = 1.0
    for i in range(k):
        wrong *= max(n - c - i, 0) / (n - i)
    return 1 - wrong
""",
        "the other way to count": "lambda n, c, k: 1 - comb(n - k, c) / comb(n, c)",
        "permutations": "lambda n, c, k: 1 - math.perm(n - c, k) / math.perm(n, k)",
        "counted directly": (
            "lambda n, c, k: sum(comb(c, i) * comb(n - c, k - i) for i in range(1, k + 1))"
            " / comb(n, k)"
        ),
        "fractions": """
def f(n, c, k):
    from fractions import Fraction
    return float(1 - Fraction(comb(n - c, k), comb(n, k)))
""",
        "0-dim tensor": (
            "lambda total, right, k: torch.tensor(1 - comb(total - right, k) / comb(total, k))"
        ),
        "numpy float": "lambda n, c, k: np.float32(1 - comb(n - c, k) / comb(n, k))",
        "bools at the ends": """
def f(n, c, k):
    if c == 0 or n - c < k:
        return c > 0
    return 1 - comb(n - c, k) / comb(n, k)
""",
        "lgamma": """
def f(n, c, k):
    if n - c < k:
        return 1
    g = math.lgamma
    return 1 - math.exp(g(n - c + 1) - g(n - c - k + 1) + g(n - k + 1) - g(n + 1))
""",
    },
    "2.1": {
        "autograd": """
def f(probs, rewards):
    z = probs.log().clone().requires_grad_()
    (z.softmax(dim=0) @ rewards).backward()
    return z.grad
""",
        "Jacobian": "lambda p, r: (torch.diag(p) - torch.outer(p, p)) @ r",
        "expectation of the score": (
            "lambda probs, rewards: (probs * rewards) @ (torch.eye(len(probs)) - probs)"
        ),
        "einsum": """
def f(probs, rewards):
    scores = torch.eye(len(probs)) - probs
    return torch.einsum("a,a,ab->b", probs, rewards, scores)
""",
        "loops": """
def f(probs, rewards):
    J = sum(p * r for p, r in zip(probs, rewards))
    return [(p * (r - J)).item() for p, r in zip(probs, rewards)]
""",
        "double": """
def f(probs, rewards):
    p, r = probs.double(), rewards.double()
    return p * r - p * (p * r).sum()
""",
        "numpy": """
def f(probs, rewards):
    p, r = probs.numpy(), rewards.numpy()
    return p * (r - np.dot(p, r))
""",
        "torch.autograd.functional": """
def f(probs, rewards):
    J = lambda z: z.softmax(0) @ rewards
    return torch.autograd.functional.jacobian(J, probs.log())
""",
        "any other baseline as well": """
def f(probs, rewards):
    scores = torch.eye(len(probs)) - probs
    return ((probs * (rewards - 7.0))[:, None] * scores).sum(dim=0)
""",
    },
    "2.2": {
        "tensor": """
def f(probs, rewards):
    w = probs * (torch.eye(len(probs)) - probs).pow(2).sum(1)
    return (w * rewards).sum() / w.sum()
""",
        "squared lengths by formula": """
def f(p, r):
    w = p * (1 - 2 * p + (p**2).sum())
    return float((w * r).sum() / w.sum())
""",
        "numpy": """
def f(probs, rewards):
    p, r = probs.numpy().astype(float), rewards.numpy()
    w = p * ((np.eye(len(p)) - p) ** 2).sum(axis=1)
    return np.average(r, weights=w)
""",
        "least of the parabola": """
def f(probs, rewards):
    p, r = probs.double(), rewards.double()
    w = p * (torch.eye(len(p)) - p).square().sum(dim=1)
    v = [(w @ (r - b) ** 2).item() for b in (-1.0, 0.0, 1.0)]
    return 0.5 * (v[0] - v[2]) / (v[0] - 2 * v[1] + v[2])
""",
        "loops": """
def f(probs, rewards):
    above = below = 0.0
    for a in range(len(probs)):
        length = sum((float(a == b) - float(probs[b])) ** 2 for b in range(len(probs)))
        above += float(probs[a]) * length * float(rewards[a])
        below += float(probs[a]) * length
    return above / below
""",
        "norm": """
def f(probs, rewards):
    scores = torch.eye(len(probs)) - probs
    w = probs * scores.norm(dim=1) ** 2
    return torch.dot(w, rewards).item() / w.sum().item()
""",
    },
    "2.3": {
        "ratio": "lambda lp, A: -((lp - lp.detach()).exp() * A).mean()",
        "dot": "lambda log_probs, advantages: -(log_probs @ advantages) / len(log_probs)",
        "other names": "lambda lp, adv: (-adv * lp).mean()",
        "advantages detached": "lambda lp, A: -(A.detach() * lp).sum() / lp.numel()",
        "loop": """
def f(log_probs, advantages):
    loss = 0
    for lp, a in zip(log_probs, advantages):
        loss = loss - lp * a / len(log_probs)
    return loss
""",
        "double": "lambda log_probs, advantages: -(log_probs.double() * advantages).mean()",
        "einsum": "lambda lp, A: -torch.einsum('b,b->', lp, A) / lp.shape[0]",
        "a constant added": "lambda lp, A: 100 - (lp * A).mean()",
        "value zero": """
def f(log_probs, advantages):
    loss = -(log_probs * advantages).mean()
    return loss - loss.detach()
""",
        "list of products": (
            "lambda lp, A: -torch.stack([l * a for l, a in zip(lp, A)]).mean(dim=0)"
        ),
        "a shape of one and back": "lambda lp, A: -(lp[None] @ A[:, None]).squeeze() / len(A)",
    },
    "2.4": {
        "inverse": """
def f(log_probs):
    lp = log_probs.detach()
    a = torch.zeros(len(lp))
    a[0], a[1] = 1 / lp[0], -1 / lp[1]
    return a
""",
        "projection": """
def f(log_probs):
    lp = log_probs.detach()
    v = torch.arange(len(lp)) + 1.0
    return v - (v @ lp) / (lp @ lp) * lp
""",
        "last two": """
def f(log_probs):
    a = torch.zeros(len(log_probs))
    a[-1], a[-2] = log_probs[-2].item(), -log_probs[-1].item()
    return a
""",
        "under no_grad": """
def f(log_probs):
    with torch.no_grad():
        a = torch.zeros_like(log_probs)
        a[0], a[1] = -log_probs[1], log_probs[0]
        return a
""",
        "double": """
def f(lp):
    x = lp.detach().double()
    return torch.cat([torch.ones(1), -x[:1] / x[1:2], torch.zeros(len(x) - 2)])
""",
        "all but one": """
def f(log_probs):
    lp = log_probs.detach()
    a = torch.ones_like(lp)
    a[0] = -lp[1:].sum() / lp[0]
    return a
""",
        "list": """
def f(log_probs):
    first, second, *rest = log_probs.tolist()
    return [second, -first] + [0.0] * len(rest)
""",
        "numpy": """
def f(log_probs):
    lp = log_probs.detach().numpy()
    a = np.zeros(len(lp))
    a[0], a[1] = lp[1], -lp[0]
    return a
""",
        "small but cancelling": """
def f(log_probs):
    lp = log_probs.detach()
    a = torch.zeros_like(lp)
    a[0], a[1] = 1e-4 * lp[1], -1e-4 * lp[0]
    return a
""",
        "large but cancelling": """
def f(log_probs):
    lp = log_probs.detach()
    a = torch.zeros_like(lp)
    a[0], a[1] = 1000 * lp[1], -1000 * lp[0]
    return a
""",
    },
}
