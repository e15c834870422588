"""Exercises of notebook 02: the exact gradient, REINFORCE, baselines."""

import torch

from ..checker import Mistake, exercise
from ..exact import ExactPolicy

PROBS = ([0.1, 0.2, 0.3, 0.25, 0.15], [0.7, 0.1, 0.1, 0.05, 0.05], [0.6, 0.15, 0.25])
REWARDS = ([1.0, 0.0, 0.0, 2.0, 0.5], [3.0, 1.0, -1.0, 0.0, 4.0], [-2.0, 3.0, 0.25])


def exact_gradient(probs, rewards):
    expected_reward = probs @ rewards
    return probs * (rewards - expected_reward)


def _policy_cases():
    pairs = zip(PROBS, REWARDS, strict=True)
    return [{"probs": torch.tensor(p), "rewards": torch.tensor(r)} for p, r in pairs]


def _scores(probs):
    return torch.eye(len(probs)) - probs


exercise(
    number="2.1",
    title="the exact gradient of a softmax policy",
    solution=exact_gradient,
    cases=_policy_cases,
    mistakes=(
        Mistake(
            lambda probs, rewards: probs * rewards,
            "The softmax is missing: raising one logit lowers the probability of all other "
            "tokens. That is what subtracting J does.",
        ),
        Mistake(
            lambda probs, rewards: rewards - probs @ rewards,
            "Each component has to be weighted with the token's own probability.",
        ),
        Mistake(
            lambda probs, rewards: probs * (rewards - rewards.mean()),
            "J is the mean under the policy, not the plain mean over the tokens.",
        ),
        Mistake(
            lambda probs, rewards: probs * (1 - probs) * rewards,
            "These are the diagonal terms only. A token's logit moves the other probabilities too.",
        ),
        Mistake(
            lambda probs, rewards: probs * (1 - probs) * (rewards - probs @ rewards),
            "The factor 1 - p is one too many. It belongs to the diagonal of the Jacobian; with "
            "the other terms collected, what is left is p times (r - J).",
        ),
        Mistake(
            lambda probs, rewards: -exact_gradient(probs, rewards),
            "The sign is reversed: this goes downhill.",
        ),
        Mistake(
            lambda probs, rewards: rewards.clone(),
            "This is the gradient by the probabilities. Asked for is that by the logits: the "
            "softmax between them makes the probabilities sum to 1.",
        ),
        Mistake(
            lambda probs, rewards: exact_gradient(probs.softmax(dim=0), rewards),
            "The softmax is taken of the probabilities, as if they were logits. `probs` has been "
            "through it already; logits would be `probs.log()`.",
        ),
        Mistake(
            lambda probs, rewards: probs * (rewards - rewards.sum()),
            "J is the expected reward, weighted with the probabilities, not the plain sum.",
        ),
        Mistake(
            lambda probs, rewards: rewards - rewards.sum(),
            "Neither the rewards in the sum nor the components are weighted with the "
            "probabilities: p(a) (r(a) - J), and J is the sum of p(a) r(a).",
        ),
        Mistake(
            lambda probs, rewards: probs @ rewards,
            "This is J itself. Its gradient says how J moves with each logit, [V].",
        ),
        Mistake(
            lambda probs, rewards: (probs @ rewards).expand_as(probs),
            "This is J, once for each token. The gradient says how J moves with each logit; its "
            "components sum to 0.",
        ),
        Mistake(
            lambda probs, rewards: probs * (probs @ rewards),
            "Here J takes the place of the token's own reward. What counts is how much better a "
            "token is than J: r(a) - J.",
        ),
        Mistake(
            lambda probs, rewards: -probs * (probs @ rewards),
            "These are the terms with minus only, p(b) times J. The token's own reward is missing.",
        ),
        Mistake(
            lambda probs, rewards: probs * (rewards + probs @ rewards),
            "J is added. It has to be subtracted: more for one token is less for the others.",
        ),
        Mistake(
            lambda probs, rewards: probs * rewards - probs @ rewards,
            "J has to be weighted with the token's probability as well: p(a) (r(a) - J), with the "
            "bracket.",
        ),
        Mistake(
            lambda probs, rewards: probs * (rewards - (probs * rewards).mean()),
            "J is the *sum* of p(a) r(a). Its mean is smaller by a factor V: the probabilities "
            "make a mean of the sum already.",
        ),
        Mistake(
            lambda probs, rewards: probs * (rewards - 5 * (probs * rewards).mean()),
            "A vocabulary of 5 is written into it. J is the sum of p(a) r(a) over however many "
            "tokens there are.",
        ),
        Mistake(
            lambda probs, rewards: (probs * rewards) @ (torch.eye(5) - probs),
            "`torch.eye(5)` fits five tokens only. `torch.eye(len(probs))` fits any number.",
        ),
        Mistake(
            lambda probs, rewards: probs**2 * (rewards - probs @ rewards),
            "The probability is in it twice. p(a) is a factor once: p(a) (r(a) - J).",
        ),
        Mistake(
            lambda probs, rewards: exact_gradient(probs, rewards) / len(probs),
            "The division by the number of tokens is too much: the probabilities make a mean of "
            "the sum already.",
        ),
        Mistake(
            lambda probs, rewards: (rewards - probs @ rewards) / probs,
            "The probability is divided by. It is a factor: the gradient of a rare token's logit "
            "is small.",
        ),
        Mistake(
            lambda probs, rewards: probs.log() * rewards,
            "The log-prob does not stand in the exact gradient. In REINFORCE its *gradient* does; "
            "here every token is weighed with p(a).",
        ),
        Mistake(
            lambda probs, rewards: probs.log() * (rewards - probs @ rewards),
            "The factor is the probability, not its logarithm: p(a) (r(a) - J).",
        ),
        Mistake(
            lambda probs, rewards: probs - probs @ rewards,
            "J is subtracted from the probabilities. It is the reward that is compared with it: "
            "p(a) (r(a) - J).",
        ),
        Mistake(
            lambda probs, rewards: rewards - rewards.mean(),
            "The probabilities are not in it at all. A token counts as much as it is likely, and "
            "J is the mean under the policy.",
        ),
        Mistake(
            lambda probs, rewards: probs * (rewards - rewards.max()),
            "Rewards are compared with the largest one, so that no logit ever rises. The "
            "comparison is with J, the expected reward.",
        ),
        Mistake(
            lambda probs, rewards: probs * (rewards - rewards.median()),
            "Rewards are compared with their median. The comparison is with J, the mean under the "
            "policy: only then do the components sum to 0.",
        ),
        Mistake(
            lambda probs, rewards: (1 - probs) * rewards,
            "This is one component of the score function. Missing are the weight p(a), and the "
            "other tokens, whose probabilities move too.",
        ),
        Mistake(
            lambda probs, rewards: (1 - probs) * (rewards - probs @ rewards),
            "The factor is p(a), not 1 - p(a): the gradient of a rare token's logit is small.",
        ),
        Mistake(
            lambda probs, rewards: probs * (rewards - rewards.mean()) / rewards.std(),
            "The rewards are standardised with their plain mean and deviation. The exact gradient "
            "compares with J, the mean under the policy, and divides by nothing.",
        ),
        Mistake(
            lambda probs, rewards: exact_gradient(probs, rewards).clamp(min=0),
            "Only tokens that are better than J are left. The others' logits have to go down; the "
            "components sum to 0.",
        ),
        Mistake(
            lambda probs, rewards: torch.diag(probs) - torch.outer(probs, probs),
            "This is the Jacobian of the softmax, [V, V]. Its product with the rewards is the "
            "gradient of J, [V].",
        ),
        Mistake(
            lambda probs, rewards: rewards @ _scores(probs),
            "The score functions are summed over all tokens alike. They have to be weighted with "
            "the probabilities: it is an expectation under the policy.",
        ),
        Mistake(
            lambda probs, rewards: rewards @ _scores(probs) / len(probs),
            "This is the plain mean over the tokens. The expectation weights each token's score "
            "function with its probability.",
        ),
        Mistake(
            lambda probs, rewards: (probs * rewards) @ (torch.eye(len(probs)) - probs[:, None]),
            "The score functions lie crosswise: row a is one-hot of a minus *all* probabilities, "
            "`torch.eye(len(probs)) - probs`.",
        ),
        Mistake(
            lambda probs, rewards: (probs * rewards)[:, None] * _scores(probs),
            "This has a row for each token, [V, V]. The gradient is the sum of the rows, [V].",
        ),
        Mistake(
            lambda probs, rewards: torch.nn.functional.normalize(
                exact_gradient(probs, rewards), dim=0
            ),
            "The direction is right, but the length is made 1. The gradient's own length says how "
            "fast J rises.",
        ),
        Mistake(
            lambda probs, rewards: torch.zeros_like(probs),
            "This is 0. The gradient is 0 only where all rewards are equal or one token is "
            "certain.",
        ),
    ),
    hints=(
        "Write J = sum of p(a) r(a) and differentiate p(a) = exp(z_a) / sum exp(z) by z_b.",
        "dp(a)/dz_b is p(a)(1 - p(a)) for a = b, and -p(a)p(b) for the others.",
        "Collect the terms: p(b) times (r(b) minus the sum of p(a) r(a)).",
    ),
    module=(ExactPolicy.gradient,),
)


def reinforce_loss(log_probs, advantages):
    return -(advantages * log_probs).mean()


def _reinforce_cases():
    return [
        {
            "log_probs": torch.tensor([-12.0, -3.5, -7.25, -1.0]),
            "advantages": torch.tensor([1.0, -0.5, -0.5, 0.25]),
        },
        {
            "log_probs": torch.tensor([-0.5, -60.0, -2.0]),
            "advantages": torch.tensor([-3.0, 2.5, 0.75]),
            "why": "three responses, and larger advantages",
        },
    ]


exercise(
    number="2.3",
    title="the REINFORCE loss",
    solution=reinforce_loss,
    cases=_reinforce_cases,
    gradient_of="log_probs",
    by_gradient=True,
    mistakes=(
        Mistake(
            lambda log_probs, advantages: (advantages * log_probs).mean(),
            "The sign is reversed. An optimiser goes downhill, so the loss is minus what "
            "should grow.",
        ),
        Mistake(
            lambda log_probs, advantages: -(advantages * log_probs).sum(),
            "This is the sum. With the mean the step size does not depend on the batch size.",
        ),
        Mistake(
            lambda log_probs, advantages: (advantages * log_probs).sum(),
            "The sign is reversed, and this is the sum. An optimiser goes downhill, and with "
            "the mean the step size does not depend on the batch size.",
        ),
        Mistake(
            lambda log_probs, advantages: -advantages.mean() * log_probs.mean(),
            "The two means are taken apart. Each advantage belongs to its own response.",
        ),
        Mistake(
            lambda log_probs, advantages: -advantages.mean() * log_probs.sum(),
            "Every response gets the mean advantage, and responses are added up. Each has its "
            "own advantage, which says whether it should become likelier or rarer.",
        ),
        Mistake(
            lambda log_probs, advantages: -(advantages * log_probs.exp()).mean(),
            "These are probabilities. The policy gradient has the *log*-prob: that is what makes "
            "up for rare responses being sampled rarely.",
        ),
        Mistake(
            lambda log_probs, advantages: (advantages * log_probs.exp()).mean(),
            "These are probabilities, and the sign is reversed. The loss is minus the mean of "
            "advantage times *log*-prob.",
        ),
        Mistake(
            lambda log_probs, advantages: -(_standardised(advantages, 1) * log_probs).mean(),
            "The advantages are standardised: their mean is subtracted and they are divided by "
            "their deviation. They are advantages already, and the gradient has them as they are.",
        ),
        Mistake(
            lambda log_probs, advantages: -(_standardised(advantages, 0) * log_probs).mean(),
            "The advantages are standardised, with the deviation that divides by B. They are "
            "advantages already, and the gradient has them as they are.",
        ),
        Mistake(
            lambda log_probs, advantages: -(_standardised(advantages, 1, 1e-4) * log_probs).mean(),
            "The advantages are standardised, as in GRPO. Here they are advantages already, and "
            "the gradient has them as they are.",
        ),
        Mistake(
            lambda log_probs, advantages: -(advantages / advantages.std() * log_probs).mean(),
            "The advantages are divided by their standard deviation. That changes the length of "
            "the gradient, by another factor in each batch.",
        ),
        Mistake(
            lambda log_probs, advantages: -((advantages - advantages.mean()) * log_probs).mean(),
            "This has the gradient of advantages from which their mean was subtracted. The "
            "baseline is in them already.",
        ),
        Mistake(
            lambda log_probs, advantages: -(advantages.clamp(min=0) * log_probs).mean(),
            "Responses with a negative advantage are left out. They have to become rarer: without "
            "them the gradient is biased.",
        ),
        Mistake(
            lambda log_probs, advantages: _mean_of_good(log_probs, advantages),
            "Responses with a negative advantage are left out, and the mean is over the others. "
            "The bad ones have to become rarer: without them the gradient is biased.",
        ),
        Mistake(
            lambda log_probs, advantages: -(advantages.clamp(max=0) * log_probs).mean(),
            "Responses with a positive advantage are left out. Nothing is made likelier on "
            "purpose then.",
        ),
        Mistake(
            lambda log_probs, advantages: -(advantages.abs() * log_probs).mean(),
            "The sign of the advantages is lost: bad responses become likelier too.",
        ),
        Mistake(
            lambda log_probs, advantages: -(advantages.sign() * log_probs).mean(),
            "Only the sign of the advantages is left. How much better or worse a response is has "
            "to count.",
        ),
        Mistake(
            lambda log_probs, advantages: -(advantages**2 * log_probs).mean(),
            "The advantages are squared, and their sign is lost: bad responses become likelier "
            "too.",
        ),
        Mistake(
            lambda log_probs, advantages: -(advantages * log_probs).sum() / 4,
            "4 responses are written into it. The mean is over as many as there are.",
        ),
        Mistake(
            lambda log_probs, advantages: -(advantages.clamp(-1, 1) * log_probs).mean(),
            "The advantages are clipped to [-1, 1]. The policy gradient takes them as they are; "
            "what PPO clips is the ratio of probabilities.",
        ),
        Mistake(
            lambda log_probs, advantages: -(advantages * log_probs).sum() / (len(advantages) - 1),
            "It is divided by B - 1. That belongs to a sample variance; the mean over the "
            "responses divides by B.",
        ),
        Mistake(
            lambda log_probs, advantages: -(advantages * log_probs).sum() / advantages.abs().sum(),
            "It is divided by the sum of the advantages' sizes. The mean divides by the number of "
            "responses; a batch of small advantages has to make a small step.",
        ),
        Mistake(
            lambda log_probs, advantages: -advantages * log_probs,
            "This is a loss for each response. An optimiser wants one number: their mean.",
        ),
        Mistake(
            lambda log_probs, advantages: -advantages * log_probs / len(log_probs),
            "Each response's part is right, but they are not summed. An optimiser wants one "
            "number.",
        ),
        Mistake(
            lambda log_probs, advantages: -(advantages * log_probs).mean(dim=0, keepdim=True),
            "`keepdim=True` leaves a tensor of shape [1]. A loss is a scalar, without dimensions.",
        ),
        Mistake(
            lambda log_probs, advantages: -log_probs.mean(),
            "The gradient does not depend on the advantages: all responses become likelier, good "
            "and bad alike. Each log-prob has to be multiplied by its advantage.",
        ),
        Mistake(
            lambda log_probs, advantages: -log_probs.sum(),
            "The advantages are not in the gradient, and this is the sum: all responses become "
            "likelier, good and bad alike.",
        ),
        Mistake(
            lambda log_probs, advantages: (advantages - log_probs).square().mean(),
            "This pulls each log-prob towards its advantage, as if that were a target. The "
            "advantage is a weight: multiply.",
        ),
        Mistake(
            lambda log_probs, advantages: -log_probs[advantages.argmax()],
            "Only the best response is used, and how good it is does not count. The mean is over "
            "all responses, each with its advantage.",
        ),
        Mistake(
            lambda log_probs, advantages: -advantages[0] * log_probs[0],
            "Only the first response is used. The estimate is the mean over all of them.",
        ),
        Mistake(
            lambda log_probs, advantages: -(advantages * log_probs.log()).mean(),
            "These are log-probs already. They are below 0, and their logarithm is nan.",
        ),
        Mistake(
            lambda log_probs, advantages: -(log_probs / advantages).mean(),
            "The log-probs are divided by the advantages. A response that is twice as good has to "
            "count twice: multiply.",
        ),
        Mistake(
            lambda log_probs, advantages: -(advantages * log_probs.square()).mean(),
            "The log-probs are squared. They are below 0, so that turns the direction round, and "
            "rare responses count more than they should.",
        ),
        Mistake(
            lambda log_probs, advantages: -(advantages * log_probs.log_softmax(dim=0)).mean(),
            "A softmax over the responses makes them compete with each other. Log-probs of "
            "responses are normalised already, over all that the policy could write.",
        ),
        Mistake(
            lambda log_probs, advantages: -(advantages * log_probs).median(),
            "This is the median: the gradient comes from one response only. The estimate is the "
            "mean over all.",
        ),
        Mistake(
            lambda log_probs, advantages: -(advantages * log_probs).mean() / 2,
            "The gradient is half as long as it should be. A factor one half belongs to squared "
            "errors.",
        ),
    ),
    hints=(
        "The gradient wanted is the mean of advantage times the gradient of the log-prob.",
        "So what should grow is the mean of advantage times log-prob.",
        "A loss is what should become smaller: put a minus sign in front.",
    ),
)


def _standardised(advantages, correction, epsilon=1e-8):
    deviation = advantages.std(correction=correction)
    return (advantages - advantages.mean()) / (deviation + epsilon)


def _mean_of_good(log_probs, advantages):
    good = advantages > 0
    return -(advantages[good] * log_probs[good]).mean()


def best_baseline(probs, rewards):
    scores = torch.eye(len(probs)) - probs
    weights = probs * scores.square().sum(dim=1)
    return (weights @ rewards / weights.sum()).item()


def _weighted(weights, rewards):
    return (weights @ rewards / weights.sum()).item()


def _squared_lengths(probs):
    return _scores(probs).square().sum(dim=1)


exercise(
    number="2.2",
    title="the best constant baseline",
    solution=best_baseline,
    cases=_policy_cases,
    mistakes=(
        Mistake(
            lambda probs, rewards: (probs @ rewards).item(),
            "This is the expected reward: a good baseline, but not the best. Tokens with a long "
            "score function make more noise and count for more.",
        ),
        Mistake(
            lambda probs, rewards: rewards.mean().item(),
            "This is the plain mean of the rewards: the policy is not in it at all.",
        ),
        Mistake(
            lambda probs, rewards: _weighted(probs * _scores(probs).norm(dim=1), rewards),
            "The weights are the squared lengths of the score functions, not the lengths.",
        ),
        Mistake(
            lambda probs, rewards: _weighted(probs * _scores(probs).abs().sum(dim=1), rewards),
            "These weights are proportional to p(1 - p), as when the components' sizes are summed. "
            "The variance has the *squared* length of the whole score function in it.",
        ),
        Mistake(
            lambda probs, rewards: _weighted(_squared_lengths(probs), rewards),
            "The squared lengths have to be weighted with the probabilities: it is an expectation.",
        ),
        Mistake(
            lambda probs, rewards: 0.0,
            "0 is no baseline: the estimate keeps the noise of the rewards' size.",
        ),
        Mistake(
            lambda probs, rewards: 0.5,
            "0.5 stands there, whatever the policy and the rewards are.",
        ),
        Mistake(
            lambda probs, rewards: 1.0,
            "1 stands there, whatever the policy and the rewards are.",
        ),
        Mistake(
            lambda probs, rewards: rewards.median().item(),
            "This is the median of the rewards. The least variance is a matter of squares, so the "
            "best baseline is a mean, and one with weights.",
        ),
        Mistake(
            lambda probs, rewards: rewards.max().item(),
            "This is the largest reward. Nothing is better than that, so nothing is ever pushed "
            "up, and there is more noise than there need be.",
        ),
        Mistake(
            lambda probs, rewards: rewards.min().item(),
            "This is the smallest reward. Nothing is worse than that, so nothing is ever pushed "
            "down, and there is more noise than there need be.",
        ),
        Mistake(
            lambda probs, rewards: ((rewards.max() + rewards.min()) / 2).item(),
            "This is the middle between the largest and the smallest reward. How likely they are "
            "is not in it.",
        ),
        Mistake(
            lambda probs, rewards: rewards[probs.argmax()].item(),
            "This is the reward of the likeliest token alone. All tokens count, with their "
            "probability and the squared length of their score function.",
        ),
        Mistake(
            lambda probs, rewards: rewards.sum().item(),
            "This is the sum of the rewards. A baseline has the size of one reward: it is a mean.",
        ),
        Mistake(
            lambda probs, rewards: (probs * _squared_lengths(probs) @ rewards).item(),
            "The weights do not sum to 1. A mean with weights is divided by their sum.",
        ),
        Mistake(
            lambda probs, rewards: (probs * _squared_lengths(probs) * rewards).mean().item(),
            "It is divided by the number of tokens. A mean with weights is divided by the sum of "
            "the weights.",
        ),
        Mistake(
            lambda probs, rewards: (
                probs * _squared_lengths(probs) @ rewards / _squared_lengths(probs).sum()
            ).item(),
            "Above the line the probabilities are in the weights, below they are not. It has to "
            "be divided by the sum of the very same weights.",
        ),
        Mistake(
            lambda probs, rewards: _weighted(probs**2 * _squared_lengths(probs), rewards),
            "The probabilities are squared. An expectation weighs with p(a) itself; the square "
            "belongs to the score function.",
        ),
        Mistake(
            lambda probs, rewards: _weighted(probs**2, rewards),
            "The weights are the squared probabilities. They are p(a) times the squared length of "
            "the score function, which is one-hot minus the probabilities.",
        ),
        Mistake(
            lambda probs, rewards: _weighted(probs * (1 - probs) ** 2, rewards),
            "Only each token's own component of the score function is counted. The other "
            "components, minus the other probabilities, make noise as well.",
        ),
        Mistake(
            lambda probs, rewards: _weighted(probs * _scores(probs).sum(dim=1), rewards),
            "A score function's components sum to 0, so that these weights are 0 but for rounding. "
            "Square the components before you sum them.",
        ),
        Mistake(
            lambda probs, rewards: _weighted(1 - probs, rewards),
            "1 - p is one component of the score function. The weight is p(a) times the squared "
            "length of the whole row a.",
        ),
        Mistake(
            lambda probs, rewards: _weighted(probs * _scores(probs).square().sum(dim=0), rewards),
            "The squares are summed down the columns, or the matrix is turned. *Row* a of "
            "`torch.eye(len(probs)) - probs` is the score function of token a: dim=1.",
        ),
        Mistake(
            lambda probs, rewards: _weighted(probs * _squared_lengths(probs) ** 2, rewards),
            "The squared lengths are squared again. `.square().sum(dim=1)` is the squared length "
            "already.",
        ),
        Mistake(
            lambda probs, rewards: _weighted(
                probs * (torch.eye(len(probs)) + probs).square().sum(dim=1), rewards
            ),
            "The probabilities are added. The score function is one-hot *minus* the probabilities.",
        ),
        Mistake(
            lambda probs, rewards: _weighted(
                probs * (torch.eye(5) - probs).square().sum(dim=1), rewards
            ),
            "`torch.eye(5)` fits five tokens only. `torch.eye(len(probs))` fits any number.",
        ),
        Mistake(
            lambda probs, rewards: _weighted(probs * _squared_lengths(probs), rewards**2),
            "The rewards are squared. The derivative of (r - b)^2 by b has r itself in it.",
        ),
        Mistake(
            lambda probs, rewards: -best_baseline(probs, rewards),
            "The sign is reversed. The baseline is subtracted from the reward, so it has to "
            "be like the rewards.",
        ),
        Mistake(
            lambda probs, rewards: 1 / best_baseline(probs, rewards),
            "The fraction is upside down: the weighted rewards stand above, the sum of the "
            "weights below.",
        ),
        Mistake(
            lambda probs, rewards: _weighted(probs / _squared_lengths(probs), rewards),
            "It is divided by the squared lengths. Tokens with a long score function make more "
            "noise and count for more, not for less.",
        ),
        Mistake(
            lambda probs, rewards: (
                probs * _squared_lengths(probs) * rewards / (probs @ _squared_lengths(probs))
            ),
            "These are the parts of the baseline, one for each token. It is their sum: a constant "
            "baseline is one number for all.",
        ),
        Mistake(
            lambda probs, rewards: (
                probs * _squared_lengths(probs) / (probs @ _squared_lengths(probs))
            ),
            "These are the weights. The baseline is the mean of the rewards with these weights.",
        ),
        Mistake(
            lambda probs, rewards: _second_moment(probs, rewards),
            "This is the second moment at the best baseline, the noise that is left. Asked for is "
            "the baseline.",
        ),
        Mistake(
            lambda probs, rewards: _by_component(probs, rewards),
            "This is a baseline for each component of the gradient. One constant is asked for, "
            "for which the *sum* of the variances is least.",
        ),
        Mistake(
            lambda probs, rewards: _by_component(probs, rewards).mean().item(),
            "This is the mean of the components' own best baselines. Components with more noise "
            "count for more: sum numerators and denominators, then divide.",
        ),
        Mistake(
            lambda probs, rewards: best_baseline(probs, rewards) - (probs @ rewards).item(),
            "The expected reward is subtracted first. The baseline is subtracted from the rewards "
            "themselves.",
        ),
    ),
    hints=(
        "Write the variance as a function of b. The mean does not depend on b, so only the second "
        "moment counts: E[(r - b)^2 |score|^2].",
        "Its derivative by b is zero where E[(r - b) |score|^2] is zero.",
        "So b is a mean of the rewards with the weights p(a) |score(a)|^2, where score(a) is "
        "one-hot minus probs: row a of `torch.eye(len(probs)) - probs`.",
    ),
)


def _second_moment(probs, rewards):
    weights = probs * _squared_lengths(probs)
    return (weights @ (rewards - best_baseline(probs, rewards)).square()).item()


def _by_component(probs, rewards):
    weights = probs[:, None] * _scores(probs).square()
    return rewards @ weights / weights.sum(dim=0)


def zero_loss_advantages(log_probs):
    fixed = log_probs.detach()
    advantages = torch.zeros_like(fixed)
    advantages[0], advantages[1] = fixed[1], -fixed[0]
    return advantages


SHAPE = "It has to return a tensor of shape [{}], like the log-probs: one advantage a response."
NOT_FINITE = (
    "Some advantages are not finite: a loss made of them is neither, and training ends there."
)
NO_GRADIENT = (
    "All advantages are 0: the loss is 0, but so is the gradient. Find some that are not 0 and "
    "still cancel in the loss."
)
KEEPS_GRAPH = (
    "The loss is 0, but its gradient is 0 too: the advantages keep the graph of the log-probs, and "
    "autograd differentiates through both. Advantages are constants: take `log_probs.detach()`."
)
TINY = (
    "The loss is near 0 only because the advantages are tiny: they do not cancel. Made larger, "
    "they would give a loss that is not 0."
)
EQUAL = (
    "All advantages are the same number. The loss is then minus that number times the mean "
    "log-prob, and log-probs are all below 0: some advantages have to be negative, some positive."
)
ONE_SIGN = (
    "No two advantages have opposite signs, and log-probs are all below 0: nothing cancels. Some "
    "advantages have to be negative, some positive."
)
SUM_IS_ZERO = (
    "The advantages sum to 0, and that is enough only when all log-probs are equal. It is the "
    "products with the log-probs that have to cancel."
)
NOT_ZERO = (
    "The loss is not 0. Choose two advantages so that their products with the log-probs cancel: "
    "a * l0 + b * l1 = 0."
)


def _judge_zero_loss(advantages, log_probs):
    if not isinstance(advantages, torch.Tensor):
        advantages = torch.as_tensor(advantages)
    if advantages.shape != log_probs.shape:
        return SHAPE.format(len(log_probs))
    if not torch.isfinite(advantages).all():
        return NOT_FINITE
    if not advantages.any():
        return NO_GRADIENT
    loss = -(advantages * log_probs).mean()
    largest = advantages.detach().abs().max().item()
    if abs(loss.item()) > 1e-5 * largest:
        return _why_not_zero(advantages.detach().double(), loss.item(), largest)
    gradient = torch.autograd.grad(loss, log_probs)[0]
    return KEEPS_GRAPH if gradient.abs().max() < 1e-3 * largest / len(log_probs) else None


def _why_not_zero(advantages, loss, largest):
    if abs(loss) < 1e-5:
        return TINY
    if abs(advantages.sum()) < 1e-5 * largest:
        return SUM_IS_ZERO
    if (advantages == advantages[0]).all():
        return EQUAL
    if (advantages >= 0).all() or (advantages <= 0).all():
        return ONE_SIGN
    return NOT_ZERO


def _zero_loss_cases():
    return [
        {"log_probs": torch.tensor(numbers, requires_grad=True)}
        for numbers in ([-12.0, -3.5, -7.25, -1.0], [-1.5, -0.25, -30.0], [-4.0, -0.75])
    ]


def _first_two(numbers, size=None):
    advantages = torch.zeros(len(numbers) if size is None else size)
    advantages[0], advantages[1] = numbers[1], -numbers[0]
    return advantages


def _two_pairs(numbers):
    return torch.stack([numbers[1], -numbers[0], numbers[3], -numbers[2]])


def _first_and_third(numbers):
    advantages = torch.zeros(len(numbers))
    advantages[0], advantages[2] = numbers[2], -numbers[0]
    return advantages


exercise(
    number="2.4",
    title="a loss of 0 that still teaches",
    solution=zero_loss_advantages,
    cases=_zero_loss_cases,
    judge=_judge_zero_loss,
    mistakes=(
        Mistake(lambda log_probs: torch.zeros_like(log_probs), NO_GRADIENT),
        Mistake(_first_two, KEEPS_GRAPH),
        Mistake(lambda log_probs: log_probs.detach() - log_probs.detach().mean(), SUM_IS_ZERO),
        Mistake(lambda log_probs: torch.ones_like(log_probs), EQUAL),
        Mistake(lambda log_probs: log_probs.detach(), ONE_SIGN),
        Mistake(lambda log_probs: torch.tensor([3.5, 12.0, -1.0, 0.0])[: len(log_probs)], NOT_ZERO),
        Mistake(lambda log_probs: torch.full_like(log_probs, 1e-12), TINY),
        Mistake(lambda log_probs: log_probs.detach() / 0, NOT_FINITE),
        Mistake(lambda log_probs: _first_two(log_probs.detach()[:2]), SHAPE.format(4)),
        Mistake(lambda log_probs: _first_two(log_probs.detach(), 4), SHAPE.format(3)),
        Mistake(
            lambda log_probs: _first_and_third(log_probs.detach()),
            "The third response is used. B can be 2, and then there is none: take the first two.",
        ),
        Mistake(
            lambda log_probs: _two_pairs(log_probs.detach()),
            "The fourth response is used. B can be 2, and then there is none: take the first two.",
        ),
        Mistake(
            lambda log_probs: log_probs.numpy(),
            "NumPy cannot hold a tensor that carries a graph. Advantages are constants, so take "
            "`log_probs.detach()` first.",
        ),
        Mistake(
            lambda log_probs: log_probs[0].mul_(-1),
            "This assigns to the log-probs themselves, which belong to the caller and to autograd. "
            "Make a new tensor for the advantages.",
        ),
    ),
    hints=(
        "The loss is a sum of products. Two products can cancel each other.",
        "Leave all advantages at 0 but the first two, a and b, and solve a * l0 + b * l1 = 0.",
        "a = l1 and b = -l0 does it, with `log_probs.detach()`: advantages are constants.",
    ),
)
