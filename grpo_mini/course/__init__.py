"""What only the notebooks use: exercises that check themselves, exact policies, preflight."""

from . import exercises, figures
from .cards import Card, say, show, table, token_grid
from .checker import check, hint, solution
from .exact import ExactPolicy
from .ledger import chips, editions, ledger
from .lesson_diff import show_diff
from .live import reached, responses, train_live
from .mine import my_grpo
from .predictions import predict
from .preflight import preflight
from .progress import progress
from .toy import TOY
from .widgets import (
    AdvantageMixer,
    BiasLab,
    ClipExplorer,
    Difficulty,
    FirstToken,
    GAEExplorer,
    GroupSize,
    KLEstimators,
    Length,
    MemoryPlanner,
    MovingDistribution,
    NormalisationStack,
)
from .widgets.board import TrainingBoard
from .widgets.cloud import GradientCloud
from .widgets.microscope import RolloutMicroscope
from .widgets.race import RaceViewer
from .widgets.tree import SamplingTree

__all__ = [
    "TOY",
    "AdvantageMixer",
    "BiasLab",
    "Card",
    "ClipExplorer",
    "Difficulty",
    "ExactPolicy",
    "FirstToken",
    "GAEExplorer",
    "GradientCloud",
    "GroupSize",
    "KLEstimators",
    "Length",
    "MemoryPlanner",
    "MovingDistribution",
    "NormalisationStack",
    "RaceViewer",
    "RolloutMicroscope",
    "SamplingTree",
    "TrainingBoard",
    "check",
    "chips",
    "editions",
    "exercises",
    "figures",
    "hint",
    "ledger",
    "my_grpo",
    "predict",
    "preflight",
    "progress",
    "reached",
    "responses",
    "say",
    "show",
    "show_diff",
    "solution",
    "table",
    "token_grid",
    "train_live",
]
