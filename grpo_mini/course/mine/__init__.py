"""The learner's file: ``my_grpo.py`` beside the notebooks, which grows with each right answer."""

from .file import put
from .running import MyGRPO, my_grpo

__all__ = ["MyGRPO", "my_grpo", "put"]
