"""Checks of a configuration, each with an error that says what was seen."""

RULES = {
    "one of": lambda value, known: value in known,
    "at least": lambda value, limit: value >= limit,
    "above": lambda value, limit: value > limit,
    "between": lambda value, limits: limits[0] <= value <= limits[1],
}


def require(config: object, rule: str, **limits) -> None:
    """Check that each named field keeps the rule, one of `RULES`, with its limit.

    Raises:
        ValueError: the first field that does not, with its value.
    """
    for name, limit in limits.items():
        value = getattr(config, name)
        if RULES[rule](value, limit):
            continue
        if rule == "one of":
            raise ValueError(f"unknown {name} {value!r}; there are: {', '.join(limit)}")
        bound = "{} and {}".format(*limit) if rule == "between" else limit
        raise ValueError(f"{name} must be {rule} {bound}, got {value}")
