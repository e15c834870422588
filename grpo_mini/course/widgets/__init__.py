"""The advantage lab: widgets whose every number comes from the module."""

from .bias import BiasLab
from .clip import ClipExplorer
from .difficulty import Difficulty
from .first import FirstToken
from .gae import GAEExplorer
from .group_size import GroupSize
from .kl import KLEstimators
from .length import Length
from .memory import MemoryPlanner
from .mixer import AdvantageMixer
from .moving import MovingDistribution
from .stack import NormalisationStack

__all__ = [
    "AdvantageMixer",
    "BiasLab",
    "ClipExplorer",
    "Difficulty",
    "FirstToken",
    "GAEExplorer",
    "GroupSize",
    "KLEstimators",
    "Length",
    "MemoryPlanner",
    "MovingDistribution",
    "NormalisationStack",
]
