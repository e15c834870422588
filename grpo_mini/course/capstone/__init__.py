"""The capstone: a task of the learner's own, from its file to a page that can be handed in."""

from .file import TaskFileError, begin
from .project import Project
from .report import RUBRIC, race_figure, rubric_rows, write_report

__all__ = [
    "RUBRIC",
    "Project",
    "TaskFileError",
    "begin",
    "race_figure",
    "rubric_rows",
    "write_report",
]
