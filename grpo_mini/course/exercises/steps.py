"""The training steps of 3.6 and 4.6: toy models to take them with, and what typically goes wrong.

The policy and the critic are tables of numbers. They have moved since the batch was sampled, far
enough for the clip to act in both directions, and the policy is not its reference.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ...advantages import gae, standardize
from ...losses import aggregate
from ..checker import Mistake
from ..mine import pieces


class ToyPolicy(torch.nn.Module):
    """Logits [B, T, 4] and the tokens that were sampled; called, it gives their log-probs."""

    def __init__(self, logits: Tensor, tokens: Tensor):
        super().__init__()
        self.logits, self.tokens = torch.nn.Parameter(logits), tokens

    def forward(self) -> Tensor:
        """Log-probs [B, T]."""
        return self.logits.log_softmax(dim=-1).gather(-1, self.tokens.unsqueeze(-1)).squeeze(-1)


class ToyCritic(torch.nn.Module):
    """Values [B, T]."""

    def __init__(self, values: Tensor):
        super().__init__()
        self.values = torch.nn.Parameter(values)

    def forward(self) -> Tensor:
        """Values [B, T]."""
        return self.values * 1.0


def toy(rewards: list[float], lengths: list[int], seed: int, with_critic: bool = False) -> dict:
    """Arguments of a step that both algorithms have, and a critic that knows something."""
    generator = torch.Generator().manual_seed(seed)
    size = (len(lengths), max(lengths))
    logits = torch.randn(*size, 4, generator=generator)
    tokens = torch.randint(4, size, generator=generator)
    policy = ToyPolicy(logits, tokens)
    others = [ToyPolicy(logits + 0.7 * torch.randn(*size, 4, generator=generator), tokens)
              for _ in range(2)]  # fmt: skip
    old, ref = (other().detach() for other in others)
    mask = (torch.arange(size[1]) < torch.tensor(lengths).unsqueeze(1)).long()  # as rollouts have
    models = {"policy": policy}
    if with_critic:
        noise = torch.rand(size, generator=generator)
        models["critic"] = ToyCritic(0.5 * torch.tensor(rewards).unsqueeze(1) + 0.5 * noise)
    parameters = [p for model in models.values() for p in model.parameters()]
    return {
        **models,
        "optimizer": torch.optim.SGD(parameters, lr=2.0),
        "rewards": torch.tensor(rewards),
        "old_log_probs": old,
        "ref_log_probs": ref,
        "mask": mask,
    }


def seen(result: object, inputs: dict) -> object:
    """The intermediate results in the order in which they arise, and the weights at the end."""
    if not isinstance(result, dict):
        return result
    flat = {name: value for name, value in result.items() if isinstance(name, str)}
    for name, value in flat.items():  # whatever stands on padding
        if isinstance(value, Tensor) and value.shape == inputs["mask"].shape:
            flat[name] = value.masked_fill(inputs["mask"] == 0, 0)
    for update in range(1, inputs["updates"] + 1):
        row = result.get(update)
        if isinstance(row, dict):
            flat |= {f"{name} of update {update}": value for name, value in row.items()}
    for name in ("policy", "critic"):
        if name in inputs:
            flat[f"weights of the {name} at the end"] = next(inputs[name].parameters())
    return flat


def surrogate(log_probs: Tensor, old: Tensor, advantages: Tensor, clip: float, fault: str):
    """The clipped surrogate per token, or what a fault makes of it."""
    ratio = (log_probs - old).exp()
    if fault == "ratio upside down":
        ratio = (old - log_probs).exp()
    elif fault == "ratio without exp":
        ratio = log_probs - old
    elif fault == "old log-probs renewed":
        ratio = (log_probs - log_probs.detach()).exp()
    plain, clipped = ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages
    if fault == "no clip":
        return -plain
    if fault == "only clipped":
        return -clipped
    if fault == "max for min":
        return -torch.maximum(plain, clipped)
    if fault == "max for negative":
        return -torch.where(advantages < 0, torch.maximum(plain, clipped),
                            torch.minimum(plain, clipped))  # fmt: skip
    loss = -torch.minimum(plain, clipped)
    return -loss if fault == "objective" else loss


def kl_of(log_probs: Tensor, ref: Tensor, fault: str) -> Tensor:
    """k3 per token, or what a fault makes of it."""
    if fault == "KL exchanged":
        log_probs, ref = ref, log_probs
    k1, k2, k3 = pieces.kl_estimators(log_probs, ref)
    if fault == "KL without gradient":
        return k3.detach()
    return {"k1": k1, "k2": k2}.get(fault, k3)


def finish(optimizer, loss: Tensor, fault: str) -> None:
    """One update, or what a fault makes of it."""
    if fault != "no zero_grad":
        optimizer.zero_grad()
    loss.backward()
    if fault != "no step":
        optimizer.step()
    if fault == "zero_grad too late":
        optimizer.step()


def faulty_grpo(fault: str) -> Callable:
    """GRPO's step with one fault."""

    def step(policy, optimizer, rewards, old_log_probs, ref_log_probs, mask, group_size, clip,
             kl_coef, updates):  # fmt: skip
        groups = rewards.view(-1, group_size)
        relative = groups - groups.mean(dim=1, keepdim=True)
        if fault == "mean of the batch":
            relative = groups - groups.mean()
        if fault == "std of the batch":
            relative = relative / (rewards.std() + 1e-8)
        elif fault == "ddof 0":
            relative = relative / (groups.std(dim=1, keepdim=True, correction=0) + 1e-8)
        elif fault != "no std":
            relative = relative / (groups.std(dim=1, keepdim=True) + 1e-8)
        advantages = relative.flatten()
        kept = torch.ones_like(mask) if fault == "no mask" else mask
        how = "token" if fault == "token mean" else "sequence"
        found = {"advantages": advantages}
        for update in range(1, 2 if fault == "one update" else updates + 1):
            log_probs = policy()
            A = advantages.unsqueeze(1)
            policy_loss = aggregate(surrogate(log_probs, old_log_probs, A, clip, fault), kept, how)
            if fault == "mask in the sum only":
                policy_loss = (surrogate(log_probs, old_log_probs, A, clip, "") * mask).mean()
            per_token = kl_of(log_probs, ref_log_probs, fault)
            kl = per_token.mean() if fault == "KL on padding" else aggregate(per_token, kept, how)
            if fault == "KL over tokens":
                kl = aggregate(per_token, kept, "token")
            weight = {"no KL": 0.0, "minus KL": -kl_coef, "KL in full": 1.0}.get(fault, kl_coef)
            loss = policy_loss + weight * kl
            finish(optimizer, loss, fault)
            found[update] = {"policy_loss": policy_loss, "kl": kl, "loss": loss}
        return found

    return step


def faulty_ppo(fault: str) -> Callable:
    """PPO's step with one fault."""

    def step(policy, critic, optimizer, rewards, old_log_probs, ref_log_probs, mask, gamma, lam,
             clip, kl_coef, vf_coef, updates):  # fmt: skip
        values = critic() if fault.endswith("raw values") else critic() * mask
        if fault != "no detach":
            values = values.detach()
        last = mask.sum(dim=1).long() - 1
        if fault == "reward in the last column":
            last = torch.full_like(last, mask.shape[1] - 1)
        paid = torch.zeros_like(mask if fault == "zeros like the mask" else values)
        whole = rewards.trunc() if fault == "rewards cut" else rewards
        paid[torch.arange(len(rewards)), last] = whole
        if fault == "reward at each token":
            paid = rewards.unsqueeze(1) * mask
        if fault == "no GAE":
            advantages = (rewards.unsqueeze(1) - values) * mask
        else:
            inner = mask
            if fault == "GAE over padding":
                inner, values = torch.ones_like(mask), critic().detach()
            discount = 1.0 if fault == "no gamma" else gamma
            advantages = gae(paid, values, inner, discount, 1.0 if fault == "no lam" else lam)[0]
            advantages = advantages * mask
        returns = advantages + values
        if fault == "returns are rewards":
            returns = rewards.unsqueeze(1) * mask
        if fault == "standardised over padding":
            advantages = standardize(advantages) * mask
        elif fault != "not standardised":
            advantages = standardize(advantages, mask)
        if fault == "returns after standardising":
            returns = advantages + values
        found = {"advantages": advantages, "returns": returns}
        everywhere = torch.ones_like(mask)
        kept = everywhere if fault.startswith("no mask") else mask
        how = "sequence" if fault == "sequence mean" else "token"
        for update in range(1, 2 if fault == "one update" else updates + 1):
            log_probs = policy()
            policy_loss = aggregate(
                surrogate(log_probs, old_log_probs, advantages, clip, fault),
                everywhere if fault == "policy loss on padding" else kept,
                how,
            )
            kl = aggregate(
                kl_of(log_probs, ref_log_probs, fault),
                everywhere if fault == "KL on padding" else kept,
                how,
            )
            now = values if fault == "old values" else critic()
            error = (now - returns).abs() if fault == "absolute error" else (now - returns) ** 2
            critic_on_padding = fault.startswith("value loss on padding")
            value_loss = aggregate(error, everywhere if critic_on_padding else kept, how)
            if fault == "half the square":
                value_loss = value_loss / 2
            weight = {"no KL": 0.0, "minus KL": -kl_coef, "KL in full": 1.0}.get(fault, kl_coef)
            loss = policy_loss + weight * kl
            if fault != "no value loss":
                loss = loss + (1.0 if fault == "value loss in full" else vf_coef) * value_loss
            finish(optimizer, loss, fault)
            terms = {"policy_loss": policy_loss, "kl": kl, "value_loss": value_loss, "loss": loss}
            found[update] = terms
        return found

    return step


IN_BOTH = {
    "max for min": "It takes the larger of the two products. The smaller is the objective, for "
    "both signs of the advantage; the larger turns the trust region inside out.",
    "max for negative": "For negative advantages it takes the larger of the two products. It is "
    "the smaller for both signs; a token that should become rarer is otherwise pushed on without "
    "limit.",
    "no clip": "Nothing is clipped: a token that has moved far enough is pushed further.",
    "only clipped": "Only the clipped product is there. Without the minimum a token that has "
    "moved the wrong way gets no gradient to bring it back.",
    "objective": "The sign is reversed: this is the objective. The loss is minus it.",
    "ratio upside down": "The ratio is upside down: new over old.",
    "ratio without exp": "The ratio is the exp of the difference of the log-probs.",
    "old log-probs renewed": "The ratio compares the policy with itself, so it is always 1. The "
    "old log-probs are those the batch was sampled with, in each update.",
    "no KL": "The KL is computed and not added to the loss.",
    "minus KL": "The KL is subtracted: the policy is paid for leaving its reference.",
    "KL in full": "The KL is added without its weight, `kl_coef`.",
    "k1": "The penalty is k1. Its expected gradient is 0: it holds nothing back.",
    "k2": "The penalty is k2. Asked for is k3, the one of the GRPO paper.",
    "KL exchanged": "In the KL the policy and its reference are exchanged: d is log ref minus "
    "log pi.",
    "KL without gradient": "The KL is detached: it is in the loss's value and moves nothing.",
    "no mask": "The mask is not used: padding takes part in the loss.",
    "no zero_grad": "The gradient of the first update is still there in the second: "
    "`optimizer.zero_grad()` is missing.",
    "no step": "`optimizer.step()` is missing: the gradient is computed, and nothing moves.",
    "zero_grad too late": "`optimizer.step()` is called twice for one gradient.",
    "one update": "There is one update only. The batch is used `updates` times.",
}
ONLY_GRPO = {
    "mean of the batch": "The baseline is the mean of the batch. A group is compared with itself.",
    "std of the batch": "It divides by the standard deviation of the whole batch. A group is "
    "divided by its own.",
    "ddof 0": "The standard deviation divides by G here. As in 4.1 it is by G - 1, torch's "
    "default.",
    "no std": "Nothing is divided by the group's standard deviation.",
    "token mean": "The mean is taken over all tokens of the batch. As in 4.5, take the mean of "
    "each response first, of the KL too.",
    "KL over tokens": "The KL is averaged over all tokens, the loss over responses. Take the "
    "mean of each response first here too.",
    "KL on padding": "The KL counts padding: mask it, and divide by the number of real tokens.",
    "mask in the sum only": "The mask cuts padding out of the sum, but the sum is divided by all "
    "positions.",
}
ONLY_PPO = {
    "no GAE": "The advantages are reward minus value: GAE with gamma = lam = 1. Use the two.",
    "no gamma": "gamma is not used.",
    "no lam": "lam is not used.",
    "GAE over padding": "GAE gets no mask: values of padding flow back into the response.",
    "reward in the last column": "In responses that are shorter than the longest the reward never "
    "arrives: it is put behind the last token, where the mask is 0. Of n tokens the last is number "
    "n - 1.",
    "zeros like the mask": "`zeros_like(mask)` has the mask's type, whole numbers: rewards do not "
    "go in. Take `zeros_like(values)`.",
    "rewards cut": "The rewards are cut to whole numbers: `zeros_like(mask)` has the mask's type. "
    "Take `zeros_like(values)`.",
    "reward at each token": "Each token is paid the reward. It arrives once, with the last token.",
    "no detach": "Something from before still has its graph, and the second update runs into it. "
    "Either the values behind the advantages keep their gradient: what was measured before the "
    "updates is a number, `torch.no_grad()` or `.detach()`. Or log-probs or values of the first "
    "update are used again: call `policy()` and `critic()` in each.",
    "not standardised": "The advantages are not standardised.",
    "standardised over padding": "The advantages are standardised over padding too: its zeros "
    "shift the mean. Give `standardize` the mask.",
    "returns after standardising": "The returns are made of the standardised advantages. The "
    "critic would learn another scale: add the values before you standardise.",
    "returns are rewards": "The returns are the plain rewards. They are advantages plus values, "
    "which with gamma and lam below 1 is something else.",
    "old values": "The value loss compares the values from before the updates, which no longer "
    "have a gradient. Ask the critic again in each update.",
    "half the square": "The value loss is halved. Here it is the plain squared error; the weight "
    "is `vf_coef`.",
    "absolute error": "The critic's error is to be squared.",
    "no value loss": "The value loss is computed and not added: the critic learns nothing.",
    "value loss in full": "The value loss is added without its weight, `vf_coef`.",
    "no mask, raw values": "The mask is not used in the losses: padding takes part in them.",
    "value loss on padding": "The value loss counts padding: mask the errors, and divide by the "
    "number of real tokens.",
    "value loss on padding, raw values": "The value loss counts padding, where values are garbage: "
    "mask the errors, and divide by the number of real tokens.",
    "KL on padding": "The KL counts padding: mask it, and divide by the number of real tokens.",
    "policy loss on padding": "The policy's loss counts padding: mask it, and divide by the number "
    "of real tokens.",
    "sequence mean": "The mean is taken of each response first. PPO here takes one mean over all "
    "tokens of the batch.",
}


def mistakes(faulty: Callable[[str], Callable], only: dict[str, str]) -> tuple[Mistake, ...]:
    """Each fault as a typical wrong answer with its message."""
    return tuple(Mistake(faulty(name), text) for name, text in (IN_BOTH | only).items())
