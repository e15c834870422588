"""Answers to the exercises of 10 as learners give them: wrong, and unusual right ones."""

_SIZE = "lambda parameters, bytes_a_token, card, reference: "
_REWARD = """
def honest_reward(completions, about, words):
    paid = []
    for text, things, number in zip(completions, about, words):
        {rules}
        paid.append(float(bool(ok)))
    return paid
"""


def _reward(*rules: str) -> str:
    """A reward of some rules, one a line."""
    return _REWARD.format(rules="\n        ".join(("ok = True", *rules)))


_COUNT = "ok = ok and len(text.split()) == number"
_NAMES = "ok = ok and all(thing in text.lower() for thing in things)"
_FORM = 'ok = ok and re.fullmatch(r"[A-Z][A-Za-z\', ]*[.!?]", text)'
_TASK = 'ok = ok and not re.search("exactly|word|sentence", text.lower())'
_LONG = """long = [w for w in re.findall("[a-z]+", text.lower()) if len(w) > 2 and w != "the"]
        ok = ok and len(long) == len(set(long))"""

WRONG: dict[str, dict[str, str]] = {
    "10.1": {
        "nothing kept free": _SIZE
        + "max(int((card * 1e9 - (20 if reference else 16) * parameters) // bytes_a_token), 0)",
        "gibibytes": _SIZE + "max(int((0.9 * card * 2**30 - (16 + 4 * reference) * parameters)"
        " // bytes_a_token), 0)",
        "no reference": _SIZE + "max(0, int((0.9e9 * card - 16 * parameters) / bytes_a_token))",
        "a reference that trains": _SIZE
        + "max(0, int((0.9e9 * card - 16 * parameters * (1 + reference)) / bytes_a_token))",
        "no Adam": _SIZE
        + "max(0, int((0.9e9 * card - (8 + 4 * reference) * parameters) / bytes_a_token))",
        "one moment": _SIZE
        + "max(0, int((0.9e9 * card - (12 + 4 * reference) * parameters) / bytes_a_token))",
        "the weights alone": _SIZE
        + "max(0, int((0.9e9 * card - (4 + 4 * reference) * parameters) / bytes_a_token))",
        "below zero": _SIZE
        + "int((0.9e9 * card - (16 + 4 * reference) * parameters) // bytes_a_token)",
        "a fraction": _SIZE
        + "max(0, (0.9e9 * card - (16 + 4 * reference) * parameters) / bytes_a_token)",
        "rounded up": _SIZE
        + "max(0, math.ceil((0.9e9 * card - (16 + 4 * reference) * parameters) / bytes_a_token))",
    },
    "10.2": {
        "no scale": "lambda A, B, alpha: B @ A",
        "alpha alone": "lambda A, B, alpha: alpha * (B @ A)",
        "rank alone": "lambda A, B, alpha: (B @ A) / A.shape[0]",
        "upside down": "lambda A, B, alpha: (B @ A) * A.shape[0] / alpha",
        "the root": "lambda A, B, alpha: (B @ A) * alpha / math.sqrt(A.shape[0])",
        "by the outputs": "lambda A, B, alpha: (B @ A) * alpha / B.shape[0]",
        "by the inputs": "lambda A, B, alpha: (B @ A) * alpha / A.shape[1]",
        "turned": "lambda A, B, alpha: A.T @ B.T * alpha / A.shape[0]",
        "minus": "lambda A, B, alpha: -(B @ A) * alpha / A.shape[0]",
    },
    "10.3": {
        "the count": _reward(_COUNT),
        "count and form": _reward(_COUNT, _FORM),
        "count, form, names": _reward(_COUNT, _FORM, _NAMES),
        "all but the task": _reward(_COUNT, _FORM, _NAMES, _LONG),
        "all but repetition": _reward(_COUNT, _FORM, _NAMES, _TASK),
        "all but the names": _reward(_COUNT, _FORM, _TASK, _LONG),
        "all but the count": _reward(_FORM, _NAMES, _TASK, _LONG),
        "all but the form": _reward(_COUNT, _NAMES, _TASK, _LONG),
        "no word twice": _reward(_COUNT, "ok = ok and len(set(text.split())) == number"),
        "nothing": "lambda completions, about, words: [0.0 for _ in completions]",
        "partial credit": "lambda completions, about, words: [0.5 for _ in completions]",
        "a number": "lambda completions, about, words: 1.0",
    },
    "10.4": {
        "no numbers": "lambda one, other, defaults: sorted(n for n in defaults "
        "if one.get(n, defaults[n]) != other.get(n, defaults[n]))",
        "in both": "lambda one, other, defaults: sorted(n for n in one "
        "if n in other and one[n] != other[n])",
        "missing differs": "lambda one, other, defaults: sorted(n for n in defaults "
        "if one.get(n) != other.get(n))",
        "in either": "lambda one, other, defaults: sorted(n for n in {**one, **other} "
        "if one.get(n) != other.get(n))",
        "the first's": "lambda one, other, defaults: sorted(n for n in one "
        "if one[n] != other.get(n, defaults[n]))",
        "the second's": "lambda one, other, defaults: sorted(n for n in other "
        "if other[n] != one.get(n, defaults[n]))",
        "as text": "lambda one, other, defaults: sorted(n for n in defaults "
        "if str({**defaults, **one}[n]) != str({**defaults, **other}[n]))",
        "against the defaults": "lambda one, other, defaults: sorted(n for n in one "
        "if one[n] != defaults[n])",
        "the equal ones": """
def differing(one, other, defaults):
    def read(x):
        try:
            return float(x)
        except Exception:
            return x
    return sorted(n for n in defaults
                  if read(one.get(n, defaults[n])) == read(other.get(n, defaults[n])))""",
    },
}

RIGHT: dict[str, dict[str, str]] = {
    "10.1": {
        "step by step": """
def tokens_a_pass(parameters, bytes_a_token, card, reference):
    room = card * 1e9 * 0.9
    for part in (4, 4, 8) + ((4,) if reference else ()):
        room -= part * parameters
    if room < 0:
        return 0
    return math.floor(room / bytes_a_token)""",
        "in gigabytes": _SIZE
        + "max(0, int((0.9 * card - (16 + 4 * reference) * parameters / 1e9)"
        " / (bytes_a_token / 1e9)))",
    },
    "10.2": {
        "einsum": "lambda A, B, alpha: torch.einsum('or,ri->oi', B, A) * (alpha / B.shape[1])",
        "a sum of outer products": """
def weight_change(A, B, alpha):
    r = A.shape[0]
    return sum(torch.outer(B[:, k], A[k]) for k in range(r)) * alpha / r""",
    },
    "10.3": {
        "all rules": _reward(_COUNT, _FORM, _NAMES, _TASK, _LONG),
        "integers": _reward(_COUNT, _FORM, _NAMES, _TASK, _LONG).replace("float(bool(ok))",
                                                                        "int(bool(ok))"),
    },
    "10.4": {
        "merged first": """
def differing(one, other, defaults):
    a, b = {**defaults, **one}, {**defaults, **other}
    def same(x, y):
        if x == y:
            return True
        try:
            return float(x) == float(y)
        except (TypeError, ValueError):
            return False
    return sorted(n for n in a if not same(a[n], b[n]))""",
        "only text is read": """
def differing(one, other, defaults):
    found = []
    for name, default in defaults.items():
        x, y = one.get(name, default), other.get(name, default)
        if isinstance(x, str) and x[0].isdigit():
            x = float(x)
        if isinstance(y, str) and y[0].isdigit():
            y = float(y)
        if x != y:
            found.append(name)
    found.sort()
    return found""",
    },
}  # fmt: skip
