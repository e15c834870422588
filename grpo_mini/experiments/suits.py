"""Does a model suit a task? What its first samples say, before anybody trains for an hour.

GRPO learns where the responses to one prompt are paid differently, and nowhere else. So each
question is answered by two groups of responses, and the table says how often form and answer are
right, how many groups have something to compare, and what keeps the others silent. The advice
follows rules, in this order, each on the means of the table; the first that applies is given:

1. The next token is drawn nearly by chance (entropy above `CHANCE` of the most there can be): the
   weights are random or damaged.
2. `SOLVED` of the answers are right: nothing is left to learn.
3. More than `CUT` of the responses are cut off: they need more tokens.
4. At least `TEACHING` of the groups have something to compare: train.
5. Less than `RARE` of the responses have the right form: say what is asked for.
6. Less than `RARE` of the groups have a right answer: nothing to reinforce.
7. Otherwise most groups are silent: larger groups, if twice the size makes `TEACHING`, or easier
   questions.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

import torch
from tqdm.auto import tqdm

from ..grpo import GRPOConfig
from ..models import Model, Tokenizer, load_policy
from ..rollout import sample
from ..support.measure import wilson_interval
from ..support.rewards import call_reward
from ..tasks import get_task, is_right
from .statistics import Interval

CHANCE, SOLVED, CUT, TEACHING, RARE = 0.8, 0.9, 0.25, 0.5, 0.05
AT_A_TIME = 128  # responses that are sampled together


@dataclass(frozen=True)
class FirstSigns:
    """What the first samples of a model on a task say.

    Attributes:
        form, right, cut: shares of the responses.
        found: of the groups with a right answer among them.
        teaching: of the groups whose rewards are not all equal.
        teaching_twice: the same with groups of twice the size.
        length: mean, in tokens.
        entropy: of the distribution each token was drawn from, mean, in nats.
        most_entropy: where all tokens are equally likely.
    """

    form: Interval
    right: Interval
    cut: Interval
    found: Interval
    teaching: Interval
    teaching_twice: Interval
    length: float
    entropy: float
    most_entropy: float


def share(values: Sequence[float], samples: int) -> Interval:
    """A share with its 95% interval, from the share at each prompt.

    Samples of one prompt are alike, so they say less than as many of different prompts. The
    interval is Wilson's for so many independent samples as would spread like the prompts' shares:
    at least one a prompt, at most ``samples``. Where all prompts agree it is one a prompt.
    """
    mean, spread = fmean(values), variance(values) / len(values)
    worth = mean * (1 - mean) / spread if spread else 0
    worth = min(max(worth, len(values)), samples)
    return Interval(mean, *wilson_interval(mean * worth, worth))


def all_alike(values: Sequence, size: int) -> float:
    """Chance that ``size`` of these values, drawn without putting back, are all equal."""
    alike = sum(math.comb(count, size) for count in Counter(values).values())
    return alike / math.comb(len(values), size)


def first_signs(
    model: Model,
    tokenizer: Tokenizer,
    config: GRPOConfig,
    questions: int = 32,
) -> FirstSigns:
    """Sample two groups of responses to each of so many training questions, and judge them."""
    task, group = get_task(config.task), config.group_size
    records = task.dataset(questions, config.seed, False, config.instructions, config.examples)
    generator = torch.Generator(model.device).manual_seed(config.seed)
    formed, right, cut, paid, length, nats = [], [], [], [], 0.0, 0.0
    many = max(AT_A_TIME // (2 * group), 1)
    for start in tqdm(range(0, questions, many), desc="sampling", leave=False):
        part = records[start : start + many]
        rollout = sample(
            model, tokenizer, [record["prompt"] for record in part], 2 * group,
            config.max_new_tokens, config.temperature, generator, config.chat_template_kwargs,
        )  # fmt: skip
        rewards = call_reward(task.reward, part, rollout)
        ended = (~rollout.truncated_B).tolist()
        formed += [e and task.has_form(t) for t, e in zip(rollout.texts, ended, strict=True)]
        right += is_right(rewards, task.full_reward).tolist()
        cut += rollout.truncated_B.tolist()
        paid += rewards.tolist()
        length += float(rollout.mask_BT.sum())
        nats += float(rollout.entropy_BT.sum())

    def of(values: list, judge: Callable[[list], float], samples: int) -> Interval:
        parts = [values[i : i + 2 * group] for i in range(0, len(values), 2 * group)]
        return share([judge(part) for part in parts], samples)

    return FirstSigns(
        form=of(formed, fmean, len(formed)),
        right=of(right, fmean, len(right)),
        cut=of(cut, fmean, len(cut)),
        found=of(right, lambda part: 1 - all_wrong(part, group), 2 * questions),
        teaching=of(paid, lambda part: 1 - all_alike(part, group), 2 * questions),
        teaching_twice=of(paid, lambda part: 1 - all_alike(part, 2 * group), questions),
        length=length / len(paid),
        entropy=nats / length,
        most_entropy=math.log(model.get_output_embeddings().weight.shape[0]),
    )


def all_wrong(right: Sequence[bool], size: int) -> float:
    """Chance that ``size`` of these answers, drawn without putting back, are all wrong."""
    return math.comb(len(right) - sum(right), size) / math.comb(len(right), size)


def advice(signs: FirstSigns, config: GRPOConfig) -> str:
    """What to do first, by the rules above."""
    form, right, group = signs.form.percent(), signs.right.percent(), config.group_size
    asked = config.instructions and config.examples
    warm = "warm-start it on right answers (python -m grpo_mini warmstart shows how)"
    if signs.entropy > CHANCE * signs.most_entropy:
        return (
            f"Warm start first. Its next token is drawn nearly by chance, {signs.entropy:.1f} of "
            f"at most {signs.most_entropy:.1f} nats: the weights are random or damaged, and there "
            f"is nothing to reinforce. Take a trained model, or {warm}."
        )
    if signs.right.mean >= SOLVED:
        return f"Take a harder task. This one is solved: {right} of the answers are right."
    if signs.cut.mean > CUT:
        return (
            f"Allow more tokens. {signs.cut.percent()} of the responses are cut off at "
            f"{config.max_new_tokens} tokens, which pays them nothing whatever they would have "
            f"said: try --max-new-tokens {2 * config.max_new_tokens} and ask again."
        )
    if signs.teaching.mean >= TEACHING:
        return (
            f"Train. {signs.teaching.percent()} of the groups of {group} hold something to "
            f"compare, and {1 - signs.right.mean:.0%} of the answers are left to be learned."
        )
    if signs.form.mean < RARE:
        if asked:
            return (
                f"Warm start first. Only {form} of the responses have the right form although they "
                f"were told and shown it: {warm}, or take a larger model."
            )
        return (
            f"Say what is asked for. Only {form} of the responses have the right form: try "
            f"--instructions, --examples 4, or both, and ask again."
        )
    if signs.found.mean < RARE:
        return (
            f"Take easier questions, or warm start first. The form is right in {form}, but only "
            f"{signs.found.percent()} of the groups hold a right answer: there is next to nothing "
            f"to reinforce. Credit for nearly right answers would be something to compare."
        )
    if signs.teaching_twice.mean >= TEACHING:
        return (
            f"Take larger groups. Most of the groups of {group} are silent, all of one reward; of "
            f"groups of {2 * group} {signs.teaching_twice.percent()} hold something to compare: "
            f"try --group-size {2 * group}."
        )
    return (
        f"Take easier questions, or pay for nearly right answers. Only "
        f"{signs.teaching.percent()} of the groups of {group} hold something to compare, and of "
        f"groups of {2 * group} {signs.teaching_twice.percent()}: training works, but most of its "
        f"samples teach nothing."
    )


def table(signs: FirstSigns, config: GRPOConfig) -> str:
    """The figures, a line each, shares with their 95% intervals."""
    group = config.group_size
    rows = {
        "form is right": signs.form.percent(),
        "answer is right": signs.right.percent(),
        f"a right one in a group of {group}": signs.found.percent(),
        f"groups of {group} that teach": signs.teaching.percent(),
        f"groups of {2 * group} that teach": signs.teaching_twice.percent(),
        f"cut off at {config.max_new_tokens} tokens": signs.cut.percent(),
        "mean length": f"{signs.length:.1f} tokens",
        "entropy": f"{signs.entropy:.2f} of at most {signs.most_entropy:.2f} nats a token",
    }
    width = max(map(len, rows))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())


def print_suits(arguments) -> None:
    """Say whether a model suits a task, and what to do first."""
    config = GRPOConfig(
        model_name=arguments.model,
        task=arguments.task,
        instructions=arguments.instructions,
        examples=arguments.examples,
        group_size=arguments.group_size,
        max_new_tokens=arguments.max_new_tokens,
        temperature=arguments.temperature,
        seed=arguments.seed,
    )
    model, tokenizer = load_policy(config.model_name, arguments.device)
    signs = first_signs(model, tokenizer, config, arguments.questions)
    print(
        f"{arguments.questions} questions of {config.task}, {2 * config.group_size} responses each"
        f" (shares with 95% intervals)\n{table(signs, config)}\n\n{advice(signs, config)}"
    )
