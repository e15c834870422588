"""Exercises of notebook 10: size of a run, change of low rank, honest reward, configurations."""

import re

import torch

from ...tasks.words import read_sentence, words_reward
from ..checker import Mistake, exercise

# ---------------------------------------------------------------------------- 10.1


def tokens_a_pass(parameters, bytes_a_token, card, reference):
    fixed = (16 + 4 * reference) * parameters
    return max(int((0.9 * card * 1e9 - fixed) // bytes_a_token), 0)


def _left(card, fixed, bytes_a_token) -> int:
    return max(int((card - fixed) // bytes_a_token), 0)


exercise(
    number="10.1",
    title="size a run",
    solution=tokens_a_pass,
    cases=lambda: [
        {"parameters": 494_032_768, "bytes_a_token": 3_096_576, "card": 16, "reference": False},
        {
            "parameters": 494_032_768,
            "bytes_a_token": 3_096_576,
            "card": 16,
            "reference": True,
            "why": "with a frozen reference",
        },
        {
            "parameters": 1_543_714_304,
            "bytes_a_token": 6_408_192,
            "card": 24,
            "reference": False,
            "why": "a card that is too small",
        },
        {"parameters": 822_272, "bytes_a_token": 53_248, "card": 8, "reference": True},
    ],
    mistakes=(
        Mistake(
            lambda parameters, bytes_a_token, card, reference: _left(
                card * 1e9, (20 if reference else 16) * parameters, bytes_a_token
            ),
            "This fills the card to the brim. CUDA, the samples of the next step and the gaps "
            "between tensors want room: leave a tenth of it free.",
        ),
        Mistake(
            lambda parameters, bytes_a_token, card, reference: _left(
                0.9 * card * 2**30, (20 if reference else 16) * parameters, bytes_a_token
            ),
            "A GB has 1e9 bytes here, as on the label of a card; 2**30 bytes are a GiB.",
        ),
        Mistake(
            lambda parameters, bytes_a_token, card, reference: _left(
                0.9 * card * 1e9, 16 * parameters, bytes_a_token
            ),
            "The frozen reference is a second set of weights: 4 bytes a parameter more.",
        ),
        Mistake(
            lambda parameters, bytes_a_token, card, reference: _left(
                0.9 * card * 1e9, (32 if reference else 16) * parameters, bytes_a_token
            ),
            "A frozen reference has no gradients and no Adam: 4 bytes a parameter, not 16.",
        ),
        Mistake(
            lambda parameters, bytes_a_token, card, reference: _left(
                0.9 * card * 1e9, (12 if reference else 8) * parameters, bytes_a_token
            ),
            "These are weights and gradients. Adam keeps two numbers more for each parameter.",
        ),
        Mistake(
            lambda parameters, bytes_a_token, card, reference: _left(
                0.9 * card * 1e9, (16 if reference else 12) * parameters, bytes_a_token
            ),
            "Adam keeps *two* moments: 8 bytes a parameter, not 4.",
        ),
        Mistake(
            lambda parameters, bytes_a_token, card, reference: _left(
                0.9 * card * 1e9, (8 if reference else 4) * parameters, bytes_a_token
            ),
            "This is enough to sample, not to train: gradients and Adam's two moments are missing.",
        ),
        Mistake(
            lambda parameters, bytes_a_token, card, reference: int(
                (0.9 * card * 1e9 - (20 if reference else 16) * parameters) // bytes_a_token
            ),
            "Where not even the weights fit, nothing is left: 0, not less than nothing.",
        ),
        Mistake(
            lambda parameters, bytes_a_token, card, reference: (
                _left(0.9 * card * 1e9, (20 if reference else 16) * parameters, bytes_a_token) + 1
            ),
            "One too many: the last token of them no longer fits. Round down.",
        ),
        Mistake(
            lambda parameters, bytes_a_token, card, reference: max(
                (0.9 * card * 1e9 - (20 if reference else 16) * parameters) / bytes_a_token, 0.0
            ),
            "A pass has whole tokens: round down.",
        ),
    ),
    hints=(
        "What does not depend on the pass: 16 bytes a parameter, and 4 more with a reference.",
        "What is left of nine tenths of the card, divided by what a token keeps, is the pass.",
        "`int((0.9 * card * 1e9 - fixed) // bytes_a_token)`, and 0 where that is negative.",
    ),
)

# ---------------------------------------------------------------------------- 10.2


def weight_change(A, B, alpha):
    return alpha / len(A) * B @ A


exercise(
    number="10.2",
    title="a change of low rank",
    solution=weight_change,
    cases=lambda: [
        {
            "A": torch.tensor([[1.0, -2.0, 0.5], [0.0, 1.0, 3.0]]),
            "B": torch.tensor([[1.0, 2.0], [0.0, -1.0], [4.0, 0.5], [1.0, 1.0]]),
            "alpha": 6.0,
        },
        {
            "A": torch.tensor([[1.0, -2.0, 0.5]]),
            "B": torch.tensor([[2.0], [0.5], [-1.0]]),
            "alpha": 3.0,
            "why": "rank 1, and as many rows as columns",
        },
    ],
    mistakes=(
        Mistake(
            lambda A, B, alpha: B @ A,
            "The scale is missing. LoRA multiplies by alpha over r, so that another rank asks for "
            "no other learning rate.",
        ),
        Mistake(
            lambda A, B, alpha: alpha * B @ A,
            "Scaled by alpha alone: LoRA divides it by the rank r, the number of rows of A.",
        ),
        Mistake(
            lambda A, B, alpha: B @ A / len(A),
            "Divided by the rank, but alpha is missing.",
        ),
        Mistake(
            lambda A, B, alpha: len(A) / alpha * B @ A,
            "The scale is upside down: alpha over r.",
        ),
        Mistake(
            lambda A, B, alpha: alpha / len(A) ** 0.5 * B @ A,
            "Divided by the root of the rank. That is rsLoRA (arXiv 2312.03732), a variant for "
            "large ranks; LoRA divides by the rank.",
        ),
        Mistake(
            lambda A, B, alpha: alpha / len(B) * B @ A,
            "Divided by the number of outputs. The rank is the side that A and B share.",
        ),
        Mistake(
            lambda A, B, alpha: alpha / A.shape[1] * B @ A,
            "Divided by the number of inputs. The rank is the side that A and B share.",
        ),
        Mistake(
            lambda A, B, alpha: alpha / len(A) * (B @ A).T,
            "This is [inputs, outputs]. A linear layer's weight is [outputs, inputs].",
        ),
        Mistake(
            lambda A, B, alpha: -alpha / len(A) * B @ A,
            "The sign is reversed: the change is added to the weight.",
        ),
    ),
    hints=(
        "The layer gives W x, and beside it alpha / r times B (A x). What one matrix does the same "
        "as the second?",
        "B (A x) is (B A) x. The rank r is the number of rows of A, or of columns of B.",
        "`alpha / len(A) * B @ A`.",
    ),
)

# ---------------------------------------------------------------------------- 10.3

# What has to be paid: a sentence, what it is to be about, how many words were asked for.
HONEST = (
    ("The old fox drank from the quiet river.", ["fox", "river"], 8),
    ("A pilot waited at the bank.", ["pilot", "bank"], 6),
    ("In the rain, the small robot counted its steps.", ["robot", "rain"], 9),
    ("Why did the queen leave the castle?", ["queen", "castle"], 7),
)
# What was seen in a training that paid for the count alone, and what to say where it is paid.
SEEN = {
    "a word again and again": (
        ("A Map and a Temple Exactly Exactly Exactly Exactly.", ["map", "temple"], 9),
        ("The fox river fox river fox river.", ["fox", "river"], 7),
    ),
    "a sentence about the task": (
        ("This fox by the river has exactly ten little words.", ["fox", "river"], 10),
        ("Here is one sentence: robot rain.", ["robot", "rain"], 6),
    ),
    "a sentence about something else": (
        ("Birds sing in the early morning light.", ["robot", "rain"], 7),
        ("The robot likes to walk in cities.", ["robot", "rain"], 7),
    ),
    "digits or signs in place of words": (
        ("The fox 1 2 3 4 river.", ["fox", "river"], 7),
        ("Fox - - - - - river.", ["fox", "river"], 7),
    ),
    "more than one sentence": (
        ("Fox. River. Water. Green. Fish. Night.", ["fox", "river"], 6),
        ("The pilot sleeps. The bank opens.", ["pilot", "bank"], 6),
    ),
    "no sentence, but its beginning": (
        ("the fox and the river in the", ["fox", "river"], 7),
        ("The pilot of the bank was", ["pilot", "bank"], 6),
    ),
    "another number of words": (
        ("The old fox drank from the quiet river.", ["fox", "river"], 7),
        ("A pilot waited at the bank.", ["pilot", "bank"], 7),
    ),
}
NO_LIST = "It has to return a list with a number for each completion."
REFUSED = "It refuses an honest sentence with the right number of words."
PAYS = {what: f"It pays for {what}." for what in SEEN}


def honest_reward(completions, about, words):
    paid = []
    for text, things, number in zip(completions, about, words, strict=True):
        found = re.findall(r"[a-z]+", text.lower())
        long = [word for word in found if len(word) > 3]
        honest = re.fullmatch(r"[A-Z][A-Za-z', ]*[.!?]", text) and len(text.split()) == number
        honest = honest and all(thing in found for thing in things)
        honest = honest and len(set(long)) == len(long) and found.count(found[0]) < 4
        honest = honest and not {"exactly", "word", "words", "sentence"} & set(found)
        paid.append(float(bool(honest)))
    return paid


def _columns() -> dict:
    rows = [*HONEST, *(row for rows in SEEN.values() for row in rows)]
    texts, about, words = zip(*rows, strict=True)
    return {"completions": list(texts), "about": list(about), "words": list(words)}


def judge_reward(paid, completions, about, words) -> str | tuple[str, str] | None:
    """Whether honest sentences are paid 1, and what was seen 0."""
    numbers = isinstance(paid, list | tuple) and all(isinstance(p, int | float) for p in paid)
    if not numbers or len(paid) != len(completions):
        return NO_LIST
    rows = iter(zip(completions, words, paid, strict=True))
    for text, number, reward in (next(rows) for _ in HONEST):
        if reward != 1:
            return REFUSED, f"It pays {reward:g} for `{text}`, asked for {number} words."
    for what, cheats in SEEN.items():
        for text, number, reward in (next(rows) for _ in cheats):
            if reward != 0:
                return PAYS[what], f"It pays {reward:g} for `{text}`, asked for {number} words."
    return None


def _with(*rules):
    """The count, and some rules more."""

    def reward(completions, about, words):
        rows = zip(completions, about, words, strict=True)
        return [
            float(len(t.split()) == n and all(rule(t, a) for rule in rules)) for t, a, n in rows
        ]

    return reward


def _once(text, about) -> bool:
    long = [word for word in re.findall("[a-z]+", text.lower()) if len(word) > 3]
    return len(set(long)) == len(long) and "fox river fox" not in text


def _off_task(text, about) -> bool:
    return not re.search("exactly|words?|sentence", text.lower())


def _names(text, about) -> bool:
    return all(thing in text.lower() for thing in about)


def _plain(text, about) -> bool:
    return not re.search(r"\d|-", text)


exercise(
    number="10.3",
    title="a reward that is not gamed in this way",
    solution=honest_reward,
    cases=lambda: [_columns()],
    judge=judge_reward,
    reached=lambda paid: (
        f"It pays {int(sum(paid))} honest sentences and none of {len(paid) - len(HONEST)} cheats. "
        f"The next training will look for the cheat that is not in the list: read its samples."
    ),
    mistakes=(
        Mistake(_with(), PAYS["a word again and again"]),
        Mistake(_with(_once), PAYS["a sentence about the task"]),
        Mistake(_with(_once, _off_task), PAYS["a sentence about something else"]),
        Mistake(_with(_once, _off_task, _names), PAYS["digits or signs in place of words"]),
        Mistake(_with(_once, _off_task, _names, _plain), PAYS["more than one sentence"]),
        Mistake(lambda completions, about, words: [0.0] * len(completions), REFUSED),
        Mistake(lambda completions, about, words: 1.0, NO_LIST),
    ),
    hints=(
        "One rule for each cheat: what a sentence looks like (`re.fullmatch`), both things named, "
        "no long word twice, no word about the task, and the number of words.",
        "`the` and `a` may well stand twice: forbid repetition among words of over three letters, "
        "and `fox river fox river` by how often a word stands at all.",
        'A sentence: `re.fullmatch(r"[A-Z][A-Za-z\', ]*[.!?]", text)`. Its words: '
        '`re.findall(r"[a-z]+", text.lower())`. Then `all(thing in found for thing in things)`, '
        "and `found.count(word)` for each word.",
    ),
    module=(words_reward, read_sentence),
)

# ---------------------------------------------------------------------------- 10.4


def differing(one, other, defaults):
    def read(settings, name):
        value = settings.get(name, defaults[name])
        try:
            return float(value)
        except (TypeError, ValueError):
            return value

    return sorted(name for name in defaults if read(one, name) != read(other, name))


TRLS = {
    "learning_rate": 1e-6, "beta": 0.0, "num_generations": 8, "loss_type": "dapo",
    "scale_rewards": "group", "epsilon_high": None, "bf16": True, "max_completion_length": 512,
}  # fmt: skip


def _by(unequal, names=lambda one, other, defaults: defaults):
    return lambda one, other, defaults: sorted(
        name for name in names(one, other, defaults) if unequal(one, other, defaults, name)
    )


def _full(settings, defaults, name):
    return settings.get(name, defaults[name])


exercise(
    number="10.4",
    title="what differs between two configurations",
    solution=differing,
    cases=lambda: [
        {
            "one": {"learning_rate": 1e-5, "beta": 0.0, "num_generations": 16},
            "other": {"learning_rate": 1e-6, "num_generations": 16, "loss_type": "dr_grpo"},
            "defaults": TRLS,
        },
        {
            "one": {"learning_rate": 1e-6, "bf16": False, "max_completion_length": 512},
            "other": {"learning_rate": "1e-6", "scale_rewards": "none", "epsilon_high": 0.28},
            "defaults": TRLS,
            "why": "a number that YAML reads as text: 1e-6 without a point",
        },
        {"one": {}, "other": {"beta": 0}, "defaults": TRLS, "why": "the same after all"},
    ],
    mistakes=(
        Mistake(
            _by(lambda one, other, defaults, name: _full(one, defaults, name)
                != _full(other, defaults, name)),
            "Nearly. YAML takes `1e-6`, without a point, for text; the engine makes a number of "
            "it. Compare as numbers what can be read as one.",
        ),
        Mistake(
            _by(lambda one, other, defaults, name: one[name] != other[name],
                lambda one, other, defaults: one.keys() & other.keys()),
            "Only what both files say is compared. What one of them leaves out has the engine's "
            "default, and that is where most surprises are.",
        ),
        Mistake(
            _by(lambda one, other, defaults, name: one.get(name) != other.get(name)),
            "What is missing counts as different here, even where the other file says just what "
            "the default is.",
        ),
        Mistake(
            _by(lambda one, other, defaults, name: one[name] != _full(other, defaults, name),
                lambda one, other, defaults: one),
            "What only the second file says is not looked at.",
        ),
        Mistake(
            _by(lambda one, other, defaults, name: other[name] != _full(one, defaults, name),
                lambda one, other, defaults: other),
            "What only the first file says is not looked at.",
        ),
        Mistake(
            _by(lambda one, other, defaults, name: str(_full(one, defaults, name))
                != str(_full(other, defaults, name))),
            "Compared as text, `0` and `0.0` differ, and so do `1e-6` and `1e-06`.",
        ),
        Mistake(
            _by(lambda one, other, defaults, name: _full(one, defaults, name) != defaults[name]),
            "This compares the first file with the defaults. The question is where the two part.",
        ),
        Mistake(
            _by(lambda one, other, defaults, name: _full(other, defaults, name)
                != defaults[name]),
            "This compares the second file with the defaults. The question is where the two part.",
        ),
        Mistake(
            lambda one, other, defaults: sorted({*defaults} - {*differing(one, other, defaults)}),
            "These are the ones that agree.",
        ),
    ),
    hints=(
        "Go through all names of `defaults`: a file that leaves a name out has its default.",
        "`one.get(name, defaults[name])` is the value that holds. Do the same for the other.",
        "Before comparing, try `float(value)`; on a TypeError or ValueError keep the value as it "
        "is. Return the names in order: `sorted(...)`.",
    ),
)  # fmt: skip
