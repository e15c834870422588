"""Answers to exercises 3.1-3.5 and 4.1-4.5 as learners give them: wrong ones, unusual right ones.

A source is a lambda or a def; it may use torch, re, math, numpy as np and comb.
"""

_GAE = "def gae(rewards, values, mask, gamma, lam):\n"
_LOOP = """
    advantages = torch.zeros_like(rewards)
    next_value = next_advantage = 0.0
    for t in reversed(range(rewards.shape[1])):
        {delta}
        {advantage}
        advantages[:, t] = {stored}
        next_value, next_advantage = {value}, {handed}
    return {result}
"""


def _gae(
    delta="delta = rewards[:, t] + gamma * next_value - values[:, t]",
    advantage="a = delta + gamma * lam * next_advantage",
    stored="a * mask[:, t]",
    value="values[:, t] * mask[:, t]",
    handed="a * mask[:, t]",
    result="advantages",
) -> str:
    """The loop, changed in some places."""
    return _GAE + _LOOP.format(
        delta=delta, advantage=advantage, stored=stored, value=value, handed=handed, result=result
    ).lstrip("\n")


def _surrogate(
    result="-torch.min(ratio * advantages, clipped * advantages)",
    ratio="torch.exp(log_probs - old_log_probs)",
    clipped="torch.clamp(ratio, 1 - clip, 1 + clip)",
) -> str:
    return f"""def clipped_surrogate(log_probs, old_log_probs, advantages, clip):
    ratio = {ratio}
    clipped = {clipped}
    return {result}
"""


def _kl(result="k1, k2, k3", d="ref_log_probs - log_probs", k1="-d", k2="0.5 * d**2",
        k3="torch.exp(d) - 1 - d") -> str:  # fmt: skip
    return f"""def kl_estimators(log_probs, ref_log_probs):
    d = {d}
    k1 = {k1}
    k2 = {k2}
    k3 = {k3}
    return {result}
"""


def _expected(
    result="torch.autograd.grad((w * penalty(lp)).sum(), x)[0]",
    x="logits.clone().requires_grad_(True)",
    lp="torch.log_softmax(x, dim=-1)",
    w="torch.exp(lp).detach()",
    do="pass",
) -> str:
    return f"""def expected_gradient(logits, penalty):
    x = {x}
    lp = {lp}
    w = {w}
    {do}
    return {result}
"""


def _relative(
    result="out.reshape(-1)",
    groups="rewards.reshape(-1, group_size)",
    mean="groups.mean(dim=1, keepdim=True)",
    std="groups.std(dim=1, keepdim=True)",
    out="(groups - mean) / (std + 1e-8)",
    then="out[(groups == groups[:, 0:1]).all(dim=1)] = 0",
) -> str:
    return f"""def relative_rewards(rewards, group_size):
    groups = {groups}
    mean = {mean}
    std = {std}
    out = {out}
    {then}
    return {result}
"""


def _loo(result, groups="rewards.view(-1, group_size)") -> str:
    return f"""def leave_one_out(rewards, group_size):
    g = {groups}
    G = group_size
    return {result}
"""


def _cut(rewards, texts=None, before="n = len(rewards)") -> str:
    texts = rewards if texts is None else texts
    return f"""def complete_groups(rewards, texts, group_size):
    {before}
    return rewards{rewards}, texts{texts}
"""


def _loss(
    result="((loss * mask).sum(1) / mask.sum(1)).mean()",
    ratio="(log_probs - old_log_probs).exp()",
    A="advantages[:, None]",
    clipped="ratio.clamp(1 - clip, 1 + clip)",
    loss="-torch.min(ratio * A, clipped * A)",
) -> str:
    return f"""def grpo_loss(log_probs, old_log_probs, advantages, mask, clip):
    ratio = {ratio}
    A = {A}
    clipped = {clipped}
    loss = {loss}
    return {result}
"""


_RAW = "rewards[:, t] + gamma * {} - values[:, t]"
_PADDED = "torch.cat([({v})[:, 1:], {last}], dim=1)"

WRONG: dict[str, dict[str, str]] = {
    "3.1": {
        "no mask at all": _gae(stored="a", value="values[:, t]", handed="a"),
        "mask only at the end": _gae(
            stored="a", value="values[:, t]", handed="a", result="advantages * mask"
        ),
        "mask only on what is stored": _gae(value="values[:, t]", handed="a"),
        "next value not masked": _gae(value="values[:, t]"),
        "next advantage not masked": _gae(handed="a"),
        "lam forgotten": _gae(advantage="a = delta + gamma * next_advantage"),
        "gamma forgotten in delta": _gae(
            delta="delta = rewards[:, t] + next_value - values[:, t]"
        ),
        "gamma forgotten in the sum": _gae(advantage="a = delta + lam * next_advantage"),
        "gamma forgotten in both": _gae(
            delta="delta = rewards[:, t] + next_value - values[:, t]",
            advantage="a = delta + lam * next_advantage",
        ),
        "gamma and lam forgotten in the sum": _gae(advantage="a = delta + next_advantage"),
        "deltas only": _gae(advantage="a = delta"),
        "next advantage never handed on": _gae(handed="0.0"),
        "returns": _gae(result="(advantages + values) * mask"),
        "discounted rewards": _gae(delta="delta = rewards[:, t]", advantage=(
            "a = delta + gamma * lam * next_advantage")),
        "no next value": _gae(delta="delta = rewards[:, t] - values[:, t]"),
        "values exchanged": _gae(delta="delta = rewards[:, t] + gamma * values[:, t] - next_value"),
        "sign of the whole": _gae(result="-advantages"),
        "rewards forgotten": _gae(delta="delta = gamma * next_value - values[:, t]"),
        "forwards": _gae().replace("reversed(range(rewards.shape[1]))", "range(rewards.shape[1])"),
        "forwards with the right next value": _GAE + """\
    values = values * mask
    T = values.shape[1]
    advantages = torch.zeros_like(values)
    last = torch.zeros_like(values[:, 0])
    for t in range(T):
        next_value = values[:, t + 1] if t < T - 1 else 0.0
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        last = delta + gamma * lam * last
        advantages[:, t] = last
    return advantages * mask
""",
        "forwards, reading what is not yet there": _GAE + """\
    values = values * mask
    T = values.shape[1]
    advantages = torch.zeros_like(values)
    for t in range(T):
        next_value = values[:, t + 1] if t < T - 1 else 0.0
        next_advantage = advantages[:, t + 1] if t < T - 1 else 0.0
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        advantages[:, t] = delta + gamma * lam * next_advantage
    return advantages
""",
        "bootstraps past the end": _GAE + """\
    values = values * mask
    advantages = torch.zeros_like(values)
    next_value = values[:, -1]
    last = 0.0
    for t in reversed(range(values.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        last = (delta + gamma * lam * last) * mask[:, t]
        advantages[:, t] = last
        next_value = values[:, t]
    return advantages
""",
        "bootstraps past the end, into padding too": _GAE + """\
    T = values.shape[1]
    advantages = torch.zeros_like(values)
    last = 0.0
    for t in reversed(range(T)):
        next_value = values[:, min(t + 1, T - 1)]
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        last = (delta + gamma * lam * last) * mask[:, t]
        advantages[:, t] = last
    return advantages
""",
        "roll": _GAE + """\
    values = values * mask
    deltas = rewards + gamma * torch.roll(values, -1, dims=1) - values
    advantages = torch.zeros_like(values)
    last = 0.0
    for t in range(values.shape[1] - 1, -1, -1):
        last = mask[:, t] * (deltas[:, t] + gamma * lam * last)
        advantages[:, t] = last
    return advantages
""",
        "index past the end": _GAE + """\
    advantages = torch.zeros_like(values)
    last = 0.0
    for t in reversed(range(values.shape[1])):
        delta = rewards[:, t] + gamma * values[:, t + 1] - values[:, t]
        last = (delta + gamma * lam * last) * mask[:, t]
        advantages[:, t] = last
    return advantages
""",
        "last column left out": _GAE + """\
    values = values * mask
    advantages = torch.zeros_like(values)
    for t in reversed(range(values.shape[1] - 1)):
        delta = rewards[:, t] + gamma * values[:, t + 1] - values[:, t]
        advantages[:, t] = mask[:, t] * (delta + gamma * lam * advantages[:, t + 1])
    return advantages
""",
        "loop over the batch": _gae().replace("range(rewards.shape[1])", "range(len(rewards))"),
        "list not turned round": _gae().replace(
            "advantages = torch.zeros_like(rewards)", "out = []"
        ).replace("advantages[:, t] = a * mask[:, t]", "out.append(a * mask[:, t])").replace(
            "return advantages", "return torch.stack(out, dim=1)"),
        "stacked along the wrong axis": _gae().replace(
            "advantages = torch.zeros_like(rewards)", "out = []"
        ).replace("advantages[:, t] = a * mask[:, t]", "out.append(a * mask[:, t])").replace(
            "return advantages", "return torch.stack(out[::-1])"),
        "only one step further": _GAE + """\
    v = values * mask
    zero = torch.zeros(len(v), 1)
    delta = (rewards + gamma * torch.cat([v[:, 1:], zero], 1) - v) * mask
    return (delta + gamma * lam * torch.cat([delta[:, 1:], zero], 1)) * mask
""",
        "zeros like the mask": _gae().replace("zeros_like(rewards)", "zeros_like(mask)"),
        "zeros like the mask, handed on": _gae(handed="advantages[:, t]").replace(
            "zeros_like(rewards)", "zeros_like(mask)"
        ),
        "standardised": _gae(result=(
            "(advantages - advantages.mean()) / (advantages.std() + 1e-8)")),
        "advantages and returns": _gae(result="advantages, advantages + values * mask"),
        "lam in delta too": _gae(
            delta="delta = rewards[:, t] + gamma * lam * next_value - values[:, t]"),
    },
    "3.2": {
        "maximum for both": _surrogate("-torch.max(ratio * advantages, clipped * advantages)"),
        "maximum for negative": _surrogate(
            "-torch.where(advantages > 0, torch.min(ratio * advantages, clipped * advantages), "
            "torch.max(ratio * advantages, clipped * advantages))"
        ),
        "minimum of the ratios": _surrogate("-torch.min(ratio, clipped) * advantages"),
        "min(-x, -y)": _surrogate("torch.min(-ratio * advantages, -clipped * advantages)"),
        "-min(-x, -y)": _surrogate("-torch.min(-ratio * advantages, -clipped * advantages)"),
        "no exp": _surrogate(ratio="log_probs - old_log_probs"),
        "clamp on the product": _surrogate(
            "-torch.min(ratio * advantages, torch.clamp(ratio * advantages, 1 - clip, 1 + clip))"
        ),
        "only the clamp on the product": _surrogate(
            "-torch.clamp(ratio * advantages, 1 - clip, 1 + clip)"),
        "0.2 in the code": _surrogate(clipped="ratio.clamp(0.8, 1.2)"),
        "ratio upside down": _surrogate(ratio="torch.exp(old_log_probs - log_probs)"),
        "ratio upside down by division": _surrogate(ratio="old_log_probs.exp() / log_probs.exp()"),
        "only clipped": _surrogate("-clipped * advantages"),
        "only clipped, no minus": _surrogate("clipped * advantages"),
        "nothing clipped": _surrogate("-ratio * advantages"),
        "nothing clipped, minus 1": _surrogate("-(ratio - 1) * advantages"),
        "no minus": _surrogate("torch.min(ratio * advantages, clipped * advantages)"),
        "detached ratio": _surrogate(ratio="torch.exp(log_probs - old_log_probs).detach()"),
        "no_grad": _surrogate().replace("):\n", "):\n    log_probs = log_probs.detach()\n"),
        "unclipped ratio detached": _surrogate(
            "-torch.min(ratio.detach() * advantages, clipped * advantages)"),
        "clamp to -clip ... clip": _surrogate(clipped="ratio.clamp(-clip, clip)"),
        "only the upper limit": _surrogate(clipped="torch.clamp(ratio, max=1 + clip)"),
        "only the lower limit": _surrogate(clipped="torch.clamp(ratio, min=1 - clip)"),
        "limits exchanged": _surrogate(clipped="torch.clamp(ratio, 1 + clip, 1 - clip)"),
        "log-ratio clipped": _surrogate(
            clipped="(log_probs - old_log_probs).clamp(-clip, clip).exp()"),
        "log-ratio clipped to 1 +- clip": _surrogate(
            clipped="(log_probs - old_log_probs).clamp(1 - clip, 1 + clip).exp()"),
        "ratio of the log-probs": _surrogate(ratio="log_probs / old_log_probs"),
        "old policy forgotten": _surrogate(ratio="log_probs.exp()"),
        "no advantages": _surrogate("-torch.min(ratio, clipped)"),
        "second product forgotten": _surrogate("-torch.min(ratio * advantages, clipped)"),
        "first product forgotten": _surrogate("-torch.min(ratio, clipped * advantages)"),
        "mean": _surrogate("-torch.min(ratio * advantages, clipped * advantages).mean()"),
        "mean per response": _surrogate(
            "-torch.min(ratio * advantages, clipped * advantages).mean(1)"),
        "sum": _surrogate("-torch.min(ratio * advantages, clipped * advantages).sum()"),
        "builtin min": _surrogate("-min(ratio * advantages, clipped * advantages)"),
        "if on a tensor": _surrogate().replace(
            "    clipped", "    if ratio > 1 + clip:\n        ratio = 1 + clip\n    clipped"),
        "gradient off outside the clip": _surrogate(
            "torch.where((ratio - 1).abs() < clip, -ratio * advantages, "
            "torch.zeros_like(ratio))"),
        "log-prob times advantage": _surrogate("-log_probs * advantages"),
    },
    "3.3": {
        "k3 without -1": _kl(k3="d.exp() - d"),
        "k3 without -d": _kl(k3="torch.exp(d) - 1"),
        "k3 only exp": _kl(k3="torch.exp(d)"),
        "k3 plus d": _kl(k3="torch.exp(d) - 1 + d"),
        "exchanged": _kl(d="log_probs - ref_log_probs"),
        "exchanged in k3 only": _kl(k3="torch.exp(-d) - 1 + d"),
        "ratio upside down in k3": _kl(k3="torch.exp(log_probs - ref_log_probs) - 1 - d"),
        "k1 with the wrong sign": _kl(k1="d"),
        "k1 and k3 with the wrong sign": _kl(k1="d", k3="torch.exp(-d) - 1 + d"),
        "detached": _kl(d="ref_log_probs - log_probs.detach()"),
        "k2 detached": _kl(k2="0.5 * d.detach() ** 2"),
        "numpy": """def kl_estimators(log_probs, ref_log_probs):
    d = torch.tensor(np.array(ref_log_probs) - np.array(log_probs.detach()))
    return -d, d**2 / 2, d.exp() - 1 - d
""",
        "k2 without half": _kl(k2="d**2"),
        "k2 without square": _kl(k2="d / 2"),
        "k2 half squared": _kl(k2="(d / 2) ** 2"),
        "k2 negative": _kl(k2="-(d**2) / 2"),
        "k2 absolute": _kl(k2="d.abs() / 2"),
        "k1 absolute": _kl(k1="d.abs()"),
        "list of means": _kl("[k1.mean(), k2.mean(), k3.mean()]"),
        "list of numbers": _kl("[k1.mean().item(), k2.mean().item(), k3.mean().item()]"),
        "sums": _kl("k1.sum(), k2.sum(), k3.sum()"),
        "summed over the last axis": _kl("k1.sum(-1), k2.sum(-1), k3.sum(-1)"),
        "order": _kl("k3, k2, k1"),
        "k3 alone": _kl("k3"),
        "added up": _kl("k1 + k2 + k3"),
        "difference of probabilities": _kl(d="ref_log_probs.exp() - log_probs.exp()"),
        "log of log-probs": _kl(d="torch.log(ref_log_probs) - torch.log(log_probs)"),
        "log of the quotient": _kl(d="torch.log(ref_log_probs / log_probs)"),
        "d is the ratio": _kl(d="torch.exp(ref_log_probs - log_probs)"),
        "quotient of log-probs": _kl(d="ref_log_probs / log_probs"),
        "weighted with the probability": _kl("tuple(log_probs.exp() * k for k in (k1, k2, k3))"),
        "bracket in k3": _kl(k3="torch.exp(d - 1) - d"),
        "k3 negative": _kl(k3="1 + d - torch.exp(d)"),
    },
    "3.4": {
        "through the probabilities": _expected(w="torch.exp(lp)"),
        "through the probabilities, softmax": _expected(w="torch.softmax(x, -1)"),
        "through the probabilities, backward": _expected(
            "x.grad", w="lp.exp()", do="(w * penalty(lp)).sum().backward()"),
        "one a token": _expected("torch.autograd.grad(penalty(lp).mean(), x)[0]"),
        "unweighted sum": _expected("torch.autograd.grad(penalty(lp).sum(), x)[0]"),
        "divided by V": _expected("torch.autograd.grad((w * penalty(lp)).mean(), x)[0]"),
        "by log-probs": _expected("torch.autograd.grad((w * penalty(lp)).sum(), lp)[0]"),
        "by log-probs as a leaf": _expected(
            "lp.grad", lp="logits.log_softmax(0).detach().requires_grad_()",
            do="(w * penalty(lp)).sum().backward()"),
        "by log-probs through the weights": _expected(
            "torch.autograd.grad((lp.exp() * penalty(lp)).sum(), lp)[0]"),
        "no requires_grad, backward": """def expected_gradient(logits, penalty):
    log_probs = logits.log_softmax(dim=0)
    loss = (log_probs.exp() * penalty(log_probs)).sum()
    loss.backward()
    return logits.grad
""",
        "no requires_grad, grad": """def expected_gradient(logits, penalty):
    log_probs = logits.log_softmax(dim=0)
    loss = (log_probs.exp().detach() * penalty(log_probs)).sum()
    return torch.autograd.grad(loss, logits)[0]
""",
        "detached everything": _expected(lp="torch.log_softmax(x, dim=-1).detach()"),
        "requires_grad too late": _expected(
            lp="logits.log_softmax(0)", x="logits.clone().requires_grad_()"),
        "not in the graph": _expected(lp="x.clone().detach().requires_grad_().log_softmax(0)"),
        "by the logits without grad": _expected(
            "torch.autograd.grad((w * penalty(lp)).sum(), logits)[0]"),
        "REINFORCE": _expected("torch.autograd.grad((w * lp * penalty(lp).detach()).sum(), x)[0]"),
        "only the probabilities": _expected(
            "torch.autograd.grad((lp.exp() * penalty(lp).detach()).sum(), x)[0]"),
        "sign": _expected("-torch.autograd.grad((w * penalty(lp)).sum(), x)[0]"),
        "weighted afterwards": _expected("w * torch.autograd.grad(penalty(lp).sum(), x)[0]"),
        "log-probs as weights": _expected(w="lp.detach()"),
        "penalty of the probabilities": _expected(
            "torch.autograd.grad((w * penalty(lp.exp())).sum(), x)[0]"),
        "penalty of the logits": _expected(
            "torch.autograd.grad((w * penalty(x)).sum(), x)[0]", w="x.softmax(0).detach()"),
        "logits as log-probs": _expected(lp="x"),
        "likeliest token": _expected("torch.autograd.grad(penalty(lp)[w.argmax()], x)[0]"),
        "the value": _expected("(w * penalty(lp)).sum()"),
        "the weighted penalties": _expected("w * penalty(lp)"),
        "tuple": _expected("torch.autograd.grad((w * penalty(lp)).sum(), x)"),
        "no sum": _expected("torch.autograd.grad(w * penalty(lp), x)[0]"),
        "no sum, backward": _expected("x.grad", do="(w * penalty(lp)).backward()"),
        "dim 1": _expected(lp="x.log_softmax(dim=1)"),
        "token by token": """def expected_gradient(logits, penalty):
    logits = logits.clone().requires_grad_()
    lp = logits.log_softmax(0)
    return sum(lp[a].exp().detach() * torch.autograd.grad(penalty(lp[a]), logits)[0]
               for a in range(len(lp)))
""",
        "one sample": """def expected_gradient(logits, penalty):
    x = logits.clone().requires_grad_()
    lp = x.log_softmax(0)
    a = torch.multinomial(lp.exp(), 1)
    return torch.autograd.grad(penalty(lp)[a].sum(), x)[0]
""",
        "uniform weights": _expected(w="torch.ones_like(lp) / len(lp)"),
    },
    "3.5": {
        "mean squared error": "lambda returns, values: (1 - ((returns - values) ** 2).mean() / "
        "returns.var()).item()",
        "mean squared error, var of n": "lambda returns, values: (1 - torch.nn.functional.mse_loss("
        "values, returns) / returns.var(unbiased=False)).item()",
        "R squared": "lambda returns, values: (1 - ((returns - values) ** 2).sum() / "
        "((returns - returns.mean()) ** 2).sum()).item()",
        "sum of squares": "lambda returns, values: (1 - ((returns - values) ** 2).sum() / "
        "returns.var()).item()",
        "the loss": "lambda returns, values: ((returns - values) ** 2).mean().item()",
        "not 1 minus": "lambda returns, values: (torch.var(returns - values) / "
        "torch.var(returns)).item()",
        "correlation": "lambda returns, values: torch.corrcoef(torch.stack((returns, values)))"
        "[0, 1].item()",
        "squared correlation": "lambda returns, values: (torch.corrcoef(torch.stack((returns, "
        "values)))[0, 1] ** 2).item()",
        "correlation by numpy": "lambda returns, values: float(np.corrcoef(returns.numpy(), "
        "values.numpy())[0, 1])",
        "only returns by n": "lambda returns, values: (1 - (returns - values).var() / "
        "returns.var(unbiased=False)).item()",
        "only the error by n": "lambda returns, values: (1 - (returns - values)"
        ".var(unbiased=False) / returns.var()).item()",
        "numpy and torch mixed": "lambda returns, values: 1 - np.var((returns - values).numpy()) "
        "/ returns.var().item()",
        "std": "lambda returns, values: (1 - (returns - values).std() / returns.std()).item()",
        "variance of the values": "lambda returns, values: (values.var() / returns.var()).item()",
        "1 minus the variance of the values": "lambda returns, values: (1 - values.var() / "
        "returns.var()).item()",
        "difference of the variances": "lambda returns, values: (1 - (returns.var() - "
        "values.var()) / returns.var()).item()",
        "plus": "lambda returns, values: (1 - (returns + values).var() / returns.var()).item()",
        "by the values' variance": "lambda returns, values: (1 - (returns - values).var() / "
        "values.var()).item()",
        "upside down": "lambda returns, values: (1 - returns.var() / (returns - values).var())"
        ".item()",
        "brackets": "lambda returns, values: ((1 - (returns - values).var()) / returns.var())"
        ".item()",
        "not divided": "lambda returns, values: 1 - (returns - values).var().item()",
        "no share": "lambda returns, values: (returns.var() - (returns - values).var()).item()",
        "cut off at 0": "lambda returns, values: max(0, 1 - ((returns - values).var() / "
        "returns.var()).item())",
        "absolute": "lambda returns, values: abs(1 - (returns - values).var() / returns.var())"
        ".item()",
        "sign": "lambda returns, values: ((returns - values).var() / returns.var() - 1).item()",
        "percent": "lambda returns, values: 100 * (1 - (returns - values).var() / returns.var())"
        ".item()",
        "error not made a variance": "lambda returns, values: 1 - (returns - values) / "
        "returns.var()",
        "means": "lambda returns, values: (1 - (returns - values).mean() / returns.var()).item()",
        "absolute deviations": "lambda returns, values: (1 - (returns - values).abs().mean() / "
        "(returns - returns.mean()).abs().mean()).item()",
        "covariance": "lambda returns, values: (torch.cov(torch.stack([returns, values]))[0, 1] / "
        "returns.var()).item()",
        "rounded": "lambda returns, values: round((1 - (returns - values).var() / returns.var())"
        ".item(), 2)",
    },
    "4.1": {
        "no rule for silent groups": _relative(then="pass"),
        "no rule, in a loop": """def relative_rewards(rewards, group_size):
    out = []
    for i in range(0, len(rewards), group_size):
        g = rewards[i:i + group_size]
        out.append((g - g.mean()) / (g.std() + 1e-8))
    return torch.cat(out)
""",
        "silent by std == 0": _relative(then="out[std.squeeze(1) == 0] = 0.0"),
        "silent by std == 0, where": _relative(
            out="torch.where(std == 0, torch.zeros_like(groups), (groups - mean) / (std + 1e-8))",
            then="pass"),
        "silent by std == 0, in a loop": """def relative_rewards(rewards, group_size):
    out = torch.zeros_like(rewards)
    for i in range(0, len(rewards), group_size):
        g = rewards[i:i + group_size]
        if g.std() > 0:
            out[i:i + group_size] = (g - g.mean()) / (g.std() + 1e-8)
    return out
""",
        "silent by reward == mean": _relative(then="out[(groups == mean).all(dim=1)] = 0"),
        "silent only if all 0": _relative(then="out[groups.sum(1) == 0] = 0"),
        "silent only if all 0 or 1": _relative(
            then="out[(mean.flatten() == 0) | (mean.flatten() == 1)] = 0"),
        "silent only if the whole batch is": """def relative_rewards(rewards, group_size):
    if (rewards == rewards[0]).all():
        return torch.zeros_like(rewards)
    g = rewards.view(-1, group_size)
    return ((g - g.mean(1, keepdim=True)) / (g.std(1, keepdim=True) + 1e-8)).view(-1)
""",
        "silent groups left out": _relative(
            then="out = out[~(groups == groups[:, :1]).all(dim=1)]"),
        "batch mean and std": _relative(
            mean="rewards.mean()", std="rewards.std()"),
        "batch mean and std, nothing else": "lambda rewards, group_size: "
        "(rewards - rewards.mean()) / (rewards.std() + 1e-8)",
        "std of the batch": _relative(std="rewards.std()"),
        "mean of the batch": _relative(mean="rewards.mean()"),
        "dim 0": _relative(mean="groups.mean(dim=0)", std="groups.std(dim=0)"),
        "dim 0, no rule": _relative(
            mean="groups.mean(dim=0)", std="groups.std(dim=0)", then="pass"),
        "no keepdim": _relative(mean="groups.mean(dim=1)", std="groups.std(dim=1)"),
        "no keepdim, no rule": _relative(
            mean="groups.mean(1)", std="groups.std(1)", then="pass"),
        "variance": _relative(std="groups.var(dim=1, keepdim=True)"),
        "variance, no rule": _relative(std="groups.var(dim=1, keepdim=True)", then="pass"),
        "no eps": _relative(out="(groups - mean) / std"),
        "no eps, no rule": _relative(out="(groups - mean) / std", then="pass"),
        "eps outside": _relative(out="(groups - mean) / std + 1e-8"),
        "eps 1e-4": _relative(out="(groups - mean) / (std + 1e-4)"),
        "eps 1e-6": _relative(out="(groups - mean) / (std + 1e-6)"),
        "eps under the root": _relative(
            std="groups.var(dim=1, keepdim=True)", out="(groups - mean) / torch.sqrt(std + 1e-8)"),
        "ddof 0": _relative(std="groups.std(dim=1, keepdim=True, unbiased=False)"),
        "ddof 0, no rule": _relative(
            std="groups.std(dim=1, keepdim=True, correction=0)", then="pass"),
        "ddof 0 by numpy": """def relative_rewards(rewards, group_size):
    g = rewards.numpy().reshape(-1, group_size)
    out = (g - g.mean(axis=1, keepdims=True)) / (g.std(axis=1, keepdims=True) + 1e-8)
    out[(g == g[:, :1]).all(axis=1)] = 0
    return torch.from_numpy(out.flatten())
""",
        "group size 4 in the code": _relative(groups="rewards.view(-1, 4)"),
        "group size 8 in the code": _relative(groups="rewards.view(-1, 8)"),
        "centred only": _relative(out="groups - mean"),
        "centred only, no rule": _relative(out="groups - mean", then="pass"),
        "rows and columns": _relative(groups="rewards.view(group_size, -1)"),
        "rows and columns, no rule": _relative(
            groups="rewards.view(group_size, -1)", then="pass"),
        "across": "lambda rewards, group_size: ((rewards.view(group_size, -1) - rewards.view("
        "group_size, -1).mean(0)) / (rewards.view(group_size, -1).std(0) + 1e-8)).flatten()",
        "not flattened": _relative("out"),
        "brackets": _relative(out="groups - mean / (std + 1e-8)"),
        "no mean": _relative(out="groups / (std + 1e-8)"),
        "sign": _relative(out="(mean - groups) / (std + 1e-8)"),
        "median": _relative(mean="groups.median(dim=1, keepdim=True).values"),
        "leave one out": _relative(
            mean="(groups.sum(1, keepdim=True) - groups) / (group_size - 1)"),
        "0 to 1": _relative(
            mean="groups.min(1, keepdim=True)[0]",
            std="groups.max(1, keepdim=True)[0] - groups.min(1, keepdim=True)[0]"),
        "two results": _relative("out.flatten(), mean.flatten()"),
        "changes its input": """def relative_rewards(rewards, group_size):
    g = rewards.view(-1, group_size)
    silent = (g == g[:, :1]).all(dim=1)
    g -= g.mean(dim=1, keepdim=True)
    g /= g.std(dim=1, keepdim=True) + 1e-8
    g[silent] = 0
    return g.flatten()
""",
    },
    "4.2": {
        "2 p^G": "lambda p, group_size: 2 * p**group_size",
        "2 (1-p)^G": "lambda p, group_size: 2 * (1 - p) ** group_size",
        "G - 1": "lambda p, group_size: p ** (group_size - 1) + (1 - p) ** (group_size - 1)",
        "all right only": "lambda p, group_size: math.pow(p, group_size)",
        "all wrong only": "lambda p, group_size: (1 - p) ** group_size",
        "teaches something": "lambda p, group_size: 1 - (p**group_size + (1 - p) ** group_size)",
        "product": "lambda p, group_size: p**group_size * (1 - p) ** group_size",
        "product, other form": "lambda p, group_size: (p * (1 - p)) ** group_size",
        "half": "lambda p, group_size: 2 * 0.5**group_size",
        "not all right": "lambda p, group_size: 1 - p**group_size",
        "at least one right": "lambda p, group_size: 1 - (1 - p) ** group_size",
        "bracket": "lambda p, group_size: p**group_size + (1 - p**group_size)",
        "bracket forgotten": "lambda p, group_size: p**group_size + 1 - p**group_size",
        "always 1": "lambda p, group_size: (p + 1 - p) ** group_size",
        "minus": "lambda p, group_size: p**group_size - (1 - p) ** group_size",
        "times G": "lambda p, group_size: p * group_size + (1 - p) * group_size",
        "exchanged": "lambda p, group_size: group_size**p + group_size ** (1 - p)",
        "8 in the code": "lambda p, group_size: p**8 + (1 - p) ** 8",
        "4 in the code": "lambda p, group_size: p**4 + (1 - p) ** 4",
        "two samples": "lambda p, group_size: p * p + (1 - p) * (1 - p)",
        "neighbours agree": "lambda p, group_size: (p**2 + (1 - p)**2) ** (group_size - 1)",
        "neighbours differ": "lambda p, group_size: (1 - 2 * p * (1 - p)) ** (group_size - 1)",
        "the likelier": "lambda p, group_size: max(p**group_size, (1 - p) ** group_size)",
        "inclusion and exclusion": "lambda p, group_size: 1 - (1 - p**group_size) * "
        "(1 - (1 - p) ** group_size)",
        "mean": "lambda p, group_size: 0.5 * (p**group_size + (1 - p) ** group_size)",
        "exactly one": "lambda p, group_size: comb(group_size, 1) * p * (1 - p)**(group_size - 1)",
        "xor": "lambda p, group_size: p ^ group_size + (1 - p) ^ group_size",
        "xor with brackets": "lambda p, group_size: (p ^ group_size) + ((1 - p) ^ group_size)",
        "rounded": "lambda p, group_size: round(p**group_size + (1 - p) ** group_size, 2)",
        "half of the group": "lambda p, group_size: comb(group_size, group_size // 2) * "
        "p ** (group_size // 2) * (1 - p) ** (group_size - group_size // 2)",
    },
    "4.3": {
        "own reward in the mean": _loo("(g - g.mean(dim=1, keepdim=True)).view(-1)"),
        "sum of the others by G": _loo("(g - (g.sum(1, keepdim=True) - g) / G).flatten()"),
        "times (G-1)/G": _loo("((g - g.mean(1, keepdim=True)) * (G - 1) / G).flatten()"),
        "divided by G-1": _loo("((g - g.mean(1, keepdim=True)) / (G - 1)).flatten()"),
        "sum of the others": _loo("(g - (g.sum(1, keepdim=True) - g)).flatten()"),
        "whole sum by G-1": _loo("(g - g.sum(1, keepdim=True) / (G - 1)).flatten()"),
        "mean times G/(G-1)": _loo("(g - g.mean(1, keepdim=True) * G / (G - 1)).flatten()"),
        "brackets": _loo("(g - g.sum(1, keepdim=True) - g / (G - 1)).flatten()"),
        "sign": _loo("((g.sum(1, keepdim=True) - g) / (G - 1) - g).flatten()"),
        "the baseline": _loo("((g.sum(1, keepdim=True) - g) / (G - 1)).flatten()"),
        "added": _loo("(g + (g.sum(1, keepdim=True) - g) / (G - 1)).flatten()"),
        "over the batch": "lambda rewards, group_size: rewards - (rewards.sum() - rewards) / "
        "(len(rewards) - 1)",
        "batch mean": "lambda rewards, group_size: rewards - rewards.mean()",
        "batch sum by G-1": "lambda rewards, group_size: rewards - (rewards.sum() - rewards) / "
        "(group_size - 1)",
        "dim 0": _loo("(g - (g.sum(dim=0, keepdim=True) - g) / (G - 1)).flatten()"),
        "no keepdim, mean": _loo("((g - g.mean(dim=1)) * G / (G - 1)).flatten()"),
        "no keepdim": _loo("(g - (g.sum(dim=1) - g) / (G - 1)).flatten()"),
        "rows and columns": _loo("(g - (g.sum(1, keepdim=True) - g) / (G - 1)).flatten()",
                                 "rewards.view(group_size, -1)"),
        "across": _loo("(g - (g.sum(0, keepdim=True) - g) / (G - 1)).flatten()",
                       "rewards.view(group_size, -1)"),
        "group size 4 in the code": _loo("(g - (g.sum(1, keepdim=True) - g) / 3).flatten()",
                                         "rewards.view(-1, 4)"),
        "group size 8 in the code": _loo("(g - (g.sum(1, keepdim=True) - g) / 7).flatten()",
                                         "rewards.view(-1, 8)"),
        "with std": _loo("((g - (g.sum(1, keepdim=True) - g) / (G - 1)) / "
                         "(g.std(1, keepdim=True) + 1e-8)).flatten()"),
        "relative rewards": _loo("((g - g.mean(1, keepdim=True)) / "
                                 "(g.std(1, keepdim=True) + 1e-8)).flatten()"),
        "next sample": _loo("(g - g.roll(-1, 1)).flatten()"),
        "sample before": _loo("(g - torch.roll(g, 1, dims=1)).flatten()"),
        "first sample": _loo("(g - g[:, 0:1]).flatten()"),
        "leaves out the first": _loo("(g - g[:, 1:].mean(1, keepdim=True)).flatten()"),
        "not flattened": _loo("g - (g.sum(1, keepdim=True) - g) / (G - 1)"),
        "3 in the code": _loo("(g - (g.sum(1, keepdim=True) - g) / 3).flatten()"),
        "median of the group": _loo("(g - g.median(1, keepdim=True)[0]).flatten()"),
    },
    "4.4": {
        "[:-(n % G)]": _cut("[:-(n % group_size)]"),
        "[:-(n % G)], in two steps": _cut("[:-rest]", before="rest = len(rewards) % group_size"),
        "[:-(n % G)], texts whole": _cut("[:-(n % group_size)]", ""),
        "texts not cut": _cut("[:n // group_size * group_size]", ""),
        "rewards not cut": _cut("", "[:n // group_size * group_size]"),
        "front cut": _cut("[n % group_size:]"),
        "texts cut in front": _cut("[:n - n % group_size]", "[n % group_size:]"),
        "nothing cut": "lambda rewards, texts, group_size: (rewards, texts)",
        "rounded up": _cut("[:math.ceil(n / group_size) * group_size]"),
        "rounded": _cut("[:round(n / group_size) * group_size]"),
        "always one": _cut("[:-1]"),
        "always a group": _cut("[:-group_size]"),
        "number of groups": _cut("[:n // group_size]"),
        "number that go": _cut("[:n % group_size]"),
        "first group": _cut("[:group_size]"),
        "the incomplete group": _cut("[n // group_size * group_size:]"),
        "one too few": _cut("[:n // group_size * group_size - 1]"),
        "one too many": _cut("[:n // group_size * group_size + 1]"),
        "last complete group too": _cut("[:(n // group_size - 1) * group_size]"),
        "4 in the code": _cut("[:n // 4 * 4]"),
        "3 in the code": _cut("[:n // 3 * 3]"),
        "2 in the code": _cut("[:n // 2 * 2]"),
        "only rewards": "lambda rewards, texts, group_size: "
        "rewards[:len(rewards) // group_size * group_size]",
        "order": "lambda rewards, texts, group_size: (texts[:len(texts) // group_size * "
        "group_size], rewards[:len(rewards) // group_size * group_size])",
        "as groups": _cut("[:n // group_size * group_size].view(-1, group_size)",
                          "[:n // group_size * group_size]"),
        "joined": "lambda rewards, texts, group_size: (rewards[:len(rewards) // group_size * "
        "group_size], ''.join(texts[:len(rewards) // group_size * group_size]))",
        "true division": _cut("[:n / group_size * group_size]"),
        "view": "lambda rewards, texts, group_size: (rewards.view(-1, group_size).flatten(), "
        "texts)",
        "view with the number of groups": "lambda rewards, texts, group_size: (rewards.view(len("
        "rewards) // group_size, group_size).flatten(), texts)",
        "every G-th": _cut("[::group_size]"),
    },
    "4.5": {
        "maximum": _loss(loss="-torch.max(ratio * A, clipped * A)"),
        "maximum for negative": _loss(loss="-torch.min(ratio, clipped) * A"),
        "-min(-x, -y)": _loss(loss="-torch.min(-ratio * A, -clipped * A)"),
        "no unsqueeze": _loss(A="advantages"),
        "unsqueeze(0)": _loss(A="advantages.unsqueeze(0)"),
        "sum over tokens": _loss("(loss * mask).sum(dim=1).mean()"),
        "no exp": _loss(ratio="log_probs - old_log_probs"),
        "no mask": _loss("loss.mean()"),
        "no mask, dim 1": _loss("loss.mean(dim=1).mean()"),
        "mask not in the number": _loss("(loss * mask).mean()"),
        "mask not in the number, dim 1": _loss("(loss * mask).mean(1).mean()"),
        "mask in the number only": _loss("(loss.sum(1) / mask.sum(1)).mean()"),
        "0.2 in the code": _loss(clipped="torch.clamp(ratio, 0.8, 1.2)"),
        "token mean": _loss("(loss * mask).sum() / mask.sum()"),
        "token mean by index": _loss("loss[mask.bool()].mean()"),
        "detached": _loss(ratio="(log_probs - old_log_probs).exp().detach()"),
        "item": _loss("((loss * mask).sum(1) / mask.sum(1)).mean().item()"),
        "no minus": _loss(loss="torch.min(ratio * A, clipped * A)"),
        "nothing clipped": _loss(loss="-ratio * A"),
        "only clipped": _loss(loss="-clipped * A"),
        "ratio upside down": _loss(ratio="(old_log_probs - log_probs).exp()"),
        "ratio of the log-probs": _loss(ratio="log_probs / old_log_probs"),
        "old policy forgotten": _loss(ratio="log_probs.exp()"),
        "product clipped": _loss(
            loss="-torch.min(ratio * A, torch.clamp(ratio * A, 1 - clip, 1 + clip))"),
        "clamp to -clip ... clip": _loss(clipped="ratio.clamp(-clip, clip)"),
        "no advantages": _loss(loss="-torch.min(ratio, clipped)"),
        "sum over everything": _loss("(loss * mask).sum()"),
        "sum over responses": _loss("((loss * mask).sum(1) / mask.sum(1)).sum()"),
        "one a response": _loss("(loss * mask).sum(1) / mask.sum(1)"),
        "one a token": _loss("loss * mask"),
        "dim 0": _loss("((loss * mask).sum(0) / mask.sum(0)).mean()"),
        "all tokens below": _loss("((loss * mask).sum(1) / mask.sum()).mean()"),
        "log-probs masked": _loss(
            "loss.mean()", ratio="((log_probs - old_log_probs) * mask).exp()"),
        "log-probs masked, number right": _loss(
            "(loss.sum(1) / mask.sum(1)).mean()", ratio="((log_probs - old_log_probs) * mask).exp()"
        ),
        "REINFORCE": _loss(loss="-log_probs * A"),
        "GSPO": _loss(
            "loss.mean()",
            ratio="(((log_probs - old_log_probs) * mask).sum(1) / mask.sum(1)).exp()",
            A="advantages"),
        "a ratio a response": _loss(
            "loss.mean()", ratio="((log_probs - old_log_probs) * mask).sum(1).exp()",
            A="advantages"),
        "standardised": _loss(
            A="((advantages - advantages.mean()) / (advantages.std() + 1e-8)).unsqueeze(1)"),
        "builtin min": _loss(loss="-min(ratio * A, clipped * A)"),
        "exp of the clipped log-ratio": _loss(
            clipped="(log_probs - old_log_probs).clamp(-clip, clip).exp()"),
        "divided by B": _loss("(loss * mask).sum() / len(advantages)"),
    },
}  # fmt: skip

RIGHT: dict[str, dict[str, str]] = {
    "3.1": {
        "matrix": _GAE + """\
    T = values.shape[1]
    v = torch.where(mask > 0, values, torch.zeros_like(values))
    following = torch.nn.functional.pad(v[:, 1:], (0, 1))
    deltas = (rewards + gamma * following - v) * mask
    away = torch.arange(T)[:, None] - torch.arange(T)
    weights = torch.where(away >= 0, (gamma * lam) ** away.clamp(min=0), 0.0)
    return deltas @ weights.to(deltas.dtype) * mask
""",
        "recursion": _GAE + """\
    v = values.masked_fill(mask == 0, 0)
    def at(t):
        if t == v.shape[1]:
            return []
        later = at(t + 1)
        next_v = v[:, t + 1] if later else 0
        delta = rewards[:, t] + gamma * next_v - v[:, t]
        a = delta + gamma * lam * (later[0] if later else 0)
        return [a * mask[:, t], *later]
    return torch.stack(at(0), dim=1)
""",
        "token by token in lists": _GAE + """\
    out = [[0.0] * values.shape[1] for _ in range(len(values))]
    for b in range(len(values)):
        length = int(mask[b].sum())
        last = 0.0
        for t in range(length - 1, -1, -1):
            v_next = values[b, t + 1].item() if t + 1 < length else 0.0
            last = rewards[b, t].item() + gamma * v_next - values[b, t].item() + gamma * lam * last
            out[b][t] = last
    return torch.tensor(out)
""",
        "other names, bool mask": """def f(r, v, m, g, l):
    m = m.bool()
    v = v * m
    adv, a = torch.zeros_like(v), 0
    for t in range(v.shape[1] - 1, -1, -1):
        nv = v[:, t + 1] if t + 1 < v.shape[1] else torch.zeros(len(v))
        a = torch.where(m[:, t], r[:, t] + g * nv - v[:, t] + g * l * a, 0.0)
        adv[:, t] = a
    return adv
""",
        "lambda returns": _GAE + """\
    v = values * mask
    returns = torch.zeros_like(v)
    ahead, v_next = torch.zeros_like(v[:, 0]), torch.zeros_like(v[:, 0])
    for t in reversed(range(v.shape[1])):
        ahead = rewards[:, t] + gamma * ((1 - lam) * v_next + lam * ahead)
        ahead = ahead * mask[:, t]
        returns[:, t], v_next = ahead, v[:, t]
    return (returns - v) * mask
""",
        "numpy": _GAE + """\
    r, v, m = (x.numpy().astype(float) for x in (rewards, values, mask))
    out, last, nxt = np.zeros_like(v), np.zeros(len(v)), np.zeros(len(v))
    for t in reversed(range(v.shape[1])):
        last = m[:, t] * (r[:, t] + gamma * nxt - v[:, t] + gamma * lam * last)
        nxt = v[:, t] * m[:, t]
        out[:, t] = last
    return torch.from_numpy(out)
""",
        "list turned round": _gae().replace(
            "advantages = torch.zeros_like(rewards)", "out = []"
        ).replace("advantages[:, t] = a * mask[:, t]", "out.insert(0, a * mask[:, t])").replace(
            "return advantages", "return torch.stack(out).T"),
    },
    "3.2": {
        "max of the losses": _surrogate(
            "torch.max(-advantages * ratio, -advantages * clipped)"),
        "where on the sign": _surrogate(
            "-torch.where(advantages >= 0, torch.minimum(ratio, clipped), "
            "torch.maximum(ratio, clipped)) * advantages"),
        "one-sided limits": _surrogate(
            "-torch.where(advantages > 0, ratio.clamp(max=1 + clip), ratio.clamp(min=1 - clip)) "
            "* advantages"),
        "division of probabilities": _surrogate(ratio="log_probs.exp() / old_log_probs.exp()"),
        "clip with min and max": _surrogate(
            clipped="torch.clip(ratio, min=1 - clip, max=1 + clip)"),
        "log-ratio clamped to logs": _surrogate(
            clipped="(log_probs - old_log_probs).clamp(math.log(1 - clip), math.log(1 + clip))"
            ".exp()"),
        "smaller of a stack": _surrogate(
            "-torch.stack([ratio * advantages, clipped * advantages]).amin(dim=0)"),
        "OpenAI's form": _surrogate(
            "-torch.min(ratio * advantages, torch.where(advantages > 0, (1 + clip) * advantages, "
            "(1 - clip) * advantages))"),
        "float64": "lambda a, b, A, c: torch.max(-A.double() * (a - b).double().exp(), "
        "-A.double() * (a - b).double().exp().clamp(1 - c, 1 + c))",
    },
    "3.3": {
        "expm1": _kl(k3="torch.expm1(d) - d"),
        "by losses of torch": """def kl(lp, ref):
    F = torch.nn.functional
    return (-F.logsigmoid(ref - lp) + F.logsigmoid(lp - ref),
            F.mse_loss(lp, ref, reduction="none") / 2,
            F.poisson_nll_loss(ref - lp, torch.ones_like(lp), reduction="none") - 1)
""",
        "huber": _kl(k2="torch.nn.functional.huber_loss(log_probs, ref_log_probs, "
                     "reduction='none', delta=100.0)"),
        "list": _kl("[k1, k2, k3]"),
        "stacked": _kl("torch.stack([k1, k2, k3])"),
        "ratio": _kl(k3="(r := ref_log_probs.exp() / log_probs.exp()) - 1 - torch.log(r)"),
        "from k1": _kl(k1="log_probs - ref_log_probs", k2="k1.pow(2).mul(0.5)",
                       k3="(-k1).exp() + k1 - 1"),
        "float64": _kl(d="(ref_log_probs - log_probs).double()"),
    },
    "3.4": {
        "backward": _expected("x.grad", do="(w * penalty(lp)).sum().backward()"),
        "backward on the input": """def f(logits, penalty):
    logits.requires_grad_()
    log_probs = logits.log_softmax(0)
    with torch.no_grad():
        probs = log_probs.exp()
    (probs * penalty(log_probs)).sum().backward()
    return logits.grad
""",
        "dot product": _expected("torch.autograd.grad(w @ penalty(lp), x)[0]"),
        "weights as grad_outputs": _expected(
            "torch.autograd.grad(penalty(lp), x, grad_outputs=w)[0]"),
        "weights as backward's argument": _expected("x.grad", do="penalty(lp).backward(w)"),
        "weights of the plain logits": _expected(w="logits.softmax(0)"),
        "token by token": """def f(logits, penalty):
    total = torch.zeros_like(logits)
    for a in range(len(logits)):
        x = logits.clone().requires_grad_()
        lp = x.log_softmax(0)
        total += lp[a].exp().item() * torch.autograd.grad(penalty(lp)[a], x)[0]
    return total
""",
        "jacobian": """def f(logits, penalty):
    J = torch.autograd.functional.jacobian(lambda z: penalty(z.log_softmax(0)), logits)
    return logits.softmax(0) @ J
""",
        "jacrev": """def f(logits, penalty):
    return logits.softmax(0) @ torch.func.jacrev(lambda z: penalty(z.log_softmax(0)))(logits)
""",
        "by hand through the softmax": """def f(z, penalty):
    lp = z.log_softmax(0).requires_grad_()
    g = torch.autograd.grad((lp.exp().detach() * penalty(lp)).sum(), lp)[0]
    return (g - z.softmax(0) * g.sum()).detach()
""",
        "torch.func.grad": """def f(logits, penalty):
    w = logits.softmax(0)
    return torch.func.grad(lambda z: (w * penalty(torch.log_softmax(z, 0))).sum())(logits)
""",
        "Parameter": _expected(x="torch.nn.Parameter(logits.clone())"),
    },
    "3.5": {
        "0-dim tensor": "lambda returns, values: 1 - (returns - values).var() / returns.var()",
        "by n": "lambda returns, values: float(1 - torch.var(values - returns, unbiased=False) / "
        "torch.var(returns, unbiased=False))",
        "numpy": "lambda returns, values: 1 - np.var((returns - values).numpy()) / "
        "np.var(returns.numpy())",
        "statistics": """def f(returns, values):
    import statistics
    e = [r - v for r, v in zip(returns.tolist(), values.tolist())]
    return 1 - statistics.variance(e) / statistics.variance(returns.tolist())
""",
        "std squared": "lambda r, v: (1 - ((r - v).std() / r.std()) ** 2).item()",
        "moments": "lambda r, v: (1 - (((r - v) ** 2).mean() - (r - v).mean() ** 2) / "
        "((r**2).mean() - r.mean() ** 2)).item()",
        "numerator": "lambda r, v: ((r.var() - (r - v).var()) / r.var()).item()",
    },
    "4.1": {
        "where": _relative(
            "torch.where((groups == groups[:, :1]).all(1, keepdim=True), 0.0, out).flatten()",
            then="pass"),
        "max equals min": _relative(
            then="out = out * (groups.amax(1, keepdim=True) != groups.amin(1, keepdim=True))"),
        "tolerance": _relative(then="out = out.masked_fill(std < 1e-6, 0)"),
        "unbiased": _relative(std="groups.std(1, unbiased=True, keepdim=True)"),
        "loop over groups": """def f(rewards, group_size):
    out = []
    for g in rewards.split(group_size):
        same = all(x == g[0] for x in g)
        out.append(torch.zeros_like(g) if same else (g - g.mean()) / (g.std() + 1e-8))
    return torch.cat(out)
""",
        "unique": """def f(rewards, group_size):
    out = torch.empty_like(rewards)
    for i in range(len(rewards) // group_size):
        rows = slice(i * group_size, (i + 1) * group_size)
        g = rewards[rows]
        out[rows] = 0 if len(g.unique()) == 1 else (g - g.mean()) / (g.std() + 1e-8)
    return out
""",
        "statistics, a list": """def f(rewards, group_size):
    import statistics
    r, out = rewards.tolist(), []
    for i in range(0, len(r), group_size):
        g = r[i:i + group_size]
        m, s = statistics.mean(g), statistics.stdev(g)
        out += [0.0 if len(set(g)) == 1 else (x - m) / (s + 1e-8) for x in g]
    return out
""",
        "numpy": """def f(rewards, group_size):
    g = rewards.numpy().reshape(-1, group_size)
    out = (g - g.mean(1, keepdims=True)) / (g.std(1, ddof=1, keepdims=True) + 1e-8)
    return np.where(np.ptp(g, axis=1, keepdims=True) == 0, 0, out).ravel()
""",
        "repeat_interleave": """def f(rewards, group_size):
    g = rewards.unflatten(0, (-1, group_size))
    m = g.mean(1).repeat_interleave(group_size)
    s = g.std(1).repeat_interleave(group_size)
    silent = (g.diff(dim=1) == 0).all(1).repeat_interleave(group_size)
    return ((rewards - m) / (s + 1e-8)).masked_fill(silent, 0)
""",
        "columns": _relative(
            "out.T.reshape(-1)", groups="rewards.view(-1, group_size).T",
            mean="groups.mean(0)", std="groups.std(0)",
            then="out[:, (groups == groups[0]).all(0)] = 0"),
        "float64 throughout": _relative(groups="rewards.double().view(-1, group_size)"),
    },
    "4.2": {
        "math.pow": "lambda p, group_size: math.pow(p, group_size) + math.pow(1 - p, group_size)",
        "numpy": "lambda p, group_size: np.float64(p) ** group_size + np.power(1 - p, group_size)",
        "float32 tensor": "lambda p, g: torch.tensor(p) ** g + torch.tensor(1 - p) ** g",
        "sum over the mixed": "lambda p, group_size: 1 - sum(comb(group_size, k) * p**k * "
        "(1 - p) ** (group_size - k) for k in range(1, group_size))",
        "prod": "lambda p, n: math.prod([p] * n) + math.prod([1 - p] * n)",
        "loop": """def f(p, group_size):
    right = wrong = 1.0
    for _ in range(group_size):
        right *= p
        wrong *= 1 - p
    return right + wrong
""",
        "fractions": """def f(p, group_size):
    from fractions import Fraction
    q = Fraction(p)
    return float(q**group_size + (1 - q) ** group_size)
""",
    },
    "4.3": {
        "factor": _loo("(g - g.mean(dim=1, keepdim=True)).flatten() * G / (G - 1)"),
        "loop": """def f(rewards, group_size):
    out = []
    for i in range(len(rewards)):
        start = i // group_size * group_size
        others = [rewards[j] for j in range(start, start + group_size) if j != i]
        out.append(rewards[i] - sum(others) / len(others))
    return torch.stack(out)
""",
        "matrix": _loo("(g - g @ (1 - torch.eye(G, dtype=g.dtype)) / (G - 1)).flatten()"),
        "list of floats": """def f(rewards, group_size):
    r = rewards.tolist()
    groups = [r[i:i + group_size] for i in range(0, len(r), group_size)]
    return [x - (sum(g) - x) / (group_size - 1) for g in groups for x in g]
""",
        "multiplied out": _loo("(G * g - g.sum(1, keepdim=True)).div(G - 1).reshape(-1)"),
        "numpy": "lambda rewards, n: torch.tensor(((a := rewards.numpy().reshape(-1, n)) - "
        "(a.sum(1, keepdims=True) - a) / (n - 1)).ravel())",
    },
    "4.4": {
        "minus the rest": _cut("[:n - n % group_size]"),
        "list of rewards": "lambda rewards, texts, group_size: (rewards.tolist()[:len(texts) - "
        "len(texts) % group_size], texts[:len(texts) - len(texts) % group_size])",
        "list returned, texts a tuple": _cut("[:k]", "[:k]", "k = len(texts) // group_size * "
        "group_size; texts = tuple(texts)"),
        "while": """def f(rewards, texts, group_size):
    n = len(rewards)
    while n % group_size:
        n -= 1
    return [rewards[:n], [text for text in texts[:n]]]
""",
        "if there is a rest": """def f(rewards, texts, group_size):
    rest = len(rewards) % group_size
    if rest:
        rewards, texts = rewards[:-rest], texts[:-rest]
    return rewards, texts
""",
        "narrow": """def f(r, t, G):
    k = r.numel() // G
    return r.narrow(0, 0, k * G), t[0:k * G]
""",
        "-rest or None": _cut("[:-(n % group_size) or None]"),
        "whole splits": """def f(rewards, texts, group_size):
    whole = [g for g in rewards.split(group_size) if len(g) == group_size]
    kept = torch.cat(whole)
    return kept, texts[:len(kept)]
""",
    },
    "4.5": {
        "max of the losses": _loss(loss="torch.maximum(-ratio * A, -clipped * A)"),
        "view": _loss(A="advantages.view(-1, 1)"),
        "other names": """def f(new, old, A, m, eps):
    r = torch.exp(new - old)
    L = -torch.min(r * A[:, None], r.clamp(1 - eps, 1 + eps) * A[:, None])
    return torch.mean(torch.sum(L * m, -1) / torch.sum(m, -1))
""",
        "expanded": _loss(A="advantages.unsqueeze(-1).expand_as(log_probs)"),
        "loop over responses": """def f(log_probs, old_log_probs, advantages, mask, clip):
    total = 0.0
    for lp, old, A, m in zip(log_probs, old_log_probs, advantages, mask):
        r = (lp - old)[m.bool()].exp()
        total = total - torch.min(r * A, r.clamp(1 - clip, 1 + clip) * A).mean()
    return total / len(advantages)
""",
        "masked_fill": _loss("(loss.masked_fill(mask == 0, 0).sum(1) / mask.sum(1)).mean()"),
        "where": _loss("(torch.where(mask.bool(), loss, 0).sum(1) / mask.count_nonzero(1)).mean()"),
        "weights": _loss("(loss * mask / mask.sum(1, keepdim=True)).sum() / len(mask)"),
        "transposed": _loss(
            "((loss * mask.T).sum(0) / mask.sum(1)).mean()",
            ratio="(log_probs - old_log_probs).T.exp()", A="advantages"),
        "one-element tensor avoided by dot": _loss(
            "(loss * mask).sum(1) @ (1 / mask.sum(1)).to(loss.dtype) / mask.shape[0]"),
        "lower limit, upper limit": _loss(
            loss="-A * torch.where(A > 0, ratio.clamp(max=1 + clip), ratio.clamp(min=1 - clip))"),
        "masked log-ratio first": _loss(
            ratio="((log_probs - old_log_probs) * mask).exp()"),
        "nan outside the mask": _loss(
            "loss.masked_fill(mask == 0, float('nan')).nanmean(dim=1).mean()"),
    },
}  # fmt: skip
