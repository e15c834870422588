"""Checks of what a user hands over, each with an error that says what was seen."""

import json
import math
import os
from dataclasses import fields
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import get_args, get_origin, get_type_hints

import torch

WORDS = {bool: "True or False", int: "a whole number", float: "a number", str: "text",
         dict: "a dictionary", tuple: "a list of numbers", NoneType: "None"}  # fmt: skip


def number(
    name: str,
    value: object,
    low: float = -math.inf,
    high: float = math.inf,
    whole: bool = False,
    above: bool = False,
) -> int | float:
    """The number ``value``, if it is one, finite, and between ``low`` and ``high``.

    Args:
        whole: only integers will do.
        above: ``low`` itself will not do.

    Raises:
        ValueError: it is not; the message says what was seen.
    """
    if isinstance(value, bool) or not isinstance(value, Integral if whole else Real):
        raise ValueError(f"{name} must be {WORDS[int if whole else float]}, got {value!r}")
    try:
        value = int(value) if whole else float(value)
    except OverflowError:  # a whole number of more than 308 digits
        value = math.inf
    if not whole and not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")
    if value < low or (above and value == low):
        raise ValueError(f"{name} must be {'above' if above else 'at least'} {low}, got {value}")
    if value > high:
        raise ValueError(f"{name} must be at most {high}, got {value}")
    return value


def require_types(config: object) -> None:
    """Check every field of a dataclass against its annotation, and set it to the plain type.

    A path or a device becomes text, a list of numbers a tuple, numpy's numbers Python's.

    Raises:
        ValueError: the first field that does not fit, with its value.
    """
    hints = get_type_hints(type(config))
    for field in fields(config):
        value, hint = getattr(config, field.name), hints[field.name]
        kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        kinds = [get_origin(kind) or kind for kind in kinds]
        setattr(config, field.name, _plain(field.name, value, kinds))


def _plain(name: str, value: object, kinds: list[type]) -> object:
    if isinstance(value, os.PathLike | torch.device) and str in kinds:
        return str(value)
    if isinstance(value, list | tuple) and tuple in kinds:
        return tuple(number(f"{name}[{i}]", entry) for i, entry in enumerate(value))
    if isinstance(value, Real) and not isinstance(value, bool) and {int, float} & set(kinds):
        return number(name, value, whole=float not in kinds)
    if (
        type(value) in kinds
        and not isinstance(value, int | float | tuple)
        or (isinstance(value, bool) and bool in kinds)
    ):
        return value
    raise ValueError(f"{name} must be {' or '.join(WORDS[kind] for kind in kinds)}, got {value!r}")


def require_arguments(name: str, value: dict, taken: tuple[str, ...]) -> None:
    """Check keyword arguments that are handed on: their names, and that JSON can hold them.

    Raises:
        ValueError: a name is no text or one of ``taken``, or a value is no JSON.
    """
    for key in value:
        if not isinstance(key, str) or key in taken:
            raise ValueError(f"{name} must not have the name {key!r}")
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must hold what JSON can hold, got {value!r}") from None


def require(config: object, rule: str, **limits) -> None:
    """Check that each named field keeps a rule with its limit.

    Args:
        rule: "one of" a list, "at least", "above" or "at most" a number, or "between" two.

    Raises:
        ValueError: the first field that does not, with its value.
    """
    for name, limit in limits.items():
        value = getattr(config, name)
        if rule == "one of":
            if value not in limit:
                raise ValueError(f"unknown {name} {value!r}; there are: {', '.join(limit)}")
            continue
        low, high = {"between": limit, "at most": (-math.inf, limit)}.get(rule, (limit, math.inf))
        number(name, value, low, high, isinstance(value, int), rule == "above")
