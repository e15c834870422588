"""What only the notebooks use: exercises that check themselves, exact policies, preflight."""

from . import figures
from .cards import Card, say, show, table
from .checker import check, hint, progress, solution
from .exact import ExactPolicy
from .lesson_diff import show_diff
from .live import train_live
from .predictions import predict
from .preflight import preflight
from .toy import TOY
from .widgets import (
    AdvantageMixer,
    BiasLab,
    ClipExplorer,
    Difficulty,
    GAEExplorer,
    GroupSize,
    KLEstimators,
    Length,
    NormalisationStack,
)
from .widgets.board import TrainingBoard
from .widgets.microscope import RolloutMicroscope

__all__ = [
    "TOY",
    "AdvantageMixer",
    "BiasLab",
    "Card",
    "ClipExplorer",
    "Difficulty",
    "ExactPolicy",
    "GAEExplorer",
    "GroupSize",
    "KLEstimators",
    "Length",
    "NormalisationStack",
    "RolloutMicroscope",
    "TrainingBoard",
    "check",
    "figures",
    "hint",
    "predict",
    "preflight",
    "progress",
    "say",
    "show",
    "show_diff",
    "solution",
    "table",
    "train_live",
]
