"""The bug zoo's cases: a broken recorded run beside its healthy twin, suspects, and the proof.

The twins share start policy, seed, prompts and options; one line of code (or one option) differs.
Until the first update they have even sampled the same responses, so whatever differs in step 1 is
the bug's doing. What each suspect would do there is written down as a rule, and the verdict is what
the rules make of the recorded numbers.
"""

import inspect
from dataclasses import dataclass, field
from pathlib import Path

from ..experiments.evidence import EXPERIMENTS
from ..experiments.statistics import RUNS, Run, load

NAMES = {
    "eval_accuracy": "right answers, held out",
    "reward_mean": "mean reward in training",
    "length_mean": "response length (tokens)",
    "truncated_share": "cut-off responses",
    "think_share": "share that thinks first",
    "entropy": "entropy (nats)",
    "grad_norm": "length of the gradient",
    "clip_fraction": "share of clipped tokens",
    "log_prob_distance": "|re-scored - sampled| log-prob",
    "silent_group_share": "silent groups",
    "relative_reward_mean": "mean relative reward",
    "policy_loss": "policy loss",
    "kl": "KL to the start policy",
    "explained_variance": "explained variance of the critic",
    "value_loss": "loss of the critic",
}
WIDE = {"explained_variance", "value_loss"}  # their range needs a logarithm beyond 1
BRIEF = ("reward_mean", "eval_accuracy")  # what brings a patient here
EVIDENCE = {  # what there is to look at: a name, and the metrics
    "length and ends": ("length_mean", "truncated_share"),
    "certainty and thinking": ("entropy", "think_share"),
    "inside the groups": ("relative_reward_mean", "silent_group_share"),
    "loss and gradient": ("policy_loss", "grad_norm"),
    "sampler and scorer": ("log_prob_distance", "clip_fraction"),
    "the KL": ("kl",),
    "the critic": ("explained_variance", "value_loss"),
}
RESPONSES, OPTIONS = "what they write in the end", "how they were set"
FULL, PIECE, WRONG, LEAST = 10, 1, 3, 1  # points


@dataclass(frozen=True)
class Suspect:
    """What may be wrong, and what it would do to step 1.

    Attributes:
        text: what is wrong, in words.
        moves: metrics that it would make differ from the twin's.
        spares: metrics that it would leave as they are.
        draws: whether it would draw other responses than the twin.
        between: metric -> limits of its value.
    """

    text: str
    moves: tuple[str, ...] = ()
    spares: tuple[str, ...] = ()
    draws: bool = False
    between: dict[str, tuple[float, float]] = field(default_factory=dict)


SUSPECTS = {
    "no-template": Suspect("the prompt goes in without its chat template", draws=True),
    "tags-stripped": Suspect(
        "decoding drops the tags around the answer before the verifier reads it", ("reward_mean",)
    ),
    "answers-shifted": Suspect(
        "each response is compared with the answer to the next question", ("reward_mean",)
    ),
    "never-moves": Suspect(
        "the optimiser holds a copy of the weights, and the policy itself never moves",
        spares=("reward_mean", "grad_norm"),
    ),
    "other-temperature": Suspect(
        "tokens are scored at another temperature than they were sampled at",
        ("log_prob_distance",),
    ),
    "hot-is-cold": Suspect(
        "the sampler multiplies the logits by the temperature and should divide", draws=True
    ),
    "top-p": Suspect(
        "the sampler leaves out the unlikely tail (top-p), the scorer does not know", draws=True
    ),
    "half-precision": Suspect(
        "the scorer computes in half precision, the sampler does not",
        between={"log_prob_distance": (1e-5, 0.02)},
    ),
    "stale-sampler": Suspect(
        "the sampler runs on the weights of the step before", spares=("log_prob_distance",)
    ),
    "no-end-token": Suspect(
        "the end token is masked out of the loss",
        ("policy_loss",),
        ("relative_reward_mean", "log_prob_distance", "grad_norm"),
    ),
    "token-mean": Suspect(
        "the loss is one mean over all tokens, where a mean per response was meant",
        ("policy_loss", "grad_norm"),
        ("relative_reward_mean", "log_prob_distance"),
    ),
    "padding-counts": Suspect("the mask marks the padding as response, too", ("length_mean",)),
    "shouting-silence": Suspect(
        "silent groups are not set to exactly 0", ("relative_reward_mean",)
    ),
    "mixed-groups": Suspect(
        "groups are neighbours in the batch, whatever their prompts",
        spares=("relative_reward_mean", "policy_loss", "log_prob_distance"),
    ),
    "batch-std": Suspect(
        "rewards are divided by the batch's standard deviation, not by the group's",
        spares=("relative_reward_mean",),
    ),
    "shifted-groups": Suspect(
        "cut-off responses are thrown away before the groups are formed", ("silent_group_share",)
    ),
    "overlong-filter": Suspect(
        "cut-off responses are left out of the loss", ("policy_loss",), ("silent_group_share",)
    ),
    "forced-end": Suspect(
        "an end token is written over the last token of a cut-off response", ("truncated_share",)
    ),
    "inverted-clip": Suspect(
        "the clip takes the maximum where the advantage is negative",
        ("policy_loss", "clip_fraction"),
    ),
    "no-clip": Suspect("the ratio is not clipped at all", between={"clip_fraction": (0.0, 0.0)}),
    "old-is-new": Suspect(
        "the old log-probs are scored anew before each update, so that each ratio is 1",
        between={"clip_fraction": (0.0, 0.0)},
    ),
    "k1-loss": Suspect("k1 stands in the loss as the KL penalty", ("grad_norm",), ("policy_loss",)),
    "kl-upside-down": Suspect("the KL penalty has the wrong sign", spares=("grad_norm",)),
    "moving-reference": Suspect(
        "the KL penalty's reference is trained along with the policy", spares=("grad_norm",)
    ),
    "random-value-head": Suspect(
        "the critic's head starts at random", ("explained_variance", "value_loss")
    ),
    "idle-critic": Suspect(
        "the critic is never trained", spares=("explained_variance", "value_loss")
    ),
    "past-the-end": Suspect(
        "advantages are carried on past the end of a response",
        spares=("explained_variance", "value_loss"),
    ),
    "whitened-padding": Suspect(
        "advantages are standardised with the padding among them",
        spares=("explained_variance", "value_loss"),
    ),
    "late-reward": Suspect(
        "the reward stands on the token behind the last one", between={"value_loss": (0.0, 0.01)}
    ),
}


@dataclass(frozen=True)
class Published:
    """Where the mistake was made in earnest.

    Attributes:
        where: repository and number.
        address: of the thread or file.
        said: what stands there, in other words.
    """

    where: str
    address: str
    said: str


@dataclass(frozen=True)
class Case:
    """A patient.

    Attributes:
        sick, healthy: settings of the experiment "zoo".
        lineup: five innocent suspects; the first is the runner-up.
        why: how the line does what is seen.
        published: one place where it really stood.
        known: what the metric that betrays it has to be without a twin, where that is known.
    """

    sick: str
    healthy: str
    lineup: tuple[str, ...]
    why: str
    published: Published
    known: str = ""

    @property
    def sign(self) -> str:
        """The metric that betrays it."""
        guilty = SUSPECTS[self.sick]
        return guilty.moves[0] if guilty.moves else "think_share"

    def suspects(self) -> list[str]:
        """The line-up by the alphabet of what is said, which gives nothing away."""
        return sorted((self.sick, *self.lineup), key=lambda name: SUSPECTS[name].text)


CASES = {
    "A": Case(
        "no-template",
        "healthy",
        ("tags-stripped", "answers-shifted", "never-moves", "shouting-silence", "no-end-token"),
        "The policy continues a bare text that it has never been trained on, and is hardly ever "
        "paid. Silent groups make no update. Look at a prompt and a response before you look at an "
        "algorithm.",
        Published(
            "greyhaven-ai/autocontext, pull request 1070",
            "https://github.com/greyhaven-ai/autocontext/pull/1070",
            "The data set held each prompt as a plain string, so the trainer applied no chat "
            "template; every response ran to the limit, and every reward was 0.",
        ),
        "the start's",
    ),
    "B": Case(
        "other-temperature",
        "healthy-hot",
        ("half-precision", "top-p", "hot-is-cold", "stale-sampler", "token-mean"),
        "Before the first update sampler and scorer are the same policy, so their log-probs have "
        "to agree up to rounding. They do not, so every ratio is wrong, and part of the tokens is "
        "clipped at once.",
        Published(
            "unslothai/unsloth-zoo, pull request 832",
            "https://github.com/unslothai/unsloth-zoo/pull/832",
            "An audit against TRL found that policy, old policy and reference were all scored "
            "without the sampling temperature; at 1 nothing shows.",
        ),
        "0",
    ),
    "C": Case(
        "no-end-token",
        "healthy",
        ("token-mean", "padding-counts", "shouting-silence", "other-temperature", "mixed-groups"),
        "On-policy, with the mean per response, the loss is minus the mean advantage, which is 0. "
        "Here it is not: the token weights of a response no longer sum to 1. Nothing praises the "
        "end token any more, and here nothing has to: this policy learned to stop in its warm "
        "start. A bug that does no visible harm today is still a bug.",
        Published(
            "rasbt/reasoning-from-scratch, pull request 185",
            "https://github.com/rasbt/reasoning-from-scratch/pull/185",
            "A textbook's GRPO left the end token out of the sampled response, hence out of the "
            "gradient. Short runs showed nothing; a reader saw it.",
        ),
        "0",
    ),
    "D": Case(
        "shouting-silence",
        "healthy-form",
        ("batch-std", "mixed-groups", "token-mean", "no-end-token", "answers-shifted"),
        "Inside a group the relative rewards sum to 0, whatever the rewards. Here they do not. "
        "Eight rewards of 0.3 have a mean that rounding puts off by a last bit, and a standard "
        "deviation of almost 0: divided by it, the last bit becomes an advantage of about 1, in a "
        "group in which nobody was better. (Eight rewards of 0 or of 1 have an exact mean.)",
        Published(
            "verl-project/verl, pull request 4597",
            "https://github.com/verl-project/verl/pull/4597",
            "Where all rewards of a group were the same fraction, such as 0.2, rounding made "
            "advantages of them that should have been 0.",
        ),
        "0",
    ),
    "E": Case(
        "shifted-groups",
        "healthy-short",
        ("overlong-filter", "forced-end", "padding-counts", "token-mean", "no-end-token"),
        "After the first cut-off response a group holds samples of two prompts, and those seldom "
        "agree: there are too few silent groups. Praise and blame go by which prompt was easy. "
        "Without a twin you would have to count the samples drawn and those in the update.",
        Published(
            "allenai/open-instruct, pull request 1794",
            "https://github.com/allenai/open-instruct/pull/1794",
            "Completions that did not finish were dropped, and only then were the scores reshaped "
            "into groups: a crash, or by luck of the count groups of the wrong prompts.",
        ),
    ),
    "F": Case(
        "inverted-clip",
        "healthy-again",
        ("no-clip", "old-is-new", "other-temperature", "answers-shifted", "shouting-silence"),
        "The maximum lets the loss collect gains that the clip is there to refuse, so it falls "
        "much further within a batch, and blamed tokens are pushed on without limit. With one "
        "update a batch nothing would show: all ratios are 1.",
        Published(
            "takuseno/ppo, issue 3",
            "https://github.com/takuseno/ppo/issues/3",
            "The minimum of the two ratios was taken first and multiplied by the advantage after: "
            "for a negative one that is the maximum of the two products.",
        ),
    ),
    "G": Case(
        "k1-loss",
        "k3-loss",
        ("moving-reference", "kl-upside-down", "token-mean", "no-end-token", "never-moves"),
        "In step 1 policy and reference are the same, so a penalty that pulls towards the "
        "reference has no gradient yet. That of k1 is the gradient of log pi, with no reference in "
        "it: noise, no leash, and with a mean per response even a pull towards longer ones.",
        Published(
            "allenai/open-instruct, pull request 535 and issue 534",
            "https://github.com/allenai/open-instruct/pull/535",
            "The reviewers saw that a larger weight of the k1 penalty led to a larger KL: the "
            "reference's log-probs have no part in its gradient.",
        ),
    ),
    "H": Case(
        "random-value-head",
        "healthy-ppo",
        ("idle-critic", "late-reward", "past-the-end", "whitened-padding", "other-temperature"),
        "Explained variance far below 0 means that the critic's values are worse than none. The "
        "first advantages are the noise of its head.",
        Published(
            "huggingface/trl, modeling_value_head.py",
            "https://github.com/huggingface/trl/blob/main/trl/experimental/ppo/"
            "modeling_value_head.py",
            "The value head's documented default is a random start; another one has to be asked "
            "for. (The zoo's is far larger than that one.)",
        ),
        "0 or more",
    ),
}


# ---------------------------------------------------------------------------- what the record says


def twins(letter: str, runs: Path = RUNS) -> tuple[Run, Run]:
    """The sick run and the healthy one.

    Raises:
        ValueError: there is no such case.
        FileNotFoundError: a run is not recorded; the message says how to make it.
    """
    if letter not in CASES:
        raise ValueError(f"there is no case {letter!r}; there are: {', '.join(CASES)}")
    zoo, case = load("zoo", runs), CASES[letter]
    for setting in (case.sick, case.healthy):
        if setting not in zoo:
            raise FileNotFoundError(
                f"{runs / 'zoo'}.jsonl has no run {setting!r}; "
                f"python -m grpo_mini experiment zoo --resume --out {runs} makes it"
            )
    return zoo[case.sick][0], zoo[case.healthy][0]


def first_step(letter: str, runs: Path = RUNS) -> tuple[dict, dict]:
    """The metrics of step 1, of the sick run and of the healthy one."""
    sick, healthy = ({row["step"]: row for row in run.rows}[1] for run in twins(letter, runs))
    return sick, healthy


def differs(sick: float, healthy: float) -> bool:
    """Whether a metric of step 1 differs: by more than a tenth, and by more than 0.001."""
    return abs(sick - healthy) > max(0.1 * abs(healthy), 0.001)


def offered(letter: str, runs: Path = RUNS) -> dict[str, tuple[str, ...]]:
    """The pieces of evidence that a case has, each with its metrics."""
    sick, healthy = twins(letter, runs)
    there = set.intersection(*({name for row in run.rows for name in row} for run in
                               (sick, healthy)))  # fmt: skip
    curves = {piece: metrics for piece, metrics in EVIDENCE.items() if there >= set(metrics)}
    return curves | {RESPONSES: (), OPTIONS: ()}


def contradictions(suspect: Suspect, sick: dict, healthy: dict) -> list[str]:
    """What in two rows of step 1 the suspect cannot have done, a sentence each."""

    def said(metric: str) -> str:
        return f"{NAMES[metric]}, in step 1: {sick[metric]:.3g}, the twin's {healthy[metric]:.3g}"

    reasons = []
    if suspect.draws != (sick["think_share"] != healthy["think_share"]):
        responses = "other responses than the twin's" if suspect.draws else "the twin's responses"
        reasons.append(f"With it step 1 would have drawn {responses} ({said('think_share')}).")
    for metric in suspect.moves:
        if not differs(sick[metric], healthy[metric]):
            reasons.append(f"It would have moved this ({said(metric)}).")
    for metric in suspect.spares:
        if metric in sick and differs(sick[metric], healthy[metric]):
            reasons.append(f"It would have left this alone ({said(metric)}).")
    for metric, (low, high) in suspect.between.items():
        if not low <= sick[metric] <= high:
            limits = f"{low:g}" if low == high else f"between {low:g} and {high:g}"
            reasons.append(f"With it this would be {limits} ({said(metric)}).")
    return reasons


def speaks_against(name: str, letter: str, runs: Path = RUNS) -> list[str]:
    """Why the suspect cannot have done this; an empty list if nothing speaks against it."""
    return contradictions(SUSPECTS[name], *first_step(letter, runs))


def wrong_lines(letter: str) -> str:
    """What is different in the sick run: the source of a class, or an option beside the twin's."""
    case, settings = CASES[letter], EXPERIMENTS["zoo"].settings
    sick, healthy = settings[case.sick], settings[case.healthy]
    if sick.trainer is not healthy.trainer:
        return inspect.getsource(sick.trainer).rstrip()
    names = [name for name in sick.options if sick.options[name] != healthy.options[name]]
    return "\n".join(
        f"{name}={sick.options[name]!r}  # the twin's: {healthy.options[name]!r}" for name in names
    )


def options_of(letter: str, runs: Path = RUNS) -> dict[str, object]:
    """How both twins were set, in words."""
    sick, _ = twins(letter, runs)
    config, judge = sick.header["config"], EXPERIMENTS["zoo"].settings[CASES[letter].healthy].judge
    is_ppo = "ppo_epochs" in config
    group = config["samples_per_prompt" if is_ppo else "group_size"]
    return {
        "algorithm": "PPO" if is_ppo else "GRPO",
        "prompts a step, responses to each": f"{config['prompts_per_step']} x {group}",
        "updates with each batch": config["ppo_epochs" if is_ppo else "grpo_epochs"],
        "learning rate": f"{config['learning_rate']:g}",
        "temperature": config["temperature"],
        "tokens allowed": config["max_new_tokens"],
        "weight of the KL penalty": config["kl_coef"],
        "aggregation": config["aggregation"],
        "what pays": "1 for a right answer"
        + (", 0.3 for a wrong one in the right form" if judge else ""),
    }


def points(pieces: int, wrong: int, solved: bool) -> int:
    """What a closed case is worth: each piece of evidence and each wrong accusation costs."""
    return max(FULL - PIECE * pieces - WRONG * wrong, LEAST) if solved else 0
