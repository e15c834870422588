"""What every command's options share: numbers with a range, and errors of one line."""

import argparse
import json
from collections.abc import Callable
from dataclasses import fields
from types import UnionType
from typing import get_args, get_origin, get_type_hints

from ..support.requirements import number


class Parser(argparse.ArgumentParser):
    """A parser that answers a slip in one line, and tells an option by its whole name only."""

    def __init__(self, **options):
        super().__init__(**options | {"allow_abbrev": False})

    def error(self, message: str) -> None:
        """Exit with 2 and the message."""
        self.exit(2, f"error: {message}; {self.prog} --help lists the options\n")


def whole(low: int, high: int = 2**63 - 1) -> Callable[[str], int]:
    """An option's type: a whole number from ``low`` to ``high``."""
    return _parsed(int, low, high)


def above(low: float) -> Callable[[str], float]:
    """An option's type: a number above ``low``."""
    return _parsed(float, low, 1e30, above=True)


def _parsed(kind: type, low: float, high: float, above: bool = False) -> Callable:
    def parse(text: str) -> int | float:
        try:
            value = kind(text)
        except ValueError:
            wanted = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"must be {wanted}, got {text!r}") from None
        try:
            return number("it", value, low, high, kind is int, above)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error).removeprefix("it ")) from None

    return parse


def add_fields(parser: argparse.ArgumentParser, *configs: type, without: tuple = ()) -> None:
    """One option for each field of the configurations. None has a default of its own, so that what
    was typed can be told from what was not; the help shows the configurations' defaults."""
    group = parser.add_argument_group("configuration (defaults in brackets)")
    seen = set(without)
    for config in configs:
        for field in fields(config):
            if field.name in seen:
                continue
            seen.add(field.name)
            hint = get_type_hints(config)[field.name]
            kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
            kind = get_origin(kinds[0]) or kinds[0]
            option = "--" + field.name.replace("_", "-")
            # A field's default is an attribute of its class.
            defaults = [getattr(each, field.name) for each in configs if hasattr(each, field.name)]
            common = {"default": argparse.SUPPRESS, "help": str([*dict.fromkeys(defaults)])}
            if kind is bool:
                group.add_argument(option, action=argparse.BooleanOptionalAction, **common)
            elif kind is tuple:
                group.add_argument(option, type=float, nargs="+", metavar="FLOAT", **common)
            elif kind is dict:
                group.add_argument(option, type=_dictionary, metavar="JSON", **common)
            else:
                group.add_argument(option, type=kind, metavar=kind.__name__.upper(), **common)


def _dictionary(text: str) -> dict:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"must be a JSON object, got {text!r}")
    return value
