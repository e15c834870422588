"""What only the notebooks use: exercises that check themselves, exact policies, preflight."""

from .cards import Card, say, show
from .checker import check, hint, progress, solution
from .exact import ExactPolicy
from .live import train_live
from .preflight import preflight
from .toy import TOY

__all__ = [
    "TOY",
    "Card",
    "ExactPolicy",
    "check",
    "hint",
    "preflight",
    "progress",
    "say",
    "show",
    "solution",
    "train_live",
]
