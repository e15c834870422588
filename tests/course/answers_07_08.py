"""Answers to the exercises of 07 and to the last of 08 as learners give them: wrong, unusual right.

Those of 08 that were there before have their mistakes beside them alone.
"""

WRONG: dict[str, dict[str, str]] = {
    "7.1": {
        "at once": "lambda completion_ids, limit, buffer: "
        "[-1.0 if len(x) > limit - buffer else 0.0 for x in completion_ids]",
        "at the limit": "lambda completion_ids, limit, buffer: "
        "[-float(len(x) >= limit) for x in completion_ids]",
        "never ends": "lambda completion_ids, limit, buffer: "
        "[min((limit - buffer - len(x)) / buffer, 0.0) for x in completion_ids]",
        "pays for length": "lambda completion_ids, limit, buffer: "
        "[min(max((len(x) - limit + buffer) / buffer, 0.0), 1.0) for x in completion_ids]",
        "per limit": "lambda completion_ids, limit, buffer: "
        "[-min(max((len(x) - limit + buffer) / limit, 0.0), 1.0) for x in completion_ids]",
        "pays for shortness": "lambda completion_ids, limit, buffer: "
        "[max((limit - buffer - len(x)) / buffer, -1.0) for x in completion_ids]",
        "behind the limit": "lambda completion_ids, limit, buffer: "
        "[-min(max((len(x) - limit) / buffer, 0.0), 1.0) for x in completion_ids]",
        "one for all": "lambda completion_ids, limit, buffer: -1.0",
        "by the ids": "lambda completion_ids, limit, buffer: [-1.0 if limit in x else 0.0 "
        "for x in completion_ids]",
    },
    "7.2": {
        "the product": "lambda lp, old, m: ((lp - old) * m).sum(1).exp()",
        "the mean of ratios": "lambda lp, old, m: ((lp - old).exp() * m).sum(1) / m.sum(1)",
        "padding and all": "lambda lp, old, m: (lp - old).mean(-1).exp()",
        "by the width": "lambda lp, old, m: (((lp - old) * m).mean(1)).exp()",
        "upside down": "lambda lp, old, m: (((old - lp) * m).sum(1) / m.sum(1)).exp()",
        "no exp": "lambda lp, old, m: ((lp - old) * m).sum(1) / m.sum(1)",
        "of the batch": "lambda lp, old, m: "
        "(((lp - old) * m).sum() / m.sum()).exp().repeat(len(m))",
        "per token": "lambda lp, old, m: (lp - old).exp() * m",
    },
    "7.3": {
        "attached": "lambda lp, old, A, cap: -(lp - old).exp().clamp(max=cap) * A * lp",
        "no log-prob": "lambda lp, old, A, cap: -(lp - old).exp().clamp(max=cap) * A",
        "PPO's": "lambda lp, old, A, cap: -torch.min((lp - old).exp() * A, "
        "(lp - old).exp().clamp(max=cap) * A)",
        "one plus": "lambda lp, old, A, cap: "
        "-(lp - old).exp().clamp(max=1 + cap).detach() * A * lp",
        "the sign": "lambda lp, old, A, cap: (lp - old).exp().clamp(max=cap).detach() * A * lp",
        "uncapped": "lambda lp, old, A, cap: -(lp - old).exp().detach() * A * lp",
        "all detached": "lambda lp, old, A, cap: "
        "(-(lp - old).exp().clamp(max=cap) * A * lp).detach()",
        "both sides": "lambda lp, old, A, cap: "
        "-(lp - old).exp().clamp(2 - cap, cap).detach() * A * lp",
    },
    "7.4": {
        "upside down": "lambda old, q, cap: (q - old).exp().clamp(max=cap)",
        "untruncated": "lambda old, q, cap: (old - q).exp()",
        "dropped": "lambda old, q, cap: (old - q).exp() * ((old - q).exp() <= cap)",
        "both ends": "lambda old, q, cap: (old - q).exp().clamp(1 / cap, cap)",
        "no exp": "lambda old, q, cap: (old - q).clamp(max=cap)",
        "the log capped": "lambda old, q, cap: (old - q).clamp(max=cap).exp()",
    },
    "8.5": {
        "itself": "lambda policy: policy",
        "itself, frozen": "lambda policy: policy.requires_grad_(False)",
        "a trainable copy": "def frozen_reference(policy):\n    import copy\n"
        "    return copy.deepcopy(policy).eval()",
        "its weights": "lambda policy: policy.state_dict()",
        "a shallow copy": "def frozen_reference(policy):\n    import copy\n"
        "    return copy.copy(policy)",
        "a function": "def frozen_reference(policy):\n    return lambda x: policy(x).detach()",
    },
}

RIGHT: dict[str, dict[str, str]] = {
    "7.1": {
        "in three cases": """
def overlong_punishment(completion_ids, limit, buffer):
    paid = []
    for ids in completion_ids:
        n = len(ids)
        if n <= limit - buffer:
            paid.append(0.0)
        elif n <= limit:
            paid.append((limit - buffer - n) / buffer)
        else:
            paid.append(-1.0)
    return paid""",
        "a tensor": "lambda completion_ids, limit, buffer: torch.tensor("
        "[-min(max((len(x) - limit + buffer) / buffer, 0.0), 1.0) for x in completion_ids])",
        "with max and min": "lambda completion_ids, limit, buffer: "
        "[max(-1.0, min(0.0, (limit - buffer - len(x)) / buffer)) for x in completion_ids]",
    },
    "7.2": {
        "by the root": "lambda lp, old, m: "
        "torch.where(m.bool(), (lp - old).exp(), 1.0).prod(1) ** (1 / m.sum(1))",
        "filled": "lambda lp, old, m: ((lp - old).masked_fill(m == 0, 0).sum(1) / m.sum(1)).exp()",
    },
    "7.3": {
        "without a graph": """
def cispo_loss(log_probs, old_log_probs, advantages, cap):
    with torch.no_grad():
        weight = (log_probs - old_log_probs).exp().clamp(max=cap)
    return -weight * advantages * log_probs""",
        "with min": "lambda lp, old, A, cap: "
        "-torch.minimum((lp - old).exp(), torch.tensor(cap)).detach() * A * lp",
    },
    "7.4": {
        "with min": "lambda old, q, cap: torch.minimum((old - q).exp(), torch.tensor(cap))",
        "by probabilities": "lambda old, q, cap: (old.exp() / q.exp()).clamp(max=cap)",
    },
    "8.5": {
        "parameter by parameter": """
def frozen_reference(policy):
    import copy
    reference = copy.deepcopy(policy)
    for parameter in reference.parameters():
        parameter.requires_grad = False
    return reference""",
        "in eval mode": "def frozen_reference(policy):\n    import copy\n"
        "    return copy.deepcopy(policy).eval().requires_grad_(False)",
    },
}
