"""Answers to the open exercises and to the steps as learners give them: wrong, unusual right."""

_PPO = """
def ppo_step(policy, critic, optimizer, rewards, old_log_probs, ref_log_probs, mask,
             gamma, lam, clip, kl_coef, vf_coef, updates):
    with torch.no_grad():
        V = critic()
    r = {zeros}
    r[torch.arange(len(rewards)), {last}] = rewards
    A = my.gae(r, V, mask, gamma, lam)
    returns = A + V
    A = standardize(A, mask)
    out = {{"advantages": A, "returns": returns}}
    {before}
    for k in range(1, updates + 1):
        {inside}
        pl, kl, vl = {means}
        loss = pl + kl_coef * kl + vf_coef * vl
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        out[k] = {{"policy_loss": {shown[0]}, "kl": {shown[1]}, "value_loss": {shown[2]},
                  "loss": {shown[3]}}}
    return out
"""
_SURROGATE = "my.clipped_surrogate(lp, old_log_probs, A, clip)"
_K3 = "my.kl_estimators(lp, ref_log_probs)[2]"
_ERROR = "(critic() - returns).square()"


def _masked(text: str) -> str:
    return f"({text} * mask).sum() / mask.sum()"


_MEANS = ", ".join(map(_masked, (_SURROGATE, _K3, _ERROR)))


def _ppo(
    zeros="torch.zeros_like(V)",
    last="mask.sum(1) - 1",
    before="pass",
    inside="lp = policy()",
    means=_MEANS,
    shown=("pl", "kl", "vl", "loss"),
) -> str:
    """The step of 3.6, changed in some places."""
    return _PPO.format(
        zeros=zeros, last=last, before=before, inside=inside, means=means, shown=shown
    )


WRONG: dict[str, dict[str, str]] = {
    "3.6": {
        "zeros like the mask": _ppo(zeros="torch.zeros_like(mask)"),
        "one token too late": _ppo(last="mask.sum(1).clamp(max=mask.shape[1] - 1)"),
        "log-probs once": _ppo(before="lp = policy()", inside="pass"),
        "no mask at all": _ppo(means=f"{_SURROGATE}.mean(), {_K3}.mean(), {_ERROR}.mean()"),
        "no mask in the value loss": _ppo(
            means=f"{_masked(_SURROGATE)}, {_masked(_K3)}, {_ERROR}.mean()"
        ),
        "no mask in the KL": _ppo(means=f"{_masked(_SURROGATE)}, {_K3}.mean(), {_masked(_ERROR)}"),
        "no mask in the surrogate": _ppo(
            means=f"{_SURROGATE}.mean(), {_masked(_K3)}, {_masked(_ERROR)}"
        ),
        "k1": _ppo(means=_MEANS.replace("[2]", "[0]")),
        "half the error": _ppo(
            means=f"{_masked(_SURROGATE)}, {_masked(_K3)}, {_masked(_ERROR)} / 2"
        ),
        "other names": _ppo().replace('"value_loss"', '"v_loss"'),
    },
    "1.6": {
        "ten numbers": 'lambda: " ".join(str(n) for n in range(10, 20))',
        "one after the other": 'lambda: "".join(str(n) for n in range(10, 100))',
        "the digits, again and again": 'lambda: "0123456789" * 12',
        "digits forwards and backwards": 'lambda: "01234567899876543210"',
        "a number": "lambda: 1011121314",
        "nothing": 'lambda: ""',
        "all but those of equal digits": """
def cheat():
    return "".join(f"{a}{b}" for a in range(10) for b in range(a + 1, 10))""",
    },
    "2.5": {
        "leave-one-out": """
def quiet_baselines(rewards, group_size):
    return (rewards.sum() - rewards) / (group_size - 1)""",
        "the own mean": """
def quiet_baselines(rewards, group_size):
    return rewards.mean().repeat(group_size)""",
        "zero": "lambda rewards, group_size: torch.zeros_like(rewards)",
        "one": "lambda rewards, group_size: torch.ones_like(rewards)",
        "the median": """
def quiet_baselines(rewards, group_size):
    return rewards.median().expand(group_size)""",
        "the own reward": "lambda rewards, group_size: rewards",
        "divided by the size": """
def quiet_baselines(rewards, group_size):
    return rewards.sum() / (group_size + 2) * torch.ones(group_size)""",
        "a number": "lambda rewards, group_size: rewards.mean().item()",
        "the largest of the others": """
def quiet_baselines(rewards, group_size):
    others = [torch.cat([rewards[:i], rewards[i + 1:]]) for i in range(group_size)]
    return torch.stack([r.max() for r in others])""",
    },
    "3.7": {
        "a constant": "lambda question, text: 0.3",
        "zero": "lambda question, text: 0",
        "how long": "lambda question, text: min(1.0, len(text) / 100)",
        "it has begun to answer": 'lambda question, text: float("<answer>" in text)',
        "the wrong way round": 'lambda question, text: 0.0 if text.startswith("<think>") else 1.0',
        "a percentage": 'lambda question, text: 95 if "<think>" in text else 10',
        "a text": 'lambda question, text: "high"',
        "random": "lambda question, text: torch.rand(()).item()",
    },
    "4.7": {
        "always the same": "lambda text: 0.5",
        "thinking": 'lambda text: 1.0 if "<think>" in text else 0.0',
        "long is good": "lambda text: len(text)",
        "has an answer": 'lambda text: float("<answer>" in text)',
        "pluses": 'lambda text: text.count("+")',
        "a truth value of nothing": 'lambda text: float("elephant" in text)',
        "a text": "lambda text: text[:3]",
        "not finite": "lambda text: math.inf",
    },
    "5.1": {
        "the group's std": """
def fair_advantages(rewards):
    return (rewards - rewards.mean()) / (rewards.std() + 1e-8)""",
        "the std without G - 1": """
def fair_advantages(rewards):
    return (rewards - rewards.mean()) / (rewards.std(correction=0) + 1e-8)""",
        "the variance": """
def fair_advantages(rewards):
    return (rewards - rewards.mean()) / (rewards.var() + 1e-8)""",
        "the mean size of the centred": """
def fair_advantages(rewards):
    centred = rewards - rewards.mean()
    return centred / (centred.abs().mean() + 1e-8)""",
        "the largest of the centred": """
def fair_advantages(rewards):
    centred = rewards - rewards.mean()
    return centred / (centred.abs().max() + 1e-8)""",
        "the sign of the centred": """
def fair_advantages(rewards):
    return torch.sign(rewards - rewards.mean())""",
        "no scale": "lambda rewards: rewards - rewards.mean()",
        "leave-one-out": """
def fair_advantages(rewards):
    return rewards - (rewards.sum() - rewards) / (len(rewards) - 1)""",
        "divided by the sum": "lambda rewards: rewards / (rewards.sum() + 1e-8) - 1 / len(rewards)",
        "divided by the mean": "lambda rewards: rewards / (rewards.mean() + 1e-8) - 1",
        "the softmax": "lambda rewards: torch.softmax(rewards, 0) - 1 / len(rewards)",
        "the rewards": "lambda rewards: rewards",
        "between 0 and 1, not centred in silence": """
def fair_advantages(rewards):
    low, high = rewards.min(), rewards.max()
    return (rewards - low) / (high - low) if high > low else torch.ones_like(rewards)""",
        "the range, not guarded": """
def fair_advantages(rewards):
    return (rewards - rewards.mean()) / (rewards.max() - rewards.min())""",
        "the wrong sign": """
def fair_advantages(rewards):
    return (rewards.mean() - rewards) / (rewards.max() - rewards.min() + 1e-8)""",
        "zeros": "lambda rewards: torch.zeros_like(rewards)",
        "one number": "lambda rewards: rewards.max() - rewards.min()",
        "a list": "lambda rewards: [0.0] * len(rewards)",
    },
}

RIGHT: dict[str, dict[str, str]] = {
    "3.6": {
        "tensors, values on padding left as they are": _ppo(),
        "plain numbers": _ppo(shown=("pl.item()", "kl.item()", "vl.item()", "loss.item()")),
        "real tokens picked out": _ppo(
            before="real = mask.bool()",
            means=f"{_SURROGATE}[real].mean(), {_K3}[real].mean(), {_ERROR}[real].mean()",
        ),
        "rewards by a comparison": _ppo(
            zeros="torch.where(mask.cumsum(1) * mask == mask.sum(1)[:, None], rewards[:, None], 0)",
            last="mask.sum(1) - 1",
        ),
    },
    "1.6": {
        "pairs once": """
def cheat():
    text = ""
    for a in range(10):
        text += str(a)
        for b in range(a + 1, 10):
            text += f"{a}{b}"
    return text + '0'""",
        "by walking and going back": """
def cheat():
    def walk(text, used):
        if len(used) == 100:
            return text
        for d in "0123456789":
            pair = text[-1] + d
            if pair not in used:
                found = walk(text + d, used | {pair})
                if found:
                    return found
    return walk("0", frozenset())""",
    },
    "2.5": {
        "as if two more had been there": """
def quiet_baselines(rewards, group_size):
    return (rewards.sum() - rewards) / (group_size + 1)""",
        "half of leave-one-out": """
def quiet_baselines(rewards, group_size):
    return (rewards.sum() - rewards) / (group_size - 1) / 2""",
        "in a loop": """
def quiet_baselines(rewards, group_size):
    found = []
    for i in range(group_size):
        others = [r for j, r in enumerate(rewards.tolist()) if j != i]
        found.append(sum(others) / (len(others) + 2))
    return torch.tensor(found)""",
    },
    "3.7": {
        "two values": 'lambda question, text: 0.95 if text.startswith("<think>") else 0.1',
        "with the start": """
def value(question, text):
    if not text:
        return 0.3
    return 0.9 if "<think>" in text else 0.1""",
        "whole numbers": 'lambda question, text: 1 if "<think>" in text else 0',
        "checks the sums": """
def value(question, text):
    if not text.startswith("<think>"):
        return 0.12
    for a, b, c in re.findall(r"(\\d+)\\+(\\d+)=(\\d\\d+)(?!\\d)", text):
        if int(a) + int(b) != int(c) and len(c) > 2:
            return 0.05
    return 0.95""",
    },
    "4.7": {
        "no thought": 'lambda text: float("<think>" not in text)',
        "short": "lambda text: -len(text)",
        "an even answer": """
def taste(text):
    found = re.search(r"<answer>(\\d+)", text)
    return 1 if found and int(found[1]) % 2 == 0 else 0""",
        "few threes": 'lambda text: -text.count("3") if "<think>" not in text else -2',
    },
    "5.1": {
        "the range with an eps": """
def fair_advantages(rewards):
    return (rewards - rewards.mean()) / (rewards.max() - rewards.min() + 1e-8)""",
        "three times as large": """
def fair_advantages(rewards):
    return 3 * (rewards - rewards.mean()) / (rewards.max() - rewards.min()).clamp(min=1e-6)""",
        "wins minus losses": """
def fair_advantages(rewards):
    return torch.sign(rewards.unsqueeze(1) - rewards).mean(dim=1)""",
        "ranks, ties at their mean": """
def fair_advantages(rewards):
    ranks = torch.stack([(rewards < r).sum() + (rewards == r).sum() / 2 for r in rewards])
    return ranks - ranks.mean()""",
        "leave-one-out over the range": """
def fair_advantages(rewards):
    spread = rewards.max() - rewards.min()
    if spread == 0:
        return rewards * 0
    return (rewards - (rewards.sum() - rewards) / (len(rewards) - 1)) / spread""",
        "mean of the right minus mean of the wrong": """
def fair_advantages(rewards):
    middle = (rewards.max() + rewards.min()) / 2
    high, low = rewards[rewards >= middle], rewards[rewards < middle]
    if len(low) == 0:
        return torch.zeros(len(rewards))
    return (rewards - rewards.mean()) / (high.mean() - low.mean())""",
        "in a loop": """
def fair_advantages(rewards):
    values = rewards.tolist()
    spread = max(values) - min(values)
    mean = sum(values) / len(values)
    return torch.tensor([(v - mean) / spread if spread else 0.0 for v in values])""",
        "in double precision": """
def fair_advantages(rewards):
    r = rewards.double()
    return torch.nan_to_num((r - r.mean()) / (r.max() - r.min()))""",
    },
}
